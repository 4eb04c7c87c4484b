"""A real pooler, pgbouncer in transaction mode, in front of the PostgreSQL of the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import psycopg
import pytest

from databases import require_server

_PORT = 6432
#: Connections to the database. There are always more clients, so each of them meets all of these.
POOL_SIZE = 3
_START_SECONDS = 30
_SETTINGS = """
[databases]
* = host={host} user=postgres

[pgbouncer]
listen_addr =
listen_port = {port}
unix_socket_dir = {folder}
auth_type = any
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 500
server_reset_query =
logfile = {folder}/log
"""


def _program() -> str:
    path = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if path is not None:
        return path
    why = "pgbouncer is not installed (Debian: pgbouncer)"
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


@contextmanager
def pooled(name: str) -> Iterator[str]:
    """The URL of a database of the tests' server through a pooler."""
    direct = urlsplit(require_server().url(name))
    host = parse_qs(direct.query).get("host", [direct.hostname or ""])[0]
    folder = Path(tempfile.mkdtemp(prefix="pricing-sync-pooler-"))
    (folder / "settings.ini").write_text(
        _SETTINGS.format(host=host, folder=folder, port=_PORT, size=POOL_SIZE)
    )
    as_user: dict[str, Any] = {}
    if os.geteuid() == 0:  # it refuses to run as root
        as_user = {"user": "nobody", "group": None, "extra_groups": []}
        shutil.chown(folder, "nobody")
    command = [_program(), str(folder / "settings.ini")]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd="/", **as_user)
    url = f"postgresql://postgres@/{name}?host={quote(str(folder), safe='')}&port={_PORT}"
    try:
        _wait(url, process, folder / "output")
        yield url
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


def _wait(url: str, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = monotonic() + _START_SECONDS
    while True:
        with suppress(psycopg.OperationalError):
            psycopg.connect(url).close()
            return
        if process.poll() is not None or monotonic() > deadline:
            pytest.fail(output.read_text()[-1000:])
        sleep(0.02)
