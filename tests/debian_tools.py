"""Programs of the Debian packages `prometheus` and `prometheus-alertmanager`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def tool(name: str) -> str:
    """The path of a program. Without it the test is skipped, or fails where CI is set."""
    path = shutil.which(name)
    if path is not None:
        return path
    why = f"{name} is not installed (Debian: prometheus, prometheus-alertmanager)"
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


def output_of(name: str, *arguments: str | Path) -> str:
    """What a program prints; it must succeed."""
    command = [tool(name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout + done.stderr
