"""The price in force: the rates that a provider lists, replaced where a person overrides them."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, InitVar, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias, TypeVar

from pricing_sync.errors import NoPrice, UnknownName
from pricing_sync.prices.age import age
from pricing_sync.prices.cost import Cost, cost
from pricing_sync.prices.instants import refuse_naive
from pricing_sync.prices.overrides import apply_overrides, counting
from pricing_sync.prices.rates import (
    Notice,
    RateCard,
    Scheduled,
    Source,
    Unpriced,
)
from pricing_sync.prices.statements import (
    Confirmations,
    MeterOverride,
    ModelState,
    PriceState,
    Statement,
    begin_and_end,
)
from pricing_sync.prices.usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The price of one model: its card, or the reason why it has none, since when, how sure."""

    provider: str
    model: str
    listing: RateCard | Unpriced
    since: datetime
    recorded_at: datetime
    source: str
    #: The ledger row of the card; None when the model has only overrides.
    card_id: str | None = None
    #: None for the price of another instant than now, and for a model that no provider lists.
    state: PriceState | None = None
    #: When the provider last listed this price. An override does not change it. None if it never
    #: did, or if `state` is None.
    confirmed_at: datetime | None = None
    #: `held: band: …`: why the price is not confirmed; None when it is.
    doubt: str | None = None
    #: The model whose price it is, if *model* is another name of that one; else None.
    resolved_to: str | None = None
    #: What the list says about the end of the model; None if it says nothing.
    notice: Notice | None = None
    #: What its source publishes for later than the price, the next one first. Without overrides.
    scheduled: tuple[Scheduled, ...] = ()

    @property
    def reason(self) -> str | None:
        """Why there is no price, or why the price is not confirmed; None if neither is so."""
        unpriced = str(self.listing) if isinstance(self.listing, Unpriced) else None
        return "; ".join(part for part in (unpriced, self.doubt) if part) or None

    def age(self, now: datetime) -> timedelta | None:
        """How long ago the provider last confirmed the price; None if that is not known."""
        return age(self.confirmed_at, now)

    @property
    def is_priced(self) -> bool:
        """Whether the model has a rate card."""
        return isinstance(self.listing, RateCard)

    def cost(self, usage: Usage, at: datetime | None = None) -> Cost:
        """The cost of *usage* at this price. *at* selects among rates that depend on the hour.

        None is now.

        Raises:
            NoPrice: the model is unpriced, or its card has no rate for a meter that was used.
            ValueError: *at* has no time zone.
        """
        if isinstance(self.listing, Unpriced):
            raise NoPrice(f"{self.provider}: {self.model}: unpriced: {self.reason}")
        try:
            return cost(self.listing, usage, at)
        except NoPrice as error:
            raise NoPrice(f"{self.provider}: {self.model}: {error}") from error


_Key: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _PriceTimeline:
    """The prices that one model has one after the other, by its cards and its overrides."""

    #: The instant from which each price is in force, ascending. A price of None means no price.
    boundaries: tuple[datetime, ...]
    prices: tuple[Price | None, ...]

    def at(self, instant: datetime) -> Price | None:
        return self.prices[max(0, bisect_right(self.boundaries, instant) - 1)]

    def changes_after(self, instant: datetime) -> bool:
        return self.boundaries[-1] > instant


@dataclass(frozen=True, slots=True)
class _OfProvider:
    """The prices of one provider, by model."""

    #: The prices of now that do not change any more.
    settled: dict[str, Price] = field(default_factory=dict)
    #: The beginning of each price that counts before its `since`.
    earlier: dict[str, datetime] = field(default_factory=dict)
    #: For the models that have more than one price in the book.
    timelines: dict[str, _PriceTimeline] = field(default_factory=dict)
    #: The models that other names stand for.
    aliases: dict[str, str] = field(default_factory=dict)
    #: Models whose price is not confirmed.
    unconfirmed: dict[str, ModelState] = field(default_factory=dict)

    def now(self, model: str) -> Price | None:
        price = self.settled.get(model)
        if price is not None:
            return price
        timeline = self.timelines.get(model)
        return None if timeline is None else timeline.at(datetime.now(UTC))

    def prices_now(self, now: datetime) -> Iterator[Price]:
        yield from self.settled.values()
        for model, timeline in self.timelines.items():
            price = None if model in self.settled else timeline.at(now)
            if price is not None:
                yield price

    def edges(self, model: str) -> Iterator[datetime]:
        """The instants at which the price of a model begins."""
        timeline, settled = self.timelines.get(model), self.settled.get(model)
        yield from timeline.boundaries if timeline is not None else ()
        if settled is not None:
            yield from (settled.since, self.earlier.get(model, settled.since))


