"""The other names that lists publish for a model, and the day on which it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.errors import NoPrice, UnknownName
from pricing_sync.prices.rates import Meter, Notice, Per, Rate, RateCard
from pricing_sync.prices.usage import Usage
from pricing_sync.settings import Settings
from pricing_sync.sources.formats import models_dev
from pricing_sync.sources.provider import read_answer
from pricing_sync.sources.providers import (
    cerebras,
    cloudflare_workers_ai,
    deepinfra,
    find,
    nearai,
    xai,
)
from pricing_sync.sync.recorded import RecordedAnswer
from pricing_sync.web import standalone

from command import Run
from databases import database_url
from recorded import needs_samples, sample
from server_process import caller, serving

DAY = datetime(2026, 7, 17, tzinfo=UTC)
NEXT = DAY + timedelta(days=1)
MILLION = Usage(input=1_000_000)
TODAY = datetime.now(UTC).date()
SOON, LATER = TODAY + timedelta(days=20), TODAY + timedelta(days=200)


def left() -> int:
    """The days until SOON. The tests may run past midnight."""
    return (SOON - datetime.now(UTC).date()).days


def row(model: str, dollars: int = 1, **more: Any) -> dict[str, Any]:
    price = f"0.00000{dollars}"
    return {"id": model, "pricing": {"prompt": price, "completion": price}, **more}


def body(*rows: Mapping[str, Any]) -> bytes:
    return json.dumps({"data": rows}).encode()


LIST = body(
    row("openai/gpt-6", 1, canonical_slug="openai/gpt-6-20260717", expiration_date=str(SOON)),
    row("openai/gpt-6:free", 2, canonical_slug="openai/gpt-6-20260717"),
    row("openai/gpt-7", 3, canonical_slug="openai/gpt-7", expiration_date=str(LATER)),
    row("openai/gpt-8", 3, canonical_slug="openai/gpt-8", expiration_date="2098-12-31"),
    row("openai/gpt-5", 3, canonical_slug="openai/gpt-5", expiration_date="2025-10-01"),
    row("~openai/gpt-latest", 3, alias_target={"name": "GPT 7", "slug": "openai/gpt-7"}),
)
DATED = "openai/gpt-6-20260717"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[PricingSync]:
    with PricingSync(Settings(database=database_url(tmp_path))) as opened:
        yield opened


def read(app: PricingSync, *answers: tuple[bytes, datetime]) -> None:
    recorded = [RecordedAnswer(answer, at) for answer, at in answers]
    run = asyncio.run(app.replay("openrouter", recorded))
    assert not [result.error for result in run.results if result.error]


def input_rate(app: PricingSync, model: str, **more: Any) -> str:
    listing = app.price("openrouter", model, **more).listing
    assert isinstance(listing, RateCard)
    return str(listing.rates[Meter.INPUT])


# Reading


NOTICES = [
    (
        find("openrouter"),
        LIST,
        {
            "openai/gpt-6": Notice(names=(DATED,), ends_on=SOON),
            "openai/gpt-6:free": Notice(names=(f"{DATED}:free",)),
            "openai/gpt-7": Notice(ends_on=LATER),
            "openai/gpt-5": Notice(ends_on=date(2025, 10, 1)),
            "~openai/gpt-latest": Notice(stands_for="openai/gpt-7"),
        },
    ),
    (
        xai.PROVIDER,
        b'{"models":[{"id":"grok-9","prompt_text_token_price":1,"aliases":["grok-latest"]}]}',
        {"grok-latest": Notice(stands_for="grok-9")},
    ),
    (
        cerebras.PROVIDER,
        body(row("a", deprecated=True), row("b", deprecated=False)),
        {"a": Notice(deprecated=True)},
    ),
    (
        deepinfra.PROVIDER,
        json.dumps(
            [
                {"model_name": "a", "deprecated": 1_784_246_400, "replaced_by": "b"},
                {"model_name": "b", "deprecated": None, "replaced_by": None},
                {"model_name": "c", "deprecated": True, "replaced_by": "no <id>"},
            ]
        ).encode(),
        {
            "a": Notice(deprecated=True, ends_on=date(2026, 7, 17), replaced_by="b"),
            "c": Notice(deprecated=True),
        },
    ),
    (
        nearai.PROVIDER,
        json.dumps(
            {
                "total": 2,
                "models": [
                    {
                        "modelId": "a",
                        "metadata": {
                            "aliases": ["x", 7],
                            "deprecationDate": "2026-12-01T00:00:00Z",
                        },
                    },
                    {"modelId": "b", "metadata": {"aliases": [], "deprecationDate": None}},
                ],
            }
        ).encode(),
        {"a": Notice(names=("x",), ends_on=date(2026, 12, 1))},
    ),
    (
        cloudflare_workers_ai.PROVIDER,
        json.dumps(
            {
                "success": True,
                "result": [
                    {
                        "name": "@cf/a",
                        "properties": [
                            {"property_id": "planned_deprecation_date", "value": "2026-12-01"}
                        ],
                    }
                ],
            }
        ).encode(),
        {"@cf/a": Notice(ends_on=date(2026, 12, 1))},
    ),
    (
        find("mistral"),
        b'{"mistral":{"models":{"a":{"status":"deprecated"},"b":{"status":"beta"},"c":{}}}}',
        {"a": Notice(deprecated=True)},
    ),
]


@pytest.mark.parametrize(("provider", "answer", "notices"), NOTICES, ids=lambda item: str(item)[:0])
def test_a_list_says_names_and_dates_beside_the_price(
    provider: Any, answer: bytes, notices: Mapping[str, Notice]
) -> None:
    """Each reader whose format has them keeps them."""
    assert notices == read_answer(provider, [answer]).notices


@pytest.mark.parametrize("wrong", [7, True, "", "a b", [], {}, {"slug": 7}, "2026-99-99", "never"])
@pytest.mark.parametrize(
    "key", ["canonical_slug", "alias_target", "expiration_date", "deprecated", "replaced_by"]
)
def test_a_strange_name_or_date_spoils_no_price(key: str, wrong: Any) -> None:
    """The price is what the list is read for."""
    answer = read_answer(find("openrouter"), [body(row("a", **{key: wrong}))])
    assert isinstance(answer.listings["a"], RateCard)
    assert None is answer.notices.get("a", Notice()).ends_on
    for reader, made in (
        (cerebras.read, body(row("a", **{key: wrong}))),
        (models_dev.read, json.dumps({"p": {"models": {"a": {key: wrong}}}}).encode()),
    ):
        page = reader(made, "p") if reader is models_dev.read else reader(made)  # type: ignore[call-arg]
        assert ["a"] == [model for model, _ in page.rows]


def test_a_name_of_two_models_is_no_name() -> None:
    """Nobody can tell which is meant; and a model's own id is never another's name."""
    answer = read_answer(
        find("openrouter"),
        [
            body(
                row("a", canonical_slug="x"),
                row("b", canonical_slug="x"),
                row("c", canonical_slug="a"),
                row("d", canonical_slug="d-1"),
                row("e", alias_target={"slug": "nothing"}),
            )
        ],
    )
    assert {"d-1": "d"} == answer.aliases()


@needs_samples
def test_every_dated_name_of_a_recorded_list_is_known() -> None:
    """185 of 345 rows have another name. Of five variants, the dated name is that of their base."""
    found = read_answer(find("openrouter"), [sample("openrouter/2026-07-25.json")])
    aliases = found.aliases()
    assert 185 == len(aliases)
    assert "openai/gpt-5.6-luna" == aliases["openai/gpt-5.6-luna-20260709"]
    assert "poolside/laguna-m.1:free" == aliases["poolside/laguna-m.1-20260312:free"]
    assert date(2026, 8, 10) == found.notices["openai/gpt-5.3-chat"].ends_on
    # Two more rows have the filler 2098-12-31, which is no day on which anything ends.
    assert 6 == sum(notice.ends_on is not None for notice in found.notices.values())


# The library


def test_a_dated_name_has_the_price_of_its_model(app: PricingSync) -> None:
    """The price says which model it is of; so does the one of a pointer with its own row."""
    read(app, (LIST, DAY))
    for at in (None, DAY + timedelta(hours=1)):
        price = app.price("openrouter", DATED, at=at)
        assert (DATED, "openai/gpt-6") == (price.model, price.resolved_to)
        assert app.price("openrouter", "openai/gpt-6").listing == price.listing
        assert 1 == app.cost("openrouter", DATED, MILLION, at=at).total
        assert 2 == app.cost("openrouter", f"{DATED}:free", MILLION, at=at).total
        latest = app.price("openrouter", "~openai/gpt-latest", at=at)
        assert ("~openai/gpt-latest", "openai/gpt-7") == (latest.model, latest.resolved_to)
        assert None is app.price("openrouter", "openai/gpt-7", at=at).resolved_to
        with pytest.raises(UnknownName):
            app.price("openrouter", "openai/gpt-9", at=at)
    book = app.book()
    assert "openai/gpt-6" == book.price("openrouter", DATED).resolved_to
    assert 1 == book.cost("openrouter", DATED, MILLION).total
    assert 6 == len(book) == len(list(book)) == len(app.prices("openrouter"))
    assert DAY == app.history("openrouter", DATED)[0].since


def test_a_name_that_moves_has_the_price_of_its_day(app: PricingSync) -> None:
    """What a name meant before is kept; one that is no longer published ends."""
    first = body(row("a", 1, canonical_slug="x"), row("b", 2, canonical_slug="y"))
    then = body(row("a", 1), row("b", 2, canonical_slug="x"))
    read(app, (first, DAY), (then, NEXT))
    hour = timedelta(hours=1)
    assert ("1", "2") == (
        input_rate(app, "x", at=DAY + hour),
        input_rate(app, "x", at=NEXT + hour),
    )
    assert "2" == input_rate(app, "x")
    assert "2" == input_rate(app, "y", at=DAY + hour)
    with pytest.raises(NoPrice):
        app.cost("openrouter", "y", MILLION)


def test_a_missing_model_keeps_its_names(app: PricingSync) -> None:
    """Absence is weak evidence, for a name as for a price."""
    rows = [row(f"m{number}", 1) for number in range(5)]
    read(app, (body(row("a", 4, canonical_slug="x"), *rows), DAY), (body(*rows), NEXT))
    assert "4" == input_rate(app, "x")


def test_a_name_of_a_model_without_a_price_says_why(app: PricingSync) -> None:
    """As the model's own id: the first price of a model may wait for a person."""
    rows = [row(f"m{number}", 1) for number in range(5)]
    dear = {"prompt": "5", "completion": "10"}
    held = {"id": "a", "pricing": dear, "canonical_slug": "x"}
    read(app, (body(*rows), DAY), (body(held, *rows), NEXT))
    for model in ("a", "x"):
        assert "held" in (app.book().reason_without_price("openrouter", model) or "")
        for ask in (
            lambda name: app.price("openrouter", name),
            lambda name: app.cost("openrouter", name, MILLION),
            lambda name: app.cost("openrouter", name, MILLION, at=NEXT),
        ):
            with pytest.raises(NoPrice, match=f"{model}: .*held"):
                ask(model)


