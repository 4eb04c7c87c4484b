"""A database is carried over to another one, and both are the same."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pricing_sync.demo.server import DemoServer
from pricing_sync.errors import StoreError
from pricing_sync.prices.rates import Meter, Per, Rate, When
from pricing_sync.store import Store, copying, open_store

from databases import database_url
from service import TWO, service, settings_of

pytestmark = pytest.mark.postgres
GPT = ("openrouter", "openai/gpt-4o")


def filled(folder: Path) -> str:
    """A file with prices, a held change, an override, usage and evidence; its URL."""
    url = f"sqlite:///{folder / 'old.db'}"
    with DemoServer() as server, service(settings_of(folder, server, TWO, database=url)) as app:
        asyncio.run(app.sync(TWO))
        server.set_rate(*GPT, "input", "2500")
        asyncio.run(app.sync(TWO))
        rates = {Meter.INPUT: Rate.of("0.1", Per.MILLION)}
        when = When(service_tier="batch")
        app.set_override(*GPT, rates, author="ann", reason="test", when=when)
        used = {"provider": GPT[0], "model": GPT[1], "at": f"{datetime.now(UTC)}"}
        app.usage.add([json.dumps(used | {"usage": {"input": 1000}}).encode()])
    return url


@pytest.fixture
def old(tmp_path: Path) -> str:
    return filled(tmp_path)


def everything(store: Store) -> object:
    """What the store says, in its own words."""
    return (
        [store.statements(), store.history(*GPT, everything=True), store.overrides()],
        [
            store.review.held(state=None),
            store.model_states(),
            store.runs(10),
            store.queue.counters(),
        ],
        [
            store.outbox.pending(),
            store.audit_log.entries(10),
            store.revision(),
            store.names.aliases(),
        ],
        [store.evidence(card.digest) for card in store.statements() if card.digest],
    )


def test_every_row_is_carried_over_and_back(
    old: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From SQLite to PostgreSQL, and to SQLite again. Pages end anywhere."""
    monkeypatch.setattr(copying, "_PAGE", 7)
    monkeypatch.setattr(copying, "_PAGE_OF_ANSWERS", 1)
    back = f"sqlite:///{tmp_path / 'back.db'}"
    with (
        open_store(old) as source,
        open_store(database_url(tmp_path)) as target,
        open_store(back, create=True) as again,
    ):
        copied = {one.name: one for one in target.copy_from(source)}
        assert 42 == copied["pricing_ledger"].rows
        assert {1} == {copied[name].rows for name in ("pricing_overrides", "pricing_usage")}
        assert len({one.digest for one in copied.values() if one.rows}) == len(
            [one for one in copied.values() if one.rows]
        )
        assert everything(source) == everything(target)
        assert list(copied.values()) == again.copy_from(target)
        assert everything(source) == everything(again)


def test_a_database_with_rows_is_not_copied_into(old: str, tmp_path: Path) -> None:
    """Nothing is mixed, and nothing is overwritten."""
    with open_store(old) as source, open_store(database_url(tmp_path)) as target:
        target.queue.increment({("x", ()): 1})
        with pytest.raises(StoreError, match="pricing_counters: has rows already"):
            target.copy_from(source)
        assert [] == target.statements()


def test_a_row_that_does_not_fit_is_named_and_nothing_is_copied(old: str, tmp_path: Path) -> None:
    """SQLite stores any value in any column."""
    with closing(sqlite3.connect(old.removeprefix("sqlite:///"))) as console, console:
        console.execute("UPDATE pricing_ledger SET input = 'much' WHERE model = ?", (GPT[1],))
    with open_store(old) as source, open_store(database_url(tmp_path)) as target:
        with pytest.raises(StoreError, match=r'pricing_ledger: .*bigint: "much"'):
            target.copy_from(source)
        assert 0 == len(target.runs(10))


def test_a_difference_is_found(old: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also that of a single value, or of a row that is missing."""
    with open_store(old) as source, open_store(database_url(tmp_path)) as target:
        real = target._connection.execute_many

        def lossy(sql: str, values: list[dict[str, object]]) -> None:
            if "pricing_ledger" in sql:
                values = [*values[:-1], values[-1] | {"url": "another"}]
            real(sql, values)

        monkeypatch.setattr(target._connection, "execute_many", lossy)
        with pytest.raises(StoreError, match="pricing_ledger: is not the same"):
            target.copy_from(source)
        assert 0 == len(target.runs(10))
