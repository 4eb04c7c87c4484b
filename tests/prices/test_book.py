"""The price book: which price counts at an instant, and what a usage costs by it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing_sync.errors import NoPrice, UnknownName
from pricing_sync.prices.book import Price, PriceBook, prices
from pricing_sync.prices.rates import (
    ConditionalRates,
    Meter,
    Per,
    Rate,
    RateCard,
    Unpriced,
    When,
    Why,
)
from pricing_sync.prices.statements import MeterOverride, Statement
from pricing_sync.prices.usage import Usage

DAY = datetime(2026, 7, 17, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
CHEAP = RateCard({Meter.INPUT: Rate.of("2.5", Per.MILLION), Meter.OUTPUT: Rate.of(10, Per.MILLION)})
VARIES = Unpriced(Why.VARIES, "at -1")


def stated(
    model: str,
    listing: RateCard | Unpriced = CHEAP,
    *,
    provider: str = "acme",
    since: datetime = DAY,
) -> Statement:
    return Statement(
        card_id=f"{provider}-{model}",
        provider=provider,
        model=model,
        since=since,
        until=None,
        recorded_at=since,
        superseded_at=None,
        source="api",
        url="",
        reading_id="reading",
        digest=None,
        listing=listing,
    )


def overridden(
    model: str,
    per_million: str,
    *,
    since: datetime = DAY,
    until: datetime | None = None,
    meter: Meter = Meter.INPUT,
) -> MeterOverride:
    return MeterOverride(
        id=f"{model}-{meter}-{since}",
        provider="acme",
        model=model,
        meter=meter,
        rate=Rate.of(per_million, Per.MILLION),
        currency="USD",
        since=since,
        until=until,
        recorded_at=since,
        superseded_at=None,
        author="me",
        reason="contract",
        upstream_rate=None,
    )


def book(
    statements: Iterable[Statement] = (),
    overrides: Iterable[MeterOverride] = (),
    read_at: datetime = DAY,
) -> PriceBook:
    return PriceBook(statements, overrides, read_at=read_at)


def input_rate(book: PriceBook, at: datetime) -> str | None:
    found = book.find("acme", "m", at)
    if found is None or isinstance(found.listing, Unpriced):
        return None
    return str(found.listing.rates[Meter.INPUT])


def test_a_card_is_priced_as_it_was_published() -> None:
    """1,000 in at 2.50 and 500 out at 10 dollars per million."""
    usage = Usage(input=1000, output=500)
    assert Decimal("0.0075") == book([stated("m")]).cost("acme", "m", usage).total
    assert "acme-m" == book([stated("m")]).price("acme", "m").card_id


def test_models_of_one_name_are_not_mixed_up() -> None:
    """What another provider sells under it has a price of its own."""
    other = RateCard({Meter.INPUT: Rate.of(7, Per.MILLION)})
    both = book([stated("m"), stated("m", other, provider="zeta")])
    assert (CHEAP, other) == (both.price("acme", "m").listing, both.price("zeta", "m").listing)


def test_an_override_counts_from_its_beginning_to_its_end() -> None:
    """Without anybody reading the ledger again: half open, as everywhere."""
    begin, end = DAY + HOUR, DAY + 2 * HOUR
    changing = book([stated("m")], [overridden("m", "2", since=begin, until=end)])
    assert "2.5" == input_rate(changing, begin - SECOND)
    assert "2" == input_rate(changing, begin)
    assert "2" == input_rate(changing, end - SECOND)
    assert "2.5" == input_rate(changing, end)


def test_now_is_when_it_is_asked() -> None:
    """An override that ends a moment later has ended when the moment is over."""
    now = datetime.now(UTC)
    end = now + timedelta(milliseconds=50)
    changing = book([stated("m")], [overridden("m", "2", until=end)], now)
    usage = Usage(input=1_000_000)
    while (before := changing.cost("acme", "m", usage).total) != Decimal("2.5"):
        assert Decimal(2) == before
    assert end <= datetime.now(UTC)


def test_a_meter_that_is_not_overridden_inherits() -> None:
    """Half of the price is a person's, half the provider's."""
    usage = Usage(input=1_000_000, output=1_000_000)
    layered = book([stated("m")], [overridden("m", "2")])
    assert Decimal(12) == layered.cost("acme", "m", usage).total


def test_a_model_that_only_a_person_prices_begins_with_the_override() -> None:
    """Before that it is unknown, and so it is after."""
    begin, end = DAY + HOUR, DAY + 2 * HOUR
    set_here = book([], [overridden("m", "2", since=begin, until=end)])
    assert [None, "2", None] == [
        input_rate(set_here, at) for at in (begin - SECOND, begin, end + SECOND)
    ]


def test_before_the_card_in_force_the_ledger_is_to_be_asked() -> None:
    """Another card counted then. The book does not know it, and says so."""
    for known in (book([stated("m")]), book([stated("m")], [overridden("m", "2")])):
        with pytest.raises(NoPrice, match=r"acme: m: .*T11:59:59.* ask the ledger"):
            known.cost("acme", "m", Usage(input=1), DAY - SECOND)
        assert known.find("acme", "m", DAY) is not None


def test_the_past_of_a_model_without_a_card_is_the_ledgers() -> None:
    """It may have had a card then, on which the override lay."""
    set_here = book([], [overridden("m", "2", since=DAY - HOUR)], DAY)
    with pytest.raises(NoPrice, match="ask the ledger"):
        set_here.find("acme", "m", DAY - SECOND)
    assert "2" == input_rate(set_here, DAY)


def test_a_card_counts_now_although_this_clock_has_not_reached_it() -> None:
    """Another machine wrote it, whose clock is ahead."""
    begin = datetime.now(UTC) + HOUR
    to_come = [overridden("m", "2", since=begin + HOUR)]
    for ahead in (book([stated("m", since=begin)]), book([stated("m", since=begin)], to_come)):
        assert Decimal("0.0000025") == ahead.cost("acme", "m", Usage(input=1)).total


def test_a_card_with_hours_is_priced_by_the_instant() -> None:
    """Half price from 16:30 UTC on."""
    night = ConditionalRates(When(hours=(990, 30)), {Meter.INPUT: Rate.of("1.25", Per.MILLION)})
    card = RateCard({Meter.INPUT: Rate.of("2.5", Per.MILLION)}, (night,))
    usage = Usage(input=1_000_000)
    costs = [
        book([stated("m", card)]).cost("acme", "m", usage, at).total
        for at in (DAY.replace(hour=16, minute=29), DAY.replace(hour=16, minute=30))
    ]
    assert [Decimal("2.5"), Decimal("1.25")] == costs


def test_an_unknown_model_has_no_price() -> None:
    """It is not free."""
    known = book([stated("m")])
    assert known.find("acme", "x") is None
    with pytest.raises(UnknownName, match="acme: x: not in the price book"):
        known.price("acme", "x")
    with pytest.raises(NoPrice, match="acme: x: not in the price book"):
        known.cost("acme", "x", Usage(input=1))
    with pytest.raises(NoPrice, match="zeta: m"):
        known.cost("zeta", "m", Usage(input=1))


def test_an_unpriced_model_is_known_and_has_no_price() -> None:
    """The error says what the provider says of it."""
    known = book([stated("m", VARIES)])
    assert VARIES == known.price("acme", "m").listing
    with pytest.raises(NoPrice, match="acme: m: unpriced: varies: at -1"):
        known.cost("acme", "m", Usage(input=1))


def test_a_meter_without_a_rate_has_no_price() -> None:
    """The error says of which model."""
    with pytest.raises(NoPrice, match="acme: m: image: 2 used"):
        book([stated("m")]).cost("acme", "m", Usage(image=2))


def test_an_instant_needs_a_time_zone() -> None:
    """Nobody knows when it is."""
    naive = DAY.replace(tzinfo=None)
    for known in (book([stated("m")]), book([stated("m")], [overridden("m", "2")])):
        with pytest.raises(ValueError, match="no time zone"):
            known.find("acme", "m", naive)


def test_a_book_is_read_through_in_order() -> None:
    """By provider and model; what does not count now is not in it."""
    later = datetime.now(UTC) + HOUR
    full = book(
        [stated("b"), stated("a", VARIES), stated("c", provider="aaa")],
        [overridden("b", "2"), overridden("set", "2"), overridden("to-come", "2", since=later)],
    )
    assert [("aaa", "c"), ("acme", "a"), ("acme", "b"), ("acme", "set")] == [
        (price.provider, price.model) for price in full
    ]
    assert 4 == len(full)
    assert ["aaa", "acme"] == full.providers()


def test_an_empty_book_knows_nothing() -> None:
    """And says so."""
    assert (0, [], []) == (len(book()), list(book()), book().providers())


def test_a_book_is_never_changed() -> None:
    """It is replaced by another one."""
    with pytest.raises(FrozenInstanceError):
        book().revision = "2"  # type: ignore[misc]


hours = st.integers(0, 12).map(lambda n: DAY + n * HOUR)
rates = st.integers(1, 5).map(str)
some_overrides = st.lists(
    st.builds(
        lambda model, rate, meter, since, lasts: overridden(
            model,
            rate,
            meter=meter,
            since=since,
            until=None if lasts is None else since + lasts * HOUR,
        ),
        st.sampled_from("mn"),
        rates,
        st.sampled_from([Meter.INPUT, Meter.OUTPUT, Meter.IMAGE]),
        hours,
        st.none() | st.integers(1, 6),
    ),
    max_size=6,
)


@given(
    listing=st.sampled_from([CHEAP, VARIES]),
    since=hours,
    read_at=hours,
    overrides=some_overrides,
    at=hours,
)
def test_a_book_says_what_the_ledger_says(
    listing: RateCard | Unpriced,
    since: datetime,
    read_at: datetime,
    overrides: Sequence[MeterOverride],
    at: datetime,
) -> None:
    """Of a model with a card since it began, of one without since the book was read."""
    card = stated("m", listing, since=since)
    known = PriceBook([card], overrides, read_at=read_at)
    in_force = [o for o in overrides if o.since <= at and (o.until is None or o.until > at)]
    expected = {price.model: price for price in prices([card], in_force)}
    if at >= since:
        assert expected["m"] == known.find("acme", "m", at)
    if at >= read_at:
        assert expected.get("n") == known.find("acme", "n", at)


def test_a_reader_of_prices_needs_only_the_standard_library() -> None:
    """Who bills by a book installs nothing, and waits for nothing to be imported."""
    program = (
        "import json, sys; before = set(sys.modules)\n"
        "from pricing_sync import PriceBook\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    printed = subprocess.check_output([sys.executable, "-c", program])
    packages = {name.partition(".")[0] for name in json.loads(printed)}
    # Each build of Python has one of its own.
    packages = {name for name in packages if not name.startswith("_sysconfigdata")}
    assert {"pricing_sync"} == packages - sys.stdlib_module_names
    assert not {"asyncio", "sqlite3", "ssl"} & packages


def test_a_price_is_what_the_book_hands_out() -> None:
    """With since when it counts and where it is from."""
    layered = book([stated("m")], [overridden("m", "2", since=DAY + HOUR)])
    assert [
        ("api", DAY, "acme-m"),
        ("override", DAY + HOUR, "acme-m"),
    ] == [_origin(layered.price("acme", "m", at)) for at in (DAY, DAY + HOUR)]


def _origin(price: Price) -> tuple[str, datetime, str | None]:
    return price.source, price.since, price.card_id
