"""What every reader does with zeros, half cards, and keys that it does not know."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.changes.run import NEW_KEYS, Status
from pricing_sync.prices.rates import Answer, Listing, Meter, Rate, RateCard, Unpriced, Unreadable
from pricing_sync.settings import ProviderSettings, Settings
from pricing_sync.sources.provider import read_answer
from pricing_sync.sources.providers import built_in
from pricing_sync.sync.reading import ReadingResult
from pricing_sync.sync.recorded import RecordedAnswer

from databases import database_url
from price_lists import FORMATS, MODEL, Format

DAY = datetime(2026, 7, 17, tzinfo=UTC)
PRICED = {"input": 2, "output": 8}
ZERO = {"input": 0, "output": 0}
CARD = {Meter.INPUT: Rate(2_000_000_000), Meter.OUTPUT: Rate(8_000_000_000)}
FREE = {Meter.INPUT: Rate(0), Meter.OUTPUT: Rate(0)}
CACHED = [one for one in FORMATS if "cache_read" in one.keys]

every_format = pytest.mark.parametrize("form", FORMATS, ids=str)
cached_format = pytest.mark.parametrize("form", CACHED, ids=str)


def answer(form: Format, body: bytes) -> Answer:
    return read_answer(form.provider, [body])


def listing(form: Format, body: bytes) -> Listing:
    return answer(form, body).listings[MODEL]


def rates(form: Format, body: bytes) -> object:
    found = listing(form, body)
    assert isinstance(found, RateCard), found
    return found.rates


def replay(
    path: Path, form: Format, *bodies: bytes, free: tuple[str, ...] = ()
) -> list[ReadingResult]:
    """Read these answers, a day apart, with *free* in the settings of the provider."""
    tables = {form.provider_id: ProviderSettings(free=free)}
    settings = Settings(database=database_url(path), provider=tables)
    with PricingSync(settings) as app:
        last = app.store.last_reading(form.provider_id)
        start = last.at + timedelta(days=1) if last else DAY
        recorded = [
            RecordedAnswer(body, start + timedelta(days=day)) for day, body in enumerate(bodies)
        ]
        return list(asyncio.run(app.replay(form.provider_id, recorded)).results)


def in_force(path: Path, form: Format) -> object:
    """The rates in force; the listing when it has none."""
    with PricingSync(Settings(database=database_url(path))) as app:
        found = app.price(form.provider_id, MODEL).listing
    return found.rates if isinstance(found, RateCard) else found


def test_every_reader_is_here() -> None:
    """But for the ones that share a reader: Beijing's, and two that are read from the catalog."""
    shared = {"alibaba-cloud-cn", "groq", "google-vertex"}
    assert built_in().keys() - shared <= {form.provider_id for form in FORMATS}


@every_format
def test_the_built_lists_have_the_same_prices(form: Format) -> None:
    """Otherwise the other tests prove nothing."""
    assert rates(form, form.one(PRICED)) == CARD


# Zeros


@every_format
def test_a_row_of_zeros_is_no_price_but_keeps_its_zeros(form: Format) -> None:
    """Only a person can say that the model is free."""
    found = listing(form, form.one(ZERO))
    assert isinstance(found, Unpriced)
    assert found.at_zero is not None
    assert found.at_zero.rates == FREE


@every_format
def test_a_model_of_the_free_list_costs_nothing(form: Format, tmp_path: Path) -> None:
    """A new one, in the first reading."""
    (result,) = replay(tmp_path, form, form.one(ZERO), free=(MODEL,))
    assert in_force(tmp_path, form) == FREE
    assert not result.plan.hold


@every_format
def test_a_paid_model_of_the_free_list_may_become_free(form: Format, tmp_path: Path) -> None:
    """The same fall without the list is held."""
    replay(tmp_path, form, form.one(PRICED), form.one(ZERO))
    assert in_force(tmp_path, form) == CARD
    replay(tmp_path, form, form.one(ZERO), free=(MODEL,))
    assert in_force(tmp_path, form) == FREE


@every_format
def test_a_model_that_is_put_on_the_free_list_later_costs_nothing(
    form: Format, tmp_path: Path
) -> None:
    """The bytes of the answer are the same as before, and are decoded again."""
    replay(tmp_path, form, form.one(ZERO))
    assert isinstance(in_force(tmp_path, form), Unpriced)
    replay(tmp_path, form, form.one(ZERO), free=(MODEL,))
    assert in_force(tmp_path, form) == FREE


@every_format
def test_the_free_list_makes_no_paid_model_free(form: Format, tmp_path: Path) -> None:
    """Its price is what the provider lists."""
    replay(tmp_path, form, form.one(PRICED), free=(MODEL,))
    assert in_force(tmp_path, form) == CARD


