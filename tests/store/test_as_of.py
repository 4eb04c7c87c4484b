"""A price at an instant is one seek in an index, and is the one that the definition gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing_sync.prices.rates import Meter, Rate, RateCard
from pricing_sync.store import Store, open_store
from pricing_sync.store.as_of import instants
from pricing_sync.store.connection import NamedQueries, applicable
from pricing_sync.store.rows import write_optional_instant

from databases import database_url

START = datetime(2026, 1, 1, tzinfo=UTC)
MODEL = {"provider": "acme", "model": "m"}


def hour(number: int) -> datetime:
    return START + timedelta(hours=number)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(open_store(database_url(tmp_path, "x"), create=True)) as opened:
        yield opened


@dataclass(frozen=True)
class Row:
    """A row of the ledger, by hours."""

    card: int
    since: int
    until: int | None
    recorded: int
    superseded: int | None = None

    def is_known(self, at: int | None) -> bool:
        if at is None:
            return self.superseded is None
        return self.recorded <= at and (self.superseded is None or at < self.superseded)

    def is_in_force(self, at: int) -> bool:
        return self.since <= at and (self.until is None or at < self.until)


class History:
    """Rows of one model, written as the ledger writes them: superseded, never changed."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def put(self, since: int, recorded: int) -> None:
        """From *since* on the model has another card; it is recorded later, or before."""
        card, rows = len(self.rows) + 1, []
        for row in self.rows:
            if row.superseded is not None or (row.until is not None and row.until <= since):
                rows.append(row)
                continue
            rows.append(replace(row, superseded=recorded))
            if row.since < since:
                rows.append(replace(row, until=since, recorded=recorded))
        self.rows = [*rows, Row(card, since, None, recorded)]

    def cards(self, at: int, known_at: int | None) -> list[int]:
        """What is in force at an instant, by the definition."""
        return [row.card for row in self.rows if row.is_in_force(at) and row.is_known(known_at)]

    def write(self, store: Store) -> None:
        connection = store._connection
        connection.execute("DELETE FROM pricing_ledger", {})
        connection.execute("DELETE FROM pricing_models", {})
        connection.execute(
            "INSERT INTO pricing_models (provider, model, first_seen)"
            " VALUES (:provider, :model, :at)",
            MODEL | {"at": written(0)},
        )
        connection.execute_many(
            "INSERT INTO pricing_ledger (card_id, provider, model, since, until, recorded_at,"
            " superseded_at, source, url, reading_id, currency, input) VALUES (:card, :provider,"
            " :model, :since, :until, :recorded, :superseded, 'api', '', 'r', 'USD', :card)",
            [
                {**MODEL, "card": row.card}
                | {name: written(getattr(row, name)) for name in ("since", "until", "recorded")}
                | {"superseded": written(row.superseded)}
                for row in self.rows
                if row.recorded != row.superseded  # never known
            ],
        )


def written(number: int | None) -> str | None:
    return write_optional_instant(None if number is None else hour(number))


@st.composite
def histories(draw: st.DrawFn) -> History:
    history = History()
    for recorded in sorted(draw(st.sets(st.integers(0, 40), min_size=1, max_size=8))):
        history.put(max(0, recorded + draw(st.integers(-15, 15))), recorded)
    return history


INSTANT = st.integers(0, 60)


@settings(max_examples=60, deadline=None)
@given(histories(), st.lists(st.tuples(INSTANT, st.none() | INSTANT), min_size=1, max_size=20))
def test_the_card_of_an_instant_is_the_one_that_was_in_force_and_known(
    tmp_path_factory: pytest.TempPathFactory,
    history: History,
    questions: list[tuple[int, int | None]],
) -> None:
    """Cards may be recorded long after they began, or before: scheduled ones."""
    folder = tmp_path_factory.getbasetemp()
    with closing(open_store(database_url(folder, "as-of"), create=True)) as store:
        history.write(store)
        for at, known_at in questions:
            known = None if known_at is None else hour(known_at)
            found = store.statements("acme", "m", at=hour(at), known_at=known)
            expected = [RateCard({Meter.INPUT: Rate(n)}) for n in history.cards(at, known_at)]
            assert expected == [statement.listing for statement in found], (at, known_at)
            assert found == store.statements(at=hour(at), known_at=known)


def plan(part: NamedQueries, query: str, **values: Any) -> list[str]:
    """How SQLite finds the rows of a query."""
    sql = applicable(part._queries[query], values)
    names = set(re.findall(r":(\w+)", sql))
    found = part._connection.fetch_all(
        f"EXPLAIN QUERY PLAN {sql}", {name: values.get(name, "1") for name in names}
    )
    return [row[3] for row in found]


AT = hour(5)


@pytest.mark.sqlite("of the plans of PostgreSQL: test_postgres_plans.py")
@pytest.mark.parametrize("known_at", [None, AT])
def test_a_card_of_an_instant_is_sought(store: Store, known_at: datetime | None) -> None:
    """By provider, model and instant; rows that are not its own are never read."""
    steps = plan(store, "cards_at", **MODEL, **instants(AT, known_at), limit=None)
    seeks = [step for step in steps if step.startswith("SEARCH")]
    assert not [step for step in steps if "SCAN" in step or "B-TREE" in step], steps
    assert all("provider=? AND model=?" in step for step in seeks), seeks
    assert 3 == sum("since>?" in step or "since<?" in step for step in seeks), seeks


