"""What the tests of the command line share."""

from __future__ import annotations

from pathlib import Path

import pytest

from command import Run, runner
from databases import database_url, databases


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in an empty folder, without anybody's keys."""
    monkeypatch.chdir(tmp_path)
    for name in (
        *("OPENROUTER_API_KEY", "PRICING_SYNC_DATABASE", "PRICING_SYNC_PROVIDERS"),
        "COLUMNS",  # as in a pipe: nothing is cut
    ):
        monkeypatch.delenv(name, raising=False)
    if databases.kind != "sqlite":
        monkeypatch.setenv("PRICING_SYNC_DATABASE", database_url(tmp_path))
    return runner(monkeypatch, capsys)
