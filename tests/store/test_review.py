"""What a person decides about held changes, and what the ledger then says of both clocks."""

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
from pricing_sync.changes.plan import ChangePlan, plan_changes
from pricing_sync.changes.run import Reading, Run, Status
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
from pricing_sync.store.review import HeldChange, PinnedChange, Review, State

DAY = datetime(2026, 7, 17, 12, tzinfo=UTC)
NEXT, AFTER = DAY + timedelta(days=1), DAY + timedelta(days=2)
#: When the person decides, and just before.
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
    return open_store(f"sqlite:///{folder / 'prices.db'}", create=True)


def read_once(
    store: Store, listings: dict[str, Listing], at: datetime, hold: Collection[str] = ()
) -> ChangePlan:
    """One reading of acme, by the steps of a real one, with a gate that holds what it is told."""
    answer = Answer(listings)
    with store.transaction():
        stored = store.known_models("acme")
        changes = diff(stored, answer)
        decision = plan_changes(
            changes,
            {change.model: ("band: input: far",) for change in changes if change.model in hold},
            stored,
            answer,
            open_held={item.change.model: item.change for item in store.review.held("acme")},
            rejected=[change for said in store.review.rejected("acme").values() for change in said],
        )
        store.save_reading(reading(at), decision)
    return decision


def reading(at: datetime) -> Reading:
    return Reading(
        id=f"reading-{at.isoformat()}",
        run_id="run",
        provider="acme",
        at=at,
        started_at=at,
        finished_at=at,
        status=Status.READ,
        url="https://acme.test/prices",
        digest=f"digest-{at.isoformat()}",
        decoder="1",
        listings={"priced": 7, "unpriced": 2},
    )


def accept(
    review: Review, item: HeldChange, *, now: datetime = NOW, author: str = "ann"
) -> HeldChange:
    pins, reason = [PinnedChange.of(item)], "the page says so"
    (decided,) = review.decide(State.ACCEPTED, pins, author=author, reason=reason, now=now)
    return decided


def reject(review: Review, item: HeldChange, *, now: datetime = NOW) -> HeldChange:
    pins = [PinnedChange.of(item)]
    (decided,) = review.decide(State.REJECTED, pins, author="ann", reason="a slip", now=now)
    return decided


def shown(items: list[HeldChange]) -> list[PinnedChange]:
    return [PinnedChange.of(item) for item in items]


def held_change(store: Store, review: Review) -> HeldChange:
    """CHEAP on the first day; DEAR since the second, held, and still so on the third."""
    read_once(store, {"m": CHEAP}, DAY)
    read_once(store, {"m": DEAR}, NEXT, hold="m")
    read_once(store, {"m": DEAR}, AFTER, hold="m")
    (item,) = review.held("acme")
    return item


def in_force(store: Store, at: datetime, known_at: datetime | None = None) -> dict[str, Known]:
    return {s.model: s.listing for s in store.statements("acme", at=at, known_at=known_at)}


def actions(review: Review) -> list[str]:
    return [entry.action for entry in review.audit_log(100)]


def test_an_item_names_the_reading_it_was_first_seen_in(store: Store, review: Review) -> None:
    """With the address, the bytes and the size of that answer."""
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
    """What was billed in between stays explicable: it was right by what was known then."""
    accept(review, held_change(store, review))
    just_before = NEXT - timedelta(microseconds=1)
    assert {"m": CHEAP} == in_force(store, just_before)
    assert {"m": DEAR} == in_force(store, NEXT)
    assert {"m": CHEAP} == in_force(store, NEXT, known_at=BEFORE)
    assert {"m": CHEAP} == in_force(store, NOW, known_at=BEFORE)
    assert {"m": DEAR} == in_force(store, NEXT, known_at=NOW)


def test_an_accepted_card_leads_to_the_reading_that_first_said_so(
    store: Store, review: Review
) -> None:
    """The old card is closed under its own id, the new one has its evidence."""
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


def test_an_accepted_change_is_decided_told_and_audited(store: Store, review: Review) -> None:
    """Who, when, why and what; and once only."""
    item = held_change(store, review)
    decided = accept(review, item)
    assert [] == review.held("acme")
    assert [decided] == review.held("acme", state=State.ACCEPTED)
    assert (NOW, "ann", "the page says so") == (
        decided.decided_at,
        decided.decided_by,
        decided.decision,
    )
    _, kind, payload = store.pending_events()[-1]
    assert ("prices.changed", 1, "ann", reading(NEXT).id) == (
        kind,
        payload["changes"]["changed"],
        payload["accepted_by"],
        payload["reading"],
    )
    (entry,) = review.audit_log(10)
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


