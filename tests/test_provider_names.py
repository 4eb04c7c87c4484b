"""A provider has one id, by whichever of its names it is called; and one's own needs no list."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.errors import UnknownName
from pricing_sync.prices.rates import Meter, Per, Rate
from pricing_sync.prices.usage import Usage
from pricing_sync.settings import Settings, load_settings
from pricing_sync.settings.load import origins
from pricing_sync.sources.formats import models_dev
from pricing_sync.sources.provider import Provider
from pricing_sync.sources.providers import built_in, catalog, find
from pricing_sync.web import standalone

from catalogs import MODELS_DEV, serving
from catalogs import models_dev as models_dev_body
from command import Run
from databases import database_url
from recorded import needs_samples, sample
from server_process import caller
from server_process import serving as serving_app

#: A provider of models.dev that no list of this program has.
NEW = "brand-new.ai"
NAMES = (NEW, f"models.dev/{NEW}")
BODY = models_dev_body({NEW: {"acme/a": (1, 2)}})
SIGNED = ("--reason", "agreed", "--author", "ann")


@pytest.fixture
def run(run: Run) -> Run:
    """The command in a folder with the answer of models.dev in a file."""
    Path("api.json").write_bytes(BODY)
    return run


@pytest.fixture
def read(run: Run) -> Run:
    """The provider was read once, by its name with the prefix."""
    assert 0 == run("sync", NAMES[1], "--answer", "api.json").code
    return run


# Which names there are


@pytest.mark.parametrize("name", sorted(catalog.IDS | catalog.LATER_IDS | set(built_in())))
def test_both_names_of_a_provider_are_one_provider(name: str) -> None:
    """A provider that has a list of its own is read from it, by both names."""
    assert name == find(name).id == find(f"models.dev/{name}").id
    assert find(name).url == find(f"models.dev/{name}").url


@needs_samples
def test_every_provider_of_the_recorded_catalog_has_both_names() -> None:
    """The README says that any provider id of models.dev works."""
    for name in models_dev.providers(sample("models.dev/2026-05-14-api.json")):
        assert name == find(name).id == find(f"models.dev/{name}").id


def test_the_ids_that_were_added_to_the_catalog_are_known() -> None:
    """Those that were refused in 2026-11, by the name that the catalog gives them."""
    for name in ("merge-gateway", "meta", "crof", "thinkingmachines", "alibaba-token-plan-cn"):
        assert "https://models.dev/api.json" == find(name).url
    assert catalog.IDS.isdisjoint(catalog.LATER_IDS)
    assert catalog.LATER_IDS.isdisjoint(built_in())


# Settings


def by_file(names: str, table: str) -> None:
    Path("pricing-sync.toml").write_text(
        f'providers = {names}\n[provider."{table}"]\nevery = "2h"\nfree = ["acme/a"]\n'
    )


@pytest.mark.parametrize("listed", NAMES[1:])
@pytest.mark.parametrize("table", NAMES)
def test_the_file_may_use_any_name(run: Run, listed: str, table: str) -> None:
    """The schedule, the plan, the free models and the origins are under the one id."""
    by_file(json.dumps([listed, "openrouter"]), table)
    settings = load_settings()
    assert (NEW, "openrouter") == settings.providers
    assert 7200 == settings.plan(NEW).every.total_seconds()
    assert ("acme/a",) == settings.provider[NEW].free
    assert [NEW] == list(settings.provider)
    assert f"provider.{NEW}.every" in origins()
    shown = run("config", "--json").json["providers"]
    assert [NEW, "openrouter"] == list(shown)
    assert {"value": "2h", "from": "pricing-sync.toml"} == shown[NEW]["every"]
    assert "problem" not in shown[NEW]


@pytest.mark.parametrize("spelled", ["BRAND_NEW_AI", "MODELS_DEV_BRAND_NEW_AI"])
@pytest.mark.usefixtures("run")
def test_variables_may_use_any_name(spelled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also as the keys of a table in JSON."""
    monkeypatch.setenv("PRICING_SYNC_PROVIDERS", f"{NAMES[1]},{NAMES[1]}, openrouter")
    monkeypatch.setenv(f"PRICING_SYNC_PROVIDER__{spelled}__EVERY", "3h")
    assert (NEW, "openrouter") == load_settings().providers
    assert 10800 == load_settings().plan(NEW).every.total_seconds()
    monkeypatch.delenv(f"PRICING_SYNC_PROVIDER__{spelled}__EVERY")
    monkeypatch.setenv("PRICING_SYNC_PROVIDER", json.dumps({NAMES[1]: {"every": "4h"}}))
    assert 14400 == load_settings().plan(NEW).every.total_seconds()


