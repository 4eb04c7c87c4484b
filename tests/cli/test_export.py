"""`export`: a document, its report, and what is wrong with a request."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from built import openrouter, priced
from command import Run


@pytest.fixture(name="prices")
def prices_fixture(run: Run) -> Run:
    """A model whose price has risen, and one with a longer context that is dearer."""
    long = priced("0.000003", "0.000015", web_search="0.01")
    long["overrides"] = [{"min_prompt_tokens": 200_000, "prompt": "0.000006"}]
    for day, models in (
        ("2026-07-17", {"maker/a": priced(), "maker/long": long}),
        ("2026-07-18", {"maker/a": priced("0.000002"), "maker/long": long}),
    ):
        Path("list.json").write_bytes(openrouter(models))
        assert 0 == run("sync", "openrouter", "--answer", "list.json", "--at", day).code
    return run


def test_a_document_goes_to_standard_output_or_to_a_file(prices: Run) -> None:
    """The same bytes; the summary is on the other stream, and no other file is left."""
    shown = prices("export", "openrouter")
    assert (0, 2) == (shown.code, len(shown.json["data"]))
    assert "openrouter: 2 models, revision 2; nothing left out\n" == shown.err
    before = {*Path().iterdir()}
    assert (0, "") == prices("export", "openrouter", "-o", "models.json")[:2]
    assert {Path("models.json")} == {*Path().iterdir()} - before
    assert shown.json == json.loads(Path("models.json").read_bytes())


def test_an_earlier_instant_has_its_prices(prices: Run) -> None:
    """As of the day that is asked for."""
    for day, prompt in (("2026-07-17T12:00", "0.0000025"), ("2026-07-18T12:00", "0.000002")):
        rows = prices("export", "openrouter", "--at", day, "--provider", "openrouter").json["data"]
        assert prompt == next(row["pricing"]["prompt"] for row in rows if row["id"] == "maker/a")


def test_the_report_names_what_is_left_out(prices: Run) -> None:
    """Each model with the reason; by words, or as JSON."""
    lines = prices("export", "openlit", "--report").out.splitlines()
    assert ["provider", "model", "part", "why"] == lines[0].split()
    assert "openrouter  maker/long  model  long context from 200001 is dearer" == lines[1]
    [entry] = prices("export", "openlit", "--report", "--json").json
    assert {
        "provider": "openrouter",
        "model": "maker/long",
        "part": "model",
        "why": "long context from 200001 is dearer",
    } == entry
    assert "nothing is left out" in prices("export", "csv", "--report").err


def test_litellm_is_written_over_a_given_map(prices: Run) -> None:
    """Its rows stay."""
    Path("map.json").write_text('{"gpt-x": {"litellm_provider": "openai"}}')
    rows = prices("export", "litellm", "--upstream", "map.json").json
    assert {"gpt-x", "openrouter/maker/a", "openrouter/maker/long"} == rows.keys()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "'nonsense' is no export: litellm, genai-prices"),
        (["litellm", "--upstream", "nowhere"], "--upstream: nowhere: No such file"),
        (["openrouter", "-o", "nowhere/file"], "--output: nowhere/file: No such file"),
        (["csv", "--provider", "nobody"], "nobody"),
        (["genai-prices", "--provider", "openrouter"], "its reader forgets every provider"),
        (["csv", "--at", "yesterday"], "'yesterday' is not a date"),
    ],
)
def test_what_is_wrong_is_one_line(prices: Run, arguments: list[str], message: str) -> None:
    """Exit code 2, and no half-written file."""
    before = {*Path().iterdir()}
    result = prices("export", *arguments)
    assert (2, "") == result[:2]
    assert message in result.err
    assert 1 == len(result.err.splitlines())
    assert before == {*Path().iterdir()}
