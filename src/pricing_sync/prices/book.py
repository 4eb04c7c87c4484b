"""The price that counts: what a provider says, with what a person says instead on top."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, InitVar, dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeAlias

from pricing_sync.errors import NoPrice, UnknownName
from pricing_sync.prices.cost import Cost, cost
from pricing_sync.prices.rates import ConditionalRates, Meter, Rate, RateCard, Source, Unpriced
from pricing_sync.prices.statements import MeterOverride, Statement
from pricing_sync.prices.usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The price of one model: its card, or why there is none, and since when."""

    provider: str
    model: str
    listing: RateCard | Unpriced
    since: datetime
    recorded_at: datetime
    source: str
    #: The ledger row that the card is from; None when all of it is overridden.
    card_id: str | None = None

    @property
    def is_priced(self) -> bool:
        """Whether there is a card, and not a reason for having none."""
        return isinstance(self.listing, RateCard)

    def cost(self, usage: Usage, at: datetime) -> Cost:
        """What *usage* costs at this price, at the instant *at* if the card's hours differ.

        Raises:
            NoPrice: the model is unpriced, or its card names no rate for what was used.
            ValueError: *at* has no time zone.
        """
        if isinstance(self.listing, Unpriced):
            raise NoPrice(f"{self.provider}: {self.model}: unpriced: {self.listing}")
        try:
            return cost(self.listing, usage, at)
        except NoPrice as error:
            raise NoPrice(f"{self.provider}: {self.model}: {error}") from error


_Key: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _PriceTimeline:
    """The prices that a model has one after the other, as people have set them."""

    #: From when on each price counts, ascending. None is a time without one.
    boundaries: tuple[datetime, ...]
    prices: tuple[Price | None, ...]

    def at(self, instant: datetime) -> Price | None:
        return self.prices[max(0, bisect_right(self.boundaries, instant) - 1)]


@dataclass(frozen=True, slots=True, eq=False)
class PriceBook:
    """Every price that counts, as the ledger knew it at one moment. It never changes.

    What a person has set for later counts from then on, and ends when it was to end. Of the past
    it knows what the cards in force reach back to, and of a model without a card nothing before
    `read_at`; the ledger answers for the rest.

    Args:
        statements: The cards in force.
        overrides: All that are known and have not ended before their model's card began, or, of a
            model without a card, before `read_at`.
        revision: Another one when anything that counts has changed.
    """

    statements: InitVar[Iterable[Statement]]
    overrides: InitVar[Iterable[MeterOverride]]
    _: KW_ONLY
    read_at: datetime
    revision: str = ""
    #: By provider and model: what nobody has overridden, and the rest.
    _plain: dict[_Key, Price] = field(init=False, repr=False)
    _timelines: dict[_Key, _PriceTimeline] = field(init=False, repr=False)

    def __post_init__(
        self, statements: Iterable[Statement], overrides: Iterable[MeterOverride]
    ) -> None:
        cards = {(statement.provider, statement.model): statement for statement in statements}
        by_model = _by_model(overrides)
        plain = {key: _published(card) for key, card in cards.items() if key not in by_model}
        courses = {
            key: _timeline(cards.get(key), of_model, self.read_at)
            for key, of_model in by_model.items()
        }
        object.__setattr__(self, "_plain", plain)
        object.__setattr__(self, "_timelines", courses)

    def find(self, provider: str, model: str, at: datetime | None = None) -> Price | None:
        """The price of a model now or at an instant; None when it has none in the book.

        Raises:
            NoPrice: the instant is before what the book knows of the model.
            ValueError: the instant has no time zone.
        """
        key = provider, model
        price = self._plain.get(key)
        if price is not None:
            if at is not None:
                _refuse_before(price.since, key, at)
            return price
        timeline = self._timelines.get(key)
        if timeline is None:
            return None
        if at is not None:
            _refuse_before(timeline.boundaries[0], key, at)
        return timeline.at(at or datetime.now(UTC))

    def price(self, provider: str, model: str, at: datetime | None = None) -> Price:
        """The price of a model now or at an instant.

        Raises:
            UnknownName: it has none in the book.
            NoPrice, ValueError: as `find`.
        """
        found = self.find(provider, model, at)
        if found is None:
            raise UnknownName(f"{provider}: {model}: not in the price book")
        return found

    def cost(self, provider: str, model: str, usage: Usage, at: datetime | None = None) -> Cost:
        """What *usage* of a model costs now or at an instant: exact, and never 0 for the unknown.

        Raises:
            NoPrice: the model is unknown or unpriced, its card names no rate for what was used,
                or the instant is before what the book knows of it.
            ValueError: the instant has no time zone.
        """
        found = self.find(provider, model, at)
        if found is None:
            raise NoPrice(f"{provider}: {model}: not in the price book")
        return found.cost(usage, at or datetime.now(UTC))

    def __len__(self) -> int:
        """How many models have a price now, unpriced ones among them."""
        now = datetime.now(UTC)
        set_here = sum(timeline.at(now) is not None for timeline in self._timelines.values())
        return len(self._plain) + set_here

    def __iter__(self) -> Iterator[Price]:
        """The prices that count now, sorted by provider and model."""
        now = datetime.now(UTC)
        set_here = [price for timeline in self._timelines.values() if (price := timeline.at(now))]
        return iter(sorted([*self._plain.values(), *set_here], key=_key))

    def providers(self) -> list[str]:
        """The providers of the models that have a price now, sorted."""
        return sorted({price.provider for price in self})


