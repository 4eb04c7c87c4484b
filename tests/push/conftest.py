"""A service that pushes to nodes of this machine."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.push import litellm, pusher
from pricing_sync.settings import LangfuseNode, LiteLLMNode, PushSettings, Settings

from databases import database_url
from exported import UPSTREAM
from nodes import FakeLangfuse, FakeLiteLLM
from pushed import EXPORT_SECRET, SECRET, Make
from service import RecordingListener


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short waits, and the keys of the nodes."""
    monkeypatch.setattr(pusher, "_POLL_SECONDS", 0.05)
    monkeypatch.setattr(pusher, "_FIRST_WAIT", timedelta(seconds=0.1))
    monkeypatch.setattr(litellm, "_SETTLED_SECONDS", 0.01)
    monkeypatch.setenv("LITELLM_KEY", FakeLiteLLM.key)
    monkeypatch.setenv("LANGFUSE_PUBLIC", "pk-lf-public")
    monkeypatch.setenv("LANGFUSE_SECRET", SECRET)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A service on the database of the test, not open yet, that pushes to these nodes."""
    (tmp_path / "litellm.json").write_bytes(UPSTREAM)

    def made(
        *nodes: FakeLiteLLM | FakeLangfuse, listener: RecordingListener | None = None, **more: Any
    ) -> PricingSync:
        push = PushSettings(
            litellm=tuple(
                LiteLLMNode(url=node.url, key_env="LITELLM_KEY")
                for node in nodes
                if isinstance(node, FakeLiteLLM)
            ),
            langfuse=tuple(
                LangfuseNode(
                    url=node.url,
                    public_key_env="LANGFUSE_PUBLIC",
                    secret_key_env="LANGFUSE_SECRET",
                    name=f"langfuse-{node.project}",
                )
                for node in nodes
                if isinstance(node, FakeLangfuse)
            ),
        )
        defaults: dict[str, Any] = {
            "database": database_url(tmp_path),
            "enabled": False,
            "reference_hours": 0,
            "deadline_seconds": 5,
            "export_upstream": tmp_path,
            "export_secret": EXPORT_SECRET,
        }
        return PricingSync(
            Settings(**defaults | {"push": push} | more), listeners=[listener] if listener else []
        )

    return made
