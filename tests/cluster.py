"""A cluster on loopback, as processes: PostgreSQL, services, workers, and simulated providers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from pwd import getpwnam
from time import monotonic, sleep
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import psycopg

from ports import free_port
from pricing_sync.demo.server import DemoServer

from databases import _LAUNCHER, _programs, _readable
from service import KEYS

TOKEN = "a-token-of-the-cluster"
EVERY_SECONDS, LEASE_SECONDS = 4, 3
#: Simulated providers; each has a schedule of its own.
PROVIDERS = ("openrouter", "novita", "deepinfra", "together", "chutes", "nearai")
_WAIT_SECONDS = 90
_T = TypeVar("_T")

_FILE = """
engine = "procrastinate"
database = "{database}"
providers = [{names}]
interval_hours = {hours}
first_delay_seconds = 1
lease_seconds = {lease}
stop_seconds = 5
attempts = 1
reference_hours = 0
log_level = "warning"
"""
_PROVIDER = """
[provider.{name}]
base_url = "{url}"
"""


class Postgres:
    """A server of its own, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "postgres"
        self._folder.mkdir()
        self._as_user: dict[str, Any] = {}
        self._user_id = ""
        self._programs = _programs()
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            self._as_user = {"user": "nobody", "group": None, "extra_groups": []}
            self._user_id = str(getpwnam("nobody").pw_uid)
            folder.chmod(0o755)
            shutil.chown(self._folder, "nobody")
            self._programs = _readable(self._programs, self._folder, self._as_user)
        self.url = f"postgresql://postgres@/postgres?host={quote(str(self._folder), safe='')}"
        subprocess.run(
            [
                self._programs / "initdb",
                *("--pgdata", self._folder / "data", "--username", "postgres", "--auth", "trust"),
                *("--no-sync", "--encoding", "UTF8", "--no-locale"),
            ],
            check=True,
            capture_output=True,
            cwd=self._folder,
            **self._as_user,
        )

    def start(self) -> None:
        """Start it, and wait until it responds."""
        with (self._folder / "log").open("ab") as log:
            for _ in until(lambda: not self._is_there(), "PostgreSQL does not start"):
                # After it was killed, its memory is free when its last process has ended.
                self._process = subprocess.Popen(
                    [
                        *(sys.executable, "-c", _LAUNCHER, self._user_id),
                        str(self._programs / "postgres"),
                        *("-D", str(self._folder / "data"), "-k", str(self._folder)),
                        *("-c", "listen_addresses=", "-c", "max_connections=200"),
                    ],
                    stdout=log,
                    stderr=log,
                    cwd=self._folder,
                )
                while self._process.poll() is None and not self._is_there():
                    sleep(0.05)

    def _is_there(self) -> bool:
        with suppress(psycopg.OperationalError):
            psycopg.connect(self.url).close()
            return True
        return False

    def kill(self) -> None:
        """End it without a word to anybody."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()


class Cluster:
    """The processes, and a connection to their database."""

    def __init__(self, folder: Path, providers: DemoServer, services: int, workers: int) -> None:
        self.providers = providers
        self._folder, self._stack = folder, ExitStack()
        self.postgres = Postgres(folder)
        self.postgres.start()
        self._stack.callback(self.postgres.stop)
        (folder / "pricing-sync.toml").write_text(self._settings())
        self.run("migrate")
        self.ports = [free_port() for _ in range(services)]
        self.services = [self._start("serve", "--port", str(port)) for port in self.ports]
        self.workers = [self._start("worker") for _ in range(workers)]
        self.api = [
            self._stack.enter_context(
                httpx.Client(
                    base_url=f"http://127.0.0.1:{port}",
                    headers={"Authorization": f"Bearer {TOKEN}"},
                    timeout=30,
                )
            )
            for port in self.ports
        ]

    def _settings(self) -> str:
        text = _FILE.format(
            database=self.postgres.url,
            names=", ".join(f'"{name}"' for name in PROVIDERS),
            hours=EVERY_SECONDS / 3600,
            lease=LEASE_SECONDS,
        )
        tables = [
            _PROVIDER.format(name=name, url=self.providers.base_url(name)) for name in PROVIDERS
        ]
        return text + "".join(tables)

    @property
    def _environment(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if "PRICING_SYNC" not in name}
        return ours | KEYS | {"ADMIN_TOKEN": TOKEN}

    def run(self, *arguments: str) -> None:
        """Run a command to its end."""
        command = [sys.executable, "-m", "pricing_sync", *arguments]
        subprocess.run(
            command, check=True, cwd=self._folder, env=self._environment, capture_output=True
        )

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        log = (self._folder / "processes.log").open("ab")
        with log:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-c", _LAUNCHER, ""),
                    *(sys.executable, "-m", "pricing_sync", *arguments),
                ],
                cwd=self._folder,
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        self._stack.callback(_end, process)
        return process

    def add_worker(self) -> None:
        """Start one more worker."""
        self.workers.append(self._start("worker"))

    def log(self) -> str:
        """What the processes have logged."""
        return (self._folder / "processes.log").read_text("utf-8")

    def close(self) -> None:
        """End everything."""
        self._stack.close()

    def stop_processes(self) -> list[int]:
        """Ask all processes to stop; the exit codes of the workers."""
        for process in (*self.services, *self.workers):
            process.terminate()
        for process in self.services:
            process.wait(30)
        return [process.wait(30) for process in self.workers]

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query, on a connection of its own."""
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            return connection.execute(sql.encode(), values).fetchall()

    def reader_of(self, provider: str) -> subprocess.Popen[bytes]:
        """The worker that reads a provider; waits until one does."""
        for _ in until(lambda: not self._owner(provider), f"{provider} is not read"):
            sleep(0.02)
        process_id = self._owner(provider)
        return next(one for one in self.workers if one.pid == process_id)

    def _owner(self, provider: str) -> int | None:
        found = self.query(
            "SELECT w.owner FROM pricing_queue q"
            " JOIN pricing_leases w ON w.name = 'worker ' || q.owner"
            " WHERE q.state = 'reading' AND q.provider = %s",
            provider,
        )
        return int(found[0][0].rpartition(":")[2]) if found else None

    def next_valid(self, provider: str, count: int) -> None:
        """Wait until a provider has more valid readings than *count*."""
        why = f"{provider} is not read again"
        for _ in until(lambda: self.valid(provider) <= count, why):
            sleep(0.05)

    def valid(self, provider: str) -> int:
        """How many valid readings a provider has."""
        found = self.query(
            "SELECT COUNT(*) FROM pricing_readings"
            " WHERE provider = %s AND status IN ('read', 'unchanged')",
            provider,
        )
        return int(found[0][0])


