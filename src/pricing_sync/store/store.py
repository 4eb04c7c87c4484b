"""The store: every read and write of the database, in the terms of the domain."""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pricing_sync.changes.diff import Kind, Known, Stored
from pricing_sync.changes.plan import ChangePlan, Held
from pricing_sync.changes.run import Reading, Run
from pricing_sync.changes.scheduled import HeldLater, ScheduledPlan
from pricing_sync.errors import SettingsError, StoreError
from pricing_sync.prices.book import PriceBook
from pricing_sync.prices.card_json import write_listing
from pricing_sync.prices.rates import Meter, Rate, RateCard, When
from pricing_sync.prices.snapshot import Snapshot
from pricing_sync.prices.statements import (
    Confirmations,
    MeterOverride,
    ModelState,
    PriceState,
    Statement,
)
from pricing_sync.store import as_of, rows
from pricing_sync.store.changes import ChangeLog
from pricing_sync.store.connection import (
    Connection,
    NamedQueries,
    Row,
    load_queries,
    migrate,
    migrations,
    new_revision,
    next_recorded_at,
    placeholders,
    refuse_newer,
    schema_version,
)
from pricing_sync.store.decisions import Decisions, override_end
from pricing_sync.store.exchange_rates import ExchangeRateTable
from pricing_sync.store.ids import new_id
from pricing_sync.store.in_force import FRAGMENTS, clocks, now
from pricing_sync.store.known_books import KnownBooks
from pricing_sync.store.names import SOON, Names, days_from_today
from pricing_sync.store.peers import PeerTable
from pricing_sync.store.pruning import Pruning
from pricing_sync.store.queue import Queue
from pricing_sync.store.review import Review
from pricing_sync.store.rows import (
    CARD_COLUMNS,
    MODEL_STATE_COLUMNS,
    OVERRIDE_COLUMNS,
    READING_COLUMNS,
    RUN_COLUMNS,
    STATEMENT_COLUMNS,
    write_instant,
    write_json,
    write_optional_instant,
)
from pricing_sync.store.scheduled import Origin, Rewrite, ScheduledCards

#: How long before its end an override is listed as ending.
ENDING = timedelta(days=30)


def _quoted(columns: Iterable[str], prefix: str = "") -> str:
    return ", ".join(f'{prefix}"{column}"' for column in columns)


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
        "known_n": as_of.KNOWN.format("n"),
        "known_l": as_of.KNOWN.format("l"),
        **FRAGMENTS,
        "card": _quoted(("currency", *CARD_COLUMNS[1:]), "l."),
        "values": _quoted(CARD_COLUMNS),
        "places": placeholders(CARD_COLUMNS),
        "statement": _quoted((*STATEMENT_COLUMNS, *CARD_COLUMNS), "l."),
        "reading": _quoted(READING_COLUMNS),
        "failing_reading": _quoted(READING_COLUMNS, "f."),
        "run": _quoted(RUN_COLUMNS, "r."),
        "override": _quoted(OVERRIDE_COLUMNS),
        "override_places": placeholders(OVERRIDE_COLUMNS),
    }
)


@dataclass(frozen=True, slots=True)
class LastReading:
    """The newest successful reading of a provider."""

    id: str
    at: datetime
    etag: str | None
    digest: str | None
    decoder: str
    url: str
    finished_at: datetime
    #: As `Reading.listings` and `Reading.ignored`.
    listings: Mapping[str, int]
    ignored: Mapping[str, int]


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


@dataclass(frozen=True, slots=True)
class HeldCount:
    """The number of held changes of a provider."""

    count: int
    #: When the oldest of them was first read.
    oldest: datetime


