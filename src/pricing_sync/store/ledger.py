"""The cards of every model, and what became of the models. Their rows are written only here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias

from pricing_sync.changes.diff import Stored
from pricing_sync.changes.scheduled import Timeline
from pricing_sync.prices.rates import RateCard, Scheduled
from pricing_sync.prices.statements import PriceState, Statement
from pricing_sync.store import rows
from pricing_sync.store.connection import Connection, NamedQueries, load_queries, placeholders
from pricing_sync.store.in_force import FRAGMENTS, clocks, now
from pricing_sync.store.rows import (
    CARD_COLUMNS,
    STATEMENT_COLUMNS,
    write_instant,
    write_json,
    write_optional_instant,
)

#: A provider, a model, and the instant from which something holds of it.
ModelAt: TypeAlias = tuple[str, str, datetime]

_COLUMNS = (*STATEMENT_COLUMNS, *CARD_COLUMNS)
#: SQL: no person has accepted a change of the model since the instant.
_NOT_ACCEPTED = """NOT EXISTS (
        SELECT 1 FROM pricing_held h
        WHERE h.provider = l.provider AND h.model = l.model
            AND h.state = 'accepted' AND h.decided_at > :at
    )"""
#: SQL: the card was in force at the instant, or is the first one.
_NOT_YOUNGER = """(l.since <= :at OR NOT EXISTS (
        SELECT 1 FROM pricing_ledger e
        WHERE e.provider = l.provider AND e.model = l.model
            AND e.superseded_at IS NULL AND e.since < l.since
    ))"""
_QUERIES = load_queries(
    {
        "card": ", ".join(f'l."{column}"' for column in CARD_COLUMNS),
        "values": ", ".join(f'"{column}"' for column in CARD_COLUMNS),
        "columns": ", ".join(f'"{column}"' for column in _COLUMNS),
        "statement": ", ".join(f'l."{column}"' for column in _COLUMNS),
        "places": placeholders(_COLUMNS),
        "not_accepted": _NOT_ACCEPTED,
        "not_younger": _NOT_YOUNGER,
        **FRAGMENTS,
    },
    "ledger.sql",
)


#: A dictionary finds a member faster than the enumeration does.
_STATES = {state.value: state for state in PriceState}


class Ledger(NamedQueries):
    """What a reading and a decision need of the ledger, and the only writer of its rows."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, _QUERIES)

    # What is known

    def known_models(self, provider: str, at: datetime | None = None) -> dict[str, Stored]:
        """Every model of a provider with its listing in force, or its last one when retired.

        In force at the instant of a reading, by default now.
        """
        known = {}
        found = self._fetch("known_models", provider=provider, **clocks(at, None))
        later = self.timelines(provider, at or datetime.now(UTC))
        for model, missing, retired, why, state, since, *card in found:
            listing = rows.read_card(card, provider, model) if card[0] or card[1] else None
            known[model] = Stored(
                listing,
                rows.read_optional_instant(missing),
                rows.read_optional_instant(retired),
                why,
                _STATES[state],
                since=rows.read_optional_instant(since),
                scheduled=later.get(model, ()),
            )
        return known

    def timelines(self, provider: str, at: datetime) -> dict[str, Timeline]:
        """What begins after an instant, by model."""
        found: dict[str, Timeline] = {}
        for model, since, *columns in self._fetch(
            "timelines", provider=provider, at=write_instant(at), now=now()
        ):
            entry = Scheduled(rows.read_instant(since), rows.read_card(columns, provider, model))
            found[model] = (*found.get(model, ()), entry)
        return found

    def missing_models(self, provider: str) -> list[str]:
        """The models that are missing since the last complete reading, and not retired."""
        return [row[0] for row in self._fetch("missing_models", provider=provider)]

    def anchors(self, provider: str, at: datetime, models: Collection[str]) -> dict[str, RateCard]:
        """The cards of *models* that were in force at an instant, to compare new prices with.

        A younger model has its first card. Models without a change since then are left out, and so
        are models of which a person has accepted a change since then.
        """
        found = self._fetch(
            "anchors", provider=provider, at=write_instant(at), models=write_json(sorted(models))
        )
        cards = {row[0]: rows.read_card(row[1:]) for row in found}
        return {model: card for model, card in cards.items() if isinstance(card, RateCard)}

    def recent_cards(
        self, provider: str, after: datetime, standing: timedelta, models: Collection[str]
    ) -> dict[str, list[RateCard]]:
        """The cards of *models* replaced after an instant that had been in force for *standing*."""
        found: dict[str, list[RateCard]] = {}
        for model, since, until, *columns in self._fetch(
            "recent_cards",
            provider=provider,
            at=write_instant(after),
            seconds=standing.total_seconds(),
            models=write_json(sorted(models)),
        ):
            if rows.read_instant(until) - rows.read_instant(since) >= standing:
                card = rows.read_card(columns)
                if isinstance(card, RateCard):
                    found.setdefault(model, []).append(card)
        return found

    # What changes. Call these in the transaction that stores the change.

    def replace_cards(
        self, begun: Sequence[Statement], ended: Sequence[ModelAt], recorded_at: datetime
    ) -> None:
        """End the cards in force of models, and add those that begin in their place."""
        # In the order of the indexes, so that neighbours are written to one page.
        begun = sorted(begun, key=lambda card: card.model)
        recorded, added = write_instant(recorded_at), [rows.write_statement(card) for card in begun]
        self._touch([*((card.provider, card.model, card.since) for card in begun), *ended])
        self._execute("supersede_open_cards", recorded_at=recorded)
        self._execute("close_cards", recorded_at=recorded)
        self._execute_many("add_card", added)

    def cards_from(self, models: Iterable[ModelAt]) -> dict[tuple[str, str], list[Statement]]:
        """The cards of each model that are in force at an instant or begin later, in that order."""
        self._touch(models)
        found: dict[tuple[str, str], list[Statement]] = {}
        for row in self._fetch("touched_cards"):
            card = rows.read_statement(row)
            found.setdefault((card.provider, card.model), []).append(card)
        return found

    def rewrite(
        self, superseded: Iterable[Statement], added: Iterable[Statement], recorded_at: datetime
    ) -> None:
        """Put cards in the place of others, where `replace_cards` is not enough: those of later."""
        recorded = write_instant(recorded_at)
        self._execute_many(
            "supersede_card",
            [{"card_id": card.card_id, "recorded_at": recorded} for card in superseded],
        )
        self._execute_many(
            "add_card", [rows.write_statement(card) | {"recorded_at": recorded} for card in added]
        )

    def _touch(self, models: Iterable[ModelAt]) -> None:
        self._execute("clear_touched")
        self._execute_many("add_touched", [_key(model) for model in models])

    def set_unreadable(self, models: Mapping[ModelAt, str | None]) -> None:
        """Store models that are new, or that became readable or unreadable: why, or None."""
        self._execute_many(
            "upsert_model", [_key(model) | {"unreadable": why} for model, why in models.items()]
        )

    def mark(
        self, what: Literal["listed", "missing", "retired"], models: Iterable[ModelAt]
    ) -> None:
        """Store that models are listed again, are absent, or are no longer sold."""
        self._execute_many(f"mark_{what}", [_key(model) for model in models])

    def set_states(
        self, states: Mapping[ModelAt, PriceState], confirmed_at: datetime | None = None
    ) -> None:
        """Store the states of prices. Those confirmed until now were last at *confirmed_at*."""
        confirmed = {"confirmed_at": write_optional_instant(confirmed_at)}
        self._execute_many(
            "set_state",
            [_key(model) | confirmed | {"state": state.value} for model, state in states.items()],
        )


def _key(model_at: ModelAt) -> dict[str, Any]:
    provider, model, at = model_at
    return {"provider": provider, "model": model, "at": write_instant(at)}
