"""The rates that a person wants to try: a table of provider, model, meter and amount."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pricing_sync.errors import SettingsError
from pricing_sync.prices.rates import Meter, Per, Rate
from pricing_sync.prices.statements import MeterOverride
from pricing_sync.rerating.price_cells import Instead

_NEEDED = ("provider", "model", "meter", "per_million")
_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


def read_tried_rates(path: Path, provider_id: Callable[[str], str]) -> Instead:
    """The rates of a CSV file, by provider and model; dollars without a column `currency`.

    They are tried as overrides: a base rate, and the card's other rates stay.

    Raises:
        SettingsError: it cannot be read; the message has the row.
    """
    found: dict[tuple[str, str], list[MeterOverride]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            missing = [name for name in _NEEDED if name not in (rows.fieldnames or ())]
            if missing:
                raise SettingsError(f"--what-if: {path}: no column {missing[0]!r}")
            for number, row in enumerate(rows, 1):
                try:
                    one = _read(row, number, provider_id)
                except (KeyError, TypeError, ValueError) as error:
                    raise SettingsError(f"--what-if: {path}: row {number}: {error}") from None
                found.setdefault((one.provider, one.model), []).append(one)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"--what-if: {path}: {error}") from None
    return found


def _read(row: dict[str, str], number: int, provider_id: Callable[[str], str]) -> MeterOverride:
    return MeterOverride(
        id=f"row {number}",
        provider=provider_id(row["provider"]),
        model=row["model"],
        meter=Meter(row["meter"]),
        rate=Rate.of(row["per_million"], Per.MILLION),
        currency=row.get("currency") or "USD",
        since=_ALWAYS,
        until=None,
        recorded_at=_ALWAYS,
        superseded_at=None,
        author="what-if",
        reason="what-if",
        upstream_rate=None,
        layer=number,
    )
