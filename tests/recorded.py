"""Recorded provider answers, read where they lie beside the project when they are there.

They are other people's data and are not part of this repository: tests that need them are
marked with `needs_samples` and do not run elsewhere. What they show is also shown on built rows.
"""

from __future__ import annotations

from pathlib import Path

import pytest

_SHARED = Path(__file__).parents[2] / "shared"
SAMPLES = _SHARED / "samples"
HISTORY = _SHARED / "history"

needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no recorded answers here")
needs_history = pytest.mark.skipif(not HISTORY.is_dir(), reason="no recorded history here")


def sample(name: str) -> bytes:
    """The recorded answer *name*, such as `together/2025-07-25-v1-models.json`."""
    return (SAMPLES / name).read_bytes()
