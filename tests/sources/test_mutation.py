"""A broken answer never gives a price that was not in the intact answer.

Every recorded answer, and a built one of every provider, is broken in one place at a time: each
key at each depth is deleted, renamed, and replaced by values that are no price. Three properties:

1.  Only a `PricingSyncError` is raised.
2.  Every decoded rate is also in the intact answer, for the same model, meter and condition. Rates
    may be missing; no rate may be new, and none may apply to more requests.
3.  A broken row does not change the listing of the other row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import pytest
from msgspec import Raw, Struct

from pricing_sync.errors import PricingSyncError
from pricing_sync.prices.rates import Answer, Meter, Per, Rate, RateCard, Unreadable, When
from pricing_sync.sources.provider import Provider, read_answer
from pricing_sync.sources.providers import built_in
from pricing_sync.sources.rows import Page, read_rows
from pricing_sync.sources.strict_json import envelope

from answers import BUILT, RECORDED, Sample, provider_of
from recorded import needs_samples

Path: TypeAlias = tuple[str | int, ...]
Statement: TypeAlias = tuple[When | None, Meter, Rate, str]


class Literal(str):
    """JSON text that is written unchanged: a number keeps its digits, and junk stays junk."""

    __slots__ = ()


class Mutation(NamedTuple):
    name: str
    change: Callable[[Any], Any]


TEXTS = ('""', '"1_000"', '"１２"', '"NaN"', '"-1"')
TOKENS = ("null", "true", "NaN", "1e400", "-1", "[]", "{}")
DELETED = Mutation("deleted", lambda old: old)
RENAMED = Mutation("renamed", lambda old: old)
MUTATIONS = [
    DELETED,
    RENAMED,
    *(Mutation(text, partial(lambda new, _old: new, Literal(text))) for text in TEXTS + TOKENS),
    Mutation("in a list", lambda old: [old]),
    Mutation("in an object", lambda old: {"x": old}),
]
# The ids that a model may have when its id field is replaced.
NAMES = frozenset(json.loads(text) for text in TEXTS)
SUFFIX = "_x"


def positions(node: Any, path: Path = ()) -> Iterator[Path]:
    """Every member of every object, and the first and last item of every list."""
    if isinstance(node, dict):
        inside: list[tuple[str | int, Any]] = list(node.items())
    elif isinstance(node, list):
        inside = [(index, node[index]) for index in sorted({0, len(node) - 1}) if node]
    else:
        return
    for key, value in inside:
        yield (*path, key)
        yield from positions(value, (*path, key))


def mutated(node: Any, path: Path, mutation: Mutation) -> Any:
    """A copy of *node* that is broken only at *path*."""
    key, rest = path[0], path[1:]
    if rest:
        new = mutated(node[key], rest, mutation)
    elif mutation is RENAMED and isinstance(node, dict):
        return {f"{name}{SUFFIX}" if name == key else name: node[name] for name in node}
    elif mutation is DELETED and isinstance(node, dict):
        return {name: value for name, value in node.items() if name != key}
    elif mutation is DELETED:
        return [value for index, value in enumerate(node) if index != key]
    else:
        new = mutation.change(node[key])
    if isinstance(node, dict):
        return {**node, key: new}
    return [new if index == key else value for index, value in enumerate(node)]


def parse(text: bytes) -> Any:
    return json.loads(text, parse_float=Literal, parse_int=Literal)


def write(node: Any) -> str:
    """The JSON text of *node*, junk included."""
    if isinstance(node, Literal):
        return str(node)
    if isinstance(node, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{write(node[key])}" for key in node) + "}"
    if isinstance(node, list):
        return "[" + ",".join(map(write, node)) + "]"
    return json.dumps(node, ensure_ascii=False)


def at(node: Any, path: Path) -> Any:
    for key in path:
        node = node[key]
    return node


def with_rows(document: Any, where: Path, rows: Any) -> Any:
    """The answer with these rows only, and with their number as its total."""
    if not where:
        return rows
    key, rest = where[0], where[1:]
    if isinstance(document, list):
        return [with_rows(document[int(key)], rest, rows)]
    head: dict[str, Any] = with_totals({**document, key: None}, Literal(str(len(rows))))
    return {**head, key: with_rows(document[key], rest, rows)}


def with_totals(node: Any, count: Literal) -> Any:
    """A copy of *node* in which every total is *count*."""
    if not isinstance(node, dict):
        return node
    totals = ("total", "total_count", "total_items")
    return {key: count if key in totals else with_totals(node[key], count) for key in node}


def sampled_keys(rows: Any) -> list[str | int]:
    """The keys of the first, the middle and the last row, and of two with conditional prices."""
    keys = list(rows) if isinstance(rows, dict) else list(range(len(rows)))
    words = (
        "overrides",
        "tier",
        "above_",
        "off_peak",
        "long",
        "priority",
        "constraint",
        "discount",
    )
    conditional = [key for key in keys if any(word in write(rows[key]) for word in words)]
    chosen = [keys[0], keys[len(keys) // 2], keys[-1], *conditional[:1], *conditional[-1:]]
    return list(dict.fromkeys(chosen))


class Pair(NamedTuple):
    """A small answer with one row to break and, if the list has one, a second row."""

    #: The answer with both rows, the answer with the second one only, and the path of the first.
    both: Any
    second: Any
    row: Path


def pairs(document: Any, where: Path) -> Iterator[Pair]:
    rows = at(document, where)
    keys = sampled_keys(rows)

    def with_keys(names: list[str | int]) -> Any:
        if isinstance(rows, dict):
            return with_rows(document, where, {name: rows[name] for name in names})
        return with_rows(document, where, [rows[name] for name in names])

    for key in keys:
        second = [name for name in keys if name != key][:1]
        first = key if isinstance(rows, dict) else 0
        yield Pair(with_keys([key, *second]), with_keys(second), (*where, first))


def statements(answer: Answer) -> dict[str, set[Statement]]:
    return {
        model: {(when, meter, rate, card.currency) for when, meter, rate in card.every_rate()}
        for model, card in answer.listings.items()
        if isinstance(card, RateCard)
    }


def _with_old_tier(statement: Statement) -> Statement:
    when, meter, rate, currency = statement
    if when is None or when.service_tier is None:
        return statement
    old = replace(when, service_tier=when.service_tier.removesuffix(SUFFIX))
    return old, meter, rate, currency


def new_rates(intact: Answer, broken: Answer) -> dict[str, set[Statement]]:
    """The statements in *broken* that are not in *intact* for the same model.

    If the mutation replaced a model's id, its statements must be those of any one model of the
    intact answer. If it renamed a service tier, the rates are those of the tier under its old name:
    no request names the new one.
    """
    before, after = statements(intact), statements(broken)
    after = {model: {_with_old_tier(one) for one in stated} for model, stated in after.items()}
    found = {}
    for model, stated in after.items():
        renamed = model in NAMES or model.endswith(SUFFIX)
        known = before.values() if renamed and model not in before else [before.get(model, set())]
        if not any(stated <= one for one in known):
            found[model] = stated.difference(*known)
    return found


def violations(provider: Provider, pair: Pair) -> Iterator[str]:
    """The mutations for which one of the properties does not hold."""

    def read(node: Any) -> Answer:
        return read_answer(provider, [write(node).encode()])

    intact = read(pair.both)
    depth = len(pair.row)
    others = read(pair.second).listings if at(pair.second, pair.row[:-1]) else {}
    unaffected = {
        model: listing for model, listing in others.items() if listing == intact.listings[model]
    }
    for path in positions(pair.both):
        inside = path[:depth] == pair.row
        if len(path) >= depth and not inside and path[: depth - 1] == pair.row[:-1]:
            continue  # the second row
        for mutation in MUTATIONS:
            where = f"{provider.id}: {'.'.join(map(str, path))} {mutation.name}"
            try:
                broken = read(mutated(pair.both, path, mutation))
            except PricingSyncError as error:
                # NaN is not JSON, and a list without one of its rows is no longer complete.
                if inside and path != pair.row and mutation.name != "NaN":
                    yield f"{where}: the whole answer fails: {error}"
                continue
            except Exception as error:
                error.add_note(where)
                raise
            if found := new_rates(intact, broken):
                yield f"{where}: new rates {found}"
            if inside and any(
                broken.listings.get(model) != listing for model, listing in unaffected.items()
            ):
                yield f"{where}: changes the second row"


def check(sample: Sample) -> None:
    provider, document = provider_of(sample), sample.part(parse(sample.body()))
    found = [
        violation
        for pair in pairs(document, sample.rows)
        for violation in violations(provider, pair)
        if not any(part in violation for part in sample.accepted)
    ]
    assert not found, f"{len(found)} violations:\n" + "\n".join(found[:40])


def test_every_provider_has_a_built_answer() -> None:
    """Without one, this file does not test a new provider."""
    assert built_in().keys() <= {sample.provider for sample in BUILT}


@pytest.mark.parametrize("sample", BUILT, ids=str)
def test_a_built_answer_has_prices(sample: Sample) -> None:
    """Without prices there is nothing to break in it."""
    answer = read_answer(provider_of(sample), [sample.body()])
    assert statements(answer)
    assert not [found for found in answer.listings.values() if isinstance(found, Unreadable)]


class Row(Struct):
    id: str
    pricing: dict[str, Any] | None = None


class Rows(Struct):
    data: list[Raw]


def careless(row: Row, _ignored: object) -> RateCard:
    """A bad decoder: a missing price is zero, and whatever `float` accepts is a number."""
    try:
        rate = Rate.of(str(float((row.pricing or {}).get("in") or 0)), Per.ONE)
    except (TypeError, ValueError):
        rate = Rate(0)
    return RateCard({Meter.INPUT: rate})


def test_a_careless_decoder_is_detected() -> None:
    """The test of the properties can fail."""
    acme = Provider(
        id="acme",
        name="Acme",
        url="https://acme.example/",
        decode=lambda body: read_rows(envelope(body, Rows).data, Row, careless),
    )
    rows = [{"id": name, "pricing": {"in": "0.5"}} for name in "ab"]
    [pair, _] = pairs({"data": rows}, ("data",))
    found = "\n".join(violations(acme, pair))
    for how in ("deleted", "renamed", '"1_000"', '"１２"', '"NaN"', "true", "null", "in a list"):
        assert f"acme: data.0.pricing.in {how}: new rates" in found
    assert "acme: data.0.pricing deleted: new rates" in found


def test_a_decoder_that_raises_another_error_is_detected() -> None:
    """The error is raised again, with a note that names the mutation."""
    acme = Provider(
        id="acme",
        name="Acme",
        url="https://acme.example/",
        decode=lambda body: Page([(row["id"], Unreadable("")) for row in json.loads(body)]),
    )
    [pair, _] = pairs([{"id": "a"}, {"id": "b"}], ())
    with pytest.raises(TypeError) as raised:
        list(violations(acme, pair))
    assert raised.value.__notes__ == ['acme: 0 ""']


@pytest.mark.parametrize("sample", BUILT, ids=str)
def test_a_broken_built_answer_has_no_new_price(sample: Sample) -> None:
    """The three properties, on a small answer with every kind of price the provider has."""
    check(sample)


@needs_samples
@pytest.mark.parametrize("sample", RECORDED, ids=str)
def test_a_broken_recorded_answer_has_no_new_price(sample: Sample) -> None:
    """The three properties, on rows of real answers."""
    check(sample)
