"""Which rows of a list are one product."""

from __future__ import annotations

import pytest

from pricing_sync.gate.families import root


@pytest.mark.parametrize(
    "model",
    [
        "openai/o1",
        "openai/O1",
        "openai/o1:batch",
        "openai/o1~latest",
        "~openai/o1-latest",
        "openai/o1-2024-12-17",
        "openai/o1-20241217",
        "openai/o1@20241217",
        "openai/o1-12-17",
        "openai/o1-12-2024",
        "openai/o1-2024-12-17:free",
    ],
)
def test_variants_and_dated_twins_have_the_root_of_their_model(model: str) -> None:
    """Its own id, in small letters."""
    assert "openai/o1" == root(model)


@pytest.mark.parametrize(
    "model", ["gpt-oss:20b", "hf:maker/model", "maker/o1-pro", "maker/m-405b", "latest", "m-2"]
)
def test_other_models_keep_their_id(model: str) -> None:
    """A size after a colon, a prefix before it and `-pro` are no variants."""
    assert model == root(model)
