"""The tables of data that this package brings along: TOML files beside the code that uses them."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from importlib import resources
from typing import TypeVar

import msgspec

Table = TypeVar("Table")


def read_table(package: str, name: str, kind: type[Table]) -> Table:
    """The file *name* in *package*, as *kind*; a number with a point is an exact decimal."""
    text = resources.files(package).joinpath(name).read_text("utf-8")
    return msgspec.convert(tomllib.loads(text, parse_float=Decimal), kind)
