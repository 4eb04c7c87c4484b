"""Decodes an answer, and refuses one that cannot be right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from pricing_sync.changes.diff import Stored
from pricing_sync.changes.run import Reading
from pricing_sync.errors import DecodeError, OversizedAnswer
from pricing_sync.prices.rates import Answer, RateCard, Unpriced, Unreadable
from pricing_sync.sources.provider import Provider, read_answer

#: An answer is rejected if it has at least this many unreadable listings, and more than this share.
_MIN_UNREADABLE, _UNREADABLE_SHARE = 5, 0.3
#: The longest name of a model, in bytes. What every database can have in an index.
_LONGEST_NAME = 1000
#: A price key that is not read is more than an oddity when it is in more rows than this, or in this
#: share of a short list.
_FEW_ROWS, _ROWS_SHARE = 3, 0.5
#: A renamed key is in at least this share of the models that lost a meter in the same reading.
_RENAMED_SHARE = 0.5


def decode(
    provider: Provider,
    pages: Sequence[bytes],
    at: datetime,
    *,
    free: Collection[str],
    max_models: int,
) -> Answer:
    """The listings of an answer at an instant, and those for later.

    The models of *free* that it lists at zero cost nothing.

    Raises:
        DecodeError, IncompleteAnswer, OversizedAnswer: the answer cannot be right.
    """
    answer = _with_free(_with_usable_names(read_answer(provider, pages, at)), free)
    _refuse_if_oversized(provider, answer, max_models)
    _refuse_if_unreadable(provider, answer)
    return answer


def _with_usable_names(answer: Answer) -> Answer:
    """*answer* without the names that no database stores. Such a listing counts as nameless."""
    unusable = [model for model in answer.listings if not _is_usable(model)]
    notices = {
        model: replace(said, names=tuple(filter(_is_usable, said.names)))
        if not all(map(_is_usable, said.names))
        else said
        for model, said in answer.notices.items()
        if _is_usable(model)
    }
    if not unusable:
        return replace(answer, notices=notices)
    return replace(
        answer,
        listings={
            model: listing for model, listing in answer.listings.items() if _is_usable(model)
        },
        nameless=(
            *answer.nameless,
            *(f"{model[:40]!a}: too long, or with a NUL character" for model in unusable),
        ),
        notices=notices,
        scheduled={model: later for model, later in answer.scheduled.items() if _is_usable(model)},
    )


def _is_usable(name: str) -> bool:
    return "\0" not in name and (
        len(name) <= _LONGEST_NAME // 4 or len(name.encode("utf-8", "replace")) <= _LONGEST_NAME
    )


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


def _with_free(answer: Answer, free: Collection[str]) -> Answer:
    """*answer* with a price of zero for the models of *free* that it lists at zero."""
    zero = {
        model: listing.at_zero
        for model in free
        if isinstance(listing := answer.listings.get(model), Unpriced) and listing.at_zero
    }
    return replace(answer, listings={**answer.listings, **zero}) if zero else answer


def _program(decoder: str) -> str:
    return decoder.partition(" ")[0]


def find_new_keys(last: Reading | None, reading: Reading, answer: Answer) -> dict[str, int]:
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


def refuse_if_renamed(
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


def listing_counts(answer: Answer) -> dict[str, int]:
    kinds = Counter(type(listing) for listing in answer.listings.values())
    return {
        "priced": kinds[RateCard],
        "unpriced": kinds[Unpriced],
        "unreadable": kinds[Unreadable],
        "nameless": len(answer.nameless),
    }
