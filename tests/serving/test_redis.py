"""Redis tells of new revisions, and keeps exports. Without it, all goes on as if there was none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from pooler import pooled
from pricing_sync.app import PricingSync
from pricing_sync.demo.server import DemoServer
from pricing_sync.errors import SettingsError
from pricing_sync.exports.document import Source
from pricing_sync.prices.book import Price
from pricing_sync.prices.rates import Meter, Notice, Rate, RateCard, Scheduled
from pricing_sync.prices.statements import PriceState
from pricing_sync.serving.exports import Rendered, Wanted
from pricing_sync.serving.shared_documents import SharedDocuments, origin_of
from pricing_sync.settings import Settings

from databases import require_server
from redis_servers import OwnRedis, client_of, own_redis, redis_url
from service import RecordingListener, service, settings_of, until

pytestmark = pytest.mark.postgres
NEVER = 3600.0
CSV = Wanted("csv")


@pytest.fixture
def url() -> Iterator[str]:
    """The URL of a Redis, with nothing of ours in it."""
    with redis_url() as found:
        with redis.Redis.from_url(found) as client:
            for key in client.scan_iter("pricing-sync:*"):
                client.delete(key)
        yield found


@pytest.fixture
def own() -> Iterator[OwnRedis]:
    with own_redis() as server:
        yield server


def settings_with(folder: Path, url: str, **more: Any) -> Settings:
    return settings_of(folder, None, enabled=False, redis_url=url, **more)


def override(pricing: PricingSync, dollars: int) -> Rate:
    """A correction by a person."""
    rate = Rate(dollars * 10**9)
    pricing.set_override(
        "openrouter", "acme/one", {Meter.INPUT: rate}, author="ann", reason="a test"
    )
    return rate


def input_rate(pricing: PricingSync) -> Rate | None:
    book = pricing.checked_book
    found = book.find("openrouter", "acme/one") if book else None
    return (
        found.listing.rates.get(Meter.INPUT)
        if found is not None and isinstance(found.listing, RateCard)
        else None
    )


# News of revisions


def test_replicas_behind_a_pooler_are_told_of_a_correction(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pooler passes no notification on, and nobody asks: only Redis can have told them."""
    monkeypatch.setattr("pricing_sync.serving.book_watcher.REFRESH_SECONDS", NEVER)
    server = require_server()
    name = server.create(server.template)

    async def work(through: str) -> None:
        settings = settings_with(tmp_path, url, database=through)
        with service(settings) as writer:
            async with AsyncExitStack() as stack:
                replicas = [service(settings) for _ in range(3)]
                for replica in replicas:
                    await stack.enter_async_context(replica.lifespan())
                await until(lambda: _listen(replicas))
                for dollars in range(1, 6):
                    expected = override(writer, dollars)
                    await until(lambda: all(input_rate(one) == expected for one in replicas))  # noqa: B023
                    assert {"redis"} == {one.book_learned_by for one in replicas}

    with pooled(name) as through:
        asyncio.run(work(through))
    server.drop(name)


def _listen(services: Sequence[PricingSync]) -> bool:
    """Whether Redis knows the subscriptions of all services, and they have their books."""
    redis_server = services[0]._parts.redis
    assert redis_server is not None
    told = redis_server.call(lambda client: client.publish("pricing-sync:revision", b""))
    return (
        told is not None
        and told >= len(services)
        and all(one.checked_book is not None for one in services)
    )


