"""Parquet: the rows of `table.py` as columns; the extra `parquet` brings pyarrow."""

from __future__ import annotations

from typing import Any

from pricing_sync.errors import SettingsError
from pricing_sync.exports.document import Export, Source
from pricing_sync.exports.table import Row, rows

_WHOLE = ("femtos_per_unit",)
_SMALL = ("condition", "min_input_tokens")


def write(source: Source) -> Export:
    """One file. `femtos_per_unit` is an int64, so that a sum of it is exact.

    Raises:
        SettingsError: pyarrow is not installed.
    """
    # An optional extra, so it is imported only when it is used.
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise SettingsError("parquet: pip install 'pricing-sync[parquet]' to write it") from None
    columns: dict[str, list[object]] = {name: [] for name in Row._fields}
    for row in rows(source):
        for name, cell in zip(Row._fields, row, strict=True):
            columns[name].append(cell)
    table = pa.table(columns, schema=_schema(pa))
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink, compression="zstd")
    return source.export(sink.getvalue().to_pybytes(), len(source.prices))


def _schema(pa: Any) -> Any:
    kinds = dict.fromkeys(_WHOLE, pa.int64()) | dict.fromkeys(_SMALL, pa.int32())
    return pa.schema([(name, kinds.get(name, pa.string())) for name in Row._fields])
