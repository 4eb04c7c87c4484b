"""Backups of the ledger, and putting them back."""

from __future__ import annotations

import asyncio
import resource
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.errors import SettingsError, StoreBusy, StoreError
from pricing_sync.prices.rates import Meter, Per, Rate, RateCard
from pricing_sync.settings import Settings
from pricing_sync.store import connect, open_store
from pricing_sync.store.backup import STEPS, back_up
from pricing_sync.store.restore import Restored, restore
from pricing_sync.sync.recorded import RecordedAnswer

from built import catalogue

#: Prices of an answer; a change from one to the next passes the gate.
PRICES = ("0.0000025", "0.0000026", "0.0000027", "0.0000028")


pytestmark = pytest.mark.sqlite("PostgreSQL has tools of its own")


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'prices.db'}"


def read(app: PricingSync, price: str, models: int = 6) -> None:
    asyncio.run(app.replay("openrouter", [RecordedAnswer(catalogue(models, price))]))


def input_rates(folder: Path) -> set[str]:
    """The different rates for input of all models."""
    with PricingSync(Settings(database=url(folder)), create=False) as app:
        return {
            str(card.rates[Meter.INPUT])
            for price in app.prices()
            if isinstance(card := price.listing, RateCard)
        }


@pytest.fixture
def app(tmp_path: Path) -> Iterator[PricingSync]:
    """A ledger that was read once."""
    with PricingSync(Settings(database=url(tmp_path))) as opened:
        read(opened, PRICES[0])
        yield opened


def put_back(folder: Path, file: Path, *, dry_run: bool = False) -> Restored:
    return restore(url(folder), file, author="ann", reason="the disk is gone", dry_run=dry_run)


def everything(app: PricingSync) -> object:
    return app.prices(), app.history("openrouter", "maker/model-1"), app.override_report()


def test_a_restored_ledger_has_the_prices_of_the_backup(app: PricingSync, tmp_path: Path) -> None:
    """With their history and the overrides; and what came after the backup is kept beside it."""
    rate = {Meter.OUTPUT: Rate.of("7", Per.MILLION)}
    app.set_override("openrouter", "maker/model-1", rate, author="ann", reason="contract")
    read(app, PRICES[1])
    made, before = app.backup(tmp_path / "backup.db"), everything(app)
    read(app, PRICES[2])
    after = everything(app)
    app.close()
    done = put_back(tmp_path, made.file)
    assert before == everything(app.open())
    assert made.contents == done.backup.contents
    # A change supersedes a row, and adds a closed one and a new one.
    found = made.contents
    assert (18, 6, 1, 2) == (found.cards, found.prices, found.overrides, found.readings)
    assert done.kept is not None
    with PricingSync(Settings(database=f"sqlite:///{done.kept}"), create=False) as kept:
        assert after == everything(kept)


def test_a_backup_is_checked_and_described(app: PricingSync, tmp_path: Path) -> None:
    """Its file is whole by itself, and nothing is left beside it."""
    steps: list[tuple[str, float]] = []
    made = app.backup(tmp_path / "backup.db", on_progress=lambda *step: steps.append(step))
    assert (STEPS[0], 1) in steps
    assert (STEPS[1], 0) == steps[-1]
    assert made.size_bytes == (tmp_path / "backup.db").stat().st_size
    with closing(sqlite3.connect(made.file)) as opened:
        assert ("delete",) == opened.execute("PRAGMA journal_mode").fetchone()
    assert {"prices.db", "prices.db-wal", "prices.db-shm", "backup.db"} == names(tmp_path)


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_backups_while_readings_are_stored(tmp_path: Path) -> None:
    """Each is the state of one instant: all models have the price of one reading."""
    stop, stored = threading.Event(), threading.Semaphore(0)

    def write() -> None:
        with PricingSync(Settings(database=url(tmp_path))) as app:
            number = 0
            while not stop.is_set():
                read(app, PRICES[number % 4], models=300)
                number += 1
                stored.release()

    writer = threading.Thread(target=write)
    found: set[str] = set()
    readings: list[int] = []
    writer.start()
    try:
        assert stored.acquire(timeout=120)
        for number in range(8):
            assert stored.acquire(timeout=120)
            folder = tmp_path / str(number)
            folder.mkdir()
            made = back_up(url(tmp_path), folder / "prices.db")
            rates = input_rates(folder)
            assert 1 == len(rates)
            found |= rates
            readings.append(made.contents.readings)
    finally:
        stop.set()
        writer.join(120)
    assert sorted(set(readings)) == readings
    assert len(found) > 1


