"""Groq: its API lists models without prices, so the prices come from the catalog.

The table below was read on Groq's own page. The page also states half price for cached input and
for batches, in prose only. It replaces the prices of llama-3.1-8b-instant, llama-3.3-70b-versatile
and minimaxai/minimax-m2.7 by "Contact Sales": they are neither free nor unchanged.
"""

from pricing_sync.prices.rates import Meter, Per, Rate, RateCard
from pricing_sync.sources.provider import Curated
from pricing_sync.sources.providers.catalog import catalog_provider


def _tokens(input_: str, output: str) -> RateCard:
    """US dollars per million tokens."""
    return RateCard(
        {Meter.INPUT: Rate.of(input_, Per.MILLION), Meter.OUTPUT: Rate.of(output, Per.MILLION)}
    )


PROVIDER = catalog_provider(
    "groq",
    "Groq",
    Curated(
        page="https://console.groq.com/docs/models",
        read_on="2026-10-05",
        cards={
            "openai/gpt-oss-120b": _tokens("0.15", "0.60"),
            "openai/gpt-oss-20b": _tokens("0.075", "0.30"),
            "openai/gpt-oss-safeguard-20b": _tokens("0.075", "0.30"),
            "qwen/qwen3.8-27b": _tokens("0.80", "4.00"),
            "meta-llama/llama-prompt-guard-2-22m": _tokens("0.03", "0.03"),
            "meta-llama/llama-prompt-guard-2-86m": _tokens("0.04", "0.04"),
            "whisper-large-v3": RateCard({Meter.SECOND: Rate.of("0.111", Per.HOUR)}),
            "whisper-large-v3-turbo": RateCard({Meter.SECOND: Rate.of("0.04", Per.HOUR)}),
            "canopylabs/orpheus-v1-english": RateCard(
                {Meter.CHARACTER: Rate.of("22.00", Per.MILLION)}
            ),
            "canopylabs/orpheus-arabic-saudi": RateCard(
                {Meter.CHARACTER: Rate.of("40.00", Per.MILLION)}
            ),
        },
    ),
)
