"""The usage of the database: sums by hour, and the batches that they came in."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias

from pricing_sync.errors import BadUsage
from pricing_sync.prices.rates import Meter
from pricing_sync.prices.usage_sums import SumKey, UsageSum, exact_sum
from pricing_sync.store.connection import (
    Connection,
    NamedQueries,
    Row,
    load_queries,
    placeholders,
)
from pricing_sync.store.rows import read_instant, write_instant, write_json

_KEY = SumKey._fields
_SUM = ("requests", "quantities", "cost", "reported_cost", "detail")
_QUERIES = load_queries(
    {
        "columns": ", ".join((*_KEY, *_SUM)),
        "places": placeholders((*_KEY, *_SUM)),
        "key": ", ".join(_KEY),
        "is_key": " AND ".join(f"{column} = :{column}" for column in _KEY),
    },
    "usage.sql",
)
#: A sum with what its requests have in common.
Sum: TypeAlias = tuple[SumKey, UsageSum]
#: What the sender of a batch is told, as values for JSON.
Receipt: TypeAlias = dict[str, Any]


class UsageTable(NamedQueries):
    """The usage of a `Store`."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, _QUERIES)

    def since(
        self,
        since: datetime,
        *,
        provider: str | None = None,
        model: str | None = None,
        unpriced_only: bool = False,
        reported_only: bool = False,
    ) -> list[Sum]:
        """The sums of the hours from an instant on, sorted by their keys."""
        found = self._fetch(
            "since",
            since=write_instant(since),
            provider=provider,
            model=model,
            unpriced_only=unpriced_only,
            reported_only=reported_only,
        )
        # In this order, all of a model is together, by hour.
        return [_read(row) for row in sorted(found, key=lambda row: (row[1:3], row[0], row[3:10]))]

    def unpriced_models(self, since: datetime) -> dict[str, int]:
        """How many models have requests without a price from an instant on, by provider."""
        models = set(self._fetch("unpriced_models", since=write_instant(since)))
        return Counter(provider for provider, _ in models)

    def reported_costs(
        self, since: datetime
    ) -> dict[tuple[str, str, str], tuple[Decimal, Decimal]]:
        """Our cost and the reported one from an instant on, of the requests that have both.

        By provider, model and currency.
        """
        found: dict[tuple[str, str, str], tuple[list[str], list[str]]] = {}
        for *names, cost, reported in self._fetch("reported_costs", since=write_instant(since)):
            ours, theirs = found.setdefault((names[0], names[1], names[2]), ([], []))
            ours.append(cost)
            theirs.append(reported)
        return {
            key: (exact_sum(map(Decimal, ours)), exact_sum(map(Decimal, theirs)))
            for key, (ours, theirs) in found.items()
        }

    def receipt(self, key: str, digest: str) -> Receipt | None:
        """The receipt of the batch that was sent with this key; None if there is none.

        Raises:
            BadUsage: the batch of this key has other rows.
        """
        found = self._fetch("batch", key=key)
        if not found:
            return None
        stored, receipt = found[0]
        if stored != digest:
            raise BadUsage(f"idempotency key {key!r}: was used for another batch")
        return dict(json.loads(receipt))

    def add(
        self,
        sums: Mapping[SumKey, UsageSum],
        receipt: Receipt,
        *,
        key: str | None,
        digest: str,
        now: datetime,
    ) -> Receipt | None:
        """Add sums to the stored ones, all or none of them.

        Returns None, or the receipt of the same batch if it has been added before with this key.

        Raises:
            BadUsage: the batch of this key has other rows.
        """
        with self._connection.transaction():
            if key is not None:
                earlier = self.receipt(key, digest)
                if earlier is not None:
                    return earlier
                self._execute(
                    "add_batch",
                    key=key,
                    digest=digest,
                    received_at=write_instant(now),
                    receipt=write_json(receipt),
                )
            self._execute_many("put", [self._added(*entry) for entry in sums.items()])
        return None

    def _added(self, key: SumKey, new: UsageSum) -> dict[str, Any]:
        """The row of a sum together with the one that is stored."""
        columns = _write_key(key)
        total = UsageSum()
        for row in self._fetch("one", **columns):
            total.add(_read(row)[1])
        total.add(new)
        return columns | {
            "requests": total.requests,
            "quantities": write_json({m.value: total.quantities[m] for m in total.quantities}),
            "cost": _write_amount(total.cost),
            "reported_cost": _write_amount(total.reported_cost),
            "detail": total.detail,
        }


def _write_key(key: SumKey) -> dict[str, Any]:
    written = {name: "" if value is None else value for name, value in key._asdict().items()}
    return written | {"hour": write_instant(key.hour)}


def _write_amount(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"


def _read(row: Row) -> Sum:
    hour, provider, model, *texts = row[: len(_KEY)]
    card_id, tier, region, least, currency, reason, reported_currency = texts
    key = SumKey(
        read_instant(hour),
        provider,
        model,
        card_id or None,
        tier or None,
        region or None,
        least,
        currency or None,
        reason or None,
        reported_currency or None,
    )
    return key, _read_sum(row[len(_KEY) :])


def _read_sum(columns: Sequence[Any]) -> UsageSum:
    requests, quantities, cost, reported_cost, detail = columns
    return UsageSum(
        requests,
        {Meter(name): quantity for name, quantity in json.loads(quantities).items()},
        None if cost is None else Decimal(cost),
        None if reported_cost is None else Decimal(reported_cost),
        detail,
    )
