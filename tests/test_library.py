"""What a program may import is what the page of the library lists, and it explains itself."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path
from textwrap import dedent

import pytest

from pricing_sync.app import PricingSync

from shown import pages

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "library.md").read_text("utf-8")
_TABLE = re.compile(r"^##+ `([\w.]+)`\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
_PROGRAM = re.compile(r"```python\n(.*?)```", re.DOTALL)
#: The names of each table, by its heading.
LISTED = {
    heading: re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    for heading, text in _TABLE.findall(PAGE)
}
MODULES = [heading for heading in LISTED if heading.startswith("pricing_sync")]


@pytest.mark.parametrize("module", MODULES)
def test_the_page_lists_what_a_module_promises(module: str) -> None:
    """All of it and no more, and each name has a docstring of its own."""
    found = importlib.import_module(module)
    assert sorted(found.__all__) == sorted(LISTED[module])
    for name in found.__all__:
        thing = getattr(found, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert thing.__doc__, name


def test_the_page_lists_the_methods_of_pricing_sync() -> None:
    """All but `store`, which is not promised; each has a docstring."""
    public = {name for name in vars(PricingSync) if not name.startswith("_")}
    assert public - {"store"} == set(LISTED["PricingSync"])
    assert all(inspect.getdoc(getattr(PricingSync, name)) for name in public)


def test_public_classes_explain_their_methods() -> None:
    """Those that a program may call."""
    silent = [
        f"{module}.{name}.{method}"
        for module in MODULES
        for name in LISTED[module]
        if inspect.isclass(thing := getattr(importlib.import_module(module), name))
        and not issubclass(thing, Exception)
        for method, function in vars(thing).items()
        if not method.startswith("_") and inspect.isfunction(function) and not function.__doc__
    ]
    assert [] == silent


def imports(code: str) -> list[tuple[str, str]]:
    """Each name that a program imports from this package, with its module."""
    return [
        (node.module, alias.name)
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pricing_sync")
        for alias in node.names
        if node.module
    ]


@pytest.mark.parametrize(
    "file",
    [
        *sorted((ROOT / "examples").glob("*.py")),
        *(page for page in pages() if "from pricing_sync" in page.read_text("utf-8")),
    ],
)
def test_examples_import_only_what_is_promised(file: Path) -> None:
    """Otherwise a reader builds on something that may change."""
    text = file.read_text("utf-8")
    programs = [text] if file.suffix == ".py" else map(dedent, _PROGRAM.findall(text))
    found = [pair for program in programs for pair in imports(program)]
    assert found
    assert [] == [(module, name) for module, name in found if name not in LISTED.get(module, ())]
