"""How the values of PostgreSQL's types become those of `Connection`: the same as in SQLite."""

from __future__ import annotations

import json
from datetime import datetime

from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap, Loader

from pricing_sync.store.rows import write_instant, write_json

#: The length of `2026-01-26 12:00:00` in the text of an instant.
_SECOND = 19


class InstantLoader(Loader):
    """An instant as `rows.write_instant` writes it."""

    def load(self, data: Buffer) -> str:
        text = str(data, "utf-8")
        second, rest = text[:_SECOND], text[_SECOND:]
        if not rest.endswith("+00") or second[10] != " ":
            # A pooler may have set another time zone.
            return write_instant(datetime.fromisoformat(text))
        return f"{second[:10]}T{second[11:]}.{rest[1:-3]:0<6}Z"


class TextLoader(Loader):
    """The text that the database sends: days and exact decimals."""

    def load(self, data: Buffer) -> str:
        return str(data, "utf-8")


class JsonLoader(Loader):
    """JSON as `rows.write_json` writes it. The database keeps its keys in another order."""

    def load(self, data: Buffer) -> str:
        return write_json(json.loads(bytes(data)))


class FlagLoader(Loader):
    """The result of a comparison, as a number."""

    def load(self, data: Buffer) -> int:
        return int(bytes(data) == b"t")


def register_types(adapters: AdaptersMap) -> None:
    """Make connections with these adapters read the types of the store."""
    adapters.register_loader("timestamptz", InstantLoader)
    adapters.register_loader("date", TextLoader)
    adapters.register_loader("numeric", TextLoader)
    adapters.register_loader("jsonb", JsonLoader)
    adapters.register_loader("bool", FlagLoader)
