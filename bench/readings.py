"""What a reading costs, against the least program for the same work, on SQLite and PostgreSQL.

The floor has no validation and no history of who decided what: it decodes with types, reads the
stored table, compares two dictionaries, and writes what changed in one transaction. It runs in the
same process, on the same disk or the same server.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import statistics
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

import msgspec
import psycopg
from rich.table import Table

from pricing_sync.app import PricingSync
from pricing_sync.changes.run import Outcome
from pricing_sync.settings import Settings
from pricing_sync.sync.recorded import RecordedAnswer

from costs import DAY
from databases import NoServer, server

_ROUNDS = 5
_FEW = 10
_SENTENCES = [
    "".join(random.Random(n).choices("abcdefghijklmnopqrstuvwxyz ", k=60)) for n in range(200)
]

#: A model with its two prices.
_Priced: TypeAlias = tuple[str, str, str]


def openrouter_list(count: int, cents: int, only: Iterable[int] | None = None) -> bytes:
    """An OpenRouter list of *count* models with the fields that most real rows have.

    Like the real list it has 1.65 kB per model, and gzip compresses it to a ninth. Lists with
    another value of *cents* have other prices: those of every model, or of these numbers.
    """
    chance, moved = random.Random(count), range(count) if only is None else set(only)
    rows = [
        {
            "id": f"maker-{n % 50}/model-{n}",
            "canonical_slug": f"maker-{n % 50}/model-{n}",
            "name": f"Maker: Model {n}",
            "created": 1780000000 + n,
            "description": " ".join(chance.choices(_SENTENCES, k=20)),
            "context_length": 131072,
            "architecture": {"modality": "text->text", "tokenizer": "Other"},
            "pricing": _pricing(n, cents if n in moved else 0),
            "supported_parameters": ["max_tokens", "temperature", "top_p", "tools", "stop"],
        }
        for n in range(count)
    ]
    return json.dumps({"data": rows}).encode()


def _pricing(number: int, cents: int) -> dict[str, str]:
    """A price of its own for each model: no two cards of a list are equal."""
    base = (number + 1_000) * 10_000
    return {
        "prompt": f"0.000{base + cents:09}",
        "completion": f"0.000{3 * base + cents:09}",
        "input_cache_read": f"0.000{base // 10 + cents:09}",
    }


class _Pricing(msgspec.Struct):
    prompt: Decimal
    completion: Decimal
    input_cache_read: Decimal | None = None


class _Row(msgspec.Struct):
    id: str
    pricing: _Pricing


class _Envelope(msgspec.Struct):
    data: list[_Row]


class _Floor(ABC):
    """The least work that reading a list into two tables needs."""

    def read(self, body: bytes) -> None:
        new = {
            row.id: (str(row.pricing.prompt), str(row.pricing.completion))
            for row in msgspec.json.decode(body, type=_Envelope).data
        }
        stored = self.stored()
        self.write([(m, *prices) for m, prices in new.items() if stored.get(m) != prices])

    @abstractmethod
    def stored(self) -> dict[str, tuple[str, str]]: ...

    @abstractmethod
    def write(self, changed: Sequence[_Priced]) -> None: ...

    @abstractmethod
    def close(self) -> None: ...


_TABLES = (
    "CREATE TABLE floor_prices (id TEXT PRIMARY KEY, i TEXT, o TEXT)",
    "CREATE TABLE floor_history (id TEXT, i TEXT, o TEXT)",
)
_STORED = "SELECT id, i, o FROM floor_prices"


class _SqliteFloor(_Floor):
    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", *_TABLES):
            self._database.execute(statement)

    def stored(self) -> dict[str, tuple[str, str]]:
        return {row[0]: row[1:] for row in self._database.execute(_STORED)}

    def write(self, changed: Sequence[_Priced]) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        self._database.executemany(
            "INSERT INTO floor_prices VALUES (?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET i=excluded.i, o=excluded.o",
            changed,
        )
        self._database.executemany("INSERT INTO floor_history VALUES (?, ?, ?)", changed)
        self._database.execute("COMMIT")

    def close(self) -> None:
        self._database.close()


class _PostgresFloor(_Floor):
    def __init__(self, url: str) -> None:
        self._database = psycopg.connect(url, autocommit=True)
        for statement in _TABLES:
            self._database.execute(statement)

    def stored(self) -> dict[str, tuple[str, str]]:
        return {row[0]: row[1:] for row in self._database.execute(_STORED)}

    def write(self, changed: Sequence[_Priced]) -> None:
        with self._database.transaction(), self._database.cursor() as cursor:
            cursor.execute(
                "INSERT INTO floor_prices SELECT * FROM unnest(%s::text[], %s::text[], %s::text[])"
                " ON CONFLICT (id) DO UPDATE SET i=excluded.i, o=excluded.o",
                [[row[part] for row in changed] for part in range(3)],
            )
            with cursor.copy("COPY floor_history FROM STDIN") as copy:
                for row in changed:
                    copy.write_row(row)

    def close(self) -> None:
        self._database.close()


#: The label and the answers of each kind of reading, and the mark: how many floors at most.
_KINDS: tuple[tuple[str, float | None, Callable[[int, int], list[bytes]]], ...] = (
    ("all changed", 10, lambda count, n: [openrouter_list(count, n)]),
    (
        f"{_FEW} changed",
        5,
        lambda count, n: [openrouter_list(count, n, range(0, count, count // _FEW))],
    ),
    (
        "nothing changed, other bytes",
        None,
        lambda count, n: [openrouter_list(count, 0) + b"\n" * n],
    ),
    ("the same bytes", 2, lambda count, _n: [openrouter_list(count, 0)] * 2),
)


def reading_table(sizes: Sequence[int]) -> Iterator[Table]:
    """A table for each database: ours and the floor, medians of several readings in turn."""
    databases: list[str] = ["sqlite"]
    try:
        running = server()
        databases.append("postgres")
    except NoServer:
        pass
    for database in databases:
        table = Table(f"a reading, {database}", "measured", "floor", "ratio", "mark", box=None)
        for count in sizes:
            for label, mark, answers in _KINDS:
                with tempfile.TemporaryDirectory() as folder:
                    if database == "sqlite":
                        url = f"sqlite:///{folder}/ours.db"
                        least: _Floor = _SqliteFloor(Path(folder) / "floor.db")
                    else:
                        url = running.url(running.create())
                        least = _PostgresFloor(url)
                    pairs = asyncio.run(_measure(url, least, count, answers))
                    least.close()
                ours, floor = (statistics.median(one) for one in zip(*pairs, strict=True))
                table.add_row(
                    f"{count:,} models, {label}",
                    f"{ours:.1f} ms",
                    f"{floor:.2f} ms",
                    f"{ours / floor:.1f}",
                    f"{mark or ''}",
                )
        yield table


async def _measure(
    url: str, least: _Floor, count: int, answers: Callable[[int, int], list[bytes]]
) -> list[tuple[float, float]]:
    """Milliseconds of ours and of the floor, in one event loop, as in a service."""
    with PricingSync(Settings(database=url)) as app:
        clock, pairs = DAY, []
        for number in range(_ROUNDS + 1):
            bodies = [openrouter_list(count, 0)] if not number else answers(count, number)
            for body in bodies:
                clock += timedelta(hours=1)
                begun = time.perf_counter()
                result = await app.replay("openrouter", [RecordedAnswer(body, clock)])
                between = time.perf_counter()
                least.read(body)
                ended = time.perf_counter()
                if result.outcome is not Outcome.SUCCESS:
                    raise SystemExit(app.store.run(result.id)[1])
            if number:
                pairs.append(((between - begun) * 1000, (ended - between) * 1000))
        return pairs