def test_an_override_by_another_name_is_of_the_model(app: PricingSync) -> None:
    """Set under the name alone, it would be a card of one meter beside the model's."""
    read(app, (LIST, DAY))
    rate = {Meter.INPUT: Rate.of("9", Per.MILLION)}
    made = app.set_override("openrouter", DATED, rate, author="a", reason="r")
    assert ["openai/gpt-6"] == [entry.model for entry in made]
    assert 9 == app.cost("openrouter", "openai/gpt-6", MILLION).total
    assert 9 == app.cost("openrouter", DATED, MILLION).total
    app.end_override("openrouter", DATED)
    assert 1 == app.cost("openrouter", DATED, MILLION).total


def test_what_a_list_says_of_the_end_is_kept(app: PricingSync) -> None:
    """With the price, and in a list of what ends within 30 days."""
    read(app, (LIST, DAY))
    price = app.price("openrouter", "openai/gpt-6")
    assert price.notice is not None
    assert SOON == price.notice.ends_on
    assert None is app.price("openrouter", "openai/gpt-6:free").notice
    assert [("openrouter", "openai/gpt-6", SOON)] == [
        (entry.provider, entry.model, entry.notice.ends_on) for entry in app.ending()
    ]
    assert 2 == len(app.ending(timedelta(days=365)))
    (told,) = app.status()["ending"]
    assert ("openai/gpt-6", str(SOON), left()) == (told["model"], told["ends_on"], told["days"])
    read(app, (body(row("openai/gpt-6", 1), row("openai/gpt-7", 3)), NEXT))
    assert [] == app.ending()


