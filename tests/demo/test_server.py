"""The simulated providers, and the decoder of every provider against its simulation.

The simulated formats and the decoders were written independently, from the same descriptions.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from threading import Thread
from time import sleep
from typing import Any, get_args
from urllib.parse import urlsplit

import httpx
import pytest

from pricing_sync.demo.facts import CATALOG, CURRENCY, FACTS, Model
from pricing_sync.demo.faults import Fault, Kind
from pricing_sync.demo.server import DemoServer
from pricing_sync.errors import IncompleteAnswer, ReadingError, UnknownName
from pricing_sync.prices.rates import (
    Answer,
    Listing,
    Meter,
    Rate,
    RateCard,
    Source,
    Unpriced,
    Unreadable,
    Why,
)
from pricing_sync.sources.provider import Provider, next_page, read_answer
from pricing_sync.sources.providers import built_in
from pricing_sync.sources.providers.catalog import catalog_provider

PROVIDERS = built_in()
HEADERS = {"User-Agent": "pricing-sync/test", "Authorization": "Bearer demo"}
#: The path of each provider's list, with the query that makes the list complete.
PATHS = {
    "openrouter": "/api/v1/models?output_modalities=all",
    "featherless": "/v1/models?per_page=1000&page=1",
    "nearai": "/v1/model/list?limit=100&offset=0",
    "alibaba-cloud": "/api/v1/models?page_no=1&page_size=100",
    "alibaba-cloud-cn": "/api/v1/models?page_no=1&page_size=100",
    "together": "/v1/models",
    "fireworks": "/v1/serverless/models",
    "groq": "/api.json",
    "deepinfra": "/models/list",
    "cerebras": "/public/v1/models",
    "novita": "/openai/v1/models",
    "google-vertex": "/api.json",
    "xai": "/v1/language-models",
    "cloudflare-workers-ai": "/client/v4/accounts/abc/ai/models/search?per_page=100&page=1",
    "nebius": "/v1/models?verbose=true",
    "chutes": "/v1/models",
    "vercel-ai-gateway": "/v1/models",
    "venice": "/api/v1/models?type=all",
}

every_provider = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with DemoServer() as running:
        yield running


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(headers=HEADERS, trust_env=False, timeout=30) as open_client:
        yield open_client


def get(server: DemoServer, client: httpx.Client, provider: str, **headers: str) -> httpx.Response:
    """The first page of a provider's list."""
    return client.get(server.base_url(provider) + PATHS[provider], headers=headers)


def url_on(server: DemoServer, provider: Provider, url: str) -> httpx.URL:
    """A provider's URL on the server, with its variables filled in."""
    parts = urlsplit(re.sub(r"\{\w+\}", "abc", url))
    query = f"?{parts.query}" if parts.query else ""
    return httpx.URL(server.base_url(provider.id) + parts.path + query)


def read(server: DemoServer, client: httpx.Client, provider: Provider) -> Answer:
    """The answer that the provider's decoder makes of all its pages."""
    url = url_on(server, provider, provider.url)
    pages: list[bytes] = []
    more: Mapping[str, str] | None = {}
    while more is not None:
        pages.append(client.get(url.copy_merge_params(more)).raise_for_status().content)
        more = next_page(provider, pages[-1], len(pages))
    return read_answer(provider, pages)


def facts(provider: str, factor: str = "1") -> dict[str, Listing]:
    """The expected listings with prices times *factor*, by model id and by alias."""
    models = [model.times(Decimal(factor)) for model in FACTS[provider]]
    currency = CURRENCY.get(provider, "USD")
    return {name: model.listing(currency) for model in models for name in names(model)}


def names(model: Model) -> tuple[str, ...]:
    return (model.id, *model.aliases)


def without_notes(listings: Mapping[str, Listing]) -> dict[str, Listing]:
    """The listings without the notes of those that have no price."""
    return {
        model: Unpriced(listing.why) if isinstance(listing, Unpriced) else listing
        for model, listing in listings.items()
    }


# The decoders


@every_provider
def test_every_decoder_reads_the_facts_of_its_provider(
    server: DemoServer, client: httpx.Client, provider: Provider
) -> None:
    """Every page and every rate; no row is nameless and no field ignored."""
    answer = read(server, client, provider)
    assert facts(provider.id) == without_notes(answer.listings)
    assert ((), {}) == (answer.nameless, answer.ignored)


