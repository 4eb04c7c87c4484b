"""The values in the environment and in `pricing-sync.toml`, each with its origin.

No other module reads either of them, except for the keys of providers (`key_of`).
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from pricing_sync.errors import SettingsError
from pricing_sync.sources.providers import CATALOG, built_in, catalog

PREFIX = "PRICING_SYNC_"
FILE = Path("pricing-sync.toml")
#: The settings that are read only from the environment, and their variables.
SECRETS: Mapping[str, str] = {
    "admin_token": "ADMIN_TOKEN",
    "read_token": f"{PREFIX}READ_TOKEN",
    "export_secret": f"{PREFIX}EXPORT_SECRET",
    "sentry_dsn": "SENTRY_DSN",
    "notify_urls": f"{PREFIX}NOTIFY_URLS",
}

# Kubernetes sets variables in every container for each service of its namespace. A service named
# `pricing-sync` gives PRICING_SYNC_SERVICE_HOST, PRICING_SYNC_PORT=tcp://…, and more.
_INJECTED = re.compile(r"SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?")
_INJECTED_PORT = re.compile(r"(tcp|udp|sctp)://")

#: The keys that lead to a setting: `("provider", "together", "every")`.
KeyPath: TypeAlias = tuple[str, ...]


class SettingValue(NamedTuple):
    """A value, and the variable, file or option that sets it."""

    value: Any
    origin: str


def read_file() -> dict[KeyPath, SettingValue]:
    """The values in the file; empty when there is no file.

    Raises:
        SettingsError: the file cannot be read, or is not TOML.
    """
    try:
        tables = tomllib.loads(FILE.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"{FILE}: {error}") from None
    return {_by_id(path): SettingValue(value, str(FILE)) for path, value in _leaves(tables)}


def read_environment(file: Mapping[KeyPath, SettingValue]) -> dict[KeyPath, SettingValue]:
    """The values of this program's variables. *file* gives the provider ids that occur there.

    Two underscores lead into a table: `PRICING_SYNC_RETRY__INITIAL`. A provider's id is written
    in capitals, with `_` for each character that is not a letter or digit. A whole table is JSON.
    """
    found: dict[KeyPath, SettingValue] = {
        (name,): SettingValue(value, variable)
        for name, variable in SECRETS.items()
        if (value := key_of((variable,)))
    }
    ids = _ids_by_variable(file)
    for variable, text in sorted(our_variables()):
        path = _key_path(variable, ids)
        if path[0] in SECRETS:
            continue
        for subpath, value in _leaves(_value(path, text)):
            found[_by_id((*path, *subpath))] = SettingValue(value, variable)
    return found


def our_variables() -> Iterator[tuple[str, str]]:
    """The variables with our prefix that are set, and their texts.

    Without those that Kubernetes sets.
    """
    for variable in os.environ:
        name, text = variable.removeprefix(PREFIX), key_of((variable,)) or ""
        injected = _INJECTED.fullmatch(name) or (name == "PORT" and _INJECTED_PORT.match(text))
        if variable != name and text and not injected:
            yield variable, text


def nested(values: Mapping[KeyPath, SettingValue]) -> dict[str, Any]:
    """The values as nested tables. A plain value in the position of a table is kept."""
    tree: dict[str, Any] = {}
    for path, (value, _) in sorted(values.items()):
        table = tree
        for key in path[:-1]:
            table = table.setdefault(key, {})
            if not isinstance(table, dict):
                break
        else:
            table[path[-1]] = value
    return tree


def key_of(variables: Iterable[str], environment: Mapping[str, str] = os.environ) -> str | None:
    """The value of the first variable that is set; None when there is none.

    The rule for every variable: a blank one is not set, as compose writes it for `${X:-}`. Blanks
    around a value are no part of it, and neither are quotes, which `docker --env-file` passes on.
    """
    for variable in variables:
        value = environment.get(variable, "").strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1].strip()
        if value:
            return value
    return None


def _leaves(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Every value in nested tables. An empty table counts as a value: its name may be wrong."""
    if not isinstance(value, dict) or (path and not value):
        yield path, value
        return
    for name, inner in value.items():
        yield from _leaves(inner, (*path, name))


def _by_id(path: KeyPath) -> KeyPath:
    """The path with the id of its provider, whichever name is written."""
    if path[0] != "provider" or len(path) == 1:
        return path
    return (path[0], path[1].removeprefix(CATALOG), *path[2:])


def _key_path(variable: str, ids: Mapping[str, str]) -> KeyPath:
    first, *rest = variable.removeprefix(PREFIX).split("__")
    keys = [part.lower() for part in rest]
    if first == "PROVIDER" and rest:
        name = rest[0].removeprefix(_spelled(CATALOG))
        keys[0] = ids.get(name, name.lower().replace("_", "-"))
    return (first.lower(), *keys)


def _value(path: KeyPath, text: str) -> Any:
    """The value of a variable. Tables, lists of tables and thresholds are JSON."""
    if text.startswith("{") or path[0] in ("push", "webhook") or "gate" in (path[0], *path[2:3]):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _ids_by_variable(file: Mapping[KeyPath, SettingValue]) -> dict[str, str]:
    """Provider ids by their spelling in a variable. Of two with the same one, built-in wins."""
    in_file = file.get(("providers",), SettingValue("", "")).value
    listed = [
        *(in_file if isinstance(in_file, list) else str(in_file).split(",")),
        *(key_of((f"{PREFIX}PROVIDERS",)) or "").split(","),
    ]
    tables = (path[1] for path in file if path[0] == "provider" and len(path) > 1)
    in_settings = (str(name).strip().removeprefix(CATALOG) for name in listed)
    ids = (*sorted(catalog.IDS | catalog.LATER_IDS), *in_settings, *tables, *built_in())
    return {_spelled(provider_id): provider_id for provider_id in ids}


def _spelled(name: str) -> str:
    """The name as a part of a variable."""
    return re.sub(r"[^A-Z0-9]", "_", name.upper())
