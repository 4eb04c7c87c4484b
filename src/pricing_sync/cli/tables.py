"""Tables and lines for people, fitted to the terminal; JSON for programs."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum, auto
from itertools import zip_longest
from typing import Any, NamedTuple, TypeAlias, cast

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

from pricing_sync.json_views.base import View

#: For a pipe or a file, where nothing is cut and no line is broken.
_UNLIMITED = 100_000
_GAP = 2
#: How narrow texts and ids may become, in characters: the first pair for which all columns fit.
_STEPS = ((24, 24), (24, 16), (16, 16), (12, 12))
#: A word longer than this may be broken.
_LONGEST_WORD = 28


class Fit(Enum):
    """What happens to a column that is wider than the terminal allows."""

    #: A word, a date or a run's id: left-aligned, always whole.
    WORD = auto()
    #: A number: right-aligned, always whole.
    FIGURE = auto()
    #: The id of a model: shortened in the middle.
    ID = auto()
    #: Words: broken into lines between words.
    TEXT = auto()


class Column(NamedTuple):
    """A column's heading, which may have two lines, and its fit."""

    name: str
    fit: Fit = Fit.WORD
    #: Left out when no row has a value for it.
    optional: bool = False
    #: Left out when the terminal is too narrow for it.
    spare: bool = False


def _terminal_width() -> int | None:
    """The width of the terminal, or of COLUMNS; None when the output goes to a pipe or a file."""
    wanted = os.environ.get("COLUMNS", "")
    if wanted.isascii() and wanted.isdigit():
        return max(int(wanted), 20)
    return os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else None


def _console(*, stderr: bool = False) -> Console:
    return Console(stderr=stderr, width=_UNLIMITED, highlight=False, emoji=False, markup=False)


out, err = _console(), _console(stderr=True)


