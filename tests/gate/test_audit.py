"""The findings of the audit on stored rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pricing_sync.gate import Peers, Quote, Thresholds, peers
from pricing_sync.gate.audit import Finding, Overlap, Severity, Stock, Unloadable, audit
from pricing_sync.prices.rates import (
    ConditionalRates,
    Meter,
    Per,
    Rate,
    RateCard,
    Unpriced,
    When,
    Why,
)
from pricing_sync.prices.statements import MeterOverride, Statement

import cards

AT = datetime(2026, 7, 17, 12, tzinfo=UTC)
READ = {"acme": AT - timedelta(hours=1)}


def card(currency: str = "USD", **amounts: str) -> RateCard:
    """A card of dollars per million."""
    return RateCard(
        {Meter(meter): Rate.of(amount, Per.MILLION) for meter, amount in amounts.items()},
        currency=currency,
    )


CORRECT = card(input="2.5", output="10")


def statement(listing: RateCard | Unpriced = CORRECT, model: str = "maker/model") -> Statement:
    return cards.statement(model, listing, AT - timedelta(days=1), card_id="card")


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


def test_correct_prices_give_no_finding() -> None:
    """A model without a price and an embedding without an output give none either."""
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
    """The audit uses the rules and thresholds of the gate."""
    assert set(expected) <= set(rules(found(statement(stored))))


def test_a_conditional_rate_is_judged_too() -> None:
    """A batch price that is 1,000 times too high is found although the base price is correct."""
    batch = ConditionalRates(
        When(service_tier="batch"), {Meter.INPUT: Rate.of("2500", Per.MILLION)}
    )
    wrong_batch = RateCard(CORRECT.rates, (batch,))
    assert ("out_of_bounds", "input") in rules(found(statement(wrong_batch)))


@pytest.mark.parametrize("model", ["maker/model:free", "maker/model-free", "Maker/Model-Free"])
def test_a_zero_price_is_allowed_when_the_id_says_free(model: str) -> None:
    """It is a finding for any other id."""
    zero = card(input="0", output="0")
    assert [] == found(statement(zero, model))
    assert {"zero"} == {finding.rule for finding in found(statement(zero, model + "-2"))}


def test_a_zero_price_is_allowed_when_the_settings_say_free() -> None:
    """The setting applies to one provider and the exact id."""
    stock = Stock(cards=[statement(card(input="0", output="0"))], read_at=READ)
    assert [] == audit(stock, AT, free={"acme": ["maker/model"]})
    assert {"zero"} == {f.rule for f in audit(stock, AT, free={"other": ["maker/model"]})}


def test_an_extreme_price_is_not_reported_every_night() -> None:
    """The gate judged it when it was new: it is inside the bounds and has no peers."""
    assert [] == found(statement(card(input="0.005", output="0.008")))


def test_a_price_far_from_its_peers_is_a_warning() -> None:
    """A price of six times the peers may be true, so it is not an error."""
    others: Peers = peers(Quote(f"seller {n}", "a catalog", CORRECT) for n in range(5))
    high = card(input="15", output="60")
    (of_input, of_output) = found(statement(high), peers={("acme", "maker/model"): others})
    assert ("peers", "input", Severity.WARNING) == (
        of_input.rule,
        of_input.meter,
        of_input.severity,
    )
    assert ("peers", "output") == (of_output.rule, of_output.meter)
    assert [] == found(statement(high), peers={("acme", "another"): others})


def test_a_missing_output_is_found_when_peers_have_one() -> None:
    """An embedding has no output, so only peers show that it is missing."""
    others = {("acme", "maker/model"): peers([Quote("seller", "a catalog", CORRECT)])}
    assert [("half_a_price", "output")] == rules(found(statement(card(input="2.5")), peers=others))


@pytest.mark.parametrize(("hours", "expected"), [(18, []), (19, [("age", None)])])
def test_a_provider_that_is_no_longer_read_is_a_finding(
    hours: int, expected: list[tuple[str, str | None]]
) -> None:
    """There is one finding for all its models, after three intervals."""
    read_at = {"acme": AT - timedelta(hours=hours)}
    assert expected == rules(found(statement(), statement(model="b"), read_at=read_at))


def test_a_provider_that_was_never_read_is_a_finding() -> None:
    """Its cards were stored by other means."""
    (finding,) = found(statement(), read_at={})
    assert ("acme", None, "never read") == (finding.provider, finding.model, finding.detail)


def test_two_cards_in_force_at_once_are_an_error() -> None:
    """It is undefined which of the two prices is billed."""
    overlap = Overlap("acme", "maker/model", "2026-07-01", None, "2026-07-10")
    (finding,) = found(statement(), overlaps=[overlap])
    assert ("overlap", Severity.ERROR) == (finding.rule, finding.severity)
    assert "true from 2026-07-01 until now, and another from 2026-07-10" == finding.detail


def test_a_row_that_cannot_be_read_is_a_finding_and_not_a_crash() -> None:
    """The other rows are audited too."""
    row = Unloadable("acme", "maker/model", "input", "5e-12: not a whole number")
    too_high = statement(card(input="2500000", output="10000000"), "maker/other")
    (bad, *others) = found(row, too_high)
    assert ("unreadable", "input", Severity.ERROR) == (bad.rule, bad.meter, bad.severity)
    assert {"maker/other"} == {finding.model for finding in others}


def test_an_override_is_reported_when_the_provider_s_price_moved() -> None:
    """The author of the override did not know the new price."""
    (finding,) = found(statement(), overrides=[override("2", upstream="3")])
    assert ("override_moved", "input") == (finding.rule, finding.meter)
    assert "the provider's 3 is 2.5 now, and 2 counts" == finding.detail
    assert [] == found(statement(), overrides=[override("2")])


def test_an_override_must_be_within_bounds_or_zero() -> None:
    """A person may set a zero price on purpose, but may also make a mistake in the unit."""
    assert [] == found(statement(), overrides=[override("0")])
    (finding,) = found(statement(), overrides=[override("2500000")])
    assert ("out_of_bounds", "override: none to 2500000") == (finding.rule, finding.detail)
    assert [("currency", None)] == rules(
        found(statement(), overrides=[override("2", currency="XAU")])
    )


def test_a_provider_can_have_its_own_thresholds() -> None:
    """They replace the general thresholds for its cards."""
    expensive = card(input="1", output="40")
    stock = Stock(cards=[statement(expensive)], read_at=READ)
    assert ["relation"] == [finding.rule for finding in audit(stock, AT)]
    assert [] == audit(stock, AT, by_provider={"acme": Thresholds(output_to_input=50)})


def test_bad_cards_do_not_affect_a_correct_card() -> None:
    """A correct card among a hundred bad ones gives no finding: each card is judged alone."""
    bad = [statement(card(input="0", output="0"), f"maker/{n}") for n in range(100)]
    assert "maker/model" not in {finding.model for finding in found(statement(), *bad)}
