"""What was written, summed up by provider, model and currency."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from pricing_sync.rerating import priced_rows as added
from pricing_sync.rerating.usage_columns import Columns
from pricing_sync.rerating.usage_fields import find_fields
from pricing_sync.rerating.usage_file import UsageFile


class ReportLine(NamedTuple):
    """The rows of one model that are in one currency."""

    provider: str | None
    model: str | None
    #: None for the rows without a price.
    currency: str | None
    rows: int
    unpriced: int
    new: Decimal | None
    #: In the currency that was asked for; None if none was, or if nothing could be converted.
    converted: Decimal | None
    #: The sum of the given costs.
    old: Decimal | None
    #: New minus old, of the rows that have both in one currency.
    difference: Decimal | None
    #: Why the first of the unpriced rows have no price.
    reason: str | None


def sum_up(connection: Any, written: UsageFile, columns: Columns) -> list[ReportLine]:
    """A line for each model and currency.

    The rows of a model without a price are in the line of its currency, if it has only one.
    """
    fields = find_fields(written, columns)

    def amount(name: str) -> str:
        return f"{written.text(name)}::DECIMAL(38, 15)" if name in written.types else "NULL"

    values = {
        "provider": f"nullif({fields['provider'].value}, '')",
        "model": f"nullif({fields['model'].value}, '')",
        "currency": written.text(added.CURRENCY),
        "new": amount(added.COST),
        "converted": amount(added.CONVERTED),
        "old": fields["cost"].value if "cost" in fields else "NULL",
        "difference": amount(added.DIFFERENCE),
        "reason": written.text(added.REASON),
    }
    selected = ", ".join(f"{value} AS {name}" for name, value in values.items())
    found = connection.execute(_SUMS.format(rows=f"(SELECT {selected} FROM {written.rows})"))  # noqa: S608
    return [ReportLine(*line) for line in found.fetchall()]


_SUMS = """
WITH sums AS (
    SELECT provider, model, currency, count(*) AS rows, count(reason) AS unpriced,
        sum(new) AS new, sum(converted) AS converted, sum(old) AS old,
        sum(difference) AS difference, min(reason) AS reason
    FROM {rows}
    GROUP BY provider, model, currency
),
named AS (
    SELECT * REPLACE (
        CASE WHEN count(currency) OVER of_model = 1 THEN max(currency) OVER of_model
            ELSE currency END AS currency
    )
    FROM sums
    WINDOW of_model AS (PARTITION BY provider, model)
)
SELECT provider, model, currency, sum(rows)::BIGINT, sum(unpriced)::BIGINT, sum(new),
    sum(converted), sum(old), sum(difference), min(reason)
FROM named
GROUP BY provider, model, currency
ORDER BY provider, model, currency
"""
