"""Settling a large answer in a process of its own.

A decoder written in C holds the interpreter's lock until it is done: in a thread it would stall
the host's event loop as long as on the loop itself. So whoever reads 18 MB does all that follows
elsewhere, decoding to storing, and only the reading comes back.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import struct
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import BinaryIO

from pricing_sync.errors import PricingSyncError
from pricing_sync.fetch import Body, Fetched
from pricing_sync.store import Store, connect
from pricing_sync.sync import Taken, Unsettled, settle, settle_in_thread

#: From here on an answer is worth starting a process for.
LARGE_BYTES = 2**20
#: A decoder that takes longer than this will not end.
_DEADLINE_SECONDS = 600
_PIECE_BYTES = 2**18
_LENGTH = struct.Struct("!Q")
_START = "import sys; sys.path[:] = sys.argv[1:]; from pricing_sync.apart import main; main()"
#: The exit code of a process that has not the code that the answer asks for.
_CANNOT = 3


async def settle_apart(answer: Unsettled, store: Store, *, database: str) -> Taken:
    """Settle a large answer in another process, another one in a thread. Errors as `settle`.

    A provider that cannot be told to another process is settled in a thread too.

    Raises:
        ChildProcessError: the other process died. Nothing was stored, or all of it was.
    """
    got = answer.got
    if not isinstance(got, Fetched) or sum(map(len, got.pages)) < LARGE_BYTES:
        return await settle_in_thread(answer, store)
    try:
        head = pickle.dumps((database, replace(answer, got=replace(got, pages=()))))
    except (pickle.PicklingError, AttributeError, TypeError):
        return await settle_in_thread(answer, store)
    code, said = await _ask(head, got.pages)
    if code == _CANNOT:
        return await settle_in_thread(answer, store)
    if code:
        raise ChildProcessError(f"{answer.provider.id}: settling: the process ended with {code}")
    outcome: Taken | PricingSyncError = pickle.loads(said)  # noqa: S301  from our own process
    if isinstance(outcome, PricingSyncError):
        raise outcome
    return outcome


async def _ask(head: bytes, pages: tuple[Body, ...]) -> tuple[int, bytes]:
    """The other process's exit code, and what it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _START, *sys.path, stdin=PIPE, stdout=PIPE
    )
    try:
        async with asyncio.timeout(_DEADLINE_SECONDS):
            _, said = await asyncio.gather(_send(process, head, pages), _read(process))
            return await process.wait(), said
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _send(process: Process, head: bytes, pages: tuple[Body, ...]) -> None:
    """Everything in small pieces, so that the loop gets its turn in between."""
    assert process.stdin is not None  # noqa: S101  it was asked for
    # A process that has ended without reading on says why by its exit code.
    with suppress(ConnectionError):
        for part in (head, *pages):
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
    os.dup2(2, 1)  # what an imported module prints is no part of the answer
    head, *pages = _parts(sys.stdin.buffer)
    try:
        database, answer = pickle.loads(head)  # noqa: S301  from our own process
    except (ImportError, AttributeError):
        sys.exit(_CANNOT)
    answer = replace(answer, got=replace(answer.got, pages=tuple(pages)))
    with connect(database) as store:
        try:
            outcome: Taken | PricingSyncError = _brief(settle(answer, store))
        except PricingSyncError as error:
            outcome = error
    with out:
        out.write(pickle.dumps(outcome))


def _parts(stream: BinaryIO) -> Iterator[bytes]:
    while length := stream.read(_LENGTH.size):
        yield stream.read(*_LENGTH.unpack(length))


def _brief(taken: Taken) -> Taken:
    """Without the decision, which may be as large as the answer."""
    return Taken(reading=taken.reading, ended_run=taken.ended_run)