# The command and the API


@pytest.fixture
def run(run: Run) -> Run:
    Path("list.json").write_bytes(LIST)
    assert 0 == run("sync", "openrouter", "--answer", "list.json", "--at", "2026-07-17").code
    return run


@pytest.mark.sqlite("the command's default is a file")
def test_the_command_resolves_a_name_and_says_so(run: Run) -> None:
    """Prices, cost and history."""
    (price,) = run("prices", "openrouter", DATED, "--json").json
    assert (DATED, "openai/gpt-6", str(SOON)) == (
        price["model"],
        price["resolved_to"],
        price["ends_on"],
    )
    assert f"{DATED}, which is openai/gpt-6" in run("prices", "openrouter", DATED).out
    billed = run("cost", "openrouter", DATED, "input=1000000", "--json").json
    assert ("1", "openai/gpt-6") == (billed["total"], billed["resolved_to"])
    assert f"{DATED} is openai/gpt-6" in run("cost", "openrouter", DATED, "input=1").out
    assert 1 == len(run("history", "openrouter", DATED, "--json").json)
    assert 2 == run("prices", "openrouter", "openai/nothing").code
    plain = run("cost", "openrouter", "openai/gpt-6", "input=1", "--json").json
    assert None is plain["resolved_to"]


@pytest.mark.sqlite("the command's default is a file")
def test_the_command_tells_what_ends(run: Run) -> None:
    """In the price of the model, in a provider's list, and 30 days before in status."""
    assert f"ends on {SOON}" in run("prices", "openrouter", "openai/gpt-6").out
    assert f"openrouter openai/gpt-6 ends on {SOON}, in {left()} days" in run("status").out
    assert "gpt-7 ends" not in run("status").out


