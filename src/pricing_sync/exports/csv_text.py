"""CSV (RFC 4180) in UTF-8, for spreadsheets: the rows of `table.py` under their names."""

from __future__ import annotations

import csv

from pricing_sync.exports.document import Export, Source
from pricing_sync.exports.table import Row, rows

# What a spreadsheet takes for a formula at the beginning of a cell.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class _Lines(list[str]):
    """The lines that a csv writer writes."""

    def write(self, line: str) -> int:
        self.append(line)
        return len(line)


def write(source: Source) -> Export:
    """A line for each rate. A text that would be a formula has an apostrophe before it."""
    lines = _Lines()
    writer = csv.writer(lines)
    writer.writerow(Row._fields)
    writer.writerows(map(_safe, rows(source)))
    return source.export("".join(lines).encode(), len(source.prices))


def _safe(row: Row) -> list[object]:
    return [
        f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell for cell in row
    ]
