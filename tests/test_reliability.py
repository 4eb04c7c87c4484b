"""What may go wrong with what providers say, from the bytes to the prices that count.

`docs/reliability.md` says row by row which test shows what. Here are those that no file of a
single part has.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pricing_sync.app import PricingSync
from pricing_sync.errors import UnknownName
from pricing_sync.prices.book import Price
from pricing_sync.prices.rates import Meter, Per, Rate, RateCard
from pricing_sync.settings import Settings
from pricing_sync.sync.reading import ReadingResult
from pricing_sync.sync.recorded import RecordedAnswer

from built import openrouter, priced
from recorded import needs_samples, sample

DAY = datetime(2026, 7, 17, tzinfo=UTC)
NEXT = DAY + timedelta(days=1)
AFTER = DAY + timedelta(days=2)

#: Yuan to the dollar, cents, thousands, millions, and two that really happened: wandb in LiteLLM
#: (100,000) and novita in LiteLLM (8,000).
SLIPS = ["1e6", "1e-6", "1e3", "1e-3", "100", "0.01", "1e5", "8000", "7.2"]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[PricingSync]:
    with PricingSync(Settings(database=f"sqlite:///{tmp_path / 'prices.db'}")) as opened:
        yield opened


def read_once(app: PricingSync, body: bytes, at: datetime) -> ReadingResult:
    return asyncio.run(app.replay("openrouter", [RecordedAnswer(body, at)])).results[0]


def counted(app: PricingSync) -> list[Price]:
    """The prices that count, whenever they were recorded."""
    return app.prices("openrouter")


def rules(taken: ReadingResult) -> set[str]:
    """The rules that hold something."""
    held = [*taken.plan.hold, *taken.plan.still_held]
    return {reason.partition(":")[0] for item in held for reason in item.reasons}


def held_models(taken: ReadingResult) -> set[str]:
    return {item.change.model for item in taken.plan.hold}


def shop(count: int = 20) -> dict[str, dict[str, Any]]:
    """Models at prices that differ, caches included."""
    return {
        f"maker/model-{n}": priced(
            f"0.00000{n + 10}", f"0.0000{n + 10}", input_cache_read=f"0.000000{n + 10}"
        )
        for n in range(count)
    }


def times(models: Mapping[str, Mapping[str, Any]], factor: str) -> dict[str, dict[str, Any]]:
    """Every price of every model by so much."""
    return {
        model: {key: _product(amount, factor) for key, amount in pricing.items()}
        for model, pricing in models.items()
    }


def _product(amount: Any, factor: str) -> Any:
    return f"{Decimal(amount) * Decimal(factor):f}" if isinstance(amount, str) else amount


# Row 1: another unit, with 200 OK.


@pytest.mark.parametrize("factor", SLIPS)
def test_a_provider_in_another_unit_waits_as_one_batch(app: PricingSync, factor: str) -> None:
    """All its changes are held together, and the stored prices stand."""
    read_once(app, openrouter(shop()), DAY)
    before = counted(app)
    taken = read_once(app, openrouter(times(shop(), factor)), NEXT)
    assert [] == list(taken.plan.apply)
    assert shop().keys() == held_models(taken)
    assert {taken.reading.id} == {item.reading_id for item in app.store.review.held("openrouter")}
    assert before == counted(app)


@pytest.mark.parametrize("factor", SLIPS)
def test_prices_in_another_unit_still_wait_when_they_are_said_again(
    app: PricingSync, factor: str
) -> None:
    """A week of the same wrong list is no proof. Nor does it become a second batch."""
    read_once(app, openrouter(shop()), DAY)
    before = counted(app)
    wrong = openrouter(times(shop(), factor))
    for day in range(1, 8):
        read_once(app, wrong + b" " * day, DAY + timedelta(days=day))
    assert before == counted(app)
    assert 20 == len(app.store.review.held("openrouter"))


@needs_samples
@pytest.mark.parametrize("factor", SLIPS)
def test_a_recorded_list_in_another_unit_changes_no_price(app: PricingSync, factor: str) -> None:
    """Each recorded model waits, or cannot even be read: too large or too fine for money."""
    body = sample("openrouter/2026-07-17.json")
    read_once(app, body, DAY)
    before = counted(app)
    document = json.loads(body, parse_float=Decimal)
    rows = document if isinstance(document, list) else document["data"]
    for row in rows:
        row["pricing"] = _slipped(row["pricing"], factor)
    taken = read_once(app, json.dumps({"data": rows}, default=str).encode(), NEXT)
    assert [] == list(taken.plan.apply)
    assert before == counted(app)
    unreadable = {model for model, why in taken.plan.seen.items() if why}
    paid = {p.model for p in before if isinstance(p.listing, RateCard) and not _is_zero(p)}
    assert taken.reading.is_failed or paid <= held_models(taken) | unreadable
    assert len(paid) > 300


def _slipped(pricing: dict[str, Any], factor: str) -> dict[str, Any]:
    kept = ("min_prompt_tokens", "utc_start", "utc_end", "utc_days", "discount")
    return {
        key: [_slipped(entry, factor) for entry in value]
        if isinstance(value, list) and key not in kept
        else value
        if key in kept or value == "-1"
        else _product(value, factor)
        for key, value in pricing.items()
    }


# Row 2: zero.


@pytest.mark.parametrize("count", [1, 18, 20])
@pytest.mark.parametrize("suffix", ["", ":free"])
def test_a_price_never_falls_to_zero_by_itself(app: PricingSync, count: int, suffix: str) -> None:
    """One model, most, or all, in a valid answer, also where the id says free: it was paid for."""
    paid = {model + suffix: pricing for model, pricing in shop().items()}
    read_once(app, openrouter(paid), DAY)
    before = counted(app)
    zeroed = {model: priced("0", "0") for model in list(paid)[:count]}
    taken = read_once(app, openrouter(paid | zeroed), NEXT)
    assert zeroed.keys() == held_models(taken)
    assert before == counted(app)


def test_a_free_model_is_free_when_its_id_says_so(app: PricingSync) -> None:
    """From its first reading on, and no other model is."""
    zero = priced("0", "0")
    read_once(app, openrouter({"maker/a:free": zero, "maker/b": zero, "maker/c": priced()}), DAY)
    free = [price.model for price in counted(app) if _is_zero(price)]
    assert ["maker/a:free"] == free


def _is_zero(price: Price) -> bool:
    card = price.listing
    return isinstance(card, RateCard) and not any(rate for _, _, rate in card.every_rate())


# Row 3: a renamed key.


@pytest.mark.parametrize("key", ["prompt", "completion"])
def test_a_renamed_price_is_unreadable_and_not_zero(app: PricingSync, key: str) -> None:
    """In one model of twenty: the last price stands, and the others are read."""
    read_once(app, openrouter(shop()), DAY)
    before = counted(app)
    renamed = dict(shop()["maker/model-0"])
    renamed[f"{key}_price"] = renamed.pop(key)
    taken = read_once(app, openrouter({**shop(), "maker/model-0": renamed}), NEXT)
    assert (19, 1) == (taken.reading.listings["priced"], taken.reading.listings["unreadable"])
    assert before == counted(app)


def test_a_renamed_price_in_a_third_of_a_list_fails_the_reading(app: PricingSync) -> None:
    """The format has changed; what can still be read of it is not trusted either."""
    read_once(app, openrouter(shop()), DAY)
    before = counted(app)
    renamed = {model: {"input": "0.0000025", "completion": "0.00001"} for model in list(shop())[:7]}
    dearer = times(shop(), "1.1")
    taken = read_once(app, openrouter(dearer | renamed), NEXT)
    assert ("decode", before) == (taken.reading.error_kind, counted(app))
    assert "7 of 20 listings cannot be read" in (taken.reading.error or "")


# Row 4: what is no number.

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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(prompt=junk, completion=junk)
def test_whatever_stands_for_a_price_no_price_is_nonsense(
    tmp_path_factory: pytest.TempPathFactory, prompt: Any, completion: Any
) -> None:
    """What is stored is above zero and within all bounds, or there is no price."""
    pricing = {"prompt": prompt, "completion": completion}
    body = json.dumps({"data": [{"id": "maker/model", "pricing": pricing}]}).encode()
    database = tmp_path_factory.mktemp("junk") / "prices.db"
    with PricingSync(Settings(database=f"sqlite:///{database}")) as app:
        read_once(app, body, DAY)
        for price in counted(app):
            if isinstance(price.listing, RateCard):
                for meter, rate in price.listing.rates.items():
                    assert 0 < rate <= Rate.of(800, Per.MILLION), meter


# Row 7: converting twice.


def test_a_rate_is_not_converted_again() -> None:
    """A catalog divided by a million twice, and sold Claude at 5E-12 dollars a token."""
    with pytest.raises(TypeError, match="made from the Rate"):
        Rate.of(Rate(2_500_000_000), Per.MILLION)


# Rows 8 and 9: columns.


def _swapped(pricing: dict[str, Any]) -> dict[str, Any]:
    return pricing | {"prompt": pricing["completion"], "completion": pricing["prompt"]}


def _dear_cache(pricing: dict[str, Any]) -> dict[str, Any]:
    return pricing | {"input_cache_read": pricing["completion"]}


@pytest.mark.parametrize("wrong", [_swapped, _dear_cache])
def test_swapped_columns_wait(
    app: PricingSync, wrong: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """In one model: a relation breaks that held before."""
    read_once(app, openrouter(shop()), DAY)
    before = counted(app)
    spoilt = {"maker/model-0": wrong(shop()["maker/model-0"])}
    taken = read_once(app, openrouter(shop() | spoilt), NEXT)
    assert {"maker/model-0"} == held_models(taken)
    assert "relation" in rules(taken)
    assert before == counted(app)


@pytest.mark.parametrize("factor", ["0.5", "2", "4"])
def test_another_column_for_all_models_waits(app: PricingSync, factor: str) -> None:
    """Batch at half, priority at double: each move is inside the band, all together are not."""
    read_once(app, openrouter(shop()), DAY)
    before = counted(app)
    taken = read_once(app, openrouter(times(shop(), factor)), NEXT)
    assert {"mass"} == rules(taken)
    assert (20, before) == (len(taken.plan.hold), counted(app))


# Row 10: an exchange rate.


def test_the_drift_of_an_exchange_rate_is_followed(app: PricingSync) -> None:
    """A hundred readings of 0.3 % each, up and down: every one is dated, none is held."""
    for n in range(100):
        models = times(shop(5), "1.003" if n % 2 else "1")
        taken = read_once(app, openrouter(models), DAY + timedelta(hours=6 * n))
        assert [] == list(taken.plan.hold)
    assert 100 == len(app.history("openrouter", "maker/model-0"))


# Row 11: small steps.


def test_a_ratchet_in_small_steps_is_noticed(app: PricingSync) -> None:
    """Each step is inside the band; the second within a week is far from the price before both."""
    model = {"maker/model-0": shop()["maker/model-0"]}
    days = {-10: "1", 0: "2.5", 2: "6.25"}
    taken = {
        day: read_once(app, openrouter(shop() | times(model, factor)), DAY + timedelta(days=day))
        for day, factor in days.items()
    }
    assert (20, 1) == (len(taken[-10].plan.apply), len(taken[0].plan.apply))
    assert (set(), {"maker/model-0"}) == (held_models(taken[0]), held_models(taken[2]))
    assert {"anchor_7_days"} == rules(taken[2])


# Row 12: a price that flaps.


def test_a_flapping_price_is_all_in_the_history(app: PricingSync) -> None:
    """On and off ten times in an hour: what was billed at each minute can still be told."""
    for n in range(11):
        models = shop() | {"maker/model-0": priced("0.000002" if n % 2 else "0.0000025")}
        read_once(app, openrouter(models), DAY + timedelta(minutes=6 * n))
    history = app.history("openrouter", "maker/model-0")
    assert 11 == len(history)
    for earlier, later in pairwise(history):
        assert earlier.until == later.since
    at = app.price("openrouter", "maker/model-0", at=DAY + timedelta(minutes=7)).listing
    assert isinstance(at, RateCard)
    assert "2" == str(at.rates[Meter.INPUT])


# Row 14: one model twice.


@pytest.mark.parametrize(
    ("second", "listed"), [(priced(), "priced"), (priced("0.000003"), "unreadable")]
)
def test_a_model_listed_twice(app: PricingSync, second: dict[str, Any], listed: str) -> None:
    """The same words are one listing; different ones are none, and the last price stands."""
    read_once(app, openrouter({"maker/model": priced(), "maker/other": priced()}), DAY)
    before = counted(app)
    rows = [
        {"id": "maker/model", "pricing": priced()},
        {"id": "maker/other", "pricing": priced()},
        {"id": "maker/model", "pricing": second},
    ]
    taken = read_once(app, json.dumps({"data": rows}).encode(), NEXT)
    assert taken.reading.listings[listed] in (1, 2)
    assert before == counted(app)


# Row 15: one key twice.


@pytest.mark.parametrize(
    "pricing",
    [
        '{"prompt": "0.0000025", "prompt": "0.0000020", "completion": "0.00001"}',
        '{"prompt": "0.0000025", "completion": "0.00001", "prompt": "0.0000020"}',
        '{"prompt": "0.000002"}, "pricing": {"prompt": "0.000001", "completion": "0.00001"}',
    ],
)
def test_a_price_that_is_named_twice_is_refused(app: PricingSync, pricing: str) -> None:
    """Neither the first nor the last is believed, whichever the parser keeps."""
    read_once(app, openrouter({"maker/model": priced()}), DAY)
    body = f'{{"data": [{{"id": "maker/model", "pricing": {pricing}}}]}}'.encode()
    taken = read_once(app, body, NEXT)
    assert 1 == taken.reading.listings["unreadable"]
    ((_, why),) = [
        (state.model, state.unreadable) for state in app.store.model_states("openrouter").values()
    ]
    assert "named twice" in (why or "")
    (price,) = counted(app)
    assert isinstance(price.listing, RateCard)
    assert "2.5" == str(price.listing.rates[Meter.INPUT])


# Row 16: names.


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=4))
def test_whatever_a_model_is_called_no_harmful_name_is_stored(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    """A row is kept and counted; its name is stored only if it is plain ASCII without spaces."""
    rows = [{"id": name, "pricing": priced()} for name in names]
    database = tmp_path_factory.mktemp("names") / "prices.db"
    with PricingSync(Settings(database=f"sqlite:///{database}")) as app:
        taken = read_once(app, json.dumps({"data": rows}).encode(), DAY)
        stored = {price.model for price in counted(app)}
    assert stored <= set(names)
    assert all(
        name.isascii() and name.isprintable() and not set(name) & set(" <>'\"\\") for name in stored
    )
    assert taken.reading.is_failed or sum(taken.reading.listings.values()) >= len(set(names))


# Row 17: a suffix that nobody sells.


@pytest.mark.parametrize("suffix", [":free", ":batch", "-free"])
def test_a_suffix_makes_no_model(app: PricingSync, suffix: str) -> None:
    """Asking for a paid model's free twin finds no price, rather than a price of nothing."""
    read_once(app, openrouter({"maker/model": priced()}), DAY)
    with pytest.raises(UnknownName):
        app.price("openrouter", f"maker/model{suffix}")


