"""Programs that are not there: a reason to skip on a desk, and to fail in CI."""

from __future__ import annotations

from pathlib import Path

import pytest

from debian_tools import tool


@pytest.fixture
def _no_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("_no_programs")
def test_without_a_program_a_test_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason names the Debian package."""
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="promtool is not installed"):
        tool("promtool")


@pytest.mark.usefixtures("_no_programs")
def test_in_ci_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the rules would go unchecked there without a word."""
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match="promtool is not installed"):
        tool("promtool")
