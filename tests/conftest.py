"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# Tests do not time. A slow machine is no failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
