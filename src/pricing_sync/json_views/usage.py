"""Recorded usage: what was taken in, what has no price, and our costs beside reported ones."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Context, Decimal, InvalidOperation
from fractions import Fraction
from typing import Annotated, Any, NamedTuple, Self, TypeAlias, overload

from pydantic import BeforeValidator, Field

from pricing_sync.json_views.base import Instant, View
from pricing_sync.prices import blast_radius, reconciliation
from pricing_sync.prices.usage_sums import plain

_DIGITS = Context(prec=10)


@overload
def written(amount: Decimal) -> str: ...
@overload
def written(amount: Decimal | None) -> str | None: ...
def written(amount: Decimal | None) -> str | None:
    """An exact amount as a plain decimal without trailing zeros; None stays None."""
    return None if amount is None else plain(amount)


def rounded(value: Fraction) -> str:
    """A fraction as a plain decimal of ten digits."""
    quotient = _DIGITS.divide(Decimal(value.numerator), Decimal(value.denominator))
    return written(quotient)


#: An exact amount of money as a plain decimal.
Amount: TypeAlias = Annotated[
    str, BeforeValidator(lambda value: written(value) if isinstance(value, Decimal) else value)
]
#: A fraction as a decimal of ten digits.
Rounded: TypeAlias = Annotated[
    str, BeforeValidator(lambda value: rounded(value) if isinstance(value, Fraction) else value)
]


class UsageReceipt(View):
    """What was taken in."""

    rows: int
    priced: int
    unpriced: dict[str, int] = Field(
        description="Rows without a price, by reason.", examples=[{"unknown_model": 2}]
    )
    cost: dict[str, str] = Field(description="Our cost of the priced rows, by currency.")
    repeated: bool = Field(
        description="Whether this batch had been taken in before with the same key; then it"
        " counted that time."
    )


class UnpricedModel(View):
    """Requests of one model that have no price, for one reason."""

    provider: str
    model: str
    reason: str = Field(examples=["unknown_model", "unpriced", "no_rate"])
    detail: str | None = Field(description="Why the newest of them has no price.")
    requests: int
    first: Instant = Field(description="The hour of the first of them.")
    last: Instant = Field(description="The hour of the last of them.")
    quantities: dict[str, int] = Field(
        description="By meter, without the quantities of its subset meters."
    )
    reported: dict[str, Amount] = Field(
        description="What the provider reported that they cost, by currency."
    )

    @classmethod
    def of(cls, entry: reconciliation.UnpricedModel) -> Self:
        return cls.model_validate(entry)


class UnpricedModels(View):
    """The models with requests without a price, those with the most requests first."""

    items: list[UnpricedModel]


class AmountChange(View):
    """The cost in one currency before and after a change."""

    currency: str
    old: Amount | None = Field(description="Null where no request has a price.")
    new: Amount | None = Field(description="Null where no request has a price.")


class BlastRadius(View):
    """What the traffic of a model costs before and after a change."""

    requests: int
    without_old_price: int = Field(description="Requests that the old listing has no price for.")
    without_new_price: int = Field(description="Requests that the new listing has no price for.")
    amounts: list[AmountChange]

    @classmethod
    def of(cls, found: blast_radius.BlastRadius) -> Self:
        return cls(
            requests=found.requests,
            without_old_price=found.without_old_price,
            without_new_price=found.without_new_price,
            amounts=[
                AmountChange(currency=currency, old=written(amounts.old), new=written(amounts.new))
                for currency, amounts in sorted(found.amounts.items())
            ],
        )


class ImpliedRate(View):
    """The rate that the reported costs imply, beside ours, per million units."""

    meter: str
    card: str | None
    service_tier: str | None
    region: str | None
    min_input_tokens: int | None
    stored: str
    implied: str
    hours: int = Field(description="How many hours it is solved from.")
    is_exact: bool = Field(
        description="Whether the implied rates explain each reported cost to the last digit."
    )

    @classmethod
    def of(cls, rate: reconciliation.ImpliedRate) -> Self:
        conditions = rate.conditions
        return cls(
            meter=rate.meter.value,
            card=conditions.card_id,
            service_tier=conditions.service_tier,
            region=conditions.region,
            min_input_tokens=conditions.min_input_tokens or None,
            stored=rounded(rate.stored),
            implied=rounded(rate.implied),
            hours=rate.hours,
            is_exact=rate.is_exact,
        )


class Compared(View):
    """Requests that have our cost and a reported one, in one currency."""

    provider: str
    currency: str
    requests: int
    cost: Amount = Field(description="Ours.")
    reported_cost: Amount
    ratio: Rounded | None = Field(
        description="The reported cost for each unit of ours; null if ours is zero."
    )
    low: Rounded | None = Field(description="The lowest ratio of an hour.")
    median: Rounded | None
    high: Rounded | None = Field(description="The highest ratio of an hour.")
    hours: int
    drifts: bool = Field(
        description="Whether the ratio differs from 1 by more than PRICING_SYNC_USAGE_DRIFT."
    )

    @classmethod
    def of(cls, entry: reconciliation.Compared, most: Fraction) -> Self:
        return cls(**_compared(entry, most))


def _compared(entry: reconciliation.Compared, most: Fraction) -> dict[str, Any]:
    """The fields of a `Compared`."""
    return {
        "provider": entry.provider,
        "currency": entry.currency,
        "requests": entry.requests,
        "cost": entry.cost,
        "reported_cost": entry.reported_cost,
        "ratio": entry.ratio,
        "low": entry.low,
        "median": entry.median,
        "high": entry.high,
        "hours": entry.hours,
        "drifts": entry.drifts(most),
    }


class ComparedModel(Compared):
    """The requests of one model, and the rates behind them where the hours determine them."""

    model: str
    rates: list[ImpliedRate]

    @classmethod
    def of(cls, entry: reconciliation.Compared, most: Fraction) -> Self:
        rates = [ImpliedRate.of(rate) for rate in entry.rates]
        return cls(**_compared(entry, most), model=entry.model or "", rates=rates)


class Drift(View):
    """A model whose reported costs of the last day differ too much from ours."""

    provider: str
    model: str
    currency: str
    cost: Amount
    reported_cost: Amount
    ratio: Rounded | None


class NotCompared(View):
    """Requests with a reported cost that cannot be compared with ours."""

    provider: str
    without_price: int
    other_currency: int


class Reconciliation(View):
    """Our costs beside those that providers reported: a page of models, and every provider."""

    items: list[ComparedModel] = Field(description="By model, the largest differences first.")
    next: str | None = Field(description="The cursor of the next page; null on the last page.")
    providers: list[Compared]
    not_compared: list[NotCompared]

    @classmethod
    def of(
        cls,
        found: reconciliation.Reconciliation,
        most: Fraction,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Self:
        """The views; *most* is the share by which a ratio may differ from 1 without a drift."""
        after = _read_cursor(cursor)
        entries = [
            entry for entry in by_difference(found.models) if after is None or _place(entry) > after
        ]
        shown = entries[:limit]
        return cls(
            items=[ComparedModel.of(entry, most) for entry in shown],
            next=_write_cursor(_place(shown[-1])) if len(shown) < len(entries) else None,
            providers=[Compared.of(entry, most) for entry in found.providers],
            not_compared=[NotCompared.model_validate(entry) for entry in found.not_compared],
        )


class _Place(NamedTuple):
    """The place of a model among others: the smallest comes first."""

    #: Below zero, so that the largest comes first.
    difference: Decimal
    provider: str
    currency: str
    model: str


def _place(entry: reconciliation.Compared) -> _Place:
    difference = abs(entry.reported_cost - entry.cost)
    return _Place(-difference, entry.provider, entry.currency, entry.model or "")


def _write_cursor(place: _Place) -> str:
    """`-12.5/PROVIDER/USD/MODEL`: only a model may have a slash."""
    return f"{place.difference:f}/{place.provider}/{place.currency}/{place.model}"


def _read_cursor(cursor: str | None) -> _Place | None:
    """The place that `_write_cursor` wrote; None, the first place, for anything else."""
    try:
        difference, provider, currency, model = (cursor or "").split("/", 3)
        found = Decimal(difference)
    except (ValueError, InvalidOperation):
        return None
    return _Place(found, provider, currency, model) if found.is_finite() else None


def by_difference(
    entries: Iterable[reconciliation.Compared],
) -> list[reconciliation.Compared]:
    """The largest difference of the two costs first."""
    return sorted(entries, key=_place)
