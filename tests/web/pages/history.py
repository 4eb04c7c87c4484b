"""A ledger with weeks of history at simulated providers, some of it waiting for a person."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pricing_sync.app import PricingSync
from pricing_sync.demo.faults import Fault
from pricing_sync.demo.server import DemoServer
from pricing_sync.prices.rates import Meter, Per, Rate
from pricing_sync.sources.provider import PAGE_SEPARATOR
from pricing_sync.sync.recorded import RecordedAnswer

from service import service, settings_of

PROVIDERS = (
    *("openrouter", "novita", "deepinfra", "together", "groq"),
    *("venice", "nebius", "chutes", "xai"),
)
#: Names of models. A list's ids are printable ASCII that begins with a letter or a digit; in usage
#: that clients send, a name is any printable text.
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "\"quoted\" & 'quoted'",
    "{{ 7*7 }}{% raw %}",
    "\u05e9\u05dc\u05d5\u05dd/\u0627",
    "maker/" + "very-long-" * 19 + "id",
    "..",
    "a/../b",
    "a?b=c&d",
    "a#b",
    "a%2Fb%00",
    "//evil.example/x",
    "with  two spaces",
    "\U0001f600/\u4ef7\u683c",
    "\\evil\\x",
    "trailing/",
)
_OPENROUTER, _GPT, _SONNET = "openrouter", "openai/gpt-4o", "anthropic/claude-sonnet-4.5"


def filled(folder: Path, providers: DemoServer, **settings: object) -> PricingSync:
    """A service, still closed, over a ledger with the readings of eight weeks."""
    values = {"admin_token": "admin-token-of-the-tests", "read_token": "read-token-of-the-tests"}
    made = settings_of(folder, providers, PROVIDERS, **{**values, **settings})
    pricing = service(made)
    with pricing:
        for name in PROVIDERS[1:]:
            _read(pricing, [name], days_ago=56)
        for days_ago, change in _weeks(providers):
            change()
            _read(pricing, [_OPENROUTER], days_ago)
        _decide(pricing)
        _today(providers)
        asyncio.run(pricing.sync(PROVIDERS, started_by="schedule"))
        _use(pricing)
    return pricing


def _read(pricing: PricingSync, names: Iterable[str], days_ago: float) -> None:
    """Read what the providers answer now, as of so many days ago."""
    at = datetime.now(UTC) - timedelta(days=days_ago)
    wanted = [pricing.access.provider(name) for name in names]
    for name, pages in asyncio.run(pricing.access.probe(wanted)).items():
        assert isinstance(pages, tuple), pages
        answer = RecordedAnswer(PAGE_SEPARATOR.join(pages), at)
        asyncio.run(pricing.replay(name, [answer], started_by="schedule"))


def _weeks(providers: DemoServer) -> Iterable[tuple[float, Callable[[], object]]]:
    """What OpenRouter does, and so many days ago."""

    def to(model: str, meter: str, rate: str) -> Callable[[], object]:
        return lambda: providers.set_rate(_OPENROUTER, model, meter, rate)

    def to_both(model: str, into: str, out: str) -> Callable[[], object]:
        return lambda: (to(model, "input", into)(), to(model, "output", out)())

    yield 56, lambda: None
    yield 41, to_both(_GPT, "2.2", "9")
    yield 33, to("moonshotai/kimi-k3", "input", "2.6")
    yield 20, to_both(_GPT, "2", "8")
    yield 12, to(_SONNET, "cache_read", "0.25")
    yield 9, to("openai/gpt-oss-120b", "input", "0.04")
    yield 5, to_both("deepseek/deepseek-v4-pro", "0.5", "1")
    yield 2, to_both(_GPT, "2.1", "8.4")
    yield 0.1, lambda: providers.add(_OPENROUTER, "acme/newcomer", {"input": "0.2", "output": "1"})


def _decide(pricing: PricingSync) -> None:
    """A person's overrides: one in force, one of later."""
    now = datetime.now(UTC)
    pricing.set_override(
        _OPENROUTER,
        "z-ai/glm-5.2",
        {Meter.INPUT: Rate.of("0.5", Per.MILLION), Meter.OUTPUT: Rate.of("1.9", Per.MILLION)},
        author="Ann Lee",
        reason="the contract of this year",
        until=now + timedelta(days=90),
    )
    pricing.set_override(
        _OPENROUTER,
        _GPT,
        {Meter.CACHE_WRITE: Rate.of("3", Per.MILLION)},
        author=HOSTILE[0],
        reason=HOSTILE[1],
        since=now + timedelta(days=9),
    )


def _today(providers: DemoServer) -> None:
    """Changes that the gate doubts, faults, and hostile ids."""
    providers.set_rate(_OPENROUTER, _SONNET, "input", "3000")
    providers.set_rate(_OPENROUTER, "openai/gpt-oss-120b", "output", "0")
    providers.set_rate(_OPENROUTER, "minimax/minimax-m3", "input", "0.012")
    providers.set_rate("deepinfra", "moonshotai/Kimi-K2.5", "output", "2.5")
    for name in HOSTILE:
        providers.add(_OPENROUTER, name, {"input": "1", "output": "2"})
    providers.fault("together", Fault("unit_slip", factor=1e6))
    providers.fault("chutes", Fault("zeroed"))
    providers.fault("xai", Fault("html"))


def _use(pricing: PricingSync) -> None:
    """Usage of the last day, some of it without a price."""
    at = datetime.now(UTC) - timedelta(hours=3)
    rows = [
        {"provider": provider, "model": model, "at": at.isoformat(), "usage": usage}
        for provider, model, usage in (
            *(300 * [(_OPENROUTER, _SONNET, {"input": 120_000, "output": 2_100})]),
            *(40 * [(_OPENROUTER, "openai/gpt-oss-120b", {"input": 90_000, "output": 8_000})]),
            (_OPENROUTER, "acme/unheard-of", {"input": 1_000_000, "output": 90_000}),
            ("groq", "llama-5-preview", {"input": 70_000, "output": 3_000}),
            *((_OPENROUTER, name, {"input": 1}) for name in HOSTILE),
        )
    ]
    pricing.usage.add([json.dumps(row).encode() for row in rows], key="history")
