"""The genai-prices catalog, on built documents and on the recorded one."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from pricing_sync.prices.cost import cost
from pricing_sync.prices.rates import (
    Answer,
    ConditionalRates,
    Listing,
    Meter,
    Rate,
    RateCard,
    Scheduled,
    Unpriced,
    Unreadable,
    When,
    Why,
)
from pricing_sync.prices.usage import Usage
from pricing_sync.sources.formats import genai_prices
from pricing_sync.sources.provider import read_answer
from pricing_sync.sources.providers.catalog import genai_prices_provider
from pricing_sync.sources.strict_json import Incomplete, Malformed

from recorded import needs_samples, sample

RECORDED = "genai-prices/2026-08-21-v2-data.json"
NANO = Decimal("1e-9")
AT = datetime(2026, 8, 21, 12, tzinfo=UTC)
PRICED = {"input_mtok": 1.5, "output_mtok": 6}
CARD = RateCard({Meter.INPUT: Rate(1_500_000_000), Meter.OUTPUT: Rate(6_000_000_000)})


def listed(prices: Any, at: datetime = AT, **fields: Any) -> Listing:
    return answer(prices, at, **fields).listings["m"]


def answer(prices: Any, at: datetime = AT, **fields: Any) -> Answer:
    """The answer with one built model."""
    model = {"id": "m", "match": {"equals": "m"}, "prices": prices, **fields}
    body = json.dumps([{"id": "acme", "models": [model]}, {"id": "b", "models": []}]).encode()
    return read_answer(genai_prices_provider("acme"), [body], at)


def conditional_rates(listing: Listing) -> list[tuple[When, dict[Meter, int]]]:
    """The conditional rates of a card, in order."""
    assert isinstance(listing, RateCard), listing
    return [
        (entry.when, {meter: int(rate) for meter, rate in entry.rates.items()})
        for entry in listing.conditional_rates
    ]


def why(listing: Listing) -> str:
    assert isinstance(listing, Unreadable), listing
    return listing.why


def test_the_unit_is_in_the_name_of_the_key() -> None:
    """Millions of tokens, thousands of requests, hours of sound, thousands of pages."""
    assert listed(
        {
            "input_mtok": 2,
            "cache_write_5m_mtok": 2.5,
            "requests_kcount": 5,
            "web_searches_kcount": 10,
            "input_audio_hours": 0.36,
            "input_document_kpages": 3,
            "input_mchars": 16,
            "input_video_mtok": 4,
            "output_video_mtok": 17.5,
        }
    ) == RateCard(
        {
            Meter.INPUT: Rate(2_000_000_000),
            Meter.CACHE_WRITE: Rate(2_500_000_000),
            Meter.REQUEST: Rate(5_000_000_000_000),
            Meter.WEB_SEARCH: Rate(10_000_000_000_000),
            Meter.SECOND: Rate(100_000_000_000),
            Meter.PAGE: Rate(3_000_000_000_000),
            Meter.CHARACTER: Rate(16_000_000_000),
            Meter.INPUT_VIDEO: Rate(4_000_000_000),
            Meter.OUTPUT_VIDEO: Rate(17_500_000_000),
        }
    )


def test_a_tier_begins_one_token_above_its_start() -> None:
    """Tiers of several meters with the same start share one condition."""
    prices = {
        "input_mtok": {"base": 1, "tiers": [{"start": 200000, "price": 2}]},
        "output_mtok": {
            "base": 5,
            "tiers": [{"start": 200000, "price": 9}, {"start": 500000, "price": 12}],
        },
    }
    card = listed(prices)
    assert isinstance(card, RateCard)
    assert {Meter.INPUT: 1_000_000_000, Meter.OUTPUT: 5_000_000_000} == card.rates
    assert conditional_rates(card) == [
        (
            When(min_input_tokens=200_001),
            {Meter.INPUT: 2_000_000_000, Meter.OUTPUT: 9_000_000_000},
        ),
        (When(min_input_tokens=500_001), {Meter.OUTPUT: 12_000_000_000}),
    ]


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"base": 1},
        {"base": 1, "tiers": None},
        {"base": 1, "tiers": [{"price": 2}]},
        {"base": 1, "tiers": [{"start": None, "price": 2}]},
        {"base": 1, "tiers": [{"start": -1, "price": 2}]},
        {"base": 1, "tiers": [{"start": 5, "price": 2, "region": "eu"}]},
        {"base": 1, "tiers": [{"start": 5, "price": 2}, {"start": 5, "price": 3}]},
        {"base": 1, "tiers": [], "region": "eu"},
        True,
        "1_000",
        -1,
        [],
    ],
)
def test_a_price_or_tier_that_cannot_be_read_makes_the_row_unreadable(value: Any) -> None:
    """A tier without its start would apply to every request."""
    assert why(listed({**PRICED, "input_mtok": value})).startswith("prices.input_mtok")


DATED = [
    {"prices": {"input_mtok": 1}},
    {"constraint": {"start_date": "2026-08-01"}, "prices": {"input_mtok": 2}},
    {"constraint": {"start_date": "2027-01-01"}, "prices": {"input_mtok": 3}},
]


@pytest.mark.parametrize(
    ("at", "rate"),
    [
        (datetime(2026, 7, 31, 23, 59, tzinfo=UTC), 1_000_000_000),
        (datetime(2026, 8, 1, tzinfo=UTC), 2_000_000_000),
        (datetime(2026, 8, 1, 1, tzinfo=timezone(timedelta(hours=2))), 1_000_000_000),
        (datetime(2027, 1, 1, tzinfo=UTC), 3_000_000_000),
    ],
)
def test_the_last_entry_that_has_started_is_in_force(at: datetime, rate: int) -> None:
    """A date begins at midnight UTC, whatever the time zone of *at* is."""
    assert RateCard({Meter.INPUT: Rate(rate)}) == listed(DATED, at)


def test_a_model_whose_first_price_starts_later_is_not_published() -> None:
    """It has no price today."""
    assert Unpriced(Why.NOT_PUBLISHED) == listed(DATED[2:])


def test_hours_are_a_condition() -> None:
    """They are evaluated at the time of use, not at the time of reading."""
    hours = {"start_time": "00:30:00Z", "end_time": "16:30:00Z"}
    entries = [{"prices": PRICED}, {"constraint": hours, "prices": {"input_mtok": 3}}]
    assert conditional_rates(listed(entries)) == [
        (When(hours=(30, 990)), {Meter.INPUT: 3_000_000_000})
    ]


def test_a_later_date_replaces_hours_before_it() -> None:
    """The last active entry wins, so only hours after the last started date apply."""
    hours = {"start_time": "00:30:00Z", "end_time": "16:30:00Z"}
    entries = [
        {"prices": {"input_mtok": 1}},
        {"constraint": hours, "prices": {"input_mtok": 9}},
        {"constraint": {"start_date": "2026-01-01"}, "prices": PRICED},
    ]
    assert listed(entries) == CARD


@pytest.mark.parametrize(
    "constraint",
    [
        {},
        {"start_date": None},
        {"start_date": "soon"},
        {"start_date": 20260101},
        {"end_date": "2026-01-01"},
        {"start_date": "2026-01-01", "region": "eu"},
        {"start_time": "00:30:00Z"},
        {"start_time": "00:30:00Z", "end_time": None},
        {"start_time": "00:30:00Z", "end_time": "00:30:00Z"},
        {"start_time": "00:30:00Z", "end_time": "16:30:00+08:00"},
        {"start_time": "00:30:00Z", "end_time": "24:30:00Z"},
        "2026-01-01",
    ],
)
def test_a_constraint_that_cannot_be_read_makes_the_row_unreadable(constraint: Any) -> None:
    """If it were ignored, its prices would always apply."""
    entries = [{"prices": PRICED}, {"constraint": constraint, "prices": {"input_mtok": 3}}]
    assert why(listed(entries)).startswith("constraint")


def test_hours_without_prices_for_the_other_hours_make_the_row_unreadable() -> None:
    """The prices of the rest of the day are not known."""
    hours = {"start_time": "00:30:00Z", "end_time": "16:30:00Z"}
    assert why(listed([{"constraint": hours, "prices": PRICED}])).startswith("prices: ")


def test_a_variant_of_a_service_tier_is_conditional() -> None:
    """`processing: batch` and `speed: fast` are service tiers. Another condition is no tier."""
    variants = [
        {"when": {"processing": "batch"}, "prices": {"input_mtok": 0.75}},
        {"when": {"service_tier": "flex"}, "prices": {"input_mtok": 0.5}},
        {"when": {"speed": "fast"}, "prices": {"input_mtok": 3}},
        {"when": {"service_tier": "ultra-fast"}, "prices": {"input_mtok": 4}},
        {"when": {"search_type": "fast"}, "prices": {"input_mtok": 9}},
        {"when": {"service_tier": "Not A Tier"}, "prices": {"input_mtok": 9}},
        {"when": {"processing": "batch", "speed": "fast"}, "prices": {"input_mtok": 9}},
        {"prices": {"input_mtok": 9}},
        {
            "when": {"processing": "batch"},
            "constraint": {"start_date": "2027-01-01"},
            "prices": {"input_mtok": 9},
        },
    ]
    assert conditional_rates(listed(PRICED, price_variants=variants)) == [
        (When(service_tier="ultra-fast"), {Meter.INPUT: 4_000_000_000}),
        (When(service_tier="fast"), {Meter.INPUT: 3_000_000_000}),
        (When(service_tier="flex"), {Meter.INPUT: 500_000_000}),
        (When(service_tier="batch"), {Meter.INPUT: 750_000_000}),
    ]


@pytest.mark.parametrize(
    "when", [{"processing": "batch"}, {"service_tier": "flex"}, {"speed": "fast"}]
)
def test_of_two_variants_of_a_tier_the_first_that_has_started_counts_for_each_key(
    when: dict[str, str],
) -> None:
    """mistral-large-4, read 2026-11: its batch price of 2026-10-29 stands before the older ones."""
    [tier] = when.values()
    variants = [
        {
            "when": when,
            "constraint": {"start_date": "2026-10-29"},
            "prices": {"input_mtok": 0.35},
        },
        {
            "when": when,
            "constraint": {"start_date": "2026-10-20"},
            "prices": {"input_mtok": 0.68, "output_mtok": 2.09},
        },
        {"when": when, "prices": {"input_mtok": 0.34, "output_mtok": 1, "cache_read_mtok": 0.03}},
    ]
    usage = Usage(input=3_000_000, output=1_000_000, cache_read=1_000_000, service_tier=tier)
    totals = []
    for month, day in ((10, 1), (10, 25), (11, 1)):
        at = datetime(2026, month, day, tzinfo=UTC)
        card = listed(PRICED, at, price_variants=variants)
        assert isinstance(card, RateCard)
        totals.append(cost(card, usage, at).total)
    assert [Decimal("1.71"), Decimal("3.48"), Decimal("2.82")] == totals


def test_the_first_variant_of_a_tier_counts_at_every_length_and_hour() -> None:
    """Its flat price replaces the tiers of the same key in the variants after it."""
    tiers = {"base": 1, "tiers": [{"start": 100, "price": 2}]}
    hours = {"start_time": "01:00:00Z", "end_time": "02:00:00Z"}
    variants: list[dict[str, Any]] = [
        {"constraint": hours, "prices": {"output_mtok": 3}},
        {"prices": {"input_mtok": 0.5, "output_mtok": 4}},
        {"prices": {"input_mtok": tiers}},
    ]
    card = listed(
        PRICED, price_variants=[{"when": {"processing": "batch"}, **rest} for rest in variants]
    )
    assert isinstance(card, RateCard)
    totals = [
        cost(card, Usage(input=1000, output=1000, service_tier="batch"), at).total
        for at in (AT, AT.replace(hour=1))
    ]
    assert [Decimal("0.0045"), Decimal("0.0035")] == totals


def test_the_tier_default_is_the_base() -> None:
    """OpenAI's variants of `service_tier: default` repeat no price."""
    variants = [{"when": {"service_tier": "default"}, "prices": {}}]
    assert CARD == listed(PRICED, price_variants=variants)


