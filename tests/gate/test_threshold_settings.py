"""Thresholds in a settings file."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

import pytest

from pricing_sync.gate import Thresholds
from pricing_sync.gate.threshold_settings import thresholds_from
from pricing_sync.prices.rates import Meter, Per, Rate


def test_an_empty_table_gives_the_calibrated_defaults() -> None:
    """Without any setting, every threshold has its default."""
    assert Thresholds() == thresholds_from({})


def test_each_kind_of_threshold_is_read() -> None:
    """Factors, shares, counts, powers and spans."""
    found = thresholds_from(
        {
            "band_up": 3,
            "mass_share": 0.4,
            "mass_models": 7,
            "unit_powers": [3, 6],
            "unit_tolerance": 0.01,
            "release_after": "48h",
        }
    )
    assert (3.0, 0.4, 7) == (found.band_up, found.mass_share, found.mass_models)
    assert (frozenset({3, 6}), 0.01) == (found.unit_powers, found.unit_tolerance)
    assert timedelta(hours=48) == found.release_after
    assert 5.5 == found.band_down


def test_a_provider_s_thresholds_replace_the_general_ones() -> None:
    """Thresholds that the provider does not set are inherited."""
    general = thresholds_from({"band_up": 3, "band_down": 4})
    found = thresholds_from({"band_up": 2}, general)
    assert (2, 4) == (found.band_up, found.band_down)


def test_a_table_replaces_only_the_entries_it_names() -> None:
    """The bounds of one meter do not change the others. Amounts are per million units."""
    found = thresholds_from(
        {
            "bounds": {"input": ["0.001", 500]},
            "usual": {"output": ["0.02", "90.5"]},
            "units_per_dollar": {"JPY": 150},
            "usual_proportions": {"cache_read": [0.01, 1]},
        }
    )
    low, high = Rate.of("0.001", Per.MILLION), Rate.of(500, Per.MILLION)
    assert (low, high) == found.bounds[Meter.INPUT]
    assert Thresholds().bounds[Meter.OUTPUT] == found.bounds[Meter.OUTPUT]
    assert Rate.of("90.5", Per.MILLION) == found.usual[Meter.OUTPUT][1]
    assert (0.01, 1) == found.usual_proportions[Meter.CACHE_READ]
    assert Meter.CACHE_WRITE in found.usual_proportions
    assert (150, 7) == (found.units_per_dollar["JPY"], found.units_per_dollar["CNY"])


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("enabled", False, "no such threshold"),
        ("bandup", 3, "no such threshold"),
        ("band_up", "3", "not a number"),
        ("band_up", True, "not a number"),
        ("band_up", 1, "not a factor"),
        ("band_up", -4, "not a factor"),
        ("band_up", 1e9, "not a factor"),
        ("band_up", float("inf"), "not a number"),
        ("band_up", float("nan"), "not a number"),
        ("mass_share", 0, "not a share"),
        ("mass_share", 1.5, "not a share"),
        ("mass_models", 0, "not a whole number"),
        ("mass_models", 2.5, "not a whole number"),
        ("mass_models", True, "not a whole number"),
        ("unit_powers", [], "not a list"),
        ("unit_powers", 3, "not a list"),
        ("unit_powers", [0], "not a whole number"),
        ("release_after", 24, "not a span"),
        ("release_after", "0h", "not a span"),
        ("release_after", "a day", "not a span"),
        ("bounds", {"prompt": ["1", "2"]}, "no meter"),
        ("bounds", {"input": ["2", "1"]}, "low to high"),
        ("bounds", {"input": ["0", "1"]}, "low to high"),
        ("bounds", {"input": [0.1, 1]}, "float"),
        ("bounds", {"input": "1"}, "not a pair"),
        ("bounds", 5, "not a table"),
        ("usual_proportions", {"input": [0.1, 1]}, "no meter with a parent"),
        ("usual_proportions", {"cache_read": 0.1}, "not a pair"),
        ("usual_proportions", {"cache_read": ["0.1", "1"]}, "not a number"),
        ("usual_proportions", {"cache_read": [1, 0.1]}, "low to high"),
        ("usual_proportions", {"cache_read": [1e-9, 1e9]}, "low to high"),
        ("units_per_dollar", {"yuan": 7}, "not a currency"),
        ("units_per_dollar", {"CNY": 7.2}, "not a whole number"),
    ],
)
def test_an_invalid_threshold_is_refused_with_its_name(name: str, value: object, why: str) -> None:
    """It is misspelt, of the wrong kind, or so large that the rule would be switched off."""
    with pytest.raises(ValueError, match=rf"^{name}: .*{why}"):
        thresholds_from({name: value})


def test_every_threshold_can_be_written() -> None:
    """Zero and None are invalid for every kind; the error shows that the threshold is known."""
    for field in fields(Thresholds):
        with pytest.raises(ValueError, match=field.name):
            thresholds_from({field.name: 0})
        with pytest.raises(ValueError, match=f"^{field.name}: (?!no such)"):
            thresholds_from({field.name: None})
