"""The settings of this process, or everything that is wrong with them at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pricing_sync.errors import SettingsError
from pricing_sync.settings.fields import ProviderSettings, RetrySettings, Settings
from pricing_sync.settings.origins import (
    FILE,
    PREFIX,
    SECRETS,
    Place,
    SettingValue,
    our_variables,
    read_environment,
    read_file,
)

#: The settings that are tables, into which a variable may lead with two underscores.
_TABLES = frozenset({"gate", "provider", "retry"})
_VARIABLES = {name: SECRETS.get(name, PREFIX + name.upper()) for name in Settings.model_fields}
#: Where the library's words do not say what was expected.
_WHY = {
    "bool_parsing": "expected true or false",
    "dict_type": "expected a table",
    "extra_forbidden": "no such setting",
    "model_type": "expected a table",
    "too_short": "expected at least one",
}


def load_settings(**given: Any) -> Settings:
    """The settings of this process; what is *given* (and not None) wins over everything.

    Raises:
        SettingsError: values cannot be used: which variables or keys, and why.
    """
    given = {name: value for name, value in given.items() if value is not None}
    written = _written(given)
    problems = [*_unknown_variables(), *_unknown_keys()]
    try:
        settings = Settings(**given)
    except ValidationError as error:
        problems += [_problem(detail, written) for detail in error.errors(include_url=False)]
        raise SettingsError("; ".join(problems)) from None
    problems += _misfits(settings, written)
    if problems:
        raise SettingsError("; ".join(problems))
    return settings


def origins(**given: Any) -> dict[str, str]:
    """Where each setting that is not at its default comes from, by its dotted name.

    A variable's name, or the file's, or the option for what is *given* (and not None).
    """
    given = {name: value for name, value in given.items() if value is not None}
    return {".".join(place): where for place, (_, where) in _written(given).items()}


def _written(given: Mapping[str, Any]) -> dict[Place, SettingValue]:
    file = read_file()
    options = {(name,): SettingValue(value, f"--{name}") for name, value in given.items()}
    return file | read_environment(file) | options


def _problem(detail: ErrorDetails, written: Mapping[Place, SettingValue]) -> str:
    place = tuple(str(part) for part in detail["loc"])
    why = _WHY.get(
        detail["type"], detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    )
    if detail["type"] == "extra_forbidden":
        table = RetrySettings if "retry" in place[-2:-1] else ProviderSettings
        why += _hint(place[-1], {key: key for key in table.model_fields})
    return f"{_named(place, written)}: {why}" if place else why


def _named(place: Place, written: Mapping[Place, SettingValue]) -> str:
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


def _name(place: Place, found: SettingValue) -> str:
    return f"{FILE}: {'.'.join(place)}" if found.where == str(FILE) else found.where


def _misfits(settings: Settings, written: Mapping[Place, SettingValue]) -> Iterator[str]:
    """What is wrong with plans and thresholds, which are made of several values.

    What is wrong for every provider is said once.
    """
    for made_of in (settings.plan, settings.thresholds):
        for provider_id in ("", *settings.provider):
            table = f"provider.{provider_id}." if provider_id else ""
            try:
                made_of(provider_id)
            except SettingsError as error:
                part, _, why = str(error).removeprefix(table).partition(": ")
                above = ("provider", provider_id) if provider_id else ()
                yield f"{_named((*above, *part.split('.')), written)}: {why}"
                if not provider_id:
                    break


def _unknown_variables() -> Iterator[str]:
    """A misspelt variable would be a setting that silently has no effect."""
    for variable, _ in our_variables():
        head = variable.split("__")[0]
        name = head.removeprefix(PREFIX).lower()
        if head != _VARIABLES.get(name) or (head != variable and name not in _TABLES):
            yield f"{variable}: no such variable{_hint(name, _VARIABLES)}"


def _unknown_keys() -> Iterator[str]:
    """Nor are secrets read from the file, which is made to be shown around."""
    for name in dict.fromkeys(place[0] for place in read_file()):
        if name in SECRETS:
            yield f"{FILE}: {name}: not read from here, but from the variable {SECRETS[name]}"
        elif name not in _VARIABLES:
            yield f"{FILE}: no such setting: {name}{_hint(name, {key: key for key in _VARIABLES})}"


def _hint(name: str, known: Mapping[str, str]) -> str:
    """The known names that are nearly it, as they are to be written."""
    near = [name] if name in known else get_close_matches(name, known, n=2, cutoff=0.75)
    return f" (there is {' and '.join(known[key] for key in near)})" if near else ""
