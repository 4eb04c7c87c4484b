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
from pricing_sync.sync.reading import Taken, Unsettled, settle, settle_in_thread

#: From here on an answer is worth starting a process for: with half a second of another core, the
#: host's loop stalls for two or three milliseconds where it would for eight (400 models, 0.7 MB).
LARGE_BYTES = 2**18
#: What takes longer than this will not end.
_DEADLINE_SECONDS = 600
_PIECE_BYTES = 2**18
_LENGTH = struct.Struct("!Q")
_START = (
    "import sys; sys.path[:] = sys.argv[1:]; "
    "from pricing_sync.sync.worker_process import main; main()"
)
#: The exit code of a process that has not the code that it is asked to run.
_UNKNOWN = 3


class NotPortable(Exception):
    """Work that cannot be told to another process: it is made of what only this one has."""


async def settle_apart(
    answer: Unsettled, store: Store, *, database: str, at_once: asyncio.Semaphore
) -> Taken:
    """Settle a large answer in another process, any other in a thread. Errors as `settle`.

    *at_once* limits the processes. The answer of a provider that cannot be told to another process
    is settled in a thread too.

    Raises:
        ChildProcessError: the other process died. Nothing was stored, or all of it was.
    """
    got = answer.got
    if isinstance(got, Fetched) and sum(map(len, got.pages)) >= LARGE_BYTES:
        told = replace(answer, got=replace(got, pages=()))
        with suppress(NotPortable):
            async with at_once:
                taken: Taken = await apart(_settle, database, told, parts=got.pages)
            return taken
    return await settle_in_thread(answer, store)


def _settle(database: str, answer: Unsettled, pages: Sequence[bytes]) -> Taken:
    assert isinstance(answer.got, Fetched)  # noqa: S101  see `settle_apart`
    whole = replace(answer, got=replace(answer.got, pages=tuple(pages)))
    with connect(database) as store:
        taken = settle(whole, store)
    # Without the decision, which may be as large as the answer.
    return Taken(reading=taken.reading, ended_run=taken.ended_run)


async def apart(work: Callable[..., Any], *arguments: Any, parts: Sequence[Body] = ()) -> Any:
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
        raise NotPortable(str(error)) from error
    code, said = await _ask((head, *parts))
    if code == _UNKNOWN:
        raise NotPortable(work.__qualname__)
    if code:
        raise ChildProcessError(f"{work.__qualname__}: the process ended with {code}")
    given = pickle.loads(said)  # noqa: S301  from our own process
    if isinstance(given, PricingSyncError):
        raise given
    return given


async def _ask(parts: Sequence[Body]) -> tuple[int, bytes]:
    """The other process's exit code, and what it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _START, *sys.path, stdin=PIPE, stdout=PIPE
    )
    try:
        async with asyncio.timeout(_DEADLINE_SECONDS):
            _, said = await asyncio.gather(_send(process, parts), _read(process))
            return await process.wait(), said
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _send(process: Process, parts: Sequence[Body]) -> None:
    """Everything in small pieces, so that the loop gets its turn in between."""
    assert process.stdin is not None  # noqa: S101  it was asked for
    # A process that has ended without reading on says why by its exit code.
    with suppress(ConnectionError):
        for part in parts:
            process.stdin.write(_LENGTH.pack(len(part)))
            for piece in _pieces(part):
                process.stdin.write(piece)
                await process.stdin.drain()
        process.stdin.close()
        await process.stdin.wait_closed()


def _pieces(part: Body) -> Iterator[memoryview]:
    whole = memoryview(part)
    for start in range(0, len(part), _PIECE_BYTES):
        yield whole[start : start + _PIECE_BYTES]


async def _read(process: Process) -> bytes:
    assert process.stdout is not None  # noqa: S101  it was asked for
    return await process.stdout.read()


def main() -> None:
    """What the other process does."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the work prints is no part of what it gives
    head, *parts = _parts(sys.stdin.buffer)
    try:
        work, arguments = pickle.loads(head)  # noqa: S301  from our own process
    except (ImportError, AttributeError):
        sys.exit(_UNKNOWN)
    try:
        given = work(*arguments, parts) if parts else work(*arguments)
    except PricingSyncError as error:
        given = error
    with out:
        out.write(pickle.dumps(given))


def _parts(stream: BinaryIO) -> Iterator[bytes]:
    while length := stream.read(_LENGTH.size):
        yield stream.read(*_LENGTH.unpack(length))