@cached_format
def test_a_cached_token_at_zero_never_has_the_price_of_another_token(
    form: Format, tmp_path: Path
) -> None:
    """It is zero, and the gate holds the card; but for a zero that is documented as no price."""
    body = form.one({**PRICED, "cache_read": 0})
    if Meter.CACHE_READ in form.unset:
        assert rates(form, body) == CARD
        return
    assert rates(form, body) == {**CARD, Meter.CACHE_READ: Rate(0)}
    (_, result) = replay(tmp_path, form, form.one({**PRICED, "cache_read": 1}), body)
    assert [held.change.model for held in result.plan.hold] == [MODEL]
    assert any(reason.startswith("zero: cache_read") for reason in result.plan.hold[0].reasons)


# Half cards


@cached_format
def test_a_price_for_cached_tokens_alone_is_no_price(form: Format) -> None:
    """Nothing else that the model sells could be billed."""
    alone = {"input": 0, "output": 0, "cache_read": 1}
    if form.provider_id == "deepinfra":
        pytest.skip("its price of cached tokens is a multiple of the price of input")
    assert isinstance(listing(form, form.one(alone)), Unpriced)


# Keys that are not read


@every_format
@pytest.mark.parametrize("key", ["discount_multiplier", "videoCost", "price_per_call"])
def test_an_unknown_price_key_beside_the_prices_is_counted(form: Format, key: str) -> None:
    """It may change the whole bill."""
    found = answer(form, form.one(PRICED, beside={key: 0.5}))
    assert isinstance(found.listings[MODEL], RateCard)
    assert [1] == [count for name, count in found.ignored.items() if name.endswith(key)]


@every_format
def test_an_unknown_price_key_among_the_prices_is_counted(form: Format) -> None:
    """Or the row is refused."""
    found = answer(form, form.one(PRICED, inside={"video_price": 0.5}))
    if not isinstance(found.listings[MODEL], Unreadable):
        assert [name for name in found.ignored if name.endswith("video_price")], found.ignored


@every_format
@pytest.mark.parametrize(
    "extra",
    [
        {"created": 1, "description": "costs 5 dollars", "max_tokens": 4096, "rate_limit": 60},
        {"price_note": "on request", "discount": None, "is_discounted": False},
    ],
)
def test_other_keys_are_not_counted(form: Format, extra: dict[str, object]) -> None:
    """A count of every key would hide the one that matters."""
    assert answer(form, form.one(PRICED, beside=extra)).ignored == {}


def models(count: int) -> list[str]:
    return [f"maker/model-{number}" for number in range(count)]


@every_format
def test_a_price_key_that_is_new_in_many_rows_is_flagged(form: Format, tmp_path: Path) -> None:
    """One that was there before is not, nor is one that is in a few rows."""
    plain, extra = (
        many(form, 8, PRICED),
        many(form, 8, PRICED, beside={"discount_price": 0.5}),
    )
    first, second, third = replay(tmp_path, form, plain, extra, extra + b" ")
    assert NEW_KEYS not in first.reading.changes
    assert second.reading.changes[NEW_KEYS] == 1
    assert [8] == list(second.reading.ignored.values())
    assert NEW_KEYS not in third.reading.changes
    assert second.reading.ignored == third.reading.ignored


def many(form: Format, count: int, prices: dict[str, int], **extra: dict[str, float]) -> bytes:
    body = form.body(models(count), prices, {}, extra.get("beside", {}))
    return body.replace(b'"total_items": 1', b'"total_items": %d' % count)


@cached_format
def test_a_renamed_price_key_fails_the_reading(form: Format, tmp_path: Path) -> None:
    """The models keep their prices, instead of losing the one that was renamed."""
    whole = many(form, 8, {**PRICED, "cache_read": 1})
    lost = many(form, 8, PRICED, beside={"cached_price": 1})
    _, renamed = replay(tmp_path, form, whole, lost)
    assert renamed.reading.status is Status.FAILED
    assert renamed.reading.error_kind == "decode"
    assert "a renamed price key?" in (renamed.reading.error or "")
    assert "cached_price is new in 8 rows" in (renamed.reading.error or "")


@cached_format
def test_a_price_key_that_only_goes_is_judged_by_the_gate(form: Format, tmp_path: Path) -> None:
    """The reading is good: a provider may end a discount."""
    whole, lost = many(form, 8, {**PRICED, "cache_read": 1}), many(form, 8, PRICED)
    assert Status.READ is replay(tmp_path, form, whole, lost)[1].reading.status
