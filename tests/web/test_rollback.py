"""A rollback over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime

from server_process import Api

PATH = "/admin/pricing/rollback"
MODEL = "/v1/prices/openrouter/openai/gpt-4o"
SIGNATURE = {"provider": "openrouter", "reason": "a wrong list", "author": "ann"}


def test_a_provider_is_as_it_was(api: Api) -> None:
    """At once, and the next reading of the same list does not bring it back."""
    api.sync()
    then, before = datetime.now(UTC).isoformat(), api.get(MODEL)["rates"]
    api.providers.set_rate("openrouter", "openai/gpt-4o", "input", "2.6")
    api.sync()
    assert "2.6" == api.get(MODEL)["rates"]["input"]
    dry = api.admin.post(PATH, json={**SIGNATURE, "to": then, "dry_run": True}).json()
    assert "2.6" == api.get(MODEL)["rates"]["input"]
    done = api.admin.post(PATH, json={**SIGNATURE, "to": then}).json()
    assert dry["items"] == done["items"]
    assert [("openai/gpt-4o", "2.6", "2.5")] == [
        (one["model"], one["old"]["rates"]["input"], one["new"]["rates"]["input"])
        for one in done["items"]
    ]
    assert before == api.get(MODEL)["rates"]
    api.sync()
    again = api.get(MODEL)
    assert (before, "rejected") == (again["rates"], again["state"])


def test_an_instant_to_come_is_refused(api: Api) -> None:
    """And an unknown provider is not found."""
    api.sync()
    later = api.admin.post(PATH, json={**SIGNATURE, "to": "2100-01-01"})
    assert 400 == later.status_code
    assert "is not in the past" in later.json()["detail"]
    unknown = api.admin.post(PATH, json={**SIGNATURE, "provider": "nobody", "to": "2026-01-01"})
    assert 404 == unknown.status_code


def test_only_the_admin_rolls_back(api: Api) -> None:
    """As with every decision."""
    assert 403 == api.reader.post(PATH, json={**SIGNATURE, "to": "2026-01-01"}).status_code