@dataclass(frozen=True, slots=True, eq=False)
class PriceBook:
    """An immutable snapshot of prices, as the ledger knew them at `read_at`.

    With `since` it holds every card of the time from then on, and any instant of that time has an
    answer. Otherwise it has no price before the current card of a model began or, for a model
    without a card, before `read_at`. Earlier prices are in the ledger. A card or an override that
    begins or ends later takes effect in the book at that instant.

    Args:
        statements: The cards in force and those that are scheduled or, with `since`, all that were
            in force since then.
        overrides: Every known override, except those that ended before `since` or, without it,
            before their model's card began or, for a model without a card, before `read_at`.
        since: From when on the book holds every card; None for the cards in force.
        revision: Differs between two books whenever any price differs, or its state.
        confirmations: The state of each price. Without them, no price has a state.
        aliases: The models that other names stand for now, by provider and name.
        notices: What is said about the end of models, by provider and model.
    """

    statements: InitVar[Iterable[Statement]]
    overrides: InitVar[Iterable[MeterOverride]]
    _: KW_ONLY
    read_at: datetime
    since: datetime | None = None
    revision: str = ""
    confirmations: InitVar[Confirmations | None] = None
    aliases: InitVar[Mapping[_Key, str] | None] = None
    notices: InitVar[Mapping[_Key, Notice] | None] = None
    _by_provider: dict[str, _OfProvider] = field(init=False, repr=False)

    def __post_init__(
        self,
        statements: Iterable[Statement],
        overrides: Iterable[MeterOverride],
        confirmations: Confirmations | None,
        aliases: Mapping[_Key, str] | None,
        notices: Mapping[_Key, Notice] | None,
    ) -> None:
        refuse_naive(self.read_at, self.since)
        names, notices = aliases or {}, notices or {}
        found: dict[str, _OfProvider] = defaultdict(_OfProvider)
        cards, by_model = _by_model(statements), _by_model(overrides)
        for key in cards.keys() | by_model.keys():
            provider, model = key
            of_model, own, into = cards.get(key, ()), by_model.get(key, ()), found[provider]
            if len(of_model) == 1 and of_model[0].until is None and not own:
                price = _described(_published(of_model[0], confirmations), names, notices)
                into.settled[model] = price
                if price.since > self.read_at:
                    into.earlier[model] = begin_and_end(of_model[0], self.read_at)[0]
                continue
            timeline = _timeline(
                of_model, own, self.read_at, self.since, confirmations, names, notices
            )
            into.timelines[model] = timeline
            last = timeline.prices[-1]
            if last is not None and not timeline.changes_after(self.read_at):
                into.settled[model] = last
        for (provider, name), target in names.items():
            found[provider].aliases[name] = target
        for (provider, model), state in (
            confirmations.unconfirmed if confirmations else {}
        ).items():
            found[provider].unconfirmed[model] = state
        object.__setattr__(self, "_by_provider", dict(found))

    def with_providers(self, providers: Iterable[str], part: PriceBook) -> PriceBook:
        """This book with everything of some providers from *part*, a newer one of these alone."""
        by_provider = {**self._by_provider}
        for provider in providers:
            by_provider.pop(provider, None)
        book = PriceBook((), (), read_at=part.read_at, since=self.since, revision=part.revision)
        object.__setattr__(book, "_by_provider", by_provider | part._by_provider)
        return book

    def find(self, provider: str, model: str, at: datetime | None = None) -> Price | None:
        """The price of a model now or at an instant; None when the book has none.

        Another name of a model, as its list publishes it, has the model's price: `resolved_to`.

        Raises:
            NoPrice: the instant is before the first price that the book has of the model.
            ValueError: the instant has no time zone.
        """
        if at is not None:
            if at.utcoffset() is None:
                refuse_naive(at)
            if self.since is not None:
                _refuse_before(self.since, provider, model, at)
        own = self._by_provider.get(provider)
        if own is None:
            return None
        found = own.now(model) if at is None else self._at(own, provider, model, at)
        target = own.aliases.get(model) if found is None else None
        if target is None:
            return found
        return renamed(
            own.now(target) if at is None else self._at(own, provider, target, at), model
        )

    def _at(self, own: _OfProvider, provider: str, model: str, at: datetime) -> Price | None:
        timeline = own.timelines.get(model)
        if timeline is not None:
            _refuse_before(timeline.boundaries[0], provider, model, at)
            return timeline.at(at)
        price = own.settled.get(model)
        if price is None or at >= price.since or at >= own.earlier.get(model, price.since):
            return price
        if self.since is None:
            _refuse_before(price.since, provider, model, at)
        return None

    def periods(
        self, provider: str, model: str, since: datetime, until: datetime
    ) -> Iterator[tuple[datetime, Price | None]]:
        """The prices that a model has one after the other between two instants (inclusive).

        Each with the instant from which it counts, the first one with *since*. None is no price.

        Raises:
            NoPrice, ValueError: as in `find`.
        """
        edges = {since}
        own = self._by_provider.get(provider)
        if own is not None:
            edges.update(own.edges(model))
            edges.update(own.edges(own.aliases.get(model, model)))
        for edge in sorted(edges):
            if since <= edge <= until:
                yield edge, self.find(provider, model, edge)

    def price(self, provider: str, model: str, at: datetime | None = None) -> Price:
        """The price of a model now or at an instant.

        Raises:
            UnknownName: the book has no price of the model.
            NoPrice, ValueError: as in `find`.
        """
        found = self.find(provider, model, at)
        if found is None:
            raise UnknownName(self._not_found(provider, model))
        return found

    def cost(self, provider: str, model: str, usage: Usage, at: datetime | None = None) -> Cost:
        """The exact cost of *usage* of a model now or at an instant. An unknown price is not 0.

        Raises:
            NoPrice: the model is unknown or unpriced, its card has no rate for a meter that was
                used, or the instant is before the first price that the book has of the model.
            ValueError: the instant has no time zone.
        """
        found = self.find(provider, model, at)
        if found is None:
            raise NoPrice(self._not_found(provider, model))
        return found.cost(usage, at)

    def reason_without_price(self, provider: str, model: str) -> str | None:
        """`held: band: …`: why a model has no price; None if no provider ever listed it."""
        own = self._by_provider.get(provider)
        if own is None:
            return None
        target = own.aliases.get(model, model)
        state = own.unconfirmed.get(model) or own.unconfirmed.get(target)
        return state.reason if state else None

    def _not_found(self, provider: str, model: str) -> str:
        reason = self.reason_without_price(provider, model) or "not in the price book"
        return f"{provider}: {model}: {reason}"

    def without_price(self, provider: str, model: str) -> ModelState | None:
        """The state of a model that a provider lists or has listed and that has no price now."""
        own = self._by_provider.get(provider)
        return None if own is None or own.now(model) else own.unconfirmed.get(model)

    def models_without_price(self) -> list[ModelState]:
        """The models that a provider lists or has listed and that have no price now, sorted."""
        return [
            own.unconfirmed[model]
            for _, own in sorted(self._by_provider.items())
            for model in sorted(own.unconfirmed)
            if not own.now(model)
        ]

    def __len__(self) -> int:
        """The number of models in force now, including unpriced ones."""
        return sum(1 for _ in self._prices_now())

    def __iter__(self) -> Iterator[Price]:
        """The prices in force now, sorted by provider and model."""
        return iter(sorted(self._prices_now(), key=_key))

    def _prices_now(self) -> Iterator[Price]:
        now = datetime.now(UTC)
        for own in self._by_provider.values():
            yield from own.prices_now(now)

    def providers(self) -> list[str]:
        """The providers of the models that have a price now, sorted."""
        now = datetime.now(UTC)
        return sorted(
            provider for provider, own in self._by_provider.items() if any(own.prices_now(now))
        )


