"""The SQL that prices each row of usage: views, one upon the other, over `price_tables.py`.

Costs are whole numbers of 10⁻¹⁵ of the currency in 128 bits. There is no floating number between a
quantity and its cost, and a sum that would not fit is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pricing_sync.prices.rates import Meter
from pricing_sync.prices.usage import PARENTS
from pricing_sync.rerating.price_tables import DAY_MICROS, Shape
from pricing_sync.rerating.usage_file import UsageFile
from pricing_sync.serving.duck import literal, quoted

#: What is added to each row.
COST, CURRENCY = "rerated_cost", "rerated_currency"
SINCE, REASON = "rerated_since", "rerated_reason"
CONVERTED, EXCHANGE = "rerated_converted", "rerated_exchange"
DIFFERENCE = "rerated_difference"

_FORMATS = {
    "csv": "FORMAT csv, HEADER true",
    "jsonl": "FORMAT json",
    "parquet": "FORMAT parquet",
}


def create_views(
    connection: Any, meters: Sequence[Meter], shape: Shape, *, are_sums: bool, converts: bool
) -> None:
    """The view `priced`. *are_sums*: the rows say of how many requests they are the sum."""
    views = {
        "matched": _matched(meters, shape),
        "explained": f"SELECT *, {_reason(meters, are_sums=are_sums)} AS reason FROM matched",  # noqa: S608
        "charged": f"SELECT *, {_femtos(meters)} AS femtos FROM explained",  # noqa: S608
        "priced": _CONVERTED if converts else "SELECT * FROM charged",
    }
    for name, select in views.items():
        connection.execute(f"CREATE TEMP VIEW {name} AS {select}")


def _matched(meters: Sequence[Meter], shape: Shape) -> str:
    """The rows with their cells, and each meter's quantity without its parts."""
    own = "".join(
        f", {' - '.join([meter, *_parts(meter, meters)])} AS own_{meter}" for meter in meters
    )
    span = "".join(f' + (u."at" >= b.edge_{n})::BIGINT' for n in range(shape.edges))
    reached = "".join(f" + (u.input >= b.low_{n})::BIGINT" for n in range(shape.lows))
    return (
        f"SELECT u.*, c.* EXCLUDE (id){own} FROM usage u"  # noqa: S608
        " JOIN models m USING (provider, model, service_tier, region)"
        ' JOIN buckets b ON b.model_id = m.id AND b.number = u."at" // m.width'
        f" JOIN cells c ON c.id = b.first_cell + (0{span}) * b.ranges + (0{reached})"
    )


def _parts(meter: Meter, meters: Sequence[Meter]) -> list[Meter]:
    return [part for part in meters if PARENTS.get(part) is meter]


def _reason(meters: Sequence[Meter], *, are_sums: bool) -> str:
    """Why a row has no price, in the words and the order of `cost`; else NULL."""
    cases = [
        f"WHEN own_{meter} < 0 THEN '{meter}: its parts are ' || -own_{meter}"
        " || ' more than the total'"
        for meter in meters
        if _parts(meter, meters)
    ]
    cases.append("WHEN no_price IS NOT NULL THEN no_price")
    if are_sums:
        cases.append(
            "WHEN requests > 1 AND input >= first_low THEN 'the sum of ' || requests"
            " || ' requests: which of them have ' || first_low"
            " || ' input tokens or more is not known'"
        )
    cases += [
        f"WHEN own_{meter} <> 0 AND rate_{meter} IS NULL THEN '{meter}: ' || own_{meter}"
        " || ' used, and the card names no rate for it'"
        " || CASE WHEN of_tier THEN ' in this service tier' ELSE '' END"
        for meter in meters
    ]
    return f"CASE {' '.join(cases)} END"


def _femtos(meters: Sequence[Meter]) -> str:
    """The cost of a row; NULL if there is a reason."""
    costs = (
        f"CASE WHEN own_{meter} = 0 THEN 0::HUGEINT ELSE own_{meter}::HUGEINT * rate_{meter} END"
        for meter in meters
    )
    return f"CASE WHEN reason IS NULL THEN {' + '.join(costs)} END"


#: The rows with their costs in the other currency, by the rate of their day, half to even.
_CONVERTED = f"""
SELECT * EXCLUDE (numerator, denominator), quotient + CASE
    WHEN 2 * remainder > denominator OR 2 * remainder = denominator AND quotient % 2 = 1 THEN 1
    ELSE 0 END AS converted
FROM (
    SELECT c.*, exchange, numerator, denominator,
        femtos * numerator // denominator AS quotient, femtos * numerator % denominator AS remainder
    FROM charged c
    LEFT JOIN exchange x
        ON x.price_currency = c.price_currency AND x.day = c."at" // {DAY_MICROS}
)"""  # noqa: S608


def copy(
    file: UsageFile, kind: str, path: Path, *, currency: str | None, old_currency: str | None
) -> str:
    """The statement that writes the rows with what they cost, to a file of a kind.

    They are also converted to *currency*, and compared with given costs in *old_currency*.
    """
    own = [f"c{n} AS {quoted(name)}" for n, name in enumerate(file.types)]
    added = [f"{value} AS {name}" for name, value in _added(kind, currency, old_currency)]
    return (
        f"COPY (SELECT {', '.join([*own, *added])} FROM priced)"  # noqa: S608
        f" TO {literal(str(path))} ({_FORMATS[kind]})"
    )


def _added(kind: str, currency: str | None, old_currency: str | None) -> Iterator[tuple[str, str]]:
    def written(amount: str) -> str:
        """Parquet keeps numbers as they are. Text has them without zeros at the end."""
        return amount if kind == "parquet" else f"rtrim(rtrim(({amount})::VARCHAR, '0'), '.')"

    yield COST, written(_exact("femtos"))
    yield CURRENCY, "CASE WHEN reason IS NULL THEN price_currency END"
    yield SINCE, "CASE WHEN reason IS NULL THEN price_since END"
    yield REASON, "reason"
    if currency is not None:
        yield CONVERTED, written(_exact("converted"))
        yield EXCHANGE, "CASE WHEN reason IS NULL THEN exchange END"
    if old_currency is not None:
        other = f" ELSE {_exact('converted')}" if currency == old_currency else ""
        is_same = f"price_currency = {literal(old_currency)}"
        new = f"CASE WHEN {is_same} THEN {_exact('femtos')}{other} END"
        yield DIFFERENCE, written(f"{new} - cost")


def _exact(femtos: str) -> str:
    """A whole number of 10⁻¹⁵ as a decimal."""
    return f"({femtos}::DECIMAL(38, 0) * 0.000000000000001::DECIMAL(15, 15))"
