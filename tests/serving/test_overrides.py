"""Overrides are layers: the newest in force counts; when it ends, the one below counts again."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pricing_sync.app import PricingSync
from pricing_sync.changes.diff import diff
from pricing_sync.changes.plan import plan_changes
from pricing_sync.changes.run import Run
from pricing_sync.errors import SettingsError, UnknownName
from pricing_sync.gate.audit import Stock, audit
from pricing_sync.prices.book import Price
from pricing_sync.prices.card_json import write_conditional_rates
from pricing_sync.prices.overrides import OverrideState
from pricing_sync.prices.rates import (
    Answer,
    ConditionalRates,
    Listing,
    Meter,
    Per,
    Rate,
    RateCard,
    Unpriced,
    When,
    Why,
)
from pricing_sync.prices.usage import Usage
from pricing_sync.settings import Settings
from pricing_sync.store.ids import new_id
from pricing_sync.store.rows import write_instant
from pricing_sync.sync.recorded import RecordedAnswer

from built import catalogue
from databases import database_url, databases, require_server
from invented_readings import reading

DAY = timedelta(days=1)
MODEL = "maker/model-0"
MILLION = Usage(input=1_000_000)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[PricingSync]:
    """A ledger in which openrouter has listed the model at 2.5 and 10 for 30 days."""
    with open_app(tmp_path) as opened:
        yield opened


def open_app(folder: Path) -> PricingSync:
    opened = PricingSync(Settings(database=database_url(folder))).open()
    listed = RecordedAnswer(catalogue(1), datetime.now(UTC) - 30 * DAY)
    asyncio.run(opened.replay("openrouter", [listed]))
    return opened


def set_rate(
    app: PricingSync,
    per_million: int | str,
    meters: Sequence[Meter] = (Meter.INPUT,),
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    when: When | None = None,
    flat: bool = False,
) -> None:
    rates = {meter: Rate.of(per_million, Per.MILLION) for meter in meters}
    app.set_override(
        *("openrouter", MODEL, rates),
        author="me",
        reason="test",
        since=since,
        until=until,
        when=when,
        flat=flat,
    )


def card(price: Price | None) -> RateCard:
    assert price is not None
    assert isinstance(price.listing, RateCard)
    return price.listing


def input_rates(app: PricingSync, at: datetime) -> set[str]:
    """The input rate at an instant by the book, by the ledger and by a cost: one if they agree."""
    (found,) = app.prices("openrouter", MODEL, at=at)
    cost = app.cost("openrouter", MODEL, MILLION, at=at)
    book = app.book().find("openrouter", MODEL, at=at)
    return {
        str(card(found).rates[Meter.INPUT]),
        str(card(book).rates[Meter.INPUT]),
        str(cost.items[0].rate),
    }


def test_a_contract_holds_again_after_a_promotion(app: PricingSync) -> None:
    """Which was set later, and ended on its day."""
    now = datetime.now(UTC)
    set_rate(app, 2)
    set_rate(app, 1, until=now + 10 * DAY)
    assert {"1"} == input_rates(app, now + 9 * DAY)
    assert {"2"} == input_rates(app, now + 25 * DAY)


def test_a_promotion_that_begins_later_leaves_the_contract_until_then(app: PricingSync) -> None:
    """And after it."""
    now = datetime.now(UTC)
    set_rate(app, 2)
    set_rate(app, 1, since=now + 5 * DAY, until=now + 10 * DAY)
    assert [{"2"}, {"1"}, {"2"}] == [input_rates(app, now + n * DAY) for n in (4, 7, 12)]


def test_the_override_that_was_set_last_is_the_newest(app: PricingSync) -> None:
    """Also when it begins before another one does."""
    now = datetime.now(UTC)
    set_rate(app, 1, since=now + 5 * DAY)
    set_rate(app, 2)
    assert [{"2"}, {"2"}] == [input_rates(app, now + n * DAY) for n in (1, 7)]


def test_the_end_of_overrides_ends_every_layer(app: PricingSync) -> None:
    """The provider's rate holds again."""
    set_rate(app, 2)
    set_rate(app, 1)
    ended = app.end_override("openrouter", MODEL)
    assert ["1", "2"] == sorted(str(override.rate) for override in ended)
    assert {"2.5"} == input_rates(app, datetime.now(UTC) + DAY)


