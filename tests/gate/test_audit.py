"""The audit: what it says of what is stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pricing_sync.gate import Peers, Quote, Thresholds, peers
from pricing_sync.gate.audit import Finding, Overlap, Severity, Stock, Unloadable, audit
from pricing_sync.prices.rates import (
    ConditionalRates,
    Listing,
    Meter,
    Per,
    Rate,
    RateCard,
    Unpriced,
    When,
    Why,
)
from pricing_sync.prices.statements import MeterOverride, Statement

AT = datetime(2026, 7, 17, 12, tzinfo=UTC)
READ = {"acme": AT - timedelta(hours=1)}


def card(currency: str = "USD", **amounts: str) -> RateCard:
    """A card of dollars per million."""
    return RateCard(
        {Meter(meter): Rate.of(amount, Per.MILLION) for meter, amount in amounts.items()},
        currency=currency,
    )


FAIR = card(input="2.5", output="10")


def statement(listing: Listing = FAIR, model: str = "maker/model", **different: Any) -> Statement:
    usual: dict[str, Any] = {
        "card_id": "card",
        "provider": "acme",
        "model": model,
        "since": AT - timedelta(days=1),
        "until": None,
        "recorded_at": AT - timedelta(days=1),
        "superseded_at": None,
        "source": "api",
        "url": "",
        "reading_id": "reading",
        "digest": None,
        "listing": listing,
    }
    return Statement(**usual | different)


def override(rate: str, upstream: str | None = "2.5", currency: str = "USD") -> MeterOverride:
    return MeterOverride(
        id="override",
        provider="acme",
        model="maker/model",
        meter=Meter.INPUT,
        rate=Rate.of(rate, Per.MILLION),
        currency=currency,
        since=AT,
        until=None,
        recorded_at=AT,
        superseded_at=None,
        author="somebody",
        reason="agreed",
        upstream_rate=None if upstream is None else Rate.of(upstream, Per.MILLION),
    )


def found(*cards: Statement | Unloadable, **known: Any) -> list[Finding]:
    return audit(Stock(cards=cards, **{"read_at": READ, **known}), AT)


def rules(findings: list[Finding]) -> list[tuple[str, str | None]]:
    return [(finding.rule, finding.meter) for finding in findings]


def test_fair_prices_are_no_finding() -> None:
    """Nor is a model without a price, nor an embedding without an output."""
    unpriced = statement(Unpriced(Why.VARIES), "maker/auto")
    assert [] == found(statement(), unpriced, statement(card(input="0.02"), "maker/embedding"))


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (card(input="2500000", output="10000000"), [("out_of_bounds", "input")]),
        (card(input="0.0000025", output="0.00001"), [("out_of_bounds", "input")]),
        (card(input="0", output="0"), [("zero", "input"), ("zero", "output")]),
        (card(input="10", output="2.5"), [("relation", "output")]),
        (card(input="1", output="2", cache_read="1.5"), [("relation", "cache_read")]),
        (card(output="10"), [("half_a_price", "input")]),
        (card("XAU", input="2.5", output="10"), [("currency", None)]),
        (card("usd", input="2.5", output="10"), [("currency", None)]),
    ],
)
def test_a_card_is_judged_as_if_it_were_new(
    stored: RateCard, expected: list[tuple[str, str | None]]
) -> None:
    """By the gate's own rules and numbers."""
    assert set(expected) <= set(rules(found(statement(stored))))


def test_a_conditional_rate_is_judged_too() -> None:
    """A batch price a thousand times over is found beside a fair base price."""
    batch = ConditionalRates(
        When(service_tier="batch"), {Meter.INPUT: Rate.of("2500", Per.MILLION)}
    )
    spoilt = RateCard(FAIR.rates, (batch,))
    assert ("out_of_bounds", "input") in rules(found(statement(spoilt)))


@pytest.mark.parametrize("model", ["maker/model:free", "maker/model-free", "Maker/Model-Free"])
def test_zero_is_fine_where_the_id_says_free(model: str) -> None:
    """And nowhere else."""
    zero = card(input="0", output="0")
    assert [] == found(statement(zero, model))
    assert {"zero"} == {finding.rule for finding in found(statement(zero, model + "-2"))}


def test_zero_is_fine_where_the_operator_says_so() -> None:
    """By provider and exact id."""
    stock = Stock(cards=[statement(card(input="0", output="0"))], read_at=READ)
    assert [] == audit(stock, AT, free={"acme": ["maker/model"]})
    assert {"zero"} == {f.rule for f in audit(stock, AT, free={"other": ["maker/model"]})}


