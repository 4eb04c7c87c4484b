"""The files of docs/usage.md, with times that are near to now."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
PRICES = {
    "openai/gpt-4o": ("0.0000025", "0.00001", "0.00000125"),
    "openai/gpt-oss-120b": ("0.000000037", "0.00000017", None),
    "anthropic/claude-sonnet-4.5": ("0.000003", "0.000015", "0.0000003"),
    "mistralai/mistral-nemo": ("0.000000019", "0.00000003", None),
}


def prices(dear: str | None = None) -> str:
    """OpenRouter's list; the prices of *dear* are a thousand times too high."""
    rows: list[dict[str, Any]] = []
    for model, (prompt, completion, cached) in PRICES.items():
        pricing = {"prompt": prompt, "completion": completion}
        if cached:
            pricing["input_cache_read"] = cached
        if model == dear:
            pricing = {"prompt": "0.000037", "completion": "0.00017"}
        rows.append({"id": model, "pricing": pricing})
    return json.dumps({"data": rows})


def row(hours: int, model: str, **more: Any) -> dict[str, Any]:
    at = (NOW - timedelta(hours=hours)).isoformat().replace("+00:00", "Z")
    return {"provider": "openrouter", "model": model, "at": at, **more}


def costing(hours: int, model: str, cost: str, **usage: int) -> dict[str, Any]:
    return row(hours, model, usage=usage, cost=cost, currency="USD")


def requests() -> list[dict[str, Any]]:
    """Sixty requests. Sonnet's output is billed at 16.5 dollars, and ours is 15."""
    gpt, sonnet = "openai/gpt-4o", "anthropic/claude-sonnet-4.5"
    oss = {"input": 40_000, "output": 3_500}
    return [
        costing(2, gpt, "0.03", input=8_000, output=1_000),
        costing(3, gpt, "0.045", input=10_000, output=2_000),
        costing(4, gpt, "0.036", input=12_000, cache_read=4_000, output=1_100),
        costing(5, gpt, "0.03825", input=9_000, cache_read=1_000, output=1_700),
        costing(2, sonnet, "0.0465", input=10_000, output=1_000),
        costing(3, sonnet, "0.063", input=10_000, output=2_000),
        costing(4, sonnet, "0.06825", input=15_000, cache_read=3_000, output=1_900),
        costing(5, sonnet, "0.08529", input=20_000, cache_read=2_000, output=1_860),
        row(6, gpt, usage={"input": 1_000, "input_audio": 250, "output": 100}),
        *(row(2 + n % 5, "openai/gpt-oss-120b", usage=oss) for n in range(40)),
        *(
            costing(2 + n % 5, "acme/newcomer", "0.0004", input=1_000, output=100)
            for n in range(10)
        ),
        row(2, "mistralai/mistral-nemo", usage={"input": 500, "output": 50}),
    ]


Path("before.json").write_text(prices())
Path("now.json").write_text(prices(dear="openai/gpt-oss-120b"))
Path("usage.jsonl").write_text("".join(json.dumps(one) + "\n" for one in requests()))
good, *_ = requests()
bad = [good, good | {"cost": 0.03}, row(2, "openai/gpt-4o", usage={"input": "12k"})]
Path("bad.jsonl").write_text("".join(json.dumps(one) + "\n" for one in bad))
at = row(1, "")["at"]
Path("batch.json").write_text(
    f"""\
{{"rows": [
  {{"provider": "openrouter", "model": "openai/gpt-4o", "at": "{at}", "as": "openrouter",
   "reported": {{"prompt_tokens": 12000, "completion_tokens": 800, "cost": 0.0355,
                "prompt_tokens_details": {{"cached_tokens": 2000}}}}}},
  {{"provider": "openrouter", "model": "acme/newcomer", "at": "{at}",
   "usage": {{"input": 52000, "cache_read": 40000, "output": 900}}, "service_tier": "flex"}}
]}}
"""
)
