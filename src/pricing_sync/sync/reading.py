"""One reading of one provider: begin, fetch, decode, diff, judge, one transaction, notify.

`read_provider` begins and fetches. `process_answer` decodes, diffs, judges, and stores everything
in one transaction: ledger rows, held changes, evidence, outbox and the reading itself. Nothing is
stored before the whole answer has been judged. The engine notifies the listeners afterwards.
"""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from pricing_sync.changes.diff import Stored, diff
from pricing_sync.changes.plan import ChangePlan, plan_changes
from pricing_sync.changes.run import NEW_KEYS, Reading, Status
from pricing_sync.errors import (
    DecodeError,
    LostClaim,
    MissingKey,
    OlderAnswer,
    OversizedAnswer,
    PricingSyncError,
    ReadingError,
    StoreError,
)
from pricing_sync.gate import Announced, Thresholds
from pricing_sync.prices.rates import Answer, RateCard, Unpriced, Unreadable
from pricing_sync.sources.http import Fetched, NotModified
from pricing_sync.sources.provider import PAGE_SEPARATOR, UNREADABLE_LATER, Provider, read_answer
from pricing_sync.store.ids import new_id
from pricing_sync.store.store import LastReading, Store
from pricing_sync.sync.access import Fetch
from pricing_sync.sync.gate_context import is_minor, judge_reading, releasable_changes
from pricing_sync.sync.scheduled_prices import plan_later, plan_same_bytes
from pricing_sync.version import VERSION

#: An answer is rejected if it has at least this many unreadable listings, and more than this share.
_MIN_UNREADABLE, _UNREADABLE_SHARE = 5, 0.3
#: A price key that is not read is more than an oddity when it is in more rows than this, or in this
#: share of a short list.
_FEW_ROWS, _ROWS_SHARE = 3, 0.5
#: A renamed key is in at least this share of the models that lost a meter in the same reading.
_RENAMED_SHARE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingOptions:
    """The settings for reading one provider."""

    #: The gate's thresholds; None for the calibrated defaults.
    thresholds: Thresholds | None = None
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
    last: LastReading | None
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
    except MissingKey as error:
        return await asyncio.to_thread(_record_skipped, store, reading, error, finish)
    except PricingSyncError as error:
        return await asyncio.to_thread(_record_failure, store, reading, error, finish)


def process_answer(pending: PendingAnswer, store: Store) -> ReadingResult:
    """Decode, diff, judge and store an answer, or confirm an unchanged one.

    Raises:
        DecodeError, IncompleteAnswer, OlderAnswer, OversizedAnswer: the answer was rejected.
        StoreError, LostClaim: as `read_provider`.
    """
    return (_process_unchanged if pending.unchanged else _process_new)(pending, store)


def _process_new(pending: PendingAnswer, store: Store) -> ReadingResult:
    fetched, provider = pending.fetched, pending.provider
    assert isinstance(fetched, Fetched)  # noqa: S101  see `read_provider`
    pages = fetched.all_pages()
    answer = _with_free(read_answer(provider, pages, pending.reading.at), pending.options.free)
    _refuse_if_oversized(provider, answer, pending.options.max_models)
    _refuse_if_unreadable(provider, answer)
    compressed = zlib.compress(PAGE_SEPARATOR.join(pages), 1)
    # Judging is slow, so it runs before the transaction and blocks no other writer. The claim keeps
    # out other readings of the provider; only a person's decision can change the outcome meanwhile.
    decisions = store.review.decision_count(provider.id)
    judged = _diff_and_judge(pending, answer, store)
    with store.transaction():
        _refuse_if_overtaken(store, pending.last, pending.reading)
        if store.review.decision_count(provider.id) != decisions:
            judged = _diff_and_judge(pending, answer, store)
        result = _store_result(pending, store, judged.reading, judged.plan, compressed)
        if not result.reading.dry_run:
            applied = {change.model for change in judged.plan.apply}
            used = [entry for entry in judged.used if entry.model in applied]
            store.review.consume(provider.id, used, result.reading.id, result.reading.at)
            store.names.save(provider.id, result.reading.at, answer)
        return result


