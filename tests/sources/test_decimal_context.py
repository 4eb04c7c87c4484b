"""A host may set any decimal context: no price depends on it."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from decimal import ROUND_UP, Context, Decimal, Inexact, Rounded, Subnormal, localcontext
from pathlib import Path

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.prices.rates import Meter, Per, Rate, RateCard
from pricing_sync.prices.usage import Usage
from pricing_sync.settings import Settings
from pricing_sync.sources import strict_json
from pricing_sync.sources.formats import openrouter
from pricing_sync.sources.strict_json import Malformed
from pricing_sync.sync.recorded import RecordedAnswer

from answers import BUILT, RECORDED, Sample, provider_of
from databases import database_url
from recorded import needs_samples

#: Three digits, rounded up, and an error wherever a digit would be lost.
STRICT = Context(prec=3, rounding=ROUND_UP, Emin=-3, Emax=3, traps=[Inexact, Rounded, Subnormal])
#: The same, without the errors: digits are lost silently.
COARSE = Context(prec=1, rounding=ROUND_UP, traps=[])

contexts = pytest.mark.parametrize("context", [STRICT, COARSE], ids=["strict", "coarse"])


def decoded(sample: Sample) -> object:
    """The rows of an answer; the error of one that is not whole."""
    strict_json._number.cache_clear()
    try:
        return provider_of(sample).decode(sample.body()).rows
    except Malformed as error:
        return str(error)


def check(sample: Sample, context: Context) -> None:
    expected = decoded(sample)
    with localcontext(context):
        found = decoded(sample)
    strict_json._number.cache_clear()
    assert expected
    assert expected == found


@contexts
@pytest.mark.parametrize("sample", BUILT, ids=str)
def test_a_built_answer_has_the_same_prices(sample: Sample, context: Context) -> None:
    """In every format, with every kind of price that it has."""
    check(sample, context)


@needs_samples
@contexts
@pytest.mark.parametrize("sample", RECORDED, ids=str)
def test_a_recorded_answer_has_the_same_prices(sample: Sample, context: Context) -> None:
    """Also those that are discounted, or multiples of others."""
    check(sample, context)


@contexts
def test_a_written_list_has_the_same_prices(context: Context) -> None:
    """OpenRouter's format has decimals per single unit."""
    card = RateCard({Meter.INPUT: Rate(2_512_345_678), Meter.OUTPUT: Rate(1)})
    expected = openrouter.write(card)
    with localcontext(context):
        assert expected == openrouter.write(card)


@contexts
def test_a_rate_and_a_cost_have_every_digit(context: Context, tmp_path: Path) -> None:
    """From an answer to a cost, through the gate, the ledger and the price book."""
    pricing = {"prompt": "0.00000251234", "completion": "0.00001012345"}
    body = json.dumps({"data": [{"id": "maker/model", "pricing": pricing}]}).encode()
    with (
        localcontext(context),
        PricingSync(Settings(database=database_url(tmp_path))) as app,
    ):
        day = datetime(2026, 7, 17, tzinfo=UTC)
        result = asyncio.run(app.replay("openrouter", [RecordedAnswer(body, day)]))
        assert result.results[0].error is None
        cost = app.cost("openrouter", "maker/model", Usage(input=1_234_567, output=7))
        assert str(cost.total) == "3.101722920930000"
        assert str(cost.items[0].amount) == "3.101652056780000"
        assert "2.51234" == str(Rate.of("2.51234", Per.MILLION))
        assert Rate(2_512_340_000) == Rate.of(Decimal("2.51234"), Per.MILLION)