def test_arguments_may_use_any_name() -> None:
    """A program that makes its own settings gets the same ids."""
    made = Settings(providers=[NAMES[1]], provider={NAMES[1]: {"every": "5h"}})  # type: ignore[arg-type,dict-item]
    assert ((NEW,), [NEW]) == (made.providers, list(made.provider))


def test_a_misspelt_provider_is_still_refused(run: Run) -> None:
    """Without the prefix, an id that no list has is a mistake."""
    by_file('["openrooter"]', "openrooter")
    refused = run("sync")
    assert 2 == refused.code
    assert "openrooter: no such provider; there is openrouter" in refused.err


# The commands


@pytest.mark.sqlite("the command's default is a file")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "command",
    [
        lambda name: ("prices", name),
        lambda name: ("prices", name, "acme/a"),
        lambda name: ("history", name, "acme/a"),
        lambda name: ("changes", "--added", "--provider", name),
        lambda name: ("cost", name, "acme/a", "input=1000000"),
        lambda name: ("peers", name, "acme/a"),
        lambda name: ("held", name),
        lambda name: ("override", "list", name),
        lambda name: ("announcements", name),
        lambda name: ("audit", name),
    ],
    ids=lambda command: command("X")[0],
)
def test_every_command_takes_both_names(
    read: Run, name: str, command: Callable[[str], tuple[str, ...]]
) -> None:
    """It says the same by both, and shows the id without the prefix."""
    by_id, found = (read(*command(one), "--json") for one in (NEW, name))
    now = re.compile('"at": ".*"')
    assert (by_id.code, now.sub("", by_id.out)) == (found.code, now.sub("", found.out)), found.err
    assert by_id.code in (0, 1)
    assert "models.dev/" not in found.out


@pytest.mark.sqlite("the command's default is a file")
@pytest.mark.parametrize("name", NAMES)
def test_overrides_and_announcements_are_of_the_one_id(read: Run, name: str) -> None:
    """What is set by one name is in force under the other, and ends by either."""
    assert 0 == read("override", "set", name, "acme/a", "input=3", *SIGNED).code
    assert "3" == read("prices", NEW, "acme/a", "--json").json[0]["rates"]["input"]
    moved = ("announce", name, "acme/a", "output", "2", "20", "--not-before", "2026-01-01", *SIGNED)
    assert NEW == read(*moved, "--json").json[0]["provider"]
    assert 0 == read("override", "end", name, "acme/a").code
    assert [] == read("override", "list", NEW, "--json").json


def test_a_name_that_the_catalog_has_shown_needs_no_prefix(read: Run) -> None:
    """After the first reading the id is known."""
    assert 0 == read("sync", NEW, "--answer", "api.json").code
    assert [NEW] == [item["provider"] for item in read("prices", "--json").json]


def test_the_ids_of_the_catalog_that_was_read_are_known(run: Run) -> None:
    """The reference catalog of models.dev lists them, also those that this program does not."""
    with serving({MODELS_DEV: BODY}) as server:
        Path("pricing-sync.toml").write_text(
            f'[provider."catalog:models.dev"]\nbase_url = "{server.url}"\n'
            f'[provider."{NEW}"]\nbase_url = "{server.url}"\n'
            f'[provider."catalog:litellm"]\nbase_url = "{server.url}"\n'
            f'[provider."catalog:genai-prices"]\nbase_url = "{server.url}"\n'
        )
        run("references")
        assert 0 == run("sync", NEW).code