def print_json(value: object) -> None:
    """*value*, which may contain views, as JSON on standard output, and nothing else."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=_plain) + "\n")


def _plain(value: object) -> object:
    return value.model_dump(mode="json") if isinstance(value, View) else list(cast(Any, value))


def print_line(text: str, indent: str = "") -> None:
    """*text* on standard output; lines that the terminal breaks begin with *indent*."""
    print_block(text.split("\n"), indent)


def print_block(lines: Iterable[str], indent: str = "") -> None:
    """Each of *lines* as `print_line` prints it."""
    width = _terminal_width()
    for line in lines:
        clean = _printable(line)
        if width is not None and cell_len(clean) > width:
            clean = "\n".join(
                textwrap.wrap(
                    clean,
                    width,
                    subsequent_indent=indent,
                    break_on_hyphens=False,
                )
            )
        out.print(Text(clean), soft_wrap=True)


def print_table(
    columns: Sequence[Column | str],
    rows: Iterable[Sequence[object]],
    empty: str,
    *,
    is_whole: bool = False,
) -> None:
    """A table that fits the terminal; *empty* on standard error when there are no rows.

    Figures and dates are never cut. A pipe gets every cell whole, and so does a terminal if
    *is_whole* is set.
    """
    cells = [["" if cell is None else _printable(str(cell)) for cell in row] for row in rows]
    if not cells:
        err.print(empty)
        return
    every = [Column(column) if isinstance(column, str) else column for column in columns]
    limit = None if is_whole else _terminal_width()
    shown = [
        (column, column_cells)
        for column, column_cells in zip(every, zip(*cells, strict=True), strict=True)
        if not column.optional or any(column_cells)
    ]
    widths = _widths(shown, limit, _STEPS[:1])
    if limit is not None and _total(widths) > limit:
        shown = [entry for entry in shown if not entry[0].spare]
        widths = _widths(shown, limit, _STEPS)
    _print_fitted(shown, widths)


#: A column and its cells, from the first row to the last.
_Filled: TypeAlias = tuple[Column, tuple[str, ...]]


def _print_fitted(shown: Sequence[_Filled], widths: Sequence[int]) -> None:
    columns = [column for column, _ in shown]
    depth = max(column.name.count("\n") for column in columns)
    headings = ["\n" * (depth - column.name.count("\n")) + column.name for column in columns]
    for line in _row_lines(columns, headings, widths):
        out.print(Text(line, style="bold"), soft_wrap=True)
    for row in zip(*(cells for _, cells in shown), strict=True):
        # Not by the console: it takes a second for ten thousand lines.
        sys.stdout.writelines(f"{line}\n" for line in _row_lines(columns, row, widths))


def _row_lines(
    columns: Sequence[Column], row: Sequence[str], widths: Sequence[int]
) -> Iterator[str]:
    """The lines of one row, without spaces at their ends."""
    cells = [_fitted(*cell) for cell in zip(columns, row, widths, strict=True)]
    for parts in zip_longest(*cells, fillvalue=""):
        padded = (
            " " * (width - cell_len(part)) + part
            if column.fit is Fit.FIGURE
            else part + " " * (width - cell_len(part))
            for column, part, width in zip(columns, parts, widths, strict=True)
        )
        yield (" " * _GAP).join(padded).rstrip()


def _fitted(column: Column, cell: str, width: int) -> list[str]:
    """The lines of one cell."""
    lines = cell.split("\n")
    if column.fit is Fit.ID:
        return [shorten_middle(line, width) for line in lines]
    if column.fit is not Fit.TEXT or _width(cell) <= width:
        return lines
    return [
        piece
        for line in lines
        for piece in textwrap.wrap(line, width, break_on_hyphens=False) or [""]
    ]


def _widths(
    shown: Sequence[_Filled], limit: int | None, steps: Sequence[tuple[int, int]]
) -> list[int]:
    """The width of each column: texts give way first, then ids; figures and words never do."""
    widths = [max(map(_width, (column.name, *cells))) for column, cells in shown]
    least_widths = [_least_width(column, cells) for column, cells in shown]
    for text, id_ in steps if limit is not None else ():
        for fit, least in ((Fit.TEXT, text), (Fit.ID, id_)):
            while _total(widths) > (limit or 0):
                found = [
                    index
                    for index, (column, _) in enumerate(shown)
                    if column.fit is fit and widths[index] > max(least, least_widths[index])
                ]
                if not found:
                    break
                widths[max(found, key=widths.__getitem__)] -= 1
    return widths


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _width(text: str) -> int:
    return max(map(cell_len, text.split("\n")))


def _least_width(column: Column, cells: Sequence[str]) -> int:
    """The width of the heading, and of the longest word of a text."""
    words = [word for cell in cells for word in cell.split()] if column.fit is Fit.TEXT else []
    return max([_width(column.name), *(min(cell_len(word), _LONGEST_WORD) for word in words)])


def shorten_middle(text: str, width: int) -> str:
    """*text* in at most *width* characters: its beginning and its end around an ellipsis."""
    if cell_len(text) <= width:
        return text
    head = width // 2
    tail = text[::-1]
    return set_cell_size(text, head).rstrip() + "…" + set_cell_size(tail, width - 1 - head)[::-1]


def _printable(text: str) -> str:
    """*text* without characters that could steer a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


def print_whole(text: str) -> None:
    """*text* on standard output as it is, such as a command to be pasted."""
    out.print(Text(_printable(text)), soft_wrap=True)


def print_lead(name: str, text: str, *, least: int) -> None:
    """The id *name* and *text* on one line: the id is shortened, to no less than *least*."""
    width = _terminal_width()
    if width is not None:
        name = shorten_middle(name, max(least, width - 4 - cell_len(text)))
    print_line(f"  {name}  {text}", "      ")


@contextmanager
def progress(verb: str, total: int) -> Iterator[Callable[[str], None]]:
    """A bar on standard error, if that is a terminal; call with the name of each step that ends."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
    )
    console, hidden = Console(stderr=True), not sys.stderr.isatty()
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task(verb, total=total)
        yield lambda name: bar.update(task, advance=1, description=name)


@contextmanager
def progress_of_steps(names: Sequence[str]) -> Iterator[Callable[[str, float], None]]:
    """A bar on standard error, if that is a terminal; call with a step and its share, 0 to 1."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn())
    console, hidden = Console(stderr=True), not sys.stderr.isatty()
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task(names[0], total=len(names))

        def show(name: str, share: float) -> None:
            bar.update(task, completed=names.index(name) + share, description=name)

        yield show