def test_what_was_accepted_is_no_change_any_more(store: Store, review: Review) -> None:
    """The provider's next answer agrees with the ledger."""
    accept(review, held_change(store, review))
    decision = read_once(store, {"m": DEAR}, NOW + timedelta(days=1), hold="m")
    assert {} == {kind: count for kind, count in decision.counts().items() if count}


def test_an_accepted_new_model_opens_a_card(store: Store, review: Review) -> None:
    """Since it was first listed."""
    read_once(store, {"m": CHEAP}, DAY, hold="m")
    assert {} == in_force(store, DAY)
    (item,) = review.held()
    accept(review, item)
    assert {"m": CHEAP} == in_force(store, DAY)
    assert {} == in_force(store, DAY, known_at=BEFORE)
    assert [(DAY, None)] == [(s.since, s.until) for s in store.history("acme", "m")]


def test_an_accepted_vanishing_retires_the_model_since_it_was_first_missed(
    store: Store, review: Review
) -> None:
    """The person is the second witness of what the first answer without it said."""
    read_once(store, {"m": CHEAP, "n": CHEAP}, DAY)
    read_once(store, {"n": CHEAP}, NEXT, hold="m")
    read_once(store, {"n": CHEAP}, AFTER, hold="m")
    (item,) = review.held()
    assert Kind.VANISHED is item.change.kind
    accept(review, item)
    assert {"n": CHEAP} == in_force(store, NEXT)
    assert {"m": CHEAP, "n": CHEAP} == in_force(store, NEXT, known_at=BEFORE)
    assert NEXT == store.known_models("acme")["m"].retired_at
    assert CHEAP == store.known_models("acme")["m"].listing
    assert 1 == store.pending_events()[-1][2]["changes"]["retired"]


def test_an_accepted_return_begins_a_new_card(store: Store, review: Review) -> None:
    """Between retirement and return no price was true."""
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
    assert None is store.known_models("acme")["m"].retired_at


def test_a_model_that_came_back_at_its_old_price_keeps_its_card(
    store: Store, review: Review
) -> None:
    """It was missing once and never retired: nothing ended, so nothing begins."""
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
    """No price known, and the reason; not zero and not the old one."""
    read_once(store, {"m": CHEAP}, DAY)
    read_once(store, {"m": NO_PRICE}, NEXT, hold="m")
    accept(review, review.held()[0])
    assert {"m": NO_PRICE} == in_force(store, NEXT)
    assert NO_PRICE == store.known_models("acme")["m"].listing


def test_knowledge_never_runs_backwards_when_a_person_accepts(store: Store, review: Review) -> None:
    """Though the machine's clock went back by a year."""
    item = held_change(store, review)
    accept(review, item, now=DAY - timedelta(days=365))
    everything = store.history("acme", "m", everything=True)
    assert DAY + timedelta(microseconds=1) == max(s.recorded_at for s in everything)
    assert {"m": CHEAP} == in_force(store, NEXT, known_at=DAY)


# Refusals


@pytest.mark.parametrize(
    ("old", "new"),
    [(CHEAP, CHEAP), (DEAR, DEAR), (None, DEAR), (CHEAP, None), (CHEAP, NO_PRICE), (DEAR, CHEAP)],
)
def test_accepting_is_pinned_to_the_exact_values(
    store: Store, review: Review, old: Known | None, new: Known | None
) -> None:
    """Whoever looked at other values has not judged these."""
    item = held_change(store, review)
    with pytest.raises(StaleHeldChange, match="not the change that was expected"):
        review.decide(
            State.ACCEPTED, [PinnedChange(item.id, old, new)], author="ann", reason="yes", now=NOW
        )
    assert {"m": CHEAP} == in_force(store, NOW)
    assert [item] == review.held()


def test_a_rate_that_differs_by_the_smallest_step_is_another_one(
    store: Store, review: Review
) -> None:
    """10⁻¹⁵ of a dollar per token."""
    item = held_change(store, review)
    nearly = RateCard({Meter.INPUT: Rate(3_000_000_001), Meter.OUTPUT: Rate.of(15, Per.MILLION)})
    with pytest.raises(StaleHeldChange):
        review.decide(
            State.ACCEPTED,
            [PinnedChange(item.id, CHEAP, nearly)],
            author="ann",
            reason="yes",
            now=NOW,
        )


