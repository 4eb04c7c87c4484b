"""`HEAD`, wherever there is `GET`."""

from __future__ import annotations

import pytest

from pricing_sync.web.router import SUBJECTS

from server_process import Api

PATHS = sorted(
    {route.path for subject in SUBJECTS for route in subject.declared if route.method == "GET"}
)
#: Headers of the response that do not depend on the moment.
SAME = ("content-type", "cache-control", "x-content-type-options", "www-authenticate")


def filled(path: str, api: Api) -> str:
    run = api.get("/admin/pricing/runs")["items"][0]["run_id"]
    for name, value in (
        ("{run_id}", run),
        ("{provider}", "openrouter"),
        ("{model:path}", "openai/gpt-4o"),
    ):
        path = path.replace(name, value)
    return path


@pytest.mark.parametrize("path", [*PATHS, "/openapi.json", "/nothing-here"])
def test_head_is_get_without_the_body(api: Api, path: str) -> None:
    """The same status and the same headers, for each kind of token."""
    api.sync()
    path = filled(path, api)
    for client in (api.admin, api.anonymous):
        get, head = client.get(path), client.head(path)
        assert (get.status_code, b"") == (head.status_code, head.content)
        assert [get.headers.get(name) for name in SAME] == [head.headers.get(n) for n in SAME]


def test_the_length_is_that_of_the_body(api: Api) -> None:
    """And it needs no body to be sent: the connection stays usable."""
    api.sync()
    path = "/v1/models"
    plain = {"Accept-Encoding": "identity"}
    length = str(len(api.reader.get(path, headers=plain).content))
    assert length == api.reader.head(path, headers=plain).headers["content-length"]
    assert 200 == api.reader.get(path).status_code
