"""The command line as tests call it: arguments in; exit code, text and errors out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import pytest
import typer.main

from pricing_sync.cli import main

#: The commands are the same in each call. To build them takes longer than most of them take.
_get_command = cache(typer.main.get_command)


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run: TypeAlias = Callable[..., Result]


def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """How to call the command in this process."""
    monkeypatch.setattr(typer.main, "get_command", _get_command)

    def command(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["pricing-sync", *arguments])
        with pytest.raises(SystemExit) as exit_:
            main()
        captured = capsys.readouterr()
        return Result(int(exit_.value.code or 0), captured.out, captured.err)

    return command
