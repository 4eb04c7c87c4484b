"""Providers and their models over HTTP."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.demo.faults import Fault
from pricing_sync.demo.server import DemoServer
from pricing_sync.sync.access import ProviderAccess
from pricing_sync.web import standalone

from server_process import ADMIN, Api, caller, serving
from service import settings_of

PROVIDERS = "/admin/pricing/providers"


def test_a_provider_that_was_never_read_is_shown_as_such(api: Api) -> None:
    """It has a plan, and no last success."""
    first, second = api.get(PROVIDERS)["items"]
    assert ("novita", "openrouter") == (first["provider"], second["provider"])
    assert (None, None, 0, None, {"priced": 0, "unpriced": 0, "unreadable": 0, "missing": 0}) == (
        *(first["last_success"], first["age_seconds"], first["failures"]),
        *(first["last_error"], first["models"]),
    )
    assert {
        "every": "6h",
        "cron": None,
        "window": None,
        "time_zone": "UTC",
        "dry_run": False,
    } == first["plan"]


def test_a_provider_shows_its_age_and_its_last_error(api: Api) -> None:
    """The error is shown until the next successful reading."""
    api.sync()
    good = api.get(f"{PROVIDERS}/novita")
    assert ({"priced": 12, "unpriced": 2, "unreadable": 0, "missing": 0}, None, 0) == (
        good["models"],
        good["last_error"],
        good["failures"],
    )
    assert 0 <= good["age_seconds"] < 10
    api.providers.fault("novita", Fault("server_error"))
    for _ in range(2):
        api.sync()
    bad = api.get(f"{PROVIDERS}/novita")
    assert (good["last_success"], 2, True, "transport") == (
        bad["last_success"],
        bad["failures"],
        bad["is_retry"],
        bad["last_error"]["kind"],
    )
    assert "503" in bad["last_error"]["message"]
    assert datetime.fromisoformat(bad["next_due"]) < datetime.fromisoformat(good["next_due"])
    api.providers.clear("novita")
    api.sync()
    assert (None, 0) == tuple(api.get(f"{PROVIDERS}/novita")[k] for k in ("last_error", "failures"))


def test_a_successful_dry_run_does_not_clear_the_last_error(api: Api) -> None:
    """Only a reading that stores prices clears it."""
    api.sync()
    api.providers.fault("novita", Fault("server_error"))
    api.sync()
    api.providers.clear("novita")
    api.sync(dry_run=True)
    assert "transport" == api.get(f"{PROVIDERS}/novita")["last_error"]["kind"]


def test_a_provider_shows_whether_its_key_is_set_and_never_the_key(
    tmp_path: Path, providers: DemoServer
) -> None:
    """Missing variables are shown by name."""
    names = ("together", "groq", "novita", "cloudflare-workers-ai")
    settings = settings_of(tmp_path, providers, names, admin_token=ADMIN)
    access = ProviderAccess(settings, environment={"TOGETHER_API_KEY": "canary-together"})
    app = standalone(PricingSync(settings, access=access))
    with serving(app) as url, caller(url, ADMIN) as admin:
        answer = admin.get(PROVIDERS)
    assert "canary" not in answer.text
    found = {item["provider"]: item for item in answer.json()["items"]}
    assert (True, []) == (found["together"]["key_set"], found["together"]["missing_variables"])
    assert (False, True) == (
        found["cloudflare-workers-ai"]["key_set"],
        "CLOUDFLARE_ACCOUNT_ID" in found["cloudflare-workers-ai"]["missing_variables"],
    )
    assert "catalog" == found["groq"]["source"]


def test_an_unknown_provider_is_not_found(api: Api) -> None:
    """Its models are not found either."""
    assert 404 == api.reader.get(f"{PROVIDERS}/nowhere").status_code
    assert 404 == api.reader.get(f"{PROVIDERS}/nowhere/models").status_code
    assert [] == api.get(f"{PROVIDERS}/novita/models")["items"]


def models(api: Api, **query: Any) -> dict[str, dict[str, Any]]:
    page = api.get(f"{PROVIDERS}/openrouter/models", limit=1000, **query)
    return {item["model"]: item for item in page["items"]}


def test_every_model_shows_its_state(api: Api) -> None:
    """Each has its reason, and its price if that is in force."""
    api.sync()
    api.providers.set_rate("openrouter", "openai/gpt-4o", "input", "2500")
    api.providers.remove("openrouter", "qwen/qwen3-max")
    api.sync()
    found = models(api)
    assert 28 == len(found)
    assert ("priced", None) == (
        found["openai/gpt-5.4-mini"]["state"],
        found["openai/gpt-5.4-mini"]["reason"],
    )
    auto = found["openrouter/auto"]
    assert ("unpriced", None, "varies") == (
        auto["state"],
        auto["rates"],
        auto["reason"].partition(":")[0],
    )
    gpt = found["openai/gpt-4o"]
    assert ("held", "2.5", True) == (gpt["state"], gpt["rates"]["input"], bool(gpt["reason"]))
    assert gpt["held"] == api.get("/admin/pricing/held")["items"][0]["id"]
    missing = found["qwen/qwen3-max"]
    assert ("missing", True) == (missing["state"], missing["rates"] is not None)
    assert missing["missing_since"] > missing["first_seen"]
    api.sync()
    retired = models(api)["qwen/qwen3-max"]
    assert ("retired", None) == (retired["state"], retired["rates"])


def test_models_are_found_by_state_and_by_a_part_of_their_id(api: Api) -> None:
    """The case of the letters does not matter."""
    api.sync()
    assert {"openai/gpt-4o", "openai/gpt-4o-search-preview"} == models(api, q="GPT-4O").keys()
    unpriced = models(api, state="unpriced")
    assert 4 == len(unpriced)
    assert {"unpriced"} == {model["state"] for model in unpriced.values()}
    assert {} == models(api, state="held")
    assert 422 == api.reader.get(f"{PROVIDERS}/openrouter/models?state=free").status_code


@pytest.mark.parametrize("limit", [1, 5, 28, 1000])
def test_pages_of_models_list_every_model_once_in_order(api: Api, limit: int) -> None:
    """The page length does not matter."""
    api.sync()
    walked: list[str] = []
    cursor = ""
    while True:
        page = api.get(f"{PROVIDERS}/openrouter/models", limit=limit, cursor=cursor)
        walked += [item["model"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert 28 == len(walked)
    assert sorted(set(walked)) == walked


def test_a_provider_without_its_key_is_skipped_everywhere(
    tmp_path: Path, providers: DemoServer
) -> None:
    """In the status, in its own state, in the run; the probe does not wait for it."""
    settings = settings_of(tmp_path, providers, admin_token=ADMIN)
    pricing = PricingSync(settings, access=ProviderAccess(settings, environment={}))
    why = "novita: key: NOVITA_API_KEY is not set"
    with serving(standalone(pricing)) as url, caller(url, ADMIN) as admin:
        run = admin.post("/admin/pricing/sync/trigger").json()
        assert ("success", 0) == (run["status"], run["total_errors"])
        state = admin.get(f"/admin/pricing/runs/{run['run_id']}").json()
        assert {"openrouter": "read", "novita": "skipped"} == state["steps"]
        assert {"novita": why} == admin.get("/admin/pricing/scheduler/status").json()["skipped"]
        shown = admin.get(f"{PROVIDERS}/novita").json()
        assert (why, None, 0, None) == tuple(
            shown[key] for key in ("skipped", "last_error", "failures", "last_success")
        )
        assert 0 == admin.get("/ready").json()["never_read"]
