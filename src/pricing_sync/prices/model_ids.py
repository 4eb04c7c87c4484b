"""What the id of a model says."""

from __future__ import annotations


def is_named_free(model: str) -> bool:
    """Whether the id ends as those of free models do."""
    return model.lower().endswith((":free", "-free"))
