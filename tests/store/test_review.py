"""Decisions of people about held changes, their effect on the ledger, and announcements."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pricing_sync.changes.diff import Change, Kind, Known, diff
from pricing_sync.changes.held import HeldChange, State
from pricing_sync.changes.plan import ChangePlan, plan_changes
from pricing_sync.changes.run import Reading, Run
from pricing_sync.errors import PricingSyncError, SettingsError, StaleHeldChange, UnknownName
from pricing_sync.gate import Announced
from pricing_sync.prices.rates import (
    Answer,
    Listing,
    Meter,
    Per,
    Rate,
    RateCard,
    Unpriced,
    Unreadable,
    When,
    Why,
)
from pricing_sync.prices.statements import Statement
from pricing_sync.store import Store, open_store
from pricing_sync.store.review import HeldCount, Review

import invented_readings as readings
from databases import database_url, databases

DAY = datetime(2026, 7, 17, 12, tzinfo=UTC)
NEXT, AFTER = DAY + timedelta(days=1), DAY + timedelta(days=2)
#: The time of the decision, and 1 µs earlier.
NOW = DAY + timedelta(days=5)
BEFORE = NOW - timedelta(microseconds=1)
CHEAP = RateCard({Meter.INPUT: Rate.of("2.5", Per.MILLION), Meter.OUTPUT: Rate.of(10, Per.MILLION)})
DEAR = RateCard({Meter.INPUT: Rate.of(3, Per.MILLION), Meter.OUTPUT: Rate.of(15, Per.MILLION)})
NO_PRICE = Unpriced(Why.VARIES, "at -1")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with _open(tmp_path) as opened:
        opened.queue.insert_run(Run("run", "test", DAY, None, None, False, ("acme",)))
        yield opened


@pytest.fixture
def review(store: Store) -> Review:
    return store.review


def _open(folder: Path) -> Store:
    return open_store(database_url(folder), create=True)


def read_once(
    store: Store,
    listings: dict[str, Listing],
    at: datetime,
    hold: Collection[str] = (),
    provider: str = "acme",
) -> ChangePlan:
    """One reading, with the steps of a real one and a gate that holds the models *hold*."""
    answer = Answer(listings)
    with store.transaction():
        stored = store.ledger.known_models(provider)
        changes = diff(stored, answer)
        plan = plan_changes(
            reading(at, provider),
            changes,
            {change.model: ("band: input: far",) for change in changes if change.model in hold},
            stored,
            answer,
            open_held={item.change.model: item for item in store.review.held(provider)},
            rejected=rejected(store.review, provider),
        )
        store.save_reading(reading(at, provider), plan)
    return plan


def rejected(review: Review, provider: str = "acme") -> list[Change]:
    return [item.change for item in review.held(provider, state=State.REJECTED)]


def reading(at: datetime, provider: str = "acme") -> Reading:
    return readings.reading(
        at,
        provider,
        url="https://acme.test/prices",
        digest=f"digest-{at.isoformat()}",
        listings={"priced": 7, "unpriced": 2},
    )


def accept(
    review: Review, item: HeldChange, *, now: datetime = NOW, author: str = "ann"
) -> HeldChange:
    reason = "the page says so"
    (decided,) = review.decide(State.ACCEPTED, [item], author=author, reason=reason, now=now)
    return decided


def reject(review: Review, item: HeldChange, *, now: datetime = NOW) -> HeldChange:
    (decided,) = review.decide(State.REJECTED, [item], author="ann", reason="a slip", now=now)
    return decided


def shown_as(item: HeldChange, old: Known | None, new: Known | None) -> HeldChange:
    """The held change with other listings than it has."""
    return replace(item, change=replace(item.change, old=old, new=new))


def held_change(store: Store, review: Review) -> HeldChange:
    """CHEAP on the first day; DEAR on the second, held, and DEAR again on the third."""
    read_once(store, {"m": CHEAP}, DAY)
    read_once(store, {"m": DEAR}, NEXT, hold="m")
    read_once(store, {"m": DEAR}, AFTER, hold="m")
    (item,) = review.held("acme")
    return item


def in_force(store: Store, at: datetime, known_at: datetime | None = None) -> dict[str, Known]:
    return {s.model: s.listing for s in store.statements("acme", at=at, known_at=known_at)}


def actions(store: Store) -> list[str]:
    return [entry.action for entry in store.audit_log.entries(100)]


def test_a_price_that_moves_while_it_is_held_has_waited_since_its_first_move(
    store: Store, review: Review
) -> None:
    """Each value is another change, first read later. The wait is one, until nothing is held."""
    dearer = RateCard(
        {Meter.INPUT: Rate.of(4, Per.MILLION), Meter.OUTPUT: Rate.of(20, Per.MILLION)}
    )
    read_once(store, {"m": CHEAP}, DAY)
    for hours, card in ((6, DEAR), (12, dearer), (18, DEAR), (24, dearer)):
        read_once(store, {"m": card}, DAY + timedelta(hours=hours), hold={"m"})
    (item,) = review.held()
    first, last = DAY + timedelta(hours=6), DAY + timedelta(hours=24)
    assert (last, first) == (item.since, item.waits_since)
    assert {"acme": HeldCount(1, first)} == review.held_counts()
    read_once(store, {"m": CHEAP}, DAY + timedelta(hours=30))
    assert {} == review.held_counts()
    read_once(store, {"m": DEAR}, AFTER, hold={"m"})
    assert {"acme": HeldCount(1, AFTER)} == review.held_counts()


def test_a_held_change_names_the_reading_that_first_contained_it(
    store: Store, review: Review
) -> None:
    """With the URL, the digest and the number of models of its answer."""
    item = held_change(store, review)
    assert (NEXT, reading(NEXT).id, reading(NEXT).digest, "https://acme.test/prices", 9) == (
        item.since,
        item.reading_id,
        item.digest,
        item.url,
        item.listed,
    )
    assert (State.OPEN, None, ("band: input: far",)) == (item.state, item.decision, item.reasons)


# Accepting


def test_an_accepted_price_is_true_since_first_seen_and_known_since_accepted(
    store: Store, review: Review
) -> None:
    """A bill from before the acceptance can be explained: it used the card known then."""
    accept(review, held_change(store, review))
    just_before = NEXT - timedelta(microseconds=1)
    assert {"m": CHEAP} == in_force(store, just_before)
    assert {"m": DEAR} == in_force(store, NEXT)
    assert {"m": CHEAP} == in_force(store, NEXT, known_at=BEFORE)
    assert {"m": CHEAP} == in_force(store, NOW, known_at=BEFORE)
    assert {"m": DEAR} == in_force(store, NEXT, known_at=NOW)


def test_an_accepted_card_names_the_reading_that_first_contained_it(
    store: Store, review: Review
) -> None:
    """The old card ends and keeps its id. The new card has its own evidence."""
    item = held_change(store, review)
    (opened,) = store.history("acme", "m")
    accept(review, item)
    old, new = store.history("acme", "m")
    assert (opened.card_id, NEXT, CHEAP) == (old.card_id, old.until, old.listing)
    assert ("api", reading(NEXT).id, reading(NEXT).digest, NEXT, None) == (
        new.source,
        new.reading_id,
        new.digest,
        new.since,
        new.until,
    )
    assert new.card_id != old.card_id


def test_an_accepted_change_gets_a_decision_an_event_and_an_audit_entry(
    store: Store, review: Review
) -> None:
    """Each of them once, with the author, the time, the reason and the change."""
    item = held_change(store, review)
    decided = accept(review, item)
    assert [] == review.held("acme")
    assert [decided] == review.held("acme", state=State.ACCEPTED)
    assert (NOW, "ann", "the page says so") == (
        decided.decided_at,
        decided.decided_by,
        decided.decision,
    )
    _, kind, payload = store.outbox.pending()[-1]
    assert ("price.changed", 1, "ann", reading(NEXT).id) == (
        kind,
        payload["counts"]["changed"],
        payload["accepted_by"],
        payload["reading"],
    )
    (entry,) = store.audit_log.entries(10)
    assert (NOW, "ann", "accept", "acme", "m", item.id, "the page says so") == (
        entry.at,
        entry.who,
        entry.action,
        entry.provider,
        entry.model,
        entry.subject,
        entry.reason,
    )
    assert ("2.5", "3") == (
        entry.what["old"]["rates"]["input"],
        entry.what["new"]["rates"]["input"],
    )


def test_an_accepted_price_is_no_change_in_the_next_reading(store: Store, review: Review) -> None:
    """The next answer is equal to the ledger."""
    accept(review, held_change(store, review))
    plan = read_once(store, {"m": DEAR}, NOW + timedelta(days=1), hold="m")
    assert {} == {kind: count for kind, count in plan.counts().items() if count}


def test_an_accepted_new_model_opens_a_card(store: Store, review: Review) -> None:
    """The card begins when the model was first listed."""
    read_once(store, {"m": CHEAP}, DAY, hold="m")
    assert {} == in_force(store, DAY)
    (item,) = review.held()
    accept(review, item)
    assert {"m": CHEAP} == in_force(store, DAY)
    assert {} == in_force(store, DAY, known_at=BEFORE)
    assert [(DAY, None)] == [(s.since, s.until) for s in store.history("acme", "m")]


def test_an_accepted_vanishing_retires_the_model_since_it_was_first_missing(
    store: Store, review: Review
) -> None:
    """The acceptance replaces the second reading without the model."""
    read_once(store, {"m": CHEAP, "n": CHEAP}, DAY)
    read_once(store, {"n": CHEAP}, NEXT, hold="m")
    read_once(store, {"n": CHEAP}, AFTER, hold="m")
    (item,) = review.held()
    assert Kind.VANISHED is item.change.kind
    accept(review, item)
    assert {"n": CHEAP} == in_force(store, NEXT)
    assert {"m": CHEAP, "n": CHEAP} == in_force(store, NEXT, known_at=BEFORE)
    assert NEXT == store.ledger.known_models("acme")["m"].retired_at
    assert CHEAP == store.ledger.known_models("acme")["m"].listing
    assert 1 == store.outbox.pending()[-1][2]["counts"]["retired"]


def test_an_accepted_return_begins_a_new_card(store: Store, review: Review) -> None:
    """No price was true between retirement and return."""
    read_once(store, {"m": CHEAP, "n": CHEAP}, DAY)
    for day in (1, 2):
        read_once(store, {"n": CHEAP}, DAY + timedelta(days=day))
    back = DAY + timedelta(days=3)
    read_once(store, {"m": DEAR, "n": CHEAP}, back, hold="m")
    (item,) = review.held()
    assert Kind.RETURNED is item.change.kind
    accept(review, item)
    assert [(CHEAP, DAY, AFTER), (DEAR, back, None)] == [
        (s.listing, s.since, s.until) for s in store.history("acme", "m")
    ]
    assert None is store.ledger.known_models("acme")["m"].retired_at


def test_a_model_that_came_back_at_its_old_price_keeps_its_card(
    store: Store, review: Review
) -> None:
    """It was missing once and never retired, so its card never ended."""
    read_once(store, {"m": CHEAP, "n": CHEAP}, DAY)
    read_once(store, {"n": CHEAP}, NEXT)
    read_once(store, {"m": CHEAP, "n": CHEAP}, AFTER, hold="m")
    (item,) = review.held()
    assert (Kind.RETURNED, CHEAP, CHEAP) == (item.change.kind, item.change.old, item.change.new)
    accept(review, item)
    assert [(DAY, None)] == [
        (s.since, s.until) for s in store.history("acme", "m", everything=True)
    ]


def test_an_accepted_withdrawal_stores_that_there_is_no_price(store: Store, review: Review) -> None:
    """The new listing has a reason and no price: neither zero nor the old one."""
    read_once(store, {"m": CHEAP}, DAY)
    read_once(store, {"m": NO_PRICE}, NEXT, hold="m")
    accept(review, review.held()[0])
    assert {"m": NO_PRICE} == in_force(store, NEXT)
    assert NO_PRICE == store.ledger.known_models("acme")["m"].listing


def test_recorded_at_never_decreases_when_a_change_is_accepted(
    store: Store, review: Review
) -> None:
    """Not even when the machine's clock is set back by a year: it is after the change was read."""
    item = held_change(store, review)
    accept(review, item, now=DAY - timedelta(days=365))
    everything = store.history("acme", "m", everything=True)
    assert NEXT == max(s.recorded_at for s in everything)
    assert {"m": CHEAP} == in_force(store, NEXT, known_at=DAY)