def test_what_the_provider_has_changed_meanwhile_is_refused(store: Store, review: Review) -> None:
    """The item that was looked at lapsed, and its successor has another id."""
    item = held_change(store, review)
    other = RateCard({Meter.INPUT: Rate.of(4, Per.MILLION)})
    read_once(store, {"m": other}, DAY + timedelta(days=3), hold="m")
    with pytest.raises(StaleHeldChange, match="it is lapsed by reading already"):
        accept(review, item)
    assert {"m": CHEAP} == in_force(store, NOW)


def test_a_card_that_has_changed_meanwhile_is_refused(store: Store, review: Review) -> None:
    """The item is open, and yet the card in force is not the one it was judged against."""
    item = held_change(store, review)
    other = RateCard({Meter.INPUT: Rate.of(4, Per.MILLION)})
    with store.transaction():
        change = Change("m", Kind.CHANGED, CHEAP, other)
        store.save_reading(reading(DAY + timedelta(days=3)), ChangePlan(apply=[change]))
    with pytest.raises(StaleHeldChange, match="the card in force is not the one"):
        accept(review, item)
    assert {"m": other} == in_force(store, NOW)


def test_a_card_that_began_after_the_change_was_seen_is_refused(
    store: Store, review: Review
) -> None:
    """The same price, but another card: it cannot be cut short before it began."""
    item = held_change(store, review)
    with store.transaction():
        store.save_reading(
            reading(DAY + timedelta(days=3)),
            ChangePlan(apply=[Change("m", Kind.CHANGED, CHEAP, CHEAP)]),
        )
    with pytest.raises(StaleHeldChange, match="came into force after"):
        accept(review, item)


def test_what_is_decided_is_not_decided_again(store: Store, review: Review) -> None:
    """Neither way."""
    item = held_change(store, review)
    reject(review, item)
    with pytest.raises(StaleHeldChange, match="rejected by ann already"):
        accept(review, item)
    with pytest.raises(StaleHeldChange, match="rejected by ann already"):
        reject(review, item)
    assert {"m": CHEAP} == in_force(store, NOW)


