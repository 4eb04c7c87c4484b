"""What events say, from real readings; how often; and that a receiver can order them."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.changes.events import EventKind
from pricing_sync.demo.faults import Fault
from pricing_sync.demo.server import DemoServer
from pricing_sync.errors import StoreError
from pricing_sync.notify.webhook import body_of
from pricing_sync.prices.rates import RateCard
from pricing_sync.settings import Settings
from pricing_sync.store.conditions import FAILING
from pricing_sync.store.deliveries import StoredEvent
from pricing_sync.store.events import MOST_BYTES, _percent, fitted
from pricing_sync.sync.recorded import RecordedAnswer

from built import catalogue, openrouter, priced
from notified import Make, serve, until
from receivers import NEW_SECRET, SECRET, Receiver, receiving
from service import service, settings_of

DAY = datetime.now(UTC) - timedelta(days=20)
EXAMPLE = Path(__file__).parents[2] / "examples" / "receive_webhooks.py"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[PricingSync]:
    settings = Settings(database=f"sqlite:///{tmp_path / 'prices.db'}", reference_hours=0)
    with PricingSync(settings) as opened:
        yield opened


def read(app: PricingSync, number: float, answer: bytes) -> None:
    recorded = RecordedAnswer(answer, DAY + timedelta(days=number))
    asyncio.run(app.replay("openrouter", [recorded]))


def told(app: PricingSync, kind: EventKind) -> list[dict[str, Any]]:
    """The payloads of all events of a kind, in their order."""
    return [payload for _, each, payload in app.store.outbox.pending(10_000) if each == kind]


def test_a_changed_price_tells_old_new_and_percent(app: PricingSync) -> None:
    """And the whole new card, its provider, the revision, and what it counts."""
    read(app, 0, openrouter({"maker/a": priced(), "maker/b": priced()}))
    read(app, 1, openrouter({"maker/a": priced("0.000002"), "maker/b": priced()}))
    first, second = told(app, EventKind.PRICE_CHANGED)
    assert ["maker/a", "maker/b"] == [change["model"] for change in first["changes"]]
    assert [[], []] == [change["moves"] for change in first["changes"]]
    (change,) = second["changes"]
    assert {
        "model": "maker/a",
        "kind": "changed",
        "new": {
            "currency": "USD",
            "rates": {"input": "2", "output": "10"},
            "conditional_rates": [],
        },
        "moves": [{"meter": "input", "when": None, "old": "2.5", "new": "2", "percent": "-20"}],
    } == change
    assert ("openrouter", 0, 1) == (
        second["provider"],
        second["omitted"],
        second["counts"]["changed"],
    )
    assert first["revision"] < second["revision"] == int(app.store.revision())


@pytest.mark.parametrize(
    ("ratio", "percent"),
    [("0.8", "-20"), ("1000", "+99900"), ("1e+06", "+99999900"), ("1.111", "+11.1"), (None, None)],
)
def test_a_percentage_has_no_exponent(ratio: str | None, percent: str | None) -> None:
    """So that any program reads it. From or to nothing there is none."""
    assert percent == _percent(ratio)


def test_a_retired_model_is_told_without_a_price(app: PricingSync) -> None:
    """When it was missed twice."""
    both = openrouter({"maker/a": priced(), "maker/b": priced()})
    for number, answer in enumerate([both, *[openrouter({"maker/a": priced()})] * 2]):
        read(app, number, answer)
    gone = told(app, EventKind.PRICE_CHANGED)[-1]
    assert [("maker/b", "retired", None)] == [
        (change["model"], change["kind"], change["new"]) for change in gone["changes"]
    ]


def test_a_held_change_is_told_once_with_its_reasons(app: PricingSync) -> None:
    """While it waits, a reading that repeats it tells nothing more."""
    read(app, 0, catalogue(3))
    for number in (1, 2, 3):
        read(app, number, catalogue(3, "0.0025"))
    (event,) = told(app, EventKind.CHANGES_HELD)
    assert {"held": 3, "waiting": 3} == event["counts"]
    assert "unit" in event["rules"]
    first, held = event["changes"][0], app.held()[0]
    assert (held.id, held.change.model) == (first["id"], first["model"])
    assert ("2.5", "2500") == (first["moves"][0]["old"], first["moves"][0]["new"])
    assert "/admin/pricing/held?provider=openrouter" == event["link"]


def test_an_accepted_change_is_told_with_who_accepted_it(app: PricingSync) -> None:
    """As a changed price."""
    read(app, 0, catalogue(1))
    read(app, 1, catalogue(1, "0.0025"))
    app.accept(app.held(), author="ann", reason="it is so")
    event = told(app, EventKind.PRICE_CHANGED)[-1]
    assert ("ann", "2500") == (event["accepted_by"], event["changes"][0]["moves"][0]["new"])


@pytest.mark.parametrize("kind", [EventKind.PRICE_CHANGED, EventKind.CHANGES_HELD])
def test_two_thousand_changes_are_one_bounded_event(app: PricingSync, kind: EventKind) -> None:
    """Below 20 kB, with the first of them, the number of the others, and a link to all."""
    read(app, 0, catalogue(2000))
    dear = "0.0025" if kind is EventKind.CHANGES_HELD else "0.0000024"
    read(app, 1, catalogue(2000, dear))
    event = told(app, kind)[-1]
    stored = StoredEvent("x" * 40, kind, "openrouter", DAY, event)
    assert 10_000 < len(body_of(stored, "https://prices.example" + "/x" * 100)) < 20_000
    assert len(event["changes"]) > 20
    assert 2000 == len(event["changes"]) + event["omitted"]
    assert "openrouter" in event["link"]


def test_what_does_not_fit_is_omitted_and_the_rest_is_told() -> None:
    """One card of unusual size keeps no other back."""
    small, huge = {"model": "small"}, {"model": "huge", "new": "x" * MOST_BYTES}
    found = fitted({"provider": "acme"}, "changes", [small, huge, small], 3)
    assert {"provider": "acme", "changes": [small, small], "omitted": 1} == found


def test_an_event_is_stored_with_its_change_or_not_at_all(app: PricingSync) -> None:
    """They are one transaction."""
    read(app, 0, catalogue(1))
    before, real = app.prices(), app.store.outbox.add

    def fail(*_: Any) -> None:
        raise StoreError("database: full")

    app.store.outbox.add = fail  # type: ignore[method-assign, assignment]
    with pytest.raises(StoreError):
        read(app, 1, catalogue(1, "0.000002"))
    app.store.outbox.add = real  # type: ignore[method-assign]
    assert before == app.prices()
    assert 1 == len(told(app, EventKind.PRICE_CHANGED))


# Providers and runs


def run_all(pricing: PricingSync) -> None:
    asyncio.run(pricing.sync(pricing.settings.providers))


def test_a_failing_provider_is_told_once_and_when_it_recovers(tmp_path: Path) -> None:
    """What may pass by itself is told at the third failure in a row, anything else at once."""
    with DemoServer() as server, service(settings_of(tmp_path, server)) as pricing:
        run_all(pricing)
        server.fault("openrouter", Fault("html"))
        server.fault("novita", Fault("server_error"))
        counts = []
        for _ in range(5):
            run_all(pricing)
            counts.append([event["provider"] for event in told(pricing, EventKind.PROVIDER_FAILED)])
        assert [
            ["openrouter"],
            ["openrouter"],
            ["openrouter", "novita"],
            ["openrouter", "novita"],
            ["openrouter", "novita"],
        ] == counts
        failed = told(pricing, EventKind.PROVIDER_FAILED)
        assert [1, 3] == [event["failures"] for event in failed]
        assert "a page for people" in failed[0]["error"]
        for name in pricing.settings.providers:
            server.clear(name)
        run_all(pricing)
        run_all(pricing)
        recovered = told(pricing, EventKind.PROVIDER_RECOVERED)
        assert [("novita", ["failed"]), ("openrouter", ["failed"])] == sorted(
            (event["provider"], event["was"]) for event in recovered
        )
        assert {} == pricing.store.conditions.of_kind(FAILING)


def test_a_failure_that_passes_is_not_told(tmp_path: Path) -> None:
    """Two timeouts and a success: nobody is woken."""
    with DemoServer() as server, service(settings_of(tmp_path, server)) as pricing:
        for _ in range(3):
            server.fault("novita", Fault("server_error"))
            run_all(pricing)
            run_all(pricing)
            server.clear("novita")
            run_all(pricing)
        assert [] == told(pricing, EventKind.PROVIDER_FAILED)
        assert [] == told(pricing, EventKind.PROVIDER_RECOVERED)


def test_a_finished_run_tells_its_outcome(tmp_path: Path) -> None:
    """One event for each run, with what failed first."""
    with DemoServer() as server, service(settings_of(tmp_path, server)) as pricing:
        server.fault("openrouter", Fault("html"))
        run_all(pricing)
        (event,) = told(pricing, EventKind.RUN_FINISHED)
    assert ("partial", False) == (event["outcome"], event["dry_run"])
    assert [("openrouter", "failed"), ("novita", "read")] == [
        (reading["provider"], reading["status"]) for reading in event["readings"]
    ]
    assert event["counts"]["updated"] == event["readings"][1]["updated"] > 0


def test_a_dry_run_tells_only_that_it_ended(tmp_path: Path) -> None:
    """Nothing of it is in force."""
    with DemoServer() as server, service(settings_of(tmp_path, server)) as pricing:
        server.fault("openrouter", Fault("html"))
        asyncio.run(pricing.sync(pricing.settings.providers, dry_run=True))
        kinds = {kind for _, kind, _ in pricing.store.outbox.pending()}
    assert {EventKind.RUN_FINISHED} == kinds


# Order


@pytest.fixture
def receiver_of_the_example() -> Any:
    spec = importlib.util.spec_from_file_location("receive_webhooks", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["receive_webhooks"] = module
    spec.loader.exec_module(module)
    return module


def test_shuffled_and_repeated_events_converge(make: Make, receiver_of_the_example: Any) -> None:
    """The receiver of the example ends with the prices of the ledger in any order of events."""
    chance, receiver = random.Random(7), Receiver()
    with receiving(receiver):
        app = make(receiver)
        for number in range(12):
            models = {
                f"maker/{name}": _price(chance) for name in "abcdefgh" if chance.random() < 0.8
            }
            read(app, number, openrouter({"maker/always": priced(), **models}))
        if app.held():
            app.accept(app.held()[:2], author="ann", reason="so it is")
        ledger = {
            (price.provider, price.model): {
                meter.value: str(rate) for meter, rate in price.listing.rates.items()
            }
            for price in app.prices("openrouter")
            if isinstance(price.listing, RateCard)
        }

        async def work() -> None:
            await until(lambda: not app.store.outbox.pending())
            await until(lambda: app.webhooks()[0].counts.waiting == 0)

        serve(app, work)
    messages = [one.message for one in receiver.got]
    assert len([one for one in messages if one["type"] == "price.changed"]) > 5
    for _ in range(50):
        shuffled = [*messages, *chance.sample(messages, 5)]
        chance.shuffle(shuffled)
        prices = receiver_of_the_example.Prices()
        for message in shuffled:
            prices.take(json.loads(json.dumps(message)))
        assert ledger == {
            model: {meter: str(rate) for meter, rate in rates.items()}
            for model, rates in prices.rates.items()
        }


def _price(chance: random.Random) -> dict[str, Any]:
    return priced(f"0.0000{chance.randint(20, 30)}", "0.0001")


def test_the_example_refuses_what_is_not_signed(make: Make, receiver_of_the_example: Any) -> None:
    """By the same rules as other libraries."""
    check, receiver = receiver_of_the_example.is_genuine, Receiver()
    with receiving(receiver):
        app = make(receiver)

        async def work() -> None:
            await app.test_webhook("hook-0")

        serve(app, work)
    (got,) = receiver.got
    assert check(got.headers, got.body, SECRET)
    assert not check(got.headers, got.body, NEW_SECRET)
    assert not check(got.headers, got.body + b" ", SECRET)
    old = str(int(got.headers["webhook-timestamp"]) - 301)
    assert not check({**got.headers, "webhook-timestamp": old}, got.body, SECRET)
    assert not check({}, got.body, SECRET)