@contextmanager
def running_cluster(services: int, workers: int) -> Iterator[Cluster]:
    """A cluster in a folder of its own, which is removed."""
    with tempfile.TemporaryDirectory(prefix="pricing-sync-") as folder, DemoServer() as providers:
        cluster = Cluster(Path(folder), providers, services, workers)
        try:
            yield cluster
        finally:
            cluster.close()


def until(goes_on: Callable[[], bool], why: str) -> Iterator[None]:
    """Go on while a condition holds; fails after a long time."""
    deadline = monotonic() + _WAIT_SECONDS
    while goes_on():
        if monotonic() > deadline:
            raise TimeoutError(why)
        yield


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()


#: What must have no row at any time. Each reads the whole history.
INVARIANTS = {
    "a reading has all its cards": """
        SELECT r.id FROM pricing_readings r
        WHERE r.status = 'read' AND (r.changes ->> 'added')::int + (r.changes ->> 'changed')::int
            + (r.changes ->> 'returned')::int <> (
            SELECT COUNT(DISTINCT card_id) FROM pricing_ledger l
            WHERE l.reading_id = r.id AND l.card_id LIKE r.id || '-%')
    """,
    "a card has its reading": """
        SELECT card_id FROM pricing_ledger l
        WHERE NOT EXISTS (SELECT 1 FROM pricing_readings r WHERE r.id = l.reading_id)
    """,
    "a model has one card at an instant": """
        SELECT a.model FROM pricing_ledger a JOIN pricing_ledger b
            ON a.provider = b.provider AND a.model = b.model AND a.ctid < b.ctid
        WHERE a.superseded_at IS NULL AND b.superseded_at IS NULL
            AND a.since < COALESCE(b.until, 'infinity') AND b.since < COALESCE(a.until, 'infinity')
    """,
    "a reading has its evidence": """
        SELECT id FROM pricing_readings r WHERE digest IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM pricing_evidence e WHERE e.digest = r.digest)
    """,
    "a claim that has ended has one reading": """
        SELECT q.run_id, q.provider FROM pricing_queue q
        WHERE q.state NOT IN ('queued', 'reading') AND 1 <> (
            SELECT COUNT(*) FROM pricing_readings r
            WHERE r.run_id = q.run_id AND r.provider = q.provider)
    """,
    "a reading was claimed": """
        SELECT r.id FROM pricing_readings r WHERE NOT EXISTS (
            SELECT 1 FROM pricing_queue q
            WHERE q.run_id = r.run_id AND q.provider = r.provider
                AND q.state NOT IN ('queued', 'reading'))
    """,
    "a provider is read by one at a time": """
        SELECT a.id FROM pricing_readings a JOIN pricing_readings b
            ON a.provider = b.provider AND a.id < b.id
        WHERE a.status IN ('read', 'unchanged') AND b.status IN ('read', 'unchanged')
            AND a.started_at < b.finished_at AND b.started_at < a.finished_at
    """,
    "a slot is one run": f"""
        SELECT q.provider, slot FROM (
            SELECT q.provider, q.state,
                floor(extract(epoch FROM r.started_at - s.anchor_at) / {EVERY_SECONDS}) AS slot
            FROM pricing_queue q JOIN pricing_runs r ON r.id = q.run_id
            JOIN pricing_schedule s ON s.provider = q.provider
            WHERE r.started_by = 'schedule'
        ) q
        GROUP BY q.provider, slot
        HAVING COUNT(*) - COUNT(*) FILTER (WHERE q.state IN ('failed', 'cancelled')) > 1
    """,
    "a run ends": """
        SELECT id FROM pricing_runs WHERE finished_at IS NULL
            AND NOT EXISTS (SELECT 1 FROM pricing_queue q
                WHERE q.run_id = id AND q.state IN ('queued', 'reading'))
    """,
}


def broken_invariants(cluster: Cluster) -> Sequence[str]:
    """The invariants that do not hold, with the rows that break them."""
    broken = []
    for name, sql in INVARIANTS.items():
        found = cluster.query(sql.replace("%", "%%"))
        if found:
            broken.append(f"{name}: not so: {found[:3]}")
    return broken