_ROW = (
    "INSERT INTO pricing_ledger (card_id, provider, model, since, until, recorded_at,"
    " superseded_at, source, url, reading_id, currency, input) VALUES (:id, 'acme', :model, :at,"
    " :until, :recorded, :superseded, 'api', '', 'r', 'USD', 1)"
)


@pytest.mark.sqlite("of the plans of PostgreSQL: test_postgres_plans.py")
@pytest.mark.parametrize("known_at", [None, AT])
def test_statistics_of_a_long_history_change_no_plan(
    tmp_path: Path, store: Store, known_at: datetime | None
) -> None:
    """A tool of the operator may run `ANALYZE`. Each card ends with a row of its own."""
    rows = [
        {"id": f"{model}-{n}", "model": f"m{model}", "at": written(n), "recorded": recorded}
        | {"until": until, "superseded": superseded}
        for model in range(100)
        for n in range(100)
        for until, recorded, superseded in (
            (None, written(n), written(n + 1)),
            (written(n + 1), written(n + 1), None),
        )
    ]
    store._connection.execute_many(_ROW, rows)
    store._connection.execute("ANALYZE", {})
    with closing(open_store(database_url(tmp_path, "x"))) as opened:
        test_a_card_of_an_instant_is_sought(opened, known_at)


@pytest.mark.sqlite("of the plans of PostgreSQL: test_postgres_plans.py")
@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("current_cards", MODEL),
        ("history", MODEL | {"known_only": True}),
        ("history", MODEL | {"known_only": False}),
        ("overrides_at", MODEL),
        ("overrides_not_ended", MODEL),
        ("overrides_ending", MODEL),
        ("model_states", MODEL | {"unconfirmed_only": True}),
        ("anchors", MODEL),
        ("recent_cards", MODEL),
    ],
)
def test_what_is_asked_of_one_model_is_sought(
    store: Store, query: str, values: dict[str, Any]
) -> None:
    """Every table is entered by an index of provider and model."""
    steps = plan(store.ledger if query in store.ledger._queries else store, query, **values)
    # The list of models that is given is no table.
    steps = [step for step in steps if "VIRTUAL TABLE" not in step]
    assert not [step for step in steps if step.startswith("SCAN")], steps
    by = "provider=? AND model=?" if "model" in values else "provider=?"
    assert any(by in step for step in steps), steps


@pytest.mark.sqlite("of the plans of PostgreSQL: test_postgres_plans.py")
@pytest.mark.parametrize("query", ["cards_of_others", "references"])
def test_peers_are_sought_by_their_names(store: Store, query: str) -> None:
    """However many other sellers and catalogs there are."""
    steps = [step for step in plan(store.peers, query) if "VIRTUAL TABLE" not in step]
    assert any(step.startswith("SEARCH") for step in steps), steps
    assert not [step for step in steps if step.startswith("SCAN")], steps


@pytest.mark.sqlite("of the plans of PostgreSQL: test_postgres_plans.py")
@pytest.mark.parametrize(
    "values",
    [
        {"provider": "acme", "state": "open", "id": None},
        {"provider": None, "state": "open", "id": None},
        {"provider": None, "state": None, "id": "x"},
    ],
)
def test_held_changes_are_sought(store: Store, values: dict[str, Any]) -> None:
    """Those of a state, of all providers or of one, and one by its id."""
    steps = plan(store.review, "held_changes", **values)
    assert not [step for step in steps if step.startswith("SCAN")], steps


@pytest.mark.sqlite("of the plans of PostgreSQL: test_postgres_plans.py")
def test_accepted_changes_of_a_model_are_sought(store: Store) -> None:
    """The anchors leave out what a person has accepted since: a seek for each model."""
    steps = plan(store.ledger, "anchors", provider="acme")
    [held] = [step for step in steps if step.startswith("SEARCH h")]
    assert "provider=? AND model=? AND state=? AND decided_at>?" in held, held


@pytest.mark.sqlite("of the plans of PostgreSQL: test_postgres_plans.py")
def test_a_name_of_a_model_is_sought(store: Store) -> None:
    """Every price is looked up by its name first."""
    for query, values in (
        ("aliases", {"provider": "acme", "alias": "m"}),
        ("notices", MODEL),
        ("target_at", {"provider": "acme", "alias": "m"}),
    ):
        [step] = plan(store.names, query, **values)
        assert step.startswith("SEARCH"), step


def test_no_query_is_for_every_question() -> None:
    """`:x IS NULL OR …` hides every index: an optional condition stands in brackets."""
    for file in resources.files("pricing_sync.store").iterdir():
        if file.name.endswith(".sql"):
            assert not re.search(r"(?i):\w+( AS TEXT\))? IS NULL", file.read_text("utf-8")), file
