"""What a reading does, decided from plain data, and how that data is collected."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.changes.diff import Change, Kind, Stored
from pricing_sync.changes.held import HeldChange
from pricing_sync.changes.run import Reading, Status
from pricing_sync.gate import Quote, Thresholds, peers
from pricing_sync.prices.rates import Answer, Meter, Per, Rate, RateCard
from pricing_sync.settings import Settings
from pricing_sync.sources.provider import read_answer
from pricing_sync.sources.providers import find
from pricing_sync.store import Store
from pricing_sync.sync.decide import StoredFacts, decide
from pricing_sync.sync.gather import gather
from pricing_sync.sync.recorded import RecordedAnswer

from built import catalogue
from counting import counted
from databases import database_url
from invented_readings import reading

PROVIDER, THRESHOLDS = find("openrouter"), Thresholds()
DAY = datetime(2026, 7, 17, 12, tzinfo=UTC)
NEXT = DAY + timedelta(days=1)
READING = reading(DAY, "openrouter", id="r", status=Status.FAILED)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[PricingSync]:
    with PricingSync(Settings(database=database_url(tmp_path))) as opened:
        yield opened


def card(prompt: str, completion: str) -> RateCard:
    rates = {Meter.INPUT: prompt, Meter.OUTPUT: completion}
    return RateCard({meter: Rate.of(amount, Per.MILLION) for meter, amount in rates.items()})


def read(app: PricingSync, body: bytes, at: datetime) -> Reading:
    return asyncio.run(app.replay("openrouter", [RecordedAnswer(body, at)])).results[0].reading


def next_reading(last: Reading) -> Reading:
    return replace(last, id="next", at=last.at + timedelta(days=1), listings={}, changes={})


def gathered(store: Store, last: Reading, answer: Answer | None) -> StoredFacts:
    return gather(store, next_reading(last), last, answer, THRESHOLDS)


def answer_of(body: bytes) -> Answer:
    return read_answer(PROVIDER, (body,))


@pytest.mark.parametrize("is_new", [True, False])
def test_what_is_known_is_read_in_the_same_number_of_statements(
    tmp_path: Path, *, is_new: bool
) -> None:
    """For 2 models and for 300, each with a change or with a held one."""
    counts = []
    for number in (2, 300):
        settings = Settings(database=database_url(tmp_path, str(number)))
        with PricingSync(settings) as app:
            read(app, catalogue(number, "0.0000025"), DAY)
            last = read(app, catalogue(number, "0.000025"), NEXT)
            assert number == last.changes["held"]
            answer = answer_of(catalogue(number, "0.000003")) if is_new else None
            with counted(app.store) as counter:
                facts = gathered(app.store, last, answer)
            assert number == len(facts.changes if is_new else facts.stored)
            counts.append(counter.statements)
    assert counts[0] == counts[1]
    assert counts[0] <= 14


@pytest.mark.parametrize("is_new", [True, False])
def test_a_decision_needs_no_database(app: PricingSync, *, is_new: bool) -> None:
    """The facts are plain data: they survive a copy by bytes, and the database may be closed."""
    read(app, catalogue(4, "0.0000025"), DAY)
    last = read(app, catalogue(4, "0.000025"), NEXT)
    answer = answer_of(catalogue(4, "0.0000026")) if is_new else None
    facts = gathered(app.store, last, answer)
    before = copy.deepcopy(facts)
    app.close()
    copied = pickle.loads(pickle.dumps(facts))
    decisions = [
        decide(PROVIDER, next_reading(last), answer, known, thresholds=THRESHOLDS)
        for known in (facts, copied)
    ]
    assert decisions[0] == decisions[1]
    assert before == facts
    status = Status.READ if is_new else Status.UNCHANGED
    assert status is decisions[0].reading.status


def test_two_dictionaries_are_enough_to_decide() -> None:
    """Nothing stored, and an answer: one model counts, and the one that cannot be true is held."""
    cards = {model: card(prompt, "10") for model, prompt in (("a", "2.5"), ("b", "25000"))}
    answer = Answer(dict(cards))
    changes = [Change(model, Kind.ADDED, None, card) for model, card in cards.items()]
    facts = StoredFacts(last=None, entries=0, stored={}, held={}, changes=changes)
    decision = decide(PROVIDER, READING, answer, facts, thresholds=THRESHOLDS)
    assert ["a"] == [change.model for change in decision.plan.apply]
    (held,) = decision.plan.hold
    assert ("r-0", "b", DAY, 2) == (held.id, held.change.model, held.since, held.listed)
    assert (1, 1) == (decision.reading.changes["added"], decision.reading.changes["held"])


def test_the_same_bytes_release_what_the_same_prices_release() -> None:
    """Free models are no evidence that few others wait: three of 60 priced ones are too many."""
    old, free = card("1", "4"), card("0", "0")
    new = {"alpha": card("4.5", "18"), "beta": card("4.6", "18"), "gamma": card("4.7", "18")}
    moved = {model: Change(model, Kind.CHANGED, old, price) for model, price in new.items()}
    held = {
        model: HeldChange.of(READING, n, change, ("band: input: far",), None)
        for n, (model, change) in enumerate(moved.items())
    }
    quotes = peers([Quote("seller", "a catalog", card("4.5", "18"))])
    for priced, released in ((60, []), (150, list(moved))):
        others = {f"other{n}": old for n in range(priced - 3)}
        others |= {f"f{n}:free": free for n in range(90)}
        listed = dict.fromkeys(moved, old) | others
        facts = StoredFacts(
            last=READING,
            entries=0,
            stored={model: Stored(listing, since=DAY) for model, listing in listed.items()},
            held=held,
            peers=dict.fromkeys(moved, quotes),
        )
        later = replace(READING, at=DAY + timedelta(hours=25))
        answer = Answer(listed | new)
        same = decide(PROVIDER, later, None, facts, thresholds=THRESHOLDS)
        known = replace(facts, changes=list(moved.values()))
        other = decide(PROVIDER, later, answer, known, thresholds=THRESHOLDS)
        for decision in (same, other):
            assert released == [item.change.model for item in decision.plan.released]