# Refusals


@pytest.mark.parametrize(
    ("old", "new"),
    [(CHEAP, CHEAP), (DEAR, DEAR), (None, DEAR), (CHEAP, None), (CHEAP, NO_PRICE), (DEAR, CHEAP)],
)
def test_accepting_is_pinned_to_the_exact_values(
    store: Store, review: Review, old: Known | None, new: Known | None
) -> None:
    """A person who saw other values has not decided about these."""
    item = held_change(store, review)
    with pytest.raises(StaleHeldChange, match="not the change that was expected"):
        review.decide(
            State.ACCEPTED, [shown_as(item, old, new)], author="ann", reason="yes", now=NOW
        )
    assert {"m": CHEAP} == in_force(store, NOW)
    assert [item] == review.held()


def test_a_pin_with_the_smallest_difference_of_a_rate_is_refused(
    store: Store, review: Review
) -> None:
    """The difference is 10⁻¹⁵ of a dollar per token."""
    item = held_change(store, review)
    nearly = RateCard({Meter.INPUT: Rate(3_000_000_001), Meter.OUTPUT: Rate.of(15, Per.MILLION)})
    with pytest.raises(StaleHeldChange):
        review.decide(
            State.ACCEPTED,
            [shown_as(item, CHEAP, nearly)],
            author="ann",
            reason="yes",
            now=NOW,
        )


