"""One row for each rate of each model, with all that there is to say of it, for CSV and Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pricing_sync.exports.amounts import decimal_text
from pricing_sync.exports.document import Source, card_of
from pricing_sync.prices.card_json import write_instant, write_when
from pricing_sync.prices.rates import Per, When


class Row(NamedTuple):
    """A rate with its condition, which is empty for a base rate.

    `id` is the provider, a slash and the model: a provider's id has no slash. It is not split
    because a spreadsheet takes a model such as `@cf/meta/…` or `=1` for a formula.
    """

    id: str
    currency: str
    meter: str
    #: The currency per million units, exact.
    per_million: str
    #: The same as a whole number of 10⁻¹⁵ of the currency per unit.
    femtos_per_unit: int
    #: The rates of later conditions replace those of earlier ones.
    condition: int
    min_input_tokens: int | None
    service_tier: str | None
    hours: str | None
    weekdays: str | None
    time_zone: str | None
    region: str | None
    since: str
    source: str
    card: str | None


def rows(source: Source) -> Iterator[Row]:
    """Every rate, by provider, model, condition and meter. Nothing is left out."""
    for price in source.prices:
        card = card_of(price)
        conditions = [(When(), card.rates)]
        conditions += [(entry.when, entry.rates) for entry in card.conditional_rates]
        for position, (when, rates) in enumerate(conditions):
            written = write_when(when)
            for meter, rate in rates.items():
                yield Row(
                    id=f"{price.provider}/{price.model}",
                    currency=card.currency,
                    meter=meter.value,
                    per_million=decimal_text(rate, Per.MILLION),
                    femtos_per_unit=int(rate),
                    condition=position,
                    min_input_tokens=when.min_input_tokens,
                    service_tier=when.service_tier,
                    hours="-".join(written["hours"]) if when.hours else None,
                    weekdays=" ".join(map(str, written.get("weekdays", ()))) or None,
                    time_zone=written.get("time_zone"),
                    region=when.region,
                    since=write_instant(price.since),
                    source=price.source,
                    card=price.card_id,
                )
