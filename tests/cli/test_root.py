"""The command line as a whole: its help, its groups, its completion."""

from __future__ import annotations

import re

import pytest

from pricing_sync.cli.root import COMMANDS, cli

from built import openrouter, priced
from command import Run


def test_the_help_lists_every_command_once_in_its_group(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On one line of 80 columns each, whole."""
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = run("--help")
    assert 0 == code
    *_, listed = re.split(r"\n(?=Read:\n)", out)
    groups = dict(re.findall(r"^(\w+):\n((?:  .+\n)+)", listed, re.MULTILINE))
    assert list(COMMANDS) == list(groups)
    names = [line.split()[0] for lines in groups.values() for line in lines.splitlines()]
    assert len(names) == len(set(names))
    assert len(names) == len(cli.registered_commands) + len(cli.registered_groups)
    assert "..." not in listed
    assert all(len(line) <= 80 for line in out.splitlines())


def test_every_command_explains_itself(run: Run) -> None:
    """`--help` says what a command does, and names its options."""
    for command in cli.registered_commands:
        code, out, _ = run(str(command.name), "--help")
        assert 0 == code
        assert out.startswith(f"Usage: pricing-sync {command.name} ")
        assert "--help" in out


def complete(run: Run, monkeypatch: pytest.MonkeyPatch, line: str) -> list[str]:
    """What bash offers for the last word of a line."""
    monkeypatch.setenv("_PRICING_SYNC_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    found = run().out.split()
    for name in ("_PRICING_SYNC_COMPLETE", "COMP_WORDS", "COMP_CWORD"):
        monkeypatch.delenv(name)
    return found


def test_the_shell_completes_commands_providers_and_models(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Models are those of the ledger; without a ledger there are none, and no error."""
    assert ["history"] == complete(run, monkeypatch, "pricing-sync hist")
    assert ["openrouter"] == complete(run, monkeypatch, "pricing-sync history openr")
    assert [] == complete(run, monkeypatch, "pricing-sync history openrouter maker/")
    file = tmp_path_factory.mktemp("answers") / "a.json"
    file.write_bytes(openrouter({"maker/a": priced(), "other/b": priced()}))
    assert 0 == run("sync", "openrouter", "--answer", str(file)).code
    assert ["maker/a"] == complete(run, monkeypatch, "pricing-sync history openrouter maker/")
