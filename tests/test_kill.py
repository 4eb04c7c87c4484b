"""kill -9 at random moments of a reading: the ledger is as before or as after, never between."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pricing_sync.store import open_store

KILLS = 25

_READ_WITHOUT_END = """
import asyncio, sys
sys.path.insert(0, sys.argv[2])
from built import catalogue
from pricing_sync.app import PricingSync
from pricing_sync.sync.recorded import RecordedAnswer
from pricing_sync.settings import Settings

async def main():
    with PricingSync(Settings(database=sys.argv[1], lease_seconds=0.05)) as app:
        print("ready", flush=True)
        n = 0
        while True:
            n += 1
            price = f"0.00000{1 + n % 8}"
            await app.replay("openrouter", [RecordedAnswer(catalogue(300 + n % 7, price))])

asyncio.run(main())
"""


@pytest.mark.parametrize("seed", [1])
def test_a_killed_reading_is_whole_or_not_there(tmp_path: Path, seed: int) -> None:
    """Every reading that is there has all its cards and its event; none overlap."""
    path, moments = tmp_path / "prices.db", random.Random(seed)
    for _ in range(KILLS):
        _kill_after(path, moments.uniform(0.0, 0.5))
        _assert_whole(path)
    with sqlite3.connect(path) as database:
        (stored,) = database.execute("SELECT COUNT(*) FROM pricing_readings").fetchone()
    database.close()
    assert stored > KILLS  # it did get through some readings between the kills


def _kill_after(path: Path, seconds: float) -> None:
    program = [sys.executable, "-c", _READ_WITHOUT_END]
    process = subprocess.Popen(
        [*program, f"sqlite:///{path}", str(Path(__file__).parent)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"ready\n"
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()


def _assert_whole(path: Path) -> None:
    with open_store(f"sqlite:///{path}"):
        pass
    with sqlite3.connect(path) as database:
        ask = database.execute
        assert ask("PRAGMA integrity_check").fetchone() == ("ok",)
        uneven = ask(
            "SELECT r.id FROM pricing_readings r WHERE"
            " json_extract(r.changes, '$.added') + json_extract(r.changes, '$.changed')"
            " + json_extract(r.changes, '$.returned') <>"
            " (SELECT COUNT(DISTINCT card_id) FROM pricing_ledger l"
            "  WHERE l.reading_id = r.id AND l.card_id LIKE r.id || '-%')"
        ).fetchall()
        orphans = ask(
            "SELECT card_id FROM pricing_ledger WHERE reading_id NOT IN"
            " (SELECT id FROM pricing_readings)"
        ).fetchall()
        overlapping = ask(
            "SELECT a.model FROM pricing_ledger a JOIN pricing_ledger b"
            " ON a.provider = b.provider AND a.model = b.model AND a.rowid < b.rowid"
            " WHERE a.superseded_at IS NULL AND b.superseded_at IS NULL"
            " AND a.since < COALESCE(b.until, '9') AND b.since < COALESCE(a.until, '9')"
        ).fetchall()
        unread = ask(
            "SELECT digest FROM pricing_readings WHERE digest IS NOT NULL AND digest NOT IN"
            " (SELECT digest FROM pricing_evidence)"
        ).fetchall()
    database.close()
    assert ([], [], [], []) == (uneven, orphans, overlapping, unread)