#: A card or an override, and from when until when it counts.
_R = TypeVar("_R", Statement, MeterOverride)
_Span: TypeAlias = tuple[_R, datetime, datetime | None]


def renamed(price: Price | None, name: str) -> Price | None:
    """The price under another name of its model."""
    return None if price is None else replace(price, model=name, resolved_to=price.model)


def _described(price: Price, aliases: Mapping[_Key, str], notices: Mapping[_Key, Notice]) -> Price:
    """The price with the model that its own one stands for, and what is said about its end."""
    target, notice = aliases.get(_key(price)), notices.get(_key(price))
    if target is None and notice is None:
        return price
    return replace(price, resolved_to=target, notice=notice)


def _timeline(
    statements: Iterable[Statement],
    overrides: Iterable[MeterOverride],
    read_at: datetime,
    since: datetime | None,
    confirmations: Confirmations | None,
    aliases: Mapping[_Key, str],
    notices: Mapping[_Key, Notice],
) -> _PriceTimeline:
    """The timeline of one model. Its price changes only where a card or an override does."""
    cards: list[_Span[Statement]] = [(s, *begin_and_end(s, read_at)) for s in statements]
    others: list[_Span[MeterOverride]] = [(o, *begin_and_end(o, read_at)) for o in overrides]
    first = since or min((begin for _, begin, _ in cards), default=read_at)
    edges = {edge for _, *ends in [*cards, *others] for edge in ends if edge and edge > first}
    boundaries = (first, *sorted(edges))
    found = []
    for instant in boundaries:
        in_force, own = _in_force(cards, instant), _in_force(others, instant)
        # What is known of the model's state is about its card of now.
        has_ended = any(end and end <= read_at for card, _, end in cards if card in in_force)
        known = None if has_ended else confirmations
        price = next(iter(prices(in_force, own, known)), None)
        later = tuple(
            Scheduled(card.since, card.listing)
            for card, begin, _ in cards
            if begin > max(instant, read_at)
        )
        if price and later:
            price = replace(price, scheduled=later)
        found.append(price and _described(price, aliases, notices))
    return _PriceTimeline(boundaries, tuple(found))


