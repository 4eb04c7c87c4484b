"""Webhooks over HTTP: the endpoints, their dead letters, a test, and sending again."""

from __future__ import annotations

from pathlib import Path

import pytest

from pricing_sync.demo.server import DemoServer
from pricing_sync.settings import WebhookSettings

from receivers import SECRET, Receiver, answering, receiving
from server_process import api
from service import KEYS


def test_an_endpoint_is_listed_tried_and_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without what is secret in its address; reading needs no admin token, sending does."""
    monkeypatch.setitem(KEYS, "HOOK_SECRET", SECRET)
    receiver = Receiver(behave=answering(500, b"not today"))
    with receiving(receiver), DemoServer() as providers:
        hook = WebhookSettings(
            name="billing", url=receiver.url, secret_env="HOOK_SECRET", allow_private=True
        )
        with api(tmp_path, providers, webhook=(hook,)) as service:
            (item,) = service.get("/admin/pricing/webhooks")["items"]
            assert ("billing", "webhook", receiver.url.removesuffix("/hook")) == (
                item["name"],
                item["kind"],
                item["where"],
            )
            assert [] == service.get("/admin/pricing/webhooks/billing/dead")["items"]
            path = "/admin/pricing/webhooks/billing"
            assert 403 == service.reader.post(f"{path}/test").status_code
            tried = service.admin.post(f"{path}/test").json()
            assert (False, True) == (tried["delivered"], "500: not today" in tried["error"])
            receiver.behave = answering(204)
            assert {"delivered": True, "error": None} == service.admin.post(f"{path}/test").json()
            assert 403 == service.reader.post(f"{path}/replay", json={}).status_code
            assert {"queued": 0} == service.admin.post(f"{path}/replay", json={}).json()
            unknown = service.admin.post(f"{path}/replay", json={"event": "none"})
            assert (404, "'none': no such event") == (
                unknown.status_code,
                unknown.json()["detail"],
            )
            missing = service.admin.post("/admin/pricing/webhooks/other/test")
            assert (404, "'other' is no webhook: billing") == (
                missing.status_code,
                missing.json()["detail"],
            )
            (state,) = service.get("/admin/pricing/scheduler/status")["webhooks"]
            assert ("billing", 0) == (state["name"], state["dead_letters"])
    assert {"webhook.test"} == set(receiver.kinds)