def test_a_backup_never_replaces_a_file_by_itself(app: PricingSync, tmp_path: Path) -> None:
    """With `overwrite` it does, but never the database, by whatever name."""
    file = tmp_path / "backup.db"
    file.write_text("something else")
    with pytest.raises(SettingsError, match="exists"):
        app.backup(file)
    assert "something else" == file.read_text()
    app.backup(file, overwrite=True)
    (tmp_path / "link.db").symlink_to(tmp_path / "prices.db")
    for name in ("prices.db", "link.db"):
        with pytest.raises(SettingsError, match="is the database itself"):
            app.backup(tmp_path / name, overwrite=True)
    with pytest.raises(SettingsError, match="is a folder"):
        app.backup(tmp_path)
    with pytest.raises(StoreError, match="No such file or directory"):
        app.backup(tmp_path / "missing" / "backup.db")


def test_a_damaged_database_gives_no_backup(app: PricingSync, tmp_path: Path) -> None:
    """Otherwise the last good backup would be rotated away."""
    app.close()
    damage(tmp_path / "prices.db")
    with pytest.raises(StoreError, match=r"damaged|malformed"):
        back_up(url(tmp_path), tmp_path / "backup.db")
    assert not (tmp_path / "backup.db").exists()


def damage(file: Path) -> None:
    """Overwrite the second half of a database, as a broken disk does."""
    half = file.stat().st_size // 2
    with file.open("r+b") as opened:
        opened.seek(half)
        opened.write(b"\x5a" * half)


def truncated(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size - 4096)