def test_another_price_of_the_tier_default_makes_the_row_unreadable() -> None:
    """A response with this tier would be billed at the base rates."""
    variants = [{"when": {"service_tier": "default"}, "prices": {"input_mtok": 9}}]
    assert why(listed(PRICED, price_variants=variants)).startswith("price_variants: ")


def test_a_variant_without_prices_sells_the_tier_at_the_base_rates() -> None:
    """It says that the tier is sold."""
    variants = [{"when": {"service_tier": "flex"}, "prices": {}}]
    assert conditional_rates(listed(PRICED, price_variants=variants)) == [
        (When(service_tier="flex"), {})
    ]


def test_variants_that_are_no_tier_are_counted_by_the_names_of_their_conditions() -> None:
    """A route or a kind of search is another product under the same id."""
    variants: list[dict[str, Any]] = [
        {"when": {"route": "mistral/eu"}, "prices": PRICED},
        {"when": {"search_type": "fast"}, "prices": PRICED},
        {"when": {"search_type": "web"}, "prices": {}},
        {"when": {"speed": "fast", "processing": "batch"}, "prices": PRICED},
        {"prices": PRICED},
    ]
    model = {"id": "m", "prices": PRICED, "price_variants": variants}
    page = genai_prices.read(json.dumps([{"id": "p", "models": [model]}]).encode(), "p")
    assert page.ignored == {
        "price_variants.route": 1,
        "price_variants.search_type": 2,
        "price_variants.processing+speed": 1,
        "price_variants": 1,
    }
    assert [("m", CARD)] == page.rows


