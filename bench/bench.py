"""Measure, and print tables. Values are medians of several runs; nothing here passes or fails."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from books import book_table
from exporting import exporting
from pages import pages
from readings import openrouter_list, reading_table
from rerating_bulk import rerating_table
from rich.console import Console
from rich.table import Table

from pricing_sync import PriceBook
from pricing_sync.app import PricingSync
from pricing_sync.settings import Settings
from pricing_sync.sync.recorded import RecordedAnswer
from serving import serving

from cluster import cluster_table
from costs import DAY, cost_table, microseconds, repricing, statements
from lookups import lookup_tables
from service import QUICK, Effort, Line, MakeList, service

ROUNDS = 5
_PAGES = "pages of 20 providers with 400 models each"

#: Gives the lines of a table.
Measure: TypeAlias = Callable[[MakeList, Path, Effort], Iterator[Line]]


def milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def book_building() -> list[tuple[str, float]]:
    """(label, ms) from statements in memory, and from a database of 5,000 models."""
    cards = statements(5_000)
    built = [milliseconds(lambda: PriceBook(cards, (), read_at=DAY)) for _ in range(ROUNDS)]
    with (
        tempfile.TemporaryDirectory() as folder,
        PricingSync(Settings(database=f"sqlite:///{folder}/book.db")) as app,
    ):
        asyncio.run(app.replay("openrouter", [RecordedAnswer(openrouter_list(5_000, 0), DAY)]))
        read = [milliseconds(app.store.book) for _ in range(ROUNDS)]
        revision_ms = microseconds(app.store.revision) / 1000
    return [
        ("PriceBook of 5,000 cards", statistics.median(built)),
        ("the same, read from SQLite", statistics.median(read)),
        ("check whether a book is current", revision_ms),
    ]


def first_book() -> tuple[float, float]:
    """(ms, MiB beyond Python's own) of a new process that builds a book of 5,000 models."""
    program = (
        "import time; from datetime import UTC, datetime\n"
        "def peak():\n"
        "    with open('/proc/self/status') as status:\n"
        "        return next(int(line.split()[1]) for line in status if line[:6] == 'VmHWM:')\n"
        "before, started = peak(), time.perf_counter()\n"
        "from pricing_sync import PriceBook, Meter, Rate, RateCard\n"
        "from pricing_sync.prices.statements import Statement\n"
        "day = datetime.now(UTC)\n"
        "rates = lambda n: {Meter.INPUT: Rate(n), Meter.OUTPUT: Rate(4 * n)}\n"
        "rest = dict(provider='p', since=day, until=None, recorded_at=day, superseded_at=None,\n"
        "    source='api', url='', reading_id='r', digest=None)\n"
        "cards = (Statement(card_id=f'r-{n}', model=f'maker/model-{n}',\n"
        "    listing=RateCard(rates(n)), **rest) for n in range(5000))\n"
        "book = PriceBook(cards, (), read_at=day)\n"
        "print((time.perf_counter() - started) * 1000, (peak() - before) / 1024)"
    )
    printed = [subprocess.check_output([sys.executable, "-c", program]) for _ in range(ROUNDS)]
    pairs = [[float(number) for number in line.split()] for line in printed]
    return statistics.median(ms for ms, _ in pairs), statistics.median(mib for _, mib in pairs)


def first_price() -> float:
    """Milliseconds from a new process's `import pricing_sync` to its first cost."""
    program = (
        "import time; started = time.perf_counter()\n"
        "from datetime import UTC, datetime\n"
        "from pricing_sync import Meter, Per, Rate, RateCard, Usage, cost\n"
        "card = RateCard({Meter.INPUT: Rate.of(1, Per.MILLION)})\n"
        "cost(card, Usage(input=1), datetime.now(UTC))\n"
        "print((time.perf_counter() - started) * 1000)"
    )
    return statistics.median(
        float(subprocess.check_output([sys.executable, "-c", program])) for _ in range(ROUNDS)
    )


def _print_readings(console: Console, effort: Effort) -> None:
    for table in reading_table((400,) if effort is QUICK else (400, 3_000, 11_000)):
        console.print(table)


def _print_cluster(console: Console, effort: Effort) -> None:
    console.print(cluster_table(60 if effort is QUICK else 1_000, 1_000, (1, 2, 4)))


def _print_lookups(console: Console, effort: Effort) -> None:
    sizes = (10_000, 100_000) if effort is QUICK else (10_000, 100_000, 1_000_000, 10_000_000)
    with tempfile.TemporaryDirectory() as folder:
        for table in lookup_tables(Path(folder), sizes):
            console.print(table)


def _print_books(console: Console, effort: Effort) -> None:
    sizes = ((20, 250),) if effort is QUICK else ((20, 250), (1_000, 1_000))
    with tempfile.TemporaryDirectory() as folder:
        console.print(book_table(Path(folder), sizes))


def _print_pages(console: Console, effort: Effort) -> None:
    with tempfile.TemporaryDirectory() as folder:
        console.print(_service_table(_PAGES, pages, Path(folder), effort))


def _service_table(title: str, measure: Measure, folder: Path, effort: Effort) -> Table:
    table = Table(title, "measured", "floor", "target", box=None)
    for line in measure(openrouter_list, folder, effort):
        table.add_row(line.label, line.measured, line.floor, line.target)
    return table


def _library_table(rows: int) -> Table:
    table = Table("in one process", "measured", box=None)
    for label, duration in book_building():
        table.add_row(label, f"{duration:.3g} ms")
    table.add_row(f"re-pricing {rows:,} usage rows", f"{repricing(rows):.1f} s")
    table.add_row("import and first price", f"{first_price():.0f} ms")
    ms, mib = first_book()
    table.add_row("import and PriceBook of 5,000 models", f"{ms:.0f} ms, {mib:.0f} MiB")
    return table


#: What can be measured alone: the text for `--help`, and what prints it, in full or quickly.
_PARTS: dict[str, tuple[str, Callable[[Console, Effort], None]]] = {
    "readings": ("what a reading costs, on both databases", _print_readings),
    "cluster": ("many providers through several workers", _print_cluster),
    "lookups": ("prices of an instant, up to 10⁷ rows", _print_lookups),
    "books": ("the price book of up to a million models", _print_books),
    "pages": ("the measurements of the pages", _print_pages),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="fewer and smaller measurements, about a minute"
    )
    parser.add_argument(
        "--service", action="store_true", help="only the measurements in a host's app"
    )
    parser.add_argument(
        "--serve", action="store_true", help="only the measurements of `pricing-sync serve`"
    )
    for name, (title, _) in _PARTS.items():
        parser.add_argument(f"--{name}", action="store_true", help=f"only {title}")
    arguments = parser.parse_args()
    console = Console(width=110, markup=False)
    effort = QUICK if arguments.quick else Effort()
    chosen = [show for name, (_, show) in _PARTS.items() if getattr(arguments, name)]
    for show in chosen:
        show(console, effort)
    if chosen:
        return
    if not (arguments.service or arguments.serve):
        _print_readings(console, effort)
        console.print(_library_table(100_000 if arguments.quick else 1_000_000))
        console.print(cost_table())
        _print_lookups(console, QUICK)
        _print_books(console, QUICK)
        with tempfile.TemporaryDirectory() as folder:
            usages = (100_000,) if arguments.quick else (100_000, 1_000_000, 10_000_000)
            console.print(rerating_table(Path(folder), usages))
    with tempfile.TemporaryDirectory() as folder:
        if not arguments.serve:
            console.print(_service_table("in a host's FastAPI app", service, Path(folder), effort))
        if not arguments.service:
            console.print(_service_table("over HTTP", serving, Path(folder), effort))
            console.print(_service_table("exports", exporting, Path(folder), effort))
            console.print(_service_table(_PAGES, pages, Path(folder), effort))


if __name__ == "__main__":
    main()
