"""What is written in the environment and in `pricing-sync.toml`, and where exactly.

Nothing else reads either, but for the providers' keys (`key_of`).
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
from pricing_sync.sources.providers import built_in, catalog

PREFIX = "PRICING_SYNC_"
FILE = Path("pricing-sync.toml")
#: The settings that only the environment may hold, and their variables.
SECRETS: Mapping[str, str] = {
    "admin_token": "ADMIN_TOKEN",
    "read_token": f"{PREFIX}READ_TOKEN",
    "sentry_dsn": "SENTRY_DSN",
}

# Kubernetes gives every container the address of each service of its namespace; one named
# `pricing-sync` yields PRICING_SYNC_SERVICE_HOST, PRICING_SYNC_PORT=tcp://…, and more.
_INJECTED = re.compile(r"SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?")
_INJECTED_PORT = re.compile(r"(tcp|udp|sctp)://")

#: The way to a setting: `("provider", "together", "every")`.
Place: TypeAlias = tuple[str, ...]


class SettingValue(NamedTuple):
    """A value, and the variable or file it stands in."""

    value: Any
    where: str


def read_file() -> dict[Place, SettingValue]:
    """Every value of the file; nothing when there is none.

    Raises:
        SettingsError: it cannot be read, or is not TOML.
    """
    try:
        tables = tomllib.loads(FILE.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"{FILE}: {error}") from None
    return {place: SettingValue(value, str(FILE)) for place, value in _leaves(tables)}


def read_environment(file: Mapping[Place, SettingValue]) -> dict[Place, SettingValue]:
    """Every value of the variables that are ours; the *file* is needed for the providers in it.

    Two underscores lead into a table: `PRICING_SYNC_RETRY__INITIAL`. A provider's id is written
    in capitals, with `_` for whatever is neither letter nor digit. A whole table is JSON.
    """
    found: dict[Place, SettingValue] = {
        (name,): SettingValue(value, variable)
        for name, variable in SECRETS.items()
        if (value := os.environ.get(variable, "")).strip()
    }
    ids = _ids_by_variable(file)
    for variable, text in sorted(our_variables()):
        place = _place(variable, ids)
        if place[0] in SECRETS:
            continue
        for below, value in _leaves(_value(place, text.strip())):
            found[*place, *below] = SettingValue(value, variable)
    return found


def our_variables() -> Iterator[tuple[str, str]]:
    """The variables that begin like ours, but for those that Kubernetes makes, and their texts."""
    for variable, text in os.environ.items():
        name = variable.removeprefix(PREFIX)
        injected = _INJECTED.fullmatch(name) or (name == "PORT" and _INJECTED_PORT.match(text))
        if variable != name and not injected:
            yield variable, text


def nested(written: Mapping[Place, SettingValue]) -> dict[str, Any]:
    """The values as tables in tables. A value that stands where a table should be stays there."""
    tree: dict[str, Any] = {}
    for place, (value, _) in sorted(written.items()):
        table = tree
        for part in place[:-1]:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                break
        else:
            table[place[-1]] = value
    return tree


def key_of(variables: Iterable[str], environment: Mapping[str, str] = os.environ) -> str | None:
    """The first of the variables that is set and not blank."""
    for variable in variables:
        if value := environment.get(variable, "").strip():
            return value
    return None


def _leaves(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every value in tables in tables. An empty table is one too, for its name may be wrong."""
    if not isinstance(value, dict) or (place and not value):
        yield place, value
        return
    for name, inner in value.items():
        yield from _leaves(inner, (*place, name))


def _place(variable: str, ids: Mapping[str, str]) -> Place:
    first, *rest = variable.removeprefix(PREFIX).split("__")
    below = [part.lower() for part in rest]
    if first == "PROVIDER" and rest:
        below[0] = ids.get(rest[0], below[0].replace("_", "-"))
    return (first.lower(), *below)


def _value(place: Place, text: str) -> Any:
    """Thresholds are numbers, lists and tables, so they are JSON; so is every table."""
    if text.startswith("{") or "gate" in (place[0], *place[2:3]):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _ids_by_variable(file: Mapping[Place, SettingValue]) -> dict[str, str]:
    """Providers' ids by how a variable spells them; of two spelled alike, the one built in."""
    in_file = file.get(("providers",), SettingValue("", "")).value
    listed = [
        *(in_file if isinstance(in_file, list) else str(in_file).split(",")),
        *os.environ.get(f"{PREFIX}PROVIDERS", "").split(","),
    ]
    tables = (place[1] for place in file if place[0] == "provider" and len(place) > 1)
    ids = (*sorted(catalog.IDS), *(str(name).strip() for name in listed), *tables, *built_in())
    return {re.sub(r"[^A-Z0-9]", "_", provider_id.upper()): provider_id for provider_id in ids}
