"""How much memory bulk pricing takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb

ROWS, ROW_BYTES = 150_000, 2048
#: Prices a file, and prints by how many MiB the process has grown at most.
PROGRAM = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from pricing_sync.prices.book import PriceBook
from pricing_sync.prices.rates import Meter, Rate, RateCard
from cards import statement
from repriced import reprice
usage, out = map(Path, sys.argv[1:])
day = datetime(2026, 7, 1, tzinfo=UTC)
card = statement("m", RateCard({Meter.INPUT: Rate(5)}), day)
book = PriceBook([card], (), read_at=datetime(2026, 11, 1, tzinfo=UTC), since=day)
before = getrusage(RUSAGE_SELF).ru_maxrss
[line] = reprice(usage, out, book, memory="128MB")
print(line.rows, (getrusage(RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_file_may_be_larger_than_the_memory(tmp_path: Path) -> None:
    """The rows stream through: 300 MB of them, where DuckDB may hold 128 MB."""
    usage = tmp_path / "usage.csv"
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(
            f"COPY (SELECT '2026-08-01' AS \"at\", 'acme' AS provider, 'm' AS model, i AS input,"
            f" repeat(md5(i::VARCHAR), {ROW_BYTES // 32}) AS trace FROM range({ROWS}) t(i))"
            f" TO '{usage}'"
        )
    assert usage.stat().st_size > ROWS * ROW_BYTES
    paths = [str(path) for path in (usage, tmp_path / "out.csv")]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *paths],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "" == done.stderr
    priced, grown_mib = map(int, done.stdout.split())
    assert ROWS == priced
    assert grown_mib < 256