@dataclass(frozen=True, slots=True)
class _JudgedReading:
    """A reading, and what it would change in the store as it is now."""

    reading: Reading
    plan: ChangePlan
    #: The announcements that match a change of this reading.
    used: Sequence[Announced]


def _diff_and_judge(pending: PendingAnswer, answer: Answer, store: Store) -> _JudgedReading:
    provider, options, reading = pending.provider, pending.options, pending.reading
    stored = store.known_models(provider.id, reading.at)
    new_keys = _new_keys(pending.last, reading, answer)
    _refuse_if_renamed(provider, stored, answer, new_keys)
    changes = diff(stored, answer)
    held = {
        item.change.model: item
        for item in store.review.held(provider.id)
        if item.change.starts_at is None
    }
    rejected = [change for items in store.review.rejected(provider.id).values() for change in items]
    # A rejected change neither counts nor waits, so it is no evidence about the others either.
    judged = [change for change in changes if change not in rejected]
    gate_result = judge_reading(
        provider, reading.at, judged, stored, held, store, options.thresholds, options.free
    )
    plan = plan_changes(
        changes,
        gate_result.reasons,
        stored,
        answer,
        open_held={model: item.change for model, item in held.items()},
        rejected=rejected,
    )
    later = plan_later(
        provider,
        reading.at,
        answer,
        stored,
        plan,
        store,
        rejected=rejected,
        thresholds=options.thresholds,
        free=options.free,
    )
    all_minor = is_minor(provider, plan.apply, store, options.thresholds)
    plan = replace(plan, is_minor=all_minor and not plan.retire, scheduled=later)
    reading = replace(
        reading,
        status=Status.READ,
        listings=_listing_counts(answer),
        changes={**plan.counts(), **({NEW_KEYS: len(new_keys)} if new_keys else {})},
        ignored=answer.ignored,
    )
    return _JudgedReading(reading, plan, gate_result.used)


def _process_unchanged(pending: PendingAnswer, store: Store) -> ReadingResult:
    """Store an answer with the same bytes as the last one, without decoding it.

    It can still retire missing models and release changes that were held long enough.
    """
    provider, reading = pending.provider, pending.reading
    with store.transaction():
        _refuse_if_overtaken(store, pending.last, reading)
        releasable = releasable_changes(provider, reading.at, store, pending.options.thresholds)
        missing = store.missing_models(provider.id)
        plan = plan_same_bytes(reading.at, missing, releasable, provider.id, store)
        reading = replace(
            reading,
            status=Status.UNCHANGED,
            listings=pending.last.listings if pending.last else {},
            ignored=pending.last.ignored if pending.last else {},
            changes=plan.counts(),
        )
        return _store_result(pending, store, reading, plan, None)


def _store_result(
    pending: PendingAnswer,
    store: Store,
    reading: Reading,
    plan: ChangePlan,
    compressed: bytes | None,
) -> ReadingResult:
    """Store a reading with its changes. The caller has opened the transaction."""
    reading = replace(reading, finished_at=datetime.now(UTC))
    if reading.dry_run:
        store.add_reading(reading)
    else:
        _keep_evidence(store, reading, compressed)
        store.save_reading(reading, plan)
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
    failed = _failed(reading, error)
    with store.transaction():
        store.add_reading(failed)
        finished_run = finish(store, failed, error)
    return ReadingResult(reading=failed, error=error, finished_run=finished_run)


def _record_skipped(
    store: Store, reading: Reading, missing: MissingKey, finish: FinishHook
) -> ReadingResult:
    skipped = replace(
        reading, finished_at=datetime.now(UTC), status=Status.SKIPPED, error=str(missing)
    )
    with store.transaction():
        store.add_reading(skipped)
        finished_run = finish(store, skipped, None)
    return ReadingResult(reading=skipped, finished_run=finished_run)


