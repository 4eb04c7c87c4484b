"""The models.dev catalog, `api.json`: one object of providers, US dollars per million tokens.

People and scripts maintain it, so it may lag a provider's prices by weeks.
Source: the project's README and AGENTS.md, read 2026-10, and the document recorded 2026-05-14.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Raw, Struct

from pricing_sync.prices.model_ids import is_tier
from pricing_sync.prices.rates import (
    ConditionalRates,
    Listing,
    Meter,
    Notice,
    Per,
    Rates,
    Unpriced,
    When,
    Why,
)
from pricing_sync.sources.listings import (
    NOT_PUBLISHED,
    Amount,
    Fields,
    as_listing,
    as_said,
    free_if_named_so,
    rates,
)
from pricing_sync.sources.notices import value
from pricing_sync.sources.objects import nested
from pricing_sync.sources.rows import Page, read_keyed
from pricing_sync.sources.strict_json import (
    ABSENT,
    BadAmount,
    Incomplete,
    envelope,
    is_named,
    whole,
)

FIELDS: Fields = {
    "input": Amount(Meter.INPUT, Per.MILLION),
    "output": Amount(Meter.OUTPUT, Per.MILLION),
    "reasoning": Amount(Meter.REASONING, Per.MILLION),
    "cache_read": Amount(Meter.CACHE_READ, Per.MILLION),
    "cache_write": Amount(Meter.CACHE_WRITE, Per.MILLION),
    "input_audio": Amount(Meter.INPUT_AUDIO, Per.MILLION),
    "output_audio": Amount(Meter.OUTPUT_AUDIO, Per.MILLION),
}
_COST: Fields = {**FIELDS, "tiers": None, "context_over_200k": None}
_TIER: Fields = {**FIELDS, "tier": None}

# The keys of a request by which a mode is a service tier.
_TIER_KEYS = {"service_tier", "speed"}


class Row(Struct):
    """A model. Fields that are no list price are not read."""

    cost: dict[str, Raw] | None = None
    status: Raw = ABSENT
    experimental: Raw = ABSENT


class _Request(Struct):
    body: dict[str, Raw] = {}


class _Mode(Struct):
    cost: dict[str, Raw] | None = None
    provider: _Request | None = None


class _Experimental(Struct):
    modes: dict[str, _Mode] = {}


class _Provider(Struct):
    models: dict[str, Raw]


def providers(body: bytes) -> list[str]:
    """The ids of the providers in the catalog.

    Raises:
        Malformed: it is not an object.
    """
    return sorted(envelope(body, dict[str, Raw]))


def read(body: bytes, provider_id: str) -> Page:
    """The models of one provider. The rest of the document is skipped, not decoded.

    Raises:
        Malformed: the document or the provider's part of it is not in the format.
        Incomplete: the catalog does not contain that provider.
    """
    catalog = envelope(body, dict[str, Raw])
    if provider_id not in catalog:
        raise Incomplete("body", f"{provider_id} is not among the {len(catalog)} providers")
    provider = envelope(bytes(catalog[provider_id]), _Provider, provider_id)
    return read_keyed(provider.models, Row, listing, notice)


def notice(row: Row) -> Notice | None:
    """Whether the model is deprecated. The catalog names neither a day nor a successor."""
    return Notice(deprecated=True) if value(row.status) == "deprecated" else None


def listing(model: str, row: Row, ignored: Counter[str]) -> Listing:
    """The listing of one model. Input or output at zero, beside a price, has no price."""
    cost = row.cost
    if not cost:
        return NOT_PUBLISHED
    for key in ("input", "output"):
        if not is_named(cost.get(key, ABSENT)):
            raise BadAmount(f"cost.{key}: missing, though always listed")
    base = rates(cost, _COST, ignored, "cost")
    conditional_rates = (*_conditional_rates(cost, base, ignored), *_modes(row, base, ignored))
    # The models of a subscription cost zero per token and are not free: 434 of them in 2026-06.
    zero = Unpriced(
        Why.NOT_PER_TOKEN, "listed at zero: a subscription, or nothing that says it is free"
    )
    return free_if_named_so(as_listing(base, zero, conditional_rates), model)


def _conditional_rates(
    cost: Mapping[str, Raw], base: Rates, ignored: Counter[str]
) -> tuple[ConditionalRates, ...]:
    """The rates of longer contexts, shortest first.

    `context_over_200k` repeats a tier for old readers, at 200,000 even if the size of the tier is
    another one. It is read only when there are no tiers.
    """
    tiers = nested(cost.get("tiers", ABSENT), list[dict[str, Raw]], "cost.tiers")
    if tiers is not None:
        return _tiers(tiers, base, ignored)
    where = "cost.context_over_200k"
    legacy = nested(cost.get("context_over_200k", ABSENT), dict[str, Raw], where)
    if legacy is None:
        return ()
    return (_above(200_000, legacy, base, ignored, where),)


def _modes(row: Row, base: Rates, ignored: Counter[str]) -> Iterator[ConditionalRates]:
    """The rates of the modes that are service tiers. The others are counted by their names."""
    experimental = nested(row.experimental, _Experimental, "experimental")
    seen: set[str] = set()
    for name, mode in (experimental.modes if experimental else {}).items():
        if not mode.cost:
            continue
        tier = _tier(mode)
        if tier is None or mode.cost.keys() - FIELDS.keys():
            ignored[f"experimental.modes.{name}"] += 1
            continue
        if tier in seen:
            raise BadAmount(f"experimental.modes: two of the service tier {tier}")
        seen.add(tier)
        published = rates(mode.cost, FIELDS, ignored, "experimental.modes")
        yield ConditionalRates(When(service_tier=tier), as_said(published, standard=base))


def _tier(mode: _Mode) -> str | None:
    """The service tier that a mode's requests name; None if they name none, or several."""
    body = mode.provider.body if mode.provider else {}
    named = [raw for key, raw in body.items() if key in _TIER_KEYS]
    if len(named) != 1 or len(body) != 1:
        return None
    tier = nested(named[0], object, "experimental.modes")
    return tier if isinstance(tier, str) and is_tier(tier) else None