def test_a_model_at_the_end_of_the_scale_is_no_finding_every_night() -> None:
    """It was looked at when it came in: inside the bounds, and sold by nobody else."""
    assert [] == found(statement(card(input="0.005", output="0.008")))


def test_a_price_far_from_the_peers_is_worth_a_look() -> None:
    """Six times what five others charge; it may be so, hence a warning."""
    others: Peers = peers(Quote(f"seller {n}", "a catalog", FAIR) for n in range(5))
    dear = card(input="15", output="60")
    (into, out) = found(statement(dear), peers={("acme", "maker/model"): others})
    assert ("peers", "input", Severity.WARNING) == (into.rule, into.meter, into.severity)
    assert ("peers", "output") == (out.rule, out.meter)
    assert [] == found(statement(dear), peers={("acme", "another"): others})


def test_a_missing_half_is_found_when_peers_name_it() -> None:
    """An embedding has no output, and only peers tell a chat model."""
    others = {("acme", "maker/model"): peers([Quote("seller", "a catalog", FAIR)])}
    assert [("half_a_price", "output")] == rules(found(statement(card(input="2.5")), peers=others))


@pytest.mark.parametrize(("hours", "expected"), [(18, []), (19, [("age", None)])])
def test_a_provider_that_is_not_read_any_more(
    hours: int, expected: list[tuple[str, str | None]]
) -> None:
    """One finding for all its models, after three intervals."""
    read_at = {"acme": AT - timedelta(hours=hours)}
    assert expected == rules(found(statement(), statement(model="b"), read_at=read_at))


def test_a_provider_that_was_never_read() -> None:
    """Its cards came from somewhere else."""
    (finding,) = found(statement(), read_at={})
    assert ("acme", None, "never read") == (finding.provider, finding.model, finding.detail)


def test_an_overlap_is_two_prices_at_once() -> None:
    """Nobody can say which of them is billed."""
    overlap = Overlap("acme", "maker/model", "2026-07-01", None, "2026-07-10")
    (finding,) = found(statement(), overlaps=[overlap])
    assert ("overlap", Severity.ERROR) == (finding.rule, finding.severity)
    assert "true from 2026-07-01 until now, and another from 2026-07-10" == finding.detail


def test_a_row_that_cannot_be_read_is_a_finding_and_not_a_crash() -> None:
    """And the others are audited all the same."""
    row = Unloadable("acme", "maker/model", "input", "5e-12: not a whole number")
    dear = statement(card(input="2500000", output="10000000"), "maker/other")
    (bad, *others) = found(row, dear)
    assert ("unreadable", "input", Severity.ERROR) == (bad.rule, bad.meter, bad.severity)
    assert {"maker/other"} == {finding.model for finding in others}


def test_an_override_under_which_the_provider_has_moved() -> None:
    """Whoever set it did not know of the new price."""
    (finding,) = found(statement(), overrides=[override("2", upstream="3")])
    assert ("override_moved", "input") == (finding.rule, finding.meter)
    assert "the provider's 3 is 2.5 now, and 2 counts" == finding.detail
    assert [] == found(statement(), overrides=[override("2")])


def test_an_override_is_within_bounds_and_may_be_zero() -> None:
    """A person may give a model away, and may still mistype a unit."""
    assert [] == found(statement(), overrides=[override("0")])
    (finding,) = found(statement(), overrides=[override("2500000")])
    assert ("out_of_bounds", "override: none to 2500000") == (finding.rule, finding.detail)
    assert [("currency", None)] == rules(
        found(statement(), overrides=[override("2", currency="XAU")])
    )


def test_a_provider_may_have_thresholds_of_its_own() -> None:
    """What is worth a look there may not be elsewhere."""
    steep = card(input="1", output="40")
    stock = Stock(cards=[statement(steep)], read_at=READ)
    assert ["relation"] == [finding.rule for finding in audit(stock, AT)]
    assert [] == audit(stock, AT, by_provider={"acme": Thresholds(output_to_input=50)})


def test_bad_company_changes_nothing() -> None:
    """A fair card among a hundred bad ones is fair: each is judged alone."""
    bad = [statement(card(input="0", output="0"), f"maker/{n}") for n in range(100)]
    assert "maker/model" not in {finding.model for finding in found(statement(), *bad)}