def test_a_plain_sync_reads_a_provider_of_the_catalog(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The setting names it with the prefix; the others are read too."""
    body = models_dev_body({NEW: {"acme/a": (1, 2)}, "mistral": {"m": (1, 2)}})
    with serving({MODELS_DEV: body}) as server:
        monkeypatch.setenv("PRICING_SYNC_PROVIDERS", f"{NAMES[1]},mistral")
        for name in (NAMES[1], "mistral"):
            key = name.replace(".", "_").replace("/", "_").replace("-", "_").upper()
            monkeypatch.setenv(f"PRICING_SYNC_PROVIDER__{key}__BASE_URL", server.url)
        done = run("sync", "--json")
        assert 0 == done.code, done.err
        assert [NEW, "mistral"] == [item["provider"] for item in done.json["readings"]]


# The library, the schedule and the API


@pytest.fixture(name="server")
def server_fixture() -> Any:
    with serving({MODELS_DEV: BODY}) as server:
        yield server


def settings_of(folder: Path, url: str, **more: Any) -> Settings:
    return Settings(
        **{
            "database": database_url(folder),
            "providers": (NAMES[1],),
            "provider": {NAMES[1]: {"base_url": url}},
            "first_delay_seconds": 0,
            "reference_hours": 0,
            **more,
        }
    )


def test_the_schedule_reads_it_under_its_id(tmp_path: Path, server: Any) -> None:
    """The due time, the queue, the reading and the prices have one id."""

    async def until_read(app: PricingSync) -> dict[str, Any]:
        async with asyncio.timeout(10):
            while not (found := app.status())["last_syncs"]:  # noqa: ASYNC110  nothing to wait for
                await asyncio.sleep(0.02)
        return found

    async def scheduled() -> None:
        app = PricingSync(settings_of(tmp_path, server.url))
        async with app.lifespan():
            status = await until_read(app)
            assert ([NEW], [NEW]) == (status["providers"], list(status["last_syncs"]))
            for name in NAMES:
                run, _ = await app.trigger([name])
                ended, readings = await app.wait(run.id, 10)
                assert [NEW] == [reading.provider for reading in readings] == list(ended.providers)
                assert "1" == str(app.price(name, "acme/a").listing.rates[Meter.INPUT])  # type: ignore[union-attr]
                assert 1 == app.cost(name, "acme/a", Usage(input=1_000_000)).total

    asyncio.run(scheduled())


def test_the_library_takes_both_names(tmp_path: Path, server: Any) -> None:
    """Every method that takes a provider."""
    million = {Meter.INPUT: Rate.of("7", Per.MILLION)}
    with PricingSync(settings_of(tmp_path, server.url)) as app:
        asyncio.run(app.sync([NAMES[1]]))
        for name in NAMES:
            made = app.set_override(name, "acme/a", million, author="a", reason="r")
            assert [NEW] == [entry.provider for entry in made]
            assert [NEW] == [entry.provider for entry, _, _ in app.override_report(name)]
            assert 7 == app.cost(name, "acme/a", Usage(input=1_000_000)).total
            assert [NEW] == [price.provider for price in app.prices(name)]
            assert [NEW] == [entry.provider for entry in app.history(name, "acme/a")]
            app.end_override(name, "acme/a")
            assert NEW == app.provider_id(name)


def test_the_api_takes_both_names(tmp_path: Path, server: Any) -> None:
    """In paths, in queries and in bodies."""
    token = "an-admin-token-of-the-tests"
    settings = settings_of(tmp_path, server.url, admin_token=token, enabled=False)
    pricing = PricingSync(settings)
    with serving_app(standalone(pricing)) as url, caller(url, token) as client:
        ran = client.post("/admin/pricing/sync/trigger", json={"providers": [NAMES[1]]})
        assert ran.status_code in (200, 202), ran.text
        for name, rate in zip(NAMES, ("20", "21"), strict=True):
            body = {"provider": name, "model": "acme/a", "author": "a", "reason": "r"}
            made = client.post("/admin/pricing/overrides", json=body | {"rates": {"input": "7"}})
            assert NEW == made.json()["items"][0]["provider"], made.text
            moved = {"meter": "output", "old": "2", "new": rate, "not_before": "2026-01-01"}
            announced = client.post("/admin/pricing/announcements", json=body | moved)
            assert NEW == announced.json().get("provider"), announced.text
            for path in (
                f"/v1/prices?provider={name}",
                f"/v1/prices/{name}/acme/a/history",
                f"/admin/pricing/providers/{name}/models",
                f"/admin/pricing/overrides?provider={name}",
                f"/admin/pricing/announcements?provider={name}",
            ):
                found = client.get(path).json()
                assert found["items"], path
                assert {NEW} == {
                    item.get("provider", found.get("provider")) for item in found["items"]
                }
            price = client.get(f"/v1/prices/{name}/acme/a").json()
            assert (NEW, "7") == (price["provider"], price["rates"]["input"])
            assert NEW == client.get(f"/admin/pricing/providers/{name}").json()["provider"]
            body = {"provider": name, "model": "acme/a"}
            assert 200 == client.post("/admin/pricing/overrides/end", json=body).status_code


# A provider of one's own

OWN = "my-vllm"


@pytest.fixture
def own(run: Run) -> Run:
    """A model of an upstream that no list has, priced by overrides alone."""
    done = run("override", "set", OWN, "llama-4", "input=1.5", "output=3", *SIGNED)
    assert 0 == done.code, done.err
    return run


@pytest.mark.sqlite("the command's default is a file")
def test_an_upstream_of_ones_own_is_priced_by_overrides_alone(own: Run) -> None:
    """Its price, its cost, its overrides and its audit are those of any other provider."""
    (price,) = own("prices", OWN, "llama-4", "--json").json
    assert ({"input": "1.5", "output": "3"}, "override") == (price["rates"], price["source"])
    billed = own("cost", OWN, "llama-4", "input=1000000", "output=1000000", "--json").json
    assert ("4.5", "USD") == (billed["total"], billed["currency"])
    assert 2 == len(own("override", "list", OWN, "--json").json)
    assert 0 == own("audit", OWN).code
    assert 0 == own("peers", OWN, "llama-4").code
    assert [] == own("held", OWN, "--json").json
    assert OWN in [item["provider"] for item in own("providers", "--json").json]
    assert 0 == own("override", "end", OWN, "llama-4").code
    assert 2 == own("cost", OWN, "llama-4", "input=1").code


def test_it_is_not_read(own: Run) -> None:
    """It has no list, so a reading of it is an error, also in the settings."""
    assert "no such provider" in own("sync", OWN).err
    assert "no such provider" in own("history", "my-vlln", "llama-4").err


def test_a_slip_of_the_pen_is_no_provider_of_ones_own(run: Run) -> None:
    """An override of it would change no price. The table of a provider says that it is meant."""
    wanted = ("override", "set", "openruoter", "acme/a", "input=1", *SIGNED)
    assert "openruoter: no such provider; there is openrouter" in run(*wanted).err
    assert 2 == run("override", "set", "Not An Id", "acme/a", "input=1", *SIGNED).code
    Path("pricing-sync.toml").write_text("[provider.openruoter]\npriority = 1\n")
    assert 0 == run(*wanted).code


def test_the_api_and_the_library_price_it_too(tmp_path: Path) -> None:
    """Its models and its state are in the lists of the API."""
    token = "an-admin-token-of-the-tests"
    settings = settings_of(tmp_path, "http://127.0.0.1:9", admin_token=token, enabled=False)
    pricing = PricingSync(settings)
    body = {"provider": OWN, "model": "llama-4", "author": "a", "reason": "r"}
    with serving_app(standalone(pricing)) as url, caller(url, token) as client:
        made = client.post("/admin/pricing/overrides", json=body | {"rates": {"input": "7"}})
        assert 200 == made.status_code, made.text
        assert "7" == client.get(f"/v1/prices/{OWN}/llama-4").json()["rates"]["input"]
        assert 200 == client.get(f"/admin/pricing/providers/{OWN}").status_code
        listed = client.get("/admin/pricing/providers").json()["items"]
        assert OWN in [item["provider"] for item in listed]
        assert "llama-4" in client.get(f"/admin/pricing/providers/{OWN}/models").text
        assert 7 == pricing.cost(OWN, "llama-4", Usage(input=1_000_000)).total
        with pytest.raises(UnknownName, match="no such provider"):
            asyncio.run(pricing.sync([OWN]))


def test_a_provider_of_the_host_is_found_by_its_id(tmp_path: Path) -> None:
    """Providers that a program passes in win over the catalog's of that id."""
    mine = Provider(id=NEW, name="Mine", url="https://a.example/", decode=find("mistral").decode)
    app = PricingSync(settings_of(tmp_path, "http://127.0.0.1:9"), extra_providers=[mine])
    assert mine is app.access.provider(NEW) is app.access.provider(NAMES[1])
