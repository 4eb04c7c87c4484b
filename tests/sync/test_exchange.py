"""Reading exchange rates, from the bytes to a converted cost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.errors import DecodeError, NoPrice
from pricing_sync.settings import ProviderSettings, Settings
from pricing_sync.store import Store, open_store
from pricing_sync.sync.exchange import ID, is_due, store_exchange_rates

from built import openrouter, priced
from command import Run
from databases import database_url
from exchange_rates_file import answer
from fault_server import FaultServer
from service import RecordingListener, until

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
FILE = {
    "2026-11-23": {"USD": "1.25", "CNY": "8.75"},
    "2026-11-20": {"USD": "1.24", "CNY": "8.7"},
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(database_url(tmp_path), create=True) as opened:
        yield opened


def test_only_what_is_new_is_stored(store: Store) -> None:
    """A file of 90 days is read every day."""
    table = store.exchange_rates
    assert 4 == store_exchange_rates(answer(FILE), table, NOW).added
    again = store_exchange_rates(answer({**FILE, "2026-11-24": {"USD": "1.26"}}), table, NOW)
    assert (1, date(2026, 11, 24), ()) == (again.added, again.newest, again.differing)


def test_a_stored_rate_never_changes(store: Store) -> None:
    """Amounts were converted by it. What the source says now is told."""
    table = store.exchange_rates
    store_exchange_rates(answer(FILE), table, NOW)
    changed = answer({"2026-11-23": {"USD": "1.2501", "CNY": "8.75"}})
    (differing,) = store_exchange_rates(changed, table, NOW).differing
    assert ("USD", Decimal("1.2501")) == (differing.currency, differing.per_euro)
    found = table.between(["USD"], NOW, NOW).find("EUR", "USD", NOW)
    assert Decimal("1.25") == found.rounded()


@pytest.mark.parametrize(
    ("days", "why"),
    [
        ({"2026-11-25": {"USD": "1.25"}}, "2026-11-25: has not come yet"),
        ({"2026-11-23": {"USD": "125"}}, "USD: 125 per euro, where 1.25 was on 2026-11-23"),
        ({"2026-11-24": {"CNY": "0.0875"}}, "CNY: 0.0875 per euro, where 8.75"),
    ],
)
def test_a_lying_file_changes_nothing(
    store: Store, days: dict[str, dict[str, str]], why: str
) -> None:
    """A day in the future, and a file that is wrong by a factor as a whole."""
    store_exchange_rates(answer(FILE), store.exchange_rates, NOW)
    before = store.exchange_rates.newest()
    with pytest.raises(DecodeError, match=f"{ID}: {why}"):
        store_exchange_rates(answer(days), store.exchange_rates, NOW)
    assert before == store.exchange_rates.newest()


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (datetime(2026, 11, 24, 15, tzinfo=UTC), False),
        (datetime(2026, 11, 24, 16, tzinfo=UTC), True),
        (datetime(2026, 11, 25, 1, tzinfo=UTC), True),
    ],
)
def test_rates_are_due_when_they_were_published(store: Store, now: datetime, *, due: bool) -> None:
    """Those of Monday are stored: on Tuesday afternoon there are newer ones."""
    assert is_due(store.exchange_rates, now)
    store_exchange_rates(answer(FILE), store.exchange_rates, NOW)
    assert due is is_due(store.exchange_rates, now)


def test_nothing_is_due_at_the_weekend(store: Store) -> None:
    """Those of Friday are the newest until Monday afternoon."""
    days = {"2026-11-20": {"USD": "1.24"}}
    store_exchange_rates(answer(days), store.exchange_rates, NOW)
    saturday = datetime(2026, 11, 21, 20, tzinfo=UTC)
    assert not any(is_due(store.exchange_rates, saturday + timedelta(days=n)) for n in (0, 1))
    assert is_due(store.exchange_rates, saturday + timedelta(days=2))


# From the command line, and by the service


@pytest.fixture
def run(run: Run) -> Run:
    Path("answer.json").write_bytes(openrouter({"maker/a": priced()}))
    assert 0 == run("sync", "openrouter", "--answer", "answer.json").code
    return run


COST = ("cost", "openrouter", "maker/a", "input=1000000")


def recent() -> str:
    """A day whose rates count now."""
    return (datetime.now(UTC).date() - timedelta(days=1)).isoformat()


def test_a_cost_is_shown_in_another_currency_too(run: Run) -> None:
    """With the rate and the day by which it was converted."""
    Path("rates.xml").write_bytes(answer({recent(): {"USD": "1.25", "CNY": "8.75"}}))
    read = run("exchange-rates", "--file", "rates.xml", "--json")
    assert [
        {"currency": "CNY", "day": recent(), "per_euro": "8.75"},
        {"currency": "USD", "day": recent(), "per_euro": "1.25"},
    ] == read.json
    assert "2 rates are new" in read.err
    lines = run(*COST, "--currency", "eur").out.splitlines()
    assert ["2.5 USD", f"2 EUR, at 1 USD = 0.8 EUR (ECB, {recent()})"] == lines[-2:]
    converted = run(*COST, "--currency", "CNY", "--json").json["converted"]
    assert converted == {
        "total": "17.500000000000000",
        "currency": "CNY",
        "rate": "7",
        "day": recent(),
        "source": "ECB",
    }


def test_without_a_rate_there_is_no_cost_in_that_currency(run: Run) -> None:
    """An error that says which rate is missing, and nothing on standard output."""
    result = run(*COST, "--currency", "EUR")
    assert (1, "") == (result.code, result.out)
    assert "openrouter: maker/a: no exchange rate of USD to EUR" in result.err
    assert "no exchange rates are stored" in run("exchange-rates").out + run("exchange-rates").err


@pytest.mark.parametrize("arguments", [("--file", "missing.xml"), ("--file", "answer.json")])
def test_a_file_that_is_no_list_of_rates_is_an_error(run: Run, arguments: tuple[str, ...]) -> None:
    """In one line that names it."""
    result = run("exchange-rates", *arguments)
    assert result.code in (1, 2)
    assert 1 == len(result.err.splitlines())
    assert "missing.xml" in result.err or "exchange:ecb: body" in result.err


@pytest.mark.parametrize("code", ["euro", "E1R", ""])
def test_a_currency_is_a_code(run: Run, code: str) -> None:
    """Refused before anything is computed."""
    result = run(*COST, "--currency", code)
    assert 2 == result.code
    assert "is no currency such as EUR" in result.err


def settings(tmp_path: Path, url: str) -> Settings:
    return Settings(
        database=database_url(tmp_path),
        exchange_rates=True,
        reference_hours=0,
        first_delay_seconds=0,
        attempts=1,
        providers=("openrouter",),
        enabled=True,
        provider={
            ID: ProviderSettings(base_url=url),
            "openrouter": ProviderSettings(base_url="http://127.0.0.1:9"),
        },
    )


def test_the_service_reads_what_is_due(tmp_path: Path) -> None:
    """The rates of the last working day, from the bank's own path."""
    body = answer({recent(): {"USD": "1.25", "CNY": "8.75"}})
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nConnection: close\r\n"
    reply = head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body

    async def serve() -> list[str]:
        async with FaultServer(reply) as server:
            app = PricingSync(settings(tmp_path, server.url), create=True)
            async with app.lifespan():
                await until(app.store.exchange_rates.newest)
            return [request.target for request in server.requests]

    assert ["/stats/eurofxref/eurofxref-hist-90d.xml"] == asyncio.run(serve())
    with PricingSync(settings(tmp_path, "http://127.0.0.1:9")) as app:
        assert Decimal("0.8") == app.exchange_rate("USD", "EUR").rounded()
        with pytest.raises(NoPrice, match="GBP"):
            app.exchange_rate("USD", "GBP")


def test_the_service_reports_a_failed_read(tmp_path: Path) -> None:
    """It goes on, and the listeners are told why."""
    told = RecordingListener()

    async def serve() -> None:
        app = PricingSync(settings(tmp_path, "http://127.0.0.1:9"), listeners=[told], create=True)
        async with app.lifespan():
            await until(lambda: any(where == "exchange rates" for where, _ in told.errors))

    asyncio.run(serve())
    (error,) = [str(error) for where, error in told.errors if where == "exchange rates"]
    assert error.startswith(f"{ID}: ")
