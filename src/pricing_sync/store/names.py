"""The other names of models, and what is said about their end, as the lists publish them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from pricing_sync.prices.rates import Answer, Notice
from pricing_sync.store.connection import Connection, NamedQueries, load_queries
from pricing_sync.store.rows import read_row, write_instant, write_row

#: How long before its end a model is told of.
SOON = timedelta(days=30)
_NOTICE = ("ends_on", "deprecated", "replaced_by")
_QUERIES = load_queries({}, "names.sql")


@dataclass(frozen=True, slots=True)
class Ending:
    """A model whose list says when it ends."""

    provider: str
    model: str
    notice: Notice


class Names(NamedQueries):
    """The other names and the notices of a `Store`."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, _QUERIES)

    def save(self, provider: str, at: datetime, answer: Answer) -> None:
        """Store what an answer says. Call it inside a transaction.

        A model that the answer does not list keeps its names and its notice: it may come back.
        """
        aliases = self._save_aliases(provider, at, answer)
        if self._save_notices(provider, answer) or aliases:
            self._connection.new_revision({provider})

    def _save_aliases(self, provider: str, at: datetime, answer: Answer) -> bool:
        wanted = answer.aliases()
        stored = {alias: model for (_, alias), model in self.aliases(provider).items()}
        ended = [
            alias
            for alias, model in stored.items()
            if wanted.get(alias) != model
            and (alias in wanted or alias in answer.listings or model in answer.listings)
        ]
        added = {alias: model for alias, model in wanted.items() if stored.get(alias) != model}
        key = {"provider": provider, "at": write_instant(at)}
        self._execute_many("end_alias", [{**key, "alias": alias} for alias in ended])
        self._execute_many(
            "add_alias", [{**key, "alias": alias, "model": model} for alias, model in added.items()]
        )
        return bool(ended or added)

    def _save_notices(self, provider: str, answer: Answer) -> bool:
        stored = {model: notice for (_, model), notice in self.notices(provider).items()}
        wanted = {
            model: replace(notice, names=(), stands_for=None)
            for model, notice in answer.notices.items()
            if notice.is_about_end
        }
        changed = [
            model
            for model in answer.listings.keys() & (stored.keys() | wanted.keys())
            if stored.get(model) != wanted.get(model)
        ]
        self._execute_many(
            "delete_notice",
            [{"provider": provider, "model": model} for model in changed if model in stored],
        )
        self._execute_many(
            "add_notice",
            [
                {"provider": provider, "model": model} | write_row(wanted[model], _NOTICE)
                for model in changed
                if model in wanted
            ],
        )
        return bool(changed)

    def aliases(
        self, provider: str | None = None, alias: str | None = None
    ) -> dict[tuple[str, str], str]:
        """The model of each other name that is published now, by provider and name."""
        found = self._fetch("aliases", provider=provider, alias=alias)
        return {(row[0], row[1]): row[2] for row in found}

    def aliases_at(self, at: datetime) -> dict[tuple[str, str], str]:
        """The model of each other name that was published at an instant."""
        found = self._fetch("aliases_at", at=write_instant(at))
        return {(row[0], row[1]): row[2] for row in found}

    def target(self, provider: str, alias: str, at: datetime | None = None) -> str | None:
        """The model of another name, now or at an instant; None if it is no such name."""
        if at is None:
            return self.aliases(provider, alias).get((provider, alias))
        found = self._fetch("target_at", provider=provider, alias=alias, at=write_instant(at))
        return found[0][0] if found else None

    def notices(
        self, provider: str | None = None, model: str | None = None
    ) -> dict[tuple[str, str], Notice]:
        """What is said about the end of models, by provider and model."""
        found = self._fetch("notices", provider=provider, model=model)
        return {(row[0], row[1]): read_row(Notice, _NOTICE, row[2:]) for row in found}

    def ending_soon(self, within: timedelta = SOON) -> list[Ending]:
        """The models that end within that time from today on, the first first."""
        first, last = days_from_today(within)
        found = self._fetch("ending", first=first, last=last)
        return [Ending(row[0], row[1], read_row(Notice, _NOTICE, row[2:])) for row in found]


def days_from_today(within: timedelta) -> tuple[str, str]:
    """Today and the last day of that time, as they are stored."""
    today = datetime.now(UTC).date()
    return today.isoformat(), (today + within).isoformat()