def test_a_change_that_lapsed_meanwhile_is_refused(store: Store, review: Review) -> None:
    """The new change of the model is another item, with its own id."""
    item = held_change(store, review)
    other = RateCard({Meter.INPUT: Rate.of(4, Per.MILLION)})
    read_once(store, {"m": other}, DAY + timedelta(days=3), hold="m")
    with pytest.raises(StaleHeldChange, match="it is lapsed by reading already"):
        accept(review, item)
    assert {"m": CHEAP} == in_force(store, NOW)


def test_a_change_is_refused_when_the_card_in_force_has_changed(
    store: Store, review: Review
) -> None:
    """The item is open, but it was held against another card."""
    item = held_change(store, review)
    other = RateCard({Meter.INPUT: Rate.of(4, Per.MILLION)})
    with store.transaction():
        change = Change("m", Kind.CHANGED, CHEAP, other)
        store.save_reading(reading(DAY + timedelta(days=3)), ChangePlan(apply=[change]))
    with pytest.raises(StaleHeldChange, match="the card in force is not the one"):
        accept(review, item)
    assert {"m": other} == in_force(store, NOW)


def test_a_change_is_refused_when_the_card_in_force_began_after_it(
    store: Store, review: Review
) -> None:
    """It is another card at the same price. It cannot end before it began."""
    item = held_change(store, review)
    with store.transaction():
        store.save_reading(
            reading(DAY + timedelta(days=3)),
            ChangePlan(apply=[Change("m", Kind.CHANGED, CHEAP, CHEAP)]),
        )
    with pytest.raises(StaleHeldChange, match="came into force after"):
        accept(review, item)


