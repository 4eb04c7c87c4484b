"""Runs work that would stall the host's event loop in a worker process.

A decoder written in C holds the interpreter's lock until it is done: in a thread it stalls the
host's event loop as long as on the loop itself. So an answer of many megabytes is decoded, judged
and stored in a worker process, and only the reading comes back.

The worker is a new interpreter with the `sys.path` of this one. It does not import the host's main
program, as the processes of `multiprocessing` would.
"""

from __future__ import annotations

import asyncio
import gc
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
    ProcessAnswer,
    ReadingResult,
    process_answer,
    process_in_thread,
)

#: Answers of this size and more are processed in a worker, which costs half a second of another
#: core. The host's loop stalls for 2 to 5 ms instead of 7 ms at 0.3 MB, 10 ms at 0.7 MB (400
#: models), 80 ms at 5 MB and 120 ms at 18 MB. Below, a thread stalls it for 5 ms or less.
LARGE_BYTES = 2**18
#: A worker that runs longer is killed.
_DEADLINE_SECONDS = 600
_CHUNK_BYTES = 2**18
_FRAME_LENGTH = struct.Struct("!Q")
_BOOTSTRAP = (
    "import sys; sys.path[:] = sys.argv[1:]; "
    "from pricing_sync.sync.worker_process import main; main()"
)
#: Exit code of a worker that cannot import the work.
_CODE_MISSING = 3


class NotPicklable(Exception):
    """The work cannot be sent to a worker: it cannot be pickled here, or not imported there."""


async def process_in_worker(
    pending: PendingAnswer,
    store: Store,
    *,
    database: str,
    at_once: asyncio.Semaphore,
    in_thread: ProcessAnswer = process_in_thread,
) -> ReadingResult:
    """Process a large answer in a worker, any other *in_thread*. Errors as `process_answer`.

    *at_once* limits the number of workers. An answer whose provider cannot be pickled is processed
    in a thread too.

    Raises:
        ChildProcessError: the worker died. Either nothing was stored or everything.
    """
    fetched = pending.fetched
    if isinstance(fetched, Fetched) and sum(map(len, fetched.pages)) >= LARGE_BYTES:
        # The pages are sent as frames, not pickled.
        without_pages = replace(pending, fetched=replace(fetched, pages=()))
        with suppress(NotPicklable):
            async with at_once:
                result: ReadingResult = await run_in_worker(
                    _process_pages, database, without_pages, frames=fetched.pages
                )
            await asyncio.to_thread(store.revision_made)
            return result
    return await in_thread(pending, store)


def _process_pages(
    database: str, without_pages: PendingAnswer, pages: Sequence[bytes]
) -> ReadingResult:
    fetched = without_pages.fetched
    assert isinstance(fetched, Fetched)  # noqa: S101  see `process_in_worker`
    pending = replace(without_pages, fetched=replace(fetched, pages=tuple(pages)))
    with connect(database) as store:
        result = process_answer(pending, store)
    # Without the plan, which can be as large as the answer.
    return ReadingResult(reading=result.reading, finished_run=result.finished_run)


async def run_in_worker(
    work: Callable[..., Any], *arguments: Any, frames: Sequence[Body] = ()
) -> Any:
    """The result of `work(*arguments)` in a worker; non-empty *frames* are its last argument.

    Cancelling this call kills the worker.

    Raises:
        NotPicklable: the work or an argument cannot be pickled, or the worker cannot import it.
        ChildProcessError: the worker died, or the work raised another error.
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
    """Send *frames* to a new worker; returns its exit code and its output."""
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
    """Write the frames in small chunks, so that the event loop is not blocked."""
    assert process.stdin is not None  # noqa: S101  see `_exchange`
    # A worker that ends before it has read everything gives the reason in its exit code.
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
    assert process.stdout is not None  # noqa: S101  see `_exchange`
    return await process.stdout.read()


def main() -> None:
    """The main program of a worker: read frames, run the work, write the pickled result."""
    # It ends after one answer, and looking for cycles would take a sixth of its time.
    gc.disable()
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # prints of the work must not mix with the result
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
