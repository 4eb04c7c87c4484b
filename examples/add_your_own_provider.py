"""A provider that is not built in: Acme, which lists its prices in cents per thousand tokens.

    pip install '.[sync]'
    python examples/add_your_own_provider.py               # offline: it reads the answer below

To use it in the command and the service too, install it in your own package with this entry point:

    [project.entry-points."pricing_sync.providers"]
    acme = "add_your_own_provider:PROVIDER"

and name it in PRICING_SYNC_PROVIDERS. Then `extra_providers` is not needed.
"""

import asyncio
from tempfile import TemporaryDirectory

from pricing_sync import CurrencyUnit, Meter, Per, Unpriced, Why
from pricing_sync.app import PricingSync
from pricing_sync.prices.card_json import write_listing
from pricing_sync.settings import load_settings
from pricing_sync.sources.listings import Amount
from pricing_sync.sources.price_table import PriceTable
from pricing_sync.sources.provider import Key, Provider
from pricing_sync.sync.recorded import RecordedAnswer

ANSWER = b"""{"models": [
    {"id": "acme-large", "cents": {"in": 0.25, "out": "1.0", "per_call": 0.5}},
    {"id": "acme-custom", "cents": null}
]}"""

# The unit of each number is given here and nowhere else. An odder list than this one is read by
# functions: see `pricing_sync/sources/providers`.
PRICES = PriceTable(
    rows="models",
    prices="cents",
    fields={
        "in": Amount(Meter.INPUT, Per.THOUSAND, CurrencyUnit.CENT),
        "out": Amount(Meter.OUTPUT, Per.THOUSAND, CurrencyUnit.CENT),
        "per_call": Amount(Meter.REQUEST, Per.ONE, CurrencyUnit.CENT),
    },
    no_prices=Unpriced(Why.VARIES, "by contract"),
)

PROVIDER = Provider(
    id="acme",
    name="Acme",
    url="https://api.acme.example/v1/models",
    decode=PRICES.read,
    key=Key(("ACME_API_KEY",)),
)


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        settings = load_settings(database=f"sqlite:///{folder}/prices.db")
        with PricingSync(settings, extra_providers=[PROVIDER]) as pricing:
            # `pricing.sync(["acme"])` requests PROVIDER.url instead.
            asyncio.run(pricing.replay("acme", [RecordedAnswer(ANSWER)]))
            for price in pricing.book():
                print(price.model, write_listing(price.listing))