def test_a_decided_change_cannot_be_decided_again(store: Store, review: Review) -> None:
    """It can neither be accepted nor rejected."""
    item = held_change(store, review)
    reject(review, item)
    with pytest.raises(StaleHeldChange, match="rejected by ann already"):
        accept(review, item)
    with pytest.raises(StaleHeldChange, match="rejected by ann already"):
        reject(review, item)
    assert {"m": CHEAP} == in_force(store, NOW)


def test_one_of_two_simultaneous_acceptances_is_refused(
    tmp_path: Path, store: Store, review: Review
) -> None:
    """On two connections. The ledger changes once."""
    item = held_change(store, review)
    barrier = threading.Barrier(2)
    outcomes: list[str] = []

    def accept_as(author: str) -> None:
        with _open(tmp_path) as other:
            barrier.wait()
            try:
                accept(other.review, item, author=author)
                outcomes.append("accepted")
            except StaleHeldChange:
                outcomes.append("refused")

    threads = [threading.Thread(target=accept_as, args=(name,)) for name in ("ann", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ["accepted", "refused"] == sorted(outcomes)
    assert [CHEAP, DEAR] == [s.listing for s in store.history("acme", "m")]
    assert ["accept", "accept_refused"] == sorted(actions(store))


def test_a_refusal_is_audited(store: Store, review: Review) -> None:
    """The entry has the author, the attempted decision and the refusal. Nothing else is stored."""
    item = held_change(store, review)
    with pytest.raises(StaleHeldChange):
        review.decide(
            State.ACCEPTED,
            [shown_as(item, CHEAP, CHEAP)],
            author="bob",
            reason="hm",
            now=NOW,
        )
    (entry,) = store.audit_log.entries(10)
    assert ("bob", "accept_refused", "acme", "m", item.id, "hm") == (
        entry.who,
        entry.action,
        entry.provider,
        entry.model,
        entry.subject,
        entry.reason,
    )
    assert "not the change that was expected" in entry.what["refused"]
    assert "2.5" == entry.what["items"][0]["new"]["rates"]["input"]


@pytest.mark.parametrize(("author", "reason"), [("", "why"), ("ann", " ")])
def test_a_decision_without_an_author_or_a_reason_is_refused(
    store: Store, review: Review, author: str, reason: str
) -> None:
    """The refusal is audited too."""
    item = held_change(store, review)
    with pytest.raises(SettingsError, match="an author and a reason"):
        review.decide(
            State.ACCEPTED,
            [shown_as(item, CHEAP, DEAR)],
            author=author,
            reason=reason,
            now=NOW,
        )
    assert ["accept_refused"] == actions(store)
    assert [item] == review.held()


def test_an_unknown_id_is_refused(store: Store, review: Review) -> None:
    """The refusal is audited."""
    item = replace(held_change(store, review), id="nope")
    with pytest.raises(UnknownName, match="no such held change"):
        review.decide(State.ACCEPTED, [item], author="ann", reason="x", now=NOW)
    assert ["accept_refused"] == actions(store)


# Batches


def test_a_batch_is_accepted_in_one_transaction(store: Store, review: Review) -> None:
    """It adds one event, and an audit entry for each change."""
    read_once(store, {"a": CHEAP, "b": CHEAP, "c": CHEAP}, DAY)
    read_once(store, {"a": DEAR, "b": NO_PRICE}, NEXT, hold="abc")
    events = len(store.outbox.pending())
    review.decide(
        State.ACCEPTED,
        review.held(),
        author="ann",
        reason="all well",
        now=NOW,
    )
    assert {"a": DEAR, "b": NO_PRICE} == in_force(store, NEXT)
    (event,) = store.outbox.pending()[events:]
    assert (2, 1) == (event[2]["counts"]["changed"], event[2]["counts"]["retired"])
    assert {"a", "b", "c"} == {entry.model for entry in store.audit_log.entries(10)}


def test_one_stale_item_refuses_the_whole_batch(store: Store, review: Review) -> None:
    """All changes of a batch are accepted, or none."""
    read_once(store, {"a": CHEAP, "b": CHEAP}, DAY)
    read_once(store, {"a": DEAR, "b": DEAR}, NEXT, hold="ab")
    shown = review.held()
    read_once(store, {"a": DEAR, "b": CHEAP}, AFTER, hold="ab")
    with pytest.raises(StaleHeldChange, match="acme: b: "):
        review.decide(State.ACCEPTED, shown, author="ann", reason="all well", now=NOW)
    assert {"a": CHEAP, "b": CHEAP} == in_force(store, NOW)
    assert ["a"] == [item.change.model for item in review.held()]
    assert ["accept_refused"] == actions(store)


def test_a_change_shown_of_another_provider_is_refused(store: Store, review: Review) -> None:
    """Such an id is a mistake."""
    item = held_change(store, review)
    other = replace(item, provider="other")
    with pytest.raises(StaleHeldChange, match="not the change that was expected"):
        review.decide(State.ACCEPTED, [other], author="ann", reason="x", now=NOW)
    assert [item] == review.held()


def test_a_batch_may_hold_changes_of_several_providers(store: Store, review: Review) -> None:
    """Each one replaces the card of its own provider."""
    read_once(store, {"m": CHEAP}, DAY)
    read_once(store, {"m": DEAR}, NEXT, hold="m")
    read_once(store, {"m": DEAR}, DAY, provider="other")
    read_once(store, {"m": NO_PRICE}, NEXT, hold="m", provider="other")
    review.decide(State.ACCEPTED, review.held(), author="ann", reason="all well", now=NOW)
    assert [("acme", DEAR), ("other", NO_PRICE)] == [
        (statement.provider, statement.listing) for statement in store.statements(at=NOW)
    ]


def test_a_change_pinned_twice_is_decided_once(store: Store, review: Review) -> None:
    """It opens one card."""
    item = held_change(store, review)
    review.decide(
        State.ACCEPTED,
        [item, item],
        author="ann",
        reason="x",
        now=NOW,
    )
    assert 2 == len(store.history("acme", "m"))


# Rejecting


def test_a_rejected_change_is_neither_applied_nor_held_again(store: Store, review: Review) -> None:
    """A different change of the model is held as usual."""
    item = held_change(store, review)
    reject(review, item)
    assert [Change("m", Kind.CHANGED, CHEAP, DEAR)] == rejected(review)
    assert [] == rejected(review, "other")
    read_once(store, {"m": DEAR}, NOW + timedelta(days=1), hold="m")
    assert [] == review.held()
    assert {"m": CHEAP} == in_force(store, NOW + timedelta(days=1))
    read_once(store, {"m": NO_PRICE}, NOW + timedelta(days=2), hold="m")
    assert [NO_PRICE] == [other.change.new for other in review.held()]
    assert ["reject"] == actions(store)


# The ledger after any sequence of readings and decisions


_listings = st.sampled_from([CHEAP, DEAR, NO_PRICE, Unreadable("x")])
_models = st.sampled_from("abc")
_readings = st.tuples(
    st.just("read"), st.dictionaries(_models, _listings, max_size=3), st.frozensets(_models)
)
_decisions = st.tuples(
    st.sampled_from(["accept", "accept all", "reject"]), st.integers(0, 2), st.booleans()
)


@settings(
    max_examples=75,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(st.one_of(_readings, _readings, _decisions), min_size=2, max_size=14))
def test_no_two_cards_are_ever_true_and_known_at_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, object, object]]
) -> None:
    """For any listings, held changes and decisions, and with a wrong clock."""
    with databases.released(), _open(tmp_path_factory.mktemp("ledger")) as store:
        store.queue.insert_run(Run("run", "test", DAY, None, None, False, ("acme",)))
        review = store.review
        for number, (step, *how) in enumerate(steps):
            at = DAY + timedelta(days=number)
            if step == "read":
                read_once(store, how[0], at, hold=how[1])  # type: ignore[arg-type]
            else:
                # A person's clock may be wrong by any amount.
                _decide(review, step, how[0], at - timedelta(days=30) if how[1] else at)  # type: ignore[arg-type]
        for model in "abc":
            _assert_one_card_at_a_time(store.history("acme", model, everything=True))


