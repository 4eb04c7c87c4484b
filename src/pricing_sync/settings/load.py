"""The settings of this process, or everything that is wrong with them at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pricing_sync.errors import SettingsError
from pricing_sync.settings.fields import Settings
from pricing_sync.settings.written import (
    FILE,
    PREFIX,
    SECRETS,
    Place,
    Written,
    in_environment,
    in_file,
    ours,
)

#: The settings that are tables, into which a variable may lead with two underscores.
_TABLES = frozenset({"gate", "provider", "retry"})


def load_settings(**given: Any) -> Settings:
    """The settings of this process; what is *given* (and not None) wins over everything.

    Raises:
        SettingsError: values cannot be used: which variables or keys, and why.
    """
    file = in_file()
    written = file | in_environment(file)
    problems = [*_unknown_variables(), *_unknown_keys(file)]
    settings = None
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        problems += [_problem(detail, written) for detail in error.errors(include_url=False)]
    if settings is not None:
        problems += _misfits(settings, written)
    if settings is None or problems:
        raise SettingsError("; ".join(problems))
    return settings


def origins(given: Mapping[str, Any]) -> dict[str, str]:
    """Where each setting that is not at its default comes from, by its dotted name.

    A variable's name, the file's, or the option for what is *given* (and not None).
    """
    file = in_file()
    written = file | in_environment(file)
    found = {".".join(place): where for place, (_, where) in written.items()}
    return found | {name: f"--{name}" for name, value in given.items() if value is not None}


def _problem(detail: ErrorDetails, written: Mapping[Place, Written]) -> str:
    place = tuple(str(part) for part in detail["loc"])
    why = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        why = "no such setting"
    return f"{_named(place, written)}: {why}" if place else why


def _named(place: Place, written: Mapping[Place, Written]) -> str:
    """The place as its author knows it: by the variable, or by the key in the file.

    Of a table that is wrong as a whole, every part that was written.
    """
    for length in range(len(place), 0, -1):
        if place[:length] in written:
            return _name(place, written[place[:length]])
    below = [
        _name(other, found) for other, found in written.items() if place == other[: len(place)]
    ]
    return ", ".join(below) or ".".join(place)


def _name(place: Place, found: Written) -> str:
    dotted = ".".join(place)
    return f"{FILE}: {dotted}" if found.where == str(FILE) else found.where


def _misfits(settings: Settings, written: Mapping[Place, Written]) -> Iterator[str]:
    """What is wrong with plans and thresholds, which are made of several values.

    What is wrong for every provider is said once.
    """
    for made_of in (settings.plan, settings.thresholds):
        for place in ((), *_tables(settings)):
            try:
                made_of(place[-1] if place else "")
            except SettingsError as error:
                part, _, why = (
                    str(error).removeprefix("".join(f"{p}." for p in place)).partition(": ")
                )
                yield f"{_named((*place, *part.split('.')), written)}: {why}"
                if not place:
                    break


def _tables(settings: Settings) -> list[Place]:
    return [("provider", provider_id) for provider_id in settings.provider]


def _unknown_variables() -> Iterator[str]:
    """A misspelt variable would be a setting that silently has no effect."""
    known = [SECRETS.get(name, PREFIX + name.upper()) for name in Settings.model_fields]
    for variable, _ in ours():
        head, *rest = variable.split("__")
        name = head.removeprefix(PREFIX).lower()
        if head not in known or (rest and name not in _TABLES):
            yield f"{variable}: no such variable{_hint(head, known)}"


def _unknown_keys(file: Mapping[Place, Written]) -> Iterator[str]:
    known = list(Settings.model_fields)
    for name in dict.fromkeys(place[0] for place in file):
        if name in SECRETS:
            yield f"{FILE}: {name}: expected in the environment only: set {SECRETS[name]}"
        elif name not in known:
            yield f"{FILE}: no such setting: {name}{_hint(name, known)}"


def _hint(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=2, cutoff=0.75)
    return f"; there is {' and '.join(close)}" if close else ""