# Row 18: models that go.


@pytest.mark.parametrize(("left", "held", "missing"), [(19, 0, 1), (12, 8, 0), (1, 19, 0)])
def test_models_that_are_not_listed(app: PricingSync, left: int, held: int, missing: int) -> None:
    """One is missed and kept; many at once wait; and every price stands."""
    read_once(app, openrouter(shop()), DAY)
    before = counted(app)
    some = dict(list(shop().items())[:left])
    taken = read_once(app, openrouter(some), NEXT)
    assert (held, missing) == (len(taken.plan.hold), len(taken.plan.missing))
    assert before == counted(app)


def test_an_empty_list_removes_nothing(app: PricingSync) -> None:
    """It is a failed reading."""
    read_once(app, openrouter(shop()), DAY)
    before = counted(app)
    assert "incomplete" == read_once(app, openrouter({}), NEXT).reading.error_kind
    assert before == counted(app)


# Row 22: too much.


def test_a_name_of_ten_megabytes_is_no_name(app: PricingSync) -> None:
    """It is one nameless row: it is stored nowhere, and the others are read."""
    body = openrouter({"maker/" + "x" * 10_000_000: priced(), "maker/model": priced()})
    taken = read_once(app, body, DAY)
    assert (1, 1) == (taken.reading.listings["priced"], taken.reading.listings["nameless"])
    assert ["maker/model"] == [price.model for price in counted(app)]