class Store(NamedQueries):
    """The ledger, the readings, the held changes, the overrides, the evidence, the outbox."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, _QUERIES)
        self.review = Review(connection)
        self.peers = PeerTable(connection)
        self.queue = Queue(connection)
        self.changes = ChangeLog(connection)
        self.names = Names(connection)
        self.pruning = Pruning(connection)
        self.decisions = Decisions(connection)
        self.exchange_rates = ExchangeRateTable(connection)
        self.scheduled = ScheduledCards(connection)
        self.known_books = KnownBooks(connection, self.names)

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Schema

    def prepare(self, *, create: bool) -> None:
        """Check the schema version; with *create*, create the schema in an empty database.

        Raises:
            StoreError: the schema has another version, or does not exist.
        """
        version, newest = schema_version(self._connection), migrations()[-1][0]
        refuse_newer(version)
        if version == 0 and create:
            self.migrate()
        elif version < newest:
            raise StoreError(
                f"database: schema {version}, needed {newest}: run `pricing-sync migrate`"
            )

    def migrate(self, upto: int | None = None) -> list[int]:
        """Apply the missing migrations, up to *upto*; return their numbers."""
        return migrate(self._connection, write_instant(datetime.now(UTC)), upto)

    @property
    def version(self) -> int:
        """The number of the last applied migration."""
        return schema_version(self._connection)

    # Readings

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction: everything inside is committed, or nothing."""
        with self._connection.transaction():
            yield

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """A snapshot: this thread reads one state inside. Keep it short, without writes."""
        with self._connection.snapshot():
            yield

    def last_reading(self, provider: str) -> LastReading | None:
        """The newest successful reading of a provider, or None before the first."""
        found = self._fetch("last_reading", provider=provider)
        if not found:
            return None
        reading_id, at, etag, digest, decoder, url, finished_at, listings, ignored = found[0]
        return LastReading(
            reading_id,
            rows.read_instant(at),
            etag,
            digest,
            decoder,
            url,
            rows.read_instant(finished_at),
            json.loads(listings),
            json.loads(ignored),
        )

    def known_models(self, provider: str, at: datetime | None = None) -> dict[str, Stored]:
        """Every model of a provider with its listing in force, or its last one when retired.

        In force at the instant of a reading, by default now.
        """
        known = {}
        found = self._fetch("known_models", provider=provider, **clocks(at, None))
        later = self.scheduled.timelines(provider, at or datetime.now(UTC))
        for model, missing, retired, why, state, *card in found:
            whose = f"{provider} {model}"
            listing = rows.read_card(card, whose) if card[0] or card[1] else None
            known[model] = Stored(
                listing,
                rows.read_optional_instant(missing),
                rows.read_optional_instant(retired),
                why,
                PriceState(state),
                later.get(model, ()),
            )
        return known

    def missing_models(self, provider: str) -> list[str]:
        """The models that are missing since the last complete reading, and not retired."""
        return [row[0] for row in self._fetch("missing_models", provider=provider)]

    def last_reported(self, provider: str) -> datetime | None:
        """The time of the newest reading that has an event, or None when there is none."""
        found = self._fetch("last_reported", provider=provider)
        return rows.read_instant(found[0][0]) if found else None

    def anchors(self, provider: str, at: datetime, models: Collection[str]) -> dict[str, RateCard]:
        """The cards of *models* that were in force at an instant, to compare new prices with.

        A younger model has its first card. Models without a change since then are left out, and so
        are models of which a person has accepted a change since then.
        """
        found = self._fetch("anchors", provider=provider, at=write_instant(at))
        cards = {row[0]: rows.read_card(row[1:]) for row in found if row[0] in models}
        return {model: card for model, card in cards.items() if isinstance(card, RateCard)}

    def recent_cards(
        self, provider: str, after: datetime, standing: timedelta, models: Collection[str]
    ) -> dict[str, list[RateCard]]:
        """The cards of *models* replaced after an instant that had been in force for *standing*."""
        found: dict[str, list[RateCard]] = {}
        for model, since, until, *columns in self._fetch(
            "recent_cards", provider=provider, at=write_instant(after)
        ):
            if model not in models:
                continue
            began = rows.read_optional_instant(since)
            # Most cards of a list that moves all the time stood for less. They are not decoded.
            if began is None or rows.read_instant(until) - began >= standing:
                card = rows.read_card(columns)
                if isinstance(card, RateCard):
                    found.setdefault(model, []).append(card)
        return found

    def save_reading(self, reading: Reading, plan: ChangePlan) -> None:
        """Store a reading and its changes. Call it inside `transaction`."""
        # After the clock was set back, the answer may be dated later than its reading.
        dated = max(reading.at, reading.finished_at)
        recorded_at = next_recorded_at(self._connection, dated)
        new_revision(self._connection)
        self._replace_cards(reading, plan, recorded_at)
        self._rewrite_scheduled(reading, plan, recorded_at)
        self._mark_models(reading, plan)
        self._hold(reading, plan)
        if plan.scheduled.added or plan.scheduled.withdrawn:
            self._add_event_of_later(reading, plan.scheduled)
        if (plan.apply or plan.retire) and not plan.is_minor:
            self._add_event(reading, plan)
        self.add_reading(reading)

    def add_reading(self, reading: Reading) -> None:
        """Store a reading that changes nothing: a failed one, or a dry run."""
        self._execute("add_reading", **rows.write_reading(reading))

    def _replace_cards(self, reading: Reading, plan: ChangePlan, recorded_at: datetime) -> None:
        apart = plan.scheduled.timelines
        apply = [change for change in plan.apply if change.model not in apart]
        replaced = [change.model for change in apply]
        replaced += [model for model in plan.retire if model not in apart]
        if not replaced:
            return
        recorded = write_instant(recorded_at)
        self._execute("clear_touched")
        self._execute_many("add_touched", [{"model": model} for model in replaced])
        self._execute("supersede_open_cards", provider=reading.provider, recorded_at=recorded)
        self._execute(
            "close_cards",
            provider=reading.provider,
            recorded_at=recorded,
            at=write_instant(reading.at),
        )
        evidence = {
            "provider": reading.provider,
            "since": write_instant(reading.at),
            "recorded_at": recorded,
            "source": reading.source,
            "url": reading.url,
            "reading_id": reading.id,
            "digest": reading.digest,
        }
        self._execute_many(
            "add_card",
            [
                evidence
                | {"card_id": f"{reading.id}-{index}", "model": change.model}
                | rows.write_card(change.new)
                for index, change in enumerate(apply)
                if change.new is not None
            ],
        )

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
        at = write_instant(reading.at)

        def keys(models: Iterable[str]) -> list[dict[str, Any]]:
            return [{"provider": reading.provider, "model": model, "at": at} for model in models]

        seen = [
            {"provider": reading.provider, "model": model, "at": at, "unreadable": why}
            for model, why in plan.seen.items()
        ]
        returned = [change.model for change in plan.apply if change.kind is Kind.RETURNED]
        self._execute_many("upsert_models", seen)
        self._execute_many("mark_listed", keys([*returned, *plan.back]))
        self._execute_many("mark_missing", keys(plan.missing))
        self._execute_many("mark_retired", keys(plan.retire))
        self._set_states(reading, plan)

    def _set_states(self, reading: Reading, plan: ChangePlan) -> None:
        last = self.last_confirmations().get(reading.provider) if plan.states else None
        self._execute_many(
            "set_state",
            [
                {
                    "provider": reading.provider,
                    "model": model,
                    "state": state.value,
                    "at": write_instant(reading.at),
                    "confirmed_at": write_optional_instant(last),
                }
                for model, state in plan.states.items()
            ],
        )

    def _hold(self, reading: Reading, plan: ChangePlan) -> None:
        at = write_instant(reading.at)
        self._execute_many(
            "lapse_held",
            [
                {"provider": reading.provider, "model": model, "at": at, "why": "listed otherwise"}
                for model in plan.lapsed
            ],
        )
        self._execute_many(
            "release_held",
            [{"provider": reading.provider, "model": model, "at": at} for model in plan.released],
        )
        self.scheduled.lapse(reading.provider, plan.scheduled.lapsed, reading.at)
        self.scheduled.release(reading.provider, plan.scheduled.released, reading.at)
        items: list[Held | HeldLater] = [*plan.hold, *plan.scheduled.hold]
        self._execute_many(
            "add_held",
            [
                {
                    "id": f"{reading.id}-{index}",
                    "reading_id": reading.id,
                    "provider": reading.provider,
                    "model": item.change.model,
                    "kind": item.change.kind.value,
                    "old": _write_known(item.change.old),
                    "new": _write_known(item.change.new),
                    "reasons": write_json(item.reasons),
                    "since": at,
                    "starts_at": write_optional_instant(item.change.starts_at),
                }
                for index, item in enumerate(items)
            ],
        )

    def _add_event(self, reading: Reading, plan: ChangePlan) -> None:
        payload = {
            "provider": reading.provider,
            "reading": reading.id,
            "at": write_instant(reading.at),
            "changes": dict(plan.counts()),
        }
        self._execute(
            "add_event",
            id=f"{reading.id}-prices",
            kind="prices.changed",
            created_at=write_instant(reading.finished_at),
            payload=write_json(payload),
        )

    def _add_event_of_later(self, reading: Reading, plan: ScheduledPlan) -> None:
        """The event `prices.scheduled`, before anything of it is in force."""
        payload = {
            "provider": reading.provider,
            "reading": reading.id,
            "at": write_instant(reading.at),
            "scheduled": [_key(change.model, change.starts_at) for change in plan.added],
            "withdrawn": [_key(model, starts_at) for model, starts_at in plan.withdrawn],
        }
        self._execute(
            "add_event",
            id=f"{reading.id}-scheduled",
            kind="prices.scheduled",
            created_at=write_instant(reading.finished_at),
            payload=write_json(payload),
        )

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

    def last_confirmations(self) -> dict[str, datetime]:
        """When each provider gave the answer of its last successful reading.

        That is long ago for a recorded answer. An answer cannot be newer than its reading, so the
        end of the reading counts when a clock that was ahead has dated the answer.
        """
        return {
            provider: rows.read_instant(min(finished_at, at))
            for provider, finished_at, at, _ in self._fetch("latest_successes")
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
    ) -> list[Statement]:
        """The cards in force at an instant (now), as known at another (now), without overrides."""
        if at is None and known_at is None:
            found = self._fetch("current_cards", provider=provider, model=model, now=now())
        else:
            instants = as_of.instants(at, known_at)
            found = self._fetch("cards_at", provider=provider, model=model, **instants)
        return [rows.read_statement(row) for row in found]

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
        """The price book of now, read in one snapshot, with the state of each price.

        With *since* it has every card that was in force since then, as known now.

        Raises:
            StoreError: the database, or a row in it, cannot be read.
            ValueError: *since* has no time zone.
        """
        snapshot = self.book_snapshot(since)
        try:
            return snapshot.book()
        except (TypeError, ValueError) as error:
            raise StoreError(f"database: the price book: {error}") from error

    def book_snapshot(self, since: datetime | None = None) -> Snapshot:
        """What the price book of now is made of; see `book`.

        Raises:
            StoreError: the database, or a row in it, cannot be read.
            ValueError: *since* has no time zone.
        """
        read_at = datetime.now(UTC)
        with self.snapshot():
            revision = self.revision()
            if since is None:
                cards = self._fetch("cards_of_book", now=write_instant(read_at))
                overrides = self._fetch("overrides_of_book", at=write_instant(read_at))
            else:
                cards = self._fetch("cards_since", since=write_instant(since))
                overrides = self._fetch(
                    "overrides_not_ended", provider=None, model=None, at=write_instant(since)
                )
            confirmations = self.confirmations()
            aliases, notices = self.names.aliases(), self.names.notices()
        try:
            return Snapshot(
                revision=revision,
                read_at=read_at,
                since=since,
                cards=sorted(map(rows.read_statement, cards), key=_place),
                overrides=[rows.read_override(row) for row in overrides],
                confirmations=confirmations,
                aliases=aliases,
                notices=notices,
            )
        except (TypeError, ValueError) as error:
            raise StoreError(f"database: the price book: {error}") from error

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
            self.last_confirmations(), {(state.provider, state.model): state for state in states}
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

    def held_counts(self) -> dict[str, HeldCount]:
        """The number of held changes, for each provider that has any."""
        return {
            row[0]: HeldCount(row[1], rows.read_instant(row[2]))
            for row in self._fetch("held_counts")
        }

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
        with self.transaction():
            upstream = self.statements(provider, model)
            card = upstream[0].listing if upstream else None
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
            new_revision(self._connection)
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
        with self.transaction():
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
                self.review.log(
                    "override_end", author=author, reason=reason, now=now, entries=entries
                )
                new_revision(self._connection)
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

    # Events

    def pending_events(self, limit: int = 100) -> list[tuple[str, str, dict[str, Any]]]:
        """The oldest events that are not delivered yet: id, kind, payload."""
        found = self._fetch("pending_events", limit=limit)
        return [(row[0], row[1], json.loads(row[3])) for row in found]


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


def _place(card: Statement) -> tuple[str, str, datetime]:
    return card.provider, card.model, card.since


def _model_counts(of_state: Sequence[Row]) -> ModelCounts:
    """The counts of one provider, from one row per state."""
    states = {PriceState(row[1]): row[2] for row in of_state}
    priced, unpriced, unreadable, missing, ending = (
        sum(row[column] for row in of_state) for column in range(3, 8)
    )
    return ModelCounts(priced, unpriced, unreadable, missing, ending, states)


def _key(model: str, starts_at: datetime | None) -> dict[str, Any]:
    return {"model": model, "starts_at": write_optional_instant(starts_at)}


def _write_known(listing: Known | None) -> str | None:
    return None if listing is None else write_json(write_listing(listing))