def test_a_variant_with_tiers() -> None:
    """The price of a long batch request has both conditions."""
    tiers = {"base": 1, "tiers": [{"start": 100, "price": 2}]}
    variant = {"when": {"processing": "batch"}, "prices": {"input_mtok": tiers}}
    assert conditional_rates(listed(PRICED, price_variants=[variant])) == [
        (When(service_tier="batch"), {Meter.INPUT: 1_000_000_000}),
        (When(service_tier="batch", min_input_tokens=101), {Meter.INPUT: 2_000_000_000}),
    ]


@pytest.mark.parametrize("prices", [{}, [], None, {"input_mtok": 0}, {"input_mtok": None}])
def test_a_model_without_prices_is_not_published(prices: Any) -> None:
    """The catalog has no prices for free models, and for models whose price is unknown."""
    assert Unpriced(Why.NOT_PUBLISHED) == listed(prices)


def test_prices_without_a_translation_are_counted() -> None:
    """A meter and a variant that we do not support."""
    model = {
        "id": "m",
        "prices": {**PRICED, "social_searches_kcount": 3},
        "price_variants": [{"when": {"route": "eu"}, "prices": PRICED}],
    }
    page = genai_prices.read(json.dumps([{"id": "p", "models": [model]}]).encode(), "p")
    assert page.ignored == {"prices.social_searches_kcount": 1, "price_variants.route": 1}
    assert [("m", CARD)] == page.rows


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{}",
        b"null",
        b"[1]",
        b'[{"id":"p"}]',
        b'[{"id":"p","models":{}}]',
        b'[{"id":"p","models":[]},{"id":"p","models":[]}]',
    ],
)
def test_a_broken_envelope_is_malformed(body: bytes) -> None:
    """It is an error of the whole answer, never an empty list."""
    with pytest.raises(Malformed):
        genai_prices.read(body, "p")