def test_the_newest_layer_ends_alone(app: PricingSync) -> None:
    """The one below it holds again; meter by meter."""
    now = datetime.now(UTC)
    set_rate(app, 3, [Meter.INPUT, Meter.OUTPUT])
    set_rate(app, 1)
    app.end_override("openrouter", MODEL, [Meter.INPUT], newest_only=True)
    assert {"3"} == input_rates(app, now + DAY)
    app.end_override("openrouter", MODEL, newest_only=True)
    assert {"2.5"} == input_rates(app, now + DAY)
    with pytest.raises(UnknownName, match="no such override"):
        app.end_override("openrouter", MODEL, newest_only=True)


def test_a_price_with_a_covered_layer_begins_with_the_layer_that_counts(app: PricingSync) -> None:
    """The covered one changes nothing when it begins."""
    now = datetime.now(UTC)
    set_rate(app, 1, since=now - 5 * DAY)
    set_rate(app, 2, since=now - 10 * DAY)
    (found,) = app.prices("openrouter", MODEL)
    assert (now - 10 * DAY, "2") == (found.since, str(card(found).rates[Meter.INPUT]))


# One card, one currency


def list_card(app: PricingSync, listing: Listing, at: datetime) -> None:
    """Store that openrouter lists only the model, as *listing*."""
    answer, run = Answer({MODEL: listing}), new_id()
    with app.store.transaction():
        stored = app.store.ledger.known_models("openrouter")
        app.store.queue.insert_run(Run(run, "test", at, None, None, False, ("openrouter",)))
        one = reading(at, "openrouter", id=new_id(), run_id=run)
        plan = plan_changes(one, diff(stored, answer), {}, stored, answer)
        app.store.save_reading(one, plan)
    app._refresh_book()


def view_row(app: PricingSync) -> dict[str, object]:
    """The row of the model in the SQL view, as far as it has values."""
    columns = ["currency", "price_per_input_token", "price_per_output_token"]
    columns += ["conditional_prices", "source", "since", "recorded_at"]
    (row,) = app.store._connection.fetch_all(
        f"SELECT {', '.join(columns)} FROM model_pricing WHERE model = '{MODEL}'", {}
    )
    found = {name: value for name, value in zip(columns, row, strict=True) if value is not None}
    if "conditional_prices" in found:
        found["conditional_prices"] = json.loads(found["conditional_prices"])
    return found


def written_row(price: Price) -> dict[str, object]:
    """What `view_row` gives for this price."""
    listing = card(price)
    names = {Meter.INPUT: "price_per_input_token", Meter.OUTPUT: "price_per_output_token"}
    row: dict[str, object] = {
        names[meter]: f"{Decimal(int(rate)).scaleb(-15):.15f}"
        for meter, rate in listing.rates.items()
    }
    if listing.conditional_rates:
        row["conditional_prices"] = write_conditional_rates(listing.conditional_rates)
    return row | {
        "currency": listing.currency,
        "source": price.source,
        "since": write_instant(price.since),
        "recorded_at": write_instant(price.recorded_at),
    }


def agreed_price(app: PricingSync) -> Price:
    """The price now, which the ledger, the book and the SQL view must agree on."""
    (found,) = app.prices("openrouter", MODEL)
    assert found == app.book().find("openrouter", MODEL)
    assert written_row(found) == view_row(app)
    return found


IN_YUAN = RateCard(
    {Meter.INPUT: Rate.of(17, Per.MILLION), Meter.OUTPUT: Rate.of(68, Per.MILLION)}, currency="CNY"
)


def test_an_override_waits_while_the_card_is_in_another_currency(app: PricingSync) -> None:
    """The card counts as the provider lists it, and the report and the audit say so."""
    set_rate(app, 2)
    list_card(app, IN_YUAN, datetime.now(UTC))
    assert (IN_YUAN, "api") == (agreed_price(app).listing, agreed_price(app).source)
    ((override, rate, moved),) = app.override_report("openrouter")
    assert (None, True) == (rate, moved)
    assert {override.id: OverrideState.WAITING} == app.override_states("openrouter")
    now = datetime.now(UTC)
    stock = Stock(
        cards=app.store.statements(), overrides=app.store.overrides(), read_at={"openrouter": now}
    )
    assert [("override_waits", "the override is in USD, the card in CNY, and the card counts")] == [
        (finding.rule, finding.detail) for finding in audit(stock, now)
    ]
    list_card(app, RateCard({Meter.INPUT: Rate.of(3, Per.MILLION)}), datetime.now(UTC))
    assert {Meter.INPUT: Rate.of(2, Per.MILLION)} == card(agreed_price(app)).rates
    assert {override.id: OverrideState.IN_FORCE} == app.override_states("openrouter")


