"""The price book: the price in force at an instant, and the cost of a usage by it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import FrozenInstanceError, replace
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

import cards

DAY = datetime(2026, 7, 17, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
CHEAP = RateCard({Meter.INPUT: Rate.of("2.5", Per.MILLION), Meter.OUTPUT: Rate.of(10, Per.MILLION)})
VARIES = Unpriced(Why.VARIES, "at -1")


def statement(
    model: str,
    listing: RateCard | Unpriced = CHEAP,
    *,
    provider: str = "acme",
    since: datetime = DAY,
) -> Statement:
    card_id = f"{provider}-{model}"
    return cards.statement(model, listing, since, provider=provider, card_id=card_id)


def meter_override(
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
        # What begins later is set before it begins.
        recorded_at=min(since, DAY),
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


def test_a_card_without_overrides_has_the_published_rates() -> None:
    """1,000 in at 2.50 and 500 out at 10 dollars per million."""
    usage = Usage(input=1000, output=500)
    assert Decimal("0.0075") == book([statement("m")]).cost("acme", "m", usage).total
    assert "acme-m" == book([statement("m")]).price("acme", "m").card_id


def test_two_providers_may_list_the_same_model_name() -> None:
    """Each of them has its own price."""
    other = RateCard({Meter.INPUT: Rate.of(7, Per.MILLION)})
    both = book([statement("m"), statement("m", other, provider="zeta")])
    assert (CHEAP, other) == (both.price("acme", "m").listing, both.price("zeta", "m").listing)


def test_an_override_counts_from_its_beginning_to_its_end() -> None:
    """The interval is half open, and the ledger is not read again."""
    begin, end = DAY + HOUR, DAY + 2 * HOUR
    changing = book([statement("m")], [meter_override("m", "2", since=begin, until=end)])
    assert "2.5" == input_rate(changing, begin - SECOND)
    assert "2" == input_rate(changing, begin)
    assert "2" == input_rate(changing, end - SECOND)
    assert "2.5" == input_rate(changing, end)


def test_now_is_the_instant_of_the_call() -> None:
    """An override that ends in 50 ms has no effect after 50 ms."""
    now = datetime.now(UTC)
    end = now + timedelta(milliseconds=50)
    changing = book([statement("m")], [meter_override("m", "2", until=end)], now)
    usage = Usage(input=1_000_000)
    while (before := changing.cost("acme", "m", usage).total) != Decimal("2.5"):
        assert Decimal(2) == before
    assert end <= datetime.now(UTC)


def test_a_meter_that_is_not_overridden_inherits() -> None:
    """The input rate is the person's, the output rate the provider's."""
    usage = Usage(input=1_000_000, output=1_000_000)
    mixed = book([statement("m")], [meter_override("m", "2")])
    assert Decimal(12) == mixed.cost("acme", "m", usage).total


@pytest.mark.parametrize("tier", ["flex", "priority"])
def test_an_override_is_the_rate_of_every_service_tier(tier: str) -> None:
    """It is a rate of the tier's own there: nothing is inherited, and nothing has no price."""
    per_million = {"flex": "5", "priority": "20"}[tier]
    entry = ConditionalRates(
        When(service_tier=tier), {Meter.OUTPUT: Rate.of(per_million, Per.MILLION)}
    )
    mixed = book(
        [statement("m", replace(CHEAP, conditional_rates=(entry,)))], [meter_override("m", "2")]
    )
    usage = Usage(input=1_000_000, service_tier=tier)
    (item,) = mixed.cost("acme", "m", usage, DAY).items
    assert (Rate.of(2, Per.MILLION), True) == (item.rate, item.is_own)


def test_a_model_that_only_a_person_prices_begins_with_the_override() -> None:
    """Before the override begins and after it ends, the model has no price."""
    begin, end = DAY + HOUR, DAY + 2 * HOUR
    without_card = book([], [meter_override("m", "2", since=begin, until=end)])
    assert [None, "2", None] == [
        input_rate(without_card, at) for at in (begin - SECOND, begin, end + SECOND)
    ]