def test_a_missing_provider_is_an_incomplete_answer() -> None:
    """Its models do not count as vanished."""
    with pytest.raises(Incomplete, match="nobody is not among the 0 providers"):
        genai_prices.read(b"[]", "nobody")


@needs_samples
def test_every_recorded_price_per_million_is_the_published_one() -> None:
    """Of 1,466 models of 36 providers: each undated base price of tokens."""
    body = sample(RECORDED)
    counts: Counter[str] = Counter()
    for provider in json.loads(body, parse_float=Decimal):
        listings = genai_prices.read(body, provider["id"]).rows
        assert [model["id"] for model in provider["models"]] == [name for name, _ in listings]
        for row, (name, listing) in zip(provider["models"], listings, strict=True):
            counts[type(listing).__name__] += 1
            if isinstance(listing, RateCard) and isinstance(row["prices"], dict):
                for key, meter in (("input_mtok", Meter.INPUT), ("output_mtok", Meter.OUTPUT)):
                    price = row["prices"].get(key, 0)
                    base = price["base"] if isinstance(price, dict) else price
                    expected = Decimal(base).quantize(NANO)
                    assert expected == listing.rates.get(meter, Rate(0)).per_million, name
                    counts["checked"] += 1
    assert counts == {"RateCard": 1309, "Unpriced": 157, "checked": 2588}


NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)
#: As genai-prices states the promotion of gemini-3.6-flash: in every tier until 2026-12-31.
PROMOTION: dict[str, Any] = {
    "prices": [
        {"prices": {"input_mtok": 0.375, "output_mtok": 1.875}},
        {
            "constraint": {"start_date": "2027-01-01"},
            "prices": {"input_mtok": 0.75, "output_mtok": 3.75},
        },
    ],
    "price_variants": [
        {
            "when": {"processing": "batch"},
            "constraint": {"start_date": "2027-01-01"},
            "prices": {"input_mtok": 0.375, "output_mtok": 1.875},
        },
        {
            "when": {"processing": "batch"},
            "prices": {"input_mtok": 0.1875, "output_mtok": 0.9375},
        },
    ],
}


def promotion_card(base: tuple[int, int], batch: tuple[int, int]) -> RateCard:
    """A card with a batch tier; the rates are in thousandths of a dollar per million, times ten."""

    def rates(amounts: tuple[int, int]) -> dict[Meter, Rate]:
        into, out = amounts
        return {Meter.INPUT: Rate(into * 100_000), Meter.OUTPUT: Rate(out * 100_000)}

    return RateCard(rates(base), (ConditionalRates(When(service_tier="batch"), rates(batch)),))


def test_the_end_of_a_promotion_is_scheduled_in_every_tier() -> None:
    """0.375 until 2026-12-31, 0.75 from 2027-01-01 on, and the variants with it."""
    promoted = promotion_card((3_750, 18_750), (1_875, 9_375))
    regular = promotion_card((7_500, 37_500), (3_750, 18_750))
    before = answer(**PROMOTION)
    assert {"m": promoted} == before.listings
    assert {"m": (Scheduled(NEW_YEAR, regular),)} == before.scheduled
    after = answer(**PROMOTION, at=NEW_YEAR)
    assert ({"m": regular}, {}) == (after.listings, after.scheduled)
    eve = answer(**PROMOTION, at=NEW_YEAR - timedelta(microseconds=1))
    assert {"m": promoted} == eve.listings


def test_a_variant_alone_may_begin_on_a_date() -> None:
    """The base stays as it is."""
    variant = {
        "when": {"service_tier": "priority"},
        "constraint": {"start_date": "2027-01-01"},
        "prices": {"input_mtok": 3},
    }
    found = answer(PRICED, price_variants=[variant])
    assert {"m": CARD} == found.listings
    [later] = found.scheduled["m"]
    assert NEW_YEAR == later.since
    assert conditional_rates(later.listing) == [
        (When(service_tier="priority"), {Meter.INPUT: 3_000_000_000})
    ]


