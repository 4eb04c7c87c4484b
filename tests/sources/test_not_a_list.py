"""What every reader does with an answer that is not a list of its provider, or an empty one."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pricing_sync.errors import DecodeError, IncompleteAnswer
from pricing_sync.sources.provider import read_answer
from pricing_sync.sources.providers import built_in

EVERYWHERE = (b"", b"<html></html>", b"<!doctype html><html></html>", b"null", b"[1")
OBJECT = (b"[]", b"{}")
NOT_ROWS = (b'{"data": {}}', b'{"data": 1}')
#: By provider, besides the ones above.
OTHERS: Mapping[str, tuple[bytes, ...]] = {
    "openrouter": (b"{}", *NOT_ROWS),
    "featherless": (
        *OBJECT,
        *NOT_ROWS,
        b"Gone.",
        b'{"data": [{"id": "a/b"}]}',  # without `pagination`
        b'{"error": {"code": "model_not_found"}}',
    ),
    "nearai": (
        *OBJECT,
        b'{"models": [{"modelId": "a/b"}], "totalModels": 1, "page": 1, "totalPages": 1}',
    ),
    "alibaba-cloud": (
        *OBJECT,
        b'{"success": true}',
        b'{"success": true, "output": {"models": []}}',
    ),
    "alibaba-cloud-cn": (*OBJECT, b'{"success": true}'),
    "together": (b"{}", b'{"data": []}'),  # the list must be the outermost value
    "fireworks": (*OBJECT, *NOT_ROWS),
    "groq": (b"[]", b'{"groq": []}'),
    "deepinfra": (b"{}", *NOT_ROWS),
    "cerebras": (*OBJECT, *NOT_ROWS),
    "novita": (*OBJECT, *NOT_ROWS),
    "google-vertex": (b"[]", b'{"google-vertex": []}'),
    "xai": (*OBJECT, b'{"models": {}}', b'{"models": null}'),
    "cloudflare-workers-ai": (*OBJECT, b'{"success": true, "result": {}}'),
    "nebius": (*OBJECT, *NOT_ROWS),
    "chutes": (*OBJECT, *NOT_ROWS),
    "vercel-ai-gateway": (*OBJECT, *NOT_ROWS),
    "venice": (*OBJECT, *NOT_ROWS),
}
NO_DATA = (b'{"data": []}',)
EMPTY: Mapping[str, tuple[bytes, ...]] = {
    "openrouter": (b"[]", *NO_DATA),
    "featherless": (
        b'{"data":[],"pagination":{"current_page":1,"total_pages":1,"total_items":0}}',
    ),
    "nearai": (b'{"models": [], "total": 0}',),
    "alibaba-cloud": (
        b'{"success":true,"output":{"total":0,"page_no":1,"page_size":9,"models":[]}}',
    ),
    "together": (b"[]",),
    "fireworks": NO_DATA,
    "deepinfra": (b"[]", *NO_DATA),
    "cerebras": NO_DATA,
    "novita": NO_DATA,
    "xai": (b'{"models": []}',),
    "cloudflare-workers-ai": (b'{"success": true, "result": []}',),
    "nebius": NO_DATA,
    "chutes": NO_DATA,
    "vercel-ai-gateway": NO_DATA,
    "venice": NO_DATA,
}


def test_every_provider_is_here() -> None:
    """Without one, this file does not test a new provider."""
    assert built_in().keys() == OTHERS.keys()
    assert OTHERS.keys() - EMPTY.keys() == {"alibaba-cloud-cn", "groq", "google-vertex"}


@pytest.mark.parametrize(
    ("name", "body"),
    [(name, body) for name, others in OTHERS.items() for body in (*EVERYWHERE, *others)],
)
def test_an_answer_in_another_format_is_an_error(name: str, body: bytes) -> None:
    """An error page is no empty list: the whole answer is refused."""
    with pytest.raises(DecodeError, match=f"^{name}: (body|{name}): "):
        read_answer(built_in()[name], [body])


@pytest.mark.parametrize(
    ("name", "body"), [(name, body) for name, bodies in EMPTY.items() for body in bodies]
)
def test_an_empty_list_is_incomplete(name: str, body: bytes) -> None:
    """An empty list withdraws no model."""
    with pytest.raises(IncompleteAnswer, match=f"^{name}: body: lists no models"):
        read_answer(built_in()[name], [body])
