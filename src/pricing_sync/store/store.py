"""The store: every read and write of the database, in the terms of the domain."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime

from pricing_sync.changes.diff import Kind
from pricing_sync.changes.plan import ChangePlan
from pricing_sync.changes.run import Reading, Run
from pricing_sync.errors import StoreError
from pricing_sync.prices.book import PriceBook
from pricing_sync.prices.statements import (
    Confirmations,
    MeterOverride,
    ModelState,
    PriceState,
    Statement,
)
from pricing_sync.store import as_of, rows
from pricing_sync.store.announcements import Announcements
from pricing_sync.store.audit_log import AuditLog
from pricing_sync.store.books import Books
from pricing_sync.store.changes import ChangeLog
from pricing_sync.store.conditions import Conditions
from pricing_sync.store.connection import (
    Connection,
    Row,
    load_queries,
    migrate,
    newest_version,
    next_recorded_at,
    placeholders,
    quoted,
    refuse_newer,
    schema_version,
)
from pricing_sync.store.copying import CopiedTable, copy_rows
from pricing_sync.store.decisions import Decisions
from pricing_sync.store.deliveries import DeliveryTable
from pricing_sync.store.exchange_rates import ExchangeRateTable
from pricing_sync.store.in_force import FRAGMENTS, clocks, now
from pricing_sync.store.known_books import KnownBooks
from pricing_sync.store.ledger import Ledger, ModelAt
from pricing_sync.store.names import SOON, Names, days_from_today
from pricing_sync.store.outbox import Outbox
from pricing_sync.store.overrides import OverrideLayers
from pricing_sync.store.peers import PeerTable
from pricing_sync.store.pruning import Pruning
from pricing_sync.store.pushes import PushTable
from pricing_sync.store.queue import Queue
from pricing_sync.store.review import Review
from pricing_sync.store.rollback import Rollbacks
from pricing_sync.store.rows import (
    CARD_COLUMNS,
    MODEL_STATE_COLUMNS,
    OVERRIDE_COLUMNS,
    READING_COLUMNS,
    RUN_COLUMNS,
    STATEMENT_COLUMNS,
    write_instant,
)
from pricing_sync.store.scheduled import Origin, Rewrite, ScheduledCards
from pricing_sync.store.transport_tables import migrate_transport
from pricing_sync.store.usage import UsageTable

#: SQL: the held change that the state of a model refers to.
_HELD_OR_REJECTED = """h.id = CASE m.state
    WHEN 'held' THEN (
        SELECT o.id FROM pricing_held o
        WHERE o.provider = m.provider AND o.model = m.model AND o.state = 'open'
            AND o.starts_at IS NULL
    )
    WHEN 'rejected' THEN (
        SELECT MAX(o.id) FROM pricing_held o
        WHERE o.provider = m.provider AND o.model = m.model AND o.state = 'rejected'
            AND o.starts_at IS NULL
    )
