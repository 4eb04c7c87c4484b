"""Exports in memory: when they are rendered, and for how long they are kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.prices.rates import Meter
from pricing_sync.serving import exports
from pricing_sync.serving.exports import Wanted
from pricing_sync.settings import Settings
from pricing_sync.sync.recorded import RecordedAnswer

from built import openrouter, priced
from databases import database_url
from exported import usd

CSV = Wanted("csv")


@pytest.fixture(name="app")
def app_fixture(tmp_path: Path) -> Iterator[PricingSync]:
    """A ledger with one model."""
    with PricingSync(Settings(database=database_url(tmp_path))) as app:
        replay(app, priced())
        yield app


def replay(app: PricingSync, pricing: dict[str, object], days: int = 1) -> None:
    answer = RecordedAnswer(
        openrouter({"maker/a": pricing}), datetime.now(UTC) - timedelta(days=days)
    )
    asyncio.run(app.replay("openrouter", [answer]))


def look_again(app: PricingSync) -> None:
    """As if a second had passed."""
    app._refresh_book()
    app.exports._fresh_until = 0.0


def test_a_document_is_rendered_once_for_each_revision(app: PricingSync) -> None:
    """The same object until a price changes, then another one, and the old one is dropped."""
    first = app.exports.get(CSV)
    look_again(app)
    assert app.exports.get(CSV) is first
    assert app.exports.in_memory(CSV) is first
    replay(app, priced("0.000002"), days=0)
    look_again(app)
    assert app.exports.in_memory(CSV) is None
    second = app.exports.get(CSV)
    assert first.sha256 != second.sha256
    assert 1 == len(app.exports._rendered)


def test_an_override_that_begins_is_a_new_document(app: PricingSync) -> None:
    """The revision was there before, and the price was not."""
    at = datetime.now(UTC) + timedelta(seconds=0.4)
    app.set_override(
        "openrouter", "maker/a", {Meter.INPUT: usd("7.25")}, author="a", reason="r", since=at
    )
    look_again(app)
    before = app.exports.get(CSV)
    assert b"7.25" not in before.body
    while datetime.now(UTC) < at:
        time.sleep(0.05)
    look_again(app)
    after = app.exports.get(CSV)
    assert b"7.25" in after.body
    assert before.revision == after.revision


def test_memory_is_bounded(app: PricingSync, monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents of many instants do not pile up; the one just made is kept."""
    size = len(app.exports.get(CSV).body)
    monkeypatch.setattr(exports, "_MOST_BYTES", size * 3)
    instants = [datetime.now(UTC) - timedelta(hours=n) for n in range(20)]
    for at in instants:
        app.exports.get(Wanted("csv", None, at))
    assert 1 <= len(app.exports._rendered) <= 3
    assert app.exports.in_memory(Wanted("csv", None, instants[-1])) is not None


def test_the_same_prices_are_the_same_bytes(app: PricingSync, tmp_path: Path) -> None:
    """In another process too: a validator survives a restart."""
    first = app.exports.get(CSV)
    with PricingSync(Settings(database=database_url(tmp_path))) as other:
        second = other.exports.get(CSV)
    assert (first.etag, first.gzipped) == (second.etag, second.gzipped)