def _with_answer(
    reading: Reading,
    fetched: Fetched | NotModified,
    last: LastReading | None,
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


def _refuse_if_overtaken(store: Store, last: LastReading | None, reading: Reading) -> None:
    """Raise OlderAnswer if another reading of the provider was stored since this one began."""
    newest = store.last_reading(reading.provider)
    if newest is not None and (last is None or newest.id != last.id):
        raise OlderAnswer(reading.provider, "answer", f"overtaken by reading {newest.id}")


def _may_skip_unchanged(store: Store, last: LastReading | None, reading: Reading) -> bool:
    """Whether an answer with the same bytes as the last one can skip decoding and judging.

    Not when the program or a setting that judges is another one.
    """
    if last is None or last.decoder != reading.decoder:
        return False
    if last.ignored.get(UNREADABLE_LATER) or store.scheduled.has_begun_unseen(
        reading.provider, last.at, reading.at
    ):
        return False
    return not store.review.has_changed_since(reading.provider, last.finished_at, reading.at)


def _refuse_if_oversized(provider: Provider, answer: Answer, max_models: int) -> None:
    """Raise OversizedAnswer if the answer has more rows than the settings allow."""
    rows = len(answer.listings) + len(answer.nameless)
    if rows > max_models:
        why = f"lists {rows:,} models, above the cap of {max_models:,} (max_models)"
        raise OversizedAnswer(provider.id, "body", why)


def _refuse_if_unreadable(provider: Provider, answer: Answer) -> None:
    """Raise DecodeError if so many listings are unreadable that the format must have changed."""
    unreadable = [str(item) for item in answer.listings.values() if isinstance(item, Unreadable)]
    unreadable += answer.nameless
    rows = len(answer.listings) + len(answer.nameless)
    if len(unreadable) >= _MIN_UNREADABLE and len(unreadable) > _UNREADABLE_SHARE * rows:
        why = f"{len(unreadable)} of {rows} listings cannot be read, the first: {unreadable[0]}"
        raise DecodeError(provider.id, "body", why)


def _decoder(options: ReadingOptions) -> str:
    """What decodes and judges the bytes: the program, and the settings that decide with it."""
    judging = (options.thresholds or Thresholds(), sorted(options.free), options.max_models)
    return f"{VERSION} settings={hashlib.sha256(repr(judging).encode()).hexdigest()[:16]}"


def _program(decoder: str) -> str:
    return decoder.partition(" ")[0]


def _with_free(answer: Answer, free: Collection[str]) -> Answer:
    """*answer* with a price of zero for the models of *free* that it lists at zero."""
    zero = {
        model: listing.at_zero
        for model in free
        if isinstance(listing := answer.listings.get(model), Unpriced) and listing.at_zero
    }
    return replace(answer, listings={**answer.listings, **zero}) if zero else answer


def _new_keys(last: LastReading | None, reading: Reading, answer: Answer) -> dict[str, int]:
    """The price keys that are not read, are in many rows now, and were not at the last reading."""
    # Another program may read or count other keys.
    if last is None or _program(last.decoder) != _program(reading.decoder):
        return {}
    rows = len(answer.listings) + len(answer.nameless)
    few = min(_FEW_ROWS, _ROWS_SHARE * rows)
    return {
        key: count
        for key, count in answer.ignored.items()
        if count > few >= last.ignored.get(key, 0)
    }


def _refuse_if_renamed(
    provider: Provider, stored: Mapping[str, Stored], answer: Answer, new_keys: Mapping[str, int]
) -> None:
    """Raise DecodeError if a price key is new, and as many models lost the rate of a meter."""
    if not new_keys:
        return
    lost: Counter[str] = Counter()
    for model, listing in answer.listings.items():
        known = stored[model].listing if model in stored else None
        if isinstance(known, RateCard) and not isinstance(listing, Unreadable):
            now = listing.every_rate() if isinstance(listing, RateCard) else []
            still = {(when, meter) for when, meter, _ in now}
            before = {(when, meter) for when, meter, _ in known.every_rate()}
            lost.update({meter.value for _, meter in before - still})
    few = min(_FEW_ROWS, _ROWS_SHARE * len(answer.listings))
    key, count = max(new_keys.items(), key=lambda item: item[1])
    for meter, models in lost.items():
        if models > few and count >= _RENAMED_SHARE * models:
            why = f"{key} is new in {count} rows, and {models} models lost the rate of {meter}"
            raise DecodeError(provider.id, "format", f"a renamed price key? {why}")


def _listing_counts(answer: Answer) -> dict[str, int]:
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
