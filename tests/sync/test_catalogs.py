"""Reading the reference catalogs, from the bytes to the peer prices."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.gate import Peers
from pricing_sync.observe.listener import Listener
from pricing_sync.prices.rates import Meter, RateCard
from pricing_sync.settings import ProviderSettings, Settings
from pricing_sync.sources import rows
from pricing_sync.sources.formats import litellm as litellm_format
from pricing_sync.sources.formats import openrouter
from pricing_sync.sources.http import http_client
from pricing_sync.store import open_store
from pricing_sync.store.peers import CatalogRead, PeerTable
from pricing_sync.sync.access import ProviderAccess
from pricing_sync.sync.catalogs import catalogs, read_catalogs
from pricing_sync.sync.recorded import RecordedAnswer

from catalogs import (
    GENAI_PRICES,
    LITELLM,
    MODELS_DEV,
    CatalogServer,
    genai_prices,
    litellm,
    models_dev,
    serving,
)
from databases import database_url
from recorded import needs_samples, sample
from service import until

DAY = datetime(2026, 10, 9, 12, tzinfo=UTC)
MODEL = "z-ai/glm-5.2"
BODIES = {
    MODELS_DEV: models_dev(
        {
            "novita-ai": {"zai-org/glm-5.2": (1.0, 4.0)},
            "togetherai": {"zai-org/GLM-5.2": (1.2, 4.2)},
            "openrouter": {MODEL: (9.0, 9.0)},
        }
    ),
    LITELLM: litellm(
        {"together_ai": {"zai-org/GLM-5.2": (1.2, 4.2)}, "baseten": {"glm-5.2": (1.4, 4.4)}}
    ),
    GENAI_PRICES: genai_prices({"zai": {"glm-5.2": (1.5, 5.0)}}),
}


@dataclass
class Scene:
    """A database, and a server of the catalogs."""

    server: CatalogServer
    table: PeerTable
    settings: Settings

    def read(
        self, at: datetime = DAY, max_age: timedelta = timedelta(hours=24), *, fewer: bool = False
    ) -> dict[str, CatalogRead]:
        async def run() -> list[CatalogRead]:
            access = ProviderAccess(self.settings, environment={})
            async with http_client() as client:
                return await read_catalogs(
                    client, access, self.table, max_age=max_age, now=at, accept_fewer=fewer
                )

        return {item.catalog: item for item in asyncio.run(run())}

    def peers(self) -> Peers:
        return self.table.peers("openrouter", [MODEL])[MODEL]

    def median(self) -> str:
        return str(self.peers()[Meter.INPUT].median)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    url = database_url(tmp_path)
    with serving(BODIES) as server, open_store(url, create=True) as store:
        yield Scene(server, PeerTable(store._connection), server.settings(url))


def statuses(read: dict[str, CatalogRead]) -> dict[str, str]:
    return {name: item.status.value for name, item in read.items()}


def test_the_catalogs_are_read_and_their_sellers_counted_once(scene: Scene) -> None:
    """Four sellers: Together is in two catalogs, and OpenRouter is not its own peer."""
    read = scene.read()
    assert {MODELS_DEV: "read", LITELLM: "read", GENAI_PRICES: "read"} == statuses(read)
    assert {MODELS_DEV: 3, LITELLM: 2, GENAI_PRICES: 1} == {
        name: item.models for name, item in read.items()
    }
    spread = scene.peers()[Meter.INPUT]
    assert (4, "1", "1.2", "1.5") == (
        spread.count,
        str(spread.low),
        str(spread.median),
        str(spread.high),
    )


def test_a_catalog_is_not_read_again_before_it_is_old(scene: Scene) -> None:
    """Once a day at most."""
    scene.read()
    assert {} == scene.read(DAY + timedelta(hours=23))
    assert 3 == len(scene.server.answers)
    assert 3 == len(scene.read(DAY + timedelta(hours=24)))


def test_the_same_bytes_are_not_decoded_again(scene: Scene) -> None:
    """Requests have an ETag. The prices of genai-prices are dated, so it is decoded again."""
    scene.read()
    again = scene.read(DAY + timedelta(days=1))
    assert {MODELS_DEV: "unchanged", LITELLM: "unchanged", GENAI_PRICES: "read"} == statuses(again)
    assert {(MODELS_DEV, 304), (LITELLM, 304), (GENAI_PRICES, 200)} == set(scene.server.answers[3:])
    assert (3, None) == (again[MODELS_DEV].models, again[MODELS_DEV].error)
    assert {} == scene.read(DAY + timedelta(days=1, hours=23))


def test_a_clock_that_was_set_back_does_not_stop_the_reading(scene: Scene) -> None:
    """A read that is dated in the future counts as none."""
    scene.read(DAY + timedelta(days=400))
    assert 3 == len(scene.read(DAY))


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"<html>502</html>",
        b"{}",
        b"[]",
        b'{"a": {"models": 3}}',
        BODIES[MODELS_DEV][:-20],
        models_dev({"acme": {"m": (1.0, 2.0)}}),
    ],
)
def test_a_broken_catalog_keeps_the_prices_of_the_last_good_read(
    scene: Scene, broken: bytes
) -> None:
    """Truncated, in another format, empty, or with less than half of its models."""
    scene.read()
    scene.server.bodies[MODELS_DEV] = broken
    read = scene.read(DAY + timedelta(days=1))
    assert "failed" == read[MODELS_DEV].status.value
    assert f"{MODELS_DEV}: " in (read[MODELS_DEV].error or "")
    assert (4, "1.2") == (scene.peers()[Meter.INPUT].count, scene.median())
    good = scene.table.last_read(MODELS_DEV)
    assert (DAY, 3) == (good and good.at, good and good.models)


def test_a_failed_read_is_tried_again_after_an_hour(scene: Scene) -> None:
    """And does not delay the other catalogs."""
    del scene.server.bodies[LITELLM]
    assert {MODELS_DEV: "read", LITELLM: "failed", GENAI_PRICES: "read"} == statuses(scene.read())
    assert {} == scene.read(DAY + timedelta(minutes=59))
    scene.server.bodies[LITELLM] = BODIES[LITELLM]
    assert {LITELLM: "read"} == statuses(scene.read(DAY + timedelta(minutes=60)))


def test_a_person_can_accept_that_a_catalog_has_shrunk(scene: Scene) -> None:
    """Then the remaining models count."""
    scene.read()
    scene.server.bodies[MODELS_DEV] = models_dev({"acme": {"m": (1.0, 2.0)}})
    read = scene.read(DAY + timedelta(days=1), timedelta(), fewer=True)
    assert 1 == read[MODELS_DEV].models
    assert 3 == scene.peers()[Meter.INPUT].count


def test_a_poisoned_row_does_not_move_the_median(scene: Scene) -> None:
    """A unit error of 1e5, as LiteLLM had for 337 days, is out of bounds and not a peer."""
    poisoned = {"together_ai": {"zai-org/GLM-5.2": (120_000.0, 420_000.0)}}
    scene.server.bodies[LITELLM] = litellm({**poisoned, "baseten": {"glm-5.2": (1.4, 4.4)}})
    scene.read()
    assert (4, "1.2") == (scene.peers()[Meter.INPUT].count, scene.median())


def test_one_bad_row_does_not_affect_the_others(scene: Scene) -> None:
    """It is counted as unreadable."""
    scene.server.bodies[LITELLM] = BODIES[LITELLM].replace(b"1.4e-06", b'"free"')
    read = scene.read()
    assert (1, 1) == (read[LITELLM].models, read[LITELLM].unreadable)


def test_the_whole_map_gives_the_same_rows_as_provider_by_provider() -> None:
    """In one pass; rows without a provider come separately."""
    prices = {"a": {"one": (1.0, 2.0), "two": (3.0, 4.0)}, "b": {"one": (5.0, 6.0)}}
    body = litellm(prices)[:-1] + b', "stray": {"mode": "chat"}}'
    pages = litellm_format.read_all(body)
    stray = pages.pop("").rows
    assert [None] == [model for model, _ in stray]
    assert {"a", "b"} == pages.keys()
    for provider, page in pages.items():
        assert litellm_format.read(body, provider).rows == page.rows + stray


def test_every_catalog_has_an_address_of_its_own() -> None:
    """HTTPS, without a key."""
    every = catalogs()
    assert {MODELS_DEV, LITELLM, GENAI_PRICES} == every.keys()
    assert 3 == len({provider.url for provider in every.values()})
    assert all(p.url.startswith("https://") and p.key is None for p in every.values())


RECORDED = {
    MODELS_DEV: "models.dev/2026-05-14-api.json",
    LITELLM: "litellm/2026-10-model-prices.json",
    GENAI_PRICES: "genai-prices/2026-08-21-v2-data.json",
}


@pytest.fixture
def recorded(scene: Scene) -> Scene:
    """The scene with the recorded catalogs."""
    scene.server.bodies = {name: sample(path) for name, path in RECORDED.items()}
    return scene


def _openrouter() -> dict[str, RateCard]:
    listings, _, _ = rows.merge([openrouter.read(sample("openrouter/2026-07-25.json"))])
    return {model: card for model, card in listings.items() if isinstance(card, RateCard)}


@needs_samples
def test_four_of_five_models_have_a_peer(recorded: Scene) -> None:
    """Of OpenRouter's models, in the recorded catalogs; most of them have several peers."""
    read = recorded.read()
    cards = _openrouter()
    found = recorded.table.peers("openrouter", cards)
    counts = [len(recorded.table.quotes("openrouter", [m])[m]) for m in list(found)[:20]]
    assert {MODELS_DEV: "read", LITELLM: "read", GENAI_PRICES: "read"} == statuses(read)
    assert sum(item.models for item in read.values()) > 8000
    assert len(found) >= 0.8 * len(cards)
    assert statistics.median(counts) >= 3
    print(f"\n{len(found)} of {len(cards)} models of OpenRouter have a peer")  # noqa: T201