@pytest.mark.parametrize("name", CATALOG)
def test_the_catalog_also_has_the_providers_that_are_not_built_in(
    server: DemoServer, client: httpx.Client, name: str
) -> None:
    """A provider that is not built in is read from the same document."""
    assert facts(name) == without_notes(read(server, client, catalog_provider(name)).listings)


@every_provider
def test_pins_and_curated_prices_are_the_facts(provider: Provider) -> None:
    """In the demo no pin reports a wrong unit, and no curated price reports a stale catalog."""
    expected = facts(provider.id)
    if provider.pin:
        card = expected[provider.pin.model]
        assert isinstance(card, RateCard)
        assert provider.pin.rate == str(card.rates[provider.pin.meter])
    if provider.curated:
        shared = provider.curated.cards.keys() & {
            model for model, listing in expected.items() if isinstance(listing, RateCard)
        }
        assert len(shared) >= 5
        for model in shared:
            curated, card = provider.curated.cards[model], expected[model]
            assert isinstance(card, RateCard)
            # The catalog may have a meter that the table leaves out, but never another price.
            assert curated.rates == {meter: card.rates[meter] for meter in curated.rates}


def test_the_permission_check_of_xai_passes(server: DemoServer, client: httpx.Client) -> None:
    """The key of the demo may see every model."""
    permission = PROVIDERS["xai"].permission
    assert permission is not None
    url = url_on(server, PROVIDERS["xai"], permission.url)
    permission.check(client.get(url).raise_for_status().content)


@every_provider
def test_a_unit_slip_changes_every_rate(
    server: DemoServer, client: httpx.Client, provider: Provider
) -> None:
    """Twice the price is read as twice the price: no decoder guesses the unit from the size."""
    server.fault(provider.id, Fault("unit_slip", factor=2))
    assert facts(provider.id, "2") == without_notes(read(server, client, provider).listings)


@every_provider
def test_zeroed_prices_do_not_make_a_model_free(
    server: DemoServer, client: httpx.Client, provider: Provider
) -> None:
    """A zero is a price only for models with `free` at the end of their id."""
    server.fault(provider.id, Fault("zeroed"))
    answer = read(server, client, provider)
    cards = {model for model, listing in answer.listings.items() if isinstance(listing, RateCard)}
    assert {model for model in cards if not model.lower().endswith("free")} == set()
    assert facts(provider.id).keys() == answer.listings.keys()


@every_provider
def test_a_renamed_price_key_never_gives_a_wrong_price(
    server: DemoServer, client: httpx.Client, provider: Provider
) -> None:
    """After a schema change every rate is right or missing, and the difference is noticed."""
    server.fault(provider.id, Fault("schema_change"))
    expected = facts(provider.id)
    try:
        answer = read(server, client, provider)
    except ReadingError:
        return
    assert answer.ignored or expected != without_notes(answer.listings)
    for model, listing in answer.listings.items():
        card = expected[model]
        if isinstance(listing, RateCard):
            assert isinstance(card, RateCard)
            assert listing.rates.items() <= card.rates.items()


@every_provider
def test_an_empty_list_is_incomplete(
    server: DemoServer, client: httpx.Client, provider: Provider
) -> None:
    """No provider removes all its models at once."""
    server.fault(provider.id, Fault("empty"))
    with pytest.raises(IncompleteAnswer):
        read(server, client, provider)


@pytest.mark.parametrize(
    ("provider", "pages"),
    [("featherless", 3), ("nearai", 3), ("alibaba-cloud", 4), ("fireworks", 3)],
)
def test_every_page_of_a_list_is_requested(
    server: DemoServer, client: httpx.Client, provider: str, pages: int
) -> None:
    """A page has five models, whatever page size is requested."""
    read(server, client, PROVIDERS[provider])
    assert pages == len(server.requests)


def test_cloudflare_counts_more_models_than_it_lists(
    server: DemoServer, client: httpx.Client
) -> None:
    """Pagination must end at a short page, because the total is never reached."""
    info = get(server, client, "cloudflare-workers-ai").json()["result_info"]
    assert {"count": 5, "page": 1, "per_page": 5, "total_count": 48} == info


