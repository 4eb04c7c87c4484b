"""Prices that a source publishes for later: judged, stored, shown, and in force on their day."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.changes.diff import Kind
from pricing_sync.changes.events import EventKind
from pricing_sync.changes.held import State
from pricing_sync.errors import StaleHeldChange
from pricing_sync.notify.watch import Watch
from pricing_sync.prices.rates import Meter, Per, Rate, RateCard
from pricing_sync.prices.statements import Statement
from pricing_sync.prices.usage import Usage
from pricing_sync.settings import Settings
from pricing_sync.sources.providers.catalog import genai_prices_provider
from pricing_sync.store.raw_ledger import raw_cards, raw_history
from pricing_sync.sync.recorded import RecordedAnswer
from pricing_sync.web.model_states import model_entries
from pricing_sync.web.prices import get_price, list_scheduled

from command import Run
from databases import database_url

NOW = datetime.now(UTC).replace(microsecond=0)
#: The day on which the promotion of these tests ends.
DAY = (NOW + timedelta(days=40)).replace(hour=0, minute=0, second=0)
AFTER = DAY + timedelta(hours=12)
HOUR = timedelta(hours=1)
MILLION = Usage(input=1_000_000)


def entry(price: float, start: datetime | None = None) -> dict[str, Any]:
    prices = {"prices": {"input_mtok": price, "output_mtok": price * 4}}
    return prices if start is None else prices | {"constraint": {"start_date": f"{start:%Y-%m-%d}"}}


def body(models: Mapping[str, list[dict[str, Any]]]) -> bytes:
    rows = [{"id": model, "prices": entries} for model, entries in models.items()]
    return json.dumps([{"id": "google", "models": rows}]).encode()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[PricingSync]:
    settings = Settings(database=database_url(tmp_path))
    with PricingSync(settings, extra_providers=[genai_prices_provider("google")]) as opened:
        yield opened


def read(app: PricingSync, at: datetime, **models: list[dict[str, Any]]) -> dict[str, int]:
    """Read an answer that was given at an instant; return what was done with it."""
    answer = RecordedAnswer(body(models), at)
    result = asyncio.run(app.replay("google", [answer]))
    (one,) = result.results
    assert one.error is None, one.error
    return {name: count for name, count in one.reading.changes.items() if count}


def price(app: PricingSync, at: datetime | None = None, known_at: datetime | None = None) -> str:
    found = app.price("google", "m", at=at, known_at=known_at).listing
    assert isinstance(found, RateCard), found
    return str(found.rates[Meter.INPUT])


PROMOTED = [entry(0.375), entry(0.75, DAY)]


def test_a_later_price_is_stored_at_once_and_holds_from_its_day_on(app: PricingSync) -> None:
    """By the ledger, the price book and `cost`, without another reading."""
    assert {"added": 1, "scheduled": 1} == read(app, NOW, m=PROMOTED)
    assert "0.375" == price(app)
    assert "0.375" == price(app, DAY - timedelta(microseconds=1))
    assert "0.75" == price(app, DAY) == price(app, AFTER)
    assert "0.75" == f"{app.cost('google', 'm', MILLION, AFTER).total.normalize():f}"
    book = app.book()
    assert "0.375" == f"{book.cost('google', 'm', MILLION).total.normalize():f}"
    assert "0.75" == f"{book.cost('google', 'm', MILLION, AFTER).total.normalize():f}"
    later = book.price("google", "m", AFTER)
    assert (DAY, "catalog") == (later.since, later.source)
    assert 1 == len(book) == len(list(book)) == len(app.prices())


def test_on_its_day_no_reading_is_needed_and_none_finds_a_change(app: PricingSync) -> None:
    """The day is five days ago; the list was read before it, then with the same bytes after it."""
    begin = NOW - timedelta(days=20)
    day = (NOW - timedelta(days=5)).replace(hour=0, minute=0, second=0)
    promoted = [entry(0.375), entry(0.75, day)]
    read(app, begin, m=promoted)
    assert "0.75" == price(app)
    assert "0.375" == price(app, day - timedelta(seconds=1))
    [row] = app.store._connection.fetch_all(
        "SELECT price_per_input_token, since FROM model_pricing", {}
    )
    assert ("0.000000750000000", f"{day:%Y-%m-%d}T00:00:00.000000Z") == row
    assert {} == read(app, NOW - timedelta(days=4), m=promoted)
    assert {} == read(app, NOW - timedelta(days=3), m=[entry(0.75)])
    assert "0.75" == price(app)
    assert [Kind.CHANGED] == [entry.change.kind for entry in app.changes(begin)]
    assert 1 == app.store.model_counts()["google"].priced


def test_what_was_believed_stays_answerable(app: PricingSync) -> None:
    """The source moves the day, then the price, then withdraws both."""
    times = [NOW - timedelta(days=days) for days in (9, 7, 5, 3)]
    moved = DAY + timedelta(days=31)
    read(app, times[0], m=PROMOTED)
    first = datetime.now(UTC)
    assert {"scheduled": 1, "withdrawn": 1} == read(
        app, times[1], m=[entry(0.375), entry(0.75, moved)]
    )
    second = datetime.now(UTC)
    assert {"scheduled": 1} == read(app, times[2], m=[entry(0.375), entry(0.6, moved)])
    third = datetime.now(UTC)
    assert {"withdrawn": 1} == read(app, times[3], m=[entry(0.375)])
    late = moved + timedelta(days=1)
    assert ["0.75", "0.375"] == [price(app, AFTER, at) for at in (first, second)]
    assert ["0.75", "0.75", "0.6"] == [price(app, late, at) for at in (first, second, third)]
    assert "0.375" == price(app, late)
    assert [] == app.scheduled("google")
    (card,) = app.history("google", "m")
    assert None is card.until
    everything = app.history("google", "m", everything=True)
    for one in everything:
        for other in everything:
            known = one.superseded_at is None or one.superseded_at > other.recorded_at
            if one is not other and known and one.recorded_at <= other.recorded_at:
                together = (one.until is None or one.until > other.since) and (
                    other.until is None or other.until > one.since
                )
                assert not together, (one, other)


def test_a_change_of_the_price_now_leaves_the_later_one(app: PricingSync) -> None:
    """The card in force is replaced until the same day."""
    read(app, NOW - timedelta(days=2), m=PROMOTED)
    (before,) = (s for s in app.history("google", "m") if s.since == DAY)
    assert {"changed": 1} == read(app, NOW, m=[entry(0.3), entry(0.75, DAY)])
    assert ("0.3", "0.75") == (price(app), price(app, AFTER))
    (after,) = (s for s in app.history("google", "m") if s.since == DAY)
    assert (before.card_id, before.recorded_at) == (after.card_id, after.recorded_at)
    assert [DAY] == [card.until for card in app.store.statements("google", "m")]


def test_a_retired_model_loses_its_later_price(app: PricingSync) -> None:
    """It does not come back to life on the day."""
    other = {"other": [entry(1)]}
    read(app, NOW - timedelta(days=4), m=PROMOTED, **other)
    read(app, NOW - timedelta(days=3), **other)
    assert [DAY] == [found.at for found in app.scheduled("google")]
    assert {"retired": 1, "withdrawn": 1} == read(app, NOW - timedelta(days=2), **other)
    assert [] == app.scheduled("google")
    assert [] == app.prices("google", "m", at=AFTER)
    assert {"returned": 1, "scheduled": 1} == read(app, NOW, m=PROMOTED, **other)
    assert ("0.375", "0.75") == (price(app), price(app, AFTER))


def test_a_person_s_override_stays_above_both(app: PricingSync) -> None:
    """Before and after the day. When it ends, the provider's price of that time holds."""
    read(app, NOW - timedelta(days=1), m=PROMOTED)
    end = DAY + timedelta(days=10)
    rates = {Meter.INPUT: Rate.of("9", Per.MILLION)}
    app.set_override("google", "m", rates, author="ann", reason="contract", until=end)
    book = app.book()
    for at in (datetime.now(UTC), AFTER):
        assert "9" == price(app, at)
        assert "9" == f"{book.cost('google', 'm', MILLION, at).total.normalize():f}"
    assert "0.75" == price(app, end)
    assert "0.75" == f"{book.cost('google', 'm', MILLION, end).total.normalize():f}"


