"""The price that counts: what a provider says, with what a person says instead on top."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pricing_sync.ledger import MeterOverride, Statement
from pricing_sync.price import Conditional, Meter, Rate, RateCard, Source, Unpriced


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


def prices(statements: Iterable[Statement], overrides: Iterable[MeterOverride]) -> list[Price]:
    """Each model's price, sorted by provider and model.

    Both are what is in force and known at the instants that the caller asked the store for.
    """
    by_model: dict[tuple[str, str], list[MeterOverride]] = {}
    for override in overrides:
        by_model.setdefault((override.provider, override.model), []).append(override)
    found = [
        _overridden(_published(statement), by_model.pop((statement.provider, statement.model), ()))
        for statement in statements
    ]
    # A person may price a model that no provider lists.
    found += [_overridden(None, rest) for rest in by_model.values()]
    return sorted(found, key=lambda price: (price.provider, price.model))


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
        listing=override_card(below, rates, newest.currency),
        since=max(newest.since, price.since) if price else newest.since,
        recorded_at=max(newest.recorded_at, price.recorded_at) if price else newest.recorded_at,
        source=Source.OVERRIDE.value,
        card_id=price.card_id if price else None,
    )


def override_card(
    below: RateCard | Unpriced | None, rates: dict[Meter, Rate], currency: str
) -> RateCard:
    """A card with a person's rates on top. They are flat: they hold under every condition too."""
    if not isinstance(below, RateCard) or below.currency != currency:
        return RateCard(rates, currency=currency)
    # An entry that is left without rates still says that its tier is sold.
    conditional = tuple(
        Conditional(
            entry.when, {meter: rate for meter, rate in entry.rates.items() if meter not in rates}
        )
        for entry in below.overrides
    )
    return replace(below, rates={**below.rates, **rates}, overrides=conditional)