def test_of_two_who_accept_at_once_one_is_refused(
    tmp_path: Path, store: Store, review: Review
) -> None:
    """On two connections; the ledger is amended once."""
    item = held_change(store, review)
    both = threading.Barrier(2)
    outcomes: list[str] = []

    def decide_too(author: str) -> None:
        with _open(tmp_path) as other:
            both.wait()
            try:
                accept(other.review, item, author=author)
                outcomes.append("accepted")
            except StaleHeldChange:
                outcomes.append("refused")

    threads = [threading.Thread(target=decide_too, args=(name,)) for name in ("ann", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ["accepted", "refused"] == sorted(outcomes)
    assert [CHEAP, DEAR] == [s.listing for s in store.history("acme", "m")]
    assert ["accept", "accept_refused"] == sorted(actions(review))


def test_a_refusal_is_audited(store: Store, review: Review) -> None:
    """Who tried what and why not, though nothing else of the attempt remains."""
    item = held_change(store, review)
    with pytest.raises(StaleHeldChange):
        review.decide(
            State.ACCEPTED,
            [PinnedChange(item.id, CHEAP, CHEAP)],
            author="bob",
            reason="hm",
            now=NOW,
        )
    (entry,) = review.audit_log(10)
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
def test_nobody_decides_without_a_name_or_a_reason(
    store: Store, review: Review, author: str, reason: str
) -> None:
    """And that is audited too."""
    item = held_change(store, review)
    with pytest.raises(SettingsError, match="an author and a reason"):
        review.decide(
            State.ACCEPTED,
            [PinnedChange(item.id, CHEAP, DEAR)],
            author=author,
            reason=reason,
            now=NOW,
        )
    assert ["accept_refused"] == actions(review)
    assert [item] == review.held()


def test_an_id_that_nothing_has_is_refused(review: Review) -> None:
    """And audited, though there is no model to name."""
    with pytest.raises(UnknownName, match="no such held change"):
        review.decide(
            State.ACCEPTED, [PinnedChange("nope", None, None)], author="ann", reason="x", now=NOW
        )
    assert ["accept_refused"] == actions(review)


# Batches


def test_a_batch_counts_as_a_whole(store: Store, review: Review) -> None:
    """One transaction, one event, an audit entry each."""
    read_once(store, {"a": CHEAP, "b": CHEAP, "c": CHEAP}, DAY)
    read_once(store, {"a": DEAR, "b": NO_PRICE}, NEXT, hold="abc")
    events = len(store.pending_events())
    review.decide(
        State.ACCEPTED,
        provider="acme",
        pinned=shown(review.held()),
        author="ann",
        reason="all well",
        now=NOW,
    )
    assert {"a": DEAR, "b": NO_PRICE} == in_force(store, NEXT)
    (event,) = store.pending_events()[events:]
    assert (2, 1) == (event[2]["changes"]["changed"], event[2]["changes"]["retired"])
    assert {"a", "b", "c"} == {entry.model for entry in review.audit_log(10)}


def test_one_stale_item_refuses_the_whole_batch(store: Store, review: Review) -> None:
    """What was looked at together is decided together."""
    read_once(store, {"a": CHEAP, "b": CHEAP}, DAY)
    read_once(store, {"a": DEAR, "b": DEAR}, NEXT, hold="ab")
    seen = shown(review.held())
    read_once(store, {"a": DEAR, "b": CHEAP}, AFTER, hold="ab")
    with pytest.raises(StaleHeldChange, match="acme: b: "):
        review.decide(
            State.ACCEPTED, provider="acme", pinned=seen, author="ann", reason="all well", now=NOW
        )
    assert {"a": CHEAP, "b": CHEAP} == in_force(store, NOW)
    assert ["a"] == [item.change.model for item in review.held()]
    assert ["accept_refused"] == actions(review)


def test_a_batch_takes_only_its_own_provider(store: Store, review: Review) -> None:
    """An id of another one is a mistake."""
    item = held_change(store, review)
    with pytest.raises(UnknownName, match="other: "):
        review.decide(
            State.ACCEPTED,
            provider="other",
            pinned=shown([item]),
            author="ann",
            reason="x",
            now=NOW,
        )
    assert [item] == review.held()


def test_an_item_shown_twice_is_decided_once(store: Store, review: Review) -> None:
    """And opens one card."""
    item = held_change(store, review)
    review.decide(
        State.ACCEPTED,
        provider="acme",
        pinned=shown([item, item]),
        author="ann",
        reason="x",
        now=NOW,
    )
    assert 2 == len(store.history("acme", "m"))


# Rejecting


def test_a_rejected_change_neither_counts_nor_waits_again(store: Store, review: Review) -> None:
    """Exactly it; another one is judged afresh."""
    item = held_change(store, review)
    reject(review, item)
    assert {"m": [Change("m", Kind.CHANGED, CHEAP, DEAR)]} == review.rejected("acme")
    assert {} == review.rejected("other")
    read_once(store, {"m": DEAR}, NOW + timedelta(days=1), hold="m")
    assert [] == review.held()
    assert {"m": CHEAP} == in_force(store, NOW + timedelta(days=1))
    read_once(store, {"m": NO_PRICE}, NOW + timedelta(days=2), hold="m")
    assert [NO_PRICE] == [other.change.new for other in review.held()]
    assert ["reject"] == actions(review)


# The two clocks, whatever happens


_listings = st.sampled_from([CHEAP, DEAR, NO_PRICE, Unreadable("x")])
_models = st.sampled_from("abc")
_readings = st.tuples(
    st.just("read"), st.dictionaries(_models, _listings, max_size=3), st.frozensets(_models)
)
_decisions = st.tuples(
    st.sampled_from(["accept", "accept all", "reject"]), st.integers(0, 2), st.booleans()
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(st.one_of(_readings, _readings, _decisions), min_size=2, max_size=14))
def test_no_two_cards_are_ever_true_and_known_at_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, object, object]]
) -> None:
    """Whatever providers list, the gate holds and people decide, by whichever clock."""
    with _open(tmp_path_factory.mktemp("ledger")) as store:
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
        review.decide(
            State.ACCEPTED, provider="acme", pinned=shown(items), author="ann", reason="x", now=now
        )
        assert {} == {
            item.change.model: item
            for item in items
            if _listing(review, item.change.model) != (item.change.new or item.change.old)
        }
    elif number < len(items):
        (accept if step == "accept" else reject)(review, items[number], now=now)


def _listing(review: Review, model: str) -> Known | None:
    return review._current_cards("acme")[model].listing


def _assert_one_card_at_a_time(statements: list[Statement]) -> None:
    for one, other in combinations(statements, 2):
        true_together = _meet((one.since, one.until), (other.since, other.until))
        known_together = _meet(
            (one.recorded_at, one.superseded_at), (other.recorded_at, other.superseded_at)
        )
        assert not (true_together and known_together), (one, other)


