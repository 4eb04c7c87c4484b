"""Bulk pricing and `cost` are one set of rules: generated rows, priced by both."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pricing_sync.errors import NoPrice
from pricing_sync.prices.book import PriceBook
from pricing_sync.prices.rates import Rate, Unpriced, Why
from pricing_sync.prices.statements import MeterOverride, Statement
from pricing_sync.prices.usage import Usage

from cards import statement
from generated import CARDS, INSTANTS, METERS, MONDAY, WHEN, usages
from repriced import amount, read_rows, reprice, row, write_csv, write_jsonl

MODELS = ("a", "b", "nowhere")
HOURS = st.integers(0, 8 * 24).map(lambda hours: MONDAY + timedelta(hours=hours))
LISTINGS = st.one_of(CARDS, CARDS, CARDS, st.just(Unpriced(Why.VARIES, "by a router")))


@st.composite
def timelines(draw: st.DrawFn) -> list[Statement]:
    """The cards of two models, one after the other, with gaps."""
    found = []
    for model in MODELS[:2]:
        edges = sorted(draw(st.sets(HOURS, min_size=1, max_size=4)))
        for begin, end in zip(edges, [*edges[1:], None], strict=True):
            if draw(st.integers(0, 4)):
                found.append(statement(model, draw(LISTINGS), begin, until=end))
    return found


@st.composite
def overrides(draw: st.DrawFn) -> list[MeterOverride]:
    found = []
    for layer in range(draw(st.integers(0, 3))):
        begin, end = sorted((draw(HOURS), draw(HOURS)))
        found.append(
            MeterOverride(
                id=f"o{layer}",
                provider="acme",
                model=draw(st.sampled_from(MODELS[:2])),
                meter=draw(METERS),
                rate=Rate(draw(st.integers(0, 10**10))),
                currency=draw(st.sampled_from(["USD", "USD", "EUR"])),
                since=begin,
                until=draw(st.sampled_from([None, end + timedelta(hours=1)])),
                recorded_at=begin,
                superseded_at=None,
                author="a",
                reason="r",
                upstream_rate=None,
                layer=layer,
                when=draw(st.none() | WHEN),
            )
        )
    return found


def expected(book: PriceBook, model: str, usage: Usage, at: datetime) -> tuple[Any, ...]:
    """The total and the currency, or why there is none, by the price book."""
    try:
        priced = book.cost("acme", model, usage, at)
    except NoPrice as error:
        return None, None, str(error).removeprefix(f"acme: {model}: ")
    return priced.total, priced.currency, None


def found(written: dict[str, Any]) -> tuple[Any, ...]:
    return amount(written["rerated_cost"]), written["rerated_currency"], written["rerated_reason"]


REQUESTS = st.lists(st.tuples(st.sampled_from(MODELS), INSTANTS, usages()), min_size=5, max_size=15)


@pytest.fixture(scope="module", name="folder")
def folder_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rerate")


@settings(
    deadline=None,
    max_examples=60,
    # An example takes a tenth of a second: shrinking one would take minutes.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(timelines(), overrides(), REQUESTS, st.sampled_from([".csv", ".jsonl", ".parquet"]))
def test_each_row_costs_what_cost_says(
    folder: Path,
    cards: list[Statement],
    others: list[MeterOverride],
    requests: list[tuple[str, datetime, Usage]],
    ending: str,
) -> None:
    """To the last digit, with the same refusals, through files of every kind."""
    book = PriceBook(cards, others, read_at=MONDAY + timedelta(days=9), since=MONDAY)
    source, out = folder / "usage.csv", folder / f"out{ending}"
    write_csv(source, (row(model, at, usage) for model, at, usage in requests))
    if ending == ".jsonl":
        source = folder / "usage.jsonl"
        write_jsonl(source, (row(model, at, usage) for model, at, usage in requests))
    reprice(source, out, book)
    assert [expected(book, model, usage, at) for model, at, usage in requests] == (
        [found(written) for written in read_rows(out)]
    )
