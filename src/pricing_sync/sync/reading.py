"""One reading of one provider, in order: ask, decode, compare, judge, write down.

Nothing is stored before the whole answer has been read and judged, and then all of it is, in one
transaction: the ledger, the held changes, the evidence and the reading itself.
"""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from pricing_sync.changes.diff import diff
from pricing_sync.changes.plan import Decision, decide, decide_unchanged
from pricing_sync.changes.run import Reading, Status
from pricing_sync.errors import (
    DecodeError,
    LostClaim,
    OlderAnswer,
    PricingSyncError,
    ReadingError,
    StoreError,
)
from pricing_sync.gate import Announced, Thresholds
from pricing_sync.prices.rates import Answer, RateCard, Unpriced, Unreadable
from pricing_sync.sources.http import Fetched, NotModified
from pricing_sync.sources.provider import PAGE_SEPARATOR, Provider, read_answer
from pricing_sync.store.ids import new_id
from pricing_sync.store.store import LastReading, Store
from pricing_sync.sync.access import Ask
from pricing_sync.sync.gate_context import is_quiet, judgement, released
from pricing_sync.version import VERSION

_FEW_ROWS, _UNREADABLE_SHARE = 5, 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the settings say about reading one provider."""

    #: By which the gate judges; None for the calibrated defaults.
    thresholds: Thresholds | None = None
    #: Models that may cost nothing, whatever their ids say.
    free: Collection[str] = ()
    #: How long the bytes of answers are kept.
    evidence_days: int = 90


DEFAULT_RULES = Rules()


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A reading, and what it did to the store."""

    reading: Reading
    #: Empty when the answer was settled in another process.
    decision: Decision = field(default_factory=Decision)
    #: Why it failed.
    error: Exception | None = None
    #: Whether the run ended with it.
    ended_run: bool = False