def foreign(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE t (a)")
        database.commit()


def newer(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute("INSERT INTO pricing_migrations VALUES (999, 'later')")
        database.commit()


def incomplete(file: Path) -> None:
    file.with_name(f"{file.name}-wal").write_bytes(b"rows")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (truncated, "malformed|damaged"),
        (damage, "malformed|damaged"),
        (foreign, "not a database of this program"),
        (lambda file: file.write_text("not SQLite at all"), "file is not a database"),
        (lambda file: file.write_bytes(b""), "not a database of this program"),
        (newer, "schema 999 is newer"),
        (incomplete, "it is not whole"),
        (lambda file: file.unlink(), "No such file"),
    ],
    ids=["truncated", "damaged", "foreign", "text", "empty", "newer", "with_a_log", "missing"],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_file_that_is_no_backup_is_refused(
    app: PricingSync, tmp_path: Path, spoil: Callable[[Path], object], why: str, *, dry_run: bool
) -> None:
    """In one line, and the database is as it was."""
    file = app.backup(tmp_path / "backup.db").file
    before = everything(app)
    app.close()
    spoil(file)
    left = names(tmp_path)
    with pytest.raises(StoreError, match=why) as raised:
        put_back(tmp_path, file, dry_run=dry_run)
    assert str(raised.value).startswith(f"restore: {file}: ")
    assert "\n" not in str(raised.value)
    assert left | {"backup.db"} >= names(tmp_path)
    assert before == everything(app.open())


def test_a_restore_is_refused_while_the_database_is_open(app: PricingSync, tmp_path: Path) -> None:
    """A process that only waits has it open too. A dry run says so as well."""
    file = app.backup(tmp_path / "backup.db").file
    for dry_run in (True, False):
        with pytest.raises(StoreBusy, match="another process uses it"):
            put_back(tmp_path, file, dry_run=dry_run)
    read(app, PRICES[1])
    app.close()
    put_back(tmp_path, file)


def test_a_dry_run_changes_nothing(app: PricingSync, tmp_path: Path) -> None:
    """Not a byte, and no file is added."""
    file = app.backup(tmp_path / "backup.db").file
    app.close()
    before, left = (tmp_path / "prices.db").read_bytes(), names(tmp_path)
    done = put_back(tmp_path, file, dry_run=True)
    assert (before, left) == ((tmp_path / "prices.db").read_bytes(), names(tmp_path))
    assert done.kept is not None


def test_one_revision_never_has_two_contents(app: PricingSync, tmp_path: Path) -> None:
    """After a restore the revision is higher than that of the backup and of what it replaced."""
    file = app.backup(tmp_path / "backup.db").file
    read(app, PRICES[1])
    read(app, PRICES[2])
    highest = int(app.store.revision())
    app.close()
    put_back(tmp_path, file)
    assert highest + 1 == int(app.open().store.revision())
    app.close()
    (tmp_path / "prices.db").write_text("garbage")
    put_back(tmp_path, file)
    assert int(app.open().store.revision()) > highest + 1000


def test_a_restore_is_in_the_audit_log(app: PricingSync, tmp_path: Path) -> None:
    """Who, why, and which file."""
    made = app.backup(tmp_path / "backup.db")
    app.close()
    put_back(tmp_path, made.file)
    entry = app.open().audit_log(1)[0]
    assert ("restore", "ann", "the disk is gone") == (entry.action, entry.who, entry.reason)
    assert ("backup.db", made.sha256) == (entry.what["file"], entry.what["sha256"])


def test_a_damaged_or_missing_database_is_replaced(app: PricingSync, tmp_path: Path) -> None:
    """A log that was left of a missing one is kept too: it would spoil the new file."""
    file, before = app.backup(tmp_path / "backup.db").file, everything(app)
    app.close()
    database = tmp_path / "prices.db"
    database.write_text("garbage")
    kept = put_back(tmp_path, file).kept
    assert kept is not None
    assert "garbage" == kept.read_text()
    assert before == everything(app.open())
    app.close()
    database.unlink()
    (tmp_path / "prices.db-wal").write_text("its log")
    assert put_back(tmp_path, file).kept is None
    (log,) = tmp_path.glob("prices.db.replaced-*-wal")
    assert "its log" == log.read_text()
    assert before == everything(app.open())


def test_the_database_keeps_its_rights(app: PricingSync, tmp_path: Path) -> None:
    """The service, which is another user than who restores, can still write it."""
    file = app.backup(tmp_path / "backup.db").file
    app.close()
    (tmp_path / "prices.db").chmod(0o640)
    put_back(tmp_path, file)
    assert 0o640 == (tmp_path / "prices.db").stat().st_mode & 0o777
    assert 0o600 == file.stat().st_mode & 0o777


def test_a_backup_from_before_a_migration_goes_back(tmp_path: Path) -> None:
    """An upgrade is undone by it: the older program opens it, and this one migrates it again."""
    with connect(url(tmp_path), create=True) as store:
        store.migrate(upto=17)
    made = back_up(url(tmp_path), tmp_path / "backup.db")
    with connect(url(tmp_path)) as store:
        store.migrate()
    put_back(tmp_path, made.file)
    with connect(url(tmp_path)) as store:
        assert (17, [18]) == (store.version, store.migrate()[:1])


def test_only_sqlite_is_backed_up(tmp_path: Path) -> None:
    """Another database has tools of its own. The error shows no password."""
    other = "postgresql://ann:secret@host/prices"
    with pytest.raises(SettingsError, match="is not SQLite") as raised:
        back_up(other, tmp_path / "backup.db")
    assert "secret" not in str(raised.value)
    with pytest.raises(SettingsError, match="is not SQLite"):
        restore(other, tmp_path / "backup.db", author="ann", reason="r")


# A full disk and kill -9

_LIMITED = """
import sys
from pathlib import Path
from pricing_sync.errors import StoreError
from pricing_sync.store.backup import back_up
from pricing_sync.store.restore import restore
try:
    if sys.argv[1] == "backup":
        back_up(sys.argv[2], Path(sys.argv[3]))
    else:
        restore(sys.argv[2], Path(sys.argv[3]), author="a", reason="r")
except StoreError as error:
    print(error)
"""


@pytest.mark.parametrize("work", ["backup", "restore"])
def test_a_full_disk_changes_nothing(app: PricingSync, tmp_path: Path, work: str) -> None:
    """One line says why, and nothing half-written is left."""
    read(app, PRICES[1], models=400)
    file = tmp_path / "backup.db"
    if work == "restore":
        app.backup(file)
    before = everything(app)
    app.close()
    left, room = names(tmp_path), (tmp_path / "prices.db").stat().st_size // 2
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, work, url(tmp_path), str(file)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert 1 == done.stdout.count("\n"), done.stdout
    assert done.stdout.startswith(f"{work}: ")
    assert left == names(tmp_path)
    assert before == everything(app.open())


# For each line that it reads, it starts a copy of itself that is killed at the n-th thing that it
# asks of the operating system.
_KILLED = """
import os, signal, sys
from pathlib import Path
from pricing_sync.store.backup import back_up
from pricing_sync.store.restore import restore
work, url, file = sys.argv[1], sys.argv[2], Path(sys.argv[3])
for most, _ in enumerate(sys.stdin):
    child = os.fork()
    if not child:
        seen = 0
        def kill(event, arguments):
            global seen
            if event != "os.kill" and event.startswith(("open", "os.", "shutil.", "sqlite3.")):
                seen += 1
                if seen > most:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(kill)
        if work == "backup":
            back_up(url, file, overwrite=True)
        else:
            restore(url, file, author="a", reason="r")
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def killed_everywhere(work: str, folder: Path, file: Path) -> Iterator[None]:
    """Run it, killed at its first step, then at its second one, until it ends by itself."""
    command = [sys.executable, "-c", _KILLED, work, url(folder), str(file)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        code = -9
        while code == -9:
            process.stdin.write("\n")
            process.stdin.flush()
            code = int(process.stdout.readline())
            yield
        process.stdin.close()
    assert 0 == code


def test_a_killed_restore_leaves_the_old_database_or_the_new_one(
    app: PricingSync, tmp_path: Path
) -> None:
    """Whole, wherever it is killed; and the restore can be repeated."""
    file = app.backup(tmp_path / "backup.db").file
    read(app, PRICES[1])
    app.close()
    shutil.copy(tmp_path / "prices.db", tmp_path / "later.db")
    found: list[str] = []
    for _ in killed_everywhere("restore", tmp_path, file):
        (rate,) = input_rates(tmp_path)
        found.append(rate)
        with closing(sqlite3.connect(tmp_path / "prices.db")) as opened:
            assert ("ok",) == opened.execute("PRAGMA integrity_check").fetchone()
        for entry in tmp_path.glob("prices.db*"):
            entry.unlink()
        shutil.copy(tmp_path / "later.db", tmp_path / "prices.db")
    assert "2.6" == found[0]
    assert "2.5" == found[-1]
    assert sorted(found, reverse=True) == found  # first the old one, from some step on the new one
    assert len(found) > 10


def test_a_killed_backup_leaves_the_last_one(app: PricingSync, tmp_path: Path) -> None:
    """The file has its name only when it is whole and checked."""
    file, folder = tmp_path / "b" / "prices.db", tmp_path / "b"
    folder.mkdir()
    app.backup(file)
    read(app, PRICES[1])
    app.close()
    found: list[str] = []
    for _ in killed_everywhere("backup", tmp_path, file):
        found += input_rates(folder)
    assert ["2.5", "2.6"] == sorted(set(found))
    assert sorted(found) == found


def test_a_database_that_was_replaced_while_it_was_opened_is_refused(tmp_path: Path) -> None:
    """Its rows would go to the file that is kept, and be lost."""
    for name in ("prices.db", "other.db"):
        open_store(f"sqlite:///{tmp_path / name}", create=True).close()
    held = sqlite3.connect(tmp_path / "prices.db", isolation_level=None, check_same_thread=False)
    held.execute("PRAGMA journal_mode = DELETE")
    held.execute("BEGIN EXCLUSIVE")

    def replace() -> None:
        (tmp_path / "other.db").replace(tmp_path / "prices.db")
        held.close()

    timer = threading.Timer(0.3, replace)
    timer.start()
    with pytest.raises(StoreError, match="was removed or replaced"):
        open_store(url(tmp_path))
    timer.join()
