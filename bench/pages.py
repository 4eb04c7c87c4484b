"""The pages of a large ledger, each asked for on one kept-alive connection without other load."""

from __future__ import annotations

import asyncio
import http.client
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from pricing_sync.app import PricingSync
from pricing_sync.settings import ProviderSettings, Settings
from pricing_sync.sync.recorded import RecordedAnswer
from pricing_sync.web.auth import Scope
from pricing_sync.web.pages.session import COOKIE, Sessions
from serving import SERVE, environment, server

from service import Effort, Line, MakeList

_SELLERS = [f"seller-{number:02}" for number in range(20)]
_MODELS = 400
_TOKEN = "a-token-of-the-benchmark"
_MODEL = "maker-7/model-7"
_TARGET = "≤ 50 ms, ≤ 100 kB"


def pages(_: MakeList, folder: Path, effort: Effort) -> Iterator[Line]:
    """Every page of 20 providers with 400 models each: the first byte, and the length."""
    settings = Settings(
        database=f"sqlite:///{folder / 'pages.db'}",
        admin_token=SecretStr(_TOKEN),
        providers=tuple(_SELLERS),
        provider={name: ProviderSettings(catalog="models.dev") for name in _SELLERS},
    )
    with PricingSync(settings) as app:
        _fill(app)
        held, run = app.held()[0], app.store.runs(1)[0][0].id
    expires = round(time.time()) + 3600
    cookie = f"{COOKIE}={Sessions(settings).cookie(Scope.ADMIN, 'bench', expires)}"
    paths = {
        "overview": "/",
        "review": "/review",
        "review of a provider": f"/review?provider={held.provider}",
        "changes": "/changes",
        "changes, filtered": "/changes?direction=up&at_least=5&days=365&added=true",
        "models": "/models",
        "models of a provider": "/models?provider=seller-07",
        "a model": f"/models/seller-07/{_MODEL}",
        "a provider": "/providers/seller-07",
        "runs": "/runs",
        "a run": f"/runs/{run}",
        "audit log": "/audit-log",
        "search": "/search?q=maker+7",
        "search, nothing found": "/search?q=nothing-like-this",
    }
    variables = {
        **environment(folder / "pages.db"),
        "PRICING_SYNC_PROVIDERS": ",".join(_SELLERS),
        **{f"PRICING_SYNC_PROVIDER__{name}__CATALOG": "models.dev" for name in _SELLERS},
    }
    with (
        server(SERVE, variables) as port,
        closing(http.client.HTTPConnection("127.0.0.1", port)) as connection,
    ):
        for label, path in paths.items():
            yield Line(label, _measured(connection, path, cookie, effort), "", _TARGET)


def _measured(
    connection: http.client.HTTPConnection, path: str, cookie: str, effort: Effort
) -> str:
    """The median until the first byte, and the length of the page."""
    seconds, length = [], 0
    for _ in range(5 * effort.rounds):
        started = time.perf_counter()
        connection.request("GET", path, headers={"Cookie": cookie})
        response = connection.getresponse()
        seconds.append(time.perf_counter() - started)
        length = len(response.read())
        if response.status != 200:
            raise SystemExit(f"{path}: {response.status}")
    return f"{statistics.median(seconds) * 1000:.1f} ms, {length / 1000:.0f} kB"


def _fill(app: PricingSync) -> None:
    """Lists of half a year, of which one provider's is a million times too dear today; usage."""
    now = datetime.now(UTC)
    for days in (180, 90, 30, 10, 1):
        for number, name in enumerate(_SELLERS):
            is_slip = days == 1 and number == 3
            answer = _list(name, days, 1_000_000 if is_slip else 1)
            recorded = RecordedAnswer(answer, now - timedelta(days=days))
            asyncio.run(app.replay(name, [recorded], started_by="schedule"))
    rows = [
        {
            "provider": name,
            "model": f"maker-{n}/model-{n}" if n % 9 else f"maker-{n}/unknown-{n}",
            "at": (now - timedelta(hours=n % 24 + 1)).isoformat(),
            "usage": {"input": 1000 * n, "output": 100},
        }
        for name in _SELLERS
        for n in range(1, 51)
    ]
    app.usage.add([json.dumps(row).encode() for row in rows], key="bench")


def _list(name: str, days: int, factor: int) -> bytes:
    """The document of models.dev with one seller; a tenth of the prices differ each time."""
    models = {
        f"maker-{n % 50}/model-{n}": {
            "cost": {
                "input": round((n % 90 + 10) / 10 * (1 + (days % 7) / 50 * (n % 10 == 0)), 4)
                * factor,
                "output": round((n % 90 + 10) / 3, 4) * factor,
                "cache_read": round((n % 90 + 10) / 100, 4) * factor,
            }
        }
        for n in range(_MODELS)
    }
    return json.dumps({name: {"id": name, "models": models}}).encode()
