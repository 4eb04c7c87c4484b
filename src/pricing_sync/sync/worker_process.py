"""Work that would stall the host, done in a process of its own.

A decoder written in C holds the interpreter's lock until it is done: in a thread it stalls the
host's event loop as long as on the loop itself. So whatever follows an answer of many megabytes,
from decoding to storing, is done elsewhere, and only what came of it comes back.

The other process is a new interpreter with this one's path. It does not import the host's main
program, as those of `multiprocessing` would.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import struct
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, BinaryIO

from pricing_sync.errors import PricingSyncError
from pricing_sync.sources.http import Body, Fetched
from pricing_sync.store import Store, connect
from pricing_sync.sync.reading import (
    PendingAnswer,
    ReadingResult,
    process_answer,
    process_in_thread,
)

#: From here on an answer is worth starting a process for: with half a second of another core, the
#: host's loop stalls for two or three milliseconds where it would for eight (400 models, 0.7 MB).
LARGE_BYTES = 2**18
#: What takes longer than this will not end.
_DEADLINE_SECONDS = 600
_CHUNK_BYTES = 2**18
_FRAME_LENGTH = struct.Struct("!Q")
_BOOTSTRAP = (
    "import sys; sys.path[:] = sys.argv[1:]; "
    "from pricing_sync.sync.worker_process import main; main()"
)
#: The exit code of a process that has not the code that it is asked to run.
_CODE_MISSING = 3


class NotPicklable(Exception):
    """Work that cannot be told to another process: it is made of what only this one has."""


async def process_in_worker(
    answer: PendingAnswer, store: Store, *, database: str, at_once: asyncio.Semaphore
) -> ReadingResult:
    """Settle a large answer in another process, any other in a thread. Errors as `process_answer`.

    *at_once* limits the processes. The answer of a provider that cannot be told to another process
    is settled in a thread too.

    Raises:
        ChildProcessError: the other process died. Nothing was stored, or all of it was.
    """
    fetched = answer.fetched
    if isinstance(fetched, Fetched) and sum(map(len, fetched.pages)) >= LARGE_BYTES:
        shipped = replace(answer, fetched=replace(fetched, pages=()))
        with suppress(NotPicklable):
            async with at_once:
                result: ReadingResult = await run_in_worker(
                    _process, database, shipped, frames=fetched.pages
                )
            return result
    return await process_in_thread(answer, store)


def _process(database: str, answer: PendingAnswer, pages: Sequence[bytes]) -> ReadingResult:
    assert isinstance(answer.fetched, Fetched)  # noqa: S101  see `process_in_worker`
    whole = replace(answer, fetched=replace(answer.fetched, pages=tuple(pages)))
    with connect(database) as store:
        result = process_answer(whole, store)
    # Without the decision, which may be as large as the answer.
    return ReadingResult(reading=result.reading, finished_run=result.finished_run)


async def run_in_worker(
    work: Callable[..., Any], *arguments: Any, frames: Sequence[Body] = ()
) -> Any:
    """What `work(*arguments)` gives in another process; after the arguments, its *parts* if any.

    Whoever is cancelled here ends it there.

    Raises:
        NotPortable: the work, an argument, or the code it needs is not to be had there.
        ChildProcessError: it died, or broke.
        PricingSyncError: the work raised it.
    """
    try:
        head = pickle.dumps((work, arguments))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise NotPicklable(str(error)) from error
    code, output = await _exchange((head, *frames))
    if code == _CODE_MISSING:
        raise NotPicklable(work.__qualname__)
    if code:
        raise ChildProcessError(f"{work.__qualname__}: the process ended with {code}")
    result = pickle.loads(output)  # noqa: S301  from our own process
    if isinstance(result, PricingSyncError):
        raise result
    return result


async def _exchange(frames: Sequence[Body]) -> tuple[int, bytes]:
    """The other process's exit code, and what it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _BOOTSTRAP, *sys.path, stdin=PIPE, stdout=PIPE
    )
    try:
        async with asyncio.timeout(_DEADLINE_SECONDS):
            _, output = await asyncio.gather(_send(process, frames), _receive(process))
            return await process.wait(), output
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _send(process: Process, frames: Sequence[Body]) -> None:
    """Everything in small pieces, so that the loop gets its turn in between."""
    assert process.stdin is not None  # noqa: S101  it was asked for
    # A process that has ended without reading on says why by its exit code.
    with suppress(ConnectionError):
        for frame in frames:
            process.stdin.write(_FRAME_LENGTH.pack(len(frame)))
            for chunk in _chunks(frame):
                process.stdin.write(chunk)
                await process.stdin.drain()
        process.stdin.close()
        await process.stdin.wait_closed()


def _chunks(frame: Body) -> Iterator[memoryview]:
    whole = memoryview(frame)
    for start in range(0, len(frame), _CHUNK_BYTES):
        yield whole[start : start + _CHUNK_BYTES]


async def _receive(process: Process) -> bytes:
    assert process.stdout is not None  # noqa: S101  it was asked for
    return await process.stdout.read()


def main() -> None:
    """What the other process does."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the work prints is no part of what it gives
    head, *frames = _read_frames(sys.stdin.buffer)
    try:
        work, arguments = pickle.loads(head)  # noqa: S301  from our own process
    except (ImportError, AttributeError):
        sys.exit(_CODE_MISSING)
    try:
        result = work(*arguments, frames) if frames else work(*arguments)
    except PricingSyncError as error:
        result = error
    with out:
        out.write(pickle.dumps(result))


def _read_frames(stream: BinaryIO) -> Iterator[bytes]:
    while length := stream.read(_FRAME_LENGTH.size):
        yield stream.read(*_FRAME_LENGTH.unpack(length))
