"""The price of one request: ours, by hand, and by other people's libraries in the same run."""

from __future__ import annotations

import json
import subprocess
import time
import timeit
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.table import Table

from pricing_sync import Meter, Per, PriceBook, Rate, RateCard, Usage, When
from pricing_sync.prices.rates import ConditionalRates
from pricing_sync.prices.statements import Statement

DAY = datetime(2026, 7, 17, tzinfo=UTC)
_REFEREE = Path(__file__).parent.parent / ".venv-referee" / "bin" / "python"
_PEERS = Path(__file__).parent / "peers.py"


@dataclass(frozen=True, slots=True)
class Case:
    """A usage with which other libraries were measured, its card, and its cost by hand."""

    name: str
    card: RateCard
    quantities: dict[str, Any]
    by_hand: Callable[[], Decimal]
    target: str


def microseconds(work: Callable[[], object]) -> float:
    """The fastest of 100 short batches: whatever else the machine does only adds to it."""
    return min(timeit.repeat(work, number=500, repeat=100)) / 500 * 1e6


def usd(**rates: str) -> dict[Meter, Rate]:
    return {Meter(meter): Rate.of(amount, Per.MILLION) for meter, amount in rates.items()}


def cases() -> list[Case]:
    gpt = RateCard(usd(input="2.5", output="10", cache_read="1.25"))
    claude = RateCard(usd(input="3", output="15", cache_read="0.3", cache_write="3.75"))
    gemini = RateCard(
        usd(input="1.25", output="10"),
        (ConditionalRates(When(min_input_tokens=200_001), usd(input="2.5", output="15")),),
    )
    million = Decimal(1_000_000)
    rates = {name: Decimal(name) for name in ("0.3", "2.5", "3", "10", "15")}
    return [
        Case(
            "gpt-4o 1,000/500",
            gpt,
            {"input": 1000, "output": 500},
            lambda: (1000 * rates["2.5"] + 500 * rates["10"]) / million,
            "≤ 2 µs",
        ),
        Case(
            "claude 10,000 (8,000 cached)/500",
            claude,
            {"input": 10_000, "cache_read": 8_000, "output": 500},
            lambda: (2000 * rates["3"] + 8000 * rates["0.3"] + 500 * rates["15"]) / million,
            "≤ 3 µs",
        ),
        Case(
            "gemini 250,000/2,000",
            gemini,
            {"input": 250_000, "output": 2000},
            lambda: (250_000 * rates["2.5"] + 2000 * rates["15"]) / million,
            "≤ 3 µs",
        ),
    ]


def statement(model: str, card: RateCard) -> Statement:
    return Statement(
        card_id=model,
        provider="openrouter",
        model=model,
        since=DAY,
        until=None,
        recorded_at=DAY,
        superseded_at=None,
        source="api",
        url="",
        reading_id="reading",
        digest=None,
        listing=card,
    )


def statements(count: int) -> list[Statement]:
    """The statements of *count* models, each with other rates."""
    return [
        statement(f"maker/model-{n}", RateCard(usd(input=f"{n + 1}", output=f"{4 * n + 1}")))
        for n in range(count)
    ]


def costs() -> Iterator[tuple[str, list[str]]]:
    """(label, µs of each case), of ours with 5,000 models in the book."""
    measured = cases()
    stock = [statement(case.name, case.card) for case in measured]
    book = PriceBook([*statements(5_000), *stock], (), read_at=DAY)

    def line(label: str, make: Callable[[Case], Callable[[], object]]) -> tuple[str, list[str]]:
        return label, [f"{microseconds(make(case)):.2f}" for case in measured]

    def priced(case: Case) -> Callable[[], object]:
        usage = Usage(**case.quantities)
        return lambda: book.cost("openrouter", case.name, usage)

    def priced_at(case: Case) -> Callable[[], object]:
        usage = Usage(**case.quantities)
        return lambda: book.cost("openrouter", case.name, usage, DAY)

    def itemised(case: Case) -> Callable[[], object]:
        usage = Usage(**case.quantities)
        return lambda: book.cost("openrouter", case.name, usage).items

    yield line("PriceBook.cost, the usage made before", priced)
    yield line("PriceBook.cost at an instant", priced_at)
    yield line("PriceBook.cost and its items", itemised)
    yield line("making the Usage", lambda case: lambda: Usage(**case.quantities))
    yield line("a dict and Decimal, by hand", lambda case: case.by_hand)
    yield from _peers()


def _peers() -> Iterator[tuple[str, list[str]]]:
    """The libraries of the referee's environment; nothing where it was not made."""
    if not _REFEREE.exists():
        return
    printed = subprocess.check_output([_REFEREE, _PEERS])
    for name, found in json.loads(printed).items():
        yield name, ["no price" if µs is None else f"{µs:.2f}" for µs in found]


def cost_table() -> Table:
    measured = cases()
    table = Table("one cost, µs, fastest batch", *(case.name for case in measured), box=None)
    table.add_row("target of PriceBook.cost", *(case.target for case in measured))
    for label, durations in costs():
        table.add_row(label, *durations)
    if not _REFEREE.exists():
        table.caption = "litellm and genai-prices: after `make referee`"
    return table


def repricing(count: int = 1_000_000) -> float:
    """Seconds for *count* usage rows, each priced as of its own time, in a plain loop."""
    book = PriceBook(statements(5_000), (), read_at=DAY)
    rows: Sequence[tuple[str, int, int, datetime]] = [
        (f"maker/model-{n % 5_000}", n % 9_000, n % 700, DAY + timedelta(seconds=n))
        for n in range(count)
    ]
    started = time.perf_counter()
    total = Decimal(0)
    for model, inputs, outputs, at in rows:
        total += book.cost("openrouter", model, Usage(input=inputs, output=outputs), at).total
    return time.perf_counter() - started