def test_the_audit_says_which_override_counts_now(app: PricingSync) -> None:
    """One that is covered does not count, although the provider has moved under it too."""
    set_rate(app, 2)
    set_rate(app, 1)
    list_card(app, RateCard({Meter.INPUT: Rate.of(3, Per.MILLION)}), datetime.now(UTC))
    now = datetime.now(UTC)
    stock = Stock(
        cards=app.store.statements(), overrides=app.store.overrides(), read_at={"openrouter": now}
    )
    assert ["the provider's 2.5 is 3 now, and 1 counts"] == [f.detail for f in audit(stock, now)]


def test_overrides_of_one_model_have_one_currency(app: PricingSync) -> None:
    """Also without a card; by default the one that the others have."""
    price = {Meter.INPUT: Rate.of(2, Per.MILLION)}
    for meter, currency in ((Meter.INPUT, "EUR"), (Meter.OUTPUT, None)):
        made = app.set_override(
            "openrouter", "own", {meter: Rate(1)}, author="me", reason="test", currency=currency
        )
        assert ["EUR"] == [override.currency for override in made]
    with pytest.raises(SettingsError, match="the overrides of own are in EUR, not USD"):
        app.set_override("openrouter", "own", price, author="me", reason="test", currency="USD")
    app.end_override("openrouter", "own")
    app.set_override("openrouter", "own", price, author="me", reason="test", currency="USD")
    (found,) = app.prices("openrouter", "own")
    assert RateCard(price) == found.listing


def test_an_override_has_the_currency_of_the_card(app: PricingSync) -> None:
    """It is refused before it is stored."""
    price = {Meter.INPUT: Rate.of(2, Per.MILLION)}
    with pytest.raises(SettingsError, match="the card of maker/model-0 is in USD, not CNY"):
        app.set_override("openrouter", MODEL, price, author="me", reason="test", currency="CNY")
    assert [] == app.override_report()


def test_stored_overrides_in_two_currencies_do_not_mix(app: PricingSync) -> None:
    """As an older version allowed for a model without a card: the newest counts."""
    list_card(app, Unpriced(Why.VARIES), datetime.now(UTC))
    set_rate(app, 2, [Meter.INPUT, Meter.OUTPUT])
    set_rate(app, 3, [Meter.INPUT])
    app.store._connection.execute(
        "UPDATE pricing_overrides SET currency = 'EUR' WHERE layer = 2", {}
    )
    app.store._connection.new_revision({"openrouter"})
    app._refresh_book()
    assert RateCard({Meter.INPUT: Rate.of(3, Per.MILLION)}, currency="EUR") == card(
        agreed_price(app)
    )
    states = sorted(state.value for state in app.override_states().values())
    assert ["in_force", "waiting", "waiting"] == states


def test_a_report_names_the_state_of_each_override(app: PricingSync) -> None:
    """In force, covered by a newer one, or to come."""
    set_rate(app, 2)
    set_rate(app, 1)
    set_rate(app, 3, since=datetime.now(UTC) + DAY)
    states = app.override_states("openrouter", MODEL)
    assert {"1": "in_force", "2": "covered", "3": "to_come"} == {
        str(override.rate): states[override.id].value for override, _, _ in app.override_report()
    }
    assert "1" == str(card(agreed_price(app)).rates[Meter.INPUT])


# The conditions of a card


def usd(**rates: int) -> dict[Meter, Rate]:
    return {Meter(name): Rate.of(amount, Per.MILLION) for name, amount in rates.items()}


LONG, BATCH, EU = When(min_input_tokens=200_001), When(service_tier="batch"), When(region="eu")
NIGHT = When(hours=(0, 360))
CONDITIONAL = RateCard(
    usd(input=4, output=10),
    (
        ConditionalRates(LONG, usd(input=8, output=20)),
        ConditionalRates(BATCH, usd(input=2)),
        ConditionalRates(NIGHT, usd(output=5)),
    ),
)


