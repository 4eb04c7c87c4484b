"""The sums of usage in the database: added up, counted once, pruned by the hour."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pricing_sync.errors import BadUsage
from pricing_sync.prices.rates import Meter
from pricing_sync.prices.usage_sums import SumKey, UsageSum
from pricing_sync.store import Store, open_store

from databases import database_url

HOUR = datetime(2026, 7, 17, 12, tzinfo=UTC)
KEY = SumKey(HOUR, "acme", "m", "card", "batch", "eu", 200, "USD", None, "USD")
UNPRICED = KEY._replace(card_id=None, currency=None, reason="unknown_model")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(database_url(tmp_path), create=True) as opened:
        yield opened


def one(cost: str | None = "0.1", reported: str | None = "0.3") -> UsageSum:
    return UsageSum(
        1,
        {Meter.INPUT: 300, Meter.OUTPUT: 7},
        None if cost is None else Decimal(cost),
        None if reported is None else Decimal(reported),
        None if cost else "not known",
    )


def add(
    store: Store, key: SumKey = KEY, of: UsageSum | None = None, batch: str | None = None
) -> bool:
    """Whether the sum was added, and not an earlier batch found."""
    sums = {key: of or one()}
    receipt = store.usage.add(sums, {"rows": 1}, key=batch, digest="d", now=HOUR)
    return receipt is None


def test_sums_of_one_key_add_up(store: Store) -> None:
    """Exactly: ten times a tenth is one."""
    for _ in range(10):
        add(store)
    ((key, of),) = store.usage.since(HOUR)
    assert KEY == key
    assert (10, Decimal("1.0"), Decimal("3.0")) == (of.requests, of.cost, of.reported_cost)
    assert {Meter.INPUT: 3000, Meter.OUTPUT: 70} == of.quantities


def test_what_is_unknown_comes_back_as_unknown(store: Store) -> None:
    """Not as zero, nor as an empty text."""
    add(store, UNPRICED, one(None))
    plain = KEY._replace(service_tier=None, region=None, min_input_tokens=0, reported_currency=None)
    add(store, plain, one("0", None))
    found = dict(store.usage.since(HOUR))
    assert {UNPRICED, plain} == found.keys()
    assert (None, "not known") == (found[UNPRICED].cost, found[UNPRICED].detail)
    assert (Decimal(0), None) == (found[plain].cost, found[plain].reported_cost)


def test_writers_at_the_same_time_lose_nothing(store: Store) -> None:
    """Each reads what the other has written."""
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: add(store), range(40)))
    ((_, of),) = store.usage.since(HOUR)
    assert (40, Decimal("4.0")) == (of.requests, of.cost)


def test_a_batch_counts_once_by_its_key(store: Store) -> None:
    """Also when it is sent twice at the same time. With other rows the key is refused."""
    with ThreadPoolExecutor(8) as pool:
        assert 1 == sum(pool.map(lambda _: add(store, batch="b"), range(8)))
    ((_, of),) = store.usage.since(HOUR)
    assert 1 == of.requests
    with pytest.raises(BadUsage, match="idempotency key 'b': was used for another batch"):
        store.usage.add({KEY: one()}, {}, key="b", digest="other", now=HOUR)
    assert 1 == store.usage.since(HOUR)[0][1].requests
    assert add(store, batch="c")


def test_filters(store: Store) -> None:
    """By the hour, the provider, the model, and what is known."""
    for key in (
        KEY,
        UNPRICED,
        KEY._replace(hour=HOUR - timedelta(hours=1)),
        KEY._replace(provider="other", reported_currency=None),
        KEY._replace(model="n"),
    ):
        add(store, key)
    usage = store.usage
    assert 5 == len(usage.since(HOUR - timedelta(hours=1)))
    assert 4 == len(usage.since(HOUR))
    assert ["other"] == [key.provider for key, _ in usage.since(HOUR, provider="other")]
    assert ["n"] == [key.model for key, _ in usage.since(HOUR, provider="acme", model="n")]
    assert [UNPRICED] == [key for key, _ in usage.since(HOUR, unpriced_only=True)]
    assert {"acme"} == {key.provider for key, _ in usage.since(HOUR, reported_only=True)}
    assert {"acme": 1} == usage.unpriced_models(HOUR)
    assert {} == usage.unpriced_models(HOUR + timedelta(hours=1))


def test_only_costs_in_one_currency_are_put_beside_each_other(store: Store) -> None:
    """By provider, model and currency, of the hours from then on."""
    for key in (
        KEY,
        KEY._replace(hour=HOUR + timedelta(hours=1), card_id="newer"),
        KEY._replace(hour=HOUR - timedelta(hours=1)),
        KEY._replace(reported_currency="EUR"),
        UNPRICED,
    ):
        add(store, key)
    found = store.usage.reported_costs(HOUR)
    assert {("acme", "m", "USD"): (Decimal("0.2"), Decimal("0.6"))} == found


def test_old_sums_are_pruned_by_the_hour(store: Store) -> None:
    """And so are the keys of old batches."""
    for hours in range(5):
        add(store, KEY._replace(hour=HOUR - timedelta(hours=hours)))
        add(store, UNPRICED._replace(hour=HOUR - timedelta(hours=hours)))
    add(store, KEY, batch="old")
    before = HOUR - timedelta(hours=2)
    steps = [*store.pruning.batches(before=before, evidence_before=before)]
    assert [2, 2] == [deleted for deleted in steps if deleted]
    assert 6 == len(store.usage.since(HOUR - timedelta(days=9)))
    assert not add(store, batch="old")
    later = HOUR + timedelta(seconds=1)
    assert 7 == sum(store.pruning.batches(before=later, evidence_before=later))
    assert [] == store.usage.since(HOUR - timedelta(days=9))