@needs_samples
def test_peers_agree_with_what_openrouter_charged(recorded: Scene) -> None:
    """A wrong match would differ a lot: 95 in 100 rates are within five times the median."""
    recorded.read()
    cards = _openrouter()
    near = [
        spread[meter].median <= 5 * rate and rate <= 5 * spread[meter].median
        for model, spread in recorded.table.peers("openrouter", cards).items()
        for meter in (Meter.INPUT, Meter.OUTPUT)
        if meter in spread and (rate := cards[model].rates.get(meter))
    ]
    print(f"\n{sum(near)} of {len(near)} rates are within five times the median")  # noqa: T201
    assert sum(near) >= 0.95 * len(near)


@needs_samples
@pytest.mark.parametrize("name", RECORDED)
def test_a_truncated_recorded_catalog_changes_nothing(recorded: Scene, name: str) -> None:
    """Every row of the last good read stays the same."""
    recorded.read()
    cards = _openrouter()
    before = recorded.table.quotes("openrouter", cards)
    whole = recorded.server.bodies[name]
    recorded.server.bodies[name] = whole[: len(whole) // 2]
    assert "failed" == statuses(recorded.read(DAY + timedelta(days=1)))[name]
    assert before == recorded.table.quotes("openrouter", cards)


def _replay(scene: Scene, prices: dict[str, tuple[float, float]], at: datetime) -> list[str]:
    """Read a recorded list of a provider of the catalog; the rules that hold a change of it."""
    answer = RecordedAnswer(models_dev({"acme": prices}), at, "acme.json")
    with PricingSync(scene.settings) as app:
        asyncio.run(app.replay("models.dev/acme", [answer]))
        return [reason for item in app.store.review.held("acme") for reason in item.reasons]


@pytest.mark.parametrize(("days", "rule"), [(1, "no_peers"), (42, "old_catalogs")])
def test_that_an_old_catalog_lacks_a_model_shows_nothing(
    scene: Scene, days: int, rule: str
) -> None:
    """The new model waits for a day. What the catalog has is still compared."""
    scene.read()
    first, at = {"known": (1.0, 4.0)}, DAY + timedelta(days=days)
    assert [] == _replay(scene, first, at)
    later = at + timedelta(hours=1)
    assert [rule] == _replay(scene, {**first, "newer": (1.0, 4.0)}, later)
    day = later + timedelta(hours=24)
    still = [] if rule == "old_catalogs" else [rule]
    assert still == _replay(scene, {**first, "newer": (1.0, 4.0)}, day)
    dear = _replay(
        scene, {**first, "newer": (1.0, 4.0), "glm-5.2": (12.0, 42.0)}, day + timedelta(1)
    )
    assert any(reason.startswith("peers: input: 12 compared with") for reason in dear)


def _service(scene: Scene, **more: float) -> dict[str, object]:
    """Settings of a service whose only provider cannot be reached."""
    unreachable = ProviderSettings(base_url="http://127.0.0.1:9")
    tables = {**scene.settings.provider, "novita": unreachable}
    return {"providers": ("novita",), "attempts": 1, "provider": tables, **more}


def test_the_service_reads_the_catalogs_that_are_due(scene: Scene) -> None:
    """After the first delay, in a worker process; then it notifies the listeners."""
    settings = scene.settings.model_copy(
        update=_service(scene, first_delay_seconds=0.1, reference_hours=24)
    )
    notified: list[CatalogRead] = []

    class CatalogListener(Listener):
        def on_catalogs(self, reads: Sequence[CatalogRead]) -> None:
            notified.extend(reads)

    async def work() -> None:
        async with PricingSync(settings, listeners=[CatalogListener()]).lifespan():
            await until(lambda: notified)

    asyncio.run(work())
    expected = {MODELS_DEV: "read", LITELLM: "read", GENAI_PRICES: "read"}
    assert expected == statuses({read.catalog: read for read in notified})
    assert expected.keys() == scene.table.last_good_reads().keys()
    assert {} == scene.read(datetime.now(UTC))


def test_the_service_reads_no_catalog_when_the_settings_disable_it(scene: Scene) -> None:
    """No request is made."""
    disabled = _service(scene, first_delay_seconds=0, reference_hours=0)
    settings = scene.settings.model_copy(update=disabled)

    async def work() -> None:
        async with PricingSync(settings).lifespan():
            await asyncio.sleep(0.3)

    asyncio.run(work())
    assert [] == scene.server.answers
