"""The page of the HTTP API, from its OpenAPI document."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from pricing_sync.web.document import document

from reference_pages.markdown import code, sentence, table

_INTRODUCTION = """\
# HTTP

Every route of the service, from its OpenAPI document, which the service has at `/openapi.json` and
the repository in `docs/openapi.json`. The token goes into `Authorization: Bearer TOKEN`; `admin`
is allowed what `read` is. Errors are [problem details](#object-problem) (RFC 9457). Any route may
answer 413 (the body is too large), and one with a token 401 (missing or wrong), 429 (too many
requests without a valid token), 422 (the request does not match this page) or 503 (the database
cannot be used); one for `admin` also 400, 403, 404 and 409. Only other answers are listed.
"""
_EXPECTED = {"400", "401", "403", "404", "409", "413", "422", "429", "503"}
_Json = Mapping[str, Any]


def page() -> str:
    """The routes by subject, then the objects in their bodies."""
    api = json.loads(document())
    subjects: dict[str, list[str]] = defaultdict(list)
    rows = []
    for path, operations in api["paths"].items():
        for method, operation in operations.items():
            route = f"{method.upper()} {path}"
            subjects[operation["tags"][0]].append(_route(route, operation))
            rows.append([code(route), _token(operation), _first_sentence(operation)])
    routes = (f"\n## {sentence(tag)[:-1]}\n{''.join(texts)}" for tag, texts in subjects.items())
    summary = "\n" + table(("route", "token", "answer"), rows)
    return _INTRODUCTION + summary + "".join(routes) + "\n## Objects\n" + "".join(_objects(api))


def _first_sentence(operation: _Json) -> str:
    return re.split(r"(?<=\.)\s", operation.get("description", ""), maxsplit=1)[0]


def _route(route: str, operation: _Json) -> str:
    parts = [f"\n### {code(route)}\n", f"Token: **{_token(operation)}**."]
    parts.append(" ".join(operation.get("description", "").split()))
    if parameters := operation.get("parameters"):
        rows = [
            [
                code(one["name"]),
                one["in"] + (", required" if one.get("required") else ""),
                _type(one["schema"]),
                sentence(one.get("description", "")),
            ]
            for one in parameters
        ]
        parts.append(table(("parameter", "in", "type", "meaning"), rows).rstrip())
    if body := operation.get("requestBody"):
        parts.append(f"Body: {', '.join(_content(body))}.")
    parts.append(", ".join(_answers(operation)) + ".")
    return "\n\n".join(part for part in parts if part).replace("\n\n\n", "\n\n") + "\n"


def _token(operation: _Json) -> str:
    for entry in operation.get("security", ()):
        return ", ".join(entry["bearer"])
    return "none"


def _answers(operation: _Json) -> Iterator[str]:
    for status, answer in operation["responses"].items():
        if status not in _EXPECTED:
            yield f"{status}: {' or '.join(_content(answer)) or 'no body'}"


def _content(message: _Json) -> Iterator[str]:
    for media_type, content in message.get("content", {}).items():
        shape = _type(content.get("schema", {}))
        yield f"{code(media_type)} {shape}".rstrip()


def _objects(api: _Json) -> Iterator[str]:
    for name, schema in sorted(api["components"]["schemas"].items()):
        about = " ".join(schema.get("description", "").split())
        yield f"\n### Object {_title(name)}\n\n" + (f"{about}\n\n" if about else "")
        if properties := schema.get("properties"):
            required = schema.get("required", ())
            rows = [
                [
                    code(key),
                    _type(inner) + ("" if key in required else ", optional"),
                    sentence(inner.get("description", "")),
                ]
                for key, inner in properties.items()
            ]
            yield table(("key", "type", "meaning"), rows)
        else:
            yield f"{_type(schema)}\n"


def _type(schema: _Json) -> str:
    """A schema in words; an object with a name is a link."""
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        return f"[{_title(name)}](#object-{_title(name).lower()})"
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(map(_type, options)))
    if "enum" in schema or "const" in schema:
        return ", ".join(map(code, schema.get("enum", [schema.get("const")])))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if inner := schema.get("additionalProperties"):
        return f"object of {_type(inner)}" if isinstance(inner, dict) else "object"
    return str(schema.get("type", "")) + "".join(_limits(schema))


def _title(name: str) -> str:
    """`HeldChangePage` for the generic `Page_HeldChange_`."""
    generic, _, argument = name.rstrip("_").partition("_")
    return argument + generic


def _limits(schema: _Json) -> Iterator[str]:
    for key, text in (
        ("minimum", "from {}"),
        ("exclusiveMinimum", "above {}"),
        ("maximum", "to {}"),
        ("maxLength", "at most {} characters"),
    ):
        if key in schema:
            yield f", {text.format(schema[key])}"
    if schema.get("default") is not None:
        yield f", by default `{json.dumps(schema['default'])}`"
