"""kill -9 at random moments of a reading leaves the ledger as before or as after the reading."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from os import kill
from pathlib import Path

import pytest

from pricing_sync.store import open_store

from databases import console, database_url

KILLS = 16

# For each line that it reads, it starts a copy of itself that reads a provider until it is killed.
_READ_FOREVER = """
import asyncio, json, os, sys
sys.path.insert(0, sys.argv[2])
from built import catalogue
from pricing_sync.app import PricingSync
from pricing_sync.sync.recorded import RecordedAnswer
from pricing_sync.settings import Settings
from pricing_sync.store.sqlite import SqliteConnection

SqliteConnection.synchronous = "OFF"  # what a killed process has written is not lost

async def main(first):
    with PricingSync(Settings(database=sys.argv[1], lease_seconds=0.05)) as app:
        n = first
        while True:
            n += 1
            price = f"0.00000{1 + n % 8}"
            await app.replay("openrouter", [RecordedAnswer(catalogue(80 + n % 7, price))])
            print(json.dumps(os.getpid()), flush=True)

for line in sys.stdin:
    child = os.fork()
    if not child:
        asyncio.run(main(int(line)))
    os.waitpid(child, 0)
    print(json.dumps("killed"), flush=True)
"""


@pytest.mark.parametrize("seed", [1])
def test_a_killed_reading_is_stored_whole_or_not_at_all(tmp_path: Path, seed: int) -> None:
    """Every stored reading has all its cards and its evidence, and no cards overlap."""
    chance = random.Random(seed)
    with _reading(database_url(tmp_path)) as program:
        for number in range(KILLS):
            _kill_after(program, number, chance.uniform(0, 1.5))
            _assert_consistent(tmp_path)
    with console(tmp_path) as database:
        [(stored,)] = database.execute("SELECT COUNT(*) FROM pricing_readings")
    assert stored >= KILLS  # at least one between two kills


@contextmanager
def _reading(url: str) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    program = [sys.executable, "-c", _READ_FOREVER, url, str(Path(__file__).parent)]
    with subprocess.Popen(program, stdin=pipe, stdout=pipe, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def _kill_after(program: subprocess.Popen[str], number: int, readings: float) -> None:
    """Start a process, and kill it so many readings after its first one."""
    assert program.stdin is not None
    assert program.stdout is not None
    program.stdin.write(f"{number}\n")
    program.stdin.flush()
    began = time.monotonic()
    pid = json.loads(program.stdout.readline())
    time.sleep(readings * (time.monotonic() - began))
    kill(pid, signal.SIGKILL)
    while json.loads(program.stdout.readline()) != "killed":
        pass


def _assert_consistent(folder: Path) -> None:
    with open_store(database_url(folder)):
        pass
    with console(folder) as database:
        execute = database.execute
        if database.is_sqlite:
            assert [("ok",)] == execute("PRAGMA integrity_check")
        incomplete = execute(
            "SELECT r.id FROM pricing_readings r WHERE"
            " CAST(r.changes ->> 'added' AS INTEGER) + CAST(r.changes ->> 'changed' AS INTEGER)"
            " + CAST(r.changes ->> 'returned' AS INTEGER) <>"
            " (SELECT COUNT(DISTINCT card_id) FROM pricing_ledger l"
            "  WHERE l.reading_id = r.id AND l.card_id LIKE r.id || '-%')"
        )
        orphans = execute(
            "SELECT card_id FROM pricing_ledger WHERE reading_id NOT IN"
            " (SELECT id FROM pricing_readings)"
        )
        overlapping = execute(
            "SELECT a.model FROM pricing_ledger a JOIN pricing_ledger b"
            " ON a.provider = b.provider AND a.model = b.model"
            " AND (a.card_id, a.recorded_at) < (b.card_id, b.recorded_at)"
            " WHERE a.superseded_at IS NULL AND b.superseded_at IS NULL"
            " AND (b.until IS NULL OR a.since < b.until)"
            " AND (a.until IS NULL OR b.since < a.until)"
        )
        without_evidence = execute(
            "SELECT digest FROM pricing_readings WHERE digest IS NOT NULL AND digest NOT IN"
            " (SELECT digest FROM pricing_evidence)"
        )
    assert ([], [], [], []) == (incomplete, orphans, overlapping, without_evidence)
