"""Prices in your own program: the price of a model, the cost of a request, an unknown price.

    pip install '.[sync]'
    python examples/read_prices.py                         # reads openrouter.ai; no key is needed

The prices are stored in a temporary folder. Without `database=` they are stored in the database of
the settings.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory

from pricing_sync import Meter, NoPrice, Per, Rate, RateCard, Usage
from pricing_sync.app import PricingSync
from pricing_sync.settings import load_settings

MODEL = "openrouter", "openai/gpt-4o"


def main(pricing: PricingSync) -> None:
    asyncio.run(pricing.sync(["openrouter"]))

    # The book has every current price, in memory. It never changes: get the book anew for each use.
    book = pricing.book()
    price = book.price(*MODEL)
    if isinstance(price.listing, RateCard):  # else the listing has the reason for no price
        for meter, rate in price.listing.rates.items():
            print(f"{meter}: {rate} {price.listing.currency} per million")

    # A usage has totals: 8,000 of the 10,000 input tokens were read from the cache.
    usage = Usage(input=10_000, cache_read=8_000, output=500)
    cost = book.cost(*MODEL, usage)
    print(f"a request: {cost.total:f} {cost.currency}")
    for item in cost.items:
        print(f"    {item.quantity} {item.meter}: {item.amount:f}")

    # An override by a person replaces the provider's rate, here for 24 hours from tomorrow on.
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    pricing.set_override(
        *MODEL,
        {Meter.OUTPUT: Rate.of("20", Per.MILLION)},
        author="a person",
        reason="the contract says so",
        since=tomorrow,
        until=tomorrow + timedelta(days=1),
    )
    book = pricing.book()
    print(f"now: {book.cost(*MODEL, usage).total:f}")
    print(f"tomorrow: {book.cost(*MODEL, usage, at=tomorrow).total:f}")

    # Unknown is not free: the book raises an error instead of returning a cost of zero.
    try:
        book.cost("openrouter", "acme/unheard-of", usage)
    except NoPrice as error:
        print("no price:", error)


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        settings = load_settings(database=f"sqlite:///{folder}/prices.db")
        with PricingSync(settings) as opened:
            main(opened)
