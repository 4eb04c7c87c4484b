"""Models and prices of the simulated providers, from `facts.toml`, where they are explained."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from threading import Lock
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from pricing_sync.data_files import read_table
from pricing_sync.errors import UnknownName
from pricing_sync.prices.rates import (
    ConditionalRates,
    Listing,
    Meter,
    Per,
    Rate,
    RateCard,
    Rates,
    Unpriced,
    When,
    Why,
)

#: Amounts in the currency per million units, by meter.
Prices: TypeAlias = Mapping[Meter, Decimal]
#: Prices that apply under a condition; meters that are not named keep the base price.
ConditionalPrices: TypeAlias = tuple[When, Prices]

CURRENCY = {"alibaba-cloud-cn": "CNY"}
#: The providers that are read from models.dev, which lists every provider in one document.
CATALOG = ("anthropic", "google-vertex", "groq", "mistral", "openai")


class Model(Struct, frozen=True, forbid_unknown_fields=True):
    """One model of a provider."""

    id: str
    #: Context size in tokens; None where none is listed.
    context: int | None = None
    prices: Prices = {}
    conditional_prices: tuple[ConditionalPrices, ...] = ()
    #: The reason why it has no price; then `prices` is empty.
    why: Why | None = None
    kind: str = "chat"
    aliases: tuple[str, ...] = ()
    #: The discount that `prices` already include, as a fraction.
    discount: Decimal | None = None

    def listing(self, currency: str) -> Listing:
        """The listing that a correct decoder returns for it."""
        if self.why is not None:
            return Unpriced(self.why)
        conditional_rates = tuple(
            ConditionalRates(when, _rates(prices)) for when, prices in self.conditional_prices
        )
        return RateCard(_rates(self.prices), conditional_rates, currency)

    def times(self, factor: Decimal) -> Model:
        """The same model with every price multiplied by *factor*."""
        conditional_prices = tuple(
            (when, _times(prices, factor)) for when, prices in self.conditional_prices
        )
        return replace(
            self, prices=_times(self.prices, factor), conditional_prices=conditional_prices
        )


def _rates(prices: Prices) -> Rates:
    return {meter: Rate.of(amount, Per.MILLION) for meter, amount in prices.items()}


def _times(prices: Prices, factor: Decimal) -> Prices:
    return {meter: amount * factor for meter, amount in prices.items()}


#: The models that each provider lists at the start, by provider id.
FACTS = read_table("pricing_sync.demo", "facts.toml", dict[str, tuple[Model, ...]])


class Inventory:
    """The models of every provider; safe to change while requests are answered."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._models = {
            provider: {model.id: model for model in models} for provider, models in FACTS.items()
        }
        self._removed: dict[tuple[str, str], Model] = {}

    def models(self, provider: str) -> list[Model]:
        """The models that a provider lists now.

        Raises:
            UnknownName: there is no such simulated provider.
        """
        with self._lock:
            return list(self._of(provider).values())

    def set_rate(self, provider: str, model: str, meter: str, rate: str | None) -> None:
        """Set the rate of a meter, in the currency per million units; None removes it.

        Raises:
            UnknownName: there is no such simulated provider or model.
            ValueError: there is no such meter, or *rate* is not a valid rate.
        """
        changed = Meter(meter)
        new = {} if rate is None else {changed: Rate.of(rate, Per.MILLION).per_million}
        with self._lock:
            found = self._find(provider, model)
            kept = {other: amount for other, amount in found.prices.items() if other != changed}
            prices = {**kept, **new}
            why = None if prices else Why.NOT_PUBLISHED
            self._of(provider)[model] = replace(found, prices=prices, why=why)

    def add(self, provider: str, model: str, rates: Mapping[str, str]) -> None:
        """List a new model.

        Raises:
            UnknownName: there is no such simulated provider.
            ValueError: there is no such meter, or a rate is not a valid rate.
        """
        prices = {
            Meter(meter): Rate.of(rate, Per.MILLION).per_million for meter, rate in rates.items()
        }
        with self._lock:
            self._of(provider)[model] = Model(model, 131_072, prices)

    def remove(self, provider: str, model: str) -> None:
        """Remove a model from the list.

        Raises:
            UnknownName: there is no such simulated provider or model.
        """
        with self._lock:
            self._removed[provider, model] = self._find(provider, model)
            del self._of(provider)[model]

    def restore(self, provider: str, model: str) -> None:
        """List a removed model again, unchanged.

        Raises:
            UnknownName: the model was not removed.
        """
        with self._lock:
            removed = self._removed.pop((provider, model), None)
            if removed is None:
                raise UnknownName(f"{provider}: {model} was not removed")
            self._of(provider)[model] = removed

    def _of(self, provider: str) -> dict[str, Model]:
        if provider not in self._models:
            raise UnknownName(f"{provider}: not among the simulated providers")
        return self._models[provider]

    def _find(self, provider: str, model: str) -> Model:
        found = self._of(provider).get(model)
        if found is None:
            raise UnknownName(f"{provider}: sells no {model}")
        return found
