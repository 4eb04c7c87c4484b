"""What moved in the ledger, from the cards as they are known now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pricing_sync.changes.diff import Kind, diff
from pricing_sync.changes.held import State
from pricing_sync.changes.plan import plan_changes
from pricing_sync.changes.run import Run
from pricing_sync.prices.rates import Answer, Listing, Meter, Per, Rate, RateCard
from pricing_sync.store import Store, open_store
from pricing_sync.store.changes import _QUERIES, LedgerChange
from pricing_sync.store.connection import applicable

from databases import database_url
from invented_readings import reading

DAY = datetime(2026, 7, 17, tzinfo=UTC)


def card(amount: str) -> RateCard:
    return RateCard({Meter.INPUT: Rate.of(amount, Per.MILLION)})


def at(day: int) -> datetime:
    return DAY + timedelta(days=day)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(database_url(tmp_path), create=True) as opened:
        opened.queue.insert_run(Run("run", "test", DAY, None, None, False, ()))
        yield opened


def read(
    store: Store, day: int, prices: dict[str, str], provider: str = "acme", hold: str = ""
) -> None:
    """Store a complete reading of these models; changes of the model *hold* are held."""
    listings: dict[str, Listing] = {model: card(amount) for model, amount in prices.items()}
    answer, stored = Answer(listings), store.ledger.known_models(provider)
    changes = diff(stored, answer)
    verdicts = {change.model: ("doubt",) for change in changes if change.model == hold}
    held = {item.change.model: item for item in store.review.held(provider)}
    one = reading(at(day), provider)
    with store.transaction():
        plan = plan_changes(one, changes, verdicts, stored, answer, open_held=held)
        store.save_reading(one, plan)


def found(store: Store, **wanted: Any) -> list[LedgerChange]:
    return store.changes.since(DAY, **{"limit": 100} | wanted)


def test_each_kind_of_change_is_listed_newest_first(store: Store) -> None:
    """A price that moved, a model that was retired, and one that came back."""
    read(store, 0, {"a": "1", "b": "1"})
    read(store, 1, {"a": "2", "b": "1"})
    read(store, 2, {"a": "2"})
    read(store, 3, {"a": "2"})
    read(store, 4, {"a": "2", "b": "3"})
    assert [
        (at(4), Kind.RETURNED, "b", None, card("3")),
        (at(3), Kind.VANISHED, "b", card("1"), None),
        (at(1), Kind.CHANGED, "a", card("1"), card("2")),
    ] == [(e.at, e.change.kind, e.change.model, e.change.old, e.change.new) for e in found(store)]


def test_first_prices_are_listed_on_request(store: Store) -> None:
    """The first reading of a provider would hide everything else."""
    read(store, 0, {"a": "1"})
    assert [] == found(store)
    (entry,) = found(store, include_added=True)
    assert (Kind.ADDED, None, card("1")) == (entry.change.kind, entry.change.old, entry.change.new)


def test_a_provider_a_model_and_an_instant_limit_what_is_listed(store: Store) -> None:
    """Each by itself and together."""
    for provider in ("acme", "other"):
        read(store, 0, {"a": "1", "b": "1"}, provider)
        read(store, 1, {"a": "2", "b": "2"}, provider)
        read(store, 2, {"a": "3", "b": "2"}, provider)

    def listed(**wanted: Any) -> list[tuple[str, str, datetime]]:
        return [(e.provider, e.change.model, e.at) for e in found(store, **wanted)]

    assert 6 == len(listed())
    assert {"acme"} == {provider for provider, _, _ in listed(provider="acme")}
    assert {"b"} == {model for _, model, _ in listed(model="b")}
    assert [("acme", "a", at(2)), ("acme", "a", at(1))] == listed(provider="acme", model="a")
    assert [("acme", "a", at(2)), ("other", "a", at(2))] == listed(limit=2)
    later = store.changes.since(at(2), limit=100)
    assert {at(2)} == {entry.at for entry in later}


def test_a_held_change_is_listed_when_it_is_accepted_from_when_it_was_first_seen(
    store: Store,
) -> None:
    """Not before: until then the price has not moved."""
    read(store, 0, {"a": "1"})
    read(store, 1, {"a": "2"}, hold="a")
    assert [] == found(store)
    (item,) = store.review.held("acme")
    store.review.decide(State.ACCEPTED, [item], author="ann", reason="checked", now=at(5))
    (entry,) = found(store)
    assert (at(1), card("1"), card("2")) == (entry.at, entry.change.old, entry.change.new)


@pytest.mark.sqlite("of the plans of PostgreSQL: test_postgres_plans.py")
@pytest.mark.parametrize("query", ["begun", "ended"])
def test_the_newest_changes_are_found_by_an_index(store: Store, query: str) -> None:
    """However long the ledger is: nothing is sorted that is not listed."""
    values = {"since": "2026", "limit": 5, "now": "2026", "provider": None, "model": None}
    sql = "EXPLAIN QUERY PLAN " + applicable(_QUERIES[query], values)
    plan = store._connection.fetch_all(sql, values)
    column = {"begun": "since", "ended": "until"}[query]
    assert any(f"pricing_ledger_{column} ({column}>?)" in str(step) for step in plan), plan
    assert not any("TEMP B-TREE" in str(step) for step in plan), plan
