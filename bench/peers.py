"""A separate program: the same three costs by other people's libraries, in µs, as JSON.

It runs in the virtual environment of `make referee`, and measures each library that is there.
tokencost is not locked there: `.venv-referee/bin/pip install tokencost` adds it.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import timeit
from collections.abc import Callable
from typing import Any

Work = Callable[[], object]


def litellm(library: Any) -> list[Work]:
    cost = library.cost_per_token
    return [
        lambda: cost(model="gpt-4o", prompt_tokens=1000, completion_tokens=500),
        lambda: cost(
            model="claude-sonnet-4-5",
            custom_llm_provider="anthropic",
            prompt_tokens=10_000,
            completion_tokens=500,
            cache_read_input_tokens=8_000,
        ),
        lambda: cost(model="gemini/gemini-2.5-pro", prompt_tokens=250_000, completion_tokens=2_000),
    ]


def genai_prices(library: Any) -> list[Work]:
    def calc(provider: str, model: str, **tokens: int) -> Work:
        usage = library.Usage(**tokens)
        return lambda: library.calc_price(usage, model_ref=model, provider_id=provider)

    return [
        calc("openai", "gpt-4o", input_tokens=1000, output_tokens=500),
        calc(
            "anthropic",
            "claude-sonnet-4-5",
            input_tokens=10_000,
            cache_read_tokens=8_000,
            output_tokens=500,
        ),
        calc("google", "gemini-2.5-pro", input_tokens=250_000, output_tokens=2_000),
    ]


def tokencost(library: Any) -> list[Work]:
    """Each call prices one kind of token; cached tokens and long context are not known to it."""
    by_tokens = library.calculate_cost_by_tokens

    def both(model: str, inputs: int, outputs: int) -> Work:
        return lambda: by_tokens(inputs, model, "input") + by_tokens(outputs, model, "output")

    return [
        both("gpt-4o", 1000, 500),
        both("claude-sonnet-4-5", 10_000, 500),
        both("gemini-2.5-pro", 250_000, 2_000),
    ]


def microseconds(work: Work) -> float | None:
    """The fastest batch of many; None if the library has no price."""
    try:
        work()
    except Exception:  # noqa: BLE001  each library has errors of its own
        return None
    return min(timeit.repeat(work, number=100, repeat=20)) / 100 * 1e6


def main() -> None:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    logging.disable()
    found = {}
    for make in (litellm, genai_prices, tokencost):
        try:
            library = importlib.import_module(make.__name__)
        except ImportError:
            continue
        found[make.__name__.replace("_", "-")] = [microseconds(work) for work in make(library)]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
