"""Nebius Token Factory: strings of US dollars per unit, only in the answer to `verbose=true`.

Cached input is billed at a price that is not in the list. Read 2026-09-23.
"""

from __future__ import annotations

from pricing_sync.prices.rates import Meter, Per
from pricing_sync.sources.listings import Amount
from pricing_sync.sources.price_table import PriceTable
from pricing_sync.sources.provider import Key, Pin, Provider
from pricing_sync.sources.rows import Page, refuse_priceless

PRICES = PriceTable(
    fields={
        "prompt": Amount(Meter.INPUT, Per.ONE),
        "completion": Amount(Meter.OUTPUT, Per.ONE),
        "request": Amount(Meter.REQUEST, Per.ONE),
        # Zero in every row seen. Per image in the format that this one copies (confidence medium).
        "image": Amount(Meter.IMAGE, Per.ONE),
        "price_per_minute": Amount(Meter.SECOND, Per.MINUTE),
        "price_per_video_second": Amount(Meter.SECOND, Per.ONE),
    },
    # A zero means that the model is not sold by that unit. Two of them count seconds.
    zero_yields=True,
)


def read(body: bytes) -> Page:
    """The whole list. One without any price is not the verbose one, and is refused."""
    why = "no model has a price, as when the list is not verbose"
    return refuse_priceless(PRICES.read(body), why)


PROVIDER = Provider(
    id="nebius",
    name="Nebius Token Factory",
    url="https://api.tokenfactory.nebius.com/v1/models?verbose=true",
    decode=read,
    key=Key(("NEBIUS_API_KEY",)),
    pin=Pin("nvidia/Nemotron-3_5-Lightning", Meter.INPUT, rate="0.06", read_on="2026-09-23"),
    page="https://tokenfactory.nebius.com/",
)