TOO_HIGH = [entry(0.375), entry(375, DAY)]


def test_a_doubtful_later_price_is_held_and_the_price_now_stays_confirmed(
    app: PricingSync,
) -> None:
    """A factor of a thousand is a unit error, whenever it is to happen."""
    read(app, NOW - timedelta(days=3), m=[entry(0.375)])
    assert {"scheduled_held": 1} == read(app, NOW - timedelta(days=2), m=TOO_HIGH)
    again = read(app, NOW - timedelta(days=1), m=TOO_HIGH, unpriced=[])
    assert {"added": 1, "scheduled_held": 1} == again
    assert ("0.375", "0.375") == (price(app), price(app, AFTER))
    assert "confirmed" == app.price("google", "m").state
    (item,) = app.store.review.held("google")
    assert (Kind.SCHEDULED, DAY) == (item.change.kind, item.change.starts_at)
    assert any(reason.startswith("unit: ") for reason in item.reasons)


def test_a_held_later_price_lapses_when_it_is_corrected(app: PricingSync) -> None:
    """The corrected one is scheduled."""
    read(app, NOW - timedelta(days=3), m=TOO_HIGH)
    assert {"scheduled": 1} == read(app, NOW - timedelta(days=2), m=PROMOTED)
    assert [] == app.store.review.held("google")
    assert "0.75" == price(app, AFTER)


