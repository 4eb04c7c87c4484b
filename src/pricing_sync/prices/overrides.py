"""How the overrides of one model combine: which of them count, and what the card is with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum

from pricing_sync.prices.rates import ConditionalRates, Meter, Rate, RateCard, Rates, Unpriced, When
from pricing_sync.prices.statements import MeterOverride, begin_and_end


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
    begun = [override for override in overrides if begin_and_end(override, at)[0] <= at]
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
