"""The commands and programs that the documentation shows, with what it says they print."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
#: Files that the commands of a page read, and what is done before the first of them.
FILES = ROOT / "tests" / "shown_files"
_LEFT_OUT = "…"
_MARK = "=== the next command ==="
_BLOCK = re.compile(
    r"(?:^[ ]*<!-- (?P<note>[^\n]+?) -->\n\n?)?"
    r"^(?P<indent>[ ]*)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_OF_ALL = re.compile(r"<!-- (not run: .+) -->\n")
_NOT_RUN, _IN_BACKGROUND = "not run: ", "in another terminal"
#: The programs of the commands, with `COMMAND` for what runs `pricing-sync`. One that serves has to
#: get the signals of its shell itself. `make demo` is as in the Makefile.
_PROGRAMS = {
    "pricing-sync": '[ "$1" = serve ] && exec python -m pricing_sync "$@"\nexec COMMAND "$@"',
    "python": f'exec {sys.executable} "$@"',
    "uvicorn": 'exec python -m uvicorn "$@"',
    "make": 'exec COMMAND "$1" "${2#ARGS=}"',
}
#: What differs from run to run. Nothing else may.
_VARYING = (
    ("<instant>", r"(?<![\w-])\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)"),
    ("<instant>", r"(?<![\w-])\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?Z"),
    ("<day>", r"(?<![\w-])\d{4}-\d\d-\d\d(?![\w-])"),
    ("<id>", r"\b066[0-9a-f]{19}(?:-\d+)?\b"),
    ("<digest>", r"\b(?:[0-9a-f]{64}|[0-9a-f]{32})\b"),
    (r"in <duration> s", r"\bin \d+\.\d s"),
    (
        r"\1<duration>",
        r'("(?:duration_seconds|age_seconds|oldest_reading_seconds)": ?)\d+(?:\.\d+)?',
    ),
)


class Shown(NamedTuple):
    """A command, and the lines that are shown below it."""

    command: str
    lines: list[str]


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    text: str
    #: Of the comment before it: `not run: …`, or `in another terminal`.
    note: str

    @property
    def is_session(self) -> bool:
        """Whether it shows commands in a terminal."""
        return self.text.startswith("$ ")

    @property
    def reason(self) -> str | None:
        """Why the block is not run; None if it is."""
        return self.note.removeprefix(_NOT_RUN) if self.note.startswith(_NOT_RUN) else None

    @property
    def is_in_background(self) -> bool:
        """Whether its commands go on while those of the other blocks run."""
        return _IN_BACKGROUND == self.note

    def commands(self) -> Iterator[Shown]:
        """The commands of a session. One goes on while its quotes or a backslash leave it open."""
        lines = self.text.splitlines()
        while lines:
            command = lines.pop(0).removeprefix("$ ")
            while command.endswith("\\") or command.count('"') % 2:
                command += "\n" + lines.pop(0)
            end = next((n for n, line in enumerate(lines) if line.startswith("$ ")), len(lines))
            yield Shown(command, lines[:end])
            del lines[:end]


def pages() -> list[Path]:
    """Every page that people write. Those in `docs/reference/` are made from the code."""
    written = (page for page in (ROOT / "docs").rglob("*.md") if page.parent.name != "reference")
    return [ROOT / "README.md", *sorted(written)]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, without their indentation.

    A comment before the title of the page is that of every block without one.
    """
    found, page_text = [], page.read_text("utf-8")
    of_all = _OF_ALL.match(page_text)
    for match in _BLOCK.finditer(page_text):
        lines = match["text"].splitlines()
        text = "\n".join(line.removeprefix(match["indent"]) for line in lines)
        found.append(Block(match["language"], text, match["note"] or (of_all[1] if of_all else "")))
    return found


def run_commands(
    commands: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> list[list[str]]:
    """The lines that each command prints, in one shell."""
    script = "".join(f"echo '{_MARK}'\n{{ {command}\n}} 2>&1\n" for command in commands)
    completed = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return [part.splitlines() for part in completed.stdout.split(f"{_MARK}\n")[1:]]


def in_background(
    block: Block, folder: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """The commands of a block, in a shell of their own that has its own process group."""
    script = "\n".join(shown.command for shown in block.commands())
    return subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def environment_in(folder: Path, command: Sequence[str]) -> dict[str, str]:
    """The environment of commands in *folder*: with our `pricing-sync` and `python` in its path.

    *command* is the beginning of a command line that does what `pricing-sync` does.
    """
    (folder / "bin").mkdir()
    for name, text in _PROGRAMS.items():
        script = folder / "bin" / name
        script.write_text(f"#!/bin/sh\n{text}\n".replace("COMMAND", shlex.join(command)))
        script.chmod(0o755)
    (folder / "examples").symlink_to(ROOT / "examples")
    return {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "src", ROOT / "examples"))),
        "LANG": "C.UTF-8",
        "COLUMNS": "100",
    }


def differences(shown: Sequence[str], printed: Sequence[str]) -> str | None:
    """Shown and printed lines, if they differ. A shown line `…` stands for any number of lines."""
    pattern = "".join(
        r"(?:.*\n)*?" if _LEFT_OUT == line.strip() else re.escape(normal(line)) + r"\n"
        for line in shown
    )
    if re.fullmatch(pattern, "".join(normal(line) + "\n" for line in printed)):
        return None
    return "\n".join(("shown:", *shown, "", "printed:", *printed))


def normal(line: str) -> str:
    """A line without what differs from run to run, and without blanks at its end."""
    for name, pattern in _VARYING:
        line = re.sub(pattern, name, line)
    return line.rstrip()
