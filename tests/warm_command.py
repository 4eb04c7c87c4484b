"""`pricing-sync` for shells: each command in a process of its own, forked after the imports.

The imports are most of the time of a command, and the documentation shows a hundred of them.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pricing_sync.cli import main

#: Hands over its arguments, folder, environment and standard files; exits as the command does.
_CLIENT = """\
import array, json, os, socket, sys
call = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
files = array.array("i", [0, 1, 2])
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    server.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
    server.sendall(call)
    server.shutdown(socket.SHUT_WR)
    sys.exit(int(server.recv(4) or 1))
"""


@contextmanager
def warm_command() -> Iterator[list[str]]:
    """The beginning of a command line that does what `pricing-sync` does, during the block."""
    # Not in a folder of pytest's: the address of a socket has at most 107 bytes.
    with TemporaryDirectory() as folder:
        address, client = Path(folder) / "socket", Path(folder) / "client.py"
        client.write_text(_CLIENT.format(address=str(address)))
        process = subprocess.Popen([sys.executable, __file__, str(address)])
        try:
            while not address.exists():
                assert process.poll() is None, "the server of the command has ended"
                time.sleep(0.02)
            yield [sys.executable, "-S", "-E", str(client)]
        finally:
            process.terminate()
            process.wait(30)


def _serve(address: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                _run(connection)
            connection.close()


def _run(connection: socket.socket) -> None:
    """Become the caller, run the command, and send its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, files, _, _ = socket.recv_fds(connection, 1, 3)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    call = b"".join(iter(lambda: connection.recv(65536), b""))
    arguments, folder, environment = json.loads(call)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["pricing-sync", *arguments]
    try:
        main()
    except SystemExit as exit_:
        connection.sendall(str(exit_.code or 0).encode())
        sys.exit()


if __name__ == "__main__":
    _serve(sys.argv[1])