def test_an_instant_before_the_card_in_force_is_an_error() -> None:
    """An earlier card was in force then. It is in the ledger, not in the book."""
    for known in (book([statement("m")]), book([statement("m")], [meter_override("m", "2")])):
        with pytest.raises(NoPrice, match=r"acme: m: .*T11:59:59.* ask the ledger"):
            known.cost("acme", "m", Usage(input=1), DAY - SECOND)
        assert known.find("acme", "m", DAY) is not None


def test_the_past_of_a_model_without_a_card_is_an_error() -> None:
    """The model may have had a card then. The ledger has it, the book does not."""
    without_card = book([], [meter_override("m", "2", since=DAY - HOUR)], DAY)
    with pytest.raises(NoPrice, match="ask the ledger"):
        without_card.find("acme", "m", DAY - SECOND)
    assert "2" == input_rate(without_card, DAY)


def test_a_card_that_begins_in_the_future_is_in_force_now() -> None:
    """Another machine wrote it, and the clock of that machine is ahead."""
    begin = datetime.now(UTC) + HOUR
    to_come = [meter_override("m", "2", since=begin + HOUR)]
    for ahead in (
        book([statement("m", since=begin)]),
        book([statement("m", since=begin)], to_come),
    ):
        assert Decimal("0.0000025") == ahead.cost("acme", "m", Usage(input=1)).total


def test_a_card_with_hours_is_priced_by_the_instant() -> None:
    """From 16:30 UTC on the price is half."""
    night = ConditionalRates(When(hours=(990, 30)), {Meter.INPUT: Rate.of("1.25", Per.MILLION)})
    card = RateCard({Meter.INPUT: Rate.of("2.5", Per.MILLION)}, (night,))
    usage = Usage(input=1_000_000)
    costs = [
        book([statement("m", card)]).cost("acme", "m", usage, at).total
        for at in (DAY.replace(hour=16, minute=29), DAY.replace(hour=16, minute=30))
    ]
    assert [Decimal("2.5"), Decimal("1.25")] == costs


def test_an_unknown_model_has_no_price() -> None:
    """It is an error, and not free."""
    known = book([statement("m")])
    assert known.find("acme", "x") is None
    with pytest.raises(UnknownName, match="acme: x: not in the price book"):
        known.price("acme", "x")
    with pytest.raises(NoPrice, match="acme: x: not in the price book"):
        known.cost("acme", "x", Usage(input=1))
    with pytest.raises(NoPrice, match="zeta: m"):
        known.cost("zeta", "m", Usage(input=1))


def test_an_unpriced_model_is_known_and_has_no_price() -> None:
    """The error gives the reason of the provider."""
    known = book([statement("m", VARIES)])
    assert VARIES == known.price("acme", "m").listing
    with pytest.raises(NoPrice, match="acme: m: unpriced: varies: at -1"):
        known.cost("acme", "m", Usage(input=1))


def test_a_meter_without_a_rate_has_no_price() -> None:
    """The error names the model and the meter."""
    with pytest.raises(NoPrice, match="acme: m: image: 2 used"):
        book([statement("m")]).cost("acme", "m", Usage(image=2))


def test_the_periods_of_a_model_have_the_prices_of_all_instants() -> None:
    """Each from its beginning on, also by another name of the model and for one that is unknown."""
    cards = [
        replace(statement("m"), until=DAY + 2 * HOUR),
        replace(statement("m", VARIES, since=DAY + 3 * HOUR), until=DAY + 5 * HOUR),
        statement("other", since=DAY + HOUR),
    ]
    since, until = DAY - HOUR, DAY + 4 * HOUR
    book = PriceBook(
        cards, (), read_at=DAY + 9 * HOUR, since=since, aliases={("acme", "alias"): "m"}
    )
    for model, hours in (("m", [-1, 0, 2, 3]), ("alias", [-1, 0, 2, 3]), ("other", [-1, 1])):
        periods = [*book.periods("acme", model, since, until)]
        assert [DAY + hour * HOUR for hour in hours] == [begin for begin, _ in periods]
        assert [book.find("acme", model, begin) for begin, _ in periods] == (
            [price for _, price in periods]
        )
    assert [(since, None)] == [*book.periods("acme", "nowhere", since, until)]