@pytest.mark.parametrize("decision", [State.ACCEPTED, State.REJECTED])
def test_a_person_decides_about_a_held_later_price(app: PricingSync, decision: State) -> None:
    """Accepted, it holds from its day on; rejected, it is not asked about again."""
    read(app, NOW - timedelta(days=3), m=TOO_HIGH)
    (item,) = app.store.review.held("google")
    app.store.review.decide(decision, [item], author="ann", reason="asked", now=datetime.now(UTC))
    expected = "375" if decision is State.ACCEPTED else "0.375"
    assert ("0.375", expected) == (price(app), price(app, AFTER))
    assert {} == read(app, datetime.now(UTC), m=TOO_HIGH)
    assert ("0.375", expected) == (price(app), price(app, AFTER))
    assert "confirmed" == app.price("google", "m").state


def test_a_change_now_is_accepted_beside_a_later_price(app: PricingSync) -> None:
    """The accepted card ends where the later one begins."""
    read(app, NOW - timedelta(days=3), m=PROMOTED)
    read(app, NOW - timedelta(days=2), m=[entry(37.5), entry(0.75, DAY)])
    (item,) = app.store.review.held("google")
    app.store.review.decide(
        State.ACCEPTED, [item], author="ann", reason="so", now=datetime.now(UTC)
    )
    assert ("37.5", "0.75") == (price(app), price(app, AFTER))
    assert "0.375" == price(app, NOW - timedelta(days=2, seconds=1))


def test_a_price_now_and_one_of_later_are_held_and_accepted_together(app: PricingSync) -> None:
    """Each is a held change of its own, also of one model in one reading."""
    read(app, NOW - timedelta(days=3), m=[entry(0.375)])
    done = read(app, NOW - timedelta(days=2), m=[entry(37.5), entry(375, DAY)])
    assert {"held": 1, "scheduled_held": 1} == done
    shown = app.held("google")
    assert {None, DAY} == {item.change.starts_at for item in shown}
    (listed,) = model_entries(app, "google")
    assert listed.held is not None
    assert listed.held.change.starts_at is None
    app.accept(shown, author="ann", reason="asked")
    assert ("37.5", "375") == (price(app), price(app, AFTER))
    assert "0.375" == price(app, NOW - timedelta(days=2, seconds=1))
    assert [] == app.held("google")