@pytest.mark.parametrize("provider", ["featherless", "nearai", "alibaba-cloud"])
def test_a_missing_page_is_an_incomplete_answer(
    server: DemoServer, client: httpx.Client, provider: str
) -> None:
    """For providers that state a correct total."""
    server.fault(provider, Fault("missing_page"))
    with pytest.raises(IncompleteAnswer):
        read(server, client, PROVIDERS[provider])


@pytest.mark.parametrize("provider", ["fireworks", "cloudflare-workers-ai"])
def test_a_missing_page_is_not_detected_without_a_total(
    server: DemoServer, client: httpx.Client, provider: str
) -> None:
    """Only a comparison with the previous list can show it."""
    server.fault(provider, Fault("missing_page"))
    first = {name for model in FACTS[provider][:5] for name in names(model)}
    assert first == read(server, client, PROVIDERS[provider]).listings.keys()


# The server


@pytest.mark.parametrize(
    "provider",
    [
        "alibaba-cloud",
        "alibaba-cloud-cn",
        "together",
        "fireworks",
        "xai",
        "cloudflare-workers-ai",
        "nebius",
        "novita",
    ],
)
def test_a_request_without_a_key_is_refused(server: DemoServer, provider: str) -> None:
    """With status 401 and an error object."""
    response = httpx.get(server.base_url(provider) + PATHS[provider], trust_env=False)
    assert (401, dict) == (response.status_code, type(response.json()))


@pytest.mark.parametrize("agent", ["", "python-requests/2.32.5", "Python-urllib/3.11"])
def test_featherless_refuses_scripts(server: DemoServer, client: httpx.Client, agent: str) -> None:
    """With status 404 and no list."""
    response = get(server, client, "featherless", **{"User-Agent": agent})
    assert (404, "Gone.") == (response.status_code, response.text)


def test_openrouter_lists_only_text_models_by_default(
    server: DemoServer, client: httpx.Client
) -> None:
    """`output_modalities` defaults to text."""
    url = server.base_url("openrouter") + "/api/v1/models"
    text = {row["id"] for row in client.get(url).json()["data"]}
    everything = {row["id"] for row in get(server, client, "openrouter").json()["data"]}
    missing = {
        "google/lyria-3-pro-preview",
        "black-forest-labs/flux.2-pro",
        "openai/text-embedding-3-small",
    }
    assert missing == everything - text


def test_nebius_lists_no_prices_without_verbose(server: DemoServer, client: httpx.Client) -> None:
    """It answers without prices and without an error."""
    rows = client.get(server.base_url("nebius") + "/v1/models").json()["data"]
    assert {"id", "object"} == {key for row in rows for key in row}


def test_an_answer_is_compressed_if_the_client_accepts_gzip(
    server: DemoServer, client: httpx.Client
) -> None:
    """Otherwise it is not."""
    compressed = get(server, client, "together", **{"Accept-Encoding": "gzip"})
    plain = get(server, client, "together", **{"Accept-Encoding": "identity"})
    assert "gzip" == compressed.headers["content-encoding"]
    assert "content-encoding" not in plain.headers
    assert plain.content == compressed.content


@pytest.mark.parametrize("provider", ["groq", "cerebras"])
def test_an_unchanged_list_is_answered_with_304(
    server: DemoServer, client: httpx.Client, provider: str
) -> None:
    """Until a price in it changes."""
    etag = get(server, client, provider).headers["etag"]
    again = get(server, client, provider, **{"If-None-Match": etag})
    assert (304, b"") == (again.status_code, again.content)
    server.set_rate(provider, FACTS[provider][0].id, "input", "0.77")
    assert 200 == get(server, client, provider, **{"If-None-Match": etag}).status_code


def test_openrouter_sends_no_etag(server: DemoServer, client: httpx.Client) -> None:
    """Its recorded answers have none."""
    assert "etag" not in get(server, client, "openrouter").headers


def test_requests_are_recorded(server: DemoServer, client: httpx.Client) -> None:
    """With provider, path and headers."""
    get(server, client, "together")
    (request,) = server.requests
    assert ("together", "/v1/models") == (request.provider, request.path)
    assert "Bearer demo" == request.headers["authorization"]


