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
from pricing_sync.changes.diff import Change, Kind
from pricing_sync.changes.run import Reading, Status
from pricing_sync.gate import Thresholds
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

PROVIDER, THRESHOLDS = find("openrouter"), Thresholds()
DAY = datetime(2026, 7, 17, 12, tzinfo=UTC)
NEXT, AFTER = DAY + timedelta(days=1), DAY + timedelta(days=2)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[PricingSync]:
    with PricingSync(Settings(database=f"sqlite:///{tmp_path / 'prices.db'}")) as opened:
        yield opened


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
        settings = Settings(database=f"sqlite:///{tmp_path / f'{number}.db'}")
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
    assert counts[0] <= 13


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
    reading = Reading(
        id="r",
        run_id="run",
        provider="openrouter",
        at=DAY,
        started_at=DAY,
        finished_at=DAY,
        status=Status.FAILED,
    )
    cards = {
        model: RateCard({Meter.INPUT: Rate.of(amount, Per.MILLION), Meter.OUTPUT: Rate(10**10)})
        for model, amount in (("a", "2.5"), ("b", "25000"))
    }
    answer = Answer(dict(cards))
    changes = [Change(model, Kind.ADDED, None, card) for model, card in cards.items()]
    facts = StoredFacts(last=None, entries=0, stored={}, held={}, changes=changes)
    decision = decide(PROVIDER, reading, answer, facts, thresholds=THRESHOLDS)
    assert ["a"] == [change.model for change in decision.plan.apply]
    (held,) = decision.plan.hold
    assert ("r-0", "b", DAY, 2) == (held.id, held.change.model, held.since, held.listed)
    assert (1, 1) == (decision.reading.changes["added"], decision.reading.changes["held"])