@pytest.mark.parametrize("same_bytes", [True, False])
def test_a_later_price_that_was_held_long_enough_is_scheduled(
    app: PricingSync, *, same_bytes: bool
) -> None:
    """By the same bytes and by the same prices in other bytes: a rate that is gone waits a day."""
    cached = entry(0.375)
    cached["prices"]["cache_read_mtok"] = 0.0375
    models = {"m": [cached, entry(0.375, DAY)]}
    read(app, NOW - timedelta(days=5), m=[cached])
    assert {"scheduled_held": 1} == read(app, NOW - timedelta(days=4), **models)
    (item,) = app.held("google")
    more: dict[str, Any] = {} if same_bytes else {"unpriced": []}
    done = read(app, NOW - timedelta(days=2), **models, **more)
    assert 1 == done.get("scheduled"), done
    assert [] == app.held("google")
    assert [item.id] == [x.id for x in app.store.review.held("google", state=State.RELEASED)]
    now, then = (app.price("google", "m", at=at).listing for at in (None, AFTER))
    assert isinstance(now, RateCard)
    assert isinstance(then, RateCard)
    assert {Meter.CACHE_READ} == now.rates.keys() - then.rates.keys()


def test_a_held_later_price_whose_day_has_come_is_judged_as_the_price(app: PricingSync) -> None:
    """Also when the bytes are those of the last reading, which then mean something else."""
    day = (NOW - timedelta(days=5)).replace(hour=0, minute=0, second=0)
    held = [entry(0.375), entry(375, day)]
    read(app, day - timedelta(days=3), m=held)
    (item,) = app.store.review.held("google")
    with pytest.raises(StaleHeldChange, match="its day has come"):
        app.store.review.decide(State.ACCEPTED, [item], author="a", reason="b", now=NOW)
    assert {"held": 1} == read(app, day + timedelta(days=1), m=held)
    (item,) = app.store.review.held("google")
    assert (Kind.CHANGED, None) == (item.change.kind, item.change.starts_at)
    assert ("0.375", "held") == (price(app), app.price("google", "m").state)


@pytest.mark.parametrize(("promoted", "held"), [(7, 0), (20, 20)])
def test_promotions_may_end_on_one_day_but_not_a_third_of_the_list(
    app: PricingSync, promoted: int, held: int
) -> None:
    """Seven models of Google double on 2027-01-01, of 66. A slip of a column doubles many more."""
    rest = {f"model-{number}": [entry(number + 1)] for number in range(60)}
    ending = {
        f"model-{number}": [entry(number + 1), entry(2 * (number + 1), DAY)]
        for number in range(promoted)
    }
    read(app, NOW - timedelta(days=1), **rest)
    done = read(app, NOW, **rest | ending)
    assert (promoted - held, held) == (done.get("scheduled", 0), done.get("scheduled_held", 0))


def test_an_event_tells_of_it_before_it_happens(app: PricingSync) -> None:
    """With the models and their days, and again when it is withdrawn."""
    read(app, NOW - timedelta(days=2), m=PROMOTED)
    read(app, NOW - timedelta(days=1), m=[entry(0.375)])
    at = f"{DAY:%Y-%m-%d}T00:00:00Z"
    found = [event for _, kind, event in app.store.outbox.pending() if kind == "price.scheduled"]
    assert [("m", "scheduled", at), ("m", "withdrawn", at)] == [
        (change["model"], change["kind"], change["starts_at"])
        for event in found
        for change in event["changes"]
    ]


def test_what_is_scheduled_is_listed_next_one_first(app: PricingSync) -> None:
    """In the library, with the listing before; it is no change of the last days yet."""
    later = DAY + timedelta(days=31)
    read(app, NOW, a=[entry(1), entry(2, later)], m=[*PROMOTED, entry(0.9, later)])
    found = app.scheduled("google")
    assert [(DAY, "m"), (later, "a"), (later, "m")] == [(one.at, one.change.model) for one in found]
    assert ["0.375", "1", "0.75"] == [
        str(one.change.old.rates[Meter.INPUT])  # type: ignore[union-attr]
        for one in found
    ]
    assert found[:1] == app.scheduled(within=timedelta(days=60))
    assert [] == app.changes(NOW - timedelta(days=1))


