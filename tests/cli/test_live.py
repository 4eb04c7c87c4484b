"""The command line against providers that answer over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pricing_sync.demo.faults import Fault
from pricing_sync.demo.server import DemoServer
from pricing_sync.sources.providers import built_in

from command import Run


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DemoServer]:
    """Every provider on loopback, set in the file as an operator would, keys in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PRICING_SYNC_PROVIDERS", raising=False)
    with DemoServer() as running:
        tables = [
            f'[provider.{name}]\nbase_url = "{running.base_url(name)}"\n' for name in built_in()
        ]
        Path("pricing-sync.toml").write_text("attempts = 2\n" + "\n".join(tables))
        for provider in built_in().values():
            for name in (*provider.variables, *(provider.key.variables if provider.key else ())):
                monkeypatch.setenv(name, "canary-0815")
        yield running


def test_one_provider_that_fails_spoils_no_other(server: DemoServer, run: Run) -> None:
    """The run is partial, with exit code 3; the others' prices are stored."""
    server.fault("together", Fault("server_error"))
    code, out, _ = run("sync", "together", "openrouter", "--json")
    assert (3, "partial") == (code, json.loads(out)["status"])
    failed, read = json.loads(out)["readings"]
    assert ("failed", "transport", "read") == (
        failed["status"],
        failed["error_kind"],
        read["status"],
    )
    assert 0 == run("prices", "openrouter")[0]


def test_without_names_the_providers_of_the_settings_are_read(
    server: DemoServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those whose key is not set are said to be left out, and are no failure."""
    key = built_in()["alibaba-cloud"].key
    assert key is not None
    for name in key.variables:
        monkeypatch.delenv(name)
    code, out, err = run("sync", "--json")
    assert (0, ["openrouter", "featherless", "nearai"]) == (
        code,
        [reading["provider"] for reading in json.loads(out)["readings"]],
    )
    assert "alibaba-cloud: not asked: DASHSCOPE_API_KEY is not set" in err
    assert 2 == len({request.provider for request in server.requests} & {"nearai", "openrouter"})


def test_a_named_provider_without_its_key_fails(
    server: DemoServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was asked for, so it is not passed over; nobody is asked without a key."""
    monkeypatch.delenv("TOGETHER_API_KEY")
    code, out, _ = run("sync", "together")
    assert (1, True) == (code, "TOGETHER_API_KEY is not set" in out)
    assert [] == [request for request in server.requests if request.provider == "together"]


@pytest.mark.usefixtures("server")
def test_a_provider_without_its_key_is_skipped_among_others(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is partly done for who named it. `status` and `doctor` say what is not set."""
    monkeypatch.delenv("TOGETHER_API_KEY")
    monkeypatch.setenv("PRICING_SYNC_PROVIDERS", "openrouter,together")
    code, out, _ = run("sync", "openrouter", "together")
    why = "together: key: TOGETHER_API_KEY is not set"
    assert (3, True) == (code, f"  skipped   {why}" in out)
    assert f"skipped: {why}" in run("status").out
    code, out, _ = run("doctor", "together")
    assert (0, True) == (code, "TOGETHER_API_KEY not set  skipped" in out)
    assert "1 read, 1 skipped" in run("runs").out


@pytest.mark.usefixtures("server")
def test_doctor_finds_every_provider_well(run: Run) -> None:
    """Keys, answers, and a price known by hand that is still read in its unit."""
    code, out, _ = run("doctor", "--all", "--json")
    report = json.loads(out)
    assert [] == [entry for entry in report["providers"] if entry["problems"]]
    assert (0, set(built_in())) == (code, {entry["provider"] for entry in report["providers"]})
    assert all(entry["self_check"] for entry in report["providers"])


@pytest.mark.usefixtures("server")
def test_doctor_looks_at_the_providers_of_the_settings(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others would spoil the exit code of a check before a start."""
    monkeypatch.setenv("PRICING_SYNC_PROVIDERS", "openrouter,novita")
    _, out, _ = run("doctor", "--json")
    assert ["openrouter", "novita"] == [entry["provider"] for entry in json.loads(out)["providers"]]


def test_doctor_names_what_is_wrong(
    server: DemoServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider that is down, one that changed its unit, and a key that is missing."""
    server.fault("cerebras", Fault("server_error"))
    server.fault("featherless", Fault("unit_slip", factor=1e3))
    monkeypatch.delenv("FIREWORKS_API_KEY")
    code, out, _ = run("doctor", "cerebras", "featherless", "fireworks", "--json")
    down, slipped, keyless = json.loads(out)["providers"]
    assert 1 == code
    assert "status 503" in down["problems"][0]
    assert "has the unit changed?" in slipped["problems"][0]
    assert (False, ["FIREWORKS_API_KEY"]) == (keyless["answered"], keyless["missing"])


def test_keys_appear_nowhere(server: DemoServer, run: Run) -> None:
    """Not in an answer, an error, or the database."""
    server.fault("xai", Fault("unauthorized"))
    said = [
        "".join(map(str, run(*command)))
        for command in (
            ("sync", "xai", "openrouter", "cloudflare-workers-ai", "--json"),
            ("providers", "--json"),
            ("doctor", "--all", "--json"),
            ("runs", "--json"),
        )
    ]
    stored = b"".join(path.read_bytes() for path in Path().glob("pricing-sync.db*"))
    assert "canary" not in "".join(said)
    assert b"canary" not in stored
    assert any("canary" in value for r in server.requests for value in r.headers.values())