def _meet(one: tuple[datetime, datetime | None], other: tuple[datetime, datetime | None]) -> bool:
    return (other[1] is None or one[0] < other[1]) and (one[1] is None or other[0] < one[1])


# Announcements


ANNOUNCED = Announced(
    model="m",
    meter=Meter.INPUT,
    old=Rate.of("2.5", Per.MILLION),
    new=Rate.of(5, Per.MILLION),
    not_before=NEXT,
)


def announce(review: Review, move: Announced = ANNOUNCED) -> str:
    made = review.announce("acme", move, author="ann", reason="their blog", now=DAY)
    return made.id


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
def test_an_announcement_comes_back_as_it_was_made(review: Review, move: Announced) -> None:
    """To the digit, with its condition; none is not zero."""
    announce(review, move)
    assert (move,) == review.announced("acme", NEXT)


def test_an_announcement_is_not_true_before_its_time(review: Review) -> None:
    """Nor for another provider."""
    announce(review)
    assert () == review.announced("acme", NEXT - timedelta(microseconds=1))
    assert (ANNOUNCED,) == review.announced("acme", NEXT)
    assert () == review.announced("other", NEXT)


def test_an_announcement_passes_once(store: Store, review: Review) -> None:
    """Then it is struck, with the reading that it let through, and may be made again."""
    made = announce(review)
    with store.transaction():
        review.consume("acme", [ANNOUNCED], "reading", AFTER)
    assert () == review.announced("acme", AFTER)
    assert [] == review.announcements("acme")
    (entry,) = review.announcements("acme", include_used=True)
    assert (made, AFTER, "reading", False) == (
        entry.id,
        entry.used_at,
        entry.used_by,
        entry.is_open,
    )
    assert {"announce", "announcement_used"} == set(actions(review))
    announce(review)
    assert (ANNOUNCED,) == review.announced("acme", AFTER)


def test_a_reading_that_fails_uses_no_announcement(store: Store, review: Review) -> None:
    """It is struck in the reading's transaction."""
    announce(review)
    with pytest.raises(RuntimeError), store.transaction():
        review.consume("acme", [ANNOUNCED], "reading", AFTER)
        raise RuntimeError
    assert (ANNOUNCED,) == review.announced("acme", AFTER)


def test_only_what_came_true_is_struck(store: Store, review: Review) -> None:
    """To the digit, and of that provider."""
    other = replace(ANNOUNCED, new=Rate.of(6, Per.MILLION))
    announce(review)
    announce(review, other)
    with store.transaction():
        review.consume("other", [ANNOUNCED], "reading", AFTER)
        review.consume("acme", [other], "reading", AFTER)
    assert (ANNOUNCED,) == review.announced("acme", AFTER)


def test_an_announcement_can_be_taken_back_once(review: Review) -> None:
    """And is not used afterwards."""
    made = announce(review)
    ended = review.end_announcement(made, author="ann", reason="postponed", now=AFTER)
    assert AFTER == ended.ended_at
    assert () == review.announced("acme", AFTER)
    with pytest.raises(UnknownName, match="no announcement yet to come"):
        review.end_announcement(made, author="ann", reason="again", now=AFTER)
    assert ["announce", "unannounce", "unannounce_refused"] == sorted(actions(review))


@pytest.mark.parametrize(
    ("move", "says"),
    [
        (replace(ANNOUNCED, new=ANNOUNCED.old or Rate(0)), "nothing moves"),
        (replace(ANNOUNCED, not_before=AFTER), "announced already"),
    ],
)
def test_an_announcement_that_says_nothing_new_is_refused(
    review: Review, move: Announced, says: str
) -> None:
    """Twice announced it would pass twice."""
    announce(review)
    with pytest.raises(SettingsError, match=says):
        announce(review, move)
    assert ["announce", "announce_refused"] == sorted(actions(review))
    assert (ANNOUNCED,) == review.announced("acme", AFTER)


# The audit log


def test_the_audit_log_is_read_page_by_page_from_the_newest(store: Store, review: Review) -> None:
    """The last id of a page is where the next one begins."""
    item = held_change(store, review)
    for day in range(3):
        with pytest.raises(PricingSyncError):
            review.decide(
                State.ACCEPTED,
                [PinnedChange(item.id, None, None)],
                author=f"ann {day}",
                reason="x",
                now=NOW + timedelta(days=day),
            )
    newest, middle = review.audit_log(2)
    (oldest,) = review.audit_log(2, before=middle.id)
    assert ["ann 2", "ann 1", "ann 0"] == [newest.who, middle.who, oldest.who]
