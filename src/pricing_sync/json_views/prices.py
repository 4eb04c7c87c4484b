"""Prices, and the cards of the ledger."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Self

from pydantic import ConfigDict, Field

from pricing_sync.changes.scheduled import known_listing
from pricing_sync.json_views.base import Conditional, Instant, Listing, Rates, View
from pricing_sync.prices import statements
from pricing_sync.prices.age import age_seconds
from pricing_sync.prices.book import Price
from pricing_sync.prices.card_json import write_conditional_rates, write_listing, write_rates
from pricing_sync.prices.rates import RateCard, Scheduled
from pricing_sync.store.names import Ending as StoredEnding

CONFIRMED_AT = (
    "When the provider last listed this price. An override does not change it."
    " Null if it never did."
)
AGE_SECONDS = "Seconds since `confirmed_at`. Null if that is null, or in the future."


class Notice(View):
    """What a provider's list says about the end of a model."""

    ends_on: date | None = Field(default=None, description="The day on which it ends.")
    deprecated: bool = False
    replaced_by: str | None = None


class Ending(Notice):
    """A model that ends soon."""

    provider: str
    model: str
    days: int | None = Field(description="How many days are left.")

    @classmethod
    def of(cls, ending: StoredEnding, today: date) -> Self:
        notice, ends_on = Notice.model_validate(ending.notice), ending.notice.ends_on
        days = None if ends_on is None else (ends_on - today).days
        return cls(**dict(notice), provider=ending.provider, model=ending.model, days=days)


class OfModel(View):
    """What is about one model."""

    provider: str
    model: str


class CardShape(View):
    """The price of a model, or the reason why it is not known."""

    currency: str | None
    rates: Rates | None = Field(description="Null if no price is known. Null does not mean zero.")
    conditional_rates: list[Conditional] = Field(
        description="Conditional rates. If several match, the last one applies."
    )
    reason: str | None = Field(
        default=None, description="Why no price is known, or why the price is not confirmed."
    )
    since: Instant | None
    recorded_at: Instant | None
    source: str | None = Field(examples=["api", "catalog", "curated", "override"])


class ScheduledListing(View):
    """A listing that holds from `since` on."""

    since: Instant
    currency: str | None = None
    rates: Rates | None = None
    conditional_rates: list[Conditional] = Field(default=[])

    @classmethod
    def of(cls, entry: Scheduled) -> Self:
        return cls(since=entry.since, **write_listing(known_listing(entry)))


class PriceShape(Notice, CardShape, OfModel):
    """The price of a model."""

    model_config = ConfigDict(title="Price")

    state: str | None = Field(
        description="What the last successful reading says of this price. Null for the price of"
        " another instant, and for a model that no provider lists.",
        examples=[state.value for state in statements.PriceState],
    )
    confirmed_at: Instant | None = Field(description=CONFIRMED_AT)
    read_at: Instant | None = Field(description="The same as `confirmed_at`.")
    age_seconds: int | None = Field(description=AGE_SECONDS)
    resolved_to: str | None = Field(
        default=None, description="The model whose price it is, if `model` is another name of it."
    )
    scheduled: list[ScheduledListing] = Field(
        default=[], description="What its list states for later, the next one first."
    )

    @classmethod
    def of(cls, price: Price | statements.ModelState, now: datetime, **more: Any) -> Self:
        """A price, or a model without a card in force; *more* are the fields of a subclass."""
        known = price_fields(price) if isinstance(price, Price) else _cardless_fields(price)
        return cls(
            **known,
            **more,
            provider=price.provider,
            model=price.model,
            reason=price.reason,
            state=price.state,
            confirmed_at=price.confirmed_at,
            read_at=price.confirmed_at,
            age_seconds=age_seconds(price.confirmed_at, now),
        )


def price_fields(price: Price) -> dict[str, Any]:
    """The card of a price, where it came from, and what its list says beside it."""
    card, fields = price.listing, {**NO_CARD}
    if isinstance(card, RateCard):
        fields["currency"], fields["rates"] = card.currency, write_rates(card.rates)
        fields["conditional_rates"] = write_conditional_rates(card.conditional_rates)
    if price.notice is not None:
        fields |= dict(Notice.model_validate(price.notice))
    if price.resolved_to is not None:
        fields["resolved_to"] = price.resolved_to
    if price.scheduled:
        fields["scheduled"] = [ScheduledListing.of(entry) for entry in price.scheduled]
    return fields | {
        "since": price.since,
        "recorded_at": price.recorded_at,
        "source": price.source,
    }


def _cardless_fields(state: statements.ModelState) -> dict[str, Any]:
    return NO_CARD | {"since": state.first_seen, "recorded_at": state.first_seen}


#: The fields of `CardShape` for a model without a card and without a price.
NO_CARD: dict[str, Any] = {
    "currency": None,
    "rates": None,
    "conditional_rates": [],
    "since": None,
    "recorded_at": None,
    "source": None,
}


class Card(Listing):
    """A card of the ledger, in force from `since` until `until`, known since `recorded_at`."""

    since: Instant
    until: Instant | None
    recorded_at: Instant
    superseded_at: Instant | None
    source: str
    url: str
    reading: str
    digest: str | None = Field(description="SHA-256 of the provider's response.")
    card: str

    @classmethod
    def of_statement(cls, statement: statements.Statement) -> Self:
        return cls(
            **write_listing(statement.listing),
            since=statement.since,
            until=statement.until,
            recorded_at=statement.recorded_at,
            superseded_at=statement.superseded_at,
            source=statement.source,
            url=statement.url,
            reading=statement.reading_id,
            digest=statement.digest,
            card=statement.card_id,
        )
