"""The command `config`: what is in force, where from, and never a secret."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from pricing_sync.cli.config import GROUPS
from pricing_sync.errors import masked
from pricing_sync.settings import Settings

from command import Run


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of ours, and nobody's keys."""
    ours = re.compile(r"PRICING_SYNC_\w+|\w+_API_KEY|ADMIN_TOKEN|SENTRY_DSN")
    for name in filter(ours.fullmatch, list(os.environ)):
        monkeypatch.delenv(name)


def test_every_setting_is_in_one_group() -> None:
    """All but the tables of providers, which are shown provider by provider."""
    shown = [name for names in GROUPS.values() for name in names]
    assert sorted(Settings.model_fields.keys() - {"provider"}) == sorted(shown)


@pytest.mark.sqlite("no database is opened")
def test_defaults_are_said_to_be_defaults(run: Run) -> None:
    """Without a file, a variable or a database."""
    shown = run("config", "--json").json
    assert {"value": 6, "from": "default"} == shown["schedule"]["interval_hours"]
    assert {"value": True, "from": "default"} == shown["schedule"]["enabled"]
    assert {"value": "1h", "from": "default"} == shown["schedule"]["retry.max"]
    assert {"value": "not set", "from": "default"} == shown["secrets"]["admin_token"]
    assert ["openrouter", "featherless", "nearai", "alibaba-cloud"] == list(shown["providers"])
    groups = [*(shown[name] for name in GROUPS), *shown["providers"].values()]
    assert {"default"} == {line["from"] for group in groups for line in group.values()}
    assert not Path("pricing-sync.db").exists()