def test_the_api_resolves_a_name_and_says_so(tmp_path: Path) -> None:
    """The same values as the command, now and at an instant."""
    token = "an-admin-token-of-the-tests"
    database = database_url(tmp_path)
    with PricingSync(Settings(database=database)) as app:
        read(app, (LIST, DAY))
    pricing = PricingSync(Settings(database=database, admin_token=token, enabled=False))  # type: ignore[arg-type]
    with serving(standalone(pricing)) as url, caller(url, token) as client:
        for query in ("", "?at=2026-07-18"):
            price = client.get(f"/v1/prices/openrouter/{DATED}{query}").json()
            assert (DATED, "openai/gpt-6") == (price["model"], price["resolved_to"])
            assert ("1", str(SOON)) == (price["rates"]["input"], price["ends_on"])
        plain = client.get("/v1/prices/openrouter/openai/gpt-7").json()
        assert (None, str(LATER)) == (plain["resolved_to"], plain["ends_on"])
        history = client.get(f"/v1/prices/openrouter/{DATED}/history").json()
        assert ("openai/gpt-6", 1) == (history["resolved_to"], len(history["items"]))
        filtered = client.get("/v1/prices", params={"provider": "openrouter", "model": DATED})
        assert ["openai/gpt-6"] == [item["resolved_to"] for item in filtered.json()["items"]]
        assert 404 == client.get("/v1/prices/openrouter/openai/nothing").status_code
        assert 'pricing_models_ending{provider="openrouter"} 1.0' in client.get("/metrics").text
        assert ["openai/gpt-6"] == [
            item["model"] for item in client.get("/admin/pricing/scheduler/status").json()["ending"]
        ]
