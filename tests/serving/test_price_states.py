"""The state, the age and the reason of each price, the same wherever they are shown."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from pricing_sync.app import PricingSync
from pricing_sync.changes.held import State
from pricing_sync.errors import NoPrice, UnknownName
from pricing_sync.json_views.prices import PriceShape
from pricing_sync.prices.age import age_seconds
from pricing_sync.prices.book import Price
from pricing_sync.prices.rates import Meter, Per, Rate
from pricing_sync.prices.statements import PriceState
from pricing_sync.prices.usage import Usage
from pricing_sync.settings import Settings
from pricing_sync.store import connect
from pricing_sync.sync.recorded import RecordedAnswer
from pricing_sync.web import standalone
from pricing_sync.web.probes import collector

from built import openrouter, priced
from command import Run
from counting import counted
from databases import database_url
from server_process import ADMIN, READ, caller, serving

DAY = datetime(2026, 7, 17, 12, tzinfo=UTC)
DAYS = tuple(DAY + timedelta(days=n) for n in range(5))
STEADY = {f"maker/steady-{n}": priced() for n in range(30)}
MILLION = Usage(input=1_000_000)
TWENTY_TIMES = priced("0.00005", "0.0002")
UNREADABLE = priced("cheap")
#: Of each model: what the provider lists on each day; None where it does not list it.
LISTED: dict[str, list[dict[str, Any] | None]] = {
    "maker/confirmed": [priced()] * 3,
    "maker/varies": [priced("-1", "-1")] * 3,
    "maker/held": [priced(), TWENTY_TIMES, TWENTY_TIMES],
    "maker/held-at-last": [priced(), priced(), TWENTY_TIMES],
    "maker/held-then-unreadable": [priced(), TWENTY_TIMES, UNREADABLE],
    "maker/rejected": [priced(), TWENTY_TIMES, TWENTY_TIMES],
    "maker/accepted": [priced(), TWENTY_TIMES, TWENTY_TIMES],
    "maker/unreadable": [priced(), UNREADABLE, UNREADABLE],
    "maker/readable-again": [priced(), UNREADABLE, priced()],
    "maker/missing": [priced(), priced(), None],
    "maker/back": [priced(), None, priced()],
    "maker/retired": [priced(), None, None],
    "maker/new-held": [None, priced("5", "10"), priced("5", "10")],
    "maker/new-unreadable": [None, UNREADABLE, UNREADABLE],
    "maker/overridden": [priced(), TWENTY_TIMES, TWENTY_TIMES],
    "maker/retired-overridden": [priced(), None, None],
}
#: The state of each model after the third day, and the day that last confirmed its price.
EXPECTED: dict[str, tuple[str | None, int | None]] = {
    "maker/confirmed": ("confirmed", 2),
    "maker/varies": ("confirmed", 2),
    "maker/held": ("held", 0),
    "maker/held-at-last": ("held", 1),
    "maker/held-then-unreadable": ("unreadable", 0),
    "maker/rejected": ("rejected", 0),
    "maker/accepted": ("confirmed", 2),
    "maker/unreadable": ("unreadable", 0),
    "maker/readable-again": ("confirmed", 2),
    "maker/missing": ("missing", 1),
    "maker/back": ("confirmed", 2),
    "maker/retired": ("retired", 0),
    "maker/new-held": ("held", None),
    "maker/new-unreadable": ("unreadable", None),
    "maker/overridden": ("held", 0),
    "maker/retired-overridden": ("retired", 0),
    "maker/only-overridden": (None, None),
}
WITHOUT_PRICE = {"maker/retired", "maker/new-held", "maker/new-unreadable"}


def answer(day: int) -> bytes:
    listed = {model: days[day] for model, days in LISTED.items()}
    return openrouter(STEADY | {model: row for model, row in listed.items() if row is not None})


def read(app: PricingSync, body: bytes, at: datetime | None) -> None:
    run = asyncio.run(app.replay("openrouter", [RecordedAnswer(body, at)]))
    assert not any(result.reading.is_failed for result in run.results), run


def decide(app: PricingSync, model: str, state: State) -> None:
    (item,) = [item for item in app.store.review.held() if item.change.model == model]
    app.store.review.decide(state, [item], author="ann", reason="asked them", now=datetime.now(UTC))


@pytest.fixture
def app(tmp_path: Path) -> Iterator[PricingSync]:
    """Three readings of a provider on three days, and a person's decisions after the second."""
    settings = Settings(
        database=database_url(tmp_path),
        enabled=False,
        admin_token=SecretStr(ADMIN),
        read_token=SecretStr(READ),
    )
    with PricingSync(settings) as opened:
        for day in range(2):
            read(opened, answer(day), DAYS[day])
        decide(opened, "maker/rejected", State.REJECTED)
        decide(opened, "maker/accepted", State.ACCEPTED)
        for model in ("maker/overridden", "maker/retired-overridden", "maker/only-overridden"):
            rates = {Meter.INPUT: Rate.of(2, Per.MILLION)}
            opened.set_override("openrouter", model, rates, author="ann", reason="contract")
        read(opened, answer(2), DAYS[2])
        yield opened


