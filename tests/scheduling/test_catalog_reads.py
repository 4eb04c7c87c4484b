"""The first list of a provider is judged when the reference catalogs have arrived, or are late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.demo.facts import FACTS
from pricing_sync.demo.faults import Fault
from pricing_sync.demo.server import DemoServer
from pricing_sync.observe.metrics import PricingMetrics
from pricing_sync.prices.rates import Meter, RateCard
from pricing_sync.settings import ProviderSettings
from pricing_sync.sync.access import ProviderAccess
from pricing_sync.sync.recorded import RecordedAnswer

from catalogs import MODELS_DEV, PATHS, CatalogServer, models_dev, serving
from command import Run
from service import KEYS, RecordingListener, service, settings_of, until

#: The right prices of OpenRouter's models, at another seller, and a key that no meter has.
ELSEWHERE = models_dev(
    {
        "llmgateway": {
            model.id: (float(model.prices[Meter.INPUT]), float(model.prices[Meter.OUTPUT]))
            for model in FACTS["openrouter"]
            if model.prices.get(Meter.INPUT) and model.prices.get(Meter.OUTPUT)
        }
    }
).replace(b'"cost": {', b'"cost": {"video": 1, ', 1)


class Recorder(RecordingListener):
    """Notes as well when readings no longer wait."""

    def __init__(self) -> None:
        super().__init__()
        self.late: list[float] = []

    def on_catalogs_late(self, seconds: float) -> None:
        self.late.append(seconds)


@dataclass
class Scene:
    """An empty database, a list that is ten times too dear, and catalogs that take a second."""

    folder: Path
    providers: DemoServer
    catalogs: CatalogServer
    recorder: Recorder

    def app(self, **more: Any) -> PricingSync:
        settings = settings_of(
            self.folder, self.providers, ("openrouter",), reference_hours=24, **more
        )
        catalogs = self.catalogs.settings(settings.database).provider
        tables: dict[str, ProviderSettings] = {**settings.provider, **catalogs}
        return service(settings.model_copy(update={"provider": tables}), self.recorder)

    def environment(self) -> dict[str, str]:
        bases = {f"CATALOG:{name}": self.catalogs.url for name in PATHS}
        bases["OPENROUTER"] = self.providers.base_url("openrouter")
        return {
            "OPENROUTER_API_KEY": "a-key",
            "PRICING_SYNC_ATTEMPTS": "1",
            **{f"PRICING_SYNC_PROVIDER__{name}__BASE_URL": url for name, url in bases.items()},
        }


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with DemoServer() as providers, serving({MODELS_DEV: ELSEWHERE}) as catalogs:
        catalogs.delay_seconds = 1
        providers.fault("openrouter", Fault(kind="unit_slip", factor=10))
        yield Scene(tmp_path, providers, catalogs, Recorder())


def stored(app: PricingSync) -> tuple[int, int]:
    """How many prices above zero are in force, and how many changes wait."""
    with app:
        listings = [price.listing for price in app.prices()]
        paid = [
            item for item in listings if isinstance(item, RateCard) and any(item.rates.values())
        ]
        return len(paid), len(app.store.review.held())


def serve(app: PricingSync, scene: Scene, readings: int = 1) -> None:
    """Run the schedule until it has read."""

    async def work() -> None:
        async with app.lifespan():
            await until(lambda: len(scene.recorder.readings) >= readings, 20)

    asyncio.run(work())


def test_a_fresh_service_judges_its_first_list_with_peers(scene: Scene) -> None:
    """The catalogs arrive a second after the list, which is ten times too dear: all of it waits."""
    app = scene.app(first_delay_seconds=0)
    serve(app, scene)
    in_force, held = stored(app)
    assert 0 == in_force
    assert held > 15
    assert [] == scene.recorder.late


def test_the_first_sync_of_the_library_waits_too(scene: Scene) -> None:
    """It needs no running service: the same reads, by the same settings."""
    app = scene.app()
    with app:
        asyncio.run(app.sync(["openrouter"]))
    assert 0 == stored(app)[0]
    status = app_status(app)
    assert {"models.dev"} == {name for name, catalog in status.items() if catalog["last_good"]}
    assert {"cost.video": 1} == status["models.dev"]["unread_price_keys"]
    with app:
        body, _ = PricingMetrics(app.store, (), is_running=lambda: True).render("")
    assert b'pricing_catalog_unread_price_keys{catalog="models.dev"} 1.0' in body
    assert b'pricing_catalog_age_seconds{catalog="models.dev"}' in body


def app_status(app: PricingSync) -> dict[str, Any]:
    with app:
        catalogs: dict[str, Any] = app.status()["catalogs"]
        return catalogs


@pytest.mark.sqlite("the command's default is a file")
def test_the_first_sync_of_the_command_waits_too(
    scene: Scene, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the catalogs that it had to do without."""
    monkeypatch.setenv("PRICING_SYNC_REFERENCE_HOURS", "24")
    for name, value in scene.environment().items():
        monkeypatch.setenv(name, value)
    result = run("sync", "openrouter", "--json")
    (reading,) = result.json["readings"]
    assert [] == [change for change in reading["applied"] if change["new"]["rates"]]
    assert len(reading["held"]) > 15
    assert "catalog litellm: never read: catalog:litellm: status 404" in result.err
    assert "catalog models.dev: never read" not in result.err
    assert "catalog litellm: never read: catalog:litellm: status 404" in run("status").out


