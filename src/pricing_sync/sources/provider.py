"""The description of a provider: which URL to fetch, and how to decode the answer. No I/O is done.

A reading's answer is one or more pages. Evidence stores them as one JSON text sequence (RFC 7464):
the pages in order, separated by a control character that JSON cannot contain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pricing_sync.errors import DecodeError, IncompleteAnswer
from pricing_sync.prices.rates import (
    Answer,
    Listing,
    Meter,
    RateCard,
    Scheduled,
    Source,
    Unreadable,
)
from pricing_sync.sources import rows, strict_json

__all__ = [
    "Curated",
    "Key",
    "Permission",
    "Pin",
    "Provider",
]

PAGE_SEPARATOR = b"\x1e"
#: The key of `Answer.ignored` for prices that are published for later and cannot be read.
UNREADABLE_LATER = "a price for later"


@dataclass(frozen=True, slots=True)
class Key:
    """Where a provider's key comes from, and in which header it is sent."""

    #: Environment variables; the first one that is set is used.
    variables: tuple[str, ...]
    required: bool = True
    header: str = "Authorization"
    prefix: str = "Bearer "


@dataclass(frozen=True, slots=True)
class Permission:
    """A request before the first page, to check that the key may see the whole list."""

    url: str
    #: Takes the body; raises `Malformed` or `Incomplete` when the list would be filtered.
    check: Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Curated:
    """Prices that a person read from a web page, for comparison with a catalog."""

    #: The URL of the page, and the day it was read (ISO 8601).
    page: str
    read_on: str
    cards: Mapping[str, RateCard]


@dataclass(frozen=True, slots=True)
class Pin:
    """A price that a person has read, to check that the unit of a list is still read correctly."""

    model: str
    meter: Meter
    #: The price in the provider's currency per million units, and the day it was read (ISO 8601).
    rate: str
    read_on: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One seller of models, and everything that is needed to read its price list."""

    id: str
    name: str
    #: The first page. `{NAME}` stands for the value of that environment variable.
    url: str
    #: Decodes the body of one page. Raises `Malformed` when the page is not in the format.
    decode: Callable[[bytes], rows.Page]
    #: The query parameters of the next page, or None after the last page. The arguments are the
    #: body of the current page and the number of pages so far.
    following: Callable[[bytes, int], Mapping[str, str] | None] | None = None
    #: Combines two different rows of one model. By default they are a contradiction.
    join: Callable[[Listing, Listing], Listing] = rows.reject_conflict
    key: Key | None = None
    permission: Permission | None = None
    source: Source = Source.API
    #: The currency of its prices, ISO 4217.
    currency: str = "USD"
    curated: Curated | None = None
    pin: Pin | None = None
    #: The URL of the web page on which the provider states its prices.
    page: str = ""
    #: The environment variables named in `url`.
    variables: tuple[str, ...] = field(default=())


def next_page(provider: Provider, body: bytes, count: int) -> Mapping[str, str] | None:
    """The query parameters of the page after *body*, which is page *count*; None after the last.

    Raises:
        DecodeError, IncompleteAnswer: the page cannot be read, or the list ends too early.
    """
    if provider.following is None:
        return None
    try:
        return provider.following(body, count)
    except strict_json.Malformed as error:
        raise _provider_error(provider, error) from error


def read_answer(provider: Provider, pages: Sequence[bytes], at: datetime | None = None) -> Answer:
    """The decoded answer of all pages, with the listings in force at an instant (now).

    What begins later is in `Answer.scheduled`, if it can be read.

    Raises:
        DecodeError: it is not in the provider's format.
        IncompleteAnswer: a page or a part of the list is missing, or no model is listed.
    """
    try:
        decoded = [provider.decode(page) for page in pages]
        listings, nameless, ignored = rows.merge(decoded, provider.join)
    except strict_json.Malformed as error:
        raise _provider_error(provider, error) from error
    if not listings and not nameless:
        raise IncompleteAnswer(provider.id, "body", "lists no models")
    if next_page(provider, pages[-1], len(pages)) is not None:
        raise IncompleteAnswer(provider.id, "body", f"the list goes on after page {len(pages)}")
    notices = {model: said for page in decoded for model, said in page.notices.items()}
    scheduled: dict[str, tuple[Scheduled, ...]] = {}
    for model, dated in ((model, found) for page in decoded for model, found in page.dated.items()):
        begun = [one for one in dated if one.since <= (at or datetime.now(UTC))]
        listings[model] = begun[-1].listing if begun else listings[model]
        later = dated[len(begun) :]
        ignored.update({UNREADABLE_LATER: 1} if _unreadable(later) else {})
        if changing := tuple(_changing(listings[model], later)):
            scheduled[model] = changing
    return Answer(listings, tuple(nameless), dict(ignored), notices, scheduled)


def _unreadable(later: Sequence[Scheduled]) -> bool:
    return any(isinstance(one.listing, Unreadable) for one in later)


def _changing(listing: Listing, later: Sequence[Scheduled]) -> Iterator[Scheduled]:
    """Those of the later listings that can be read and differ from the one before."""
    for one in later:
        if one.listing != listing and not isinstance(one.listing, Unreadable):
            yield one
            listing = one.listing


def _provider_error(
    provider: Provider, error: strict_json.Malformed
) -> DecodeError | IncompleteAnswer:
    kind = IncompleteAnswer if isinstance(error, strict_json.Incomplete) else DecodeError
    return kind(provider.id, error.where, error.why)
