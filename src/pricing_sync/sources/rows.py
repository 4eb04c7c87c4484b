"""Pages of rows: each row is one model, and a bad one affects only itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct

from pricing_sync.prices.model_ids import is_model_id
from pricing_sync.prices.rates import Listing, Notice, Scheduled, Unreadable
from pricing_sync.sources.listings import NOT_PUBLISHED
from pricing_sync.sources.objects import count_unread, nested, price_keys, repeated_key
from pricing_sync.sources.strict_json import (
    MISREAD,
    BadAmount,
    Incomplete,
    Malformed,
    envelope,
    shorten,
)

__all__ = [
    "Page",
    "read_rows",
]

RowType = TypeVar("RowType", bound=Struct)


@dataclass(slots=True)
class Page:
    """One decoded page of an answer."""

    #: The model id and the listing of each row; the id is None if the row has no usable one.
    rows: list[tuple[str | None, Listing]]
    #: The number of all models, as the provider states it; None if it does not.
    total: int | None = None
    #: How often each key occurred that may hold a price and is not read.
    ignored: Counter[str] = field(default_factory=Counter)
    #: What is said about models beside their prices, by model.
    notices: dict[str, Notice] = field(default_factory=dict)
    #: By model, the listings that replace the one of its row from an instant on, earliest first.
    #: Those of the past too: an answer is read for one instant, see `provider.read_answer`.
    dated: dict[str, tuple[Scheduled, ...]] = field(default_factory=dict)


class PricedRow(Struct):
    """A row with an id and one object of prices."""

    id: str
    pricing: dict[str, Raw] | None = None


class DataList(Struct):
    """The list `{"data": [...]}` of OpenAI, which many have."""

    data: list[Raw]


@dataclass(frozen=True, slots=True)
class RowRead:
    """What one row says."""

    #: None if the row has no usable id.
    model: str | None
    listing: Listing
    notice: Notice | None = None
    dated: tuple[Scheduled, ...] | None = None
    #: How often each key occurred that may hold a price and is not read.
    ignored: Mapping[str, int] = field(default_factory=dict)


class RowMemory:
    """What rows say, by the SHA-256 of their bytes: most rows of a list are as they were last time.

    It is of one list, whose rows mean the same wherever they stand. A row that was in none of the
    last answers is forgotten.
    """

    #: About 0.6 kB each.
    _ROWS = 16_384

    def __init__(self) -> None:
        self._recent: dict[bytes, RowRead] = {}
        self._older: dict[bytes, RowRead] = {}

    def find(self, digest: bytes) -> RowRead | None:
        """What the row said, if it was read lately."""
        return self._recent.get(digest) or self._older.get(digest)

    def keep(self, digest: bytes, read: RowRead) -> None:
        """Remember what the row said, once more."""
        if digest in self._recent:
            return
        if len(self._recent) >= self._ROWS:
            self._recent, self._older = {}, self._recent
        self._recent[digest] = read


def read_rows(
    raws: Sequence[Raw],
    kind: type[RowType],
    listing: Callable[[RowType, Counter[str]], Listing],
    total: int | None = None,
    notice: Callable[[RowType], Notice | None] | None = None,
    dated: Callable[[RowType, Counter[str]], tuple[Scheduled, ...]] | None = None,
    memory: RowMemory | None = None,
) -> Page:
    """A page with one model per row, decoded by *listing*; a bad amount affects only its row.

    With *memory*, a row with the bytes of one that was read lately is not read again.
    """
    page = Page([], total)

    def read(row: RowType, ignored: Counter[str]) -> RowRead:
        found = guard(listing, row, ignored)
        model: str = row.id  # type: ignore[attr-defined]  # every row type has an `id`
        return RowRead(model, found, notice and notice(row), dated and dated(row, ignored), ignored)

    parse_row = _row_parser(kind)
    for index, raw in enumerate(raws):
        digest = sha256(raw).digest() if memory else b""
        said = memory and memory.find(digest)
        if not said:
            ignored: Counter[str] = Counter()
            model, row = parse_row(index, raw, ignored)
            if isinstance(row, Unreadable):  # with the number of the row, so it is not kept
                page.rows.append((model, row))
                continue
            said = read(row, ignored)
        if memory:
            memory.keep(digest, said)
        _add_row(page, said)
    return page


def _add_row(page: Page, said: RowRead) -> None:
    page.rows.append((said.model, said.listing))
    if said.ignored:
        page.ignored.update(said.ignored)
    if said.model and said.notice:
        page.notices[said.model] = said.notice
    if said.model and said.dated is not None:
        _add_dated(page, said.model, said.dated)


def read_data(
    body: bytes,
    kind: type[RowType],
    listing: Callable[[RowType, Counter[str]], Listing],
    notice: Callable[[RowType], Notice | None] | None = None,
    dated: Callable[[RowType, Counter[str]], tuple[Scheduled, ...]] | None = None,
    memory: RowMemory | None = None,
) -> Page:
    """The page of a `DataList`: see `read_rows`."""
    raws = envelope(body, DataList).data
    return read_rows(raws, kind, listing, notice=notice, dated=dated, memory=memory)


def read_keyed(
    raws: Mapping[str, Raw],
    kind: type[RowType],
    listing: Callable[[str, RowType, Counter[str]], Listing],
    notice: Callable[[RowType], Notice | None] | None = None,
) -> Page:
    """A page with one model per key, decoded by *listing*; an error in a row affects only it."""
    page, keys = Page([]), price_keys(kind)
    for model, raw in raws.items():
        if not is_model_id(model):
            page.rows.append((None, Unreadable(f"{shorten(model.encode())} is not a model id")))
            continue
        try:
            row = nested(raw, kind, "row")
            read = Unreadable("row: null") if row is None else listing(model, row, page.ignored)
            count_unread(raw, kind, page.ignored)
            if row is not None and notice and (said := notice(row)):
                page.notices[model] = said
        except BadAmount as error:
            read = Unreadable(str(error))
        if key := repeated_key(bytes(raw), keys):
            read = Unreadable(f"row: {key} is named twice")
        page.rows.append((model, read))
    return page


def _add_dated(page: Page, model: str, dated: tuple[Scheduled, ...]) -> None:
    """Add the dated listings of a row. Two rows of a model must agree on them."""
    if page.dated.setdefault(model, dated) != dated:
        conflict = reject_conflict(Unreadable(""), Unreadable(""))
        page.dated[model] = (Scheduled(datetime.min.replace(tzinfo=UTC), conflict),)


def parse(
    raws: Sequence[Raw], kind: type[RowType], ignored: Counter[str]
) -> Iterator[tuple[str | None, RowType | Unreadable]]:
    """Each row with its model id: the field `id` of *kind*, which may have another name in JSON.

    The keys of a readable row that may hold a price, and are not in *kind*, are counted in
    *ignored*.

    A row that is not of type *kind*, or whose prices name a key twice, is `Unreadable` under its
    id. A row without a usable id is `Unreadable` under None.
    """
    parse_row = _row_parser(kind)
    for index, raw in enumerate(raws):
        yield parse_row(index, raw, ignored)


def _row_parser(
    kind: type[RowType],
) -> Callable[[int, Raw, Counter[str]], tuple[str | None, RowType | Unreadable]]:
    """A function for one row of `parse`, with its number."""
    decode, keys = msgspec.json.Decoder(kind).decode, price_keys(kind)
    id_key = next(f.encode_name for f in msgspec.structs.fields(kind) if f.name == "id")

    def parse_row(
        index: int, raw: Raw, ignored: Counter[str]
    ) -> tuple[str | None, RowType | Unreadable]:
        try:
            row = decode(raw)
        except MISREAD as error:
            return _id_of(raw, id_key), Unreadable(f"row {index}: {error}")
        model: str = row.id  # type: ignore[attr-defined]  # every row type has an `id`
        if not is_model_id(model):
            return None, Unreadable(f"row {index}: {shorten(model.encode())} is not a model id")
        if key := repeated_key(bytes(raw), keys):
            return model, Unreadable(f"row {index}: {key} is named twice")
        count_unread(raw, kind, ignored)
        return model, row

    return parse_row


def _id_of(raw: Raw, id_key: str) -> str | None:
    try:
        model = msgspec.json.decode(msgspec.json.decode(raw, type=dict[str, Raw])[id_key], type=str)
    except (*MISREAD, KeyError):
        return None
    return model if is_model_id(model) else None


def guard(
    listing: Callable[[RowType, Counter[str]], Listing], row: RowType, ignored: Counter[str]
) -> Listing:
    """The listing of a row, or `Unreadable` with the reason when *listing* raises ValueError."""
    try:
        return listing(row, ignored)
    except Malformed:
        raise
    except ValueError as error:  # a bad amount, or a card without rates
        return Unreadable(str(error))


def reject_conflict(_first: Listing, _second: Listing) -> Listing:
    """An unreadable listing, in place of two that contradict each other."""
    return Unreadable("listed twice, with different prices")


def merge(
    pages: Iterable[Page], join: Callable[[Listing, Listing], Listing] = reject_conflict
) -> tuple[dict[str, Listing], list[str], Counter[str]]:
    """The listings of all pages, the reasons of rows without a model id, and the ignored keys.

    Two equal listings of a model count once. *join* combines two that differ.

    Raises:
        Incomplete: there are fewer rows than the total that the provider states.
    """
    listings: dict[str, Listing] = {}
    nameless: list[str] = []
    ignored: Counter[str] = Counter()
    rows, total = 0, 0
    for page in pages:
        rows += len(page.rows)
        total = max(total, page.total or 0)
        ignored.update(page.ignored)
        for model, listing in page.rows:
            if model is None:
                nameless.append(str(listing))
            elif listings.setdefault(model, listing) != listing:
                listings[model] = join(listings[model], listing)
    if rows < total:
        raise Incomplete("body", f"{rows} of {total} models")
    # A list that changes between two pages may repeat some rows and omit others.
    hidden = total - len(listings) - len(nameless)
    if hidden > 0:
        nameless.append(f"{hidden} of {total} rows repeat others, so as many may be missing")
    return listings, nameless, ignored


def refuse_priceless(page: Page, why: str) -> Page:
    """*page*, unless it has readable listings and all of them are `NOT_PUBLISHED`.

    Raises:
        Incomplete: all of them are, so this is another list without prices; *why* is the message.
    """
    readable = [listing for _, listing in page.rows if not isinstance(listing, Unreadable)]
    if readable and all(listing == NOT_PUBLISHED for listing in readable):
        raise Incomplete("body", why)
    return page
