"""Google Vertex AI: its model lists have no prices, so the prices come from the catalog.

Google's Cloud Billing Catalog has prices by SKU, but names the model in free text only. The table
below holds prices that LiteLLM 1.109.1 (2026-10) and, for Gemini, also genai-prices (2026-08) state
with Google's page as their source. Its date is LiteLLM's, not the date of a visit to the page.
"""

from pricing_sync.prices.rates import ConditionalRates, Meter, Per, Rate, RateCard, Rates, When
from pricing_sync.sources.provider import Curated
from pricing_sync.sources.providers.catalog import catalog_provider

# Google: "input tokens > 200K".
_LONG = When(min_input_tokens=200_001)


def _rates(**per_million: str) -> Rates:
    """US dollars per million tokens, by the name of the meter."""
    return {Meter(name): Rate.of(amount, Per.MILLION) for name, amount in per_million.items()}


PROVIDER = catalog_provider(
    "google-vertex",
    "Google Vertex AI",
    Curated(
        page="https://cloud.google.com/gemini-enterprise-agent-platform/generative-ai/pricing",
        read_on="2026-10-08",
        cards={
            "gemini-2.5-pro": RateCard(
                _rates(input="1.25", output="10", cache_read="0.125"),
                (ConditionalRates(_LONG, _rates(input="2.50", output="15", cache_read="0.25")),),
            ),
            "gemini-2.5-flash": RateCard(
                _rates(input="0.30", output="2.50", cache_read="0.03", input_audio="1.00")
            ),
            "gemini-2.5-flash-lite": RateCard(
                _rates(input="0.10", output="0.40", cache_read="0.01", input_audio="0.30")
            ),
            "gemini-3-flash-preview": RateCard(
                _rates(input="0.50", output="3.00", cache_read="0.05", input_audio="1.00")
            ),
            "gemini-3.1-flash-lite": RateCard(
                _rates(input="0.25", output="1.50", cache_read="0.025", input_audio="0.50")
            ),
            "gemini-3.1-pro-preview": RateCard(
                _rates(input="2.00", output="12", cache_read="0.20"),
                (ConditionalRates(_LONG, _rates(input="4.00", output="18", cache_read="0.40")),),
            ),
            "gemini-embedding-001": RateCard(_rates(input="0.15")),
            "claude-haiku-4-5@20251001": RateCard(
                _rates(input="1.00", output="5.00", cache_read="0.10", cache_write="1.25")
            ),
            "claude-opus-4-5@20251101": RateCard(
                _rates(input="5.00", output="25", cache_read="0.50", cache_write="6.25")
            ),
            "deepseek-ai/deepseek-v3.2-maas": RateCard(
                _rates(input="0.56", output="1.68", cache_read="0.056")
            ),
            "openai/gpt-oss-120b-maas": RateCard(_rates(input="0.09", output="0.36")),
        },
    ),
)
