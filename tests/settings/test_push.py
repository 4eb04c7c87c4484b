"""The nodes that prices are pushed to, in the file and in variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from pricing_sync.errors import SettingsError
from pricing_sync.settings import LangfuseNode, LiteLLMNode, load_settings

LITELLM = '[[push.litellm]]\nurl = "http://litellm-1:4000/"\nkey_env = "LITELLM_KEY"\n'


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def settings_of(text: str) -> str:
    """The error of a file."""
    Path("pricing-sync.toml").write_text(text)
    with pytest.raises(SettingsError) as error:
        load_settings()
    return str(error.value)


def test_nodes_in_the_file() -> None:
    """Each has a name, by default its host and port."""
    Path("pricing-sync.toml").write_text(
        f"{LITELLM}"
        '[[push.litellm]]\nurl = "https://llm.example/proxy"\nkey_env = "K2"\nname = "eu"\n'
        '[[push.langfuse]]\nurl = "http://10.0.0.7:3000"\npublic_key_env = "P"\n'
        'secret_key_env = "S"\nprovider = "openrouter"\n'
    )
    push = load_settings().push
    first = LiteLLMNode(url="http://litellm-1:4000", key_env="LITELLM_KEY")
    assert first == push.litellm[0]
    assert ["litellm-1:4000", "eu"] == [node.target for node in push.litellm]
    project = LangfuseNode(
        url="http://10.0.0.7:3000", public_key_env="P", secret_key_env="S", provider="openrouter"
    )
    assert (project,) == push.langfuse
    assert "10.0.0.7:3000" == project.target


def test_nodes_in_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """As JSON; it wins over the file."""
    Path("pricing-sync.toml").write_text(LITELLM)
    monkeypatch.setenv("PRICING_SYNC_PUSH__LITELLM", '[{"url": "http://b:1", "key_env": "B"}]')
    assert ["b:1"] == [node.target for node in load_settings().push.litellm]


@pytest.mark.parametrize(
    "url",
    [
        "litellm-1:4000",
        "ftp://a",
        "http://",
        "http://user:sk-hidden@a",
        "http://a/?key=sk-hidden",
        "http://a/#sk-hidden",
        "http://a b",
        "http://a:0",
        "http://a:99999",
    ],
)
def test_an_address_that_cannot_be_used_is_refused(url: str) -> None:
    """With what is wrong, and without what may be a secret."""
    text = settings_of(f'[[push.litellm]]\nurl = "{url}"\nkey_env = "K"\n')
    assert text.startswith("pricing-sync.toml: push.litellm.0.url: expected an address such as ")
    assert "sk-hidden" not in text


def test_a_key_in_place_of_its_variable_is_refused() -> None:
    """People share the file: a key has no place in it, nor in an error."""
    text = settings_of('[[push.litellm]]\nurl = "http://a"\nkey_env = "sk-hidden"\n')
    assert "push.litellm.0.key_env: expected the name of a variable" in text
    assert "sk-hidden" not in text


def test_two_nodes_of_one_name_are_refused() -> None:
    """Their states would be one."""
    assert "two nodes are named litellm-1:4000" in settings_of(LITELLM + LITELLM)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (LITELLM + 'keyenv = "K"\n', "push.litellm.0.keyenv: no such setting (there is key_env)"),
        ('[[push.lightllm]]\nurl = "http://a"\n', "push.lightllm: no such setting"),
        ('[[push.litellm]]\nurl = "http://a"\n', "push.litellm.0.key_env: "),
        ('[push]\nlitellm = "http://a"\n', "push.litellm: "),
        ("push = 3\n", "push: expected a table"),
        ("[[push.litellm]]\nurl = true\nkey_env = 'K'\n", "push.litellm.0.url: "),
        ('[[push.litellm]]\nurl = "http://a"\nkey_env = "K"\nname = "a b"\n', ".name: expected"),
    ],
)
def test_a_wrong_table_says_where(text: str, why: str) -> None:
    """The key, and what was meant."""
    assert why in settings_of(text)
