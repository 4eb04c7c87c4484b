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
from pricing_sync.changes.plan import ChangePlan, plan_changes, plan_unchanged
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
from pricing_sync.sync.access import Fetch
from pricing_sync.sync.gate_context import is_minor, judge_reading, releasable_changes
from pricing_sync.version import VERSION

_FEW_ROWS, _UNREADABLE_SHARE = 5, 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingOptions:
    """What the settings say about reading one provider."""

    #: By which the gate judges; None for the calibrated defaults.
    thresholds: Thresholds | None = None
    #: Models that may cost nothing, whatever their ids say.
    free: Collection[str] = ()
    #: How long the bytes of answers are kept.
    evidence_days: int = 90


DEFAULT_OPTIONS = ReadingOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingResult:
    """A reading, and what it did to the store."""

    reading: Reading
    #: Empty when the answer was settled in another process.
    plan: ChangePlan = field(default_factory=ChangePlan)
    #: Why it failed.
    error: Exception | None = None
    #: Whether the run ended with it.
    finished_run: bool = False


#: What else is written down in the transaction that stores a reading; whether its run has ended.
FinishHook: TypeAlias = Callable[[Store, Reading, Exception | None], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingAnswer:
    """An answer, and everything that is needed to decode, compare, judge and store it."""

    provider: Provider
    fetched: Fetched | NotModified
    #: The newest reading when the provider was asked.
    last: LastReading | None
    reading: Reading
    #: Whether the bytes are those of last time, and judged the same.
    unchanged: bool
    options: ReadingOptions
    finish: FinishHook


#: Where an answer is settled: in a thread, unless told otherwise.
ProcessAnswer: TypeAlias = Callable[[PendingAnswer, Store], Awaitable[ReadingResult]]


def _no_finish(_store: Store, _reading: Reading, _error: Exception | None) -> bool:
    return False


async def process_in_thread(answer: PendingAnswer, store: Store) -> ReadingResult:
    """Settle an answer in this process, beside the event loop."""
    return await asyncio.to_thread(process_answer, answer, store)


async def read_provider(
    provider: Provider,
    fetch_answer: Fetch,
    store: Store,
    *,
    run_id: str,
    observed_at: datetime | None = None,
    dry_run: bool = False,
    options: ReadingOptions = DEFAULT_OPTIONS,
    finish: FinishHook = _no_finish,
    process: ProcessAnswer = process_in_thread,
) -> ReadingResult:
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
        may_skip = await asyncio.to_thread(_may_skip_unchanged, store, last, reading)
        fetched = await fetch_answer(last.etag if last and may_skip else None)
        # An answer of 18 MB is hashed for longer than an event loop may stand still.
        reading = await asyncio.to_thread(_observed, reading, fetched, last, observed_at)
        unchanged = isinstance(fetched, NotModified) or (
            last is not None and may_skip and last.digest == reading.digest
        )
        answer = PendingAnswer(
            provider=provider,
            fetched=fetched,
            last=last,
            reading=reading,
            unchanged=unchanged,
            options=options,
            finish=finish,
        )
        process_pending = process_in_thread if unchanged else process
        return await process_pending(answer, store)
    except (StoreError, LostClaim):
        raise
    except PricingSyncError as error:
        return await asyncio.to_thread(_record_failure, store, reading, error, finish)


def process_answer(answer: PendingAnswer, store: Store) -> ReadingResult:
    """Decode, compare, judge and write down: everything that follows an answer.

    Raises:
        DecodeError, IncompleteAnswer, OlderAnswer: it does not count.
        StoreError, LostClaim: as `read_provider`.
    """
    return _process_unchanged(answer, store) if answer.unchanged else _process_new(answer, store)


def _process_new(answer: PendingAnswer, store: Store) -> ReadingResult:
    fetched, provider = answer.fetched, answer.provider
    assert isinstance(fetched, Fetched)  # noqa: S101  see `read_provider`
    pages = fetched.all_pages()
    answer_listings = _readable(provider, read_answer(provider, pages))
    compressed = zlib.compress(PAGE_SEPARATOR.join(pages), 1)
    # Judging takes long, and whoever writes meanwhile should not have to wait. The provider is
    # nobody else's to read; only what people decide about it may come in between.
    decisions = store.review.decision_count(provider.id)
    planned = _plan(answer, answer_listings, store)
    with store.transaction():
        _refuse_if_overtaken(store, answer.last, answer.reading)
        if store.review.decision_count(provider.id) != decisions:
            planned = _plan(answer, answer_listings, store)
        taken = _store_result(answer, store, planned.reading, planned.plan, compressed)
        if not taken.reading.dry_run:
            applied = {change.model for change in planned.plan.apply}
            came_true = [entry for entry in planned.used if entry.model in applied]
            store.review.consume(provider.id, came_true, taken.reading.id, taken.reading.at)
        return taken


@dataclass(frozen=True, slots=True)
class _Plan:
    """What an answer would do to the store as it is now."""

    reading: Reading
    plan: ChangePlan
    #: The announcements that would come true.
    used: Sequence[Announced]


def _plan(answer: PendingAnswer, answer_listings: Answer, store: Store) -> _Plan:
    provider, options, reading = answer.provider, answer.options, answer.reading
    stored = store.known_models(provider.id)
    changes = diff(stored, answer_listings)
    held = {item.change.model: item for item in store.review.held(provider.id)}
    judged = judge_reading(
        provider, reading.at, changes, stored, held, store, options.thresholds, options.free
    )
    plan = plan_changes(
        changes,
        judged.reasons,
        stored,
        answer_listings,
        open_held={model: item.change for model, item in held.items()},
        rejected=[
            change for items in store.review.rejected(provider.id).values() for change in items
        ],
    )
    quiet = is_minor(provider, plan.apply, store, options.thresholds)
    plan = replace(plan, is_minor=quiet and not plan.retire)
    reading = replace(
        reading,
        status=Status.READ,
        listings=_listings(answer_listings),
        changes=plan.counts(),
        ignored=answer_listings.ignored,
    )
    return _Plan(reading, plan, judged.used)


def _process_unchanged(answer: PendingAnswer, store: Store) -> ReadingResult:
    """What follows the same bytes as last time: nothing is decoded, and time has passed."""
    provider, reading = answer.provider, answer.reading
    with store.transaction():
        _refuse_if_overtaken(store, answer.last, reading)
        stood = releasable_changes(provider, reading.at, store, answer.options.thresholds)
        plan = plan_unchanged(store.missing_models(provider.id), stood)
        reading = replace(
            reading,
            status=Status.UNCHANGED,
            listings=answer.last.listings if answer.last else {},
            changes=plan.counts(),
        )
        return _store_result(answer, store, reading, plan, None)


def _store_result(
    answer: PendingAnswer,
    store: Store,
    reading: Reading,
    plan: ChangePlan,
    compressed: bytes | None,
) -> ReadingResult:
    """Write a reading and its consequences down. To be called inside the store's transaction."""
    reading = replace(reading, finished_at=datetime.now(UTC))
    if reading.dry_run:
        store.add_reading(reading)
    else:
        _keep_evidence(store, reading, compressed, answer.options)
        store.save_reading(reading, plan)
    finished_run = answer.finish(store, reading, None)
    return ReadingResult(reading=reading, plan=plan, finished_run=finished_run)


def _keep_evidence(
    store: Store, reading: Reading, compressed: bytes | None, options: ReadingOptions
) -> None:
    if compressed is not None and reading.digest is not None:
        store.keep_evidence(reading.digest, compressed, reading.size_bytes, reading.finished_at)
        store.forget_evidence(reading.finished_at - timedelta(days=options.evidence_days))
    elif reading.digest is not None:
        store.use_evidence(reading.digest, reading.finished_at)


def _record_failure(
    store: Store, reading: Reading, error: PricingSyncError, finish: FinishHook
) -> ReadingResult:
    failed = _failed(reading, error)
    with store.transaction():
        store.add_reading(failed)
        finished_run = finish(store, failed, error)
    return ReadingResult(reading=failed, error=error, finished_run=finished_run)


def _observed(
    reading: Reading,
    fetched: Fetched | NotModified,
    last: LastReading | None,
    observed_at: datetime | None,
) -> Reading:
    """The reading with what came back.

    Raises:
        OlderAnswer: a recorded answer is older than what is stored.
    """
    at = observed_at or datetime.now(UTC)
    if isinstance(fetched, NotModified):
        digest, size = (last.digest if last else None), 0
    else:
        digest, size = _digest(fetched)
    if last is not None and at <= last.at and not (at == last.at and digest == last.digest):
        if observed_at is not None:
            stored = last.at.isoformat(timespec="seconds")
            raise OlderAnswer(reading.provider, "answer", f"{stored} is already stored")
        # The machine's clock went back. What is asked for now is newer all the same.
        at = last.at + timedelta(microseconds=1)
    return replace(
        reading, at=at, url=fetched.url, etag=fetched.etag, digest=digest, size_bytes=size
    )


def _digest(fetched: Fetched) -> tuple[str, int]:
    """The SHA-256 and the size of the pages as they are kept together."""
    seen, size = hashlib.sha256(fetched.pages[0]), len(fetched.pages[0])
    for page in fetched.pages[1:]:
        seen.update(PAGE_SEPARATOR)
        seen.update(page)
        size += len(PAGE_SEPARATOR) + len(page)
    return seen.hexdigest(), size


def _refuse_if_overtaken(store: Store, last: LastReading | None, reading: Reading) -> None:
    """Raise OlderAnswer if another reading of the provider was stored while this one was taken."""
    newest = store.last_reading(reading.provider)
    if newest is not None and (last is None or newest.id != last.id):
        raise OlderAnswer(reading.provider, "answer", f"overtaken by reading {newest.id}")


def _may_skip_unchanged(store: Store, last: LastReading | None, reading: Reading) -> bool:
    """Whether the bytes of last time, seen again, need not be decoded and judged again."""
    if last is None or last.decoder != VERSION:
        return False
    return not store.review.has_changed_since(reading.provider, last.finished_at, reading.at)


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
