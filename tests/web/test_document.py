"""The OpenAPI document: the committed file is current, and the service conforms to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from pricing_sync.demo.server import DemoServer
from pricing_sync.web.document import document, main

from server_process import ADMIN, Api, api

ROOT = Path(__file__).parents[2]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def documented_api() -> schemathesis.BaseSchema:
    """The document without the event stream, which lasts until the end of a run."""
    content = json.loads(document())
    del content["paths"]["/admin/pricing/runs/{run_id}/events"]
    return schemathesis.openapi.from_dict(content)


DOCUMENTED_API = documented_api()


def test_the_committed_document_is_the_one_that_is_served(api: Api) -> None:
    """Both are identical, and the service requires a token for it."""
    committed = (ROOT / "docs" / "openapi.json").read_text("utf-8")
    assert document() == committed
    assert json.loads(committed) == api.get("/openapi.json")
    assert 401 == api.anonymous.get("/openapi.json").status_code


def test_the_document_can_be_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command reports whether the file in `docs` is current."""
    monkeypatch.setattr("sys.argv", ["document", "--check"])
    monkeypatch.chdir(ROOT)
    assert 0 == main()
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "openapi.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert (1, "docs/openapi.json") == (main(), capsys.readouterr().err.partition(":")[0])


def test_every_operation_documents_its_token_and_its_errors() -> None:
    """All but the probes require a token, or a secret in the path; errors are problems."""
    content: dict[str, Any] = json.loads(document())
    assert "bearer" == content["components"]["securitySchemes"]["bearer"]["scheme"]
    ids = []
    for path, operations in content["paths"].items():
        for operation in operations.values():
            ids.append(operation["operationId"])
            is_public = path in {"/health", "/ready"}
            assert (is_public or path.startswith("/s/{secret}/")) == ("security" not in operation)
            assert (
                is_public or "application/problem+json" in operation["responses"]["401"]["content"]
            )
    assert len(set(ids)) == len(ids) > 20


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory,
    database_kind: str,  # noqa: ARG001  a service for each
) -> Iterator[Api]:
    """A service with prices, runs and a held change."""
    with (
        DemoServer() as providers,
        api(tmp_path_factory.mktemp("api"), providers, trigger_wait_seconds=0.2) as service,
    ):
        service.sync()
        providers.set_rate("openrouter", "openai/gpt-4o", "input", "2500")
        service.sync()
        yield service


@DOCUMENTED_API.parametrize()
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_response_conforms_to_the_document(case: Case[Any], running: Api) -> None:
    """No request breaks the service, whether the document allows it or not."""
    response = case.call(base_url=running.url, headers={"Authorization": f"Bearer {ADMIN}"})
    case.validate_response(response, checks=CHECKS)
