"""How the command line shows things: tables and one-line texts for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pricing_sync.changes.diff import Kind
from pricing_sync.changes.plan import Held
from pricing_sync.changes.run import Reading
from pricing_sync.json_views import change_json, instant_json, reading_json
from pricing_sync.prices.book import Price
from pricing_sync.prices.card_json import (
    write_rates,
    write_when,
)
from pricing_sync.prices.cost import Cost
from pricing_sync.prices.rates import Meter, RateCard, Unpriced
from pricing_sync.scheduling.runs import RunResult
from pricing_sync.sync.reading import ReadingResult

#: Held changes of one reading that are shown one by one.
_FEW = 3
#: Wide enough that a table in a pipe or a file is not cut.
_PIPE_WIDTH = 200

out = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False, emoji=False)
err = Console(
    stderr=True, width=None if sys.stderr.isatty() else _PIPE_WIDTH, highlight=False, emoji=False
)


def print_json(value: object) -> None:
    """*value* as JSON on standard output, and nothing else."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """A table in which nothing that a provider says is taken for markup."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    if table.row_count:
        out.print(table)
    else:
        err.print(empty, markup=False)


def show_instant(instant: datetime | None) -> str | None:
    """An instant in UTC, to the second."""
    if instant is None:
        return None
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def show_listing(listing: RateCard | Unpriced | None) -> str:
    """A listing on one line: `input 2.5 output 10 USD (+1 condition)`."""
    if listing is None:
        return "–"
    if isinstance(listing, Unpriced):
        return f"no price ({listing})"
    rates = " ".join(f"{meter} {rate}" for meter, rate in write_rates(listing.rates).items())
    conditions = len(listing.conditional_rates)
    more = f" (+{conditions} condition{'s' if conditions > 1 else ''})" if conditions else ""
    return f"{rates} {listing.currency}{more}"


def show_change(old: RateCard | Unpriced | None, new: RateCard | Unpriced | None) -> str:
    """What is different between two listings, on one line."""
    if not (isinstance(old, RateCard) and isinstance(new, RateCard)):
        return f"{show_listing(old)} → {show_listing(new)}"
    moved = [
        f"{meter} {old.rates.get(meter, '–')} → {new.rates.get(meter, '–')}"
        for meter in Meter
        if old.rates.get(meter) != new.rates.get(meter)
    ]
    if old.conditional_rates != new.conditional_rates:
        moved.append(f"conditions {_conditions(old)} → {_conditions(new)}")
    if old.currency != new.currency:
        moved.append(f"currency {old.currency} → {new.currency}")
    return ", ".join(moved)


def _conditions(card: RateCard) -> str:
    return (
        "; ".join(
            f"{plain_parts(write_when(entry.when))}: {plain_parts(write_rates(entry.rates))}"
            for entry in card.conditional_rates
        )
        or "none"
    )


def plain_parts(parts: Mapping[str, Any]) -> str:
    return " ".join(f"{name} {value}" for name, value in parts.items())


def show_record(record: Mapping[str, Any]) -> str:
    """The price in an entry of `prices --json`, on one line."""
    if record["rates"] is None:
        return f"no price ({record['reason']})"
    conditions = "".join(
        f"\n  when {plain_parts(entry['when'])}: {plain_parts(entry['rates'])}"
        for entry in record["overrides"]
    )
    return f"{plain_parts(record['rates'])} {record['currency']}{conditions}"


def show_upstream(record: Mapping[str, Any]) -> str:
    """What the provider says beside an override, and whether it has moved since."""
    said = record["upstream_when_set"] or "none"
    if record.get("upstream_moved"):
        return f"{said} → {record['upstream_now'] or 'none'} (moved)"
    return str(said)


def change_lines(taken: ReadingResult) -> list[str]:
    """Each change of a reading on a line; models listed for the first time are only counted."""
    who, plan = taken.reading.provider, taken.plan
    lines = [
        f"  {change.kind.value:9} {who} {change.model}: {show_change(change.old, change.new)}"
        for change in plan.apply
        if change.kind is not Kind.ADDED
    ]
    lines += [
        f"  missing   {who} {model}: not listed; kept until it is missed again"
        for model in plan.missing
    ]
    lines += [f"  retired   {who} {model}: not listed twice" for model in plan.retire]
    lines += [f"  back      {who} {model}: listed again" for model in plan.back]
    return lines + _held_lines(who, plan.hold)


def _held_lines(who: str, held: Sequence[Held]) -> list[str]:
    """What a reading holds: a line each, or one for all when they are many."""
    shown = held[:_FEW]
    lines = [
        f"  held      {who} {item.change.model}: "
        f"{show_change(item.change.old, item.change.new)} [{rule_names(item.reasons)}]"
        for item in shown
    ]
    more = len(held) - len(shown)
    return lines + ([f"  held      {who}: and {more} more like these"] if more else [])


def rule_names(reasons: Sequence[str]) -> str:
    """The rules that hold a change, without the details."""
    return ", ".join(dict.fromkeys(reason.partition(":")[0] for reason in reasons))


def run_result(finished: RunResult) -> dict[str, Any]:
    """`sync --json`: the run, its readings, and every change made or held."""
    return {
        "run": finished.id,
        "outcome": finished.outcome.value,
        "duration_seconds": round(finished.duration_seconds, 3),
        "readings": [
            reading_json(results.reading)
            | {
                "applied": [change_json(change) for change in results.plan.apply],
                "held": [
                    change_json(item.change) | {"reasons": list(item.reasons)}
                    for item in (*results.plan.hold, *results.plan.still_held)
                ],
                "missing": list(results.plan.missing),
                "retired": list(results.plan.retire),
            }
            for results in finished.results
        ],
    }


def reading_summary(readings: Sequence[Reading]) -> str:
    """`3 read, 1 failed (together)`."""
    counts = Counter(reading.status.value for reading in readings)
    failed = [reading.provider for reading in readings if reading.is_failed]
    return counted(counts) + (f" ({', '.join(failed)})" if failed else "")


def total_changes(readings: Sequence[Reading]) -> Counter[str]:
    """How many models, by what was done, in all the readings together."""
    total: Counter[str] = Counter()
    for reading in readings:
        total.update(reading.changes)
    return total


def cost_json(price: Price, result: Cost, at: datetime) -> dict[str, Any]:
    """`cost --json`: the total and its items, with the card they were priced by."""
    return {
        "provider": price.provider,
        "model": price.model,
        "at": instant_json(at),
        "total": plain_decimal(result.total),
        "currency": result.currency,
        "items": [
            {
                "meter": item.meter.value,
                "quantity": item.quantity,
                "rate": str(item.rate),
                "rate_meter": item.rate_meter.value,
                "amount": plain_decimal(item.amount),
            }
            for item in result.items
        ],
        "card": price.card_id,
        "source": price.source,
        "since": instant_json(price.since),
    }


def plain_decimal(amount: Decimal) -> str:
    """An exact amount without an exponent and without trailing zeros."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def counted(counts: Mapping[str, int]) -> str:
    """`3 added, 1 held`, leaving out what there is none of."""
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)