def test_unknown_providers_and_paths_are_404(server: DemoServer, client: httpx.Client) -> None:
    """Also an unknown path of a known provider."""
    assert 404 == client.get(server.base_url("nobody") + "/v1/models").status_code
    assert 404 == client.get(server.base_url("together") + "/v2/models").status_code


def test_stopping_closes_connections_that_wait(client: httpx.Client) -> None:
    """The server stops although a client waits for a body that never comes."""
    failed: list[Exception] = []
    stopped = DemoServer()

    def wait() -> None:
        try:
            get(stopped, client, "together")
        except httpx.TransportError as error:
            failed.append(error)

    with stopped:
        stopped.fault("together", Fault("hang"))
        waiting = Thread(target=wait)
        waiting.start()
        while not stopped.requests:
            sleep(0.001)
    waiting.join()
    assert 1 == len(failed)


# Changes


def rate_of(server: DemoServer, client: httpx.Client, provider: str, model: str) -> Rate:
    """The input rate that the decoder reads."""
    card = read(server, client, PROVIDERS[provider]).listings[model]
    assert isinstance(card, RateCard)
    return card.rates[Meter.INPUT]


@every_provider
def test_a_new_rate_is_listed_in_the_unit_of_the_provider(
    server: DemoServer, client: httpx.Client, provider: Provider
) -> None:
    """It applies to the next answer, and to one model only."""
    model = next(
        model.id
        for model in FACTS[provider.id]
        if model.prices.get(Meter.INPUT) and not model.conditional_prices
    )
    server.set_rate(provider.id, model, "input", "1.23")
    assert "1.23" == str(rate_of(server, client, provider.id, model))
    others = {name: listing for name, listing in facts(provider.id).items() if name != model}
    listings = without_notes(read(server, client, provider).listings)
    assert others == {name: listing for name, listing in listings.items() if name != model}


def test_a_removed_rate_is_not_zero(server: DemoServer, client: httpx.Client) -> None:
    """A model whose last rate is removed has no price."""
    server.set_rate("chutes", "openai/gpt-oss-120b-TEE", "cache_read", None)
    server.set_rate("nebius", "Qwen/Qwen3-Embedding-8B", "input", None)
    chutes = read(server, client, PROVIDERS["chutes"]).listings["openai/gpt-oss-120b-TEE"]
    nebius = read(server, client, PROVIDERS["nebius"]).listings["Qwen/Qwen3-Embedding-8B"]
    assert isinstance(chutes, RateCard)
    assert {Meter.INPUT, Meter.OUTPUT} == chutes.rates.keys()
    assert isinstance(nebius, Unpriced)


def test_models_can_be_added_removed_and_restored(server: DemoServer, client: httpx.Client) -> None:
    """A restored model has its old price."""
    server.add("cerebras", "new-model", {"input": "0.5", "output": "1"})
    server.remove("cerebras", "gpt-oss-120b")
    listings = read(server, client, PROVIDERS["cerebras"]).listings
    assert {"new-model", "zai-glm-4.7", "gemma-4-31b", "qwen-3-235b-a22b-instruct-2507"} == set(
        listings
    )
    server.restore("cerebras", "gpt-oss-120b")
    assert "0.35" == str(rate_of(server, client, "cerebras", "gpt-oss-120b"))


def test_changes_to_unknown_names_are_errors(server: DemoServer) -> None:
    """Unknown provider, model or meter; and a model that was not removed cannot be restored."""
    with pytest.raises(UnknownName):
        server.set_rate("nobody", "gpt-oss-120b", "input", "1")
    with pytest.raises(UnknownName):
        server.set_rate("cerebras", "gpt-oss-121b", "input", "1")
    with pytest.raises(UnknownName):
        server.restore("cerebras", "gpt-oss-120b")
    with pytest.raises(UnknownName):
        server.fault("nobody", Fault("html"))
    with pytest.raises(ValueError, match="prompt"):
        server.set_rate("cerebras", "gpt-oss-120b", "prompt", "1")


def test_an_unpriced_model_can_get_a_price(server: DemoServer, client: httpx.Client) -> None:
    """`set_rate` gives it one."""
    assert facts("novita")["google/gemma-3-1b-it"] == Unpriced(Why.NOT_PUBLISHED)
    server.set_rate("novita", "google/gemma-3-1b-it", "input", "0.01")
    assert "0.01" == str(rate_of(server, client, "novita", "google/gemma-3-1b-it"))


