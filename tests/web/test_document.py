"""The OpenAPI document: committed as it is, and true of what is served."""

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


def described() -> schemathesis.BaseSchema:
    """What the service says of itself, but for what is followed to the end of a run."""
    told = json.loads(document())
    del told["paths"]["/admin/pricing/runs/{run_id}/events"]
    return schemathesis.openapi.from_dict(told)


DESCRIBED = described()


def test_the_committed_document_is_the_one_that_is_served(api: Api) -> None:
    """To the letter, and only to those who may read."""
    committed = (ROOT / "docs" / "openapi.json").read_text("utf-8")
    assert document() == committed
    assert json.loads(committed) == api.get("/openapi.json")
    assert 401 == api.nobody.get("/openapi.json").status_code


def test_the_document_can_be_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command says whether the file in `docs` is the right one."""
    monkeypatch.setattr("sys.argv", ["document", "--check"])
    monkeypatch.chdir(ROOT)
    assert 0 == main()
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "openapi.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert (1, "docs/openapi.json") == (main(), capsys.readouterr().err.partition(":")[0])


def test_every_operation_says_who_may_use_it_and_how_it_fails() -> None:
    """By the scheme, the token and the type of its errors."""
    told: dict[str, Any] = json.loads(document())
    assert "bearer" == told["components"]["securitySchemes"]["bearer"]["scheme"]
    ids = []
    for path, operations in told["paths"].items():
        for operation in operations.values():
            ids.append(operation["operationId"])
            is_public = path in {"/health", "/ready"}
            assert is_public == ("security" not in operation)
            assert (
                is_public or "application/problem+json" in operation["responses"]["401"]["content"]
            )
    assert len(set(ids)) == len(ids) > 20


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A service that holds something of everything."""
    with (
        DemoServer() as providers,
        api(tmp_path_factory.mktemp("api"), providers, trigger_wait_seconds=0.2) as service,
    ):
        service.sync()
        providers.set_rate("openrouter", "openai/gpt-4o", "input", "2500")
        service.sync()
        yield service


@DESCRIBED.parametrize()
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_whatever_is_asked_is_answered_as_described(case: Case[Any], running: Api) -> None:
    """No request that the document allows, or does not, breaks the service."""
    response = case.call(base_url=running.url, headers={"Authorization": f"Bearer {ADMIN}"})
    case.validate_response(response, checks=CHECKS)
