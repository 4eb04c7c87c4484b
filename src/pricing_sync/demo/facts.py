"""Models and prices of the simulated providers.

These are facts, not recordings: providers and public catalogs published these models and prices
between 2025-07 and 2026-10. They were read 2026-11-24 and are written here in one unit. `formats`
makes up the answers around them. Not every price was published by the provider itself. Where no
complete list was available (Featherless, NEAR AI, Alibaba Cloud, xAI), some models have a price
that another provider charges or a catalog lists; so do most prices per image, second and character.
Two entries are made up because no recording has such a price: the hours of OpenRouter's
deepseek-r1, and DeepInfra's discount.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from threading import Lock
from typing import TypeAlias

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


@dataclass(frozen=True, slots=True)
class Model:
    """One model of a provider."""

    id: str
    #: Context size in tokens; None where none is listed.
    context: int | None
    prices: Prices
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


_COLUMNS = (Meter.INPUT, Meter.OUTPUT, Meter.CACHE_READ, Meter.CACHE_WRITE)


def _prices(text: str) -> Prices:
    """The amounts of "5 25 image=7": first those in the order of `_COLUMNS`, then named meters."""
    words = text.split()
    columns = zip(_COLUMNS, (word for word in words if "=" not in word), strict=False)
    named = (word.split("=") for word in words if "=" in word)
    return {meter: Decimal(amount) for meter, amount in columns} | {
        Meter(name): Decimal(amount) for name, amount in named
    }


def _model(
    model: str,
    context: int | None,
    prices: str,
    *conditional_prices: ConditionalPrices,
    kind: str = "chat",
    aliases: tuple[str, ...] = (),
    discount: str | None = None,
) -> Model:
    fraction = None if discount is None else Decimal(discount)
    return Model(model, context, _prices(prices), conditional_prices, None, kind, aliases, fraction)


def _unpriced(model: str, context: int | None, why: Why, kind: str = "chat") -> Model:
    return Model(model, context, {}, why=why, kind=kind)


def _above(tokens: int, prices: str, tier: str | None = None) -> ConditionalPrices:
    """The prices of requests with more than *tokens* tokens of input."""
    return When(min_input_tokens=tokens + 1, service_tier=tier), _prices(prices)


def _at(tokens: int, prices: str) -> ConditionalPrices:
    """The prices of requests with *tokens* tokens of input or more; xAI counts this way."""
    return When(min_input_tokens=tokens), _prices(prices)


def _tier(name: str, prices: str) -> ConditionalPrices:
    return When(service_tier=name), _prices(prices)


# 16:30 to 00:30 UTC, the hours of DeepSeek's own discount in 2025.
_OFF_PEAK: ConditionalPrices = (When(hours=(990, 30)), _prices("0.35 1.25"))

_OPENROUTER = (
    _unpriced("openrouter/auto", 2_000_000, Why.VARIES),
    _unpriced("openrouter/pareto-code", 2_000_000, Why.VARIES),
    _model("google/gemma-4-31b-it:free", 262_144, "0 0"),
    _model("google/gemma-4-31b-it", 262_144, "0.14 0.4"),
    _unpriced("google/lyria-3-pro-preview", 1_048_576, Why.NOT_PER_TOKEN, kind="audio"),
    _unpriced("black-forest-labs/flux.2-pro", 46_864, Why.NOT_PER_TOKEN, kind="image"),
    _model("openai/text-embedding-3-small", 8_192, "0.02", kind="embeddings"),
    _model(
        "anthropic/claude-opus-5", 1_000_000, "5 25 0.5 6.25 cache_write_1h=10 web_search=10000"
    ),
    _model(
        "anthropic/claude-sonnet-5", 1_000_000, "2 10 0.2 2.5 cache_write_1h=4 web_search=10000"
    ),
    _model(
        "anthropic/claude-sonnet-4.5",
        1_000_000,
        "3 15 0.3 3.75 cache_write_1h=6 web_search=10000",
        _above(200_000, "6 22.5 0.6 7.5 cache_write_1h=12"),
    ),
    _model(
        "openai/gpt-5.6-sol",
        1_050_000,
        "5 30 0.5 6.25 web_search=10000",
        _above(272_000, "10 45 1 12.5"),
    ),
    _model(
        "openai/gpt-5.6-luna",
        1_050_000,
        "1 6 0.1 1.25 web_search=10000",
        _above(272_000, "2 9 0.2 2.5"),
    ),
    _model("openai/gpt-5.4-mini", 400_000, "0.75 4.5 0.075 web_search=10000"),
    _model("openai/gpt-4o", 128_000, "2.5 10 1.25"),
    _model("openai/gpt-4o-search-preview", 128_000, "2.5 10 web_search=35000"),
    _model("openai/gpt-oss-120b", 131_072, "0.037 0.17"),
    _model(
        "google/gemini-2.5-pro",
        1_048_576,
        "1.25 10 0.125 0.375 input_image=1.25 input_audio=1.25 cache_read_audio=0.125"
        " reasoning=10 web_search=14000",
        _above(200_000, "2.5 15 0.25 input_audio=2.5 cache_read_audio=0.25"),
    ),
    _model(
        "google/gemini-3.6-flash",
        1_048_576,
        "1.5 7.5 0.15 0.08333333333333334 input_image=1.5 input_audio=1.5 cache_read_audio=0.15"
        " reasoning=7.5 web_search=14000",
    ),
    _model("google/gemini-3.1-flash-image", 131_072, "0.5 3 output_image=60 web_search=14000"),
    _model(
        "qwen/qwen3-max",
        262_144,
        "0.78 3.9 0.156 0.975",
        _above(32_000, "1.56 7.8 0.312 1.95"),
        _above(128_000, "1.95 9.75 0.39 2.4375"),
    ),
    _model("deepseek/deepseek-r1", 163_840, "0.7 2.5", _OFF_PEAK),
    _model("deepseek/deepseek-v4-pro", 1_048_576, "0.435 0.87 0.003625"),
    _model("z-ai/glm-5.2", 1_048_576, "0.7098 2.2308 0.13182"),
    _model("moonshotai/kimi-k3", 1_048_576, "3 15 0.3"),
    _model("minimax/minimax-m3", 1_048_576, "0.3 1.2 0.06"),
    _model("mistralai/codestral-2508", 256_000, "0.3 0.9 0.03"),
    _model("mistralai/mistral-nemo", 131_072, "0.019 0.03"),
    _model(
        "x-ai/grok-4.3", 1_000_000, "1.25 2.5 0.2 web_search=5000", _above(200_000, "2.5 5 0.4")
    ),
)

_FEATHERLESS = (
    _model("moonshotai/Kimi-K3", 262_144, "3 15"),
    _model("moonshotai/Kimi-K2.5", 262_144, "0.45 2.25"),
    _model("deepseek-ai/DeepSeek-V3.2", 163_840, "0.27 0.41"),
    _model("deepseek-ai/DeepSeek-R1-0528", 163_840, "0.5 2.15"),
    _model("zai-org/GLM-4.7", 202_752, "0.4 1.75"),
    _model("zai-org/GLM-4.6", 202_752, "0.43 1.74"),
    _model("Qwen/Qwen3-32B", 40_960, "0.08 0.28"),
    _model("Qwen/Qwen3-14B", 40_960, "0.12 0.24"),
    _model("Qwen/Qwen3-235B-A22B-Instruct-2507", 262_144, "0.09 0.55"),
    _model("meta-llama/Llama-3.3-70B-Instruct", 131_072, "0.13 0.4"),
    _model("meta-llama/Meta-Llama-3.1-8B-Instruct", 131_072, "0.02 0.05"),
    _model("mistralai/Mistral-Nemo-Instruct-2407", 131_072, "0.019 0.03"),
    _model("google/gemma-3-27b-it", 131_072, "0.08 0.45"),
    _unpriced("moonshotai/Kimi-K2-Instruct", 32_768, Why.NOT_PUBLISHED),
)

_NEARAI = (
    _model("zai-org/GLM-5.1-FP8", 202_752, "0.85 3.3"),
    _model("openai/gpt-oss-120b", 131_000, "0.15 0.55"),
    _unpriced("Qwen/Qwen3.6-35B-A3B-FP8", 262_144, Why.NOT_PUBLISHED),
    _unpriced("Qwen/Qwen3-Embedding-0.6B", None, Why.NOT_PUBLISHED, kind="embedding"),
    _unpriced("openai/whisper-large-v3", None, Why.NOT_PUBLISHED, kind="audio"),
    _unpriced("openai/privacy-filter", None, Why.NOT_PUBLISHED),
    _model("openai/gpt-4.1", 1_047_576, "2 8 0.5"),
    _model("openai/gpt-5-mini", 400_000, "0.25 2 0.025"),
    _model("openai/gpt-5-nano", 400_000, "0.05 0.4 0.005"),
    _model("openai/o3-mini", 200_000, "1.1 4.4 0.55"),
    _model(
        "openai/gpt-5.4",
        1_050_000,
        "2.5 15 0.25",
        _tier("flex", "1.25 7.5 0.13"),
        _tier("priority", "5 30 0.5"),
        _above(272_000, "5 22.5 0.5"),
        _above(272_000, "2.5 11.25 0.25", tier="flex"),
    ),
    _model(
        "openai/gpt-5.6-luna",
        1_050_000,
        "0.2 1.2 0.02 0.25",
        _tier("flex", "0.1 0.6 0.01 0.125"),
        _tier("priority", "0.4 2.4 0.04 0.5"),
        _above(272_000, "0.4 1.8 0.04 0.5"),
        _above(272_000, "0.2 0.9 0.02 0.25", tier="flex"),
        _above(272_000, "0.8 3.6 0.08 1", tier="priority"),
    ),
)

# The international region, in US dollars.
_ALIBABA_CLOUD = (
    _model("qwen3-max", 262_144, "1.2 6", _above(32_000, "2.4 12"), _above(128_000, "3 15")),
    _model(
        "qwen3-coder-plus",
        1_000_000,
        "1 5 0.1",
        _above(32_000, "1.8 9 0.18"),
        _above(128_000, "3 15 0.3"),
        _above(256_000, "6 60 0.6"),
    ),
    _model("qwen-flash", 1_000_000, "0.05 0.4", _above(256_000, "0.25 2")),
    _model("qwen3.7-max", 1_000_000, "2.5 7.5 0.25 3.125"),
    _model("qwen3.8-max", 1_000_000, "2 6 0.25"),
    _model("qwen3.8-flash", 1_000_000, "0.15 0.47 0.016 0.2"),
    _model("qwen-plus", 131_072, "0.4 1.2 reasoning=4"),
    _model("qwen-max", 32_768, "1.6 6.4"),
    _model("qwen-turbo", 131_072, "0.05 0.2"),
    _model("qwq-plus", 131_072, "0.8 2.4"),
    _model("qwen3-next-80b-a3b-instruct", 262_144, "0.15 1.2"),
    _model("qwen3-vl-235b-a22b-instruct", 131_072, "0.4 1.6"),
    _model("deepseek-v4-flash", 1_000_000, "0.2 0.4 0.04"),
    _model("glm-5.2", 1_048_576, "1.4 4.4 0.28"),
    _model("kimi-k2.7-code", 262_144, "0.95 4 0.19"),
    _model("qwen-image-2.0", None, "image=35000", kind="image"),
)

# The Beijing region, in yuan.
_ALIBABA_CLOUD_CN = (
    _model("MiniMax-M2.1", 204_800, "2.1 8.4 0.42"),
    _model("qwen-plus", 131_072, "0.8 2"),
    _model("qwen-max", 32_768, "2.4 9.6"),
    _model("qwen-turbo", 131_072, "0.3 0.6"),
    _model("qwen-vl-max", 131_072, "1.6 4"),
    _model("qvq-max", 131_072, "8 32"),
    _model("deepseek-v3", 65_536, "2 8"),
    _model("deepseek-v3.1", 131_072, "4 12"),
    _model("deepseek-v3.2-exp", 131_072, "2 3"),
    _model("deepseek-r1", 131_072, "4 16"),
    _model("deepseek-r1-distill-qwen-14b", 32_768, "1 3"),
    _model("deepseek-r1-distill-llama-70b", 32_768, "2 6"),
    _model("moonshot-kimi-k2-instruct", 131_072, "4 16"),
    _model("qwen-image-max", None, "image=75000", kind="image"),
)

_TOGETHER = (
    _unpriced("cartesia/sonic-2", 0, Why.NOT_PER_TOKEN, kind="audio"),
    _unpriced("openai/whisper-large-v3", None, Why.NOT_PER_TOKEN, kind="transcribe"),
    _unpriced("black-forest-labs/FLUX.1-pro", None, Why.NOT_PER_TOKEN, kind="image"),
    _unpriced("togethercomputer/MoA-1", 32_768, Why.NOT_PER_TOKEN),
    _model("meta-llama/Llama-3.3-70B-Instruct-Turbo-Free", 131_072, "0 0"),
    _model("meta-llama/Llama-3.3-70B-Instruct-Turbo", 131_072, "0.88 0.88"),
    _model("meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo", 131_072, "0.18 0.18"),
    _model("meta-llama/Meta-Llama-3.1-405B-Instruct-Turbo", 130_815, "3.5 3.5"),
    _model("meta-llama/Llama-4-Scout-17B-16E-Instruct", 1_048_576, "0.18 0.59"),
    _model("meta-llama/Llama-3.2-3B-Instruct-Turbo", 131_072, "0.06 0.06"),
    _model("meta-llama/Llama-2-70b-hf", 4_096, "0.9 0.9", kind="language"),
    _model("meta-llama/Llama-Guard-4-12B", 1_048_576, "0.2 0.2", kind="moderation"),
    _model("deepseek-ai/DeepSeek-R1", 163_840, "3 7"),
    _model("deepseek-ai/DeepSeek-V3", 131_072, "1.25 1.25"),
    _model("Qwen/Qwen2.5-VL-72B-Instruct", 32_768, "1.95 8"),
    _model("Qwen/Qwen3-235B-A22B-Instruct-2507-tput", 262_144, "0.2 0.6"),
    _model("moonshotai/Kimi-K2-Instruct", 131_072, "1 3"),
    _model("intfloat/multilingual-e5-large-instruct", 514, "0.02 0.02", kind="embedding"),
    _model("Salesforce/Llama-Rank-V1", 8_192, "0.1 0.1", kind="rerank"),
)

_FIREWORKS = (
    _model(
        "accounts/fireworks/models/kimi-k3",
        1_048_576,
        "3 15 0.3",
        _tier("priority", "3.75 18.75 0.375"),
    ),
    _model("accounts/fireworks/routers/kimi-k3-fast", 1_048_576, "4.5 22.5 0.45"),
    _model(
        "accounts/fireworks/models/glm-5p3",
        1_048_576,
        "1.4 4.4 0.26",
        _tier("priority", "1.75 5.5 0.325"),
    ),
    _model("accounts/fireworks/routers/glm-5p3-fast", 1_048_576, "2.1 6.6 0.39"),
    _model("accounts/fireworks/routers/glm-5p2-fast", 1_048_576, "2.1 6.6 0.21"),
    _model(
        "accounts/fireworks/models/minimax-m3",
        512_000,
        "0.3 1.2 0.06",
        _tier("priority", "0.45 1.8 0.09"),
    ),
    _model(
        "accounts/fireworks/models/gpt-oss-120b",
        131_072,
        "0.15 0.6 0.015",
        _tier("priority", "0.18 0.72 0.018"),
    ),
    _model(
        "accounts/fireworks/models/qwen3p8-max", None, "2 6 0.25", _tier("priority", "3 9 0.375")
    ),
    _model(
        "accounts/fireworks/models/deepseek-v4p1-flash",
        1_048_576,
        "0.3 1.2 0.006",
        _tier("priority", "0.375 1.5 0.0075"),
    ),
    _model("accounts/fireworks/models/nemotron-3-ultra-nvfp4", 262_144, "0.6 2.4 0.12"),
    _model("accounts/fireworks/models/ember-1", 1_048_576, "3 15 0.3"),
    _model("accounts/fireworks/models/qwen3-embedding-8b", 40_960, "0.1", kind="embedding"),
    _model("accounts/fireworks/models/qwen3-reranker-8b", 40_960, "0.2", kind="embedding"),
    _unpriced("firerouter/auto", None, Why.NOT_PUBLISHED),
)

_DEEPINFRA = (
    _model(
        "deepseek-ai/DeepSeek-V4-Pro",
        1_048_576,
        "1.3 2.6 0.1",
        _tier("flex", "1.04 2.08 0.08"),
        _tier("priority", "1.95 3.9 0.15"),
    ),
    _model("deepseek-ai/DeepSeek-V4-Flash-0731", 1_048_576, "0.06 0.18 0.015"),
    _model("moonshotai/Kimi-K2.5", 262_144, "0.45 2.25 0.07"),
    _model("zai-org/GLM-4.7", 202_752, "0.4 1.75 0.08", discount="0.2"),
    _model("MiniMaxAI/MiniMax-M2.5", 196_608, "0.27 0.95 0.03"),
    _model("deepseek-ai/DeepSeek-V3.1-Terminus", 163_840, "0.21 0.79 0.13"),
    _model("Qwen/Qwen3-32B", 40_960, "0.08 0.28"),
    _model("Qwen/Qwen3-14B", 40_960, "0.12 0.24"),
    _model("openai/gpt-oss-120b", 131_072, "0.039 0.19"),
    _model("openai/gpt-oss-20b", 131_072, "0.03 0.14"),
    _model("meta-llama/Meta-Llama-3.1-8B-Instruct", 131_072, "0.02 0.05"),
    _model("anthropic/claude-4-sonnet", 200_000, "3.3 16.5"),
    _model("BAAI/bge-m3", 8_192, "0.01", kind="embeddings"),
    _model("openai/whisper-large-v3", None, "second=7.5", kind="automatic-speech-recognition"),
    _unpriced("black-forest-labs/FLUX-1-schnell", None, Why.NOT_PER_TOKEN, kind="text-to-image"),
)

_CEREBRAS = (
    _model("gpt-oss-120b", 131_072, "0.35 0.75"),
    _model("zai-glm-4.7", 131_072, "2.25 2.75"),
    _model("gemma-4-31b", 131_072, "0.99 1.49"),
    _model("qwen-3-235b-a22b-instruct-2507", 131_000, "0.6 1.2"),
)

_NOVITA = (
    _model("deepseek/deepseek-v3-0324", 163_840, "0.28 1.14"),
    _model("deepseek/deepseek-r1-0528", 163_840, "0.7 2.5"),
    _model("moonshotai/kimi-k2-instruct", 131_072, "0.57 2.3"),
    _model("qwen/qwen3-coder-480b-a35b-instruct", 262_144, "2 2"),
    _model("qwen/qwen3-235b-a22b-instruct-2507", 262_144, "0.15 0.8"),
    _model("qwen/qwen3-8b-fp8", 128_000, "0.035 0.138"),
    _model("minimaxai/minimax-m1-80k", 1_000_000, "0.55 2.2"),
    _model("google/gemma-3-27b-it", 32_000, "0.119 0.2"),
    _model("meta-llama/llama-3.3-70b-instruct", 131_072, "0.13 0.39"),
    _model("meta-llama/llama-3.1-8b-instruct", 16_384, "0.02 0.05"),
    _model("mistralai/mistral-7b-instruct", 32_768, "0.029 0.059"),
    _model("sao10k/l3-70b-euryale-v2.1", 8_192, "1.48 1.48"),
    _unpriced("baidu/ernie-4.5-vl-28b-a3b", 30_000, Why.NOT_PUBLISHED),
    _unpriced("google/gemma-3-1b-it", 32_768, Why.NOT_PUBLISHED),
)

_XAI = (
    _model(
        "grok-4.3",
        1_000_000,
        "1.25 2.5 0.2 input_image=1.25",
        _at(200_000, "2.5 5 0.4"),
        aliases=("grok-4.3-latest",),
    ),
    _model(
        "grok-4.5",
        500_000,
        "2 6 0.3 input_image=2",
        _at(200_000, "4 12 0.6"),
        aliases=("grok-4.5-latest", "grok-build-latest"),
    ),
    _model("grok-4.7", 500_000, "2 6 0.5 input_image=2", _at(200_000, "4 12 1")),
    _model(
        "grok-4.20-0309-reasoning",
        1_000_000,
        "1.25 2.5 0.2 input_image=1.25",
        _at(200_000, "2.5 5"),
        aliases=("grok-4.20-reasoning", "grok-4.20"),
    ),
    _model("grok-build-0.1", 256_000, "1 2 0.2 input_image=1", _at(200_000, "2 4 0.4")),
    _model("grok-code-fast-1", 256_000, "0.2 1.5 0.02"),
    _model("grok-4-1-fast", 2_000_000, "0.2 0.5 0.05"),
    _model("grok-3-mini", 131_072, "0.3 0.5 0.075 web_search=25000"),
)

_CLOUDFLARE = (
    _model("@cf/openai/gpt-oss-120b", 128_000, "0.35 0.75"),
    _model("@cf/openai/gpt-oss-20b", 128_000, "0.2 0.3"),
    _model("@cf/moonshotai/kimi-k2.6", 262_144, "0.95 4 0.16"),
    _model("@cf/moonshotai/kimi-k2.5", 256_000, "0.6 3 0.1"),
    _model("@cf/meta/llama-3.3-70b-instruct-fp8-fast", 24_000, "0.293 2.253"),
    _model("@cf/meta/llama-3.2-3b-instruct", 80_000, "0.051 0.34"),
    _model("@cf/meta/llama-4-scout-17b-16e-instruct", 131_000, "0.27 0.85"),
    _model("@cf/zai-org/glm-4.7-flash", 131_072, "0.06 0.4"),
    _model("@cf/qwen/qwen3-30b-a3b-fp8", 32_768, "0.051 0.34"),
    _model("@cf/ibm-granite/granite-4.0-h-micro", 131_000, "0.017 0.11"),
    _model("@cf/baai/bge-m3", 60_000, "0.012", kind="Text Embeddings"),
    _model("@cf/openai/whisper", None, "second=7.5", kind="Automatic Speech Recognition"),
    _model(
        "@cf/openai/whisper-large-v3-turbo", None, "second=8.5", kind="Automatic Speech Recognition"
    ),
    _model("@cf/deepgram/aura-1", None, "character=15", kind="Text-to-Speech"),
    _model("@cf/microsoft/resnet-50", None, "request=2.5", kind="Image Classification"),
    _unpriced("@cf/leonardo/phoenix-1.0", None, Why.NOT_PER_TOKEN, kind="Text-to-Image"),
    _unpriced("@cf/facebook/bart-large-cnn", None, Why.NOT_PUBLISHED, kind="Summarization"),
    _unpriced("@cf/qwen/qwen1.5-7b-chat-awq", 20_000, Why.NOT_PUBLISHED),
)

_NEBIUS = (
    _model("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B", 262_144, "0.06 0.24"),
    _model("nvidia/Nemotron-3_5-Lightning", 1_048_576, "0.06 0.24"),
    _model("nvidia/Llama-3_1-Nemotron-Ultra-253B-v1", 128_000, "0.6 1.8"),
    _model("deepseek-ai/DeepSeek-V4-Pro", 1_048_576, "1.75 3.5"),
    _model("deepseek-ai/DeepSeek-V3.2", 163_000, "0.3 0.45"),
    _model("moonshotai/Kimi-K2.5", 256_000, "0.5 2.5"),
    _model("Qwen/Qwen3-235B-A22B-Instruct-2507", 262_144, "0.2 0.6"),
    _model("Qwen/Qwen3-32B", 40_960, "0.1 0.3"),
    _model("Qwen/Qwen3-Embedding-8B", 32_768, "0.01", kind="text->embedding"),
    _model("NousResearch/Hermes-4-405B", 128_000, "1 3"),
    _model("meta-llama/Llama-3.3-70B-Instruct", 131_072, "0.13 0.4"),
    _model("google/gemma-3-27b-it", 110_000, "0.1 0.3"),
)

_CHUTES = (
    _model("deepseek-ai/DeepSeek-V3.2-TEE", 131_072, "0.28 0.42 0.14"),
    _model("deepseek-ai/DeepSeek-V3.1-TEE", 163_840, "0.27 1 0.135"),
    _model("deepseek-ai/DeepSeek-R1-0528-TEE", 163_840, "0.45 2.15 0.225"),
    _model("moonshotai/Kimi-K2.6-TEE", 262_144, "0.95 4 0.475"),
    _model("moonshotai/Kimi-K2.5-TEE", 262_144, "0.44 2 0.22"),
    _model("MiniMaxAI/MiniMax-M2.5-TEE", 196_608, "0.15 1.2 0.075"),
    _model("Qwen/Qwen3-32B-TEE", 40_960, "0.08 0.24 0.04"),
    _model("Qwen/Qwen3-Coder-Next-TEE", 262_144, "0.12 0.75 0.06"),
    _model("Qwen/Qwen3.5-397B-A17B-TEE", 262_144, "0.39 2.34 0.195"),
    _model("openai/gpt-oss-120b-TEE", 131_072, "0.09 0.36 0.045"),
    _model("google/gemma-4-31B-turbo-TEE", 131_072, "0.13 0.38 0.065"),
    _model("NousResearch/Hermes-4-14B", 40_960, "0.0136 0.0543 0.0068"),
)

_VERCEL = (
    _model("google/gemini-3-pro", 1_000_000, "2 12 0.2 2", _above(200_000, "4 18 0.4 4")),
    _model("alibaba/qwen-3-32b", 40_960, "0.1 0.3"),
    _model("alibaba/qwen-3.6-max-preview", 240_000, "1.3 7.8 0.26 1.625"),
    _model("alibaba/qwen3-coder-plus", 1_000_000, "1 5"),
    _model("alibaba/qwen3-embedding-8b", 32_768, "0.05", kind="embedding"),
    _model("amazon/nova-2-lite", 1_000_000, "0.3 2.5"),
    _model("amazon/nova-pro", 300_000, "0.8 3.2"),
    _model("amazon/nova-micro", 128_000, "0.035 0.14"),
    _model("anthropic/claude-3.5-haiku", 200_000, "0.8 4"),
    _model("cohere/command-a", 256_000, "2.5 10"),
    _model("google/gemini-2.5-flash", 1_000_000, "0.3 2.5"),
    _model("anthropic/claude-sonnet-4.5", 200_000, "3 15 0.3 3.75 web_search=10000"),
    _model("google/imagen-4.0-generate-001", None, "image=40000", kind="image"),
    _model("mistral/codestral", 256_000, "0.3 0.9"),
)

_VENICE = (
    _model("venice-uncensored", 32_768, "0.5 2"),
    _model("claude-opus-4-7", 1_000_000, "6 30 0.6 7.5"),
    _model("claude-sonnet-4-6", 1_000_000, "3.6 18 0.36 4.5"),
    _model("deepseek-v4-flash", 1_000_000, "0.17 0.35 0.028"),
    _model("deepseek-v4-pro", 1_000_000, "1.73 3.796 0.33"),
    _model("kimi-k2-6", 256_000, "0.85 4.655 0.22"),
    _model("gemini-3-flash-preview", 256_000, "0.7 3.75 0.07"),
    _model("google-gemma-4-31b-it", 256_000, "0.175 0.5"),
    _model("grok-4-3", 1_000_000, "1.42 2.83 0.23", _above(200_000, "2.83 5.67 0.45")),
    _model("grok-41-fast", 1_000_000, "0.23 0.57 0.06"),
    _model("hermes-3-llama-3.1-405b", 128_000, "1.1 3"),
    _model("llama-3.3-70b", 65_536, "0.7 2.8"),
    _model("llama-3.2-3b", 131_072, "0.15 0.6"),
    _model("tts-kokoro", None, "character=3.5", kind="tts"),
    _model("venice-sd35", None, "image=10000", kind="image"),
)

_GROQ = (
    _model("openai/gpt-oss-120b", 131_072, "0.15 0.6"),
    _model("openai/gpt-oss-20b", 131_072, "0.075 0.3"),
    _model("openai/gpt-oss-safeguard-20b", 131_072, "0.075 0.3 0.037"),
    _model("qwen/qwen3.8-27b", 131_072, "0.8 4"),
    _model("qwen/qwen3-32b", 131_072, "0.29 0.59"),
    _model("meta-llama/llama-4-scout-17b-16e-instruct", 131_072, "0.11 0.34"),
    _model("meta-llama/llama-4-maverick-17b-128e-instruct", 131_072, "0.2 0.6"),
    _model("meta-llama/llama-prompt-guard-2-22m", 512, "0.03 0.03"),
    _model("meta-llama/llama-prompt-guard-2-86m", 512, "0.04 0.04"),
    _model("moonshotai/kimi-k2-instruct-0905", 262_144, "1 3"),
    _unpriced("groq/compound", 131_072, Why.NOT_PER_TOKEN),
    _unpriced("whisper-large-v3", 448, Why.NOT_PER_TOKEN),
    _unpriced("canopylabs/orpheus-v1-english", 4_000, Why.NOT_PER_TOKEN),
)

_GOOGLE_VERTEX = (
    _model("gemini-2.5-pro", 1_048_576, "1.25 10 0.125", _above(200_000, "2.5 15 0.25")),
    _model("gemini-3.1-pro-preview", 1_048_576, "2 12 0.2", _above(200_000, "4 18 0.4")),
    _model("gemini-2.5-flash", 1_048_576, "0.3 2.5 0.03 input_audio=1"),
    _model("gemini-2.5-flash-lite", 1_048_576, "0.1 0.4 0.01 input_audio=0.3"),
    _model("gemini-3-flash-preview", 1_048_576, "0.5 3 0.05 input_audio=1"),
    _model("gemini-3.1-flash-lite", 1_048_576, "0.25 1.5 0.025 input_audio=0.5"),
    _model("gemini-embedding-001", 2_048, "0.15"),
    _model("claude-haiku-4-5@20251001", 200_000, "1 5 0.1 1.25"),
    _model("claude-opus-4-5@20251101", 200_000, "5 25 0.5 6.25"),
    _model("deepseek-ai/deepseek-v3.2-maas", 163_840, "0.56 1.68 0.056"),
    _model("openai/gpt-oss-120b-maas", 131_072, "0.09 0.36"),
    _model("meta/llama-3.3-70b-instruct-maas", 128_000, "0.72 0.72"),
)

_ANTHROPIC = (
    _model("claude-haiku-4-5", 200_000, "1 5 0.1 1.25"),
    _model("claude-opus-4-1", 200_000, "15 75 1.5 18.75"),
    _model("claude-opus-4-5", 200_000, "5 25 0.5 6.25"),
    _model("claude-opus-4-7", 1_000_000, "5 25 0.5 6.25"),
    _model("claude-sonnet-4-5", 200_000, "3 15 0.3 3.75"),
    _model("claude-sonnet-4-6", 1_000_000, "3 15 0.3 3.75"),
    _model("claude-3-5-haiku-latest", 200_000, "0.8 4 0.08 1"),
    _model("claude-3-haiku-20240307", 200_000, "0.25 1.25 0.03 0.3"),
)

_MISTRAL = (
    _model("codestral-latest", 256_000, "0.3 0.9"),
    _model("devstral-medium-latest", 262_144, "0.4 2"),
    _model("magistral-medium-latest", 128_000, "2 5"),
    _model("ministral-3b-latest", 128_000, "0.04 0.04"),
    _model("mistral-embed", 8_000, "0.1"),
    _model("mistral-large-latest", 262_144, "0.5 1.5"),
    _model("mistral-medium-latest", 262_144, "1.5 7.5"),
    _model("mistral-small-latest", 256_000, "0.15 0.6"),
    _model("pixtral-large-latest", 128_000, "2 6"),
    _unpriced("labs-devstral-small-2512", 256_000, Why.NOT_PER_TOKEN),
)

_OPENAI = (
    _model("gpt-4.1", 1_047_576, "2 8 0.5"),
    _model("gpt-4o", 128_000, "2.5 10 1.25"),
    _model("gpt-5", 400_000, "1.25 10 0.125"),
    _model("gpt-5-nano", 400_000, "0.05 0.4 0.005"),
    _model("gpt-5.2", 400_000, "1.75 14 0.175"),
    _model("gpt-5.4", 1_050_000, "2.5 15 0.25", _above(272_000, "5 22.5 0.5")),
    _model("gpt-5.4-pro", 1_050_000, "30 180", _above(272_000, "60 270")),
    _model("gpt-5.5", 1_050_000, "5 30 0.5", _above(272_000, "10 45 1")),
    _unpriced("gpt-image-1", 0, Why.NOT_PUBLISHED),
)

#: The models that each provider lists at the start, by provider id.
FACTS: Mapping[str, tuple[Model, ...]] = {
    "openrouter": _OPENROUTER,
    "featherless": _FEATHERLESS,
    "nearai": _NEARAI,
    "alibaba-cloud": _ALIBABA_CLOUD,
    "alibaba-cloud-cn": _ALIBABA_CLOUD_CN,
    "together": _TOGETHER,
    "fireworks": _FIREWORKS,
    "groq": _GROQ,
    "deepinfra": _DEEPINFRA,
    "cerebras": _CEREBRAS,
    "novita": _NOVITA,
    "google-vertex": _GOOGLE_VERTEX,
    "xai": _XAI,
    "cloudflare-workers-ai": _CLOUDFLARE,
    "nebius": _NEBIUS,
    "chutes": _CHUTES,
    "vercel-ai-gateway": _VERCEL,
    "venice": _VENICE,
    "anthropic": _ANTHROPIC,
    "mistral": _MISTRAL,
    "openai": _OPENAI,
}