def _in_force(spans: Iterable[_Span[_R]], instant: datetime) -> list[_R]:
    return [one for one, begin, end in spans if begin <= instant and (not end or instant < end)]


def _refuse_before(begin: datetime, provider: str, model: str, at: datetime) -> None:
    if at < begin:
        raise NoPrice(
            f"{provider}: {model}: {at.isoformat()} is before the price book, which knows of it"
            f" from {begin.isoformat()} on: ask the ledger"
        )


def _key(price: Price) -> _Key:
    return price.provider, price.model


def prices(
    statements: Iterable[Statement],
    overrides: Iterable[MeterOverride],
    confirmations: Confirmations | None = None,
    aliases: Mapping[_Key, str] | None = None,
    notices: Mapping[_Key, Notice] | None = None,
) -> list[Price]:
    """Each model's price, sorted by provider and model.

    The caller has selected from the store the statements and overrides of one instant, and the
    confirmations if that instant is now.
    """
    by_model = _by_model(overrides)
    found = [
        _overridden(
            _published(statement, confirmations),
            by_model.pop((statement.provider, statement.model), ()),
        )
        for statement in statements
    ]
    # A person may price a model that no provider lists.
    found += [_only_overridden(rest, confirmations) for rest in by_model.values()]
    found = [_described(price, aliases or {}, notices or {}) for price in found]
    return sorted(found, key=_key)


def _by_model(records: Iterable[_R]) -> dict[_Key, list[_R]]:
    found: dict[_Key, list[_R]] = {}
    for record in records:
        found.setdefault((record.provider, record.model), []).append(record)
    return found


def _published(statement: Statement, confirmations: Confirmations | None) -> Price:
    state, confirmed_at, doubt = _standing(statement.provider, statement.model, confirmations)
    return Price(
        provider=statement.provider,
        model=statement.model,
        listing=statement.listing,
        since=statement.since,
        recorded_at=statement.recorded_at,
        source=statement.source,
        card_id=statement.card_id,
        state=state,
        confirmed_at=confirmed_at,
        doubt=doubt,
    )


def _standing(
    provider: str, model: str, confirmations: Confirmations | None
) -> tuple[PriceState | None, datetime | None, str | None]:
    """The state, last confirmation and doubt of a model with a card in force."""
    if confirmations is None:
        return None, None, None
    known = confirmations.unconfirmed.get((provider, model))
    if known is None:
        return PriceState.CONFIRMED, confirmations.read_at.get(provider), None
    return known.state, known.confirmed_at, known.reason


def _overridden(price: Price, overrides: Sequence[MeterOverride]) -> Price:
    """*price* with the rates of those *overrides* that count instead of its own."""
    overrides = counting(price.listing, overrides)
    if not overrides:
        return price
    return replace(
        price,
        listing=apply_overrides(price.listing, overrides),
        since=max(price.since, *(override.since for override in overrides)),
        recorded_at=max(price.recorded_at, *(override.recorded_at for override in overrides)),
        source=Source.OVERRIDE.value,
    )


def _only_overridden(
    overrides: Sequence[MeterOverride], confirmations: Confirmations | None
) -> Price:
    """The price of a model without a card in force."""
    overrides = counting(None, overrides)
    newest = overrides[-1]
    known = confirmations and confirmations.unconfirmed.get((newest.provider, newest.model))
    return Price(
        provider=newest.provider,
        model=newest.model,
        listing=apply_overrides(None, overrides),
        since=max(override.since for override in overrides),
        recorded_at=max(override.recorded_at for override in overrides),
        source=Source.OVERRIDE.value,
        state=known.state if known else None,
        confirmed_at=known.confirmed_at if known else None,
        doubt=known.reason if known else None,
    )
