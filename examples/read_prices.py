"""Prices in a program of one's own: what a model costs, what a request cost, what is not known.

    pip install '.[sync]'
    python examples/read_prices.py                         # asks openrouter.ai; no key is needed

The prices are kept in a folder that is gone afterwards. Leave out `database=`, and they are kept
where the settings say.
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

    # The book holds every price that counts, in memory. It never changes: ask for it each time.
    book = pricing.book()
    price = book.price(*MODEL)
    if isinstance(price.listing, RateCard):  # else it says why there is no price
        for meter, rate in price.listing.rates.items():
            print(f"{meter}: {rate} {price.listing.currency} per million")

    # A usage names totals: of 10,000 tokens of input 8,000 came from the cache.
    usage = Usage(input=10_000, cache_read=8_000, output=500)
    cost = book.cost(*MODEL, usage)
    print(f"a request: {cost.total:f} {cost.currency}")
    for item in cost.items:
        print(f"    {item.quantity} {item.meter}: {item.amount:f}")

    # A person's rate wins over the provider's, here for the day of tomorrow alone.
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

    # Unknown is not free: there is no answer that could be billed by mistake.
    try:
        book.cost("openrouter", "acme/unheard-of", usage)
    except NoPrice as error:
        print("no price:", error)


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        settings = load_settings(database=f"sqlite:///{folder}/prices.db")
        with PricingSync(settings) as opened:
            main(opened)
