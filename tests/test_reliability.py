"""Wrong answers of providers, tested from the bytes to the current prices.

`docs/reliability.md` lists the tests of each row. This file has those that span several modules.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pricing_sync.app import PricingSync
from pricing_sync.changes.held import State
from pricing_sync.errors import UnknownName
from pricing_sync.prices.book import Price
from pricing_sync.prices.rates import Meter, Per, Rate, RateCard
from pricing_sync.settings import Settings
from pricing_sync.sync.reading import ReadingResult
from pricing_sync.sync.recorded import RecordedAnswer

from built import openrouter, priced
from databases import database_url
from recorded import needs_samples, sample

DAY = datetime(2026, 7, 17, tzinfo=UTC)
NEXT = DAY + timedelta(days=1)
AFTER = DAY + timedelta(days=2)

#: Factors of wrong units: yuan per dollar, cents, thousands, millions, and two that happened in
#: LiteLLM's map: wandb (100,000) and novita (8,000).
UNIT_FACTORS = ["1e6", "1e-6", "1e3", "1e-3", "100", "0.01", "1e5", "8000", "7.2"]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[PricingSync]:
    with PricingSync(Settings(database=database_url(tmp_path))) as opened:
        yield opened


def read_once(app: PricingSync, body: bytes, at: datetime) -> ReadingResult:
    return asyncio.run(app.replay("openrouter", [RecordedAnswer(body, at)])).results[0]


def current_prices(app: PricingSync) -> list[Price]:
    """What is billed now, whatever is said of it: its state and last confirmation do change."""
    return [
        replace(price, state=None, confirmed_at=None, doubt=None)
        for price in app.prices("openrouter")
    ]


def rules(result: ReadingResult) -> set[str]:
    """The rules that hold a change."""
    held = [*result.plan.hold, *result.plan.still_held]
    return {reason.partition(":")[0] for item in held for reason in item.reasons}


def held_models(result: ReadingResult) -> set[str]:
    return {item.change.model for item in result.plan.hold}


def models(count: int = 20) -> dict[str, dict[str, Any]]:
    """The `pricing` of *count* models, each with other prices, including a cache price."""
    return {
        f"maker/model-{n}": priced(
            f"0.00000{n + 10}", f"0.0000{n + 10}", input_cache_read=f"0.000000{n + 10}"
        )
        for n in range(count)
    }


def scaled(pricings: Mapping[str, Mapping[str, Any]], factor: str) -> dict[str, dict[str, Any]]:
    """Every price of every model multiplied by *factor*."""
    return {
        model: {key: _product(amount, factor) for key, amount in pricing.items()}
        for model, pricing in pricings.items()
    }


def _product(amount: Any, factor: str) -> Any:
    return f"{Decimal(amount) * Decimal(factor):f}" if isinstance(amount, str) else amount


# Row 1: prices in another unit, with status 200.


@pytest.mark.parametrize("factor", UNIT_FACTORS)
def test_all_changes_of_a_list_in_another_unit_are_held_together(
    app: PricingSync, factor: str
) -> None:
    """All its changes are held by one reading, and the stored prices stay."""
    read_once(app, openrouter(models()), DAY)
    before = current_prices(app)
    result = read_once(app, openrouter(scaled(models(), factor)), NEXT)
    assert [] == list(result.plan.apply)
    assert models().keys() == held_models(result)
    assert {result.reading.id} == {item.reading_id for item in app.store.review.held("openrouter")}
    assert before == current_prices(app)


@pytest.mark.parametrize("factor", UNIT_FACTORS)
def test_changes_to_another_unit_stay_held_when_the_list_is_repeated(
    app: PricingSync, factor: str
) -> None:
    """A week of the same wrong list releases nothing, and holds nothing twice."""
    read_once(app, openrouter(models()), DAY)
    before = current_prices(app)
    wrong = openrouter(scaled(models(), factor))
    for day in range(1, 8):
        read_once(app, wrong + b" " * day, DAY + timedelta(days=day))
    assert before == current_prices(app)
    assert 20 == len(app.store.review.held("openrouter"))


@needs_samples
@pytest.mark.parametrize("factor", UNIT_FACTORS)
def test_a_recorded_list_in_another_unit_changes_no_price(app: PricingSync, factor: str) -> None:
    """Each model is held, or unreadable: its price is too large or has too many decimals."""
    body = sample("openrouter/2026-07-17.json")
    read_once(app, body, DAY)
    before = current_prices(app)
    document = json.loads(body, parse_float=Decimal)
    rows = document if isinstance(document, list) else document["data"]
    for row in rows:
        row["pricing"] = _in_another_unit(row["pricing"], factor)
    result = read_once(app, json.dumps({"data": rows}, default=str).encode(), NEXT)
    assert [] == list(result.plan.apply)
    assert before == current_prices(app)
    unreadable = {model for model, why in result.plan.seen.items() if why}
    priced_models = {p.model for p in before if isinstance(p.listing, RateCard) and not _is_zero(p)}
    assert result.reading.is_failed or priced_models <= held_models(result) | unreadable
    assert len(priced_models) > 300


def _in_another_unit(pricing: dict[str, Any], factor: str) -> dict[str, Any]:
    unscaled = ("min_prompt_tokens", "utc_start", "utc_end", "utc_days", "discount")
    return {
        key: [_in_another_unit(entry, factor) for entry in value]
        if isinstance(value, list) and key not in unscaled
        else value
        if key in unscaled or value == "-1"
        else _product(value, factor)
        for key, value in pricing.items()
    }


# Row 2: prices of zero.


@pytest.mark.parametrize("count", [1, 18, 20])
@pytest.mark.parametrize("suffix", ["", ":free"])
def test_a_fall_to_zero_is_always_held(app: PricingSync, count: int, suffix: str) -> None:
    """For one model, most or all, in a valid answer, also if the id says free: it had a price."""
    with_prices = {model + suffix: pricing for model, pricing in models().items()}
    read_once(app, openrouter(with_prices), DAY)
    before = current_prices(app)
    zeroed = {model: priced("0", "0") for model in list(with_prices)[:count]}
    result = read_once(app, openrouter(with_prices | zeroed), NEXT)
    assert zeroed.keys() == held_models(result)
    assert before == current_prices(app)


def test_a_new_model_at_zero_is_free_only_if_its_id_says_so(app: PricingSync) -> None:
    """It is free from its first reading on; other models at zero are not."""
    zero = priced("0", "0")
    read_once(app, openrouter({"maker/a:free": zero, "maker/b": zero, "maker/c": priced()}), DAY)
    free = [price.model for price in current_prices(app) if _is_zero(price)]
    assert ["maker/a:free"] == free


def _is_zero(price: Price) -> bool:
    card = price.listing
    return isinstance(card, RateCard) and not any(rate for _, _, rate in card.every_rate())


# Row 3: a renamed key.


@pytest.mark.parametrize("key", ["prompt", "completion"])
def test_a_renamed_price_is_unreadable_and_not_zero(app: PricingSync, key: str) -> None:
    """In one model of twenty: its last price stays, and the other models are read."""
    read_once(app, openrouter(models()), DAY)
    before = current_prices(app)
    renamed = dict(models()["maker/model-0"])
    renamed[f"{key}_price"] = renamed.pop(key)
    result = read_once(app, openrouter({**models(), "maker/model-0": renamed}), NEXT)
    assert (19, 1) == (result.reading.listings["priced"], result.reading.listings["unreadable"])
    assert before == current_prices(app)


def test_a_renamed_price_in_a_third_of_a_list_fails_the_reading(app: PricingSync) -> None:
    """The format has changed, so the readable rows are not trusted either."""
    read_once(app, openrouter(models()), DAY)
    before = current_prices(app)
    renamed = {
        model: {"input": "0.0000025", "completion": "0.00001"} for model in list(models())[:7]
    }
    dearer = scaled(models(), "1.1")
    result = read_once(app, openrouter(dearer | renamed), NEXT)
    assert ("decode", before) == (result.reading.error_kind, current_prices(app))
    assert "7 of 20 listings cannot be read" in (result.reading.error or "")


# Row 4: values that are not numbers.

junk = st.one_of(
    st.text(max_size=30),
    st.floats(),
    st.booleans(),
    st.none(),
    st.integers(),
    st.sampled_from(
        ["NaN", "Infinity", "1e400", "1e-400", "-1", "-0.0", "1_000", "１２", "9" * 5000]
    ),
    st.lists(st.integers(), max_size=2),
)


@pytest.mark.sqlite("its databases are files")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(prompt=junk, completion=junk)
def test_junk_as_a_price_never_becomes_a_wrong_rate(
    tmp_path_factory: pytest.TempPathFactory, prompt: Any, completion: Any
) -> None:
    """A stored rate is above zero and within the bounds, or no rate is stored."""
    pricing = {"prompt": prompt, "completion": completion}
    body = json.dumps({"data": [{"id": "maker/model", "pricing": pricing}]}).encode()
    database = tmp_path_factory.mktemp("junk") / "prices.db"
    with PricingSync(Settings(database=f"sqlite:///{database}")) as app:
        read_once(app, body, DAY)
        for price in current_prices(app):
            if isinstance(price.listing, RateCard):
                for meter, rate in price.listing.rates.items():
                    assert 0 < rate <= Rate.of(800, Per.MILLION), meter


# Row 7: a price converted twice.


def test_a_rate_cannot_be_converted_again() -> None:
    """A catalog divided by a million twice, and listed Claude at 5E-12 dollars per token."""
    with pytest.raises(TypeError, match="made from the Rate"):
        Rate.of(Rate(2_500_000_000), Per.MILLION)


# Rows 8 and 9: prices in the wrong column.


def _swapped(pricing: dict[str, Any]) -> dict[str, Any]:
    return pricing | {"prompt": pricing["completion"], "completion": pricing["prompt"]}


def _dear_cache(pricing: dict[str, Any]) -> dict[str, Any]:
    return pricing | {"input_cache_read": pricing["completion"]}


@pytest.mark.parametrize("wrong", [_swapped, _dear_cache])
def test_swapped_columns_are_held(
    app: PricingSync, wrong: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """In one model: they break a relation between its prices that was true before."""
    read_once(app, openrouter(models()), DAY)
    before = current_prices(app)
    swapped = {"maker/model-0": wrong(models()["maker/model-0"])}
    result = read_once(app, openrouter(models() | swapped), NEXT)
    assert {"maker/model-0"} == held_models(result)
    assert "relation" in rules(result)
    assert before == current_prices(app)


@pytest.mark.parametrize("factor", ["0.5", "2", "4"])
def test_another_column_for_all_models_is_held(app: PricingSync, factor: str) -> None:
    """Batch at half, priority at double: each change is inside the band, all together are not."""
    read_once(app, openrouter(models()), DAY)
    before = current_prices(app)
    result = read_once(app, openrouter(scaled(models(), factor)), NEXT)
    assert {"mass"} == rules(result)
    assert (20, before) == (len(result.plan.hold), current_prices(app))


@pytest.mark.parametrize("key", ["prompt", "input_cache_read"])
def test_a_row_of_a_wrong_list_that_moves_on_stays_held(app: PricingSync, key: str) -> None:
    """One of them moves by 1 % more, and is still a part of the wrong list."""
    read_once(app, openrouter(models()), DAY)
    before = current_prices(app)
    wrong = scaled(models(), "2") if key == "prompt" else without(models(), key)
    read_once(app, openrouter(wrong), NEXT)
    moved = {"maker/model-0": scaled(wrong, "1.01")["maker/model-0"]}
    for day in range(2, 5):
        result = read_once(app, openrouter(wrong | moved) + b" " * day, DAY + timedelta(days=day))
        assert [] == list(result.plan.apply)
    assert before == current_prices(app)
    back = {"maker/model-0": scaled(models(), "1.01")["maker/model-0"]}
    result = read_once(app, openrouter(wrong | back), DAY + timedelta(days=6))
    assert ["maker/model-0"] == [change.model for change in result.plan.apply]


# Row 10: an exchange rate.


def test_the_drift_of_an_exchange_rate_is_applied(app: PricingSync) -> None:
    """A hundred readings, each 0.3 % up or down: each is in the history, none is held."""
    for n in range(100):
        pricings = scaled(models(5), "1.003" if n % 2 else "1")
        result = read_once(app, openrouter(pricings), DAY + timedelta(hours=6 * n))
        assert [] == list(result.plan.hold)
    assert 100 == len(app.history("openrouter", "maker/model-0"))


# Row 11: a large change in small steps.


def test_a_large_change_in_small_steps_is_held(app: PricingSync) -> None:
    """Each step is inside the band; the second in a week is too far from the price before both."""
    model = {"maker/model-0": models()["maker/model-0"]}
    days = {-10: "1", 0: "2.5", 2: "6.25"}
    results = {
        day: read_once(app, openrouter(models() | scaled(model, factor)), DAY + timedelta(days=day))
        for day, factor in days.items()
    }
    assert (20, 1) == (len(results[-10].plan.apply), len(results[0].plan.apply))
    assert (set(), {"maker/model-0"}) == (held_models(results[0]), held_models(results[2]))
    assert {"anchor_7_days"} == rules(results[2])


def test_a_genuine_second_cut_in_a_week_waits_for_a_day(app: PricingSync) -> None:
    """It is listed unchanged for a day, and no other model waits."""
    model = {"maker/model-0": models()["maker/model-0"]}
    hours = {-240: "1", 0: "0.5", 48: "0.1", 60: "0.1", 72: "0.1"}
    applied = {
        hour: [
            change.model
            for change in read_once(
                app,
                openrouter(models() | scaled(model, factor)) + b" " * (hour % 7),
                DAY + timedelta(hours=hour),
            ).plan.apply
        ]
        for hour, factor in hours.items()
    }
    assert ["maker/model-0"] == applied[0] == applied[72]
    assert [] == applied[48] + applied[60]


# A rate that is gone.


def without(pricings: Mapping[str, Mapping[str, Any]], key: str, *chosen: str) -> dict[str, Any]:
    """The models without one price, in the chosen rows or in all."""
    return {
        model: {name: amount for name, amount in pricing.items() if name != key}
        if not chosen or model in chosen
        else pricing
        for model, pricing in pricings.items()
    }


def test_a_cache_price_that_is_gone_from_one_model_waits_for_a_day(app: PricingSync) -> None:
    """Then its cached tokens are billed as input, as the provider says."""
    read_once(app, openrouter(models()), DAY)
    body = openrouter(without(models(), "input_cache_read", "maker/model-0"))
    results = [read_once(app, body, NEXT + timedelta(hours=hour)) for hour in (0, 23, 25)]
    assert {"maker/model-0"} == held_models(results[0])
    assert {"rate_gone"} == rules(results[0])
    assert [[], [], ["maker/model-0"]] == [[c.model for c in r.plan.apply] for r in results]


def test_cache_prices_that_are_gone_from_all_models_wait_for_a_person(app: PricingSync) -> None:
    """A renamed key: no price changes, however long it lasts."""
    read_once(app, openrouter(models()), DAY)
    before = current_prices(app)
    body = openrouter(without(models(), "input_cache_read"))
    for day in range(1, 8):
        result = read_once(app, body + b" " * (day % 2), DAY + timedelta(days=day))
        assert [] == list(result.plan.apply)
    assert "mass_gone" in {r.partition(":")[0] for h in app.store.review.held() for r in h.reasons}
    assert before == current_prices(app)


@needs_samples
def test_a_recorded_list_with_renamed_cache_keys_fails(app: PricingSync) -> None:
    """Keys that no reading had before, in more than 150 of its 345 cards."""
    body = sample("openrouter/2026-07-25.json")
    read_once(app, body, DAY)
    before = current_prices(app)
    result = read_once(app, body.replace(b'"input_cache_', b'"cached_input_'), NEXT)
    assert ("decode", before) == (result.reading.error_kind, current_prices(app))


@needs_samples
def test_a_recorded_list_without_cache_keys_changes_no_price(app: PricingSync) -> None:
    """190 of its 345 cards lose a rate. Three bill the same without it."""
    body = sample("openrouter/2026-07-25.json")
    read_once(app, body, DAY)
    answer = json.loads(body, parse_float=str)
    for model in answer:
        for key in [key for key in model["pricing"] if key.startswith("input_cache_")]:
            del model["pricing"][key]
    result = read_once(app, json.dumps(answer).encode(), NEXT)
    for change in result.plan.apply:
        assert isinstance(change.old, RateCard)
        assert isinstance(change.new, RateCard)
        assert change.old.rates[Meter.CACHE_READ] == change.new.rates[Meter.INPUT]
    assert (3, 187) == (len(result.plan.apply), len(result.plan.hold))
    assert {"mass_gone", "rate_gone"} <= rules(result)


# A return to an earlier price, and rows of one model.


def test_a_return_to_the_price_of_two_days_before_is_applied(app: PricingSync) -> None:
    """The end of a promotion, five times up, and of another one in the same week."""
    model = {"maker/model-0": models()["maker/model-0"]}
    hours = {-240: "1", 0: "0.2", 48: "1", 100: "0.2", 124: "0.19", 125: "1"}
    applied = {
        hour: len(
            read_once(
                app, openrouter(models() | scaled(model, factor)), DAY + timedelta(hours=hour)
            ).plan.apply
        )
        for hour, factor in hours.items()
    }
    assert {-240: 20, 0: 1, 48: 1, 100: 1, 124: 1, 125: 1} == applied


def test_a_return_to_a_price_of_one_hour_is_held(app: PricingSync) -> None:
    """A wrong price that lasted for an hour is no price to return to."""
    model = {"maker/model-0": models()["maker/model-0"]}
    hours = {-240: "1", 0: "4", 1: "1", 2: "0.9", 3: "4"}
    results = [
        read_once(app, openrouter(models() | scaled(model, factor)), DAY + timedelta(hours=hour))
        for hour, factor in hours.items()
    ]
    assert [20, 1, 1, 1, 0] == [len(result.plan.apply) for result in results]
    assert {"band"} == rules(results[-1])


def test_another_row_of_a_listed_model_is_no_stranger(app: PricingSync) -> None:
    """Nobody else sells it, and its price is near the end of the bounds."""
    dear = priced("0.00015", "0.0006")
    read_once(app, openrouter(models() | {"openai/o1-pro": dear}), DAY)
    batch = {"openai/o1-pro:batch": priced("0.000075", "0.0003")}
    alone = {"openai/o9-pro": dear, "maker/model-0:fast": priced("0.0002", "0.0006")}
    result = read_once(app, openrouter(models() | {"openai/o1-pro": dear} | batch | alone), NEXT)
    assert list(batch) == [change.model for change in result.plan.apply]
    assert {"extreme", "siblings"} == rules(result)


# A queue of held changes.


def test_a_waiting_queue_does_not_freeze_its_provider(app: PricingSync) -> None:
    """A third of the list waits. The rest changes by 1 % a day, and each change is applied."""
    read_once(app, openrouter(models()), DAY)
    waiting = {f"maker/model-{n}" for n in range(7)}
    wrong = {m: p for m, p in scaled(models(), "1000").items() if m in waiting}
    for day in range(1, 6):
        moved = {"maker/model-9": scaled(models(), f"1.0{day}")["maker/model-9"]}
        later = {f"new/model-{day}": priced("0.00001", "0.00002")}
        body = openrouter(models() | wrong | moved | later)
        result = read_once(app, body, DAY + timedelta(days=day))
        if day > 1:
            assert moved.keys() | later.keys() <= {change.model for change in result.plan.apply}
    assert waiting == {item.change.model for item in app.store.review.held("openrouter")} & waiting


def test_a_waiting_queue_does_not_stop_a_release(app: PricingSync) -> None:
    """What began to wait days before says nothing about a rate that is gone now."""
    read_once(app, openrouter(models()), DAY)
    wrong = scaled(models(), "1000")
    rows = models() | {f"maker/model-{n}": wrong[f"maker/model-{n}"] for n in range(7)}
    read_once(app, openrouter(rows), NEXT)
    gone = openrouter(without(rows, "input_cache_read", "maker/model-9"))
    results = [read_once(app, gone, DAY + timedelta(days=days)) for days in (5, 6)]
    assert [{"maker/model-9"}, set()] == [held_models(result) for result in results]
    assert ["maker/model-9"] == [change.model for change in results[1].plan.apply]


def test_rejected_changes_do_not_freeze_their_provider(app: PricingSync) -> None:
    """The provider still lists them, and they say nothing about its later changes."""
    read_once(app, openrouter(models()), DAY)
    chosen = {f"maker/model-{n}" for n in range(7)}
    wrong = {m: p for m, p in scaled(models(), "1000").items() if m in chosen}
    read_once(app, openrouter(models() | wrong), NEXT)
    items = app.store.review.held("openrouter")
    app.store.review.decide(
        State.REJECTED, items, author="a person", reason="wrong", now=datetime.now(UTC)
    )
    moved = {"maker/model-9": scaled(models(), "1.01")["maker/model-9"]}
    result = read_once(app, openrouter(models() | wrong | moved), AFTER)
    assert ["maker/model-9"] == [change.model for change in result.plan.apply]


# Row 12: a price that goes back and forth.


def test_every_change_of_a_flapping_price_is_in_the_history(app: PricingSync) -> None:
    """Ten changes in an hour: the price at each minute can still be looked up."""
    for n in range(11):
        pricings = models() | {"maker/model-0": priced("0.000002" if n % 2 else "0.0000025")}
        read_once(app, openrouter(pricings), DAY + timedelta(minutes=6 * n))
    history = app.history("openrouter", "maker/model-0")
    assert 11 == len(history)
    for earlier, later in pairwise(history):
        assert earlier.until == later.since
    at = app.price("openrouter", "maker/model-0", at=DAY + timedelta(minutes=7)).listing
    assert isinstance(at, RateCard)
    assert "2" == str(at.rates[Meter.INPUT])


# Row 14: a model listed twice.


@pytest.mark.parametrize(
    ("second", "listed"), [(priced(), "priced"), (priced("0.000003"), "unreadable")]
)
def test_a_model_listed_twice(app: PricingSync, second: dict[str, Any], listed: str) -> None:
    """Equal rows are one listing; different rows are unreadable, and the last price stays."""
    read_once(app, openrouter({"maker/model": priced(), "maker/other": priced()}), DAY)
    before = current_prices(app)
    rows = [
        {"id": "maker/model", "pricing": priced()},
        {"id": "maker/other", "pricing": priced()},
        {"id": "maker/model", "pricing": second},
    ]
    result = read_once(app, json.dumps({"data": rows}).encode(), NEXT)
    assert result.reading.listings[listed] in (1, 2)
    assert before == current_prices(app)


# Row 15: a key given twice.


@pytest.mark.parametrize(
    "pricing",
    [
        '{"prompt": "0.0000025", "prompt": "0.0000020", "completion": "0.00001"}',
        '{"prompt": "0.0000025", "completion": "0.00001", "prompt": "0.0000020"}',
        '{"prompt": "0.000002"}, "pricing": {"prompt": "0.000001", "completion": "0.00001"}',
    ],
)
def test_a_price_key_given_twice_makes_the_model_unreadable(app: PricingSync, pricing: str) -> None:
    """Neither the first nor the last value is used, whichever the parser keeps."""
    read_once(app, openrouter({"maker/model": priced()}), DAY)
    body = f'{{"data": [{{"id": "maker/model", "pricing": {pricing}}}]}}'.encode()
    result = read_once(app, body, NEXT)
    assert 1 == result.reading.listings["unreadable"]
    ((_, why),) = [
        (state.model, state.unreadable) for state in app.store.model_states("openrouter").values()
    ]
    assert "named twice" in (why or "")
    (price,) = current_prices(app)
    assert isinstance(price.listing, RateCard)
    assert "2.5" == str(price.listing.rates[Meter.INPUT])


# Row 16: harmful names.


@pytest.mark.sqlite("its databases are files")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=4))
def test_a_harmful_model_name_is_never_stored(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    """A row is kept and counted; its name is stored only if it is plain ASCII, with lone spaces."""
    rows = [{"id": name, "pricing": priced()} for name in names]
    database = tmp_path_factory.mktemp("names") / "prices.db"
    with PricingSync(Settings(database=f"sqlite:///{database}")) as app:
        result = read_once(app, json.dumps({"data": rows}).encode(), DAY)
        stored = {price.model for price in current_prices(app)}
    assert stored <= set(names)
    for name in stored:
        assert name.isascii()
        assert name.isprintable()
        assert not set(name) & set("<>'\"\\")
        assert " ".join(name.split()) == name
    assert result.reading.is_failed or sum(result.reading.listings.values()) >= len(set(names))


# Row 17: a suffix that is not listed.


@pytest.mark.parametrize("suffix", [":free", ":batch", "-free"])
def test_a_suffix_does_not_make_another_model(app: PricingSync, suffix: str) -> None:
    """A look-up of a listed model with another suffix is an error, not a price of zero."""
    read_once(app, openrouter({"maker/model": priced()}), DAY)
    with pytest.raises(UnknownName):
        app.price("openrouter", f"maker/model{suffix}")


# Row 18: models that are no longer listed.


@pytest.mark.parametrize(("left", "held", "missing"), [(19, 0, 1), (12, 8, 0), (1, 19, 0)])
def test_prices_of_models_that_are_no_longer_listed_stay(
    app: PricingSync, left: int, held: int, missing: int
) -> None:
    """A single model is marked as missing, many at once are held; every price stays."""
    read_once(app, openrouter(models()), DAY)
    before = current_prices(app)
    some = dict(list(models().items())[:left])
    result = read_once(app, openrouter(some), NEXT)
    assert (held, missing) == (len(result.plan.hold), len(result.plan.missing))
    assert before == current_prices(app)


def test_an_empty_list_removes_nothing(app: PricingSync) -> None:
    """The reading fails."""
    read_once(app, openrouter(models()), DAY)
    before = current_prices(app)
    assert "incomplete" == read_once(app, openrouter({}), NEXT).reading.error_kind
    assert before == current_prices(app)


# Row 22: too much data.


def test_a_name_of_ten_megabytes_is_not_stored(app: PricingSync) -> None:
    """Its row is counted as nameless, and the other rows are read."""
    body = openrouter({"maker/" + "x" * 10_000_000: priced(), "maker/model": priced()})
    result = read_once(app, body, DAY)
    assert (1, 1) == (result.reading.listings["priced"], result.reading.listings["nameless"])
    assert ["maker/model"] == [price.model for price in current_prices(app)]