def test_hours_before_a_date_end_with_it_and_hours_after_it_begin_with_it() -> None:
    """A later entry replaces the earlier ones, so each date has its own hours."""
    night = {"start_time": "16:30:00Z", "end_time": "00:30:00Z"}
    prices = [
        {"prices": {"input_mtok": 2}},
        {"constraint": night, "prices": {"input_mtok": 1}},
        {"constraint": {"start_date": "2027-01-01"}, "prices": {"input_mtok": 4}},
        {"constraint": {"start_date": "2027-03-01"}, "prices": {"input_mtok": 6}},
        {"constraint": night, "prices": {"input_mtok": 3}},
    ]
    found = answer(prices)
    late = When(hours=(990, 30))
    assert conditional_rates(found.listings["m"]) == [(late, {Meter.INPUT: 3_000_000_000})]
    january, march = found.scheduled["m"]
    assert (datetime(2027, 3, 1, tzinfo=UTC), 6_000_000_000) == (
        march.since,
        march.listing.rates[Meter.INPUT],  # type: ignore[union-attr]
    )
    for later in (january, march):
        assert conditional_rates(later.listing) == [(late, {Meter.INPUT: 3_000_000_000})]


def test_a_later_price_that_cannot_be_read_is_counted_and_spoils_nothing_today() -> None:
    """On its day the listing is unreadable."""
    prices = [
        {"prices": PRICED},
        {"constraint": {"start_date": "2027-01-01"}, "prices": {"input_mtok": "free"}},
    ]
    found = answer(prices)
    assert ({"m": CARD}, {}) == (found.listings, found.scheduled)
    assert {"a price for later": 1} == found.ignored
    assert why(answer(prices, at=NEW_YEAR).listings["m"]).startswith("prices.input_mtok: ")


def test_a_date_that_changes_nothing_is_not_scheduled() -> None:
    """The same prices from another date on are no change."""
    again = {"constraint": {"start_date": "2027-01-01"}, "prices": PRICED}
    assert {} == answer([{"prices": PRICED}, again]).scheduled


def test_two_rows_of_a_model_with_other_dates_contradict_each_other() -> None:
    """Neither of them counts."""
    rows = [
        {"id": "m", "prices": [{"prices": PRICED}, later]}
        for later in (
            {"constraint": {"start_date": "2027-01-01"}, "prices": {"input_mtok": 3}},
            {"constraint": {"start_date": "2027-02-01"}, "prices": {"input_mtok": 3}},
        )
    ]
    body = json.dumps([{"id": "acme", "models": rows}]).encode()
    found = read_answer(genai_prices_provider("acme"), [body], AT)
    assert "listed twice, with different prices" == why(found.listings["m"])
    assert {} == found.scheduled


@needs_samples
def test_the_recorded_promotions_of_gemini_end_on_new_year() -> None:
    """The price of each as the document states it for 2027, twice that of today, in each tier."""
    found = read_answer(genai_prices_provider("google"), [sample(RECORDED)], AT)
    assert {
        model: [(later.since, str(later.listing.rates[Meter.INPUT])) for later in scheduled]  # type: ignore[union-attr]
        for model, scheduled in found.scheduled.items()
    } == {
        "gemini-3.6-flash": [(NEW_YEAR, "1.5")],
        "gemini-3.7-flash": [(NEW_YEAR, "1.5")],
    }
    for model, [later] in found.scheduled.items():
        promoted = {(when, meter): rate for when, meter, rate in _rates(found.listings[model])}
        regular = {(when, meter): rate for when, meter, rate in _rates(later.listing)}
        assert {key: 2 * rate for key, rate in promoted.items()} == regular


def _rates(listing: Listing) -> list[tuple[When | None, Meter, Rate]]:
    assert isinstance(listing, RateCard), listing
    return listing.every_rate()