def _tiers(
    tiers: Sequence[Mapping[str, Raw]], base: Rates, ignored: Counter[str]
) -> tuple[ConditionalRates, ...]:
    sizes = [_size(tier, f"cost.tiers[{index}]") for index, tier in enumerate(tiers)]
    if len(set(sizes)) < len(sizes):
        raise BadAmount(f"cost.tiers: {sizes} name one size twice")
    by_size = sorted(zip(sizes, tiers, strict=True), key=lambda sized: sized[0])
    return tuple(_above(size, tier, base, ignored, "cost.tiers") for size, tier in by_size)


def _size(tier: Mapping[str, Raw], where: str) -> int:
    """The context size of a tier. Another condition is an error, because it may limit a price."""
    condition = nested(tier.get("tier", ABSENT), dict[str, Raw], f"{where}.tier") or {}
    kind = nested(condition.get("type", ABSENT), str, f"{where}.tier.type")
    size = whole(condition.get("size", ABSENT), f"{where}.tier.size")
    if kind != "context" or not size or len(condition) > 2:
        raise BadAmount(f"{where}.tier: not the size of a context")
    return size


def _above(
    size: int, prices: Mapping[str, Raw], base: Rates, ignored: Counter[str], where: str
) -> ConditionalRates:
    """The rates of requests with more input tokens than *size*.

    The documentation says that a tier's size is "the threshold where that band starts". opencode,
    for which the catalog is maintained, applies a tier when input > size (read 2026-10), and the
    name of the legacy field says the same. Our condition is inclusive, so it is the size plus one.
    """
    unknown = [key for key in prices if key not in _TIER]
    if unknown:
        raise BadAmount(f"{where}.{unknown[0]}: neither a price nor a condition that is known")
    published = rates(prices, _TIER, ignored, where)
    return ConditionalRates(When(min_input_tokens=size + 1), as_said(published, standard=base))
