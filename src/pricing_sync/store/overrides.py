"""The rates that people set, as layers: read, set and ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from pricing_sync.changes.diff import Known
from pricing_sync.errors import SettingsError
from pricing_sync.prices.rates import Meter, Rate, RateCard, When
from pricing_sync.prices.statements import MeterOverride
from pricing_sync.store import rows
from pricing_sync.store.audit_log import Action, AuditLog
from pricing_sync.store.connection import NamedQueries
from pricing_sync.store.decisions import override_end
from pricing_sync.store.ids import new_id
from pricing_sync.store.rows import write_instant

#: How long before its end an override is listed as ending.
ENDING = timedelta(days=30)


class OverrideLayers(NamedQueries):
    """The part of a `Store` that keeps people's rates."""

    audit_log: AuditLog

    def overrides_not_ended(
        self, provider: str | None = None, model: str | None = None, *, at: datetime
    ) -> list[MeterOverride]:
        """The overrides that are in force at an instant or begin later."""
        found = self._fetch(
            "overrides_not_ended", provider=provider, model=model, at=write_instant(at)
        )
        return [rows.read_override(row) for row in found]

    def overrides_ending(
        self, provider: str | None = None, model: str | None = None, *, at: datetime
    ) -> list[MeterOverride]:
        """The overrides that end within `ENDING` of an instant, the next one first."""
        found = self._fetch(
            "overrides_ending",
            provider=provider,
            model=model,
            at=write_instant(at),
            before=write_instant(at + ENDING),
        )
        return [rows.read_override(row) for row in found]

    def set_overrides(
        self,
        provider: str,
        model: str,
        rates: Mapping[Meter, Rate],
        *,
        currency: str | None,
        author: str,
        reason: str,
        since: datetime,
        until: datetime | None,
        now: datetime,
        when: When | None = None,
        flat: bool = False,
    ) -> list[MeterOverride]:
        """Set a person's rates from *since* on, as a new layer above the overrides before.

        Without *currency* it is that of the card, otherwise of the other overrides, otherwise USD.

        Raises:
            SettingsError: the card, or another override of the model, is in another currency.
        """
        with self._connection.transaction():
            upstream = self._fetch(
                "current_cards", provider=provider, model=model, now=write_instant(now)
            )
            card = rows.read_statement(upstream[0]).listing if upstream else None
            others = self.overrides_not_ended(provider, model, at=since)
            currency = _one_currency(model, card, others, currency)
            (last,) = self._fetch("last_override_layer", provider=provider, model=model)[0]
            added = [
                MeterOverride(
                    id=new_id(now),
                    provider=provider,
                    model=model,
                    meter=meter,
                    rate=rate,
                    currency=currency,
                    since=since,
                    until=until,
                    recorded_at=now,
                    superseded_at=None,
                    author=author,
                    reason=reason,
                    upstream_rate=None,
                    layer=last + 1,
                    when=when,
                    is_flat=flat,
                )
                for meter, rate in rates.items()
            ]
            added = [replace(one, upstream_rate=one.listed_rate(card)) for one in added]
            self._execute_many(
                "add_override", [rows.write_override(override) for override in added]
            )
            self._connection.new_revision({provider})
        return added

    def end_overrides(
        self,
        provider: str,
        model: str,
        meters: Iterable[Meter],
        at: datetime,
        now: datetime,
        *,
        newest_only: bool = False,
        author: str = "library",
        reason: str = "",
    ) -> list[MeterOverride]:
        """End the overrides of these meters at an instant; return them as they were before.

        With *newest_only*, only those of the newest layer that has any.
        """
        meters = set(meters)
        with self._connection.transaction():
            ending = [
                override
                for override in self.overrides_not_ended(provider, model, at=at)
                if override.meter in meters
            ]
            if newest_only and ending:
                newest = max(override.layer for override in ending)
                ending = [override for override in ending if override.layer == newest]
            if ending:
                self._close_overrides(ending, at, now)
                entries = [override_end(override, at) for override in ending]
                self.audit_log.add(Action("override_end", author, reason, now), entries)
                self._connection.new_revision({provider})
        return ending

    def _close_overrides(
        self, ending: Sequence[MeterOverride], at: datetime, now: datetime
    ) -> None:
        recorded = write_instant(now)
        self._execute_many(
            "supersede_override", [{"id": o.id, "recorded_at": recorded} for o in ending]
        )
        closed = [
            replace(override, until=at, recorded_at=now)
            for override in ending
            if override.since < at
        ]
        self._execute_many("add_override", [rows.write_override(override) for override in closed])


def _one_currency(
    model: str, card: Known | None, others: Iterable[MeterOverride], wanted: str | None
) -> str:
    """The currency of a new override, which its card and the *others* of the model must share."""
    known = [("card of", "is", card.currency)] if isinstance(card, RateCard) else []
    known += [("overrides of", "are", other.currency) for other in others]
    currency = wanted or (known[0][2] if known else "USD")
    for whose, verb, theirs in known:
        if theirs != currency:
            raise SettingsError(f"override: the {whose} {model} {verb} in {theirs}, not {currency}")
    return currency
