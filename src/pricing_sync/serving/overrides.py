"""Overrides, the rates that a person sets: set them, end them, compare them with the provider."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pricing_sync.errors import SettingsError, UnknownName
from pricing_sync.prices.card_json import write_instant
from pricing_sync.prices.instants import refuse_naive
from pricing_sync.prices.model_ids import is_model_id, is_tier
from pricing_sync.prices.overrides import OverrideState, override_states
from pricing_sync.prices.rates import Meter, Rate, RateCard, Unpriced, When
from pricing_sync.prices.statements import MeterOverride
from pricing_sync.store import Store

_CURRENCY = re.compile("[A-Z]{3}")


class Overrides:
    """The overrides of one ledger."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def set(
        self,
        provider: str,
        model: str,
        rates: Mapping[Meter, Rate],
        *,
        author: str,
        reason: str,
        since: datetime | None,
        until: datetime | None,
        currency: str | None,
        when: When | None,
        flat: bool,
    ) -> list[MeterOverride]:
        """See `PricingSync.set_override`."""
        when = None if when == When() else when
        if not rates:
            raise SettingsError("override: it needs a rate")
        if not reason.strip() or not author.strip():
            raise SettingsError("override: it needs an author and a reason")
        if not is_model_id(model):
            raise SettingsError(f"override: {model!r} is not a model id")
        if flat and when is not None:
            raise SettingsError("override: a flat rate has no condition of its own")
        if when and when.service_tier is not None and not is_tier(when.service_tier):
            raise SettingsError(
                f"override: {when.service_tier!r} is no service tier with rates of its own"
            )
        if currency is not None and not _CURRENCY.fullmatch(currency):
            raise SettingsError(f"override: {currency!r} is not a currency code such as USD")
        refuse_naive(since, until)
        now = datetime.now(UTC)
        begin = since or now
        if until is not None and until <= begin:
            raise SettingsError(f"override: {until.isoformat()} is not after its beginning")
        return self._store.set_overrides(
            provider,
            model,
            rates,
            currency=currency,
            author=author,
            reason=reason,
            since=begin,
            until=until,
            now=now,
            when=when,
            flat=flat,
        )

    def end(
        self,
        provider: str,
        model: str,
        meters: Sequence[Meter],
        at: datetime | None,
        *,
        newest_only: bool,
        author: str,
        reason: str,
    ) -> list[MeterOverride]:
        """See `PricingSync.end_override`."""
        now = datetime.now(UTC)
        ended = self._store.end_overrides(
            provider,
            model,
            meters or tuple(Meter),
            at or now,
            now,
            newest_only=newest_only,
            author=author,
            reason=reason,
        )
        if not ended:
            raise UnknownName(f"{provider}: {model}: no such override")
        return ended

    def report(
        self, provider: str | None, model: str | None, *, ending: bool
    ) -> list[tuple[MeterOverride, Rate | None, bool]]:
        """See `PricingSync.override_report`."""
        listed, now = self._listed(provider, model), datetime.now(UTC)
        find = self._store.overrides_ending if ending else self._store.overrides_not_ended
        report = []
        for override in find(provider, model, at=now):
            rate = override.listed_rate(listed.get((override.provider, override.model)))
            report.append((override, rate, rate != override.upstream_rate))
        return report

    def ending(self) -> list[dict[str, Any]]:
        """What ends soon, for the status: the next one first, the meters of an override in one."""
        found: dict[tuple[str, str, int, datetime | None], list[str]] = {}
        for one in self._store.overrides_ending(at=datetime.now(UTC)):
            found.setdefault((one.provider, one.model, one.layer, one.until), []).append(one.meter)
        return [
            {
                "provider": provider,
                "model": model,
                "meters": [str(meter) for meter in meters],
                "until": None if until is None else write_instant(until),
            }
            for (provider, model, _, until), meters in found.items()
        ]

    def states(self, provider: str | None, model: str | None) -> dict[str, OverrideState]:
        """See `PricingSync.override_states`."""
        listed, now = self._listed(provider, model), datetime.now(UTC)
        by_model: dict[tuple[str, str], list[MeterOverride]] = {}
        for override in self._store.overrides_not_ended(provider, model, at=now):
            by_model.setdefault((override.provider, override.model), []).append(override)
        states: dict[str, OverrideState] = {}
        for key, overrides in by_model.items():
            states |= override_states(listed.get(key), overrides, now)
        return states

    def _listed(
        self, provider: str | None, model: str | None
    ) -> dict[tuple[str, str], RateCard | Unpriced]:
        return {
            (statement.provider, statement.model): statement.listing
            for statement in self._store.statements(provider, model)
        }
