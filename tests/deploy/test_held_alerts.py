"""What a list in another unit does to the alerts about held changes."""

from __future__ import annotations

from monitoring import Prometheus, alerts


def expression(alert: str) -> str:
    return next(str(rule["expr"]) for rule in alerts() if rule["alert"] == alert)


def series(monitor: Prometheus, query: str) -> dict[str, float]:
    """Each provider with its value."""
    return {found["metric"]["provider"]: float(found["value"][1]) for found in monitor.query(query)}


def test_a_list_in_another_unit_is_everything_held(monitor: Prometheus) -> None:
    """The demo's together lists all its prices a million times too high, chutes as zero, and venice
    half of its models: the ledger holds them, and the expressions of the alerts name them. One
    model of together is free; a million times nothing is no change.
    """
    held = series(monitor, 'pricing_prices{state="held"}')
    priced = series(monitor, 'pricing_models{state="priced"}')
    assert (14, 15) == (held["together"], priced["together"])
    assert (12, 12) == (held["chutes"], priced["chutes"])
    everything = series(monitor, expression("PricingEverythingHeld"))
    assert {"together": 14 / 15, "chutes": 1} == everything
    many = series(monitor, expression("PricingHeldShareHigh"))
    assert {"together", "chutes", "venice"} == many.keys()
    assert 0.2 < many["venice"] < 0.8


def test_a_held_change_is_not_old_at_once(monitor: Prometheus) -> None:
    """Its time is that of the first reading that had it, so the alert waits for a day from then."""
    waited = series(monitor, "time() - pricing_oldest_held_change_timestamp_seconds")
    assert {"together", "chutes", "venice", "groq"} <= waited.keys()
    assert all(0 < seconds < 600 for seconds in waited.values())
    assert {} == series(monitor, expression("PricingHeldChangeOld"))


def test_a_provider_that_fails_is_stale_by_its_own_plan(monitor: Prometheus) -> None:
    """Three slots of three seconds after its last success. xai and cerebras fail in the demo."""
    left = "pricing_stale_timestamp_seconds - pricing_last_sync_timestamp"
    allowed = series(monitor, left)
    assert 18 == len(allowed)
    assert all(abs(seconds - 9) < 0.01 for seconds in allowed.values())
    failing = 'on (provider) pricing_last_sync_timestamp{provider=~"xai|cerebras"}'
    monitor.wait_for(f"count(({expression('PricingProviderStale')}) and {failing}) == 2")
