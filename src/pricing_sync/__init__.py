"""Prices that an LLM gateway can bill by.

`PriceBook`, `cost` and the other names here need only the standard library.
`pricing_sync.app.PricingSync` reads providers and keeps the ledger. It needs the extra `sync`.
"""

from pricing_sync.errors import NoPrice, PricingSyncError
from pricing_sync.prices.book import Price, PriceBook
from pricing_sync.prices.cost import Cost, Item, cost
from pricing_sync.prices.rates import (
    ConditionalRates,
    CurrencyUnit,
    Listing,
    Meter,
    Per,
    Rate,
    RateCard,
    Unpriced,
    Unreadable,
    When,
    Why,
)
from pricing_sync.prices.usage import Usage
from pricing_sync.version import VERSION

__version__ = VERSION

__all__ = [
    "ConditionalRates",
    "Cost",
    "CurrencyUnit",
    "Item",
    "Listing",
    "Meter",
    "NoPrice",
    "Per",
    "Price",
    "PriceBook",
    "PricingSyncError",
    "Rate",
    "RateCard",
    "Unpriced",
    "Unreadable",
    "Usage",
    "When",
    "Why",
    "__version__",
    "cost",
]
