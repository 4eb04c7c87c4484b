"""What a provider is: what to ask, and how to read the answer. No I/O happens here.

A reading's answer is one or more pages. Kept together as evidence they are a JSON text sequence
(RFC 7464): the pages in order, separated by the one control character that JSON cannot contain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pricing_sync.errors import DecodeError, IncompleteAnswer
from pricing_sync.prices.rates import Answer, Listing, Meter, RateCard, Source
from pricing_sync.sources import strict_json

PAGE_SEPARATOR = b"\x1e"


@dataclass(frozen=True, slots=True)
class Key:
    """Where a provider's key comes from, and how it is shown to the provider."""

    #: Environment variables, the first that is set wins.
    variables: tuple[str, ...]
    required: bool = True
    header: str = "Authorization"
    prefix: str = "Bearer "


@dataclass(frozen=True, slots=True)
class Permission:
    """A question to ask first: may this key see the whole list?"""

    url: str
    #: Given the body; raises `Malformed` or `Incomplete` when the list would be filtered.
    check: Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Curated:
    """Prices read off a page by a person, to check a catalog against."""

    #: The page, and the day it was read (ISO 8601).
    page: str
    read_on: str
    cards: Mapping[str, RateCard]


@dataclass(frozen=True, slots=True)
class Pin:
    """A price that a person knows, to check now and then that a list is still read in its unit."""

    model: str
    meter: Meter
    #: The currency per million units, and the day it was read (ISO 8601).
    rate: str
    read_on: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One seller of models, and the page of facts by which its price list is read."""

    id: str
    name: str
    #: The first page. `{NAME}` in it is filled from the environment variable of that name.
    url: str
    #: One page's body to its rows. Raises `Malformed` when the page is not in the format.
    decode: Callable[[bytes], strict_json.Page]
    #: The query parameters of the page after this one, or None after the last: given the body and
    #: how many pages there are so far.
    following: Callable[[bytes, int], Mapping[str, str] | None] | None = None
    #: What two different rows of one model make, when that is no contradiction.
    join: Callable[[Listing, Listing], Listing] = strict_json.differ
    key: Key | None = None
    permission: Permission | None = None
    source: Source = Source.API
    #: What its prices are in, ISO 4217.
    currency: str = "USD"
    curated: Curated | None = None
    pin: Pin | None = None
    #: The page for people where the provider states its prices.
    page: str = ""
    #: The environment variables named in `url`.
    variables: tuple[str, ...] = field(default=())


def next_page(provider: Provider, body: bytes, count: int) -> Mapping[str, str] | None:
    """The query parameters of the page after *body*, the *count*-th; None after the last.

    Raises:
        DecodeError, IncompleteAnswer: the page cannot be read, or ends before the list does.
    """
    if provider.following is None:
        return None
    try:
        return provider.following(body, count)
    except strict_json.Malformed as error:
        raise _named(provider, error) from error


def read_answer(provider: Provider, pages: Sequence[bytes]) -> Answer:
    """What a whole answer says.

    Raises:
        DecodeError: it is not in the provider's format, or names no model at all.
        IncompleteAnswer: a page or a part of the list is missing.
    """
    try:
        listings, nameless, ignored = strict_json.merge(
            (provider.decode(page) for page in pages), provider.join
        )
    except strict_json.Malformed as error:
        raise _named(provider, error) from error
    if not listings and not nameless:
        raise IncompleteAnswer(provider.id, "body", "lists no models")
    if next_page(provider, pages[-1], len(pages)) is not None:
        raise IncompleteAnswer(provider.id, "body", f"the list goes on after page {len(pages)}")
    return Answer(listings, tuple(nameless), dict(ignored))


def _named(provider: Provider, error: strict_json.Malformed) -> DecodeError | IncompleteAnswer:
    kind = IncompleteAnswer if isinstance(error, strict_json.Incomplete) else DecodeError
    return kind(provider.id, error.where, error.why)
