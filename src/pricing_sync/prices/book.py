"""The price in force: the rates that a provider lists, replaced where a person overrides them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, InitVar, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

from pricing_sync.errors import NoPrice, UnknownName
from pricing_sync.prices.age import LATELY, age
from pricing_sync.prices.cost import Cost, cost
from pricing_sync.prices.instants import refuse_naive
from pricing_sync.prices.rates import (
    ConditionalRates,
    Meter,
    Notice,
    Rate,
    RateCard,
    Rates,
    Scheduled,
    Source,
    Unpriced,
    When,
)
from pricing_sync.prices.statements import (
    Confirmations,
    MeterOverride,
    ModelState,
    PriceState,
    Statement,
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
    """The prices that one model has one after the other: by overrides, or scheduled cards."""

    #: The instant from which each price is in force, ascending. A price of None means no price.
    boundaries: tuple[datetime, ...]
    prices: tuple[Price | None, ...]

    def at(self, instant: datetime) -> Price | None:
        return self.prices[max(0, bisect_right(self.boundaries, instant) - 1)]


@dataclass(frozen=True, slots=True, eq=False)
class PriceBook:
    """An immutable snapshot of every price in force, as the ledger knew it at `read_at`.

    An override that begins or ends later, and a card that is scheduled, take effect in the book at
    that instant. The book has no price before the current card of a model began or, for a model
    without a card, before `read_at`. Earlier prices are in the ledger.

    Args:
        statements: The cards in force, and those that are scheduled.
        overrides: Every known override, except those that ended before their model's card began
            or, for a model without a card, before `read_at`.
        revision: Differs between two books whenever any price differs, or its state.
        confirmations: The state of each price. Without them, no price has a state.
        aliases: The models that other names stand for, by provider and name.
        notices: What is said about the end of models, by provider and model.
    """

    statements: InitVar[Iterable[Statement]]
    overrides: InitVar[Iterable[MeterOverride]]
    _: KW_ONLY
    read_at: datetime
    revision: str = ""
    confirmations: InitVar[Confirmations | None] = None
    aliases: InitVar[Mapping[_Key, str] | None] = None
    notices: InitVar[Mapping[_Key, Notice] | None] = None
    #: Models whose price is not confirmed, by provider and model.
    _unconfirmed: Mapping[_Key, ModelState] = field(init=False, repr=False)
    #: By provider and model, the beginning of each constant price that counts before its `since`.
    _earlier: dict[_Key, datetime] = field(init=False, repr=False)
    #: By provider and another name of a model.
    _aliases: Mapping[_Key, str] = field(init=False, repr=False)
    #: By provider and model. Models without overrides have one price, the others a timeline.
    _constant: dict[_Key, Price] = field(init=False, repr=False)
    _timelines: dict[_Key, _PriceTimeline] = field(init=False, repr=False)

    def __post_init__(
        self,
        statements: Iterable[Statement],
        overrides: Iterable[MeterOverride],
        confirmations: Confirmations | None,
        aliases: Mapping[_Key, str] | None,
        notices: Mapping[_Key, Notice] | None,
    ) -> None:
        refuse_naive(self.read_at)
        names, notices = aliases or {}, notices or {}
        cards: dict[_Key, list[Statement]] = {}
        for statement in sorted(statements, key=lambda card: card.since):
            cards.setdefault((statement.provider, statement.model), []).append(statement)
        by_model = _by_model(overrides)
        changing = {key for key, of_model in cards.items() if len(of_model) > 1} | by_model.keys()
        constant = {
            key: _described(_published(card, confirmations), names, notices)
            for key, [card] in ((key, cards[key]) for key in cards if key not in changing)
        }
        timelines = {
            key: _timeline(
                cards.get(key, ()),
                by_model.get(key, ()),
                self.read_at,
                confirmations,
                names,
                notices,
            )
            for key in changing
        }
        unconfirmed = confirmations.unconfirmed if confirmations else {}
        object.__setattr__(self, "_unconfirmed", unconfirmed)
        earlier = {
            key: _begin_and_end(cards[key][0], self.read_at)[0]
            for key, price in constant.items()
            if price.since > self.read_at
        }
        object.__setattr__(self, "_earlier", earlier)
        object.__setattr__(self, "_aliases", names)
        object.__setattr__(self, "_constant", constant)
        object.__setattr__(self, "_timelines", timelines)

    def find(self, provider: str, model: str, at: datetime | None = None) -> Price | None:
        """The price of a model now or at an instant; None when the book has none.

        Another name of a model, as its list publishes it, has the model's price: `resolved_to`.

        Raises:
            NoPrice: the instant is before the first price that the book has of the model.
            ValueError: the instant has no time zone.
        """
        if at is not None and at.utcoffset() is None:
            refuse_naive(at)
        found = self._find((provider, model), at)
        target = self._aliases.get((provider, model)) if found is None else None
        return found if target is None else renamed(self._find((provider, target), at), model)

    def _find(self, key: _Key, at: datetime | None) -> Price | None:
        price = self._constant.get(key)
        if price is not None:
            if at is not None:
                _refuse_before(price.since, key, at, self._earlier)
            return price
        timeline = self._timelines.get(key)
        if timeline is None:
            return None
        if at is not None:
            _refuse_before(timeline.boundaries[0], key, at, {})
        return timeline.at(at or datetime.now(UTC))

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
        key = provider, model
        target = provider, self._aliases.get(key, model)
        state = self._unconfirmed.get(key) or self._unconfirmed.get(target)
        return state.reason if state else None

    def _not_found(self, provider: str, model: str) -> str:
        reason = self.reason_without_price(provider, model) or "not in the price book"
        return f"{provider}: {model}: {reason}"

    def without_price(self, provider: str, model: str) -> ModelState | None:
        """The state of a model that a provider lists or has listed and that has no price now."""
        key = provider, model
        return None if self._find(key, None) else self._unconfirmed.get(key)

    def models_without_price(self) -> list[ModelState]:
        """The models that a provider lists or has listed and that have no price now, sorted."""
        return [
            self._unconfirmed[key] for key in sorted(self._unconfirmed) if not self._find(key, None)
        ]

    def __len__(self) -> int:
        """The number of models in force now, including unpriced ones."""
        now = datetime.now(UTC)
        changing = sum(timeline.at(now) is not None for timeline in self._timelines.values())
        return len(self._constant) + changing

    def __iter__(self) -> Iterator[Price]:
        """The prices in force now, sorted by provider and model."""
        now = datetime.now(UTC)
        changing = [price for timeline in self._timelines.values() if (price := timeline.at(now))]
        return iter(sorted([*self._constant.values(), *changing], key=_key))

    def providers(self) -> list[str]:
        """The providers of the models that have a price now, sorted."""
        return sorted({price.provider for price in self})


def _begin_and_end(
    record: Statement | MeterOverride, now: datetime
) -> tuple[datetime, datetime | None]:
    """From when until when *record* counts.

    What a clock that was ahead has dated in the future counts from `LATELY` before now on. What
    begins or ends later than it was recorded was meant to.
    """
    since, until, recorded_at = record.since, record.until, record.recorded_at
    begin = now - LATELY if now < since <= recorded_at else since
    end = now - LATELY if until is not None and now < until <= recorded_at else until
    return begin, end


#: An override, and from when until when it counts.
_Span: TypeAlias = tuple[MeterOverride, datetime, datetime | None]


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
    statements: Sequence[Statement],
    overrides: Iterable[MeterOverride],
    read_at: datetime,
    confirmations: Confirmations | None,
    aliases: Mapping[_Key, str],
    notices: Mapping[_Key, Notice],
) -> _PriceTimeline:
    """The timeline of one model. Its price changes only where a card or override begins or ends."""
    cards = [(card, *_begin_and_end(card, read_at)) for card in statements]
    begin = min((start for _, start, _ in cards), default=read_at)
    spans: list[_Span] = [(o, *_begin_and_end(o, read_at)) for o in overrides]
    active = [span for span in spans if span[2] is None or span[2] > begin]
    both = [*cards, *active]
    edges = {start for _, start, _ in both} | {end for _, _, end in both if end is not None}
    boundaries = (begin, *sorted(edge for edge in edges if edge > begin))
    found = (_price_at(instant, cards, active, confirmations) for instant in boundaries)
    return _PriceTimeline(
        boundaries, tuple(price and _described(price, aliases, notices) for price in found)
    )


def _price_at(
    instant: datetime,
    cards: Sequence[tuple[Statement, datetime, datetime | None]],
    spans: Sequence[_Span],
    confirmations: Confirmations | None,
) -> Price | None:
    """The price of one model at an instant, of its cards and its overrides with their spans."""
    in_force = [o for o, begin, end in spans if begin <= instant and (not end or instant < end)]
    listed = [c for c, begin, end in cards if begin <= instant and (not end or instant < end)]
    found = next(iter(prices(listed, in_force, confirmations)), None)
    later = tuple(
        Scheduled(card.since, card.listing) for card, begin, _ in cards if begin > instant
    )
    return replace(found, scheduled=later) if found and later else found


def _refuse_before(
    begin: datetime, key: _Key, at: datetime, earlier: Mapping[_Key, datetime]
) -> None:
    if at < begin and at < earlier.get(key, begin):
        provider, model = key
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


def _by_model(overrides: Iterable[MeterOverride]) -> dict[_Key, list[MeterOverride]]:
    found: dict[_Key, list[MeterOverride]] = {}
    for override in overrides:
        found.setdefault((override.provider, override.model), []).append(override)
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


class OverrideState(StrEnum):
    """Whether an override that has not ended counts, or why it does not."""

    IN_FORCE = "in_force"
    #: A newer override of the same rate is in force.
    COVERED = "covered"
    #: Its currency is not the one of the card: nothing is converted, and nothing mixed.
    WAITING = "waiting"
    TO_COME = "to_come"


def override_states(
    listing: RateCard | Unpriced | None, overrides: Sequence[MeterOverride], at: datetime
) -> dict[str, OverrideState]:
    """The state of each override of one model at an instant, by its id. None of them has ended."""
    begun = [override for override in overrides if _begin_and_end(override, at)[0] <= at]
    waiting = [o.id for o in begun if o.currency != _card_currency(listing, begun)]
    counts = [override.id for override in counting(listing, begun)]
    return {
        **{override.id: OverrideState.TO_COME for override in overrides},
        **{override.id: OverrideState.COVERED for override in begun},
        **dict.fromkeys(waiting, OverrideState.WAITING),
        **dict.fromkeys(counts, OverrideState.IN_FORCE),
    }


def _card_currency(
    listing: RateCard | Unpriced | None, overrides: Sequence[MeterOverride]
) -> str | None:
    """The one currency of a model: its card's or, without a card, its newest override's."""
    if isinstance(listing, RateCard):
        return listing.currency
    newest = max(overrides, key=lambda override: override.layer, default=None)
    return newest.currency if newest else None


def counting(
    listing: RateCard | Unpriced | None, overrides: Sequence[MeterOverride]
) -> list[MeterOverride]:
    """The overrides of one model that count, of those in force, oldest first.

    An override in another currency than the card waits, and newer ones cover older ones.
    """
    currency = _card_currency(listing, overrides)
    ordered = sorted(
        (override for override in overrides if override.currency == currency),
        key=lambda override: override.layer,
    )
    return [
        override
        for place, override in enumerate(ordered)
        if not any(newer.covers(override) for newer in ordered[place + 1 :])
    ]


def apply_overrides(
    listing: RateCard | Unpriced | None, overrides: Sequence[MeterOverride]
) -> RateCard:
    """*listing* with the rates of the overrides that count, one after the other.

    An override replaces the rate of its own condition, or the base rate; the rates of other
    conditions stay. A flat one also removes the conditional rates of its meter. Service tiers that
    do not name its meter name it then, see `_name_in_tiers`.
    """
    card = listing if isinstance(listing, RateCard) else None
    rates = dict(card.rates) if card else {}
    entries = [(entry.when, dict(entry.rates)) for entry in card.conditional_rates] if card else []
    for override in overrides:
        if override.when is None:
            rates[override.meter] = override.rate
        for when, conditional in entries:
            # An entry without any rates is kept: it shows that its service tier is sold.
            if override.is_flat or when == override.when:
                conditional.pop(override.meter, None)
        if override.when is not None:
            _entry(entries, override.when)[override.meter] = override.rate
    base = {override.meter: override.rate for override in overrides if override.when is None}
    _name_in_tiers(base, entries)
    conditional_rates = tuple(ConditionalRates(when, named) for when, named in entries)
    return RateCard(rates, conditional_rates, overrides[-1].currency)


def _name_in_tiers(base: Rates, entries: Iterable[tuple[When, dict[Meter, Rate]]]) -> None:
    """Put a person's base rates into the service tiers that have rates, and none of these meters.

    What a tier does not name would not be sure of its price, see `TierRates`. A rate of an entry
    before that also matches requests of the tier stays. A tier without rates has the base rates.
    """
    named: dict[str | None, set[Meter]] = {None: set()}
    for when, rates in entries:
        tier = when.service_tier
        known = named.setdefault(tier, set())
        own = set(rates)
        if tier is not None and own:
            rates.update({m: r for m, r in base.items() if m not in own | known | named[None]})
        known |= own


def _entry(entries: list[tuple[When, dict[Meter, Rate]]], wanted: When) -> dict[Meter, Rate]:
    """The last entry of a condition, or a new one after all others, which wins over them."""
    for when, conditional in reversed(entries):
        if when == wanted:
            return conditional
    entries.append((wanted, {}))
    return entries[-1][1]