# Faults


def faulty(server: DemoServer, client: httpx.Client, fault: Fault) -> httpx.Response:
    server.fault("together", fault)
    return get(server, client, "together")


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault("too_many_requests"), 429),
        (Fault("server_error"), 503),
        (Fault("server_error", status=500), 500),
        (Fault("unauthorized"), 401),
        (Fault("redirect"), 302),
        (Fault("html"), 200),
        (Fault("latency", seconds=0), 200),
        (Fault("drip", seconds=0), 200),
    ],
    ids=repr,
)
def test_faults_with_a_status(
    server: DemoServer, client: httpx.Client, fault: Fault, status: int
) -> None:
    """The response has the status of the fault."""
    assert status == faulty(server, client, fault).status_code


def test_retry_after_is_seconds_or_a_date(server: DemoServer, client: httpx.Client) -> None:
    """HTTP allows both, and providers use both."""
    seconds = faulty(server, client, Fault("too_many_requests", retry_after_seconds=7))
    date = faulty(server, client, Fault("too_many_requests", as_date=True))
    assert "7" == seconds.headers["retry-after"]
    assert date.headers["retry-after"].endswith(" GMT")


def test_an_html_fault_is_a_web_page(server: DemoServer, client: httpx.Client) -> None:
    """With status 200."""
    response = faulty(server, client, Fault("html"))
    assert response.headers["content-type"].startswith("text/html")
    assert response.text.startswith("<!doctype html>")


def test_a_redirect_has_the_given_target(server: DemoServer, client: httpx.Client) -> None:
    """The target may be another origin."""
    response = faulty(server, client, Fault("redirect", to="http://127.0.0.2:80/x"))
    assert "http://127.0.0.2:80/x" == response.headers["location"]


def test_a_truncated_list_is_not_json(server: DemoServer, client: httpx.Client) -> None:
    """Although its Content-Length is right."""
    with pytest.raises(json.JSONDecodeError):
        faulty(server, client, Fault("truncated")).json()


def test_deep_json_has_the_given_depth(server: DemoServer, client: httpx.Client) -> None:
    """It has brackets only."""
    assert b"[[[]]]" == faulty(server, client, Fault("deep_json", depth=3)).content


def test_a_bomb_is_small_until_it_is_unpacked(server: DemoServer, client: httpx.Client) -> None:
    """Only a thousandth of its size is transferred."""
    server.fault("together", Fault("bomb", mebibytes=4))
    with client.stream("GET", server.base_url("together") + "/v1/models") as response:
        compressed = b"".join(response.iter_raw())
    assert len(compressed) < 8 * 2**10
    assert 4 * 2**20 == len(gzip.decompress(compressed))


@pytest.mark.parametrize("fault", [Fault("reset"), Fault("wrong_content_length")], ids=repr)
def test_a_body_that_is_too_short_is_a_transport_error(
    server: DemoServer, client: httpx.Client, fault: Fault
) -> None:
    """The connection ends before the announced length."""
    with pytest.raises(httpx.TransportError):
        faulty(server, client, fault)


def test_a_content_length_that_is_too_small_cuts_the_body(
    server: DemoServer, client: httpx.Client
) -> None:
    """The client reads only the announced bytes."""
    whole = get(server, client, "together", **{"Accept-Encoding": "identity"}).content
    server.fault("together", Fault("wrong_content_length", excess=-10))
    cut = get(server, client, "together", **{"Accept-Encoding": "identity"}).content
    assert whole[:-10] == cut


def test_a_hang_sends_headers_and_then_nothing(server: DemoServer, client: httpx.Client) -> None:
    """Only a timeout of the client ends it."""
    server.fault("together", Fault("hang"))
    url = server.base_url("together") + "/v1/models"
    with client.stream("GET", url, timeout=0.05) as response:
        assert 200 == response.status_code
        with pytest.raises(httpx.ReadTimeout):
            response.read()


def test_a_drip_arrives_complete(server: DemoServer, client: httpx.Client) -> None:
    """Byte by byte."""
    dripped = faulty(server, client, Fault("drip", seconds=0))
    server.clear("together")
    assert get(server, client, "together").json() == dripped.json()