def test_each_value_says_where_it_is_from(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The option, the variable or the file that won."""
    Path("pricing-sync.toml").write_text('database = "sqlite:///file.db"\nport = 81\nhost = "::1"')
    monkeypatch.setenv("PRICING_SYNC_PORT", "82")
    shown = run("--database", "sqlite:///option.db", "config").out.splitlines()
    assert "  database = sqlite:///option.db (--database)" in shown
    assert "  port = 82 (PRICING_SYNC_PORT)" in shown
    assert "  host = ::1 (pricing-sync.toml)" in shown
    assert "  stop_seconds = 30 (default)" in shown


def test_a_path_is_shown(run: Run) -> None:
    """As it is written, as text and as JSON."""
    Path("pricing-sync.toml").write_text('book_file = "out/book.jsonl"\nexport_upstream = "."')
    assert "  book_file = out/book.jsonl (pricing-sync.toml)" in run("config").out
    shown = run("config", "--json").json
    assert {"value": ".", "from": "pricing-sync.toml"} == shown["service"]["export_upstream"]


def test_a_provider_shows_the_plan_that_results(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part from its own table, else from what is for all."""
    Path("pricing-sync.toml").write_text(
        'window = "22:00-06:00"\nproviders = ["together", "openrouter"]\n'
        '[provider.together]\ncron = "0 3 * * *"\nretry.max = "20m"\ngate.band_up = 3\n'
        'free = ["maker/a", "maker/b"]'
    )
    monkeypatch.setenv("PRICING_SYNC_INTERVAL_HOURS", "0.5")
    monkeypatch.setenv("PRICING_SYNC_PROVIDER__TOGETHER__DRY_RUN", "yes")
    monkeypatch.setenv("PRICING_SYNC_PROVIDER__TOGETHER__GATE__BOUNDS", '{"input": ["1", "2"]}')
    shown = run("config", "--json").json["providers"]
    own = {name: (line["value"], line["from"]) for name, line in shown["together"].items()}
    assert ("0 3 * * *", "pricing-sync.toml") == own["cron"]
    assert "every" not in own
    assert ("22:00-06:00", "pricing-sync.toml") == own["window"]
    assert ("20m", "pricing-sync.toml") == own["retry.max"]
    assert ("1m", "default") == own["retry.initial"]
    assert (3, "pricing-sync.toml") == own["gate.band_up"]
    assert (True, "PRICING_SYNC_PROVIDER__TOGETHER__DRY_RUN") == own["dry_run"]
    assert "PRICING_SYNC_PROVIDER__TOGETHER__GATE__BOUNDS" == own["gate.bounds"][1]
    assert ("not set", "default") == own["TOGETHER_API_KEY"]
    every = shown["openrouter"]["every"]
    assert {"value": "30m", "from": "PRICING_SYNC_INTERVAL_HOURS"} == every
    lines = run("config").out.splitlines()
    assert "  free = maker/a, maker/b (pricing-sync.toml)" in lines
    assert "  base_url = not set (default)" in lines


@pytest.mark.sqlite("no database is opened")
def test_secrets_show_that_they_are_set(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """And how long they are; not a character of them."""
    Path("pricing-sync.toml").write_text(
        'database = "postgresql://me:canary-pass@db.invalid/prices"\nproviders = ["together"]\n'
        '[provider.together]\nbase_url = "https://canary-user@proxy.example?api_key=canary-key"'
    )
    monkeypatch.setenv("ADMIN_TOKEN", "canary-0815-canary-0815")
    monkeypatch.setenv("PRICING_SYNC_READ_TOKEN", "canary-4711-canary-4711-x")
    monkeypatch.setenv("SENTRY_DSN", "https://canary@sentry.example/1")
    monkeypatch.setenv("TOGETHER_API_KEY", "canary")
    monkeypatch.setenv("PRICING_SYNC_REDIS_URL", "rediss://me:canary-pass@redis.invalid/0")
    text, machine = run("config"), run("config", "--json")
    assert (0, 0) == (text.code, machine.code)
    assert "canary" not in text.out + machine.out + text.err + machine.err
    lines = text.out.splitlines()
    assert "  admin_token = set (23 characters) (ADMIN_TOKEN)" in lines
    assert "  read_token = set (25 characters) (PRICING_SYNC_READ_TOKEN)" in lines
    assert "  sentry_dsn = set (31 characters) (SENTRY_DSN)" in lines
    assert "  TOGETHER_API_KEY = set (TOGETHER_API_KEY)" in lines
    assert "  database = postgresql://me:***@db.invalid/prices (pricing-sync.toml)" in lines
    assert "  redis_url = rediss://me:***@redis.invalid/0 (PRICING_SYNC_REDIS_URL)" in lines


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///prices.db", "sqlite:///prices.db"),
        ("sqlite:////srv/me@home:1/a@b.db", "sqlite:////srv/me@home:1/a@b.db"),
        ("postgresql://host:5432/db", "postgresql://host:5432/db"),
        ("postgresql://user:pass@host/db", "postgresql://user:***@host/db"),
        ("postgresql://user:p@s/s@host/db", "postgresql://user:***@host/db"),
        (
            "postgresql://host/db?password=x&sslmode=require",
            "postgresql://host/db?password=***&sslmode=require",
        ),
        ("https://key@host/v1", "https://***@host/v1"),
        ("https://:key@host/v1", "https://***@host/v1"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
        ("https://host/v1?API_KEY=x#y", "https://host/v1?API_KEY=***#y"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    """And otherwise as it is."""
    assert shown == masked(url)


def test_a_provider_that_is_none_is_said_to_be(run: Run) -> None:
    """Its table would have no effect. One of a catalog has only an address."""
    Path("pricing-sync.toml").write_text(
        '[provider.togethr]\npriority = 1\n[provider."catalog:litellm"]\nbase_url = "http://[::1]"'
    )
    result = run("config", "--json")
    shown = result.json["providers"]
    problem = shown["togethr"]["problem"]
    assert (2, True) == (
        result.code,
        result.err.startswith("error: pricing-sync.toml: togethr: no such provider"),
    )
    assert problem["value"].startswith("togethr: no such provider; there is together")
    assert "pricing-sync.toml" == problem["from"]
    address = {"value": "http://[::1]", "from": "pricing-sync.toml"}
    assert {"base_url": address} == shown["catalog:litellm"]


@pytest.mark.parametrize("command", ["config", "doctor --offline", "serve --port 0"])
def test_a_scheduled_provider_that_is_none_fails(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """With exit code 2 and one line that names the variable."""
    monkeypatch.setenv("PRICING_SYNC_PROVIDERS", "openrouter,togethr")
    monkeypatch.setenv("ADMIN_TOKEN", "canary-0815-canary-0815")
    result = run(*command.split())
    assert (2, 1) == (result.code, len(result.err.splitlines()))
    assert result.err.startswith(
        "error: PRICING_SYNC_PROVIDERS: togethr: no such provider; there is together"
    )


@pytest.mark.sqlite("no database is opened")
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:canary-pass@db.invalid/prices",
        "postgresql://canary@db.invalid/prices",
        "postgresql://db.invalid/prices?password=canary",
        "postgresql:/me:canary@db/prices",
        "me:canary@db/prices",
        "sqlite://me:canary@db",
    ],
)
@pytest.mark.parametrize(
    "command",
    [
        *("config", "config --json", "doctor --offline", "doctor --offline --json", "migrate"),
        *("sync openrouter", "prices", "status", "runs", "held", "audit", "backtest", "evidence x"),
        *("serve --port 0", "changes", "providers --json", "references", "override list"),
    ],
)
def test_no_command_shows_the_password_of_the_database(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: str, url: str
) -> None:
    """Also not in an error, which names the database without it."""
    monkeypatch.setenv("PRICING_SYNC_DATABASE", url)
    monkeypatch.setenv("ADMIN_TOKEN", "a-token-of-the-tests")
    result = run(*command.split())
    assert "canary" not in result.out + result.err
    if command.startswith("config"):
        return
    # Such a database cannot be reached. Two commands need none, and report that.
    code = 1 if url.startswith("postgresql://") else 2
    code = 0 if code == 1 and command.startswith(("doctor", "providers")) else code
    assert (code, min(code, 1)) == (result.code, len(result.err.splitlines()))
    assert not code or "db" in result.err


def test_what_cannot_be_used_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """And exit code 2, as for every command."""
    monkeypatch.setenv("PRICING_SYNC_INTERVAL_HOURS", "abc")
    monkeypatch.setenv("PRICING_SYNC_PORT", "-1")
    result = run("config")
    assert (2, "", 1) == (result.code, result.out, len(result.err.splitlines()))
    assert "PRICING_SYNC_INTERVAL_HOURS: should be a valid number" in result.err
    assert "PRICING_SYNC_PORT: should be greater than or equal to 0" in result.err