def test_an_override_keeps_the_other_conditional_rates_of_the_card(app: PricingSync) -> None:
    """What a contract says of the base rate says nothing of long requests, batches or nights."""
    list_card(app, CONDITIONAL, datetime.now(UTC))
    set_rate(app, 3)
    expected = replace(CONDITIONAL, rates=usd(input=3, output=10))
    assert expected == agreed_price(app).listing


def test_a_flat_override_holds_under_every_condition(app: PricingSync) -> None:
    """For its meters; and a tier that is left without a rate is still sold."""
    list_card(app, CONDITIONAL, datetime.now(UTC))
    set_rate(app, 3, flat=True)
    assert agreed_price(app).listing == RateCard(
        usd(input=3, output=10),
        (
            ConditionalRates(LONG, usd(output=20)),
            ConditionalRates(BATCH, {}),
            ConditionalRates(NIGHT, usd(output=5)),
        ),
    )
    usage = Usage(input=300_000, service_tier="batch")
    assert Decimal("0.9") == app.cost("openrouter", MODEL, usage).total


def test_a_promotion_above_a_flat_contract_is_flat_too(app: PricingSync) -> None:
    """Each override is applied to the card below it."""
    list_card(app, CONDITIONAL, datetime.now(UTC))
    set_rate(app, 3, flat=True)
    set_rate(app, 1)
    found = card(agreed_price(app))
    assert usd(input=1, output=10) == found.rates
    assert all(Meter.INPUT not in entry.rates for entry in found.conditional_rates)


@pytest.mark.parametrize("when", [LONG, BATCH, EU], ids=["long", "batch", "a region of its own"])
def test_an_override_of_a_condition_leaves_the_rest(app: PricingSync, when: When) -> None:
    """A condition that the card does not have comes after all others, and wins over them."""
    list_card(app, CONDITIONAL, datetime.now(UTC))
    set_rate(app, 1, when=when)
    expected = {entry.when: dict(entry.rates) for entry in CONDITIONAL.conditional_rates}
    expected.setdefault(when, {})[Meter.INPUT] = Rate.of(1, Per.MILLION)
    found = card(agreed_price(app))
    assert CONDITIONAL.rates == found.rates
    assert list(expected.items()) == [
        (entry.when, entry.rates) for entry in found.conditional_rates
    ]
    ((override, rate, moved),) = app.override_report()
    listed = {LONG: "8", BATCH: "2"}.get(when)
    assert (when, listed, False) == (override.when, None if rate is None else str(rate), moved)
    app.end_override("openrouter", MODEL, [Meter.INPUT])
    assert CONDITIONAL == agreed_price(app).listing


#: A tier that names output alone, twice: the second time for long requests, after their own rates.
TIERED = RateCard(
    usd(input=4, output=10),
    (
        ConditionalRates(BATCH, usd(output=20)),
        ConditionalRates(LONG, usd(input=8)),
        ConditionalRates(replace(BATCH, min_input_tokens=200_001), usd(output=40)),
    ),
)


def test_a_tier_that_does_not_name_the_meter_names_it_then(app: PricingSync) -> None:
    """Else a dearer tier would have no price. What the provider lists for long requests stays."""
    list_card(app, TIERED, datetime.now(UTC))
    set_rate(app, 3)
    batch, long, long_batch = card(agreed_price(app)).conditional_rates
    assert usd(input=3, output=20) == batch.rates
    assert (usd(input=8), usd(output=40)) == (long.rates, long_batch.rates)
    usage = Usage(input=100_000, service_tier="batch")
    assert Decimal("0.3") == app.cost("openrouter", MODEL, usage).total
    set_rate(app, 3, flat=True)
    found = card(agreed_price(app)).conditional_rates
    assert [usd(input=3, output=20), {}, usd(input=3, output=40)] == [e.rates for e in found]


def test_a_flat_override_has_no_condition(app: PricingSync) -> None:
    """The two contradict each other."""
    with pytest.raises(SettingsError, match="a flat rate has no condition"):
        set_rate(app, 1, when=BATCH, flat=True)
    set_rate(app, 1, when=When(), flat=True)


