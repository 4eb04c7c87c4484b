"""One reading of one provider: begin, fetch, decode, gather, decide, apply, notify.

`read_provider` begins and fetches. `process_answer` decodes the answer, gathers what the store
knows of the provider, decides without the store, and applies the decision in one transaction:
ledger rows, held changes, evidence, outbox and the reading itself. Nothing is stored before the
whole answer has been judged. The engine notifies the listeners afterwards.
"""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeAlias

from pricing_sync.changes.plan import ChangePlan
from pricing_sync.changes.run import Reading, Status
from pricing_sync.errors import (
    LostClaim,
    MissingKey,
    OlderAnswer,
    PricingSyncError,
    ReadingError,
    StoreError,
)
from pricing_sync.gate import Thresholds
from pricing_sync.prices.rates import Answer
from pricing_sync.sources.http import Fetched, NotModified
from pricing_sync.sources.provider import PAGE_SEPARATOR, UNREADABLE_LATER, Provider
from pricing_sync.store.ids import new_id
from pricing_sync.store.store import Store
from pricing_sync.sync.access import Fetch
from pricing_sync.sync.answer import decode
from pricing_sync.sync.decide import Decision, decide
from pricing_sync.sync.gather import gather
from pricing_sync.version import VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingOptions:
    """The settings for reading one provider."""

    #: The gate's thresholds, by default the calibrated ones.
    thresholds: Thresholds = field(default_factory=Thresholds)
    #: Models that may cost nothing, in addition to those with a free id.
    free: Collection[str] = ()
    #: An answer with more rows is refused, also the first one of a provider.
    max_models: int = 50_000


DEFAULT_OPTIONS = ReadingOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingResult:
    """A reading, and what it changed in the store."""

    reading: Reading
    #: Empty when the answer was processed in a worker process.
    plan: ChangePlan = field(default_factory=ChangePlan)
    #: Why the reading failed; None if it did not.
    error: Exception | None = None
    #: Whether the run ended with this reading.
    finished_run: bool = False


