"""xAI: whole numbers of cents per hundred million; zero means no long-context price."""

from __future__ import annotations

from collections.abc import Sequence

from pricing_sync.demo.facts import Model
from pricing_sync.demo.formats.format import (
    Format,
    Json,
    ListRequest,
    Row,
    key_required,
    ten_thousandths,
    written,
)
from pricing_sync.prices.rates import Meter

_FIELDS = {
    "prompt_text_token_price": Meter.INPUT,
    "cached_prompt_text_token_price": Meter.CACHE_READ,
    "completion_text_token_price": Meter.OUTPUT,
    "prompt_image_token_price": Meter.INPUT_IMAGE,
    "search_price": Meter.WEB_SEARCH,
}
# Zero means that there is no long-context price.
_LONG = {f"{key}_long_context": meter for key, meter in list(_FIELDS.items())[:3]}


def _answer(models: Sequence[Model], _request: ListRequest) -> Json:
    return {"models": [_row(model) for model in models]}


def _row(model: Model) -> Row:
    row: Row = {"id": model.id, "object": "model", "aliases": list(model.aliases)}
    row |= dict.fromkeys((*_FIELDS, *_LONG, "long_context_threshold"), 0)
    # Cents per hundred million tokens.
    row |= written(model.prices, _FIELDS, ten_thousandths)
    for when, prices in model.conditional_prices:
        row["long_context_threshold"] = when.min_input_tokens
        row |= written(prices, _LONG, ten_thousandths)
    return row


def _key(_models: Sequence[Model], _request: ListRequest) -> Json:
    """The permissions of the API key; it may use every model."""
    return {
        "redacted_api_key": "xai-...demo",
        "name": "demo",
        "acls": ["api-key:endpoint:*", "api-key:model:*"],
        "api_key_blocked": False,
        "api_key_disabled": False,
        "team_blocked": False,
    }


FORMAT = Format(
    {"/v1/language-models": _answer, "/v1/api-key": _key},
    "prompt_text_token_price",
    key_required({"code": "unauthenticated", "error": "No API key provided."}),
)
