"""The formats of exports, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pricing_sync.errors import UnknownName
from pricing_sync.exports import (
    bifrost,
    csv_text,
    genai_prices,
    json_lines,
    langfuse,
    litellm,
    models_dev,
    new_api,
    openlit,
    openrouter,
    portkey,
)
from pricing_sync.exports.document import Export, Source
from pricing_sync.serving import parquet

_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Format:
    """A format that prices can be exported in."""

    name: str
    title: str
    write: Callable[[Source], Export]
    media_type: str = _JSON
    #: The file of the tool's own document, over which it is written, if it can be.
    upstream: str | None = None
    #: Whether it must hold every provider, because its reader forgets all others.
    is_whole: bool = False


FORMATS = {
    format_.name: format_
    for format_ in (
        Format("litellm", "LiteLLM cost map", litellm.write, upstream="litellm.json"),
        Format("genai-prices", "genai-prices data", genai_prices.write, is_whole=True),
        Format("models.dev", "models.dev api.json", models_dev.write, upstream="models.dev.json"),
        Format("openrouter", "OpenRouter /api/v1/models", openrouter.write),
        Format("langfuse", "Langfuse models", langfuse.write),
        Format("bifrost", "Bifrost datasheet", bifrost.write),
        Format("new-api", "new-api ratio_config", new_api.write),
        Format("openlit", "OpenLIT pricing_json", openlit.write),
        Format("portkey", "Portkey pricing, in cents", portkey.write),
        Format("csv", "CSV, a line for each rate", csv_text.write, "text/csv; charset=utf-8"),
        Format("jsonl", "JSON lines, a model on each", json_lines.write, "application/jsonl"),
        Format(
            "parquet",
            "Parquet, a row for each rate",
            parquet.write,
            "application/vnd.apache.parquet",
        ),
    )
}


def format_named(name: str) -> Format:
    """The format of that name.

    Raises:
        UnknownName: there is none.
    """
    if name not in FORMATS:
        raise UnknownName(f"{name[:40]!a} is no export: {', '.join(FORMATS)}")
    return FORMATS[name]