def _decide(review: Review, step: str, number: int, now: datetime) -> None:
    items = review.held("acme")
    if step == "accept all":
        review.decide(State.ACCEPTED, items, author="ann", reason="x", now=now)
        assert {} == {
            item.change.model: item
            for item in items
            if _listing(review, item.change.model) != (item.change.new or item.change.old)
        }
    elif number < len(items):
        (accept if step == "accept" else reject)(review, items[number], now=now)


def _listing(review: Review, model: str) -> Known | None:
    return review._ledger.known_models("acme")[model].listing


def _assert_one_card_at_a_time(statements: list[Statement]) -> None:
    for one, other in combinations(statements, 2):
        true_together = _overlap((one.since, one.until), (other.since, other.until))
        known_together = _overlap(
            (one.recorded_at, one.superseded_at), (other.recorded_at, other.superseded_at)
        )
        assert not (true_together and known_together), (one, other)


def _overlap(
    one: tuple[datetime, datetime | None], other: tuple[datetime, datetime | None]
) -> bool:
    return (other[1] is None or one[0] < other[1]) and (one[1] is None or other[0] < one[1])


# Announcements


ANNOUNCED = Announced(
    model="m",
    meter=Meter.INPUT,
    old=Rate.of("2.5", Per.MILLION),
    new=Rate.of(5, Per.MILLION),
    not_before=NEXT,
)


