"""LiteLLM: every text model of its own cost map, read by our reader and priced by both."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from importlib import resources
from typing import Any

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import litellm as peer
from litellm.litellm_core_utils.llm_cost_calc import utils
from litellm.types.utils import (
    CacheCreationTokenDetails,
    CompletionTokensDetailsWrapper,
    PromptTokensDetailsWrapper,
)
from litellm.types.utils import Usage as PeerUsage

from pricing_sync.errors import NoPrice
from pricing_sync.prices.rates import Listing, Meter, RateCard
from pricing_sync.prices.usage import PARENTS, Usage
from pricing_sync.sources.formats import litellm

from referee.grid import Sample, usages
from referee.verdicts import (
    BOTH_REFUSE,
    EQUAL,
    HOUR_WRITES,
    ROUNDED,
    THEY_REFUSE,
    UNEXPLAINED,
    Verdicts,
    our_total,
    units,
)

# Inside and outside most of the windows of off-peak prices.
_INSTANTS = (datetime(2026, 11, 25, 12, tzinfo=UTC), datetime(2026, 11, 25, 18, tzinfo=UTC))
# Other modes are billed by other functions, and by units of which a usage has only the number.
MODES = ("chat", "completion", "responses", "embedding")
# Theirs are floats.
_PRECISION = Decimal("1e-12")

peer.suppress_debug_info = True


def verdicts(sample: Sample) -> Verdicts:
    """Every text model of the sample in every service tier that its card names."""
    found = Verdicts("litellm")
    name = "model_prices_and_context_window_backup.json"
    body = resources.files(peer).joinpath(name).read_bytes()
    rows = json.loads(body)
    for provider, page in litellm.read_all(body).items():
        for model, listing in page.rows:
            row = rows.get(model) or {}
            row = rows.get(row.get("alias_of"), row)
            if model is None or row.get("mode") not in MODES:
                found.add("another kind of call", f"{model}")
            elif sample.takes(found):
                _judge_model(found, provider, model, row, listing)
    return found


def _judge_model(
    found: Verdicts, provider: str, model: str, row: dict[str, Any], listing: Listing
) -> None:
    if not isinstance(listing, RateCard):
        found.add(f"not expressible: {type(listing).__name__}", f"{model}: {listing}")
        return
    has_hours = any(entry.when.hours or entry.when.weekdays for entry in listing.conditional_rates)
    for at in _INSTANTS if has_hours else _INSTANTS[:1]:
        utils.current_billing_time = lambda at=at: at
        for tier in _tiers(listing):
            for shape, usage in usages(listing, tier):
                if not usage.web_search:
                    found.add(*_verdict(provider, model, row, listing, usage, at, shape))


def _tiers(card: RateCard) -> Iterator[str | None]:
    yield None
    named = {entry.when.service_tier for entry in card.conditional_rates}
    yield from sorted(tier for tier in named if tier)


def _peer_usage(usage: Usage) -> PeerUsage:
    """The same quantities. Their audio includes cached audio, and ours does not."""
    writes = CacheCreationTokenDetails(
        ephemeral_5m_input_tokens=usage.cache_write - usage.cache_write_1h,
        ephemeral_1h_input_tokens=usage.cache_write_1h,
    )
    into = PromptTokensDetailsWrapper(
        cached_tokens=usage.cache_read,
        audio_tokens=usage.input_audio + usage.cache_read_audio,
        image_tokens=usage.input_image,
        video_tokens=usage.input_video,
        cache_creation_tokens=usage.cache_write,
        cache_creation_token_details=writes if usage.cache_write else None,
        cached_tokens_details={"audio_tokens": usage.cache_read_audio},
    )
    out = CompletionTokensDetailsWrapper(
        reasoning_tokens=usage.reasoning,
        audio_tokens=usage.output_audio,
        image_tokens=usage.output_image,
        video_tokens=usage.output_video,
    )
    return PeerUsage(
        prompt_tokens=usage.input,
        completion_tokens=usage.output,
        total_tokens=usage.input + usage.output,
        prompt_tokens_details=into,
        completion_tokens_details=out,
    )


def peer_total(provider: str, model: str, usage: Usage) -> Decimal:
    is_batch = usage.service_tier == "batch"
    parts = peer.cost_per_token(
        model=model,
        custom_llm_provider=provider,
        usage_object=_peer_usage(usage),
        prompt_tokens=usage.input,
        completion_tokens=usage.output,
        service_tier=None if is_batch else usage.service_tier,
        call_type="aretrieve_batch" if is_batch else "completion",
    )
    return Decimal(parts[0]) + Decimal(parts[1])


def _verdict(
    provider: str,
    model: str,
    row: dict[str, Any],
    card: RateCard,
    usage: Usage,
    at: datetime,
    shape: str,
) -> tuple[str, str]:
    ours = our_total(card, usage, at)
    name = f"{provider} {model} {shape} {usage.input} {usage.service_tier or ''}"
    try:
        theirs = peer_total(provider, model, usage)
    except Exception as error:  # noqa: BLE001  of many kinds, also a bare Exception
        if isinstance(ours, NoPrice):
            return BOTH_REFUSE, name
        return THEY_REFUSE, f"{name}: {type(error).__name__} {str(error)[:60]}"
    shown = f"{name}: ours {ours}, theirs {theirs:.12f}"
    if isinstance(ours, NoPrice):
        meter = str(ours).split(":")[0]
        return f"we refuse: {meter} has no rate", shown
    distance = abs(ours - theirs)
    if distance <= _PRECISION * max(ours, theirs):
        return EQUAL, name
    if distance <= units(usage) * Decimal("1e-15"):
        return ROUNDED, name
    return reason(provider, model, row, card, usage), shown


def reason(provider: str, model: str, row: dict[str, Any], card: RateCard, usage: Usage) -> str:
    """Why a bill differs: each reason was found in the source of LiteLLM 1.110.2."""
    if provider == "perplexity":
        return "theirs: Perplexity: the calculator applies no long context and takes other rows"
    if provider == "fireworks_ai" and usage.service_tier:
        return "theirs: Fireworks: the calculator applies no service tier"
    if provider == "fireworks_ai" and "cache_read_input_token_cost" not in row:
        return "theirs: Fireworks: cache reads at a constant that is not in the map"
    if f"{provider}/{model}" in peer.model_cost:
        return "theirs: the row of the same name with the provider before it is taken"
    if "tiered_pricing" in row and not usage.input:
        return "theirs: tiered prices are nothing without input"
    if usage.cache_write_1h and Meter.CACHE_WRITE_1H not in card.rates:
        return HOUR_WRITES
    if usage.cache_read_audio and Meter.CACHE_READ_AUDIO not in card.rates:
        return "theirs: cached audio without a rate is billed as cached text"
    if _has_unnamed_parts(card, usage):
        return "theirs: a part that the service tier does not name has its standard rate"
    if _has_parts_of_short_context(card, usage):
        return "theirs: a part at its parent's rate stays at it when only the parent's rises"
    return UNEXPLAINED


def _has_unnamed_parts(card: RateCard, usage: Usage) -> bool:
    """Whether a part that was used has no rate in the service tier."""
    named = {
        meter
        for entry in card.conditional_rates
        if entry.when.service_tier == usage.service_tier
        for meter in entry.rates
    }
    return usage.service_tier is not None and any(meter not in named for meter, _ in usage.parts)


def _has_parts_of_short_context(card: RateCard, usage: Usage) -> bool:
    """Whether a part that was used has its parent's rate, and only the parent has a longer one."""
    return any(
        parent in entry.rates and meter not in entry.rates
        for meter, _ in usage.parts
        if (parent := PARENTS.get(meter)) and card.rates.get(meter) == card.rates.get(parent)
        for entry in card.conditional_rates
    )
