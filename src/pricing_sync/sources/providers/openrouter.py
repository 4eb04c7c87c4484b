"""OpenRouter: every model it routes to, at the price of the endpoint it would choose.

By default the list has only models that write text; with `output_modalities=all` it is whole.
The answer has no validator, and may be cached for five minutes. Read 2026-10-27.
"""

from pricing_sync.prices.rates import Meter
from pricing_sync.sources.formats import openrouter
from pricing_sync.sources.provider import Key, Pin, Provider

PROVIDER = Provider(
    id="openrouter",
    name="OpenRouter",
    url="https://openrouter.ai/api/v1/models?output_modalities=all",
    decode=openrouter.read,
    key=Key(("OPENROUTER_API_KEY",), required=False),
    pin=Pin("openai/gpt-4o", Meter.INPUT, rate="2.5", read_on="2026-07-25"),
    page="https://openrouter.ai/models",
)
