"""What `doctor` finds in an answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from pricing_sync.cli.doctor import _self_check
from pricing_sync.sources.providers import built_in

from built import openrouter, priced
from command import Run
from receivers import SECRET, Receiver, receiving


def test_the_price_keys_that_are_not_read_are_named() -> None:
    """A new one may change the whole bill. They are no problem of the provider."""
    body = openrouter({f"maker/m{n}": priced(video="1") for n in range(2)})
    summary, problems = _self_check(built_in()["openrouter"], (body,))
    assert "not read: pricing.video in 2 rows" in summary
    assert problems == []


_WEBHOOK = '[[webhook]]\nname = "{}"\nurl = "{}"\nsecret_env = "{}"\n'


@pytest.mark.usefixtures("apprise_loaded")
def test_who_is_told_of_events_is_checked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings, the secret and the name of each, without sending anything."""
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
        )
        assert 0 == run("migrate").code
        result = run("doctor", "together", "--json")
        shown = run("doctor", "together").out
        offline = run("doctor", "together", "--offline", "--json").json["endpoints"]
    problems = {one["name"]: one["problem"] for one in result.json["endpoints"]}
    assert 1 == result.code
    assert ["private", "nobody", "unset", "notify-2"] == [
        name for name, problem in problems.items() if problem
    ]
    assert "127.0.0.1 is not a public address" in problems["private"]
    assert "https://nosuch.invalid: " in problems["nobody"]
    assert "OTHER_SECRET is not set" in problems["unset"]
    assert "no address of Apprise" in problems["notify-2"]
    assert "! unset: environment: OTHER_SECRET is not set" in shown
    assert ["unset", "notify-2"] == [one["name"] for one in offline if one["problem"]]
    assert [] == receiver.got
