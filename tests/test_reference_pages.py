"""The pages in docs/reference/ have what the program has. `make check` compares their text."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pricing_sync.cli.root import cli
from pricing_sync.demo.server import DemoServer
from pricing_sync.demo.show import running
from pricing_sync.settings import load_settings
from pricing_sync.settings.load import _VARIABLES
from pricing_sync.web.document import document

from reference_pages import commands, events, http, metrics, settings
from server_process import api


def first_column(page: str) -> set[str]:
    """The names in the first column of a page's tables."""
    return set(re.findall(r"^\| `([^`]+)`", page, re.MULTILINE))


def headings(page: str) -> set[str]:
    return set(re.findall(r"^#+ `?\[*([^`\n\]]+)", page, re.MULTILINE))


def test_every_setting_has_a_row_or_a_table() -> None:
    """By its variable, as it is read; a table by its heading."""
    page = settings.page()
    tables = {name.partition(".")[0] for name in headings(page)} | {"gate"}
    for name, variable in _VARIABLES.items():
        assert variable in first_column(page) or name in tables, name


def test_every_variable_of_a_row_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each with its default, where the page has one; an unknown one would be refused."""
    monkeypatch.chdir(tmp_path)
    rows = re.findall(
        r"^\| `(PRICING_SYNC_\w+)` \| `[^|]+ \| [^|]+ \| (?:`([^`]+)`)? ?\|",
        settings.page(),
        re.MULTILINE,
    )
    assert len(rows) > 40
    for variable, default in rows:
        monkeypatch.setenv(variable.replace("__ID__", "__TOGETHER__"), default)
    assert 6 == load_settings().interval_hours
    monkeypatch.setenv("PRICING_SYNC_PROVIDER__TOGETHER__EVRY", "1h")
    with pytest.raises(Exception, match="EVRY"):
        load_settings()


def test_every_command_has_its_help() -> None:
    """Also those below another one."""
    names = {str(one.name) for one in cli.registered_commands} | {"override set", "override end"}
    assert names <= headings(commands.page())


def test_every_route_has_its_token() -> None:
    """In the table at the top, and in its own part."""
    page, paths = http.page(), json.loads(document())["paths"]
    routes = {f"{method.upper()} {path}" for path, one in paths.items() for method in one}
    assert routes <= first_column(page)
    assert routes <= headings(page)
    assert "| `POST /v1/usage` | admin |" in page
    assert "| `GET /health` | none |" in page


def test_every_metric_of_a_scrape_has_a_row(tmp_path: Path) -> None:
    """With the labels that it really has."""
    page = metrics.page()
    with DemoServer() as providers, api(tmp_path, providers) as service:
        service.sync()
        text = service.reader.get("/metrics").text
    samples = re.findall(r"^(\w+)(?:\{(.+)\})? ", text, re.MULTILINE)
    assert len(samples) > 50
    for name, labels in samples:
        base = re.sub(r"_(?:bucket|sum|count)$", "", name)
        (row,) = re.findall(rf"^\| `{base}` \|[^|]*\|([^|]*)\|", page, re.MULTILINE)
        told = set(re.findall(r"(\w+)=\"", labels)) - {"le", "version"}
        assert told == set(re.findall(r"`(\w+)`", row)), name


def test_every_event_of_the_demo_has_its_keys(tmp_path: Path) -> None:
    """Payloads may have more: who decided, for instance."""
    file, page = tmp_path / "prices.db", events.page()
    with running(f"sqlite:///{file}") as demo:
        demo.read()
    with closing(sqlite3.connect(file)) as database:
        stored = database.execute("SELECT kind, payload FROM pricing_outbox").fetchall()
    assert stored
    for kind, payload in stored:
        part = page.partition(f"## `{kind}`")[2].partition("\n## ")[0]
        assert first_column(part) == set(json.loads(payload)) - {"revision"}, kind
