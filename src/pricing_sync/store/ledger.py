"""The cards of every model, and what became of the models. Their rows are written only here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from pricing_sync.changes.diff import Stored
from pricing_sync.prices.rates import RateCard
from pricing_sync.prices.statements import PriceState, Statement
from pricing_sync.store import rows
from pricing_sync.store.connection import Connection, NamedQueries, load_queries, placeholders
from pricing_sync.store.rows import (
    CARD_COLUMNS,
    STATEMENT_COLUMNS,
    write_instant,
    write_optional_instant,
)

#: A provider, a model, and the instant from which something holds of it.
ModelAt: TypeAlias = tuple[str, str, datetime]

_COLUMNS = (*STATEMENT_COLUMNS, *CARD_COLUMNS)
_QUERIES = load_queries(
    {
        "card": ", ".join(f'l."{column}"' for column in CARD_COLUMNS),
        "values": ", ".join(f'"{column}"' for column in CARD_COLUMNS),
        "columns": ", ".join(f'"{column}"' for column in _COLUMNS),
        "places": placeholders(_COLUMNS),
    },
    "ledger.sql",
)


class Ledger(NamedQueries):
    """What a reading and a decision need of the ledger, and the only writer of its rows."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, _QUERIES)

    # What is known

    def known_models(self, provider: str) -> dict[str, Stored]:
        """Every model of a provider with its listing in force, or its last one when retired."""
        known = {}
        found = self._fetch("known_models", provider=provider)
        for model, missing, retired, why, state, since, *card in found:
            listing = rows.read_card(card, provider, model) if card[0] or card[1] else None
            known[model] = Stored(
                listing,
                rows.read_optional_instant(missing),
                rows.read_optional_instant(retired),
                why,
                PriceState(state),
                rows.read_optional_instant(since),
            )
        return known

    def missing_models(self, provider: str) -> list[str]:
        """The models that are missing since the last complete reading, and not retired."""
        return [row[0] for row in self._fetch("missing_models", provider=provider)]

    def anchors(self, provider: str, at: datetime) -> dict[str, RateCard]:
        """The cards that were in force at an instant, by model, to compare new prices with.

        A younger model has its first card. Models without a change since then are left out, and so
        are models of which a person has accepted a change since then.
        """
        found = self._fetch("anchors", provider=provider, at=write_instant(at))
        cards = {row[0]: rows.read_card(row[1:]) for row in found}
        return {model: card for model, card in cards.items() if isinstance(card, RateCard)}

    def recent_cards(
        self, provider: str, after: datetime, standing: timedelta
    ) -> dict[str, list[RateCard]]:
        """The cards replaced after an instant, by model, that had been in force for *standing*."""
        found: dict[str, list[RateCard]] = {}
        for model, since, until, *columns in self._fetch(
            "recent_cards", provider=provider, at=write_instant(after)
        ):
            card = rows.read_card(columns)
            began = rows.read_optional_instant(since)
            stood = began is None or rows.read_instant(until) - began >= standing
            if isinstance(card, RateCard) and stood:
                found.setdefault(model, []).append(card)
        return found

    # What changes. Call these in the transaction that stores the change.

    def replace_cards(
        self, begun: Sequence[Statement], ended: Sequence[ModelAt], recorded_at: datetime
    ) -> None:
        """End the cards in force of models, and add those that begin in their place."""
        recorded, added = write_instant(recorded_at), [rows.write_statement(card) for card in begun]
        self._execute("clear_touched")
        alone = [{"provider": p, "model": m, "since": write_instant(at)} for p, m, at in ended]
        self._execute_many("add_touched", [*added, *alone])
        self._execute("supersede_open_cards", recorded_at=recorded)
        self._execute("close_cards", recorded_at=recorded)
        self._execute_many("add_card", added)

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
