"""Deliveries: at least once, by queue, with pauses and an end, whatever the receiver does."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.changes.events import EventKind
from pricing_sync.errors import UnknownName
from pricing_sync.notify import deliverer, webhook
from pricing_sync.notify.watch import Watch
from pricing_sync.store.deliveries import EndpointStatus
from pricing_sync.web.probes import collector

from notified import Make, serve, tell, until
from receivers import Receiver, answering, endless, hanging, receiving
from service import RecordingListener


def status(app: PricingSync, name: str = "hook-0") -> EndpointStatus:
    return next(one for one in app.webhooks() if one.name == name)


def test_an_event_is_delivered_once_when_all_is_well(make: Make) -> None:
    """With a signature that another library verifies, and the address it was sent to."""
    receiver = Receiver()
    with receiving(receiver):
        app = make(receiver)

        async def work() -> None:
            tell(app, "one", "two")
            await until(lambda: status(app).state.delivered == 2)

        serve(app, work)
    assert ["one", "two"] == receiver.ids
    assert ["price.changed"] * 2 == receiver.kinds
    assert receiver.url.endswith(f"{receiver.got[0].headers['host']}/hook")


def test_a_receiver_that_was_down_gets_everything(make: Make) -> None:
    """With the same ids and the same bytes at each attempt, and another time."""
    receiver, listener = Receiver(behave=answering(503)), RecordingListener()
    with receiving(receiver):
        app = make(receiver, listener=listener)

        async def work() -> None:
            tell(app, "one", "two", "three")
            await until(lambda: status(app).state.failures > 3)
            assert "http://127.0.0.1" in (status(app).state.error or "")
            receiver.behave = answering(204)
            await until(lambda: status(app).state.delivered == 3)
            assert 0 == status(app).counts.waiting

        serve(app, work)
    assert {"one", "two", "three"} == set(receiver.ids)
    bodies = {(one.id, one.body) for one in receiver.got}
    assert 3 == len(bodies)
    assert [] == listener.errors


def test_a_receiver_that_does_not_listen_is_tried_again(make: Make) -> None:
    """From when it listens on."""
    receiver = Receiver()
    with receiving(receiver):
        pass  # only for a free port
    app = make(receiver)

    async def work() -> None:
        tell(app, "one")
        await until(lambda: status(app).state.failures > 1)
        with receiving(receiver):
            await until(lambda: status(app).state.delivered == 1)

    serve(app, work)
    assert ["one"] == receiver.ids


def test_the_waits_are_more_than_a_day_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """With jitter, and each longer than the one before; then there is no other attempt."""
    monkeypatch.undo()
    now = datetime(2026, 11, 26, tzinfo=UTC)
    waits = [deliverer._next_at(attempts, now) for attempts in range(9)]
    assert waits[8] is None
    spans = [at - now for at in waits if at is not None]
    assert spans == sorted(spans)
    assert timedelta(hours=24) < sum(spans, timedelta()) < timedelta(hours=28)
    assert len({deliverer._next_at(7, now) for _ in range(5)}) > 1


def test_an_event_that_is_never_taken_becomes_a_dead_letter(make: Make) -> None:
    """Others hear of it once. It can be sent again, and what it said is the same."""
    broken, other = Receiver(behave=answering(400, b"no such model")), Receiver()
    with receiving(broken, other):
        app = make(broken, other)

        async def work() -> None:
            tell(app, "one", "two")
            # The two, and the event that says so, which is not taken either.
            await until(lambda: status(app).counts.dead == 3)
            await until(lambda: status(app, "hook-1").state.delivered == 3)
            assert {9} == {letter.attempts for letter in app.dead_letters("hook-0")}
            assert "400: no such model" in (app.dead_letters("hook-0")[0].error or "")
            broken.behave = answering(204)
            assert 3 == app.replay_webhook("hook-0")
            await until(lambda: status(app).state.delivered == 3)
            assert 0 == status(app).counts.dead
            assert 1 == app.replay_webhook("hook-0", "one")
            await until(lambda: status(app).state.delivered == 4)

        serve(app, work)
    assert 10 + 1 == broken.ids.count("one")
    assert 1 == len({one.body for one in broken.got if one.id == "one"})
    assert 1 == other.kinds.count("webhook.dead_letters")
    (told,) = [one.message for one in other.got if one.message["type"] == "webhook.dead_letters"]
    assert "hook-0" == told["data"]["endpoint"]


def test_what_waited_too_long_at_a_dead_endpoint_is_a_dead_letter(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what was never tried: a receiver that is back gets no old news by the thousand."""
    monkeypatch.setattr(deliverer, "_LONGEST", timedelta(seconds=0.5))
    monkeypatch.setattr(deliverer, "_WAITS", (timedelta(hours=1),) * 8)
    monkeypatch.setattr(deliverer, "_LONGEST_PAUSE", timedelta(seconds=0.3))
    monkeypatch.setattr(deliverer, "_FIRST_PAUSE", timedelta(seconds=0.3))
    receiver = Receiver(behave=answering(500))
    with receiving(receiver):
        app = make(receiver)

        async def work() -> None:
            tell(app, *(f"event-{number}" for number in range(50)))
            await until(lambda: status(app).counts.dead >= 50)

        serve(app, work)
    assert len(receiver.got) < 20