#: Called in the transaction that stores a reading; returns whether the run has ended.
FinishHook: TypeAlias = Callable[[Store, Reading, Exception | None], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingAnswer:
    """An answer, and everything that is needed to decode, diff, judge and store it."""

    provider: Provider
    fetched: Fetched | NotModified
    #: The newest reading at the time of the request; None if the provider was never read.
    last: Reading | None
    reading: Reading
    #: Whether decoding and judging can be skipped: the bytes are those of the last reading.
    unchanged: bool
    options: ReadingOptions
    finish: FinishHook


#: Runs `process_answer`, in a thread or in a worker process.
ProcessAnswer: TypeAlias = Callable[[PendingAnswer, Store], Awaitable[ReadingResult]]


def _no_finish(_store: Store, _reading: Reading, _error: Exception | None) -> bool:
    return False


async def process_in_thread(pending: PendingAnswer, store: Store) -> ReadingResult:
    """Run `process_answer` in a thread of this process."""
    return await asyncio.to_thread(process_answer, pending, store)


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
    """Read *provider* once. A failure is a reading too: it is stored and returned.

    So is a reading that is skipped because a variable of the provider is not set.

    *observed_at* is when a recorded answer was recorded; None for a request made now.

    Raises:
        StoreError: the database cannot be read or written. Nothing was stored.
        LostClaim: *finish* found that the claim was taken away. Nothing was stored.
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
        decoder=_decoder(options),
    )
    try:
        last = await asyncio.to_thread(store.last_reading, provider.id)
        may_skip = await asyncio.to_thread(_may_skip_unchanged, store, last, reading)
        fetched = await fetch_answer(last.etag if last and may_skip else None)
        # In a thread: hashing an answer of 18 MB would stall the event loop.
        reading = await asyncio.to_thread(_with_answer, reading, fetched, last, observed_at)
        unchanged = isinstance(fetched, NotModified) or (
            last is not None and may_skip and last.digest == reading.digest
        )
        pending = PendingAnswer(
            provider=provider,
            fetched=fetched,
            last=last,
            reading=reading,
            unchanged=unchanged,
            options=options,
            finish=finish,
        )
        # An unchanged answer is not decoded, so it needs no worker process.
        return await (process_in_thread if unchanged else process)(pending, store)
    except (StoreError, LostClaim):
        raise
    except PricingSyncError as error:
        return await asyncio.to_thread(_record_failure, store, reading, error, finish)


def process_answer(pending: PendingAnswer, store: Store) -> ReadingResult:
    """Decode an answer, or confirm an unchanged one: gather, decide, apply.

    Raises:
        DecodeError, IncompleteAnswer, OlderAnswer, OversizedAnswer: the answer was rejected.
        StoreError, LostClaim: as `read_provider`.
    """
    if pending.unchanged:
        return _process(pending, store, None, None)
    fetched, options = pending.fetched, pending.options
    assert isinstance(fetched, Fetched)  # noqa: S101  see `read_provider`
    pages = fetched.all_pages()
    # To compress takes as long as to decode, and keeps no other thread waiting.
    with ThreadPoolExecutor(1) as second:
        compressed = second.submit(zlib.compress, PAGE_SEPARATOR.join(pages), 1)
        answer = decode(
            pending.provider,
            pages,
            pending.reading.at,
            free=options.free,
            max_models=options.max_models,
        )
        return _process(pending, store, answer, compressed)


def _process(
    pending: PendingAnswer,
    store: Store,
    answer: Answer | None,
    compressed: Future[bytes] | None,
) -> ReadingResult:
    """Gather, decide and apply: what an answer does, or that it is the same as last time."""
    provider, options = pending.provider, pending.options
    known = partial(gather, store, pending.reading, pending.last, answer, options.thresholds)
    decided = partial(
        decide, provider, pending.reading, answer, thresholds=options.thresholds, free=options.free
    )
    # Judging is slow, so it runs before the transaction and blocks no other writer. The claim keeps
    # out other readings of the provider; only a person's decision can change the outcome meanwhile.
    facts = known()
    decision = decided(facts)
    body = None if compressed is None else compressed.result()
    with store.transaction():
        _refuse_if_overtaken(store, pending.last, pending.reading)
        if store.audit_log.count(provider.id) != facts.entries:
            decision = decided(known())
        return _apply(store, decision, answer, body, pending)


def _apply(
    store: Store,
    decision: Decision,
    answer: Answer | None,
    compressed: bytes | None,
    pending: PendingAnswer,
) -> ReadingResult:
    """Store what was decided. The caller has opened the transaction."""
    reading, plan = replace(decision.reading, finished_at=datetime.now(UTC)), decision.plan
    if reading.dry_run:
        store.add_reading(reading)
    else:
        _keep_evidence(store, reading, compressed)
        store.save_reading(reading, plan)
        store.announcements.consume(reading.provider, decision.used, reading.id, reading.at)
        if answer is not None:
            store.names.save(reading.provider, reading.at, answer)
    finished_run = pending.finish(store, reading, None)
    return ReadingResult(reading=reading, plan=plan, finished_run=finished_run)


def _keep_evidence(store: Store, reading: Reading, compressed: bytes | None) -> None:
    if compressed is not None and reading.digest is not None:
        store.keep_evidence(reading.digest, compressed, reading.size_bytes, reading.finished_at)
    elif reading.digest is not None:
        store.use_evidence(reading.digest, reading.finished_at)


def _record_failure(
    store: Store, reading: Reading, error: PricingSyncError, finish: FinishHook
) -> ReadingResult:
    """Store a reading that gave no answer. One whose key is missing was skipped: no failure."""
    ended = _ended_by(error, reading)
    failure = error if ended.is_failed else None
    with store.transaction():
        store.add_reading(ended)
        finished_run = finish(store, ended, failure)
    return ReadingResult(reading=ended, error=failure, finished_run=finished_run)


def _with_answer(
    reading: Reading,
    fetched: Fetched | NotModified,
    last: Reading | None,
    observed_at: datetime | None,
) -> Reading:
    """The reading with the instant, URL, ETag, digest and size of its answer.

    Raises:
        OlderAnswer: a recorded answer is older than the last stored reading.
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
        # The machine's clock was set back. An answer that was fetched now is newer all the same.
        at = last.at + timedelta(microseconds=1)
    return replace(
        reading, at=at, url=fetched.url, etag=fetched.etag, digest=digest, size_bytes=size
    )


def _digest(fetched: Fetched) -> tuple[str, int]:
    """The SHA-256 and the size in bytes of the pages, joined as in the evidence."""
    sha256, size = hashlib.sha256(fetched.pages[0]), len(fetched.pages[0])
    for page in fetched.pages[1:]:
        sha256.update(PAGE_SEPARATOR)
        sha256.update(page)
        size += len(PAGE_SEPARATOR) + len(page)
    return sha256.hexdigest(), size


def _refuse_if_overtaken(store: Store, last: Reading | None, reading: Reading) -> None:
    """Raise OlderAnswer if another reading of the provider was stored since this one began."""
    newest = store.last_reading(reading.provider)
    if newest is not None and (last is None or newest.id != last.id):
        raise OlderAnswer(reading.provider, "answer", f"overtaken by reading {newest.id}")


def _may_skip_unchanged(store: Store, last: Reading | None, reading: Reading) -> bool:
    """Whether an answer with the same bytes as the last one can skip decoding and judging.

    Not when the program or a setting that judges is another one.
    """
    if last is None or last.decoder != reading.decoder or last.ignored.get(UNREADABLE_LATER):
        return False
    # A day that has come, a person's decision or an announced move may change the outcome.
    return not (
        store.review.has_begun_unseen(reading.provider, last.at, reading.at)
        or store.audit_log.has_decision_since(reading.provider, last.finished_at)
        or store.announcements.due(reading.provider, reading.at)
    )


def _decoder(options: ReadingOptions) -> str:
    """What decodes and judges the bytes: the program, and the settings that decide with it."""
    judging = (options.thresholds, sorted(options.free), options.max_models)
    return f"{VERSION} settings={hashlib.sha256(repr(judging).encode()).hexdigest()[:16]}"


def _ended_by(error: PricingSyncError, reading: Reading) -> Reading:
    ended = replace(reading, finished_at=datetime.now(UTC), error=str(error))
    if isinstance(error, MissingKey):
        return replace(ended, status=Status.SKIPPED)
    kind = error.kind if isinstance(error, ReadingError) else "settings"
    return replace(ended, status=Status.FAILED, etag=None, error_kind=kind)
