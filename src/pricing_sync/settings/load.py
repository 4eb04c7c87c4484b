"""Load the settings of this process, or report all their problems in one error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pricing_sync.errors import SettingsError
from pricing_sync.settings.fields import ProviderSettings, RetrySettings, Settings
from pricing_sync.settings.origins import (
    FILE,
    PREFIX,
    SECRETS,
    KeyPath,
    SettingValue,
    our_variables,
    read_environment,
    read_file,
)
from pricing_sync.settings.push import LangfuseNode, LiteLLMNode
from pricing_sync.settings.webhooks import WebhookSettings

#: The settings that are tables. A variable leads into them with two underscores.
_TABLES = frozenset({"gate", "provider", "push", "retry"})
_VARIABLES = {name: SECRETS.get(name, PREFIX + name.upper()) for name in Settings.model_fields}
#: Messages by pydantic's error types, where its own message does not say what was expected.
_MESSAGES = {
    "bool_parsing": "expected true or false",
    "dict_type": "expected a table",
    "extra_forbidden": "no such setting",
    "model_type": "expected a table",
    "too_short": "expected at least one",
}


def load_settings(**options: Any) -> Settings:
    """The settings of this process. The *options* that are not None win over all other values.

    Raises:
        SettingsError: values cannot be used. The message lists the variables or keys, and why.
    """
    options = {name: value for name, value in options.items() if value is not None}
    values = _values(options)
    problems = [*_unknown_variables(), *_unknown_keys()]
    try:
        settings = Settings(**options)
    except ValidationError as error:
        problems += [_problem(detail, values) for detail in error.errors(include_url=False)]
        raise SettingsError("; ".join(problems)) from None
    problems += _combined_problems(settings, values)
    if problems:
        raise SettingsError("; ".join(problems))
    return settings


def origins(**options: Any) -> dict[str, str]:
    """The origin of each setting that is not at its default, by its dotted name.

    An origin is the name of a variable, of the file, or of one of the *options* that is not None.
    """
    options = {name: value for name, value in options.items() if value is not None}
    return {".".join(path): origin for path, (_, origin) in _values(options).items()}


def _values(options: Mapping[str, Any]) -> dict[KeyPath, SettingValue]:
    """Every value that is set, each from the origin that wins."""
    file = read_file()
    from_options = {(name,): SettingValue(value, f"--{name}") for name, value in options.items()}
    return file | read_environment(file) | from_options


def _problem(detail: ErrorDetails, values: Mapping[KeyPath, SettingValue]) -> str:
    path = tuple(str(part) for part in detail["loc"])
    why = _MESSAGES.get(
        detail["type"], detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    )
    if detail["type"] == "extra_forbidden":
        why += _hint(path[-1], {key: key for key in _keys_beside(path)})
    return f"{_source(path, values)}: {why}" if path else why


def _keys_beside(path: KeyPath) -> Iterable[str]:
    """The keys of the table that the last key of the path is in."""
    if path[0] == "push":
        nodes: dict[str, type[BaseModel]] = {"litellm": LiteLLMNode, "langfuse": LangfuseNode}
        return nodes[path[1]].model_fields if path[1] in nodes else nodes
    if path[0] == "webhook":
        return WebhookSettings.model_fields
    table = RetrySettings if "retry" in path[-2:-1] else ProviderSettings
    return table.model_fields


def _source(path: KeyPath, values: Mapping[KeyPath, SettingValue]) -> str:
    """The variable or the key in the file that sets a path.

    For a table that is wrong as a whole: the sources of all its values.
    """
    for length in range(len(path), 0, -1):
        if path[:length] in values:
            return _source_name(path, values[path[:length]])
    inside = [
        _source_name(other, value) for other, value in values.items() if path == other[: len(path)]
    ]
    return ", ".join(inside) or ".".join(path)


def _source_name(path: KeyPath, value: SettingValue) -> str:
    return f"{FILE}: {'.'.join(path)}" if value.origin == str(FILE) else value.origin


def _combined_problems(settings: Settings, values: Mapping[KeyPath, SettingValue]) -> Iterator[str]:
    """The problems of plans and thresholds, which combine several values.

    A problem that all providers share is reported once.
    """
    for build in (settings.plan, settings.thresholds):
        for provider_id in ("", *settings.provider):
            table = f"provider.{provider_id}." if provider_id else ""
            try:
                build(provider_id)
            except SettingsError as error:
                key, _, why = str(error).removeprefix(table).partition(": ")
                parent = ("provider", provider_id) if provider_id else ()
                yield f"{_source((*parent, *key.split('.')), values)}: {why}"
                if not provider_id:
                    break


def _unknown_variables() -> Iterator[str]:
    """Problems of variables that no setting reads: a misspelt one would have no effect."""
    for variable, _ in our_variables():
        head = variable.split("__")[0]
        name = head.removeprefix(PREFIX).lower()
        if head != _VARIABLES.get(name) or (head != variable and name not in _TABLES):
            yield f"{variable}: no such variable{_hint(name, _VARIABLES)}"


def _unknown_keys() -> Iterator[str]:
    """Problems of keys that are not read from the file. People share the file: no secrets in it."""
    for name in dict.fromkeys(path[0] for path in read_file()):
        if name in SECRETS:
            yield f"{FILE}: {name}: not read from here, but from the variable {SECRETS[name]}"
        elif name not in _VARIABLES:
            yield f"{FILE}: no such setting: {name}{_hint(name, {key: key for key in _VARIABLES})}"


def _hint(name: str, known: Mapping[str, str]) -> str:
    """A suggestion of the known names that are similar; empty when there are none."""
    near = [name] if name in known else get_close_matches(name, known, n=2, cutoff=0.75)
    return f" (there is {' and '.join(known[key] for key in near)})" if near else ""
