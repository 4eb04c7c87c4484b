"""A provider that is not built in: Acme, which lists its prices in cents per thousand tokens.

    pip install '.[sync]'
    python examples/add_your_own_provider.py               # offline: it reads the answer below

To use it in the command and the service too, install it in your own package with this entry point:

    [project.entry-points."pricing_sync.providers"]
    acme = "add_your_own_provider:PROVIDER"

and name it in PRICING_SYNC_PROVIDERS. Then `extra_providers` is not needed.
"""

import asyncio
from collections import Counter
from tempfile import TemporaryDirectory

from msgspec import Raw, Struct

from pricing_sync import CurrencyUnit, Listing, Meter, Per, RateCard, Unpriced, Why
from pricing_sync.app import PricingSync
from pricing_sync.prices.card_json import write_listing
from pricing_sync.settings import load_settings
from pricing_sync.sources.provider import Key, Provider
from pricing_sync.sources.strict_json import Amount, Page, envelope, rates, read_rows, without_zeros
from pricing_sync.sync.recorded import RecordedAnswer

ANSWER = b"""{"models": [
    {"id": "acme-large", "cents": {"in": 0.25, "out": "1.0", "per_call": 0.5}},
    {"id": "acme-custom", "cents": null}
]}"""

# The unit of each number is given here and nowhere else.
FIELDS = {
    "in": Amount(Meter.INPUT, Per.THOUSAND, CurrencyUnit.CENT),
    "out": Amount(Meter.OUTPUT, Per.THOUSAND, CurrencyUnit.CENT),
    "per_call": Amount(Meter.REQUEST, Per.ONE, CurrencyUnit.CENT),
}


class Row(Struct):
    id: str
    cents: dict[str, Raw] | None  # the raw text: a float would lose digits of the price


class PriceList(Struct):
    models: list[Raw]


def listing(row: Row, ignored: Counter[str]) -> Listing:
    """The listing of one row; a price of zero means that the model is not sold by that meter."""
    if row.cents is None:
        return Unpriced(Why.VARIES, "by contract")
    named = without_zeros(rates(row.cents, FIELDS, ignored, "cents"))
    return RateCard(named) if named else Unpriced(Why.NOT_PUBLISHED)


def read(body: bytes) -> Page:
    return read_rows(envelope(body, PriceList).models, Row, listing)


PROVIDER = Provider(
    id="acme",
    name="Acme",
    url="https://api.acme.example/v1/models",
    decode=read,
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