def test_a_price_says_what_is_scheduled(app: PricingSync) -> None:
    """The same from the ledger and from the book, and nothing once it holds."""
    read(app, NOW, m=PROMOTED)
    expected = [(DAY, "0.75")]
    for found in (app.price("google", "m"), app.book().price("google", "m")):
        assert expected == [
            (later.since, str(later.listing.rates[Meter.INPUT]))  # type: ignore[union-attr]
            for later in found.scheduled
        ]
    assert () == app.book().price("google", "m", AFTER).scheduled


def test_the_settings_choose_the_catalog_of_a_provider(tmp_path: Path) -> None:
    """`google` is read from models.dev, or from genai-prices, which states prices of later."""
    tables = {"google": {"catalog": "genai-prices"}, "openai": {"catalog": "models.dev"}}
    settings = Settings(database=database_url(tmp_path, "a"), provider=tables)  # type: ignore[arg-type]
    access = PricingSync(settings).access
    assert "genai-prices" in access.provider("google").url
    assert "google" == access.provider("google").id
    assert "models.dev" in access.provider("openai").url
    assert "models.dev" in access.provider("anthropic").url


def test_the_command_shows_it(
    app: PricingSync,
    run: Run,
) -> None:
    """`prices`, `changes --scheduled`, `history`, `held`, and `cost` on its day."""
    read(app, NOW - timedelta(days=1), m=PROMOTED, high=TOO_HIGH)
    database = app.settings.database
    day = f"{DAY:%Y-%m-%d} 00:00Z"

    def shown(*words: str) -> str:
        return run("--database", database, *words).out

    assert f"scheduled from {day}: input 0.375 → 0.75 (+100 %)" in shown("prices", "google", "m")
    assert "input 0.375 → 0.75" in shown("changes", "--scheduled")
    assert "" == shown("changes")
    assert "scheduled, catalog" in shown("history", "google", "m")
    assert f"scheduled from {day}: input 0.375 → 375" in shown("held")
    [entry_] = json.loads(shown("prices", "google", "m", "--json"))
    [later] = entry_["scheduled"]
    assert ("0.75", f"{DAY:%Y-%m-%d}T00:00:00") == (later["rates"]["input"], later["since"][:19])
    paid = json.loads(
        shown("cost", "google", "m", "input=1000000", "--at", f"{AFTER:%Y-%m-%dT%H:%MZ}", "--json")
    )
    assert "0.75" == paid["total"]


def test_the_service_shows_it(app: PricingSync) -> None:
    """The price of the model, the list of what is to come, and the status from 30 days before."""
    soon = (NOW + timedelta(days=5)).replace(hour=0, minute=0, second=0)
    read(app, NOW - timedelta(days=1), m=[entry(0.375), entry(0.75, soon), entry(0.9, DAY)])
    days = [f"{at:%Y-%m-%d}T00:00:00Z" for at in (soon, DAY)]
    shown = json.loads(bytes(get_price(app, "google", "m").body))["scheduled"]
    assert days == [later["since"] for later in shown]
    assert ["0.75", "0.9"] == [later["rates"]["input"] for later in shown]
    listed = [change.model_dump(mode="json") for change in list_scheduled(app)["items"]]
    assert days == [change["at"] for change in listed]
    assert ["0.375", "0.75"] == [change["old"]["rates"]["input"] for change in listed]
    assert days[:1] == [change["at"] for change in app.status()["scheduled"]]


def test_the_audit_and_the_backtest_see_the_card_in_force_without_an_end(app: PricingSync) -> None:
    """A scheduled card is neither a card in force nor a change that was made."""
    read(app, NOW - timedelta(days=1), m=PROMOTED)
    for cards in (raw_cards(app.store._connection), raw_history(app.store._connection)):
        (card,) = cards
        assert isinstance(card, Statement)
        assert (None, "0.375") == (card.until, str(card.listing.rates[Meter.INPUT]))  # type: ignore[union-attr]


