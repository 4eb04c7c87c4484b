"""The commands of `webhooks`, and what `status` and `config` say of endpoints."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.notify import deliverer
from pricing_sync.settings import load_settings

from built import openrouter, priced
from command import Run
from receivers import SECRET, Receiver, answering, receiving
from service import until


@pytest.fixture(name="hooks")
def hooks_fixture(run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Receiver, Receiver]]:
    """A ledger that told its first prices to two receivers: one took them, the other did not."""
    monkeypatch.setattr(deliverer, "_POLL_SECONDS", 0.02)
    monkeypatch.setattr(deliverer, "_WAITS", (timedelta(seconds=0.01),))
    monkeypatch.setattr(deliverer, "_FIRST_PAUSE", timedelta(seconds=0.01))
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    monkeypatch.setenv("PRICING_SYNC_ENABLED", "false")
    good, bad = Receiver(), Receiver(behave=answering(404, b"nobody here"))
    with receiving(good, bad):
        monkeypatch.setenv("BAD_URL", bad.url)
        Path("pricing-sync.toml").write_text(
            f'[[webhook]]\nname = "good"\nurl = "{good.url}"\nsecret_env = "HOOK_SECRET"\n'
            'allow_private = true\nevents = ["price.changed"]\n'
            '[[webhook]]\nname = "bad"\nurl_env = "BAD_URL"\nsecret_env = "HOOK_SECRET"\n'
            'allow_private = true\nevents = ["price.changed"]\n'
        )
        Path("a.json").write_bytes(openrouter({"maker/a": priced()}))
        assert 0 == run("migrate").code
        asyncio.run(serve_until_told(run))
        yield good, bad


async def serve_until_told(run: Run) -> None:
    app = PricingSync(load_settings())
    async with app.lifespan():
        await until(lambda: len(app.store.deliveries.endpoints()) == 2)
        await asyncio.to_thread(run, "sync", "openrouter", "--answer", "a.json")
        await until(lambda: app.webhooks()[1].counts.dead == 1)
        await until(lambda: app.webhooks()[0].state.delivered == 1)


def test_list_shows_queues_and_dead_letters(run: Run, hooks: tuple[Receiver, Receiver]) -> None:
    """Without the paths of the addresses. `status` names the one that does not take events."""
    code, out, _ = run("webhooks", "list")
    assert 0 == code
    good, bad = out.splitlines()[1:3]
    assert ["good", hooks[0].url.removesuffix("/hook"), "0", "0", "1"] == good.split()[:5]
    assert good.endswith("ok")
    assert ["bad", hooks[1].url.removesuffix("/hook"), "0", "1", "0", "never"] == bad.split()[:6]
    assert "404: nobody here" in bad
    assert "dead letters" in out
    assert "/hook" not in out
    first, second = run("webhooks", "list", "--json").json
    assert (1, 0, 0) == (first["delivered"], first["dead_letters"], first["pending"])
    (letter,) = second["newest_dead_letters"]
    assert ("price.changed", 2) == (letter["kind"], letter["attempts"])
    shown = run("status").out
    assert "webhook bad: 2 failures in a row, 0 pending, 1 dead letters: http://" in shown
    assert "webhook good" not in shown


def test_test_says_whether_it_was_delivered(run: Run, hooks: tuple[Receiver, Receiver]) -> None:
    """A failure has the code 1; an unknown name 2."""
    assert (0, "good: delivered\n") == run("webhooks", "test", "good")[:2]
    assert "webhook.test" == hooks[0].got[-1].message["type"]
    code, out, _ = run("webhooks", "test", "bad")
    assert (1, True) == (code, "bad: failed: http://" in out)
    assert {"delivered": False} == {
        key: value
        for key, value in run("webhooks", "test", "bad", "--json").json.items()
        if key == "delivered"
    }
    code, _, err = run("webhooks", "test", "other")
    assert (2, True) == (code, "'other' is no webhook: good, bad" in err)


def test_replay_queues_events_again(run: Run, hooks: tuple[Receiver, Receiver]) -> None:
    """All dead letters, or one event that was delivered already."""
    assert (0, "bad: 1 queued\n") == run("webhooks", "replay", "bad", "--dead")[:2]
    (event,) = hooks[0].ids
    assert {"queued": 1} == run("webhooks", "replay", "good", "--event", event, "--json").json
    first, second = run("webhooks", "list", "--json").json
    assert (1, 1) == (first["pending"], second["pending"])
    for arguments in ([], ["--dead", "--event", event]):
        code, _, err = run("webhooks", "replay", "good", *arguments)
        assert (2, True) == (code, "expected either --event ID or --dead" in err)
    assert 2 == run("webhooks", "replay", "good", "--event", "none").code


def test_no_endpoint_is_no_error(run: Run) -> None:
    """As for a service that sends nothing."""
    assert 0 == run("migrate").code
    code, out, err = run("webhooks", "list")
    assert (0, "", "no webhook and no address for messages\n") == (code, out, err)


def test_config_shows_endpoints_without_their_paths(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And which variables are not set."""
    monkeypatch.setenv("PRICING_SYNC_NOTIFY_URLS", "slack://xq7zkw/xq7zkw/xq7zkw")
    Path("pricing-sync.toml").write_text(
        '[[webhook]]\nname = "billing"\nurl = "https://hooks.example/xq7zkw"\n'
        'secret_env = "HOOK_SECRET"\n'
        '[[webhook]]\nname = "other"\nurl_env = "OTHER_URL"\nsecret_env = "HOOK_SECRET"\n'
    )
    out = run("config").out
    assert "billing at https://hooks.example, HOOK_SECRET not set" in out
    assert "other at $OTHER_URL, OTHER_URL not set, HOOK_SECRET not set" in out
    assert "notify_urls = set (28 characters) (PRICING_SYNC_NOTIFY_URLS)" in out
    assert "xq7zkw" not in out + run("config", "--json").out


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('name = "a b"\n', "at most 50 letters"),
        ('name = "notify-1"\n', "not notify- at the beginning"),
        ('url = "http://xq7zkw.example/"\n', "http is only for allow_private = true"),
        ('url_env = "A"\n', "either url or url_env"),
        ('secret_env = "whsec_xq7zkw"\n', "expected the name of a variable"),
        ('events = ["price.chnged"]\n', "'price.chnged' is no event"),
        ("evens = []\n", "no such setting (there is events)"),
    ],
)
def test_wrong_settings_are_one_line_without_the_value(run: Run, text: str, why: str) -> None:
    """Which file, and why."""
    table = {
        "name": '"billing"',
        "url": '"https://hooks.example/xq7zkw"',
        "secret_env": '"HOOK_SECRET"',
    }
    table.pop(text.split(" ")[0], None)
    lines = [f"{name} = {value}\n" for name, value in table.items()]
    Path("pricing-sync.toml").write_text(f"[[webhook]]\n{''.join(lines)}{text}")
    code, _, err = run("config")
    assert 2 == code
    assert why in err
    assert "xq7zkw" not in err
    assert 1 == len(err.strip().splitlines())


def test_two_of_one_name_are_refused(run: Run) -> None:
    """Their state is kept by name."""
    table = '[[webhook]]\nname = "a"\nurl = "https://hooks.example/"\nsecret_env = "S"\n'
    Path("pricing-sync.toml").write_text(table * 2)
    code, _, err = run("config")
    assert (2, True) == (code, "two webhooks are named a" in err)