def test_an_instant_needs_a_time_zone() -> None:
    """An instant without one is ambiguous, and refused."""
    naive = DAY.replace(tzinfo=None)
    for known in (book([statement("m")]), book([statement("m")], [meter_override("m", "2")])):
        with pytest.raises(ValueError, match="no time zone"):
            known.find("acme", "m", naive)


def test_a_book_iterates_by_provider_and_model() -> None:
    """Only prices in force now are included."""
    later = datetime.now(UTC) + HOUR
    full = book(
        [statement("b"), statement("a", VARIES), statement("c", provider="aaa")],
        [
            meter_override("b", "2"),
            meter_override("set", "2"),
            meter_override("to-come", "2", since=later),
        ],
    )
    assert [("aaa", "c"), ("acme", "a"), ("acme", "b"), ("acme", "set")] == [
        (price.provider, price.model) for price in full
    ]
    assert 4 == len(full)
    assert ["aaa", "acme"] == full.providers()


def test_an_empty_book_has_no_prices() -> None:
    """It has no models and no providers."""
    assert (0, [], []) == (len(book()), list(book()), book().providers())


def test_a_book_is_never_changed() -> None:
    """A refresh replaces the whole book."""
    with pytest.raises(FrozenInstanceError):
        book().revision = "2"  # type: ignore[misc]


hours = st.integers(0, 12).map(lambda n: DAY + n * HOUR)
rates = st.integers(1, 5).map(str)
some_overrides = st.lists(
    st.builds(
        lambda model, rate, meter, since, lasts: meter_override(
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
def test_the_book_and_the_ledger_give_the_same_price(
    listing: RateCard | Unpriced,
    since: datetime,
    read_at: datetime,
    overrides: Sequence[MeterOverride],
    at: datetime,
) -> None:
    """From the beginning of the card on, or without a card from when the book was read."""
    card = statement("m", listing, since=since)
    known = PriceBook([card], overrides, read_at=read_at)
    in_force = [o for o in overrides if o.since <= at and (o.until is None or o.until > at)]
    expected = {price.model: price for price in prices([card], in_force)}
    if at >= since:
        assert expected["m"] == known.find("acme", "m", at)
    if at >= read_at:
        assert expected.get("n") == known.find("acme", "n", at)


def test_the_price_book_needs_only_the_standard_library() -> None:
    """A program that bills by a book needs no other package, and imports it fast."""
    program = (
        "import json, sys; before = set(sys.modules)\n"
        "from pricing_sync import PriceBook\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    printed = subprocess.check_output([sys.executable, "-c", program])
    packages = {name.partition(".")[0] for name in json.loads(printed)}
    # The name of this module differs between builds of Python.
    packages = {name for name in packages if not name.startswith("_sysconfigdata")}
    assert {"pricing_sync"} == packages - sys.stdlib_module_names
    assert not {"asyncio", "sqlite3", "ssl"} & packages


def test_a_price_has_its_source_and_its_beginning() -> None:
    """The source, the instant since which it is in force, and the ledger row of the card."""
    mixed = book([statement("m")], [meter_override("m", "2", since=DAY + HOUR)])
    assert [
        ("api", DAY, "acme-m"),
        ("override", DAY + HOUR, "acme-m"),
    ] == [_origin(mixed.price("acme", "m", at)) for at in (DAY, DAY + HOUR)]


def _origin(price: Price) -> tuple[str, datetime, str | None]:
    return price.source, price.since, price.card_id
