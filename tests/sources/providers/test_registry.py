"""Which provider `find` gives for a name."""

from __future__ import annotations

import re
import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from pricing_sync.errors import SettingsError, UnknownName
from pricing_sync.prices.rates import Source
from pricing_sync.sources.formats import openrouter
from pricing_sync.sources.provider import Provider
from pricing_sync.sources.providers import GROUP, built_in, catalog, find

ACME = Provider(id="acme", name="Acme", url="https://acme.example/models", decode=openrouter.read)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module `acme_prices` that is installed with the entry point `acme`."""
    module = ModuleType("acme_prices")
    monkeypatch.setitem(sys.modules, "acme_prices", module)
    points(monkeypatch, ("acme", "acme_prices:PROVIDER"))
    return module


def points(monkeypatch: pytest.MonkeyPatch, *named: tuple[str, str]) -> None:
    """Install these entry points of providers, by name and value, and no others."""
    found = [EntryPoint(name, value, GROUP) for name, value in named]
    monkeypatch.setattr(
        "pricing_sync.sources.providers.entry_points", lambda group: found if group == GROUP else []
    )


def test_the_built_in_providers() -> None:
    """They are in the order of display. A provider that is not here is not read by default."""
    assert list(built_in()) == [
        "openrouter",
        "featherless",
        "nearai",
        "alibaba-cloud",
        "alibaba-cloud-cn",
        "together",
        "fireworks",
        "groq",
        "deepinfra",
        "cerebras",
        "novita",
        "google-vertex",
        "xai",
        "cloudflare-workers-ai",
        "nebius",
        "chutes",
        "vercel-ai-gateway",
        "venice",
    ]


@pytest.mark.parametrize("provider", built_in().values(), ids=lambda provider: provider.id)
def test_a_built_in_provider_is_well_formed(provider: Provider) -> None:
    """Its id is safe in a file, a URL and a metric. It names every variable of its URL."""
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*", provider.id)
    assert provider.name.strip()
    assert provider.url.startswith("https://")
    assert provider.page.startswith("https://")
    assert set(provider.variables) == set(re.findall(r"\{(\w+)\}", provider.url))
    assert (provider.source is Source.API) == (provider.url != "https://models.dev/api.json")


def test_no_two_providers_have_the_same_url() -> None:
    """Otherwise the prices of one provider would be stored under the id of another."""
    urls = [provider.url for provider in built_in().values() if provider.source is Source.API]
    assert len(urls) == len(set(urls)) == 16


def test_a_built_in_provider_is_found_by_its_id() -> None:
    """Each call gives the same object."""
    for name, provider in built_in().items():
        assert provider.id == name
        assert find(name) is provider


def test_a_provider_of_the_catalog_needs_no_code() -> None:
    """A known id needs no prefix. An id that no list has needs the prefix `models.dev/`."""
    assert find("mistral").source is Source.CATALOG
    assert find("mistral").id == "mistral"
    assert find("models.dev/brand-new").id == "brand-new"
    assert find("models.dev/mistral").id == "mistral"


def test_a_built_in_provider_is_never_read_from_the_catalog() -> None:
    """Two sources with one id would replace each other's prices at each reading."""
    assert catalog.IDS.isdisjoint(built_in())
    assert catalog.LATER_IDS.isdisjoint(built_in())
    assert find("models.dev/openrouter") is built_in()["openrouter"]


@pytest.mark.usefixtures("install")
def test_the_error_of_an_unknown_name_lists_close_ids() -> None:
    """Built-in, installed and catalog ids are compared. The error is one line."""
    for name, close in (("opnrouter", "openrouter"), ("acmee", "acme"), ("mistrale", "mistral")):
        with pytest.raises(UnknownName, match=f"^{name}: no such provider; there is {close}"):
            find(name)
    with pytest.raises(UnknownName, match=r"^zzzzzzzz: no such provider$"):
        find("zzzzzzzz")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "OpenRouter",
        "open router",
        "../etc",
        "a/b",
        "-a",
        "a\n",
        "models.dev/",
        "é",
        "x" * 9 + "\x1b",
    ],
)
def test_a_name_that_is_not_an_id_is_refused(name: str) -> None:
    """It must not get into a path, a URL or a log line."""
    with pytest.raises(UnknownName, match=r"^'[ -~]*': not a provider's id$"):
        find(name)


def test_an_installed_provider_is_found(install: ModuleType) -> None:
    """The name of its entry point is its id."""
    install.PROVIDER = ACME  # type: ignore[attr-defined]
    assert find("acme") is ACME


def test_an_installed_provider_wins_over_the_catalog(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not replace a built-in provider."""
    mistral = Provider(id="mistral", name="Mistral", url="https://a.example/", decode=ACME.decode)
    install.PROVIDER = mistral  # type: ignore[attr-defined]
    points(monkeypatch, ("mistral", "acme_prices:PROVIDER"), ("openrouter", "acme_prices:PROVIDER"))
    assert find("mistral") is mistral
    assert find("openrouter") is built_in()["openrouter"]


@pytest.mark.parametrize(
    "value", ["no_such_module_here:PROVIDER", "acme_prices:NO_SUCH_NAME", "acme_prices"]
)
def test_an_installed_provider_that_cannot_be_loaded_is_an_error(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """The error has the name and the value of the entry point."""
    install.PROVIDER = ACME  # type: ignore[attr-defined]
    points(monkeypatch, ("acme", value))
    with pytest.raises(SettingsError, match=f"^entry point acme of {re.escape(GROUP)}: {value}"):
        find("acme")


def test_an_installed_provider_with_another_id_is_an_error(install: ModuleType) -> None:
    """Its prices would be stored under an id that was not requested."""
    install.PROVIDER = Provider(  # type: ignore[attr-defined]
        id="other", name="Other", url=ACME.url, decode=ACME.decode
    )
    with pytest.raises(SettingsError, match="acme_prices:PROVIDER is not the Provider of that id"):
        find("acme")


def test_two_installed_providers_with_one_name_are_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No rule decides which of the two is used."""
    points(monkeypatch, ("acme", "b:PROVIDER"), ("acme", "a:PROVIDER"))
    with pytest.raises(SettingsError, match="a:PROVIDER and b:PROVIDER"):
        find("acme")