END"""

_QUERIES = load_queries(
    {
        "model_state": ", ".join(MODEL_STATE_COLUMNS),
        "held_or_rejected": _HELD_OR_REJECTED,
        "known_n": as_of.KNOWN_ON_THE_WAY,
        "known_l": as_of.KNOWN.format("l"),
        **FRAGMENTS,
        "statement": quoted((*STATEMENT_COLUMNS, *CARD_COLUMNS), "l."),
        "reading": quoted(READING_COLUMNS),
        "failing_reading": quoted(READING_COLUMNS, "f."),
        "reading_places": placeholders(READING_COLUMNS),
        "run": quoted(RUN_COLUMNS, "r."),
        "override": quoted(OVERRIDE_COLUMNS),
        "override_places": placeholders(OVERRIDE_COLUMNS),
    }
)


@dataclass(frozen=True, slots=True)
class ModelCounts:
    """The number of models of a provider in each state."""

    priced: int
    unpriced: int
    unreadable: int
    missing: int
    #: How many end within `names.SOON`.
    ending: int
    #: Every model once, by the state of its price.
    states: Mapping[PriceState, int]


class Store(OverrideLayers):
    """The ledger, the readings, the held changes, the overrides, the evidence, the outbox."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, _QUERIES)
        self.ledger = Ledger(connection)
        self.outbox = Outbox(connection)
        self.conditions = Conditions(connection, self.outbox)
        self.deliveries = DeliveryTable(connection)
        self.audit_log = AuditLog(connection)
        self.announcements = Announcements(connection, self.audit_log)
        self.scheduled = ScheduledCards(connection, self.ledger, self.outbox)
        self.review = Review(connection, self.ledger, self.scheduled, self.outbox, self.audit_log)
        self.rollbacks = Rollbacks(
            connection, self.ledger, self.review, self.outbox, self.audit_log, self.statements
        )
        self.peers = PeerTable(connection)
        self.queue = Queue(connection, self.outbox)
        self.changes = ChangeLog(connection)
        self.names = Names(connection)
        self.pruning = Pruning(connection)
        self.pushes = PushTable(connection)
        self.decisions = Decisions(connection)
        self.exchange_rates = ExchangeRateTable(connection)
        self.usage = UsageTable(connection)
        self.known_books = KnownBooks(connection, self.names)
        self.books = Books(connection, self.names, self.confirmations)

    def on_revision(self, tell: Callable[[], None]) -> None:
        """Call *tell* whenever this process has committed a new revision, in the same thread."""
        self._connection.on_revision = tell

    def revision_made(self) -> None:
        """Say that another process has committed a new revision for this one."""
        if self._connection.on_revision is not None:
            self._connection.on_revision()

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Schema

    def prepare(self, *, create: bool) -> None:
        """Check the schema version. With *create*, create the schema in an empty database.

        Raises:
            StoreError: the schema has another version, or does not exist.
        """
        version, newest = schema_version(self._connection), newest_version(self._connection.dialect)
        refuse_newer(version, self._connection.dialect)
        if create and version == 0:
            self.migrate()
        elif version < newest:
            raise StoreError(
                f"database: schema {version}, needed {newest}: run `pricing-sync migrate`"
            )

    def migrate(self, upto: int | None = None) -> list[int]:
        """Apply the missing migrations, up to *upto*; return their numbers."""
        return migrate(self._connection, write_instant(datetime.now(UTC)), upto)

    def migrate_transport(self) -> list[str]:
        """Make or migrate the tables by which processes tell each other of runs. See there."""
        return migrate_transport(self._connection)

    def copy_from(self, source: Store) -> list[CopiedTable]:
        """Copy every row of another store into this one, which has none; see `copy_rows`."""
        return copy_rows(source._connection, self._connection)

    @property
    def newest_version(self) -> int:
        """The number of the newest migration of this program for this kind of database."""
        return newest_version(self._connection.dialect)

    @property
    def version(self) -> int:
        """The number of the last applied migration."""
        return schema_version(self._connection)

    # Readings

    def transaction(self) -> AbstractContextManager[None]:
        """A transaction: everything inside is committed, or nothing."""
        return self._connection.transaction()

    def snapshot(self) -> AbstractContextManager[None]:
        """A snapshot: this thread reads one state inside. Keep it short, without writes."""
        return self._connection.snapshot()

    def last_reading(self, provider: str) -> Reading | None:
        """The newest successful reading of a provider, or None before the first."""
        found = self._fetch("last_reading", provider=provider)
        return rows.read_reading(found[0]) if found else None

    def save_reading(self, reading: Reading, plan: ChangePlan) -> None:
        """Store a reading and its changes. Call it inside `transaction`."""
        self._connection.new_revision({reading.provider})
        self._change_cards(reading, plan)
        self._mark_models(reading, plan)
        self.review.save_reading(reading, plan)
        if plan.scheduled.added or plan.scheduled.withdrawn:
            self.outbox.add_scheduled(reading, plan.scheduled)
        if (plan.apply or plan.retire) and not plan.is_minor:
            self.outbox.add_changed(
                f"{reading.id}-prices",
                plan,
                provider=reading.provider,
                reading_id=reading.id,
                at=reading.at,
                created_at=reading.finished_at,
            )
        self.add_reading(reading)

    def add_reading(self, reading: Reading) -> None:
        """Store a reading that changes nothing: a failed one, or a dry run.

        Call it inside `transaction`.
        """
        self._execute("add_reading", **rows.write_row(reading, READING_COLUMNS))
        self.conditions.note_reading(reading)

    def _change_cards(self, reading: Reading, plan: ChangePlan) -> None:
        if not (plan.apply or plan.retire or plan.scheduled.timelines):
            return
        # After the clock was set back, the answer may be dated later than its reading.
        dated = max(reading.at, reading.finished_at)
        recorded_at = next_recorded_at(self._connection, dated)
        self._replace_cards(reading, plan, recorded_at)
        self._rewrite_scheduled(reading, plan, recorded_at)

    def _replace_cards(self, reading: Reading, plan: ChangePlan, recorded_at: datetime) -> None:
        """Replace the cards of the models without a price of later."""
        apart = plan.scheduled.timelines
        begun = [
            Statement(
                card_id=f"{reading.id}-{number}",
                provider=reading.provider,
                model=change.model,
                since=reading.at,
                until=None,
                recorded_at=recorded_at,
                superseded_at=None,
                source=reading.source,
                url=reading.url,
                reading_id=reading.id,
                digest=reading.digest,
                listing=change.new,
            )
            for number, change in enumerate(plan.apply)
            if change.new is not None and change.model not in apart
        ]
        ended = [
            (reading.provider, model, reading.at) for model in plan.retire if model not in apart
        ]
        self.ledger.replace_cards(begun, ended, recorded_at)

    def _rewrite_scheduled(self, reading: Reading, plan: ChangePlan, recorded_at: datetime) -> None:
        """Replace the cards of the models with a price of later, before or after the reading."""
        new = {change.model: change.new for change in plan.apply}
        origin = Origin(
            provider=reading.provider,
            source=reading.source,
            url=reading.url,
            reading_id=reading.id,
            digest=reading.digest,
            card_prefix=f"{reading.id}-later",
        )
        rewrites = [
            Rewrite(
                model=model,
                listing=new.get(model),
                is_retired=model in plan.retire,
                later=timeline,
            )
            for model, timeline in plan.scheduled.timelines.items()
        ]
        self.scheduled.rewrite(rewrites, origin, reading.at, recorded_at)

    def _mark_models(self, reading: Reading, plan: ChangePlan) -> None:
        def at(model: str) -> ModelAt:
            return reading.provider, model, reading.at

        returned = [change.model for change in plan.apply if change.kind is Kind.RETURNED]
        self.ledger.set_unreadable({at(model): why for model, why in plan.seen.items()})
        self.ledger.mark("listed", map(at, (*returned, *plan.back)))
        self.ledger.mark("missing", map(at, plan.missing))
        self.ledger.mark("retired", map(at, plan.retire))
        last = self.last_confirmations().get(reading.provider) if plan.states else None
        self.ledger.set_states({at(model): state for model, state in plan.states.items()}, last)

    # Evidence

    def keep_evidence(self, digest: str, compressed: bytes, size_bytes: int, at: datetime) -> None:
        """Store the bytes of an answer, compressed with `zlib`, or renew their last use."""
        self._execute(
            "add_evidence",
            digest=digest,
            body=compressed,
            size_bytes=size_bytes,
            at=write_instant(at),
        )

    def use_evidence(self, digest: str, at: datetime) -> None:
        """Renew the last use of the bytes of an answer."""
        self._execute("touch_evidence", digest=digest, at=write_instant(at))

    def evidence(self, digest: str) -> bytes | None:
        """The bytes of an answer, or None when they are not stored, or no longer."""
        found = self._fetch("evidence", digest=digest)
        return zlib.decompress(found[0][0]) if found else None

    # Runs

    def runs(
        self,
        limit: int,
        before: str | None = None,
        *,
        provider: str | None = None,
        status: str | None = None,
    ) -> list[tuple[Run, list[Reading]]]:
        """The newest runs with their readings, newest first; *before* is the last id already seen.

        *provider* limits them to the runs that include it, *status* to those with this outcome;
        the status `running` is that of runs without an outcome yet.
        """
        filters = {"provider": provider, "status": status}
        query = "runs" if provider is None else "runs_of_provider"
        found = self._fetch(query, before=before, limit=limit, **filters)
        runs = [rows.read_run(row) for row in found]
        if not runs:
            return []
        readings: dict[str, list[Reading]] = {run.id: [] for run in runs}
        for row in self._fetch("readings_of_runs", first=runs[-1].id, last=runs[0].id, **filters):
            reading = rows.read_reading(row)
            # A run that ended between the two queries may match only the second one.
            if reading.run_id in readings:
                readings[reading.run_id].append(reading)
        return [(run, readings[run.id]) for run in runs]

    def run(self, run_id: str) -> tuple[Run, list[Reading]]:
        """One run with its readings so far.

        Raises:
            UnknownName: no run has this id.
        """
        run = self.queue.run(run_id)
        found = self._fetch(
            "readings_of_runs", first=run_id, last=run_id, provider=None, status=None
        )
        return run, [rows.read_reading(row) for row in found]

    def failing(self) -> dict[str, Reading]:
        """The last reading of each provider whose last reading failed."""
        found = [rows.read_reading(row) for row in self._fetch("failing")]
        return {reading.provider: reading for reading in found}

    def skipped(self) -> dict[str, str]:
        """Why the last reading of each provider was skipped, for those where it was."""
        return {row[0]: row[1] for row in self._fetch("skipped")}

    def latest_successes(self) -> dict[str, datetime]:
        """When each provider was last read successfully."""
        return {row[0]: rows.read_instant(row[1]) for row in self._fetch("latest_successes")}

    def last_confirmations(self, provider: str | None = None) -> dict[str, datetime]:
        """When each provider (or one) gave the answer of its last successful reading.

        That is long ago for a recorded answer. An answer cannot be newer than its reading, so the
        end of the reading counts when a clock that was ahead has dated the answer.
        """
        if provider is None:
            found = self._fetch("latest_successes")
        else:
            found = self._fetch("last_success", provider=provider)
        return {
            provider: rows.read_instant(min(finished_at, at))
            for provider, finished_at, at, _ in found
        }

    def unread_keys(self) -> dict[str, dict[str, int]]:
        """By provider: the price keys that its newest answer has and that are not read.

        As `Reading.ignored`. A provider without such keys is left out.
        """
        found = {row[0]: json.loads(row[3]) for row in self._fetch("latest_successes")}
        return {provider: ignored for provider, ignored in found.items() if ignored}

    # Prices

    def statements(
        self,
        provider: str | None = None,
        model: str | None = None,
        *,
        at: datetime | None = None,
        known_at: datetime | None = None,
        after: tuple[str, str] = ("", ""),
        limit: int | None = None,
    ) -> list[Statement]:
        """The cards in force at an instant (now), as known at another (now), without overrides.

        Of those of an instant, they are the first *limit* ones after a provider and model.
        """
        if at is None and known_at is None:
            found = self._fetch("current_cards", provider=provider, model=model, now=now())
        else:
            values = {"provider": provider, "model": model, **as_of.instants(at, known_at)}
            found = self._cards_after(after, limit, values)
        return [rows.read_statement(row) for row in found]

    def _cards_after(
        self, after: tuple[str, str], limit: int | None, values: Mapping[str, object]
    ) -> list[Row]:
        """The rows of `cards_at`, of the first *limit* models with a card after another one."""
        if limit is None:
            return self._fetch("cards_at", **values, limit=None)
        found: list[Row] = []
        models = limit
        while True:
            place = {"after_provider": after[0], "after_model": after[1]}
            found += self._fetch("cards_at", **values, **place, limit=models)
            if len(found) >= limit:
                return found[:limit]
            # Some of the models that were looked at had no card then.
            last = self._fetch("last_of_models", **values, **place, before=models - 1)
            if not last:
                return found
            after, models = (last[0][0], last[0][1]), 2 * models

    def knows(self, provider: str) -> bool:
        """Whether anything of a provider is stored: a model that it listed, or a person's rate."""
        return bool(self._fetch("knows_provider", provider=provider))

    def catalog_has(self, provider: str) -> bool:
        """Whether the models.dev catalog has a provider of that id, as far as it was read."""
        return bool(self._fetch("catalog_has", provider=provider))

    def overridden_providers(self) -> list[str]:
        """The providers with a person's rates in force or to come."""
        at = write_instant(datetime.now(UTC))
        return [row[0] for row in self._fetch("overridden_providers", at=at)]

    def revision(self) -> str:
        """The revision of the prices: it changes with every change of a card or an override."""
        found = self._fetch("revision")
        return str(found[0][0]) if found else "0"

    def book(self, since: datetime | None = None) -> PriceBook:
        """See `Books.book`."""
        return self.books.book(since)

    def history(self, provider: str, model: str, *, everything: bool = False) -> list[Statement]:
        """Every card of a model, oldest first; with *everything*, superseded rows too."""
        found = self._fetch("history", provider=provider, model=model, known_only=not everything)
        return [rows.read_statement(row) for row in found]

    def model_states(
        self, provider: str | None = None, model: str | None = None
    ) -> dict[tuple[str, str], ModelState]:
        """The state of each model ever listed, by provider and model."""
        confirmed_at = self.last_confirmations()
        found = self._fetch("model_states", provider=provider, model=model, unconfirmed_only=False)
        states = [rows.read_model_state(row, confirmed_at) for row in found]
        return {(state.provider, state.model): state for state in states}

    def confirmations(self, provider: str | None = None, model: str | None = None) -> Confirmations:
        """When each provider was last read, and the models whose price is not confirmed."""
        found = self._fetch("model_states", provider=provider, model=model, unconfirmed_only=True)
        states = [rows.read_model_state(row, {}) for row in found]
        return Confirmations(
            self.last_confirmations(provider),
            {(state.provider, state.model): state for state in states},
        )

    def cards_ahead(self) -> dict[str, tuple[int, datetime]]:
        """The cards in force that a clock that was ahead has dated: by provider, number, latest."""
        found = self._fetch("cards_ahead", now=write_instant(datetime.now(UTC)))
        return {row[0]: (row[1], rows.read_instant(row[2])) for row in found}

    def model_counts(self) -> dict[str, ModelCounts]:
        """The number of models in each state, by provider."""
        found: dict[str, list[Row]] = {}
        first, last = days_from_today(SOON)
        for row in self._fetch("model_counts", first=first, last=last, now=now()):
            found.setdefault(row[0], []).append(row)
        return {provider: _model_counts(of_state) for provider, of_state in found.items()}

    # Overrides

    def overrides(
        self,
        provider: str | None = None,
        model: str | None = None,
        *,
        at: datetime | None = None,
        known_at: datetime | None = None,
    ) -> list[MeterOverride]:
        """The overrides in force at an instant (now), as known at another (now)."""
        found = self._fetch("overrides_at", provider=provider, model=model, **clocks(at, known_at))
        return [rows.read_override(row) for row in found]


def _model_counts(of_state: Sequence[Row]) -> ModelCounts:
    """The counts of one provider, from one row per state."""
    states = {PriceState(row[1]): row[2] for row in of_state}
    priced, unpriced, unreadable, missing, ending = (
        sum(row[column] for row in of_state) for column in range(3, 8)
    )
    return ModelCounts(priced, unpriced, unreadable, missing, ending, states)
