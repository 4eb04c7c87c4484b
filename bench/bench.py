"""Measure, and print a table. Values are medians of several runs; nothing here passes or fails.

The floor is the shortest program for the same work, without validation, in the same process and on
the same disk: decode with types, read the stored table, compare two dictionaries, one transaction.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

import msgspec
from exporting import exporting
from pages import pages
from rerating_bulk import rerating_table
from rich.console import Console
from rich.table import Table

from pricing_sync import PriceBook
from pricing_sync.app import PricingSync
from pricing_sync.changes.run import Outcome
from pricing_sync.settings import Settings
from pricing_sync.sync.recorded import RecordedAnswer
from serving import serving

from costs import DAY, cost_table, microseconds, repricing, statements
from lookups import lookup_table
from service import QUICK, Effort, Line, MakeList, service

ROUNDS = 5
_PAGES = "pages of 20 providers with 400 models each"

#: Gives the lines of a table.
Measure: TypeAlias = Callable[[MakeList, Path, Effort], Iterator[Line]]

_SENTENCES = [
    "".join(random.Random(n).choices("abcdefghijklmnopqrstuvwxyz ", k=60)) for n in range(200)
]


def openrouter_list(count: int, cents: int) -> bytes:
    """An OpenRouter list of *count* models with the fields that most real rows have.

    Like the real list it has 1.65 kB per model, and gzip compresses it to a ninth. Lists with
    another value of *cents* have other prices.
    """
    chance = random.Random(count)
    rows = [
        {
            "id": f"maker-{n % 50}/model-{n}",
            "canonical_slug": f"maker-{n % 50}/model-{n}",
            "name": f"Maker: Model {n}",
            "created": 1780000000 + n,
            "description": " ".join(chance.choices(_SENTENCES, k=20)),
            "context_length": 131072,
            "architecture": {"modality": "text->text", "tokenizer": "Other"},
            "pricing": {
                "prompt": f"0.0000{(n % 90 + 10) * 1000 + cents:06}",
                "completion": f"0.0000{(n % 90 + 10) * 3000 + cents:06}",
                "input_cache_read": f"0.0000{(n % 90 + 10) * 100 + cents:06}",
            },
            "supported_parameters": ["max_tokens", "temperature", "top_p", "tools", "stop"],
        }
        for n in range(count)
    ]
    return json.dumps({"data": rows}).encode()


class Pricing(msgspec.Struct):
    prompt: Decimal
    completion: Decimal
    input_cache_read: Decimal | None = None


class Row(msgspec.Struct):
    id: str
    pricing: Pricing


class Envelope(msgspec.Struct):
    data: list[Row]


def floor(database: sqlite3.Connection, body: bytes) -> None:
    """The least work that reading a list into a table needs."""
    new = {
        row.id: (str(row.pricing.prompt), str(row.pricing.completion))
        for row in msgspec.json.decode(body, type=Envelope).data
    }
    stored = {row[0]: row[1:] for row in database.execute("SELECT id, i, o FROM prices")}
    changed = [(model, *prices) for model, prices in new.items() if stored.get(model) != prices]
    database.execute("BEGIN IMMEDIATE")
    database.executemany(
        "INSERT INTO prices VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET i=excluded.i,"
        " o=excluded.o",
        changed,
    )
    database.executemany("INSERT INTO history VALUES (?, ?, ?)", changed)
    database.execute("COMMIT")


def milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def readings(count: int, folder: Path) -> list[tuple[str, float, float]]:
    """(label, ours in ms, the floor in ms) for a list of *count* models."""
    bodies = [openrouter_list(count, cents) for cents in range(ROUNDS + 1)]
    timings: dict[str, list[tuple[float, float]]] = {"changed": [], "rewritten": [], "same": []}
    plain = sqlite3.connect(folder / f"floor-{count}.db", isolation_level=None)
    plain.execute("PRAGMA journal_mode=WAL")
    plain.execute("PRAGMA synchronous=FULL")
    plain.execute("CREATE TABLE prices (id TEXT PRIMARY KEY, i TEXT, o TEXT)")
    plain.execute("CREATE TABLE history (id TEXT, i TEXT, o TEXT)")
    settings = Settings(database=f"sqlite:///{folder / f'ours-{count}.db'}")
    with PricingSync(settings) as app:
        clock = DAY

        def ours(body: bytes) -> None:
            nonlocal clock
            clock += timedelta(hours=1)
            result = asyncio.run(app.replay("openrouter", [RecordedAnswer(body, clock)]))
            if result.outcome is not Outcome.SUCCESS:
                raise SystemExit(app.store.run(result.id)[1])

        ours(bodies[0])
        floor(plain, bodies[0])
        for body in bodies[1:]:
            rewritten = body + b"\n"  # other bytes, the same prices
            timings["changed"].append(_pair(ours, plain, body))
            timings["rewritten"].append(_pair(ours, plain, rewritten))
            timings["same"].append(_pair(ours, plain, rewritten))
    plain.close()
    labels = {
        "changed": "all changed",
        "rewritten": "nothing changed, other bytes",
        "same": "the same bytes",
    }
    return [
        (
            f"reading, {count:,} models, {labels[kind]}",
            statistics.median(pair[0] for pair in pairs),
            statistics.median(pair[1] for pair in pairs),
        )
        for kind, pairs in timings.items()
    ]


def _pair(
    ours: Callable[[bytes], None], plain: sqlite3.Connection, body: bytes
) -> tuple[float, float]:
    return milliseconds(lambda: ours(body)), milliseconds(lambda: floor(plain, body))


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
    parser.add_argument("--pages", action="store_true", help="only the measurements of the pages")
    arguments = parser.parse_args()
    console = Console(width=110, markup=False)
    effort = QUICK if arguments.quick else Effort()
    if arguments.pages:
        with tempfile.TemporaryDirectory() as folder:
            console.print(_service_table(_PAGES, pages, Path(folder), effort))
        return
    if not (arguments.service or arguments.serve):
        sizes, rows = ((400,), 100_000) if arguments.quick else ((400, 3_000, 11_000), 1_000_000)
        console.print(_library_table(sizes, rows))
        console.print(cost_table())
        ledgers = (10_000, 100_000) if arguments.quick else (10_000, 100_000, 1_000_000)
        with tempfile.TemporaryDirectory() as folder:
            console.print(lookup_table(Path(folder), ledgers))
            usages = (100_000,) if arguments.quick else (100_000, 1_000_000, 10_000_000)
            console.print(rerating_table(Path(folder), usages))
    with tempfile.TemporaryDirectory() as folder:
        if not arguments.serve:
            console.print(_service_table("in a host's FastAPI app", service, Path(folder), effort))
        if not arguments.service:
            console.print(_service_table("over HTTP", serving, Path(folder), effort))
            console.print(_service_table("exports", exporting, Path(folder), effort))
            console.print(_service_table(_PAGES, pages, Path(folder), effort))


def _service_table(title: str, measure: Measure, folder: Path, effort: Effort) -> Table:
    table = Table(title, "measured", "floor", "target", box=None)
    for line in measure(openrouter_list, folder, effort):
        table.add_row(line.label, line.measured, line.floor, line.target)
    return table


def _library_table(sizes: Sequence[int], rows: int) -> Table:
    table = Table("in one process", "measured", "floor, same run", "ratio", box=None)
    with tempfile.TemporaryDirectory() as folder:
        for count in sizes:
            for label, ours, least in readings(count, Path(folder)):
                table.add_row(label, f"{ours:.1f} ms", f"{least:.1f} ms", f"{ours / least:.2f}")
    for label, duration in book_building():
        table.add_row(label, f"{duration:.3g} ms", "", "")
    table.add_row(f"re-pricing {rows:,} usage rows", f"{repricing(rows):.1f} s", "", "")
    table.add_row("import and first price", f"{first_price():.0f} ms", "", "")
    ms, mib = first_book()
    table.add_row("import and PriceBook of 5,000 models", f"{ms:.0f} ms, {mib:.0f} MiB", "", "")
    return table


if __name__ == "__main__":
    main()
