"""A model's page: its overrides, its calculator, its chart, its history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from web.pages.conftest import Served
from web.pages.visitor import Html, Visitor

MODEL = {"provider": "openrouter", "model": "mistralai/codestral-2508"}
PAGE = "/models/openrouter/mistralai/codestral-2508"
WHY = {"reason": "a contract"}


@pytest.fixture(name="ann")
def ann_fixture(served: Served) -> Visitor:
    return served.admin(author="ann")


def text(visitor: Visitor, path: str = PAGE) -> str:
    return Html(visitor.get(path).text).text


def test_an_override_is_set_and_ended(ann: Visitor) -> None:
    answer = ann.post("/override", {**MODEL, "rate_input": "0.25", **WHY})
    assert (303, PAGE) == (answer.status_code, answer.headers["location"])
    assert "input 0.25 USD in force by ann: a contract" in text(ann)
    assert "the provider says 0.3" in text(ann)
    answer = ann.post("/override/end", {**MODEL, "meter": "input"})
    assert (303, PAGE) == (answer.status_code, answer.headers["location"])
    assert "The provider's own rates hold." in text(ann)


def test_an_override_of_later_and_with_a_condition(ann: Visitor) -> None:
    since = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
    fields = {**MODEL, "rate_output": "0.5", "tier": "batch", "since": since, **WHY}
    assert 303 == ann.post("/override", {**fields, "until": "2999-12-31"}).status_code
    assert f"output 0.5 USD when service tier batch to come by ann: a contract; since {since}" in (
        text(ann)
    )
    assert 303 == ann.post("/override/end", MODEL).status_code
    assert "The provider's own rates hold." in text(ann)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"rate_input": "cheap"}, "input: "),
        ({"rate_input": "-1"}, "input: "),
        ({"rate_input": "NaN"}, "input: "),
        ({"rate_input": "1e400"}, "input: "),
        ({"rate_input": "0,25"}, "input: "),
        ({}, "it needs a rate"),
        ({"rate_input": "1", "since": "tomorrow"}, "since: "),
        ({"rate_input": "1", "until": "2026-13-01"}, "until: "),
        ({"rate_input": "1", "since": "2999-02-01", "until": "2999-01-01"}, "beginning"),
        ({"rate_input": "1", "currency": "dollars"}, "currency"),
        ({"rate_input": "1", "currency": "eur"}, "EUR"),
        ({"rate_input": "1", "tier": "Not A Tier"}, "service tier"),
        ({"rate_input": "1", "tier": "batch", "flat": "on"}, "flat"),
        ({"rate_input": "1", "reason": " "}, "reason"),
        ({"rate_input": "1", "model": "<b>"}, "is not a model id"),
    ],
)
def test_an_override_that_cannot_be_is_refused_with_the_reason(
    ann: Visitor, fields: dict[str, str], says: str
) -> None:
    answer = ann.post("/override", {**MODEL, **WHY, **fields})
    assert 400 == answer.status_code
    assert says in Html(answer.text).text
    assert "The provider's own rates hold." in text(ann)


def test_an_override_of_nobody_is_refused(ann: Visitor) -> None:
    for provider in ("openruoter", "", "No Id!"):
        fields = {**MODEL, "provider": provider, "rate_input": "1", **WHY}
        assert 404 == ann.post("/override", fields).status_code


def test_what_is_not_overridden_cannot_be_ended(ann: Visitor) -> None:
    assert 404 == ann.post("/override/end", {**MODEL, "meter": "image"}).status_code
    answer = ann.post("/override/end", {**MODEL, "meter": "tokens"})
    assert (400, True) == (answer.status_code, "the name of a meter" in answer.text)


def test_the_calculator_shows_each_item_and_the_total(ann: Visitor) -> None:
    shown = text(ann, f"{PAGE}?input=48,000&output=2100")
    assert "input 48,000 0.3 0.0144 output 2,100 0.9 0.00189 Total 0.01629" in shown


@pytest.mark.parametrize("query", ["image=5", "input=1&web_search=2"])
def test_the_calculator_refuses_what_has_no_price(ann: Visitor, query: str) -> None:
    """Unknown is not zero."""
    page = ann.get(f"{PAGE}?{query}").text
    assert "Total" not in page
    assert 'class="error"' in page


@pytest.mark.parametrize("query", ["input=-1", "input=many", "input=1e9", "input=", "input=٣"])
def test_the_calculator_takes_whole_numbers_only(ann: Visitor, query: str) -> None:
    page = ann.get(f"{PAGE}?{query}").text
    assert "Total" not in page
    assert 'class="error"' in page or query == "input="


def test_a_model_without_a_price_costs_nothing_known(ann: Visitor) -> None:
    shown = text(ann, "/models/openrouter/openrouter/auto?input=5")
    assert "Unknown is not zero: a cost of this model is refused." in shown
    assert "Total" not in shown


def test_the_chart_has_a_step_for_each_price(ann: Visitor) -> None:
    """Its value and its time stand in each step's title, and beside it."""
    page = ann.get("/models/openrouter/openai/gpt-4o").text
    assert 2 == page.count('<svg viewBox="0 0 400 110"')
    assert 'aria-label="input: 4 prices, first 2.5, now 2.1"' in page
    assert 4 == page.count("<title>2.5 USD since") + page.count("<title>2.2 USD since") + (
        page.count("<title>2 USD since") + page.count("<title>2.1 USD since")
    )
    assert "cache read 1.25: as long as it is known." in Html(page).text


def test_the_history_names_what_moved_and_where_it_was_read(ann: Visitor) -> None:
    page = ann.get("/models/openrouter/openai/gpt-4o").text
    assert "input 2 → 2.1 +5 %" in Html(page).text
    assert 4 == page.count("/evidence/")


def test_what_others_charge_is_shown_beside(ann: Visitor) -> None:
    page = ann.get("/models/openrouter/openai/gpt-oss-120b").text
    assert 'class="peer"' in page
    assert "Seller Read from Input Output" in Html(page).text


def test_pages_of_models_do_not_end_in_the_middle(served: Served, ann: Visitor) -> None:
    """Every model of the book is on one of the pages of the list, once."""
    seen: list[Any] = []
    path: str | None = "/models"
    while path:
        page = Html(ann.get(path).text)
        found = [values for tag, values in page.elements if tag == "a"]
        seen += [values["href"] for values in found if values.get("class") == "id"]
        more = [values["href"] for values in found if "after=" in (values["href"] or "")]
        path = more[0] if more else None
    assert len(list(served.pricing.book())) == len(seen) == len(set(seen))
