"""The page of the settings, from their fields."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from pricing_sync.gate import Thresholds
from pricing_sync.settings import Settings
from pricing_sync.settings.origins import PREFIX, SECRETS
from pricing_sync.settings.values import show_duration
from pricing_sync.timetable import Retry, Window

from reference_pages.markdown import code, comments, sentence, table

_INTRODUCTION = """\
# Settings

A variable of the environment wins over the key in `pricing-sync.toml`, which is read from the
working directory. Secrets are read only from the environment. A wrong or misspelt setting stops
the program at its start, by its name. `pricing-sync config` shows what is in force, and where each
value is set.

In a variable two underscores lead into a table, and a provider's id is in capitals, with `_` for
each character that is not a letter or a digit: `PRICING_SYNC_PROVIDER__ALIBABA_CLOUD__EVERY`. A
duration is `90s`, `15m`, `6h`, `1d` or `1h30m`; a number alone is seconds.

"""
_GATE = """\
## Thresholds: `[gate]`

Of all providers, or in `[provider.ID.gate]` of one: what they do is in [the gate](../gate.md). In
the environment a threshold is JSON: `PRICING_SYNC_GATE__BAND_UP=3`. Factors are ratios of rates,
shares are of 1, and counts are whole numbers. The defaults that are tables are in
`src/pricing_sync/gate/thresholds.toml`.

"""
#: What a type is called.
_NAMES: Mapping[Any, str] = {
    bool: "`true` or `false`",
    int: "whole number",
    float: "number",
    str: "text",
    Path: "path",
    timedelta: "duration",
    Window: "`HH:MM-HH:MM`",
    SecretStr: "secret",
}
#: What `[retry]` inherits, in which only what is set is stored.
_RETRY = {
    "max" if field.name == "longest" else field.name: getattr(Retry(), field.name)
    for field in fields(Retry)
}
_BOUNDS = {"gt": "above {}", "ge": "{} or more", "lt": "below {}", "le": "at most {}"}
_LENGTHS = {"min_length": "at least {}", "max_length": "at most {}"}


def page() -> str:
    """Every setting: how it is set, its values, its default and its meaning."""
    return _INTRODUCTION + "\n".join(
        [*_tables(Settings, "", PREFIX), _GATE + _thresholds()],
    )


def _tables(model: type[BaseModel], key: str, prefix: str) -> Iterator[str]:
    """The table of a model's own settings, then those of the models in it."""
    own, inner = [], []
    for name, field in model.model_fields.items():
        found = _inner(field.annotation)
        if found is None:
            if name != "gate":
                own.append(_row(model, name, field, key, prefix))
            continue
        nested, kind = found
        path = f"{key}{name}" + (".ID" if kind is dict else "")
        variable = f"{prefix}{name.upper()}__" + ("ID__" if kind is dict else "")
        if key and kind is None:
            own.append(["", code(path), "table", "", f"As `[{name}]`, for this one alone."])
        elif kind is tuple:
            inner.append(_nodes(nested, path, prefix + name.upper()))
        else:
            title = f"## {code(f'[{path}]')}\n\n{_about(nested)}\n\n" if _has_own(nested) else ""
            inner.append(title + "\n".join(_tables(nested, f"{path}.", variable)))
    if own:
        yield table(("variable", "key", "value", "default", "meaning"), own)
    yield from inner


def _has_own(model: type[BaseModel]) -> bool:
    return any(_inner(field.annotation) is None for field in model.model_fields.values())


def _nodes(model: type[BaseModel], key: str, variable: str) -> str:
    """A list of tables, such as `[[push.litellm]]`."""
    rows = [
        [code(name), _values(field), _default(field), _meaning(model, name, field)]
        for name, field in model.model_fields.items()
    ]
    return (
        f"## {code(f'[[{key}]]')}\n\n{sentence(_about(model))} Any number of them; in the"
        f" environment a JSON list in `{variable}`.\n\n"
        + table(("key", "value", "default", "meaning"), rows)
    )


def _about(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").partition("\n")[0]


def _row(
    model: type[BaseModel], name: str, field: FieldInfo, key: str, prefix: str
) -> list[object]:
    variable = SECRETS.get(name) if not key else None
    return [
        code(variable or prefix + name.upper()),
        "" if variable else code(key + name),
        _values(field),
        _shown(_RETRY[name]) if key == "retry." else _default(field),
        _meaning(model, name, field),
    ]


def _meaning(model: type[BaseModel], name: str, field: FieldInfo) -> str:
    """Its description, or that of the general setting whose value it inherits."""
    general = Settings.model_fields.get(name) if model is not Settings else None
    return sentence(field.description or (general and general.description) or "")


def _inner(annotation: Any) -> tuple[type[BaseModel], type | None] | None:
    """The model in an annotation, and the tuple or the dictionary around it, if there is one."""
    origin = get_origin(annotation)
    if origin in (tuple, dict):
        for part in get_args(annotation):
            if isinstance(part, type) and issubclass(part, BaseModel):
                return part, origin
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, None
    return None


def _values(field: FieldInfo) -> str:
    limits = [
        pattern.format(getattr(part, name))
        for part in _metadata(field)
        for names in (_BOUNDS, _LENGTHS)
        for name, pattern in names.items()
        if getattr(part, name, None) is not None
    ]
    return ", ".join([_type(field.annotation), *dict.fromkeys(limits)])


def _metadata(field: FieldInfo) -> Iterator[Any]:
    """What limits a field: of itself, and of the type in an optional one."""
    yield from field.metadata
    for part in get_args(field.annotation):
        if get_origin(part) is Annotated:
            yield from get_args(part)[1:]


def _type(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(parts[0])
    if origin in (Union, types.UnionType):
        return ", ".join(dict.fromkeys(_type(part) for part in parts if part is not type(None)))
    if origin is Literal:
        return ", ".join(map(code, parts))
    if origin is tuple:
        return "list" if _type(parts[0]) == "text" else f"list of {_type(parts[0])}"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(code(member.value) for member in annotation)
    return _NAMES.get(annotation) or str(annotation.__name__).lower()


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return _shown(field.default)


def _shown(value: Any) -> str:
    if value is None or value == ():
        return ""
    if isinstance(value, bool):
        return code(str(value).lower())
    if isinstance(value, timedelta):
        return code(show_duration(value))
    if isinstance(value, (tuple, frozenset, list)):
        inner = (part.value if isinstance(part, Enum) else part for part in value)
        return code(", ".join(map(str, sorted(inner) if isinstance(value, frozenset) else inner)))
    if isinstance(value, float) and value == int(value):
        return code(int(value))
    return code(value)


def _thresholds() -> str:
    about = comments(Thresholds)
    rows = []
    for field in fields(Thresholds):
        is_plain = field.default is not MISSING
        value = _shown(field.default) if is_plain else "a table"
        rows.append([code(field.name), value, sentence(about[field.name])])
    return table(("key", "default", "meaning"), rows)