#: What else is written down in the transaction that stores a reading; whether its run has ended.
Ended: TypeAlias = Callable[[Store, Reading, Exception | None], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """An answer, and everything that is needed to decode, compare, judge and store it."""

    provider: Provider
    got: Fetched | NotModified
    #: The newest reading when the provider was asked.
    last: LastReading | None
    reading: Reading
    #: Whether the bytes are those of last time, and judged the same.
    unchanged: bool
    rules: Rules
    ended: Ended


#: Where an answer is settled: in a thread, unless told otherwise.
Settle: TypeAlias = Callable[[Unsettled, Store], Awaitable[Taken]]


def _nothing_else(_store: Store, _reading: Reading, _error: Exception | None) -> bool:
    return False


async def settle_in_thread(answer: Unsettled, store: Store) -> Taken:
    """Settle an answer in this process, beside the event loop."""
    return await asyncio.to_thread(settle, answer, store)


async def take_reading(
    provider: Provider,
    ask: Ask,
    store: Store,
    *,
    run_id: str,
    observed_at: datetime | None = None,
    dry_run: bool = False,
    rules: Rules = DEFAULT_RULES,
    ended: Ended = _nothing_else,
    settle_answer: Settle = settle_in_thread,
) -> Taken:
    """Read *provider* once. A failure is a reading too: it is written down and returned.

    *observed_at* is when a recorded answer was recorded; None for one that is asked for now.

    Raises:
        StoreError: the database cannot be read or written. Nothing was stored.
        LostClaim: *ended* says that the reading is not wanted any more. Nothing was stored.
    """
    started = datetime.now(UTC)
    reading = Reading(
        id=new_id(started),
        run_id=run_id,
        provider=provider.id,
        at=observed_at or started,
        started_at=started,
        finished_at=started,
        status=Status.FAILED,
        dry_run=dry_run,
        source=provider.source.value,
        url=provider.url,
        decoder=VERSION,
    )
    try:
        last = await asyncio.to_thread(store.last_reading, provider.id)
        same_may_pass = await asyncio.to_thread(_same_may_pass, store, last, reading)
        got = await ask(last.etag if last and same_may_pass else None)
        # An answer of 18 MB is hashed for longer than an event loop may stand still.
        reading = await asyncio.to_thread(_observed, reading, got, last, observed_at)
        unchanged = isinstance(got, NotModified) or (
            last is not None and same_may_pass and last.digest == reading.digest
        )
        answer = Unsettled(
            provider=provider,
            got=got,
            last=last,
            reading=reading,
            unchanged=unchanged,
            rules=rules,
            ended=ended,
        )
        settling = settle_in_thread if unchanged else settle_answer
        return await settling(answer, store)
    except (StoreError, LostClaim):
        raise
    except PricingSyncError as error:
        return await asyncio.to_thread(_record_failure, store, reading, error, ended)


def settle(answer: Unsettled, store: Store) -> Taken:
    """Decode, compare, judge and write down: everything that follows an answer.

    Raises:
        DecodeError, IncompleteAnswer, OlderAnswer: it does not count.
        StoreError, LostClaim: as `take_reading`.
    """
    return _settle_unchanged(answer, store) if answer.unchanged else _settle(answer, store)


def _settle(answer: Unsettled, store: Store) -> Taken:
    got, provider = answer.got, answer.provider
    assert isinstance(got, Fetched)  # noqa: S101  see `take_reading`
    pages = got.whole()
    said = _readable(provider, read_answer(provider, pages))
    compressed = zlib.compress(PAGE_SEPARATOR.join(pages), 1)
    # Judging takes long, and whoever writes meanwhile should not have to wait. The provider is
    # nobody else's to read; only what people decide about it may come in between.
    decisions = store.review.decisions(provider.id)
    planned = _planned(answer, said, store)
    with store.transaction():
        _refuse_overtaken(store, answer.last, answer.reading)
        if store.review.decisions(provider.id) != decisions:
            planned = _planned(answer, said, store)
        taken = _written(answer, store, planned.reading, planned.decision, compressed)
        if not taken.reading.dry_run:
            applied = {change.model for change in planned.decision.apply}
            came_true = [entry for entry in planned.used if entry.model in applied]
            store.review.strike(provider.id, came_true, taken.reading.id, taken.reading.at)
        return taken


@dataclass(frozen=True, slots=True)
class _Planned:
    """What an answer would do to the store as it is now."""

    reading: Reading
    decision: Decision
    #: The announcements that would come true.
    used: Sequence[Announced]


def _planned(answer: Unsettled, said: Answer, store: Store) -> _Planned:
    provider, rules, reading = answer.provider, answer.rules, answer.reading
    stored = store.known_models(provider.id)
    changes = diff(stored, said)
    held = {item.change.model: item for item in store.held(provider.id)}
    judged = judgement(
        provider, reading.at, changes, stored, held, store, rules.thresholds, rules.free
    )
    decision = decide(
        changes,
        judged.holding,
        stored,
        said,
        open_held={model: item.change for model, item in held.items()},
        rejected=[
            change for items in store.review.rejected(provider.id).values() for change in items
        ],
    )
    quiet = is_quiet(provider, decision.apply, store, rules.thresholds)
    decision = replace(decision, is_quiet=quiet and not decision.retire)
    reading = replace(
        reading,
        status=Status.READ,
        listings=_listings(said),
        changes=decision.counts(),
        ignored=said.ignored,
    )
    return _Planned(reading, decision, judged.used)


def _settle_unchanged(answer: Unsettled, store: Store) -> Taken:
    """What follows the same bytes as last time: nothing is decoded, and time has passed."""
    provider, reading = answer.provider, answer.reading
    with store.transaction():
        _refuse_overtaken(store, answer.last, reading)
        stood = released(provider, reading.at, store, answer.rules.thresholds)
        decision = decide_unchanged(store.missing_models(provider.id), stood)
        reading = replace(
            reading,
            status=Status.UNCHANGED,
            listings=answer.last.listings if answer.last else {},
            changes=decision.counts(),
        )
        return _written(answer, store, reading, decision, None)


def _written(
    answer: Unsettled,
    store: Store,
    reading: Reading,
    decision: Decision,
    compressed: bytes | None,
) -> Taken:
    """Write a reading and its consequences down. To be called inside the store's transaction."""
    reading = replace(reading, finished_at=datetime.now(UTC))
    if reading.dry_run:
        store.add_reading(reading)
    else:
        _keep_evidence(store, reading, compressed, answer.rules)
        store.record(reading, decision)
    ended_run = answer.ended(store, reading, None)
    return Taken(reading=reading, decision=decision, ended_run=ended_run)


def _keep_evidence(store: Store, reading: Reading, compressed: bytes | None, rules: Rules) -> None:
    if compressed is not None and reading.digest is not None:
        store.keep_evidence(reading.digest, compressed, reading.size_bytes, reading.finished_at)
        store.forget_evidence(reading.finished_at - timedelta(days=rules.evidence_days))
    elif reading.digest is not None:
        store.use_evidence(reading.digest, reading.finished_at)


def _record_failure(store: Store, reading: Reading, error: PricingSyncError, ended: Ended) -> Taken:
    failed = _failed(reading, error)
    with store.transaction():
        store.add_reading(failed)
        ended_run = ended(store, failed, error)
    return Taken(reading=failed, error=error, ended_run=ended_run)


def _observed(
    reading: Reading,
    got: Fetched | NotModified,
    last: LastReading | None,
    observed_at: datetime | None,
) -> Reading:
    """The reading with what came back.

    Raises:
        OlderAnswer: a recorded answer is older than what is stored.
    """
    at = observed_at or datetime.now(UTC)
    if isinstance(got, NotModified):
        digest, size = (last.digest if last else None), 0
    else:
        digest, size = _digest(got)
    if last is not None and at <= last.at and not (at == last.at and digest == last.digest):
        if observed_at is not None:
            stored = last.at.isoformat(timespec="seconds")
            raise OlderAnswer(reading.provider, "answer", f"{stored} is already stored")
        # The machine's clock went back. What is asked for now is newer all the same.
        at = last.at + timedelta(microseconds=1)
    return replace(reading, at=at, url=got.url, etag=got.etag, digest=digest, size_bytes=size)


def _digest(got: Fetched) -> tuple[str, int]:
    """The SHA-256 and the size of the pages as they are kept together."""
    seen, size = hashlib.sha256(got.pages[0]), len(got.pages[0])
    for page in got.pages[1:]:
        seen.update(PAGE_SEPARATOR)
        seen.update(page)
        size += len(PAGE_SEPARATOR) + len(page)
    return seen.hexdigest(), size


def _refuse_overtaken(store: Store, last: LastReading | None, reading: Reading) -> None:
    """Raise OlderAnswer if another reading of the provider was stored while this one was taken."""
    newest = store.last_reading(reading.provider)
    if newest is not None and (last is None or newest.id != last.id):
        raise OlderAnswer(reading.provider, "answer", f"overtaken by reading {newest.id}")


def _same_may_pass(store: Store, last: LastReading | None, reading: Reading) -> bool:
    """Whether the bytes of last time, seen again, need not be decoded and judged again."""
    if last is None or last.decoder != VERSION:
        return False
    return not store.review.has_news(reading.provider, last.finished_at, reading.at)


def _readable(provider: Provider, answer: Answer) -> Answer:
    """*answer*, unless so much of it is unreadable that the format must have changed."""
    unreadable = [str(item) for item in answer.listings.values() if isinstance(item, Unreadable)]
    unreadable += answer.nameless
    rows = len(answer.listings) + len(answer.nameless)
    if len(unreadable) >= _FEW_ROWS and len(unreadable) > _UNREADABLE_SHARE * rows:
        why = f"{len(unreadable)} of {rows} listings cannot be read, the first: {unreadable[0]}"
        raise DecodeError(provider.id, "body", why)
    return answer


def _listings(answer: Answer) -> dict[str, int]:
    kinds = Counter(type(listing) for listing in answer.listings.values())
    return {
        "priced": kinds[RateCard],
        "unpriced": kinds[Unpriced],
        "unreadable": kinds[Unreadable],
        "nameless": len(answer.nameless),
    }


def _failed(reading: Reading, error: PricingSyncError) -> Reading:
    kind = error.kind if isinstance(error, ReadingError) else "settings"
    return replace(
        reading,
        finished_at=datetime.now(UTC),
        status=Status.FAILED,
        etag=None,
        error_kind=kind,
        error=str(error),
    )
