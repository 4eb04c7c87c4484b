"""The Grafana dashboard: its structure, and every expression against a real Prometheus."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import yaml

from monitoring import DASHBOARD, DEPLOY, Prometheus, panels

DATA_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
VARIABLES = {"$job": "pricing-sync", "$provider": ".*", "$__interval": "1m"}
ROW_WIDTH = 24


def dashboard() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(DASHBOARD.read_text("utf-8"))
    return document


def expressions() -> list[tuple[str, str]]:
    """The title of the panel, and the expression with its variables filled in."""
    found = []
    for panel in panels():
        for target in panel["targets"]:
            expression = target["expr"]
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)
            found.append((f"{panel['title']} {target['refId']}", expression))
    return found


def test_every_panel_returns_a_series(monitor: Prometheus) -> None:
    """From a Prometheus that scrapes a demo service; of something, not only of NaN."""
    problems, asked = [], 0
    for title, expression in expressions():
        asked += 1
        values = [float(series["value"][1]) for series in monitor.query(expression)]
        if not values or all(math.isnan(value) for value in values):
            problems.append(f"{title}: {expression}: {values}")
    assert [] == problems
    assert asked > 40


def test_the_variables_have_values(monitor: Prometheus) -> None:
    """The job of prometheus.yml, and every provider of the demo."""
    assert ["pricing-sync"] == [
        series["metric"]["job"] for series in monitor.query("count by (job) (pricing_info)")
    ]
    assert 18 == len(monitor.query("count by (provider) (pricing_models_synced_total)"))


def test_no_expression_has_a_variable_that_is_not_there() -> None:
    """Each name with a dollar is declared, or Grafana's own."""
    declared = {f"${one['name']}" for one in dashboard()["templating"]["list"]}
    assert {"$datasource", "$job", "$provider"} == declared
    assert [] == [found for found in expressions() if "$" in found[1]]


def test_every_panel_takes_the_chosen_data_source() -> None:
    """So do its targets, the variables and our annotation."""
    document = dashboard()
    found = [
        *(panel["datasource"] for panel in panels()),
        *(target["datasource"] for panel in panels() for target in panel["targets"]),
        *(one["datasource"] for one in document["templating"]["list"] if one["type"] == "query"),
        document["annotations"]["list"][1]["datasource"],
    ]
    assert [] == [one for one in found if one != DATA_SOURCE]


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    """Each on its own cells of the grid."""
    everything = dashboard()["panels"]
    ids = [panel["id"] for panel in everything]
    assert len(set(ids)) == len(ids)
    cells: set[tuple[int, int]] = set()
    for panel in everything:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= ROW_WIDTH
        own = {
            (at["x"] + column, at["y"] + line)
            for column in range(at["w"])
            for line in range(at["h"])
        }
        assert not cells & own, panel["title"]
        cells |= own


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: str(panel["title"]))
def test_a_panel_is_explained_and_has_a_unit(panel: dict[str, Any]) -> None:
    """Units of a table are those of its columns."""
    assert len(panel["description"]) > 15
    assert panel["fieldConfig"]["defaults"].get("unit")
    refs = [target["refId"] for target in panel["targets"]]
    assert len(set(refs)) == len(refs)


def test_it_is_found_by_the_provisioning() -> None:
    """The data source that it begins with, and the folder of the compose file."""
    folder = DEPLOY / "grafana" / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yml").read_text("utf-8"))[
        "datasources"
    ]
    assert source["uid"] == dashboard()["templating"]["list"][0]["current"]["value"]
    (provider,) = yaml.safe_load((folder / "dashboards" / "pricing-sync.yml").read_text("utf-8"))[
        "providers"
    ]
    assert "file" == provider["type"]