def test_the_fault_half_lists_every_second_model(server: DemoServer, client: httpx.Client) -> None:
    """Nineteen become ten."""
    assert 10 == len(faulty(server, client, Fault("half")).json())


def test_duplicates_are_equal_unless_a_factor_is_given(
    server: DemoServer, client: httpx.Client
) -> None:
    """Two equal rows are one listing; two prices for one model are unreadable."""
    together, model = PROVIDERS["together"], "deepseek-ai/DeepSeek-V3"
    server.fault("together", Fault("duplicates"))
    assert facts("together") == without_notes(read(server, client, together).listings)
    server.fault("together", Fault("duplicates", factor=2))
    assert isinstance(read(server, client, together).listings[model], Unreadable)


def test_a_fault_ends_after_the_given_number_of_answers(
    server: DemoServer, client: httpx.Client
) -> None:
    """Other providers do not have it."""
    server.fault("together", Fault("server_error", times=2))
    statuses = [get(server, client, "together").status_code for _ in range(3)]
    assert [503, 503, 200] == statuses
    assert 200 == get(server, client, "chutes").status_code
    assert {} == server.faults()


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_fault_changes_the_answer(
    server: DemoServer, client: httpx.Client, kind: Any
) -> None:
    """Except the slow ones, which send the same later. NEAR AI has pages, prices and a total."""
    second_page = f"{server.base_url('nearai')}/v1/model/list?offset=5"
    good = client.get(second_page).content
    server.fault("nearai", Fault(kind, seconds=0, mebibytes=1))
    try:
        response = client.get(second_page, timeout=0.5)
    except httpx.TransportError:
        assert kind in {"hang", "reset", "wrong_content_length"}
        return
    is_same = (200, good) == (response.status_code, response.content)
    assert is_same == (kind in {"latency", "drip"})


# Over HTTP


def test_faults_can_be_put_listed_and_deleted_over_http(
    server: DemoServer, client: httpx.Client
) -> None:
    """A person does this with curl."""
    faults = f"http://127.0.0.1:{server.port}/_faults"
    client.put(f"{faults}/groq", json={"kind": "server_error", "status": 502}).raise_for_status()
    assert 502 == get(server, client, "groq").status_code
    listed = client.get(faults).json()
    assert ("server_error", 502) == (listed["groq"]["kind"], listed["groq"]["status"])
    client.delete(f"{faults}/groq").raise_for_status()
    assert {} == client.get(faults).json()
    assert 200 == get(server, client, "groq").status_code


def test_rates_can_be_put_over_http(server: DemoServer, client: httpx.Client) -> None:
    """In the currency per million units."""
    rates = f"http://127.0.0.1:{server.port}/_rates/cerebras"
    body = {"model": "gpt-oss-120b", "meter": "input", "rate": "0.40"}
    client.put(rates, json=body).raise_for_status()
    assert "0.4" == str(rate_of(server, client, "cerebras", "gpt-oss-120b"))


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("_faults/groq", b"{", 400),
        ("_faults/groq", b'{"kind": "nap"}', 400),
        ("_faults/groq", b'{"kind": "html", "colour": "red"}', 400),
        ("_faults/nobody", b'{"kind": "html"}', 404),
        ("_rates/groq", b'{"model": "x", "meter": "input", "rate": "1"}', 404),
        ("_rates/groq", b'{"model": "openai/gpt-oss-20b", "meter": "x", "rate": "1"}', 400),
        ("_rates/groq", b'{"model": "openai/gpt-oss-20b", "meter": "input", "rate": "x"}', 400),
        ("groq/api.json", b"{}", 404),
    ],
)
def test_invalid_puts_over_http_are_refused(
    server: DemoServer, client: httpx.Client, path: str, body: bytes, status: int
) -> None:
    """With a reason, and without an effect."""
    response = client.put(f"http://127.0.0.1:{server.port}/{path}", content=body)
    assert status == response.status_code
    assert response.json()["error"]
    assert {} == server.faults()


def test_every_built_in_provider_is_simulated() -> None:
    """A new provider needs facts and a format here."""
    assert PROVIDERS.keys() == FACTS.keys() - {"anthropic", "mistral", "openai"}
    assert PROVIDERS.keys() == PATHS.keys()
    assert {"groq", "google-vertex"} == {
        name for name, provider in PROVIDERS.items() if provider.source is Source.CATALOG
    }
