"""Parquet: the rows of `exports/table.py` as columns, written by DuckDB.

It is not in `exports/`, because DuckDB writes to files only.
"""

from __future__ import annotations

from pricing_sync.exports.document import Export, Source
from pricing_sync.exports.table import Row, rows
from pricing_sync.serving.duck import create_table, literal, open_duckdb

#: The columns that are no texts. A rate per million units has nine digits after the point.
_TYPES = {
    "per_million": "DECIMAL(38, 9)",
    "femtos_per_unit": "BIGINT",
    "condition": "INTEGER",
    "min_input_tokens": "BIGINT",
    "since": "TIMESTAMPTZ",
}


def write(source: Source) -> Export:
    """One file. Nothing is left out, and a sum of either amount is exact.

    Raises:
        SettingsError: DuckDB is not installed.
    """
    columns = {name: _TYPES.get(name, "VARCHAR") for name in Row._fields}
    with open_duckdb("parquet") as (connection, folder):
        create_table(connection, "rates", columns, [*rows(source)])
        path = folder / "rates.parquet"
        connection.execute(f"COPY rates TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)")
        return source.export(path.read_bytes(), len(source.prices))
