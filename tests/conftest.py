"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

from pricing_sync.store.sqlite import SqliteConnection

# Tests do not time. A slow machine is no failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# No test cuts the power. Waiting for the disk would take most of the time of the whole suite.
SqliteConnection.synchronous = "OFF"
