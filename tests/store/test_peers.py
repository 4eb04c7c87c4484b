"""The peer table: which prices are quotes, and how catalogs are replaced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pricing_sync.changes.diff import Change, Kind
from pricing_sync.changes.plan import ChangePlan
from pricing_sync.changes.run import Outcome, Run
from pricing_sync.errors import IncompleteAnswer
from pricing_sync.gate import Quote
from pricing_sync.prices.rates import ConditionalRates, Meter, Per, Rate, RateCard, When
from pricing_sync.store import Store, open_store
from pricing_sync.store.peers import CatalogPrice, CatalogRead, PeerTable, ReadStatus, catalog_price

from counting import counted
from databases import database_url
from invented_readings import reading

DAY = datetime(2026, 7, 17, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(database_url(tmp_path), create=True) as opened:
        opened.queue.insert_run(Run("run", "test", DAY, DAY, Outcome.SUCCESS, False, ()))
        yield opened


@pytest.fixture
def table(store: Store) -> PeerTable:
    return PeerTable(store._connection)


def card(into: str, out: str, **more: str) -> RateCard:
    rates = {"input": into, "output": out, **more}
    return RateCard({Meter(name): Rate.of(rate, Per.MILLION) for name, rate in rates.items()})


def rows(catalog: str, cards: Mapping[tuple[str, str], RateCard]) -> list[CatalogPrice]:
    prices = [catalog_price(catalog, provider, model, c) for (provider, model), c in cards.items()]
    return [price for price in prices if price is not None]


def read(catalog: str, at: datetime = DAY, **more: Any) -> CatalogRead:
    return CatalogRead(catalog=catalog, at=at, status=ReadStatus.READ, decoder="1", **more)


def store_catalog(
    table: PeerTable, catalog: str, cards: Mapping[tuple[str, str], RateCard]
) -> None:
    table.replace(read(catalog), rows(catalog, cards))


def store_cards(store: Store, provider: str, cards: Mapping[str, RateCard]) -> None:
    """Put cards of a provider into the ledger, as a reading does."""
    changes = [Change(model, Kind.ADDED, None, listing) for model, listing in cards.items()]
    with store.transaction():
        store.save_reading(
            reading(DAY, provider), ChangePlan(apply=changes, seen=dict.fromkeys(cards))
        )


def quoted(quotes: list[Quote]) -> set[tuple[str, str, str]]:
    return {(q.lineage, q.source, str(q.card.rates[Meter.INPUT])) for q in quotes}


def test_only_the_base_rates_of_text_are_stored() -> None:
    """Conditional rates, other meters and zeros are not compared."""
    full = RateCard(
        {
            **card("2.5", "10", cache_read="0.25", cache_write="0").rates,
            Meter.WEB_SEARCH: Rate.of("0.01", Per.ONE),
        },
        (ConditionalRates(When(service_tier="batch"), {Meter.INPUT: Rate(1)}),),
    )
    row = catalog_price("litellm", "together_ai", "together_ai/openai/gpt-oss-20b", full)
    assert (
        CatalogPrice(
            "together_ai",
            "together_ai/openai/gpt-oss-20b",
            "gpt-oss-20b",
            "together",
            card("2.5", "10", cache_read="0.25"),
        )
        == row
    )


@pytest.mark.parametrize(
    ("model", "listed"),
    [
        ("maker/a:free", card("1", "2")),
        ("maker/a", card("0", "0")),
        ("maker/a", RateCard({Meter.IMAGE: Rate.of("0.04", Per.ONE)})),
        ("maker/a", RateCard({Meter.CACHE_READ: Rate.of("1", Per.MILLION)})),
    ],
)
def test_a_listing_that_cannot_be_a_peer_gives_no_row(model: str, listed: RateCard) -> None:
    """It is a free variant, a free card, or a card without a text price."""
    assert catalog_price("models.dev", "acme", model, listed) is None


def test_peers_come_from_the_catalogs_and_from_the_ledger(store: Store, table: PeerTable) -> None:
    """Sellers have the names that this program uses, and rates are exactly as listed."""
    store_catalog(
        table, "models.dev", {("novita-ai", "zai/glm-5.2"): card("1.1", "4", cache_read="0.2")}
    )
    store_cards(store, "fireworks", {"accounts/fireworks/models/glm-5p2": card("1.4", "4.4")})
    assert {
        "z-ai/glm-5.2": [
            Quote("fireworks", "ledger", card("1.4", "4.4")),
            Quote("novita", "models.dev", card("1.1", "4", cache_read="0.2")),
        ]
    } == table.quotes("openrouter", ["z-ai/glm-5.2", "z-ai/glm-5", "openrouter/auto"])


def test_a_provider_is_not_its_own_peer(store: Store, table: PeerTable) -> None:
    """Not even when catalogs list its prices under other names."""
    store_catalog(table, "models.dev", {("novita-ai", "glm-5.2"): card("1", "4")})
    store_catalog(table, "litellm", {("novita", "novita/glm-5.2"): card("2", "4")})
    store_catalog(table, "genai-prices", {("huggingface_novita", "zai/GLM-5.2"): card("3", "4")})
    store_cards(store, "novita", {"zai/glm-5.2": card("4", "4")})
    assert {} == table.quotes("novita", ["zai/glm-5.2"])
    assert {} == table.quotes("novita-ai", ["zai/glm-5.2"])


def test_a_lineage_counts_once(table: PeerTable) -> None:
    """Three catalogs that list one seller are one peer. Its median ignores a typo."""
    store_catalog(table, "models.dev", {("togetherai", "glm-5.2"): card("1", "4")})
    store_catalog(table, "litellm", {("together_ai", "glm-5.2"): card("10", "40")})
    store_catalog(table, "genai-prices", {("together", "glm-5.2"): card("1.2", "4")})
    found = table.quotes("openrouter", ["z-ai/glm-5.2"])["z-ai/glm-5.2"]
    assert {
        ("together", "models.dev", "1"),
        ("together", "litellm", "10"),
        ("together", "genai-prices", "1.2"),
    } == quoted(found)
    spread = table.peers("openrouter", ["z-ai/glm-5.2"])["z-ai/glm-5.2"][Meter.INPUT]
    assert (1, "1.2") == (spread.count, str(spread.median))


def test_equal_prices_of_one_seller_are_one_quote(table: PeerTable) -> None:
    """Its source is the first catalog that has the price."""
    for catalog, provider in (("litellm", "together_ai"), ("models.dev", "togetherai")):
        store_catalog(table, catalog, {(provider, "glm-5.2"): card("1", "4")})
    found = table.quotes("openrouter", ["z-ai/glm-5.2"])["z-ai/glm-5.2"]
    assert {("together", "litellm", "1")} == quoted(found)


def test_a_card_in_the_ledger_replaces_the_catalog_prices_of_its_seller(
    store: Store, table: PeerTable
) -> None:
    """The gate has judged the card. The catalog prices of other sellers stay."""
    store_catalog(
        table,
        "models.dev",
        {("togetherai", "glm-5.2"): card("9", "9"), ("zai", "glm-5.2"): card("1.5", "4")},
    )
    store_cards(
        store, "together", {"zai-org/GLM-5.2": card("1", "4"), "zai-org/GLM-5": card("7", "7")}
    )
    found = table.quotes("openrouter", ["z-ai/glm-5.2"])["z-ai/glm-5.2"]
    assert {("together", "ledger", "1"), ("zai", "models.dev", "1.5")} == quoted(found)


def test_a_zero_of_another_provider_is_not_a_price(store: Store, table: PeerTable) -> None:
    """The other rates of its card are still quoted, unlike those beside a rate out of bounds."""
    store_cards(
        store, "together", {"glm-5.2": card("1", "4", cache_write="0"), "glm-5": card("0", "0")}
    )
    found = table.quotes("openrouter", ["glm-5.2", "glm-5"])
    assert {"glm-5.2": [Quote("together", "ledger", card("1", "4"))]} == found
    assert "1" == str(table.peers("openrouter", ["glm-5.2"])["glm-5.2"][Meter.INPUT].median)


def test_a_catalog_is_replaced_as_a_whole(table: PeerTable) -> None:
    """Models that it does not list any more are deleted. Other catalogs do not change."""
    store_catalog(table, "models.dev", {("a", "one"): card("1", "2"), ("a", "two"): card("1", "2")})
    store_catalog(table, "litellm", {("b", "one"): card("3", "4")})
    later = read("models.dev", DAY + timedelta(days=1), etag='"e"', digest="d", unreadable=3)
    written = table.replace(later, rows("models.dev", {("a", "two"): card("5", "6")}))
    assert {"one": {("b", "litellm", "3")}, "two": {("a", "models.dev", "5")}} == {
        model: quoted(quotes) for model, quotes in table.quotes("c", ["one", "two"]).items()
    }
    assert 1 == written.models
    assert written == table.last_read("models.dev")


@pytest.mark.parametrize("left", [0, 4])
def test_a_shrunken_catalog_is_refused_and_the_last_rows_are_kept(
    table: PeerTable, left: int
) -> None:
    """Fewer than half of the last good read means a broken file, unless a person accepts it."""
    full = {("a", f"m{n}"): card("1", "2") for n in range(10)}
    store_catalog(table, "models.dev", full)
    fewer = rows("models.dev", dict(list(full.items())[:left]))
    later = read("models.dev", DAY + timedelta(days=1))
    with pytest.raises(IncompleteAnswer, match=f"{left} models, 10 the last time"):
        table.replace(later, fewer)
    assert 10 == len(table.quotes("b", [f"m{n}" for n in range(10)]))
    assert DAY == getattr(table.last_read("models.dev"), "at", None)


def test_accept_fewer_allows_a_much_smaller_catalog(table: PeerTable) -> None:
    """Half passes without it, less only with it, and an empty catalog never."""
    full = {("a", f"m{n}"): card("1", "2") for n in range(10)}
    store_catalog(table, "models.dev", full)
    for days, left, accept_fewer in ((1, 5, False), (2, 1, True)):
        some = rows("models.dev", dict(list(full.items())[:left]))
        later = read("models.dev", DAY + timedelta(days=days))
        table.replace(later, some, accept_fewer=accept_fewer)
    assert 1 == getattr(table.last_read("models.dev"), "models", None)
    with pytest.raises(IncompleteAnswer):
        table.replace(read("models.dev", DAY + timedelta(days=3)), [], accept_fewer=True)


def test_a_failed_read_is_the_last_but_not_the_last_good_one(table: PeerTable) -> None:
    """The catalog's state is from the last good read; the last attempt is stored besides."""
    assert table.last_read("litellm") is None
    store_catalog(table, "litellm", {("a", "m"): card("1", "2")})
    failed = CatalogRead(
        catalog="litellm",
        at=DAY + timedelta(hours=1),
        status=ReadStatus.FAILED,
        decoder="1",
        error="litellm: status 503: no explanation",
    )
    table.add_read(failed)
    assert DAY == table.last_good_reads()["litellm"].at
    assert {"litellm": failed} == table.last_reads()


def test_the_number_of_statements_does_not_depend_on_the_models(store: Store) -> None:
    """Four to replace a catalog and two to find quotes, for 10 models and for 2,000."""
    for days, count in enumerate((10, 2000)):
        cards = {("a", f"m{n}"): card("1", "2") for n in range(count)}
        catalog = rows("models.dev", cards)
        with counted(store) as counter:
            store.peers.replace(read("models.dev", DAY + timedelta(days=days)), catalog)
            assert 4 == counter.statements
            assert count == len(store.peers.quotes("b", [f"m{n}" for n in range(count)]))
            assert 6 == counter.statements