def announce(store: Store, move: Announced = ANNOUNCED) -> str:
    added = store.announcements.add("acme", move, author="ann", reason="their blog", now=DAY)
    return added.id


@pytest.mark.parametrize(
    "move",
    [
        ANNOUNCED,
        replace(ANNOUNCED, old=None),
        replace(ANNOUNCED, old=Rate(0)),
        replace(ANNOUNCED, when=When(min_input_tokens=200_001, service_tier="batch")),
        replace(ANNOUNCED, when=When(hours=(990, 30), weekdays=frozenset({6, 7}))),
    ],
)
def test_an_announcement_is_stored_exactly(store: Store, move: Announced) -> None:
    """With its exact rates and its condition. No old rate is not a zero."""
    announce(store, move)
    assert (move,) == store.announcements.due("acme", NEXT)


def test_an_announcement_does_not_apply_before_its_time(store: Store) -> None:
    """It does not apply to another provider either."""
    announce(store)
    assert () == store.announcements.due("acme", NEXT - timedelta(microseconds=1))
    assert (ANNOUNCED,) == store.announcements.due("acme", NEXT)
    assert () == store.announcements.due("other", NEXT)


def test_an_announcement_is_used_once(store: Store) -> None:
    """It then names the reading that used it. The same move can be announced again."""
    announcement_id = announce(store)
    with store.transaction():
        store.announcements.consume("acme", [ANNOUNCED], "reading", AFTER)
    assert () == store.announcements.due("acme", AFTER)
    assert [] == store.announcements.find("acme")
    (entry,) = store.announcements.find("acme", include_used=True)
    assert (announcement_id, AFTER, "reading", False) == (
        entry.id,
        entry.used_at,
        entry.used_by,
        entry.is_open,
    )
    assert {"announce", "announcement_used"} == set(actions(store))
    announce(store)
    assert (ANNOUNCED,) == store.announcements.due("acme", AFTER)


