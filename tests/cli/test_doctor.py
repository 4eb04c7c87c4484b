"""What `doctor` finds in an answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from ports import free_port
from pricing_sync.cli.doctor import _self_check
from pricing_sync.sources.providers import built_in

from built import openrouter, priced
from command import Run
from databases import database_url
from nodes import FakeLangfuse, FakeLiteLLM, running
from receivers import SECRET, Receiver, receiving
from redis_servers import redis_url


def test_the_price_keys_that_are_not_read_are_named() -> None:
    """A new one may change the whole bill. They are no problem of the provider."""
    body = openrouter({f"maker/m{n}": priced(video="1") for n in range(2)})
    summary, problems = _self_check(built_in()["openrouter"], (body,))
    assert "not read: pricing.video in 2 rows" in summary
    assert problems == []


_WEBHOOK = '[[webhook]]\nname = "{}"\nurl = "{}"\nsecret_env = "{}"\n'


@pytest.mark.usefixtures("apprise_loaded")
def test_who_is_told_of_events_is_checked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings, the secret and the host of each, without sending anything."""
    monkeypatch.delenv("TOGETHER_API_KEY", raising=False)
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    receiver = Receiver()
    with receiving(receiver):
        monkeypatch.setenv("PRICING_SYNC_NOTIFY_URLS", f"json://{receiver.url[7:]} nosuch://x")
        Path("pricing-sync.toml").write_text(
            _WEBHOOK.format("good", receiver.url, "HOOK_SECRET")
            + "allow_private = true\n"
            + _WEBHOOK.format("private", "https://127.0.0.1/hook", "HOOK_SECRET")
            + _WEBHOOK.format("nobody", "https://nosuch.invalid/hook", "HOOK_SECRET")
            + _WEBHOOK.format("unset", "https://127.0.0.1/hook", "OTHER_SECRET")
            + _WEBHOOK.format("no-tls", receiver.url.replace("http:", "https:"), "HOOK_SECRET")
            + "allow_private = true\n"
            + _WEBHOOK.format("away", f"https://127.0.0.1:{free_port()}", "HOOK_SECRET")
            + "allow_private = true\n"
        )
        assert 0 == run("migrate").code
        result = run("doctor", "together", "--json")
        shown = run("doctor", "together").out
        offline = run("doctor", "together", "--offline", "--json").json["endpoints"]
    problems = {one["name"]: one["problem"] for one in result.json["endpoints"]}
    assert 1 == result.code
    assert ["private", "nobody", "unset", "no-tls", "away", "notify-2"] == [
        name for name, problem in problems.items() if problem
    ]
    assert "127.0.0.1 is not a public address" in problems["private"]
    assert "https://nosuch.invalid: " in problems["nobody"]
    assert "OTHER_SECRET is not set" in problems["unset"]
    assert "no address of Apprise" in problems["notify-2"]
    assert "SSL" in problems["no-tls"]
    assert "refused" in problems["away"]
    assert "! unset: environment: OTHER_SECRET is not set" in shown
    assert ["unset", "notify-2"] == [one["name"] for one in offline if one["problem"]]
    assert [] == receiver.got


@pytest.mark.postgres
def test_redis_is_asked_whether_it_answers(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its password is shown nowhere."""
    monkeypatch.setenv("TOGETHER_API_KEY", "a-key")
    monkeypatch.setenv("PRICING_SYNC_DATABASE", database_url(tmp_path))
    command = ("doctor", "together", "--json")
    with redis_url() as url:
        monkeypatch.setenv("PRICING_SYNC_REDIS_URL", url)
        (found,) = run(*command).json["endpoints"]
    assert {"name": "redis", "kind": "redis", "where": url, "problem": None} == found
    away = f"redis://:canary@127.0.0.1:{free_port()}/0"
    monkeypatch.setenv("PRICING_SYNC_REDIS_URL", away)
    result = run(*command)
    (found,) = result.json["endpoints"]
    assert 1 == result.code
    assert found["problem"].startswith("redis: redis://***@127.0.0.1:")
    assert "refused" in found["problem"]
    assert "canary" not in result.out + result.err + run(*command[:2]).out
    (offline,) = run(*command, "--offline").json["endpoints"]
    assert None is offline["problem"]


_NODES = """
[[push.litellm]]
url = "{litellm}"
key_env = "LITELLM_KEY"
name = "proxy"

[[push.litellm]]
url = "{litellm}"
key_env = "OTHER_KEY"
name = "other-key"

[[push.litellm]]
url = "http://127.0.0.1:{free_port}"
key_env = "LITELLM_KEY"
name = "away"

[[push.langfuse]]
url = "{langfuse}"
public_key_env = "LANGFUSE_PUBLIC"
secret_key_env = "LANGFUSE_SECRET"
name = "project"
"""


def test_the_nodes_that_prices_are_pushed_to_are_asked(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is changed at any of them, and offline they are not asked."""
    litellm, langfuse = FakeLiteLLM(), FakeLangfuse()
    for name, key in {
        "LITELLM_KEY": litellm.key,
        "LANGFUSE_PUBLIC": "pk-lf-a",
        "LANGFUSE_SECRET": "sk-lf-a",
    }.items():
        monkeypatch.setenv(name, key)
    with running(litellm), running(langfuse):
        Path("pricing-sync.toml").write_text(
            _NODES.format(litellm=litellm.url, langfuse=langfuse.url, free_port=free_port())
        )
        assert 0 == run("migrate").code
        offline = run("doctor", "together", "--offline", "--json")
        assert [] == [*litellm.asked, *langfuse.asked]
        result = run("doctor", "together", "--json")
        shown = run("doctor", "together").out
    assert {"other-key": "key: OTHER_KEY is not set"} == {
        one["name"]: one["problem"] for one in offline.json["endpoints"] if one["problem"]
    }
    problems = {one["name"]: one["problem"] for one in result.json["endpoints"]}
    assert (1, ["proxy", "other-key", "away", "project"]) == (result.code, [*problems])
    assert ["other-key", "away"] == [name for name, problem in problems.items() if problem]
    assert "! other-key: key: OTHER_KEY is not set" in shown
    assert {"GET"} == {asked.split()[0] for asked in (*litellm.asked, *langfuse.asked)}
