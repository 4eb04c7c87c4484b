"""Overrides, the rates that a person sets: set them, end them, compare them with the provider."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pricing_sync.errors import SettingsError, UnknownName
from pricing_sync.prices.rates import Meter, Rate, RateCard
from pricing_sync.prices.statements import MeterOverride
from pricing_sync.sources.strict_json import is_model_id
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
    ) -> list[MeterOverride]:
        """See `PricingSync.set_override`."""
        if not rates:
            raise SettingsError("override: it needs a rate")
        if not reason.strip() or not author.strip():
            raise SettingsError("override: it needs an author and a reason")
        if not is_model_id(model):
            raise SettingsError(f"override: {model!r} is not a model id")
        now = datetime.now(UTC)
        begin = since or now
        if until is not None and until <= begin:
            raise SettingsError(f"override: {until.isoformat()} is not after its beginning")
        return self._store.set_overrides(
            provider,
            model,
            rates,
            currency=self._currency(provider, model, currency),
            author=author,
            reason=reason,
            since=begin,
            until=until,
            now=now,
        )

    def end(
        self, provider: str, model: str, meters: Sequence[Meter], at: datetime | None
    ) -> list[MeterOverride]:
        """See `PricingSync.end_override`."""
        now = datetime.now(UTC)
        ended = self._store.end_overrides(provider, model, meters or tuple(Meter), at or now, now)
        if not ended:
            raise UnknownName(f"{provider}: {model}: no such override")
        return ended

    def report(
        self, provider: str | None, model: str | None
    ) -> list[tuple[MeterOverride, Rate | None, bool]]:
        """See `PricingSync.override_report`."""
        listed = {
            (statement.provider, statement.model): statement.listing
            for statement in self._store.statements(provider, model)
        }
        report = []
        for override in self._store.overrides_not_ended(provider, model, at=datetime.now(UTC)):
            card = listed.get((override.provider, override.model))
            rate = card.rates.get(override.meter) if isinstance(card, RateCard) else None
            report.append((override, rate, rate != override.upstream_rate))
        return report

    def _currency(self, provider: str, model: str, wanted: str | None) -> str:
        """The wanted currency, otherwise the card's, otherwise US dollars.

        Raises:
            SettingsError: *wanted* is no currency code, or not the currency of the card.
        """
        if wanted is not None and not _CURRENCY.fullmatch(wanted):
            raise SettingsError(f"override: {wanted!r} is not a currency code such as USD")
        card = next((found.listing for found in self._store.statements(provider, model)), None)
        card_currency = card.currency if isinstance(card, RateCard) else None
        if wanted and card_currency and wanted != card_currency:
            raise SettingsError(
                f"override: the card of {model} is in {card_currency}, not {wanted}"
            )
        return wanted or card_currency or "USD"
