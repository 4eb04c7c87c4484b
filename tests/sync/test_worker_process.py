"""Large answers are processed in a worker process, with the same results as in this one."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.changes.run import Reading
from pricing_sync.prices.book import Price
from pricing_sync.settings import ProviderSettings
from pricing_sync.sources.providers import find
from pricing_sync.sources.rows import Page
from pricing_sync.sync.access import ProviderAccess
from pricing_sync.sync.worker_process import LARGE_BYTES

from built import catalogue
from fault_server import FaultServer, response
from service import RecordingListener, settings_of, until

MODELS = 200
#: Spaces between the tokens of JSON mean nothing.
LARGE = catalogue(MODELS) + b" " * LARGE_BYTES


def test_the_answers_of_these_tests_are_large() -> None:
    """Otherwise the tests would start no worker."""
    assert len(LARGE) > LARGE_BYTES > len(catalogue(3))


def read(
    folder: Path, *bodies: bytes, access: ProviderAccess | None = None
) -> tuple[list[Reading], list[Price], list[str]]:
    """Read each body in turn with a service: the readings, the prices and the workers."""
    recorder = RecordingListener()

    async def work() -> None:
        async with FaultServer(*(response(200, body) for body in bodies)) as provider:
            settings = settings_of(folder, None, ["openrouter"]).model_copy(
                update={"provider": {"openrouter": ProviderSettings(base_url=provider.url)}}
            )
            pricing = PricingSync(settings, access=access, listeners=[recorder])
            async with pricing.lifespan():
                for number in range(1, len(bodies) + 1):
                    run, _ = await pricing.trigger()
                    await pricing.wait(run.id, 120)
                    await until(lambda n=number: len(recorder.readings) == n)
                prices.extend(pricing.prices())

    prices: list[Price] = []
    with started_programs() as started:
        asyncio.run(work())
    return sorted(recorder.readings, key=lambda reading: reading.started_at), prices, started


@contextmanager
def started_programs() -> Iterator[list[str]]:
    """The arguments of the processes that are started in the block."""
    started: list[str] = []

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "subprocess.Popen" and watching:
            started.append(str(arguments[1]))

    watching = True
    sys.addaudithook(hook)
    try:
        yield started
    finally:
        watching = False


def test_a_large_answer_is_processed_in_a_worker_and_all_of_it_counts(tmp_path: Path) -> None:
    """Prices, counts and the end of the run are the same as in this process."""
    (first, second), prices, started = read(
        tmp_path, LARGE, LARGE.replace(b"0.0000025", b"0.000003")
    )
    assert 2 == len(started)
    assert ("read", MODELS, MODELS) == (
        first.state,
        first.listings["priced"],
        first.changes["added"],
    )
    assert MODELS == second.changes["changed"] + second.changes["held"]
    assert MODELS == len(prices)


def test_a_small_answer_starts_no_process(tmp_path: Path) -> None:
    """For a small answer a worker costs more than it saves."""
    (reading,), prices, started = read(tmp_path, catalogue(3))
    assert ("read", 3, []) == (reading.state, len(prices), started)


def test_the_same_large_bytes_start_no_process(tmp_path: Path) -> None:
    """An unchanged answer is not decoded."""
    (_, again), _, started = read(tmp_path, LARGE, LARGE)
    assert ("unchanged", 1) == (again.state, len(started))
    assert MODELS == again.listings["priced"]


def test_an_answer_that_a_worker_cannot_read_fails_as_in_this_process(tmp_path: Path) -> None:
    """With the same kind of error."""
    (reading,), prices, started = read(tmp_path, LARGE[100:])
    assert ("failed", "decode", [], 1) == (
        reading.state,
        reading.error_kind,
        prices,
        len(started),
    )


def test_a_provider_that_cannot_be_pickled_is_read_in_this_process(tmp_path: Path) -> None:
    """For example one whose decoder is a function in a function of the embedder."""
    real = find("openrouter")
    decoded: list[int] = []

    def decode(body: bytes) -> Page:
        decoded.append(os.getpid())
        return real.decode(body)

    settings = settings_of(tmp_path, None, ["openrouter"])
    access = ProviderAccess(settings, [replace(real, decode=decode)])
    readings = read_with(tmp_path, access)
    assert ["read"] == [reading.state for reading in readings]
    assert [os.getpid()] == decoded


def read_with(folder: Path, access: ProviderAccess) -> list[Reading]:
    """Read the large answer with *access*, which gets the fault server's URL."""
    recorder = RecordingListener()

    async def work() -> None:
        async with FaultServer(response(200, LARGE)) as provider:
            settings = settings_of(folder, None, ["openrouter"]).model_copy(
                update={"provider": {"openrouter": ProviderSettings(base_url=provider.url)}}
            )
            access._settings = settings
            pricing = PricingSync(settings, access=access, listeners=[recorder])
            async with pricing.lifespan():
                run, _ = await pricing.trigger()
                await pricing.wait(run.id, 120)
                await until(lambda: recorder.readings)

    asyncio.run(work())
    return recorder.readings


def test_a_killed_worker_fails_the_reading_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when memory runs out: the reading fails, the host goes on, the ledger is unchanged."""
    real = asyncio.create_subprocess_exec

    async def killed(*program: str, **streams: int) -> asyncio.subprocess.Process:
        process = await real(*program, **streams)  # type: ignore[arg-type]
        process.send_signal(signal.SIGKILL)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", killed)
    (reading,), prices, _ = read(tmp_path, LARGE)
    assert ("failed", "internal", []) == (reading.state, reading.error_kind, prices)


@pytest.mark.sqlite("the host's database is a file")
def test_a_host_without_a_main_guard_is_not_run_again(tmp_path: Path) -> None:
    """A worker that imports the main program would start the host a second time."""
    host = tmp_path / "host.py"
    tests = str(Path(__file__).parents[1])
    host.write_text(
        f"import sys; sys.path.insert(0, {tests!r})\n"
        "print('host')\n"
        "from pathlib import Path\n"
        "from sync.test_worker_process import LARGE, read\n"
        "print([reading.state for reading in read(Path(sys.argv[1]), LARGE)[0]])\n"
    )
    program = [sys.executable, str(host), str(tmp_path)]
    ran = subprocess.run(program, capture_output=True, text=True, check=True, timeout=120)
    assert ["host", "['read']"] == ran.stdout.splitlines()
