"""The page of the metrics, from the collector of a service."""

from __future__ import annotations

from tempfile import TemporaryDirectory

from pricing_sync.app import PricingSync
from pricing_sync.settings import Settings
from pricing_sync.web import collector

from reference_pages.markdown import code, table

_INTRODUCTION = """\
# Metrics

What `GET /metrics` has for Prometheus, with a token. The values are read from the database at each
scrape: they survive a restart, and every process of a database gives the same ones, so use `max`
and not `sum`. Only those whose text says "this process" differ between processes.

"""
#: What a scrape adds to the name of a family.
_SUFFIXES = {"counter": "_total", "info": "_info"}


def page() -> str:
    """Every metric: its name, its type, its labels, its help text."""
    with TemporaryDirectory() as folder:
        settings = Settings(database=f"sqlite:///{folder}/prices.db")
        with PricingSync(settings) as pricing:
            families = list(collector(pricing).describe())
    rows = [
        [
            code(family.name + _SUFFIXES.get(family.type, "")),
            family.type,
            ", ".join(map(code, vars(family).get("_labelnames", ()))),
            family.documentation,
        ]
        for family in sorted(families, key=lambda family: family.name)
    ]
    return _INTRODUCTION + table(("metric", "type", "labels", "meaning"), rows)