def test_a_reading_that_fails_uses_no_announcement(store: Store) -> None:
    """An announcement is marked as used in the reading's transaction."""
    announce(store)
    with pytest.raises(RuntimeError), store.transaction():
        store.announcements.consume("acme", [ANNOUNCED], "reading", AFTER)
        raise RuntimeError
    assert (ANNOUNCED,) == store.announcements.due("acme", AFTER)


def test_only_the_exact_move_is_used(store: Store) -> None:
    """With its exact rates, and of its provider."""
    other = replace(ANNOUNCED, new=Rate.of(6, Per.MILLION))
    announce(store)
    announce(store, other)
    with store.transaction():
        store.announcements.consume("other", [ANNOUNCED], "reading", AFTER)
        store.announcements.consume("acme", [other], "reading", AFTER)
    assert (ANNOUNCED,) == store.announcements.due("acme", AFTER)


def test_an_announcement_can_be_ended_once(store: Store) -> None:
    """It does not apply afterwards."""
    announcement_id = announce(store)
    ended = store.announcements.end(announcement_id, author="ann", reason="postponed", now=AFTER)
    assert AFTER == ended.ended_at
    assert () == store.announcements.due("acme", AFTER)
    with pytest.raises(UnknownName, match="no announcement yet to come"):
        store.announcements.end(announcement_id, author="ann", reason="again", now=AFTER)
    assert ["announce", "unannounce", "unannounce_refused"] == sorted(actions(store))


@pytest.mark.parametrize(
    ("move", "message"),
    [
        (replace(ANNOUNCED, new=ANNOUNCED.old or Rate(0)), "nothing moves"),
        (replace(ANNOUNCED, not_before=AFTER), "announced already"),
    ],
)
def test_an_announcement_without_a_new_move_is_refused(
    store: Store, move: Announced, message: str
) -> None:
    """A move that is announced twice could be used twice."""
    announce(store)
    with pytest.raises(SettingsError, match=message):
        announce(store, move)
    assert ["announce", "announce_refused"] == sorted(actions(store))
    assert (ANNOUNCED,) == store.announcements.due("acme", AFTER)


# The audit log


def test_the_audit_log_is_read_page_by_page_from_the_newest(store: Store, review: Review) -> None:
    """The next page begins after the last id of a page."""
    item = held_change(store, review)
    for day in range(3):
        with pytest.raises(PricingSyncError):
            review.decide(
                State.ACCEPTED,
                [shown_as(item, None, None)],
                author=f"ann {day}",
                reason="x",
                now=NOW + timedelta(days=day),
            )
    newest, middle = store.audit_log.entries(2)
    (oldest,) = store.audit_log.entries(2, before=middle.id)
    assert ["ann 2", "ann 1", "ann 0"] == [newest.who, middle.who, oldest.who]