# Its event


SECOND = timedelta(seconds=1)
#: So that a few that move are no large part of the list.
MANY = {f"one-of-many-{n}": [entry(1 + n)] for n in range(20)}


def look(app: PricingSync, *at: datetime) -> None:
    """What a service does once a minute, at these instants; each by another process."""
    for now in at:
        with PricingSync(app.settings, create=False) as other:
            Watch(other.settings, other.store).look(now, running_since=NOW)


def told(app: PricingSync) -> list[dict[str, Any]]:
    """What the events of changed prices say, of all that are not a reading's own."""
    return [
        payload
        for event_id, kind, payload in app.store.outbox.pending(100)
        if kind == EventKind.PRICE_CHANGED and not event_id.endswith("-prices")
    ]


def test_a_later_price_is_told_when_it_begins(app: PricingSync) -> None:
    """Once, after all that was told of the model before, also by several processes."""
    read(app, NOW, m=PROMOTED, other=[entry(2)])
    look(app, NOW, DAY - SECOND)
    assert [] == told(app)
    look(app, DAY + SECOND, DAY + SECOND, AFTER)
    (event,) = told(app)
    assert ("google", f"{DAY:%Y-%m-%dT%H:%M:%SZ}") == (event["provider"], event["at"])
    (change,) = event["changes"]
    assert ("m", "changed", "0.75") == (
        change["model"],
        change["kind"],
        change["new"]["rates"]["input"],
    )
    assert {("input", "0.375", "0.75", "+100"), ("output", "1.5", "3", "+100")} == {
        (move["meter"], move["old"], move["new"], move["percent"]) for move in change["moves"]
    }
    before = [one["revision"] for _, _, one in app.store.outbox.pending(100) if one != event]
    assert event["revision"] > max(before)
    assert str(event["revision"]) == app.store.revision()


def test_a_clock_that_is_set_back_tells_nothing_twice(app: PricingSync) -> None:
    read(app, NOW, m=PROMOTED)
    look(app, NOW, AFTER, NOW, AFTER + SECOND)
    assert 1 == len(told(app))


def test_prices_that_begin_together_are_one_event(app: PricingSync) -> None:
    """One for each instant."""
    later = DAY + timedelta(days=1)
    read(app, NOW, **MANY, m=PROMOTED, n=PROMOTED, o=[entry(1), entry(2, later)])
    look(app, NOW, later - SECOND, later)
    assert [["m", "n"], ["o"]] == [
        [change["model"] for change in event["changes"]] for event in told(app)
    ]


def test_of_two_that_began_while_no_service_ran_the_one_in_force_is_told(app: PricingSync) -> None:
    read(app, NOW, m=[*PROMOTED, entry(0.5, DAY + timedelta(days=1))])
    look(app, NOW, DAY + timedelta(days=2))
    assert ["0.5"] == [event["changes"][0]["new"]["rates"]["input"] for event in told(app)]


def test_a_later_price_that_was_withdrawn_before_its_day_is_not_told(app: PricingSync) -> None:
    """Neither is one that was replaced before its day: the other one is."""
    read(app, NOW - HOUR, **MANY, **dict.fromkeys("mno", PROMOTED))
    look(app, NOW - HOUR)
    moved = [entry(0.375), entry(0.5, DAY)]
    read(app, NOW, **MANY, m=[entry(0.375)], n=PROMOTED, o=moved)
    look(app, NOW, DAY - SECOND)
    assert [] == told(app)
    look(app, AFTER)
    assert {"n": "0.75", "o": "0.5"} == {
        change["model"]: change["new"]["rates"]["input"]
        for event in told(app)
        for change in event["changes"]
    }


def test_a_new_model_of_a_first_reading_is_not_told_as_begun(app: PricingSync) -> None:
    """It has the event of its reading."""
    look(app, NOW - HOUR)
    read(app, NOW, m=[entry(1)])
    look(app, NOW + HOUR)
    assert [] == told(app)