METERS = st.sets(st.sampled_from([Meter.INPUT, Meter.OUTPUT]), min_size=1)
a_layer = st.tuples(
    st.integers(1, 9),
    METERS,
    st.sampled_from([None, None, LONG, BATCH, EU, When(region="us")]),
    st.booleans(),
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    listed=st.sampled_from([CONDITIONAL, TIERED]), layers=st.lists(a_layer, min_size=1, max_size=6)
)
def test_the_book_the_ledger_and_the_view_agree_on_conditions(
    app: PricingSync,
    listed: RateCard,
    layers: Sequence[tuple[int, set[Meter], When | None, bool]],
) -> None:
    """Whatever is set above whatever."""
    with suppress(UnknownName):
        app.end_override("openrouter", MODEL)
    list_card(app, listed, datetime.now(UTC))
    for rate, meters, when, flat in layers:
        set_rate(app, rate, sorted(meters), when=when, flat=flat and when is None)
        agreed_price(app)


@dataclass
class Layer:
    """An override as the test understands it: days from now."""

    meter: Meter
    rate: int
    since: int
    until: int | None

    def is_in_force(self, day: float) -> bool:
        return self.since <= day and (self.until is None or day < self.until)


def view_rates(app: PricingSync) -> dict[Meter, Decimal]:
    """The rates of the model now by the SQL view, per million."""
    columns = "price_per_input_token, price_per_output_token"
    (row,) = app.store._connection.fetch_all(
        f"SELECT {columns} FROM model_pricing WHERE model = '{MODEL}'", {}
    )
    return {
        meter: Decimal(price) * 1_000_000
        for meter, price in zip((Meter.INPUT, Meter.OUTPUT), row, strict=True)
        if price is not None
    }


LISTED = {Meter.INPUT: Decimal("2.5"), Meter.OUTPUT: Decimal(10)}
DAYS = st.integers(-20, 20)


class Layers(RuleBasedStateMachine):
    """Overrides set and ended in any order, beside a list that does the same."""

    kind = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.stack.enter_context(databases.of(self.kind))
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.app = self.stack.enter_context(open_app(Path(folder)))
        self.now = datetime.now(UTC)
        self.layers: list[Layer] = []
        self.rate = 100

    def teardown(self) -> None:
        self.stack.close()

    @rule(meters=METERS, since=DAYS, lasts=st.none() | st.integers(1, 15))
    def add(self, meters: set[Meter], since: int, lasts: int | None) -> None:
        self.rate += 1
        until = None if lasts is None else since + lasts
        end = None if until is None else self.now + until * DAY
        set_rate(self.app, self.rate, sorted(meters), since=self.now + since * DAY, until=end)
        self.layers += [Layer(meter, self.rate, since, until) for meter in meters]

    @rule(meters=METERS, day=DAYS)
    def end(self, meters: set[Meter], day: int) -> None:
        ending = [
            layer
            for layer in self.layers
            if layer.meter in meters and (layer.until is None or layer.until > day)
        ]
        with nullcontext() if ending else pytest.raises(UnknownName):
            self.app.end_override("openrouter", MODEL, sorted(meters), at=self.now + day * DAY)
        for layer in ending:
            layer.until = day
        self.layers = [x for x in self.layers if x.until is None or x.since < x.until]

    def _expected(self, day: float) -> dict[Meter, Decimal]:
        rates = dict(LISTED)
        for layer in self.layers:
            if layer.is_in_force(day):
                rates[layer.meter] = Decimal(layer.rate)
        return rates

    @invariant()
    def the_book_the_ledger_and_a_cost_agree(self) -> None:
        book = self.app.book()
        for day in range(-21, 36, 5):
            at, expected = self.now + (day + 0.5) * DAY, self._expected(day + 0.5)
            (found,) = self.app.prices("openrouter", MODEL, at=at)
            in_book = book.price("openrouter", MODEL, at)
            # The ledger's price of another instant has no state.
            assert found == replace(in_book, state=None, confirmed_at=None, doubt=None)
            assert expected == {m: rate.per_million for m, rate in card(found).rates.items()}
            usage = Usage(input=1_000_000, output=1_000_000)
            cost = self.app.cost("openrouter", MODEL, usage, at=at).total
            assert cost == book.cost("openrouter", MODEL, usage, at=at).total
            assert sum(expected.values()) == cost
        assert self._expected(0.001) == view_rates(self.app)


class LayersInPostgres(Layers):
    """The same in the other kind of database."""

    kind = "postgres"

    def __init__(self) -> None:
        require_server()
        super().__init__()


TestLayers = Layers.TestCase
TestLayersInPostgres = LayersInPostgres.TestCase
TestLayers.settings = settings(
    max_examples=12,
    stateful_step_count=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestLayersInPostgres.settings = settings(TestLayers.settings, max_examples=4)
