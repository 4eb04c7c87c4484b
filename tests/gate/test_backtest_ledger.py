"""The operator's ledger, split into the readings that made it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pricing_sync.changes.diff import Change, Kind
from pricing_sync.gate import Quote, Thresholds, peers
from pricing_sync.gate.fates import Fate
from pricing_sync.gate.ledger_replay import from_ledger, replay_ledger
from pricing_sync.prices.rates import Meter, Per, Rate, RateCard, Unpriced, Why
from pricing_sync.prices.statements import Statement

import cards

DAY = datetime(2026, 7, 17, tzinfo=UTC)


def card(amount: str) -> RateCard:
    return RateCard(
        {Meter.INPUT: Rate.of(amount, Per.MILLION), Meter.OUTPUT: Rate.of("20", Per.MILLION)}
    )


def statement(
    model: str,
    listing: RateCard | Unpriced,
    since: int,
    until: int | None = None,
    provider: str = "acme",
    source: str = "api",
) -> Statement:
    """A statement in force from day *since* until day *until*."""
    return cards.statement(
        model,
        listing,
        DAY + timedelta(days=since),
        card_id=f"{model}-{since}",
        provider=provider,
        until=None if until is None else DAY + timedelta(days=until),
        source=source,
        reading_id=f"reading-{since}",
    )


ONE, TWO, FIVE = card("1"), card("2"), card("5")


def test_cards_with_the_same_start_are_one_reading() -> None:
    """Before the first reading nothing is listed."""
    (reading,) = from_ledger([statement("a", ONE, 0), statement("b", TWO, 0)])
    assert [
        Change("a", Kind.ADDED, None, ONE),
        Change("b", Kind.ADDED, None, TWO),
    ] == reading.changes
    context = reading.context
    assert ("acme", DAY, True) == (context.provider, context.at, context.first_reading)
    assert (0, 0, True) == (context.listed, context.priced, context.trusted)


def test_consecutive_cards_are_a_change() -> None:
    """Its context counts the models listed and priced before it."""
    unpriced = Unpriced(Why.VARIES)
    history = [
        statement("a", TWO, 1),
        statement("a", ONE, 0, until=1),
        statement("b", unpriced, 0),
        statement("c", ONE, 2),
    ]
    _, second, third = from_ledger(history)
    assert [Change("a", Kind.CHANGED, ONE, TWO)] == second.changes
    assert (2, 1, False) == (
        second.context.listed,
        second.context.priced,
        second.context.first_reading,
    )
    assert (2, 1) == (third.context.listed, third.context.priced)


def test_a_card_that_ends_without_a_successor_is_a_vanished_model() -> None:
    """A model whose card starts again later has returned."""
    history = [statement("a", ONE, 0, until=1), statement("a", TWO, 3), statement("b", ONE, 0)]
    _, vanished, returned = from_ledger(history)
    assert [Change("a", Kind.VANISHED, ONE, None)] == vanished.changes
    assert [Change("a", Kind.RETURNED, ONE, TWO)] == returned.changes
    assert (2, 1) == (vanished.context.listed, returned.context.listed)


def test_anchors_are_the_cards_of_a_week_ago() -> None:
    """A model without a card at that time has no anchor."""
    history = [
        statement("a", ONE, 0, until=30),
        statement("a", TWO, 30, until=40),
        statement("a", FIVE, 40),
        statement("b", ONE, 39),
    ]
    last = from_ledger(history)[-1]
    assert {"a": TWO} == last.context.anchors.days_7


def test_providers_do_not_mix() -> None:
    """Two providers at one instant are two readings, ordered by time and then by name."""
    history = [
        statement("a", ONE, 0, provider="other", source="catalog"),
        statement("a", ONE, 0),
        statement("a", ONE, -1, provider="third"),
    ]
    found = from_ledger(history)
    assert ["third", "acme", "other"] == [reading.context.provider for reading in found]
    assert [True, True, False] == [reading.context.trusted for reading in found]


def test_only_a_model_with_a_free_id_may_be_zero() -> None:
    """It may not be zero when the model had a price before."""
    history = [
        statement("a:free", ONE, 0, until=1),
        statement("a:free", TWO, 1),
        statement("b:free", ONE, 1),
    ]
    first, second = from_ledger(history)
    assert [{"a:free"}, {"b:free"}] == [set(first.context.free), set(second.context.free)]


def test_the_context_has_the_peers_of_its_provider_and_model() -> None:
    """Peers of other providers are left out."""
    known = peers([Quote("seller", "a catalog", ONE)])
    (reading,) = from_ledger([statement("a", ONE, 0)], {("acme", "a"): known, ("x", "a"): {}})
    assert {"a": known} == reading.context.peers


def test_the_ledger_can_be_judged_by_other_thresholds() -> None:
    """A rise by a factor of 2.5 passes the default band, and a narrower band holds it."""
    history = [statement("a", TWO, 0, until=1), statement("a", FIVE, 1)]
    history += [statement(f"b{n}", ONE, 0) for n in range(20)]
    readings = from_ledger(history)
    assert {Fate.AT_ONCE} == {entry.fate for entry in replay_ledger(readings)}
    narrow = list(replay_ledger(readings, Thresholds(band_up=2)))
    assert [("a", "changed", Fate.HELD, ("band",))] == [
        (entry.record["model"], entry.record["kind"], entry.fate, entry.reasons)
        for entry in narrow
        if entry.fate is not Fate.AT_ONCE
    ]


def test_changes_that_wait_are_judged_in_their_reading() -> None:
    """A ledger has only what counted. Without them a frozen provider is "100 % at once"."""
    history = [statement(model, ONE, 0) for model in "ab"] + [statement("c", ONE, 1)]
    wrong = Change("a", Kind.CHANGED, ONE, card("1000"))
    waiting = {"acme": [(DAY + timedelta(days=1), wrong), (DAY + timedelta(days=2), wrong)]}
    readings = from_ledger(history, waiting=waiting)
    assert [[], [wrong], [wrong]] == [[c for c in r.changes if c is wrong] for r in readings]
    assert [Fate.AT_ONCE, Fate.AT_ONCE, Fate.AT_ONCE, Fate.HELD, Fate.HELD] == sorted(
        entry.fate for entry in replay_ledger(readings)
    )


def test_a_return_in_the_ledger_passes() -> None:
    """The card of a few days before had been in force for a day."""
    history = [
        statement("a", FIVE, 0, until=5),
        statement("a", ONE, 5, until=7),
        statement("a", FIVE, 7),
        *(statement(f"b{n}", ONE, 0) for n in range(20)),
    ]
    assert {Fate.AT_ONCE} == {entry.fate for entry in replay_ledger(from_ledger(history))}
    assert [FIVE, ONE] == from_ledger(history)[-1].context.anchors.recent["a"]


def test_an_empty_ledger_has_no_readings() -> None:
    """There are no changes to judge either."""
    assert [] == from_ledger([])
    assert [] == list(replay_ledger([]))