def test_what_a_worker_process_stores_is_told_too(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large answer is stored by a process of its own, which does not know Redis."""
    monkeypatch.setattr("pricing_sync.serving.book_watcher.REFRESH_SECONDS", NEVER)
    monkeypatch.setattr("pricing_sync.sync.worker_process.LARGE_BYTES", 1)

    async def work(server: DemoServer) -> None:
        settings = settings_of(tmp_path, server, ["openrouter"], enabled=False, redis_url=url)
        reader, replica = service(settings), service(settings)
        async with reader.lifespan(), replica.lifespan():
            await until(lambda: _listen([reader, replica]))
            run, _ = await reader.trigger()
            await reader.wait(run.id, 30)
            await until(lambda: bool(len(replica.checked_book or ())))
            assert "redis" == replica.book_learned_by

    with DemoServer() as server:
        asyncio.run(work(server))


def test_while_redis_is_away_replicas_ask(tmp_path: Path, own: OwnRedis) -> None:
    """From the start, after a kill, and after its return. It is reported once."""
    own.stop()
    recorder = RecordingListener()

    async def work() -> None:
        settings = settings_with(tmp_path, own.url)
        with service(settings) as writer:
            replica = service(settings, recorder)
            async with replica.lifespan():
                await until(lambda: replica.checked_book is not None)
                for dollars in (1, 2):
                    expected = override(writer, dollars)
                    await until(lambda: input_rate(replica) == expected)  # noqa: B023
                    assert "poll" == replica.book_learned_by
                assert ["redis messages"] == [where for where, _ in recorder.errors]
                own.start()
                await until(lambda: _corrected(writer, replica))
                own.stop()
                expected = override(writer, 3)
                await until(lambda: input_rate(replica) == expected)
                assert None is replica.stale_since

    asyncio.run(work())


def _corrected(writer: PricingSync, replica: PricingSync) -> bool:
    """Make a correction; whether the last one was told by Redis."""
    override(writer, 100 + datetime.now(UTC).microsecond)
    return replica.book_learned_by == "redis"


def test_a_redis_that_hangs_keeps_nobody(tmp_path: Path, own: OwnRedis) -> None:
    """The correction is made, and the replicas ask."""
    recorder = RecordingListener()

    async def work() -> None:
        settings = settings_with(tmp_path, own.url)
        with service(settings, recorder) as writer:
            replica = service(settings)
            async with replica.lifespan():
                await until(lambda: replica.checked_book is not None)
                with own.frozen():
                    for dollars in (1, 2, 3):
                        expected = override(writer, dollars)
                        await until(lambda: input_rate(replica) == expected)  # noqa: B023
                    assert rendered(writer).body == rendered(replica).body
        (error,) = recorder.errors
        assert "redis" == error[0]
        assert "Timeout reading from" in str(error[1])

    asyncio.run(work())


# Exports


def rendered(pricing: PricingSync, wanted: Wanted = CSV) -> Rendered:
    return pricing.exports.get(wanted)


def no_writer(*_: object) -> None:
    raise AssertionError("it renders")


def test_one_process_renders_for_all(tmp_path: Path, url: str) -> None:
    """Another one serves the same bytes, and the same report of what is left out."""
    settings = settings_with(tmp_path, url)
    with service(settings) as one, service(settings) as other:
        override(one, 5)
        for wanted in (CSV, Wanted("jsonl"), Wanted("genai-prices"), Wanted("csv", "openrouter")):
            first = rendered(one, wanted)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("pricing_sync.serving.exports._write", no_writer)
                assert first == rendered(other, wanted)
        before = rendered(one).body
        override(one, 6)
        other._parts.book_cache.refresh()
        assert rendered(one).body != before
        assert rendered(one) == rendered(other)


def test_another_ledger_at_the_same_revision_has_its_own(tmp_path: Path, url: str) -> None:
    """As one that was restored from a backup, and went on otherwise."""
    server = require_server()
    names = [server.create(server.template) for _ in range(2)]
    documents = []
    for dollars, name in enumerate(names, 5):
        with service(settings_with(tmp_path, url, database=server.url(name))) as pricing:
            override(pricing, dollars)
            assert 1 == int(pricing.book().revision)
            documents.append(rendered(pricing).body)
    assert 2 == len(set(documents))
    for name in names:
        server.drop(name)


@pytest.mark.parametrize("harm", ["another", "cut", "empty"])
def test_a_document_that_was_changed_in_redis_is_rendered_again(
    tmp_path: Path, url: str, harm: str
) -> None:
    """Its seal is made from the ledger, which Redis does not know."""
    settings = settings_with(tmp_path, url)
    with service(settings) as one, service(settings) as other, redis.Redis.from_url(url) as client:
        override(one, 5)
        good = rendered(one)
        (key,) = client.scan_iter("pricing-sync:export:*")
        value: Any = client.get(key)
        harmed = {"another": value[:-1] + b"\x00", "cut": value[:40], "empty": b""}[harm]
        client.set(key, harmed)
        assert good == rendered(other)
        assert value == client.get(key)


def test_a_document_is_kept_for_an_hour(tmp_path: Path, url: str) -> None:
    with (
        service(settings_with(tmp_path, url)) as pricing,
        redis.Redis.from_url(url) as client,
    ):
        override(pricing, 5)
        rendered(pricing)
        (key,) = client.scan_iter("pricing-sync:export:*")
        assert 3600 >= int(client.ttl(key)) > 3500


NOW = datetime(2026, 7, 17, tzinfo=UTC)
CARD = RateCard({Meter.INPUT: Rate(1)})
PRICE = Price(provider="acme", model="one", listing=CARD, since=NOW, recorded_at=NOW, source="api")
OTHERS: dict[str, Any] = {
    "provider": "other",
    "model": "two",
    "listing": RateCard({Meter.INPUT: Rate(2)}),
    "since": NOW + timedelta(1),
    "recorded_at": NOW + timedelta(1),
    "source": "override",
    "card_id": "a-card",
    "resolved_to": "two",
    "notice": Notice(deprecated=True),
}
#: How sure a price is, and what comes later. No export shows it.
NOT_SHOWN: dict[str, Any] = {
    "state": PriceState.HELD,
    "confirmed_at": NOW,
    "doubt": "a doubt",
    "scheduled": (Scheduled(NOW, CARD),),
}


@pytest.mark.sqlite("it opens no database")
@pytest.mark.parametrize("field", [field.name for field in fields(Price)])
def test_the_origin_of_a_document_is_all_that_it_shows(field: str) -> None:
    """A field that is new to `Price` has no value here, and fails."""
    values = OTHERS | NOT_SHOWN
    other = replace(PRICE, **{field: values[field]})
    is_same = origin_of("csv", Source([PRICE])) == origin_of("csv", Source([other]))
    assert is_same == (field in NOT_SHOWN)


def test_the_origin_of_a_document_is_its_format_and_its_base_too() -> None:
    sources = [
        ("csv", Source([PRICE])),
        ("jsonl", Source([PRICE])),
        ("csv", Source([PRICE], is_of_one_provider=True)),
        ("csv", Source([PRICE], upstream=b"{}")),
        ("csv", Source([PRICE, PRICE])),
        ("csv", Source([])),
    ]
    assert len(sources) == len({origin_of(*each) for each in sources})


def test_a_large_document_is_not_shared(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pricing_sync.serving.shared_documents._MOST_BYTES", 10)
    documents = SharedDocuments(client_of(url))
    from pricing_sync.serving.packed import Packed
    from pricing_sync.serving.shared_documents import Document

    documents.put(b"origin", Packed(b"body"), Document(0, ()))
    assert None is documents.get(b"origin")


# Settings


def test_redis_needs_a_database_in_postgresql(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="redis_url: it is for a database in PostgreSQL"):
        settings_with(tmp_path, "redis://host", database="sqlite:///prices.db")


def test_a_wrong_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected an address that begins with redis://"):
        settings_with(tmp_path, "http://:secret@host")
    settings = settings_with(tmp_path, "redis://:secret@host:port/0")
    with pytest.raises(SettingsError, match=r"redis_url: redis://\*\*\*@host:port/0: Port"):
        service(settings).open()


def test_without_the_library_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "redis", None)
    with pytest.raises(
        SettingsError, match=r"redis_url: redis: pip install 'pricing-sync\[redis\]"
    ):
        service(settings_with(tmp_path, "redis://host")).open()
