"""Whatever stands in an answer where a price should, no price comes out that was not in it.

Every recorded answer, and a built one of every provider, is broken in one place at a time: each
key at each depth is deleted, renamed, and replaced by things that are no price. Three properties:

1.  Nothing but a `PricingSyncError` is raised.
2.  Every rate that comes out is one that the sound answer gave for that model, meter and
    condition. Rates may be missing; none may be new, and none may apply to more requests.
3.  What is broken in one row leaves the row beside it as it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import pytest
from msgspec import Raw, Struct

from pricing_sync.errors import PricingSyncError
from pricing_sync.prices.rates import Answer, Meter, Per, Rate, RateCard, Unreadable, When
from pricing_sync.sources.provider import Provider, read_answer
from pricing_sync.sources.providers import built_in
from pricing_sync.sources.strict_json import Page, envelope, read_rows

from answers import BUILT, RECORDED, Sample, provider_of
from recorded import needs_samples

Path: TypeAlias = tuple[str | int, ...]
Statement: TypeAlias = tuple[When | None, Meter, Rate, str]


class Literal(str):
    """JSON text that is written as it is: a number keeps its digits, and junk stays junk."""

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
# What a model may be called when the field that names it is replaced.
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
    """A copy of *node* that is broken at *path*, and there only."""
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
    """The answer with these rows only, and saying that they are all."""
    if not where:
        return rows
    key, rest = where[0], where[1:]
    if isinstance(document, list):
        return [with_rows(document[int(key)], rest, rows)]
    counted: dict[str, Any] = recount({**document, key: None}, Literal(str(len(rows))))
    return {**counted, key: with_rows(document[key], rest, rows)}


def recount(node: Any, count: Literal) -> Any:
    if not isinstance(node, dict):
        return node
    totals = ("total", "total_count", "total_items")
    return {key: count if key in totals else recount(node[key], count) for key in node}


def some(rows: Any) -> list[str | int]:
    """The first, the middle and the last row, and two of those with conditional prices."""
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
    """A small answer of one row to break and, mostly, one to stand beside it."""

    both: Any
    beside: Any
    row: Path


def pairs(document: Any, where: Path) -> Iterator[Pair]:
    rows = at(document, where)
    keys = some(rows)

    def part(names: list[str | int]) -> Any:
        if isinstance(rows, dict):
            return with_rows(document, where, {name: rows[name] for name in names})
        return with_rows(document, where, [rows[name] for name in names])

    for key in keys:
        other = [name for name in keys if name != key][:1]
        first = key if isinstance(rows, dict) else 0
        yield Pair(part([key, *other]), part(other), (*where, first))


def statements(answer: Answer) -> dict[str, set[Statement]]:
    return {
        model: {(when, meter, rate, card.currency) for when, meter, rate in card.every_rate()}
        for model, card in answer.listings.items()
        if isinstance(card, RateCard)
    }


def new_rates(sound: Answer, broken: Answer) -> dict[str, set[Statement]]:
    """The statements of *broken* that *sound* does not make of the same model.

    A model may have a new name, if that is what stands in its place now: it is then one that the
    sound answer has under another.
    """
    before, after = statements(sound), statements(broken)
    found = {}
    for model, said in after.items():
        renamed = model in NAMES or model.endswith(SUFFIX)
        known = before.values() if renamed and model not in before else [before.get(model, set())]
        if not any(said <= one for one in known):
            found[model] = said.difference(*known)
    return found


def holes(provider: Provider, pair: Pair) -> Iterator[str]:
    """Where a broken answer says what it should not."""

    def read(node: Any) -> Answer:
        return read_answer(provider, [write(node).encode()])

    sound = read(pair.both)
    depth = len(pair.row)
    others = read(pair.beside).listings if at(pair.beside, pair.row[:-1]) else {}
    beside = {model: said for model, said in others.items() if said == sound.listings[model]}
    for path in positions(pair.both):
        inside = path[:depth] == pair.row
        if len(path) >= depth and not inside and path[: depth - 1] == pair.row[:-1]:
            continue  # the row beside it
        for mutation in MUTATIONS:
            where = f"{provider.id}: {'.'.join(map(str, path))} {mutation.name}"
            try:
                broken = read(mutated(pair.both, path, mutation))
            except PricingSyncError as error:
                # NaN is not JSON, and a list that has lost a row is no longer complete.
                if inside and path != pair.row and mutation.name != "NaN":
                    yield f"{where}: spoils the whole answer: {error}"
                continue
            except Exception as error:
                error.add_note(where)
                raise
            if found := new_rates(sound, broken):
                yield f"{where}: new rates {found}"
            if inside and any(broken.listings.get(model) != said for model, said in beside.items()):
                yield f"{where}: changes the row beside it"


def check(sample: Sample) -> None:
    provider, document = provider_of(sample), sample.part(parse(sample.body()))
    found = [
        hole
        for pair in pairs(document, sample.rows)
        for hole in holes(provider, pair)
        if not any(part in hole for part in sample.accepted)
    ]
    assert not found, f"{len(found)} holes:\n" + "\n".join(found[:40])


def test_every_provider_has_a_built_answer() -> None:
    """A new provider is not tested by this file until it is given one."""
    assert built_in().keys() <= {sample.provider for sample in BUILT}


@pytest.mark.parametrize("sample", BUILT, ids=str)
def test_a_built_answer_names_prices(sample: Sample) -> None:
    """Else there would be nothing in it to break."""
    answer = read_answer(provider_of(sample), [sample.body()])
    assert statements(answer)
    assert not [said for said in answer.listings.values() if isinstance(said, Unreadable)]


class Row(Struct):
    id: str
    pricing: dict[str, Any] | None = None


class Rows(Struct):
    data: list[Raw]


def careless(row: Row, _ignored: object) -> RateCard:
    """Reads as nobody should: what is missing costs nothing, what Python takes is a number."""
    try:
        rate = Rate.of(str(float((row.pricing or {}).get("in") or 0)), Per.ONE)
    except (TypeError, ValueError):
        rate = Rate(0)
    return RateCard({Meter.INPUT: rate})


def test_a_careless_reader_is_found_out() -> None:
    """The properties are able to fail."""
    acme = Provider(
        id="acme",
        name="Acme",
        url="https://acme.example/",
        decode=lambda body: read_rows(envelope(body, Rows).data, Row, careless),
    )
    rows = [{"id": name, "pricing": {"in": "0.5"}} for name in "ab"]
    [pair, _] = pairs({"data": rows}, ("data",))
    found = "\n".join(holes(acme, pair))
    for how in ("deleted", "renamed", '"1_000"', '"１２"', '"NaN"', "true", "null", "in a list"):
        assert f"acme: data.0.pricing.in {how}: new rates" in found
    assert "acme: data.0.pricing deleted: new rates" in found


def test_a_reader_that_raises_is_found_out() -> None:
    """An error that is not ours comes through, with the place that was broken."""
    acme = Provider(
        id="acme",
        name="Acme",
        url="https://acme.example/",
        decode=lambda body: Page([(row["id"], Unreadable("")) for row in json.loads(body)]),
    )
    [pair, _] = pairs([{"id": "a"}, {"id": "b"}], ())
    with pytest.raises(TypeError) as raised:
        list(holes(acme, pair))
    assert raised.value.__notes__ == ['acme: 0 ""']


@pytest.mark.parametrize("sample", BUILT, ids=str)
def test_a_broken_built_answer_names_no_new_price(sample: Sample) -> None:
    """The three properties, on a small answer with every kind of price the provider has."""
    check(sample)


@needs_samples
@pytest.mark.parametrize("sample", RECORDED, ids=str)
def test_a_broken_recorded_answer_names_no_new_price(sample: Sample) -> None:
    """The three properties, on rows as providers wrote them."""
    check(sample)
