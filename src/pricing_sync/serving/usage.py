"""The usage that was sent in: priced, added up, and what it says about our prices."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from pricing_sync.changes.held import HeldChange
from pricing_sync.errors import BadUsage, NoPrice
from pricing_sync.prices.blast_radius import BlastRadius, blast_radius
from pricing_sync.prices.book import Price, PriceBook
from pricing_sync.prices.reconciliation import (
    Drift,
    Reconciliation,
    UnpricedModel,
    drifts,
    reconcile,
    unpriced_models,
)
from pricing_sync.prices.usage_sums import (
    SumKey,
    UsageRow,
    UsageSum,
    costs_by_currency,
    key_of,
    plain,
)
from pricing_sync.serving.book_cache import unpriced_reason
from pricing_sync.serving.usage_rows import read_usage_row
from pricing_sync.store import Store

#: The time whose traffic a held change is weighed by.
LATELY = timedelta(days=7)
DAY = timedelta(days=1)
_MOST_BAD_ROWS = 10_000
_LONGEST_KEY = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RecordedUsage:
    """The usage of a `Store`. Only sums by hour are kept, not the requests.

    Args:
        book: Gives the price book of now.
        keep: The time for which sums are kept.
        most_drift: See `RecordedUsage.most_drift`.
    """

    def __init__(
        self, store: Store, book: Callable[[], PriceBook], keep: timedelta, most_drift: Fraction
    ) -> None:
        self._store, self._book, self._keep = store, book, keep
        #: The share of our cost by which a reported one may differ from it.
        self.most_drift = most_drift

    def add(self, rows: Iterable[bytes], *, key: str | None = None) -> dict[str, Any]:
        """Price rows as of their own times and add them to the sums: all of them, or none.

        Each row is a JSON object: see `read_usage_row`. Empty lines are skipped. With a *key*, a
        batch that is sent again counts once. Returns the counts as values for JSON.

        Raises:
            BadUsage: some rows cannot be read (each is named), or the key was used for others.
            StoreError: the database cannot be read or written.
        """
        if key is not None and not (0 < len(key) <= _LONGEST_KEY and key.isprintable()):
            raise BadUsage(f"idempotency key: expected 1 to {_LONGEST_KEY} printable characters")
        now, digest = datetime.now(UTC), hashlib.sha256()
        batch, bad = _Batch(_PriceFinder(self._store, self._book())), list[tuple[int, str]]()
        for number, line in enumerate(rows, 1):
            digest.update(line.strip() + b"\n")
            if not line.strip():
                continue
            try:
                row = read_usage_row(line, after=now - self._keep, now=now)
            except ValueError as error:
                bad.append((number, str(error)))
                if len(bad) == _MOST_BAD_ROWS:
                    break
            else:
                batch.add(row)
        if bad:
            raise BadUsage(f"usage: row {bad[0][0]}: {bad[0][1]}", tuple(bad))
        receipt = batch.receipt()
        earlier = self._store.usage.add(
            batch.sums, receipt, key=key, digest=digest.hexdigest(), now=now
        )
        return {**(earlier or receipt), "repeated": earlier is not None}

    def unpriced(self, within: timedelta = LATELY) -> list[UnpricedModel]:
        """The models with requests without a price in that time, the most requests first."""
        return unpriced_models(self._store.usage.since(_hour_ago(within), unpriced_only=True))

    def reconcile(
        self, within: timedelta = LATELY, provider: str | None = None, model: str | None = None
    ) -> Reconciliation:
        """The costs of that time that providers reported, beside ours."""
        sums = self._store.usage.since(
            _hour_ago(within), provider=provider, model=model, reported_only=True
        )
        return reconcile(sums)

    def drifting(self, within: timedelta = DAY) -> list[Drift]:
        """The models whose reported costs of that time differ too much from ours."""
        costs = self._store.usage.reported_costs(_hour_ago(within))
        return [
            Drift(*names, *both)
            for names, both in sorted(costs.items())
            if drifts(both[1], both[0], self.most_drift)
        ]

    def blast_radius(
        self, items: Iterable[HeldChange], within: timedelta = LATELY
    ) -> dict[str, BlastRadius]:
        """What the traffic of that time costs before and after each held change, by its id.

        A change of a model without traffic is left out.
        """
        found, since = {}, _hour_ago(within)
        for item in items:
            change = item.change
            traffic = self._store.usage.since(since, provider=item.provider, model=change.model)
            if traffic:
                found[item.id] = blast_radius(change.old, change.new, traffic)
        return found


def _hour_ago(within: timedelta) -> datetime:
    """The beginning of the hour that began that long ago."""
    return (datetime.now(UTC) - within).replace(minute=0, second=0, microsecond=0)


class _Batch:
    """Rows that are priced and added up."""

    def __init__(self, prices: _PriceFinder) -> None:
        self._prices = prices
        self.sums: dict[SumKey, UsageSum] = {}
        self._rows, self._unpriced = 0, Counter[str]()

    def add(self, row: UsageRow) -> None:
        model, price, why = self._prices.find(row)
        cost, reason, detail = None, None, None
        try:
            if price is None:
                raise NoPrice(why)  # noqa: TRY301  the reason is chosen in one place
            cost = price.cost(row.usage, row.at)
        except NoPrice as error:
            reason, detail = unpriced_reason(price), str(error)
            self._unpriced[reason] += 1
        key = key_of(
            row,
            model=model,
            card_id=price.card_id if price else None,
            listing=price.listing if price else None,
            currency=cost.currency if cost else None,
            reason=reason,
        )
        total = cost.total if cost else None
        one = UsageSum(1, dict(row.usage.parts), total, row.reported_cost, detail)
        self.sums.setdefault(key, UsageSum()).add(one)
        self._rows += 1

    def receipt(self) -> dict[str, Any]:
        """What the sender is told."""
        costs = costs_by_currency(self.sums.items())
        return {
            "rows": self._rows,
            "priced": self._rows - self._unpriced.total(),
            "unpriced": dict(sorted(self._unpriced.items())),
            "cost": {currency: plain(costs[currency]) for currency in sorted(costs)},
        }


class _PriceFinder:
    """The price of a model at an instant, as known now, with few look-ups.

    The book of now knows each model since its card of now. What is older, and what it does not
    know, is read from the ledger once for each model.
    """

    def __init__(self, store: Store, book: PriceBook) -> None:
        self._store, self._book = store, book
        self._books: dict[tuple[str, str], PriceBook] = {}
        self._targets: dict[tuple[str, str, datetime], str | None] = {}

    def find(self, row: UsageRow) -> tuple[str, Price | None, str]:
        """The model's id, its price if there is one, and why there is none."""
        own = self._find(row.provider, row.model, row.at)
        if own is not None:
            return row.model, own, ""
        target = self._target(row)
        price = None if target is None else self._find(row.provider, target, row.at)
        model = target or row.model
        now = self._book.reason_without_price(row.provider, model)
        why = f"not in the ledger at {row.at:%Y-%m-%d %H:%MZ}" + (f"; now {now}" if now else "")
        return model, price, f"{row.provider}: {model}: {why}"

    def _find(self, provider: str, model: str, at: datetime) -> Price | None:
        """The price of a model under its own name."""
        try:
            found = self._book.find(provider, model, at)
        except NoPrice:  # the instant is before the card of now
            found = None
        if found is not None and found.resolved_to is None:
            return found
        return self._of_model(provider, model).find(provider, model, at)

    def _of_model(self, provider: str, model: str) -> PriceBook:
        """Every price that one model ever had."""
        key = provider, model
        if key not in self._books:
            self._books[key] = PriceBook(
                self._store.history(provider, model),
                self._store.overrides_not_ended(provider, model, at=_EPOCH),
                read_at=datetime.now(UTC),
                since=_EPOCH,
            )
        return self._books[key]

    def _target(self, row: UsageRow) -> str | None:
        """The model that another name stood for in the hour of a row."""
        key = row.provider, row.model, row.at.replace(minute=0, second=0, microsecond=0)
        if key not in self._targets:
            # By the end of the hour: a name counts from the reading that first had it.
            end = key[2] + timedelta(hours=1)
            self._targets[key] = self._store.names.target(row.provider, row.model, end)
        return self._targets[key]


def usage_lines(file: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a file of usage, without a byte order mark before the first."""
    for number, line in enumerate(file):
        yield line.removeprefix(b"\xef\xbb\xbf") if number == 0 else line
