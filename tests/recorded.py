"""Recorded provider answers, in a folder next to the project if it exists.

They are other people's data and not part of this repository. Tests that need them are marked with
`needs_samples` and are skipped without them; other tests check the same cases on built rows.
"""

from __future__ import annotations

from pathlib import Path

import pytest

_SHARED = Path(__file__).parents[2] / "shared"
SAMPLES = _SHARED / "samples"
HISTORY = _SHARED / "history"

needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="there are no recorded answers")
needs_history = pytest.mark.skipif(not HISTORY.is_dir(), reason="there is no recorded history")


def sample(name: str) -> bytes:
    """The recorded answer *name*, such as `together/2025-07-25-v1-models.json`."""
    return (SAMPLES / name).read_bytes()
