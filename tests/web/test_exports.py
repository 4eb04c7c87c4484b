"""The exports over HTTP: validators, encodings, the secret path, and what is left out."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pricing_sync.demo.server import DemoServer
from pricing_sync.serving.export_formats import FORMATS
from pricing_sync.web.exports import TOOL_PATHS

from server_process import Api, api

SECRET = "a-secret-of-the-tests"
ROWS = {f"maker/{n}": {"litellm_provider": "maker", "mode": "chat"} for n in range(60)}


@pytest.fixture(name="api")
def api_fixture(tmp_path: Path, providers: DemoServer) -> Iterator[Api]:
    """A service with a secret path, LiteLLM's map in its folder, and prices."""
    (tmp_path / "litellm.json").write_text(json.dumps(ROWS))
    with api(tmp_path, providers, export_secret=SECRET, export_upstream=tmp_path) as running:
        running.sync()
        yield running


def raw(api: Api, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """The answer as it is on the wire, before it is decompressed."""
    headers = {"accept-encoding": "identity"} | headers
    with api.reader.stream("GET", path, headers=headers) as answer:
        return answer.status_code, dict(answer.headers), b"".join(answer.iter_raw())


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_document_has_a_digest_and_a_validator(api: Api, name: str) -> None:
    """The digest is that of the bytes; a client that has them gets 304."""
    status, headers, body = raw(api, f"/export/{name}")
    assert 200 == status
    assert body
    assert FORMATS[name].media_type == headers["content-type"]
    digest = raw(api, f"/export/{name}.sha256")[2]
    assert hashlib.sha256(body).hexdigest() == digest.decode().strip()
    status, again, nothing = raw(api, f"/export/{name}", **{"if-none-match": headers["etag"]})
    assert (304, headers["etag"], b"") == (status, again["etag"], nothing)
    report = api.get(f"/export/{name}/report")
    assert str(len(report["items"])) == headers["x-pricing-left-out"]


def test_the_compressed_document_is_the_same_one(api: Api) -> None:
    """Its bytes are others, so its strong validator is another; either one is known again."""
    _, plain, body = raw(api, "/export/jsonl")
    _, packed, compressed = raw(api, "/export/jsonl", **{"accept-encoding": "br, gzip"})
    assert body == gzip.decompress(compressed)
    assert ("gzip", None) == (packed["content-encoding"], plain.get("content-encoding"))
    assert plain["etag"] != packed["etag"]
    assert "accept-encoding" == packed["vary"].lower()
    for tag in (packed["etag"], f'"another", W/{plain["etag"]}', "*"):
        assert 304 == raw(api, "/export/jsonl", **{"if-none-match": tag})[0]
    assert 200 == raw(api, "/export/jsonl", **{"if-none-match": '"another"'})[0]
    refused = raw(api, "/export/jsonl", **{"accept-encoding": "gzip;q=0"})[1]
    assert "content-encoding" not in refused


def test_head_has_the_length_and_no_body(api: Api) -> None:
    """A tool may ask for the size before it downloads."""
    length = api.reader.get("/export/csv", headers={"accept-encoding": "identity"})
    head = api.reader.head("/export/csv", headers={"accept-encoding": "identity"})
    assert (str(len(length.content)), b"") == (head.headers["content-length"], head.content)
    assert length.headers["etag"] == head.headers["etag"]


def test_a_new_price_is_a_new_document(api: Api) -> None:
    """At once in this process, with another validator; the others keep theirs."""
    before = raw(api, "/export/csv")
    body = {"rates": {"input": "7.25"}, "reason": "a test", "author": "test"}
    path = "/admin/pricing/overrides"
    answer = api.admin.post(path, json={"provider": "openrouter", "model": "openai/gpt-4o", **body})
    assert answer.is_success, answer.text
    api.pricing.exports._fresh_until = 0
    after = raw(api, "/export/csv")
    assert b"7.25" not in before[2]
    assert b"7.25" in after[2]
    assert before[1]["etag"] != after[1]["etag"]


def test_an_earlier_instant_has_its_own_document(api: Api) -> None:
    """Before the first reading there was no price."""
    assert b"gpt-4o" in api.reader.get("/export/jsonl").content
    assert b"" == api.reader.get("/export/jsonl", params={"at": "2020-01-01"}).content


def test_one_provider_names_its_models_without_it(api: Api) -> None:
    """So does OpenRouter itself. An unknown provider is not an empty document."""
    rows = api.get("/export/openrouter", provider="openrouter")["data"]
    assert "openai/gpt-4o" in {row["id"] for row in rows}
    rows = api.get("/export/openrouter")["data"]
    assert "openrouter/openai/gpt-4o" in {row["id"] for row in rows}
    assert 404 == api.reader.get("/export/openrouter", params={"provider": "nobody"}).status_code


@pytest.mark.parametrize("path", [*TOOL_PATHS, "/pricing/openrouter.json", "/export/litellm"])
def test_a_secret_path_needs_no_token(api: Api, path: str) -> None:
    """The same document; a wrong secret is a path that does not exist, for every token."""
    document = raw(api, path)[2]
    open_to_all = api.anonymous.get(f"/s/{SECRET}{path}")
    assert (200, document) == (open_to_all.status_code, open_to_all.content)
    assert 401 == api.anonymous.get(path).status_code
    for client in (api.admin, api.anonymous):
        assert 404 == client.get(f"/s/{SECRET}x{path}").status_code


def test_wrong_secrets_are_limited(api: Api) -> None:
    """As wrong tokens are."""
    codes = [api.anonymous.get(f"/s/guess-{n}/export/csv").status_code for n in range(25)]
    assert [404] * 20 + [429] * 5 == codes
    assert 200 == api.anonymous.get(f"/s/{SECRET}/export/csv").status_code


def test_without_a_secret_there_is_no_such_path(tmp_path: Path, providers: DemoServer) -> None:
    """Not even for an empty one."""
    with api(tmp_path, providers) as running:
        for secret in ("None", "%20", "x"):
            assert 404 == running.admin.get(f"/s/{secret}/export/csv").status_code


def test_litellm_keeps_every_row_and_gets_ours(api: Api) -> None:
    """Never smaller than upstream, objects only."""
    rows = api.get("/export/litellm")
    assert rows.keys() > ROWS.keys()
    assert {dict} == {type(row) for row in rows.values()}
    assert 2.5e-06 == rows["openrouter/openai/gpt-4o"]["input_cost_per_token"]


def test_without_what_a_format_needs_there_is_no_document(
    tmp_path: Path, providers: DemoServer
) -> None:
    """A map of our rows alone would be thrown away by LiteLLM; the answer says what is missing."""
    with api(tmp_path, providers) as running:
        running.sync()
        answer = running.reader.get("/export/litellm")
        assert (404, True) == (answer.status_code, "no upstream map" in answer.text)
        assert 404 == running.reader.get("/export/genai-prices?provider=openrouter").status_code
        assert 404 == running.reader.get("/export/nonsense").status_code


def test_the_last_upstream_map_serves_while_the_file_is_away(api: Api, tmp_path: Path) -> None:
    """A file that is being replaced is no reason to stop."""
    assert 200 == api.reader.get("/export/litellm").status_code
    (tmp_path / "litellm.json").unlink()
    api.pricing.exports._rendered.clear()
    assert 200 == api.reader.get("/export/litellm").status_code


def test_what_is_left_out_is_a_metric(api: Api) -> None:
    """By format and part, once a document was made."""
    api.get("/export/openlit")
    count = len([e for e in api.get("/export/openlit/report")["items"] if e["part"] == "meter"])
    line = f'pricing_export_left_out{{format="openlit",part="meter"}} {count}.0'
    assert line in api.reader.get("/metrics").text


def test_a_currency_on_request_is_named_with_its_rate(api: Api) -> None:
    """In a header and in the report; a word that is no currency is refused."""
    rates = {"CNY": Decimal("9.8"), "USD": Decimal("1.4")}
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    api.pricing.store.exchange_rates.add({yesterday: rates}, datetime.now(UTC))
    own = {"provider": "own", "model": "m", "currency": "CNY", "reason": "a", "author": "a"}
    body = own | {"rates": {"input": "7", "output": "14"}}
    assert api.admin.post("/admin/pricing/overrides", json=body).is_success
    api.pricing.exports._fresh_until = 0
    assert "own/m" not in api.get("/export/openlit")["chat"]
    answer = api.reader.get("/export/openlit", params={"currency": "usd"})
    rate = f"1 CNY = 0.1428571429 USD (ECB, {yesterday})"
    assert 0.001 == answer.json()["chat"]["own/m"]["promptPrice"]
    assert rate == answer.headers["x-pricing-converted"]
    assert [rate] == api.get("/export/openlit/report", currency="USD")["converted"]
    assert 422 == api.reader.get("/export/openlit", params={"currency": "dollars"}).status_code