def standing(app: PricingSync) -> dict[str, tuple[str | None, datetime | None]]:
    """State and last confirmation by model, as the library says, without the steady models."""
    found = {
        price.model: (price.state and price.state.value, price.confirmed_at)
        for price in app.prices("openrouter")
    }
    for state, _ in app.models_without_card("openrouter"):
        found.setdefault(state.model, (state.state.value, state.confirmed_at))
    return {model: pair for model, pair in found.items() if model not in STEADY}


def test_each_price_has_its_state_and_its_last_confirmation(app: PricingSync) -> None:
    """A price that the last reading did not confirm keeps the day of the one that did."""
    assert {
        model: (state, None if day is None else DAYS[day])
        for model, (state, day) in EXPECTED.items()
    } == standing(app)


def test_an_unchanged_reading_confirms_again_and_retires(app: PricingSync) -> None:
    """The same bytes on the fourth day: prices that were confirmed are of the fourth day."""
    read(app, answer(2), DAYS[3])
    later = {
        model: (
            "retired" if state == "missing" else state,
            None if day is None else DAYS[3] if state == "confirmed" else DAYS[day],
        )
        for model, (state, day) in EXPECTED.items()
    }
    assert later == standing(app)


@pytest.mark.sqlite("PostgreSQL has one statement for all models")
def test_a_confirmed_reading_writes_nothing_for_each_model(app: PricingSync) -> None:
    """Only models whose state changes are written."""
    writes: list[Any] = []
    app.store._connection._connection.set_trace_callback(writes.append)  # type: ignore[attr-defined]
    body = openrouter(
        STEADY | {model: days[2] for model, days in LISTED.items() if days[2]} | {"maker/x": {}}
    )
    read(app, body, DAYS[3])
    of_models = [sql for sql in writes if sql.startswith(("UPDATE pricing_models", "INSERT INTO"))]
    assert len(of_models) < len(STEADY) / 2


def test_a_price_is_confirmed_again_by_the_reading_that_lists_it(app: PricingSync) -> None:
    """Whatever it was before."""
    read(
        app, openrouter(STEADY | {model: days[0] or {} for model, days in LISTED.items()}), DAYS[3]
    )
    found = standing(app)
    for model in ("maker/held", "maker/rejected", "maker/unreadable", "maker/missing"):
        assert ("confirmed", DAYS[3]) == found[model]


def test_a_model_that_may_be_a_row_without_a_name_is_not_confirmed(app: PricingSync) -> None:
    """It is not counted as missing, but the reading does not list it either."""
    rows = STEADY | {m: days[2] for m, days in LISTED.items() if days[2]} | {"": priced()}
    del rows["maker/confirmed"]
    read(app, openrouter(rows), DAYS[3])
    assert ("missing", DAYS[2]) == standing(app)["maker/confirmed"]


