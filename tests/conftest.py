"""What all tests share."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from pricing_sync.observe.logs import LOGGERS
from pricing_sync.store.sqlite import SqliteConnection

from command import Run, runner
from databases import KINDS, database_url, databases, require_server

# Tests do not time. A slow machine is no failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# No test reads the public catalogs. Those of the tests are named by the tests that need them.
os.environ["PRICING_SYNC_REFERENCE_HOURS"] = "0"

# No test asks a public server. To load all authorities for each client would take seconds in all.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).with_name("authority.pem"))

# No test cuts the power. Waiting for the disk would take most of the time of the whole suite.
SqliteConnection.synchronous = "OFF"


#: The folders and files whose tests run with SQLite alone: they open no database, or stand on the
#: store and ask it nothing that other tests do not ask.
_WITH_SQLITE: tuple[str, ...] = (
    *("demo/", "deploy/", "exports/", "prices/", "referee/", "rerating/", "settings/", "sources/"),
    *("test_deployment.py", "test_docs.py", "test_leaks.py", "test_reference_pages.py"),
    *("test_shown.py", "test_timetable.py", "web/pages/"),
)


#: Those that ask the store what its own tests ask: with both kinds by `--every-database`.
_ON_THE_STORE = ("cli/", "notify/", "observe/", "push/", "web/")


def pytest_xdist_auto_num_workers() -> int:
    """Four processes on two cores: many tests wait for a process, a lease or a timer."""
    return 2 * (os.cpu_count() or 1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-database",
        action="store_true",
        help="run the tests of the commands, routes, metrics and deliveries with PostgreSQL too",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sqlite(why): only with SQLite")
    config.addinivalue_line("markers", "postgres: only with PostgreSQL")


def pytest_collection_finish() -> None:
    """What was collected stays to the end, and is most of what there is: nobody searches it for
    garbage again."""
    gc.collect()
    gc.freeze()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test that may open a database runs with every kind of one."""
    path = metafunc.definition.path.relative_to(metafunc.config.rootpath / "tests").as_posix()
    with_sqlite = _WITH_SQLITE
    if not metafunc.config.getoption("--every-database"):
        with_sqlite += _ON_THE_STORE
    has_folder = {"tmp_path", "tmp_path_factory"} & set(metafunc.fixturenames)
    if metafunc.definition.get_closest_marker("postgres"):
        kinds: tuple[str, ...] = ("postgres",)
    elif (
        not has_folder
        or path.startswith(with_sqlite)
        or metafunc.definition.get_closest_marker("sqlite")
    ):
        return
    else:
        kinds = KINDS
    metafunc.parametrize("database_kind", kinds, indirect=True, scope="module")


@pytest.fixture(scope="module", autouse=True)
def database_kind(request: pytest.FixtureRequest) -> Iterator[str]:
    """The kind of the databases of the test."""
    databases.kind = getattr(request, "param", "sqlite")
    if databases.kind == "postgres":
        require_server()
    with databases.released():
        yield databases.kind
    databases.kind = "sqlite"


@pytest.fixture(autouse=True)
def _own_databases(database_kind: str) -> Iterator[None]:  # noqa: ARG001
    """What a test has stored is gone after it."""
    with databases.released():
        yield


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Commands that a test runs in this process configure the loggers: only for that test."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(list(one.handlers), one.level, one.propagate) for one in loggers]
    yield
    for one, (handlers, level, propagate) in zip(loggers, before, strict=True):
        one.handlers[:], one.propagate = handlers, propagate
        one.setLevel(level)


@pytest.fixture(scope="session")
def apprise_loaded() -> None:
    """Apprise with all its plug-ins, which use what Python has deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        apprise = importlib.import_module("apprise")
        apprise.Apprise().add("json://127.0.0.1")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in an empty folder, without anybody's keys."""
    monkeypatch.chdir(tmp_path)
    for name in (
        *("OPENROUTER_API_KEY", "PRICING_SYNC_DATABASE", "PRICING_SYNC_PROVIDERS"),
        "COLUMNS",  # as in a pipe: nothing is cut
    ):
        monkeypatch.delenv(name, raising=False)
    if databases.kind != "sqlite":
        monkeypatch.setenv("PRICING_SYNC_DATABASE", database_url(tmp_path))
    return runner(monkeypatch, capsys)