def test_after_the_limit_a_reading_goes_on_and_says_so(scene: Scene) -> None:
    """A catalog that hangs does not stop the service; the reading after it does not wait again."""
    scene.catalogs.delay_seconds = 60
    app = scene.app(reference_wait_seconds=0.5)
    begun = time.monotonic()

    async def work() -> None:
        async with app.lifespan():
            for _ in range(2):
                run, _ = await app.trigger(["openrouter"])
                await app.wait(run.id, 20)
            assert all(catalog["waits"] for catalog in app.status()["catalogs"].values())

    asyncio.run(work())
    assert time.monotonic() - begun < 15
    assert [0.5] == scene.recorder.late
    assert stored(app)[0] > 15


def test_catalogs_that_fail_hold_up_nothing(scene: Scene) -> None:
    """The next reading does not ask them again, and the status has their errors."""
    scene.catalogs.delay_seconds = 0
    scene.catalogs.bodies.clear()
    app = scene.app()
    with app:
        asyncio.run(app.sync(["openrouter"]))
        asyncio.run(app.sync(["openrouter"]))
    assert stored(app)[0] > 15
    assert 3 == len(scene.catalogs.answers)
    for catalog in app_status(app).values():
        assert "status 404" in catalog["error"]
        assert (None, False) == (catalog["last_good"], catalog["waits"])


@pytest.mark.parametrize("never", [{"reference_hours": 0}, {"reference_wait_seconds": 0}])
def test_nothing_waits_where_the_settings_say_so(scene: Scene, never: dict[str, float]) -> None:
    """Without the wait, a sync by itself asks no catalog."""
    app = scene.app()
    app = service(app.settings.model_copy(update=never), scene.recorder)
    with app:
        asyncio.run(app.sync(["openrouter"]))
    assert stored(app)[0] > 15
    assert [] == scene.catalogs.answers


def test_a_recorded_answer_does_not_wait(scene: Scene) -> None:
    """The catalogs of today say little about a list of last year, and a replay needs no network."""
    app = scene.app()
    body = b'{"data": [{"id": "a/b", "pricing": {"prompt": "1e-6", "completion": "2e-6"}}]}'
    with app:
        asyncio.run(app.replay("openrouter", [RecordedAnswer(body, None, "a.json")]))
    assert [] == scene.catalogs.answers


@pytest.mark.postgres
def test_of_several_workers_one_reads_the_catalogs(scene: Scene) -> None:
    """Both have begun before a catalog answers. Each waits, and judges with what was read."""
    scene.catalogs.delay_seconds = 60
    settings = scene.app(engine="procrastinate", at_once=1, reference_wait_seconds=60).settings
    names = ("openrouter", "novita")
    settings = settings.model_copy(
        update={
            "providers": names,
            "provider": {
                **settings.provider,
                "novita": ProviderSettings(base_url=scene.providers.base_url("novita")),
            },
        }
    )
    workers = [
        PricingSync(
            settings,
            access=ProviderAccess(settings, environment=KEYS),
            listeners=[scene.recorder],
            is_worker=True,
        )
        for _ in range(2)
    ]

    def owners() -> list[tuple[Any, ...]]:
        return workers[0].store._connection.fetch_all(
            "SELECT COUNT(DISTINCT owner) FROM pricing_queue", {}
        )

    async def work() -> None:
        async with workers[0].lifespan(), workers[1].lifespan():
            run, _ = await workers[0].trigger(names)
            await until(lambda: [(2,)] == owners(), 30)
            assert [] == scene.recorder.readings
            scene.catalogs.go.set()
            ended, _ = await workers[0].wait(run.id, 30)
            assert ended.finished_at is not None

    asyncio.run(work())
    assert [] == scene.recorder.errors
    assert 1 == [name for name, _ in scene.catalogs.answers].count(MODELS_DEV)
