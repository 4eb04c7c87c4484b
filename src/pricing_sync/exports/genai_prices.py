"""The data of genai-prices: a list of providers. Read by `sources/formats/genai_prices`.

The package replaces all of its own data by this list, so it is always written whole. A price needs
the prices of what it is a part of, and of what two prices have in common: cached audio, where both
cached tokens and audio have one. Read in genai-prices 0.2.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Raw

from pricing_sync.errors import SettingsError
from pricing_sync.exports.amounts import json_list, number
from pricing_sync.exports.cells import Cell, cells
from pricing_sync.exports.document import Export, Part, Source
from pricing_sync.exports.fitting import Abilities, fit
from pricing_sync.prices.book import Price
from pricing_sync.prices.rates import Meter, Per, Rate, RateCard, When
from pricing_sync.sources.formats import genai_prices
from pricing_sync.sources.providers import built_in

#: The ids that genai-prices has for our providers, where they differ.
PROVIDERS: Mapping[str, str] = {
    "amazon-bedrock": "aws",
    "fireworks-ai": "fireworks",
    "novita-ai": "novita",
    "togetherai": "together",
    "xai": "x-ai",
}
# Of two keys with one meter, the first is the usual one.
_KEYS: dict[Meter, tuple[str, Per]] = {}
for _key, _amount in genai_prices.FIELDS.items():
    if _amount is not None:
        _KEYS.setdefault(_amount.meter, (_key, _amount.per))
_INPUT_PARTS = {
    Meter.CACHE_READ: Meter.INPUT,
    Meter.CACHE_READ_AUDIO: Meter.CACHE_READ,
    Meter.CACHE_WRITE: Meter.INPUT,
    Meter.CACHE_WRITE_1H: Meter.CACHE_WRITE,
    Meter.INPUT_AUDIO: Meter.INPUT,
    Meter.INPUT_IMAGE: Meter.INPUT,
    Meter.INPUT_VIDEO: Meter.INPUT,
}
_OUTPUT_PARTS = dict.fromkeys(
    (Meter.REASONING, Meter.OUTPUT_AUDIO, Meter.OUTPUT_IMAGE, Meter.OUTPUT_VIDEO), Meter.OUTPUT
)
_PARENTS = _INPUT_PARTS | _OUTPUT_PARTS
_MODALITIES = {
    Meter.INPUT_AUDIO: "audio",
    Meter.INPUT_IMAGE: "image",
    Meter.INPUT_VIDEO: "video",
    Meter.OUTPUT_AUDIO: "audio",
    Meter.OUTPUT_IMAGE: "image",
    Meter.OUTPUT_VIDEO: "video",
}
_CACHES = {
    Meter.CACHE_READ: "read",
    Meter.CACHE_WRITE: "write",
    Meter.CACHE_WRITE_1H: "write_1h",
}
_BATCH = "batch"
_NO_ADDRESS = "(?!)"


def _says(when: When) -> bool:
    """Long contexts and service tiers together, and hours in UTC alone; no weekdays, no regions."""
    if when.region is not None or when.weekdays is not None:
        return False
    if when.hours is None:
        return True
    start, end = (minute % 1440 for minute in when.hours)
    is_alone = when.service_tier is None and when.min_input_tokens is None
    return is_alone and when.time_zone == "UTC" and start != end


_ABILITIES = Abilities(meters=frozenset(_KEYS), says=_says, needs=frozenset())


def write(source: Source) -> Export:
    """Every provider with its models.

    Raises:
        SettingsError: no model has a price, and the list would leave the package without any.
    """
    providers: dict[str, list[Price]] = {}
    for price in source.prices:
        providers.setdefault(price.provider, []).append(price)
    written, count, taken = [], 0, set(providers)
    for provider, prices in providers.items():
        models = [model for price in prices if (model := _model(source, price)) is not None]
        if models:
            theirs = PROVIDERS.get(provider, provider)
            own = theirs if theirs == provider or theirs not in taken else provider
            taken.add(own)
            written.append(msgspec.json.encode(_provider(provider, own, models)))
            count += len(models)
    if not count:
        raise SettingsError(
            "genai-prices: no model has a price, and an empty list breaks its users"
        )
    return source.export(json_list(written), count)


def _provider(provider: str, own: str, models: list[Raw]) -> dict[str, object]:
    known = built_in().get(provider)
    names = [{"equals": name} for name in dict.fromkeys((own, provider))]
    host = known.url.split("/")[2] if known else None
    return {
        "id": own,
        "name": known.name if known else provider,
        "api_pattern": f"https://{re.escape(host)}" if host else _NO_ADDRESS,
        "provider_match": {"or": names},
        "models": models,
    }


def _model(source: Source, price: Price) -> Raw | None:
    card = fit(source, price, _ABILITIES)
    if card is None:
        return None
    orphans = _orphans(card)
    if any(meter in orphans for meter in card.rates) and len(orphans) == len(card.rates):
        source.leave_out(price, Part.MODEL, f"no rate for what {min(orphans)} is a part of")
        return None
    for meter in orphans:
        source.leave_out(price, Part.METER, f"{meter}: no rate for what it is a part of")
    found = cells(card, (Meter.CACHE_WRITE_1H, Meter.CACHE_READ_AUDIO))
    for cell in found:
        # Cached audio that stands in for itself has no price without one of cached tokens.
        own = orphans if Meter.CACHE_READ in cell.rates else {*orphans, Meter.CACHE_READ_AUDIO}
        for meter in own:
            cell.rates.pop(meter, None)
    gap = _gap(found)
    if gap is not None:
        source.leave_out(price, Part.MODEL, gap)
        return None
    model: dict[str, object] = {
        "id": price.model,
        "match": {"equals": price.model},
        "prices": _prices(found),
    }
    variants = _variants(source, price, card, found)
    return Raw(msgspec.json.encode(model | ({"price_variants": variants} if variants else {})))


def _orphans(card: RateCard) -> set[Meter]:
    """The parts whose parent the card does not name in its base: they cannot have a price."""
    named = {meter for _, meter, _ in card.every_rate()}
    orphans: set[Meter] = set()
    for meter in Meter:
        parent = _PARENTS.get(meter)
        if meter in named and parent is not None and (parent not in named or parent in orphans):
            orphans.add(meter)
    return orphans


def _gap(found: list[Cell]) -> str | None:
    """A meter that has a rate only under a condition: the format would have no base for it."""
    base = found[0].rates
    for when, rates in found[1:]:
        for meter in rates:
            if meter not in base and when.service_tier is None:
                return f"{meter} has a rate only under a condition"
    return None


def _prices(found: list[Cell]) -> object:
    """The `prices` of a model: an object, or a list with one for certain hours."""
    timed = [cell for cell in found if cell.when.hours is not None]
    base = _price_object([cell for cell in found if cell not in timed], tier=None)
    if not timed:
        return base
    entries = [
        {"constraint": _hours(cell.when), "prices": _price_object([Cell(When(), cell.rates)], None)}
        for cell in timed
    ]
    return [{"prices": base}, *entries]


def _hours(when: When) -> dict[str, str]:
    start, end = (f"{m // 60 % 24:02}:{m % 60:02}:00Z" for m in when.hours or (0, 0))
    return {"start_time": start, "end_time": end}


def _price_object(found: Iterable[Cell], tier: str | None) -> dict[str, object]:
    """The price of each key, with those of longer contexts, in one service tier."""
    steps = sorted(
        (cell for cell in found if cell.when.service_tier == tier),
        key=lambda cell: cell.when.min_input_tokens or 0,
    )
    keyed = [(step.when.min_input_tokens, _keyed(step.rates)) for step in steps]
    if not keyed or keyed[0][0] is not None:
        return {}
    base = keyed[0][1]
    return {
        key: _tiered(key, amount, [(t, rates) for t, rates in keyed[1:] if t is not None])
        for key, amount in base.items()
    }


def _tiered(
    key: str, base: tuple[Rate, Per], longer: list[tuple[int, dict[str, tuple[Rate, Per]]]]
) -> object:
    rate, per = base
    steps, last = [], rate
    for tokens, rates in longer:
        found = rates.get(key, base)[0]
        if found != last:
            # Their start is exclusive, ours is inclusive.
            steps.append({"start": tokens - 1, "price": number(found, per)})
            last = found
    if not steps:
        return number(rate, per)
    return {"base": number(rate, per), "tiers": steps}


def _keyed(rates: Mapping[Meter, Rate]) -> dict[str, tuple[Rate, Per]]:
    """The rates by key, with those of what two of them have in common."""
    keyed = {key: (rates[meter], per) for meter, (key, per) in _KEYS.items() if meter in rates}
    for modality, name in _MODALITIES.items():
        if modality not in rates:
            continue
        if modality in _INPUT_PARTS:
            for cache, ending in _CACHES.items():
                if cache in rates:
                    key = f"cache_{name}_{ending}_mtok"
                    keyed.setdefault(key, (rates[cache], Per.MILLION))
        elif Meter.REASONING in rates:
            dearest = max(rates[modality], rates[Meter.REASONING])
            keyed[f"output_{name}_reasoning_mtok"] = (dearest, Per.MILLION)
    return keyed


def _variants(
    source: Source, price: Price, card: RateCard, found: list[Cell]
) -> list[dict[str, object]]:
    """The prices of each service tier. One without prices is sold at the base rates."""
    variants: list[dict[str, object]] = []
    entries = [entry for entry in card.conditional_rates if entry.when.service_tier]
    for tier in dict.fromkeys(entry.when.service_tier for entry in entries):
        prices = _price_object(found, tier)
        if not prices and any(e.rates for e in entries if e.when.service_tier == tier):
            why = f"service tier {tier}: no rates for short requests"
            source.leave_out(price, Part.CONDITION, why)
            continue
        for meter in sorted(_unpriced_in(tier, found)):
            why = f"{meter} has no price in service tier {tier}, and is billed at the usual one"
            source.leave_out(price, Part.CONDITION, why)
        key = "processing" if tier == _BATCH else "service_tier"
        variants.append({"when": {key: tier}, "prices": prices})
    return variants


def _unpriced_in(tier: str | None, found: list[Cell]) -> set[Meter]:
    of_tier = [cell.rates.keys() for cell in found if cell.when.service_tier == tier]
    return {meter for rates in of_tier for meter in found[0].rates.keys() - rates}
