"""The documentation refers only to tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from pricing_sync.cli.root import cli

ROOT = Path(__file__).parents[1]
RELIABILITY = ROOT / "docs" / "reliability.md"
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@cache
def functions_in(path: str) -> frozenset[str]:
    """The names of a file's functions; none if there is no such file."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text("utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def named_tests(file: Path) -> list[tuple[str, str]]:
    return _NAMED.findall(file.read_text("utf-8"))


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    """When a test is renamed, the page must be updated."""
    missing = [
        f"{path}::{name}" for path, name in named_tests(page) if name not in functions_in(path)
    ]
    assert [] == missing


def test_every_row_names_its_tests() -> None:
    """All rows are there, in order, each with at least one test."""
    first, *rows = RELIABILITY.read_text("utf-8").split("\n### ")
    assert not _NAMED.search(first)
    numbers = [*range(1, 61)]
    assert numbers == [int(row.partition(".")[0]) for row in rows]
    assert all(_NAMED.search(row) for row in rows)


def test_no_test_is_named_twice_in_a_row() -> None:
    """The list of a row has each test once."""
    for row in RELIABILITY.read_text("utf-8").split("\n### "):
        tests = _NAMED.findall(row)
        assert len(set(tests)) == len(tests), row[:40]


def test_every_file_that_the_architecture_names_exists() -> None:
    """The map leads somewhere."""
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    named = set(re.findall(r"`(\w[\w/]*\.py)`", text))
    assert len(named) > 15
    assert [] == [
        path for path in sorted(named) if not (ROOT / "src/pricing_sync" / path).is_file()
    ]


def test_the_readme_lists_every_command() -> None:
    """And no other one."""
    _, _, table = (ROOT / "README.md").read_text("utf-8").partition("| command | what it does |")
    first_column = re.findall(r"^\| ([^|*][^|]*?(?:\\\|[^|]*?)*) \|", table, re.MULTILINE)
    rows = first_column[: first_column.index("variable")]
    listed = {word.split()[0] for row in rows for word in re.findall(r"`([^`]+)`", row)}
    commands = {str(command.name) for command in cli.registered_commands}
    assert commands | {"override", "webhooks"} == listed
