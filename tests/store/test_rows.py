"""Values from rows."""

from __future__ import annotations

import subprocess
import sys

#: Dataclasses that nobody has converted, each by several threads at once.
_FIRST_CONVERSIONS = """
import sys
from dataclasses import make_dataclass
from datetime import datetime
from enum import StrEnum
from threading import Barrier, Thread
from pricing_sync.store.rows import convert

sys.setswitchinterval(1e-7)
for _ in range(200):
    enums = [StrEnum(f"E{n}", {"ONE": "one"}) for n in range(4)]
    fields = [(f"f{n}", one) for n, one in enumerate(enums)] + [("at", datetime), ("text", str)]
    kind = make_dataclass("Kind", fields, frozen=True, slots=True)
    row = {f"f{n}": "one" for n in range(4)} | {"at": "2026-11-26T00:00:00Z", "text": "x"}
    begin = Barrier(6)

    def work():
        begin.wait()
        for _ in range(5):
            assert convert(kind, row).text == "x"

    threads = [Thread(target=work) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
"""


def test_threads_may_be_the_first_to_read_rows_of_a_kind() -> None:
    """By itself msgspec ends the process with a segmentation fault."""
    done = subprocess.run(
        [sys.executable, "-c", _FIRST_CONVERSIONS], capture_output=True, text=True
    )
    assert (0, "") == (done.returncode, done.stderr)