def test_gone_disables_an_endpoint_until_it_is_replayed(make: Make) -> None:
    """410: nothing more is sent or queued, and what waited is kept as dead letters."""
    receiver = Receiver(behave=answering(410))
    with receiving(receiver):
        app = make(receiver)

        async def work() -> None:
            tell(app, "one", "two")
            await until(lambda: status(app).state.disabled_at is not None)
            tell(app, "three")
            await until(lambda: not app.store.outbox.pending())
            await asyncio.sleep(0.2)
            assert ["one"] == receiver.ids
            assert (0, 2) == (status(app).counts.waiting, status(app).counts.dead)
            text = collector(app).render("")[0].decode()
            assert 'pricing_webhook_disabled{endpoint="hook-0"} 1.0' in text
            receiver.behave = answering(204)
            assert 2 == app.replay_webhook("hook-0")
            await until(lambda: status(app).state.delivered == 2)
            assert status(app).state.disabled_at is None

        serve(app, work)
    assert {"one", "two"} == set(receiver.ids)


def test_other_settings_enable_an_endpoint_again(make: Make) -> None:
    """Such as another address."""
    gone, moved = Receiver(behave=answering(410)), Receiver()
    with receiving(gone, moved):
        app = make(gone)

        async def first() -> None:
            tell(app, "one")
            await until(lambda: status(app).state.disabled_at is not None)

        serve(app, first)
        again = make(moved)

        async def second() -> None:
            await until(lambda: status(again).state.disabled_at is None)
            tell(again, "two")
            await until(lambda: "two" in moved.ids)

        serve(again, second)


def test_a_redirect_is_not_followed(make: Make) -> None:
    """Neither to another host nor to the same: the body would go where nobody checked."""
    sink = Receiver()
    with receiving(sink):
        receiver = Receiver(behave=answering(307, Location=sink.url))
        with receiving(receiver):
            app = make(receiver)

            async def work() -> None:
                tell(app, "one")
                await until(lambda: status(app).state.failures > 0)
                error = status(app).state.error or ""
                assert "307: a redirect, which is not followed" in error

            serve(app, work)
    assert [] == sink.got


@pytest.mark.parametrize("code", [200, 500])
def test_an_answer_without_end_is_not_read(make: Make, code: int) -> None:
    """The status counts, and an attempt has an end."""
    receiver = Receiver(behave=endless(code))
    with receiving(receiver):
        app = make(receiver)

        async def work() -> None:
            tell(app, "one")
            state = status(app).state
            await until(lambda: status(app).state != state)
            assert (code == 200) == (status(app).state.delivered == 1)

        serve(app, work)


