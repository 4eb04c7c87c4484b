"""genai-prices: every model of its own data, read by our reader and priced by both."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import Usage as PeerUsage

from pricing_sync.errors import NoPrice
from pricing_sync.prices.rates import Answer, Listing, Meter, RateCard
from pricing_sync.prices.usage import Usage
from pricing_sync.sources.provider import read_answer
from pricing_sync.sources.providers.catalog import genai_prices_provider

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

# When the list is read.
TODAY = datetime(2026, 11, 25, tzinfo=UTC)
# Inside and outside the windows of prices by the hour, and after promotions end.
INSTANTS = (
    datetime(2026, 11, 25, 12, tzinfo=UTC),
    datetime(2026, 11, 25, 2, tzinfo=UTC),
    datetime(2027, 1, 2, 17, tzinfo=UTC),
)
# Around each date that a model names.
_AROUND = (timedelta(seconds=-1), timedelta())
_SAME = (
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "input_image",
    "input_video",
    "output_audio",
    "output_image",
    "output_video",
)


def _provider(provider: Any) -> dict[str, Any]:
    return {"id": provider.id, "models": [_model(model) for model in provider.models]}


def _model(model: Any) -> dict[str, Any]:
    written: dict[str, Any] = {"id": model.id}
    if isinstance(model.prices, list):
        written["prices"] = [_entry(entry) for entry in model.prices]
    else:
        written["prices"] = _prices(model.prices)
    if model.price_variants:
        written["price_variants"] = [
            {"when": variant.when, **_entry(variant)} for variant in model.price_variants
        ]
    return written


def _entry(entry: Any) -> dict[str, Any]:
    written: dict[str, Any] = {"prices": _prices(entry.prices)}
    if entry.constraint is not None:
        written["constraint"] = {
            name: value.isoformat() if isinstance(value, date | time) else value
            for name, value in vars(entry.constraint).items()
        }
    return written


def _prices(prices: Any) -> dict[str, Any]:
    return {key: _price(value) for key, value in vars(prices).items() if value is not None}


def _price(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    tiers = [{"start": tier.start, "price": str(tier.price)} for tier in value.tiers]
    return {"base": str(value.base), "tiers": tiers}


def body() -> bytes:
    """Their whole list, in the format of their file."""
    return json.dumps([_provider(provider) for provider in get_snapshot().providers]).encode()


def verdicts(sample: Sample) -> Verdicts:
    """Every model of the sample at every instant, in every tier of the grid.

    The list is read today. A later price is the one that this reading schedules; an earlier one is
    that of a reading then.
    """
    found = Verdicts("genai-prices")
    for provider in get_snapshot().providers:
        document = json.dumps([_provider(provider)]).encode()
        reader = genai_prices_provider(provider.id)
        today = read_answer(reader, [document], TODAY)
        for model in provider.models:
            dates = {day + step for day in _dates(model) for step in _AROUND}
            is_taken = sample.takes(found)
            # Of the models that are left out, what is scheduled is compared all the same.
            for at in sorted({*INSTANTS, *dates} if is_taken else filter(TODAY.__lt__, dates)):
                answer = today if at >= TODAY else read_answer(reader, [document], at)
                _judge_model(found, provider, model, _listing_at(answer, model.id, at), at)
    return found


def _dates(model: Any) -> set[datetime]:
    """The instants at which the prices of a model or of its variants begin."""
    entries = [*(model.prices if isinstance(model.prices, list) else ())]
    constraints = [entry.constraint for entry in (*entries, *(model.price_variants or ()))]
    days = (getattr(constraint, "start_date", None) for constraint in constraints)
    return {datetime.combine(day, time(), UTC) for day in days if day}


def _listing_at(answer: Answer, model: str, at: datetime) -> Listing:
    """The listing in force at an instant, by what an answer says for now and for later."""
    begun = [one for one in answer.scheduled.get(model, ()) if one.since <= at]
    return begun[-1].listing if begun else answer.listings[model]


def _judge_model(
    found: Verdicts, provider: Any, model: Any, listing: Listing, at: datetime
) -> None:
    name = f"{provider.id} {model.id}"
    if not isinstance(listing, RateCard):
        found.add(f"not expressible: {type(listing).__name__}", f"{name}: {listing}")
        return
    for tier, context in _contexts(model):
        for shape, usage in usages(listing, tier):
            # They bill one request with every call.
            asked = replace(usage, request=1) if Meter.REQUEST in listing.rates else usage
            found.add(*_verdict(provider, model, listing, asked, context, at, f"{name} {shape}"))


def _contexts(model: Any) -> Iterator[tuple[str | None, dict[str, str]]]:
    """The service tiers of a model, each with the context in which genai-prices applies it."""
    yield None, {}
    named: dict[str, dict[str, str]] = {}
    for variant in model.price_variants or ():
        if len(variant.when) == 1:
            [(key, value)] = variant.when.items()
            if key in ("processing", "service_tier", "speed"):
                named[value] = variant.when
    yield from named.items()


def peer_usage(usage: Usage) -> PeerUsage:
    """The same quantities. Their audio includes cached audio, and ours does not."""
    quantities = {f"{name}_tokens": getattr(usage, name) for name in _SAME}
    quantities["cache_write_5m_tokens"] = usage.cache_write - usage.cache_write_1h
    return PeerUsage(
        input_tokens=usage.input,
        output_tokens=usage.output,
        output_reasoning_tokens=usage.reasoning,
        input_audio_tokens=usage.input_audio + usage.cache_read_audio,
        cache_audio_read_tokens=usage.cache_read_audio,
        web_searches=usage.web_search,
        **quantities,
    )


def _verdict(
    provider: Any,
    model: Any,
    card: RateCard,
    usage: Usage,
    context: Mapping[str, str],
    at: datetime,
    name: str,
) -> tuple[str, str]:
    ours = our_total(card, usage, at)
    try:
        theirs = model.calc_price(
            peer_usage(usage),
            provider,
            genai_request_timestamp=at,
            price_context=dict(context),
        ).total_price
    except ValueError as error:
        if isinstance(ours, NoPrice):
            return BOTH_REFUSE, name
        return THEY_REFUSE, f"{name}: {error}"
    shown = f"{name} {usage.service_tier or ''} {at:%Y-%m-%d %H}h: ours {ours}, theirs {theirs}"
    if isinstance(ours, NoPrice):
        meter = str(ours).split(":")[0]
        return f"we refuse: {meter} has no rate", shown
    if ours == theirs:
        return EQUAL, name
    if abs(ours - theirs) <= units(usage) * Decimal("1e-15"):
        return ROUNDED, name
    if usage.cache_write_1h and Meter.CACHE_WRITE_1H not in card.rates:
        return HOUR_WRITES, shown
    return UNEXPLAINED, shown
