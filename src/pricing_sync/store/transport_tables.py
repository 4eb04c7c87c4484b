"""The tables in which Procrastinate carries run ids between processes. They are its own.

They are made from the files of the installed version. A comment on one of them says up to which of
its migrations. Tables without it belong to another program of the operator, which keeps them up to
date: they are used as they are.
"""

from __future__ import annotations

from importlib import resources

from pricing_sync.errors import SettingsError, StoreError
from pricing_sync.store.connection import MIGRATION_WAIT_SECONDS, Connection

_JOBS = "procrastinate_jobs"
_SET_BY_US = "made by pricing-sync, migration "
_FOUND = """
SELECT to_regclass(:name) IS NOT NULL, COALESCE(obj_description(to_regclass(:name), 'pg_class'), '')
"""


def migrate_transport(connection: Connection) -> list[str]:
    """Make the tables, or apply the migrations that are missing; return the names of these.

    Of several processes that migrate at once, one does it and the others wait for it.

    Raises:
        SettingsError: Procrastinate is not installed, or the database is not PostgreSQL.
        StoreError: the tables cannot be made.
    """
    if connection.dialect != "postgres":
        raise SettingsError("engine: procrastinate needs a database in PostgreSQL")
    if not _missing(connection):
        return []
    with connection.transaction(MIGRATION_WAIT_SECONDS):
        missing = _missing(connection)
        for _, sql in missing:
            connection.execute_script(sql)
        if missing:
            comment = _SET_BY_US + _migrations()[-1][0]
            connection.execute_script(f"COMMENT ON TABLE {_JOBS} IS '{comment}'")
    return [name for name, _ in missing]


def _missing(connection: Connection) -> list[tuple[str, str]]:
    """What is to be run: nothing, all the tables at once, or single migrations."""
    is_there, comment = connection.fetch_all(_FOUND, {"name": _JOBS})[0]
    if not is_there:
        return [(_migrations()[-1][0], _read("schema.sql"))]
    if not comment.startswith(_SET_BY_US):
        return []
    applied = comment.removeprefix(_SET_BY_US)
    return [(name, sql) for name, sql in _migrations() if name > applied]


def _migrations() -> list[tuple[str, str]]:
    """The migrations of the installed version in order, by name: `03.04.00_50_post_…`."""
    folder = resources.files(_package()).joinpath("migrations")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    if not names:
        raise StoreError("procrastinate: this version has no migrations where they are expected")
    return [(name.removesuffix(".sql"), _read(f"migrations/{name}")) for name in names]


def _read(file: str) -> str:
    return resources.files(_package()).joinpath(file).read_text("utf-8")


def _package() -> str:
    try:
        import procrastinate.sql
    except ImportError as error:
        raise SettingsError(
            "engine: procrastinate: pip install 'pricing-sync[postgres]' to use it"
        ) from error
    return procrastinate.sql.__name__