def test_one_black_hole_among_fifty_delays_no_other(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each endpoint has its own queue and its own connection."""
    monkeypatch.setattr(webhook, "ATTEMPT_SECONDS", 3.0)
    release = threading.Event()
    receivers = [Receiver() for _ in range(50)]
    receivers[7].behave = hanging(release)
    with receiving(*receivers):
        app, others = make(*receivers), [*receivers[:7], *receivers[8:]]
        told_at = 0.0

        async def work() -> None:
            nonlocal told_at
            told_at = time.monotonic()
            tell(app, "one", "two", "three")
            await until(lambda: all(len(one.got) == 3 for one in others))
            release.set()

        serve(app, work)
    assert len(receivers[7].got) == 1  # it still has the first
    assert all(["one", "two", "three"] == one.ids for one in others)


def test_a_hanging_receiver_gets_a_deadline(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """For all of an attempt; the event is sent again."""
    monkeypatch.setattr(webhook, "ATTEMPT_SECONDS", 0.3)
    release = threading.Event()
    receiver = Receiver(behave=hanging(release))
    with receiving(receiver):
        app = make(receiver)

        async def work() -> None:
            tell(app, "one")
            await until(lambda: status(app).state.failures > 0)
            assert "no answer within 0.3 s" in (status(app).state.error or "")
            release.set()
            await until(lambda: status(app).state.delivered == 1)

        serve(app, work)
    assert {"one"} == set(receiver.ids)


def test_a_bad_event_does_not_keep_the_others_back(make: Make) -> None:
    """An event that the receiver refuses goes behind those that it takes."""
    receiver = Receiver()
    receiver.behave = lambda handler: handler.answer(422 if receiver.got[-1].id == "bad" else 204)
    with receiving(receiver):
        app = make(receiver)

        async def work() -> None:
            tell(app, "bad", *(f"good-{number}" for number in range(20)))
            await until(lambda: status(app).state.delivered == 20)
            await until(lambda: status(app).counts.dead == 1)

        serve(app, work)


def test_a_pause_that_is_asked_for_is_made(make: Make) -> None:
    """Retry-After."""
    receiver = Receiver(behave=answering(429, Retry_After="600"))
    with receiving(receiver):
        app = make(receiver)

        async def work() -> None:
            tell(app, "one", "two")
            await until(lambda: status(app).state.paused_until is not None)
            paused = status(app).state.paused_until
            assert paused is not None
            assert paused - datetime.now(UTC) > timedelta(minutes=9)
            await asyncio.sleep(0.3)

        serve(app, work)
    assert 1 == len(receiver.got)


def test_an_endpoint_gets_only_what_it_asked_for(make: Make) -> None:
    """Kinds of events and providers. What is about no provider goes to all."""
    receiver = Receiver()
    with receiving(receiver):
        app = make(
            receiver,
            options={"events": ["price.changed", "run.finished"], "providers": ["other"]},
        )

        async def work() -> None:
            tell(app, "of acme")
            tell(app, "held", kind=EventKind.CHANGES_HELD)
            for event_id, kind, payload in (
                ("of other", EventKind.PRICE_CHANGED, {"provider": "other"}),
                ("run", EventKind.RUN_FINISHED, {}),
            ):
                with app.store.transaction():
                    app.store.outbox.add(event_id, kind, datetime.now(UTC), payload)
            await until(lambda: status(app).state.delivered == 2)
            await asyncio.sleep(0.1)

        serve(app, work)
    assert ["of other", "run"] == receiver.ids


def test_a_new_endpoint_gets_no_event_from_before(make: Make) -> None:
    """A receiver that is added later is told of what happens from then on."""
    first, second = Receiver(), Receiver()
    with receiving(first, second):
        app = make(first)
        tell(app, "before")
        app.close()
        app = make(first, second)
        app.store._connection.execute("DELETE FROM pricing_endpoints WHERE name = 'hook-1'", {})

        async def work() -> None:
            await until(lambda: "hook-1" in app.store.deliveries.endpoints())
            tell(app, "after")
            await until(lambda: status(app, "hook-1").state.delivered == 1)
            await until(lambda: status(app).state.delivered == 2)

        serve(app, work)
    assert ["after"] == second.ids


def test_a_clock_that_was_set_back_stops_no_delivery(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waits that were written before end at once."""
    monkeypatch.setattr(deliverer, "_WAITS", (timedelta(days=30),) * 8)
    monkeypatch.setattr(deliverer, "_FIRST_PAUSE", timedelta(days=30))
    monkeypatch.setattr(deliverer, "_LONGEST_PAUSE", timedelta(days=30))
    receiver = Receiver()
    receiver.behave = lambda handler: handler.answer(500 if len(receiver.got) < 3 else 204)
    with receiving(receiver):
        app = make(receiver)

        async def work() -> None:
            tell(app, "one")
            await until(lambda: status(app).state.delivered == 1)

        serve(app, work)
    assert ["one"] * 3 == receiver.ids


def test_one_of_several_processes_delivers(make: Make) -> None:
    """And another when it stops: nothing is sent twice for no reason."""
    receiver = Receiver()
    with receiving(receiver):
        first, second = make(receiver), make(receiver)

        async def work() -> None:
            async with second.lifespan():
                async with first.lifespan():
                    tell(second, *(f"event-{number}" for number in range(10)))
                    await until(lambda: status(first).state.delivered == 10)
                with make(receiver) as third:
                    tell(third, "last")
                await until(lambda: status(second).state.delivered == 11)

        asyncio.run(work())
    assert 11 == len(receiver.got)


def test_a_stop_leaves_the_rest_for_the_next_start(make: Make) -> None:
    """Also while a receiver hangs: a stop is quick."""
    receiver = Receiver(behave=hanging(threading.Event()))
    with receiving(receiver):
        app = make(receiver)

        async def work() -> None:
            tell(app, "one")
            await until(lambda: len(receiver.got) == 1)

        began = time.monotonic()
        serve(app, work)
        assert time.monotonic() - began < 5
        receiver.behave = answering(204)
        app = make(receiver)
        serve(app, lambda: until(lambda: status(app).state.delivered == 1))
    assert ["one", "one"] == receiver.ids


def test_the_metrics_count_by_endpoint(make: Make) -> None:
    """Without any other label."""
    receiver = Receiver(behave=answering(500))
    with receiving(receiver):
        app = make(receiver)

        async def work() -> None:
            tell(app, "one")
            await until(lambda: status(app).state.failures > 0)
            text = collector(app).render("")[0].decode()
            assert 'pricing_webhook_pending{endpoint="hook-0"} 1.0' in text
            assert 'pricing_webhook_dead_letters{endpoint="hook-0"} 0.0' in text
            receiver.behave = answering(204)
            await until(lambda: status(app).state.delivered == 1)
            text = collector(app).render("")[0].decode()
            assert (
                'pricing_webhook_attempts_total{endpoint="hook-0",result="delivered"} 1.0' in text
            )
            assert 'pricing_webhook_attempts_total{endpoint="hook-0",result="failed"} 0' not in text

        serve(app, work)


def test_an_unknown_name_is_refused(make: Make) -> None:
    """The endpoints of the settings are named; so is an event that there is not."""
    receiver = Receiver(url="http://127.0.0.1:9/hook")
    with make(receiver) as app:
        with pytest.raises(UnknownName, match=r"'other' is no webhook: hook-0"):
            app.replay_webhook("other")
        with pytest.raises(UnknownName, match=r"'other' is no webhook: hook-0"):
            asyncio.run(app.test_webhook("other"))
        with pytest.raises(UnknownName, match=r"'none': no such event"):
            app.replay_webhook("hook-0", "none")
        assert [] == app.dead_letters("hook-0")


def test_a_fault_in_the_watch_keeps_no_event_back(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is reported once, however often the watch looks."""
    monkeypatch.setattr(deliverer, "_WATCH_SECONDS", 0)
    looks = 0

    def look(*_: object, **__: object) -> None:
        nonlocal looks
        looks += 1
        raise ZeroDivisionError(f"number {looks}")

    monkeypatch.setattr(Watch, "look", look)
    receiver, listener = Receiver(), RecordingListener()
    with receiving(receiver):
        app = make(receiver, listener=listener)

        async def work() -> None:
            tell(app, "one")
            await until(lambda: status(app).state.delivered == 1)
            await until(lambda: looks > 2)

        serve(app, work)
    assert [("watch", ZeroDivisionError)] == [(where, type(e)) for where, e in listener.errors]
