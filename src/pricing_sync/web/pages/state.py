"""What differs whenever a page would."""

from __future__ import annotations

import hashlib

from pricing_sync.app import PricingSync
from pricing_sync.errors import StoreError

_NO_DATABASE = "none"


def state_of(pricing: PricingSync) -> str:
    """A digest of the readings, the runs, what waits, the decisions and the prices."""
    try:
        store = pricing.store
        parts: list[object] = [
            store.revision(),
            [(run.id, run.outcome, len(readings)) for run, readings in store.runs(3)],
            [(item.provider, item.run_id, item.state) for item in store.queue.active()],
            sorted((name, count.count) for name, count in store.review.held_counts().items()),
            [entry.id for entry in pricing.audit_log(1)],
        ]
    except StoreError:
        return _NO_DATABASE
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