def test_a_withdrawn_rejection_confirms_nothing(app: PricingSync) -> None:
    """The next reading judges the change again."""
    app.store.review.reconsider(
        "openrouter", "maker/rejected", author="ann", reason="moot", now=datetime.now(UTC)
    )
    assert ("rejected", DAY) == standing(app)["maker/rejected"]
    read(app, answer(2), DAYS[3])
    assert ("held", DAY) == standing(app)["maker/rejected"]


def by_model(records: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Every key of each price, but for the two that differ from moment to moment."""
    moving = {"age_seconds", "stale_since"}
    return {
        record["model"]: {key: record[key] for key in record.keys() - moving} for record in records
    }


def views(prices: Iterable[Price]) -> dict[str, dict[str, Any]]:
    now = datetime.now(UTC)
    return by_model(PriceShape.of(price, now).model_dump(mode="json") for price in prices)


def test_library_command_line_and_service_say_the_same(
    app: PricingSync,
    tmp_path: Path,
    run: Run,
) -> None:
    """Of every price in every state: value, state, last confirmation and reason."""
    shown = run("--database", database_url(tmp_path), "prices", "openrouter", "--json")
    command_line = by_model(shown.json)
    ages = {record["model"]: record["age_seconds"] for record in shown.json}
    assert EXPECTED.keys() | STEADY.keys() == command_line.keys()
    assert set(PriceState) <= {PriceState(e["state"]) for e in command_line.values() if e["state"]}
    prices = app.prices("openrouter")
    in_ledger, in_memory = views(prices), views(app.book())
    assert {m: e for m, e in command_line.items() if m not in WITHOUT_PRICE} == in_ledger
    assert in_ledger == in_memory
    with serving(standalone(app)) as url, caller(url, READ) as client:
        listed = client.get("/v1/prices", params={"limit": 1000}).json()["items"]
        assert command_line == by_model(listed)
        for entry in listed:
            one = client.get(f"/v1/prices/openrouter/{entry['model']}").json()
            # The query makes it go another way than an answer from memory.
            slow = client.get(f"/v1/prices/openrouter/{entry['model']}", params={"any": ""}).json()
            assert (entry.keys() | {"stale_since"}) == one.keys() == slow.keys()
            expected = {entry["model"]: command_line[entry["model"]]}
            assert expected == by_model([one]) == by_model([slow])
            assert one["read_at"] == one["confirmed_at"]
            confirmed_at = one["confirmed_at"] and datetime.fromisoformat(one["confirmed_at"])
            assert one["age_seconds"] == pytest.approx(
                age_seconds(confirmed_at, datetime.now(UTC)), abs=5
            )
        models = client.get(
            "/admin/pricing/providers/openrouter/models", params={"limit": 1000}
        ).json()["items"]
    now = datetime.now(UTC)
    for price in prices:
        assert command_line[price.model]["reason"] == price.reason
        age, shown_age = price.age(now), ages[price.model]
        assert (age is None) is (shown_age is None)
        assert age is None or shown_age == pytest.approx(age.total_seconds(), abs=5)
    for model in models:
        known = command_line[model["model"]]
        same = ("rates", "confirmed_at", "reason")
        assert [known[key] for key in same] == [model[key] for key in same], model["model"]
        if known["state"] not in ("confirmed", None):
            assert known["state"] == model["state"]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("maker/new-held", "held: out_of_bounds"),
        ("maker/new-unreadable", "unreadable: "),
        ("maker/retired", "retired: not listed since 2026-07-18"),
    ],
)
def test_a_cost_without_a_price_has_the_reason(
    app: PricingSync,
    tmp_path: Path,
    run: Run,
    model: str,
    reason: str,
) -> None:
    """By the book, by the ledger, on the command line and over HTTP; for now and for an instant."""
    begin = f"openrouter: {model}: "
    for error, ask in (
        (NoPrice, lambda: app.cost("openrouter", model, MILLION)),
        (NoPrice, lambda: app.book().cost("openrouter", model, MILLION)),
        (UnknownName, lambda: app.book().price("openrouter", model)),
        (NoPrice, lambda: app.price("openrouter", model)),
    ):
        with pytest.raises(error) as raised:
            ask()
        assert str(raised.value).startswith(begin + reason)
    with pytest.raises(NoPrice, match=f"now {reason}"):
        app.cost("openrouter", model, MILLION, datetime.now(UTC))
    database = ("--database", database_url(tmp_path))
    result = run(*database, "cost", "openrouter", model, "input=1000")
    assert (1, True) == (result.code, reason in " ".join(result.err.split()))
    with serving(standalone(app)) as url, caller(url, READ) as client:
        assert client.get(f"/v1/prices/openrouter/{model}").json()["reason"].startswith(reason)
        past = client.get(f"/v1/prices/openrouter/{model}", params={"at": "2020-01-01"})
        assert (404, True) == (past.status_code, reason in past.json()["detail"])


@pytest.mark.usefixtures("app")
def test_a_cost_at_a_doubtful_price_says_so(
    tmp_path: Path,
    run: Run,
) -> None:
    """The price in force counts; the reader learns that it is not confirmed."""
    arguments = ("--database", database_url(tmp_path), "cost", "openrouter")
    record = run(*arguments, "maker/held", "input=1000", "--json").json
    assert ("held", True) == (record["state"], record["reason"].startswith("held: band"))
    assert "held: band" in run(*arguments, "maker/held", "input=1000").err
    assert run(*arguments, "maker/confirmed", "input=1000").err == ""


def test_a_metric_counts_the_prices_by_state(app: PricingSync) -> None:
    """Each model once, for each provider."""
    text = collector(app).render("")[0].decode()
    counted = {
        sample.labels["state"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "pricing_prices" and sample.labels["provider"] == "openrouter"
    }
    states = [state for state, _ in EXPECTED.values() if state]
    expected = {state.value: states.count(state) for state in PriceState}
    assert expected | {"confirmed": expected["confirmed"] + len(STEADY)} == counted


@pytest.mark.usefixtures("app")
def test_the_audit_reports_prices_that_are_not_confirmed(tmp_path: Path, run: Run) -> None:
    """With their state and reason: an error when it lasts, otherwise a warning."""
    arguments = ("--database", database_url(tmp_path), "audit", "--json")
    doubtful = {
        model: state
        for model, (state, _) in EXPECTED.items()
        if state not in (None, "confirmed") and model not in WITHOUT_PRICE
    }
    for hours, severity in (("18", "error"), ("1000000", "warning")):
        result = run(*arguments, "--max-age-hours", hours)
        found = [entry for entry in result.json if entry["rule"] == "unconfirmed"]
        assert (1, {severity}) == (result.code, {entry["severity"] for entry in found})
        assert doubtful == {e["model"]: e["detail"].partition(":")[0] for e in found}


def test_the_book_knows_of_a_new_reading(app: PricingSync) -> None:
    """A reading that changes no price changes the age of prices."""
    assert DAYS[2] == app.book().price("openrouter", "maker/confirmed").confirmed_at
    read(app, answer(2), DAYS[3])
    app._refresh_book()
    price = app.book().price("openrouter", "maker/confirmed")
    assert DAYS[3] == price.confirmed_at
    assert timedelta(hours=1) == price.age(DAYS[3] + timedelta(hours=1))


@pytest.mark.parametrize("models", [1, 300])
def test_a_book_takes_seven_statements(app: PricingSync, models: int) -> None:
    """The number of models does not matter, nor that of prices in doubt."""
    unreadable = {f"maker/steady-{n}": UNREADABLE for n in range(5)}
    read(
        app, openrouter(STEADY | unreadable | {f"a/{n}": priced() for n in range(models)}), DAYS[3]
    )
    with counted(app.store) as counter:
        assert len(app.store.book()) > len(STEADY) + models
    assert 7 == counter.statements


def test_prices_in_doubt_are_below_the_table(
    app: PricingSync,
    tmp_path: Path,
    run: Run,
) -> None:
    """By state, rules and last confirmation; the details are those of one model."""
    app.close()
    arguments = ("--database", database_url(tmp_path), "prices", "openrouter")
    out = run(*arguments).out
    assert ", last confirmed 2026-07-17 12:00Z: maker/held, maker/overridden\n" in out
    assert "x20" not in out
    assert "rejected: by ann: asked them, last confirmed 2026-07-17 12:00Z: maker/rejected" in out
    assert "retired: not listed since 2026-07-18 12:00Z: maker/retired\n" in out
    assert "  confirmed 2026-07-19 12:00Z\n" in run(*arguments, "maker/confirmed").out


def test_prices_of_another_instant_have_no_state(app: PricingSync) -> None:
    """The states are those of now."""
    (price,) = app.prices("openrouter", "maker/held", at=DAYS[1])
    assert (None, None, None) == (price.state, price.confirmed_at, price.reason)


@pytest.mark.parametrize("is_known", [True, False])
def test_a_page_of_the_prices_of_an_instant_reads_its_own_cards(
    app: PricingSync, *, is_known: bool
) -> None:
    """The pages together are the whole list, with what a person alone has priced."""
    for model in ("a-first", "maker/n", "zz-last"):
        rates = {Meter.INPUT: Rate.of(1, Per.MILLION)}
        app.set_override("ours", model, rates, since=DAY, author="ann", reason="a contract")
    everything, known_at = 0, datetime.now(UTC) if is_known else None
    for at in (*DAYS[:3], datetime.now(UTC)):
        whole = app.prices(at=at, known_at=known_at)
        everything = max(everything, len(whole))
        for limit in (1, 3, 50):
            pages, after = [], ("", "")
            while True:
                with counted(app.store) as counter:
                    found = app.prices(at=at, known_at=known_at, after=after, limit=limit)
                assert counter.statements < 20
                pages += found
                if len(found) < limit:
                    break
                after = (found[-1].provider, found[-1].model)
            assert whole == pages
    assert everything > 40


def as_of_migration(version: int, path: Path) -> None:
    """Replace a database by one of an older schema, with the rows that it could hold."""
    renamed = {"overrides": "conditional_rates"}
    with connect(f"sqlite:///{path.with_suffix('.old')}", create=True) as old:
        old.migrate(upto=version)
    with closing(sqlite3.connect(path.with_suffix(".old"), isolation_level=None)) as database:
        database.execute("ATTACH ? AS new", (str(path),))
        tables = "SELECT name FROM main.sqlite_master WHERE type = 'table'"
        for (table,) in database.execute(tables).fetchall():
            if table != "pricing_migrations":
                of_table = "SELECT name FROM pragma_table_info(?, ?)"
                new = {name for (name,) in database.execute(of_table, (table, "new"))}
                kept = {
                    name: found
                    for (name,) in database.execute(of_table, (table, "main"))
                    if (found := renamed.get(name, name)) in new
                }
                columns, values = (
                    ", ".join(map('"{}"'.format, side)) for side in (kept, kept.values())
                )
                database.execute(f"DELETE FROM main.{table}")
                database.execute(
                    f"INSERT INTO main.{table} ({columns}) SELECT {values} FROM new.{table}"
                )
    path.with_suffix(".old").replace(path)


@pytest.mark.sqlite("a migration of SQLite")
def test_migration_7_derives_the_states(app: PricingSync, tmp_path: Path) -> None:
    """From what was stored before. An unreadable price was last confirmed at an unknown time."""
    expected = standing(app)
    app.close()
    as_of_migration(6, tmp_path / "prices.db")
    with connect(database_url(tmp_path)) as store:
        assert 7 in store.migrate()
    with app:
        found = standing(app)
    for model, (state, confirmed_at) in expected.items():
        if state == "unreadable":
            assert ("unreadable", None) == found[model]
        elif state != "rejected":
            assert (state, confirmed_at) == found[model], model