def _timeline(
    statement: Statement | None, overrides: Iterable[MeterOverride], read_at: datetime
) -> _PriceTimeline:
    """A model's price changes where an override begins or ends, and nowhere else."""
    begin = statement.since if statement else read_at
    active = [o for o in overrides if o.until is None or o.until > begin]
    edges = {o.since for o in active} | {o.until for o in active if o.until is not None}
    boundaries = (begin, *sorted(edge for edge in edges if edge > begin))
    cards = [statement] if statement else []
    return _PriceTimeline(
        boundaries, tuple(_at_most_one(prices(cards, _at(m, active))) for m in boundaries)
    )


def _at(instant: datetime, overrides: Iterable[MeterOverride]) -> list[MeterOverride]:
    """Those that are in force at an instant."""
    return [o for o in overrides if o.since <= instant and (o.until is None or instant < o.until)]


def _at_most_one(found: Sequence[Price]) -> Price | None:
    return found[0] if found else None


def _refuse_before(begin: datetime, key: _Key, at: datetime) -> None:
    if at.utcoffset() is None:
        raise ValueError(f"{at} has no time zone")
    if at < begin:
        provider, model = key
        raise NoPrice(
            f"{provider}: {model}: {at.isoformat()} is before the price book, which knows of it"
            f" from {begin.isoformat()} on: ask the ledger"
        )


def _key(price: Price) -> _Key:
    return price.provider, price.model


def prices(statements: Iterable[Statement], overrides: Iterable[MeterOverride]) -> list[Price]:
    """Each model's price, sorted by provider and model.

    Both are what is in force and known at the instants that the caller asked the store for.
    """
    by_model = _by_model(overrides)
    found = [
        _overridden(_published(statement), by_model.pop((statement.provider, statement.model), ()))
        for statement in statements
    ]
    # A person may price a model that no provider lists.
    found += [_overridden(None, rest) for rest in by_model.values()]
    return sorted(found, key=_key)


def _by_model(overrides: Iterable[MeterOverride]) -> dict[_Key, list[MeterOverride]]:
    found: dict[_Key, list[MeterOverride]] = {}
    for override in overrides:
        found.setdefault((override.provider, override.model), []).append(override)
    return found


def _published(statement: Statement) -> Price:
    return Price(
        provider=statement.provider,
        model=statement.model,
        listing=statement.listing,
        since=statement.since,
        recorded_at=statement.recorded_at,
        source=statement.source,
        card_id=statement.card_id,
    )


def _overridden(price: Price | None, overrides: Sequence[MeterOverride]) -> Price:
    """*price* with each override's rate in the place of that meter's rates."""
    if not overrides:
        assert price is not None  # noqa: S101  only models with a price or an override get here
        return price
    rates = {override.meter: override.rate for override in overrides}
    newest = max(overrides, key=lambda override: override.since)
    below = price.listing if price else None
    return Price(
        provider=newest.provider,
        model=newest.model,
        listing=apply_overrides(below, rates, newest.currency),
        since=max(newest.since, price.since) if price else newest.since,
        recorded_at=max(newest.recorded_at, price.recorded_at) if price else newest.recorded_at,
        source=Source.OVERRIDE.value,
        card_id=price.card_id if price else None,
    )


def apply_overrides(
    below: RateCard | Unpriced | None, rates: dict[Meter, Rate], currency: str
) -> RateCard:
    """A card with a person's rates on top. They are flat: they hold under every condition too."""
    if not isinstance(below, RateCard) or below.currency != currency:
        return RateCard(rates, currency=currency)
    # An entry that is left without rates still says that its tier is sold.
    conditional = tuple(
        ConditionalRates(
            entry.when, {meter: rate for meter, rate in entry.rates.items() if meter not in rates}
        )
        for entry in below.conditional_rates
    )
    return replace(below, rates={**below.rates, **rates}, conditional_rates=conditional)
