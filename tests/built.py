"""Answers built for tests in the formats of providers. None of them is recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def openrouter(models: Mapping[str, Mapping[str, Any]]) -> bytes:
    """OpenRouter's list: each model's `pricing`, in dollars per token."""
    rows = [{"id": model, "pricing": pricing} for model, pricing in models.items()]
    return json.dumps({"data": rows}).encode()


def priced(prompt: str = "0.0000025", completion: str = "0.00001", **more: Any) -> dict[str, Any]:
    """An OpenRouter `pricing` object: by default 2.5 and 10 dollars per million."""
    return {"prompt": prompt, "completion": completion, **more}


def catalogue(count: int, prompt: str = "0.0000025") -> bytes:
    """OpenRouter's list of *count* models, all at one price."""
    return openrouter({f"maker/model-{n}": priced(prompt) for n in range(count)})
