"""Which provider a name means."""

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
    """Entry points of providers, and no others, by name and value."""
    found = [EntryPoint(name, value, GROUP) for name, value in named]
    monkeypatch.setattr(
        "pricing_sync.sources.providers.entry_points", lambda group: found if group == GROUP else []
    )


def test_the_built_in_providers() -> None:
    """In the order in which they are shown. A provider that is not here is not read by default."""
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
    """Its id is safe in a file, a URL and a metric; its address names every variable in it."""
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*", provider.id)
    assert provider.name.strip()
    assert provider.url.startswith("https://")
    assert provider.page.startswith("https://")
    assert set(provider.variables) == set(re.findall(r"\{(\w+)\}", provider.url))
    assert (provider.source is Source.API) == (provider.url != "https://models.dev/api.json")


def test_no_two_providers_ask_the_same_question() -> None:
    """Else one of them would be stored under the other's name."""
    asked = [provider.url for provider in built_in().values() if provider.source is Source.API]
    assert len(asked) == len(set(asked)) == 16


def test_a_built_in_provider_is_found_by_its_id() -> None:
    """The same one each time."""
    for name, provider in built_in().items():
        assert provider.id == name
        assert find(name) is provider


def test_a_provider_of_the_catalog_needs_no_code() -> None:
    """The known ids are bare; a newer one is written with the catalog's name before it."""
    assert find("mistral").source is Source.CATALOG
    assert find("mistral").id == "mistral"
    assert find("models.dev/brand-new").id == "brand-new"
    assert find("models.dev/mistral").id == "mistral"


def test_the_catalog_does_not_stand_in_for_a_provider_that_is_read_itself() -> None:
    """Two sources under one id would undo each other's prices at each reading."""
    assert catalog.IDS.isdisjoint(built_in())
    with pytest.raises(UnknownName, match=r"^models\.dev/openrouter: read from openrouter itself"):
        find("models.dev/openrouter")


@pytest.mark.usefixtures("install")
def test_an_unknown_name_says_what_is_close() -> None:
    """In one line, built-in, installed and catalog alike."""
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
def test_a_name_that_is_no_id_is_not_looked_up(name: str) -> None:
    """It may not reach a path, a URL or a log line."""
    with pytest.raises(UnknownName, match=r"^'[ -~]*': not a provider's id$"):
        find(name)


def test_an_installed_provider_is_found(install: ModuleType) -> None:
    """By the name of its entry point, which is its id."""
    install.PROVIDER = ACME  # type: ignore[attr-defined]
    assert find("acme") is ACME


def test_an_installed_provider_goes_before_the_catalog(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever writes one knows better than a catalog. But a built-in one is not replaced."""
    mistral = Provider(id="mistral", name="Mistral", url="https://a.example/", decode=ACME.decode)
    install.PROVIDER = mistral  # type: ignore[attr-defined]
    points(monkeypatch, ("mistral", "acme_prices:PROVIDER"), ("openrouter", "acme_prices:PROVIDER"))
    assert find("mistral") is mistral
    assert find("openrouter") is built_in()["openrouter"]


@pytest.mark.parametrize(
    "value", ["no_such_module_here:PROVIDER", "acme_prices:NO_SUCH_NAME", "acme_prices"]
)
def test_an_installed_provider_that_cannot_be_loaded(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """The error names the entry point and where it points."""
    install.PROVIDER = ACME  # type: ignore[attr-defined]
    points(monkeypatch, ("acme", value))
    with pytest.raises(SettingsError, match=f"^entry point acme of {re.escape(GROUP)}: {value}"):
        find("acme")


def test_an_installed_provider_of_another_name(install: ModuleType) -> None:
    """Its prices would be stored under an id that nobody asked for."""
    install.PROVIDER = Provider(  # type: ignore[attr-defined]
        id="other", name="Other", url=ACME.url, decode=ACME.decode
    )
    with pytest.raises(SettingsError, match="acme_prices:PROVIDER is not the Provider of that id"):
        find("acme")


def test_two_installed_providers_of_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of them is meant depends on nothing that anybody chose."""
    points(monkeypatch, ("acme", "b:PROVIDER"), ("acme", "a:PROVIDER"))
    with pytest.raises(SettingsError, match="a:PROVIDER and b:PROVIDER"):
        find("acme")
