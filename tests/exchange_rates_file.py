"""Answers of the European Central Bank, built for tests."""

from __future__ import annotations

from collections.abc import Mapping


def answer(days: Mapping[str, Mapping[str, str]], head: str = "") -> bytes:
    """The units of each currency per euro by day, in the bank's format."""
    cubes = "".join(
        f'<Cube time="{day}">'
        + "".join(f'<Cube currency="{name}" rate="{rate}"/>' for name, rate in rates.items())
        + "</Cube>"
        for day, rates in days.items()
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{head}'
        '<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"'
        ' xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">'
        "<gesmes:subject>Reference rates</gesmes:subject>"
        f"<Cube>{cubes}</Cube></gesmes:Envelope>"
    ).encode()
