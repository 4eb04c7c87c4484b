"""Our exports: served over HTTP, loaded by the real peers, and billed by them as by our book.

A program of its own for each book, since LiteLLM loads its map on import:
`python -m referee.export_cases KIND`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pricing_sync.errors import NoPrice
from pricing_sync.exports import litellm as litellm_format
from pricing_sync.exports.document import LeftOut, Part, Source
from pricing_sync.prices.book import Price, PriceBook
from pricing_sync.prices.rates import Meter, RateCard
from pricing_sync.prices.usage import Usage
from pricing_sync.serving.export_formats import FORMATS

from referee.export_book import AT, book
from referee.grid import SHAPES, Sample, usages
from referee.verdicts import EQUAL, ROUNDED, THEY_REFUSE, UNEXPLAINED, Verdicts, units

LITELLM, GENAI_PRICES = KINDS = ("litellm", "genai-prices")
_REPORTED = "differs where the report names what is left out"
_WE_REFUSE = "we refuse: the card names no rate for a part"
# On both sides of the windows of prices by the hour.
_INSTANTS = (AT, AT.replace(hour=2), AT.replace(hour=18))
# LiteLLM's amounts are floats.
_PRECISION = Decimal("1e-12")
_TESTS = Path(__file__).parents[1]
_SERVICE = _TESTS.parent / ".venv" / "bin" / "python"
_MAP = "model_prices_and_context_window_backup.json"


def main() -> int:
    """Print the classes of both peers for one book. Exit code 1 if a difference has no reason."""
    parser = argparse.ArgumentParser(prog="python -m referee.export_cases", description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="compare only each Nth model"
    )
    given = parser.parse_args()
    kind, sample = given.kind, Sample(max(1, given.every))
    file = _list_of(kind)
    cards = book(kind, file.read_bytes())
    with _served(kind, file) as address:
        print(f"exports of {len(cards):,} cards of {kind}, times three; usages:")
        print(f"  {', '.join(SHAPES)}, at and beside each threshold, in each service tier")
        found = [
            _litellm(address, cards, kind, sample),
            _genai_prices(address, cards, kind, sample),
        ]
    for verdicts in found:
        share = verdicts.counts[EQUAL] + verdicts.counts[ROUNDED]
        compared = sum(n for verdict, n in verdicts.counts.items() if verdict not in _NOT_COMPARED)
        print("\n".join(verdicts.lines()))
        print(f"{share / compared:>10.3%}  of {compared:,} that both can express are equal")
    return int(any(verdicts.unexplained for verdicts in found))


_NOT_COMPARED = {_WE_REFUSE, THEY_REFUSE, _REPORTED, "left out", "another kind of call"}


def _upstream() -> Path:
    """LiteLLM's map in the installed package, which is not imported for it."""
    spec = find_spec("litellm")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / _MAP


def _list_of(kind: str) -> Path:
    """The file of a peer's own list."""
    if kind == LITELLM:
        return _upstream()
    from referee import genai_prices_cases

    file = _TESTS.parent / ".venv-referee" / "genai-prices.json"
    file.write_bytes(genai_prices_cases.body())
    return file


@contextmanager
def _served(kind: str, file: Path) -> Iterator[str]:
    """The address below which the exports are, from the service in a process of its own."""
    command = [_SERVICE, "-m", "referee.export_server", kind, file, _upstream()]
    environment = os.environ | {"PYTHONPATH": f"{_TESTS.parent / 'src'}:{_TESTS}"}
    with subprocess.Popen(
        [*map(str, command)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@dataclass
class _Report:
    """What an export leaves out, by provider and model."""

    entries: dict[tuple[str, str], list[LeftOut]] = field(default_factory=dict)

    @classmethod
    def of(cls, address: str, name: str, cards: PriceBook) -> _Report:
        """The report of the document that the service sends."""
        with urllib.request.urlopen(f"{address}/export/{name}", timeout=60) as answer:
            body = answer.read()
        source = Source([*cards], upstream=_upstream().read_bytes())
        written = FORMATS[name].write(source)
        assert written.body == body, "the service sends other bytes than are written here"
        report = cls()
        for entry in written.left_out:
            report.entries.setdefault((entry.provider, entry.model), []).append(entry)
        return report

    def is_left_out(self, price: Price) -> bool:
        return any(entry.part is Part.MODEL for entry in self._of(price))

    def names(self, price: Price, usage: Usage) -> bool:
        """Whether what is left out of the model's card is about such a usage."""
        meters = {meter.value for meter, _ in usage.parts}
        return any(
            "hours" in entry.why
            or f"service tier {usage.service_tier}" in entry.why
            or (usage.service_tier is None and entry.why.split()[0] in meters)
            for entry in self._of(price)
        )

    def _of(self, price: Price) -> list[LeftOut]:
        return self.entries.get((price.provider, price.model), [])


def _tiers(card: RateCard) -> list[str | None]:
    named = dict.fromkeys(entry.when.service_tier for entry in card.conditional_rates)
    return [None, *(tier for tier in named if tier)]


def _instants(card: RateCard) -> tuple[datetime, ...]:
    has_hours = any(entry.when.hours or entry.when.weekdays for entry in card.conditional_rates)
    return _INSTANTS if has_hours else _INSTANTS[:1]


def _cases(card: RateCard) -> Iterator[tuple[str, Usage, datetime]]:
    for at in _instants(card):
        for tier in _tiers(card):
            for shape, usage in usages(card, tier):
                asked = replace(usage, request=1) if Meter.REQUEST in card.rates else usage
                yield f"{shape} {usage.input} {tier or ''} {at:%H}h", asked, at


def _litellm(address: str, cards: PriceBook, kind: str, sample: Sample) -> Verdicts:
    """The real LiteLLM with `LITELLM_MODEL_COST_MAP_URL` at our service."""
    found = Verdicts(f"LITELLM_MODEL_COST_MAP_URL, cards of {kind}")
    report = _Report.of(address, LITELLM, cards)
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "False"
    os.environ["LITELLM_MODEL_COST_MAP_URL"] = f"{address}/export/litellm"
    import litellm
    from litellm.litellm_core_utils.llm_cost_calc import utils

    from referee import litellm_cases

    rows = {
        row[litellm_format.PROVENANCE]["card"]: (key, row)
        for key, row in litellm.model_cost.items()
        if litellm_format.PROVENANCE in row
    }
    assert rows, "LiteLLM has not loaded our map"
    for price in cards:
        if not sample.takes(found):
            continue
        card = price.listing
        assert isinstance(card, RateCard)
        key, row = rows.get(str(price.card_id), ("", {}))
        if report.is_left_out(price):
            found.add("left out", f"{price.provider} {price.model}: {report._of(price)[0].why}")
        elif row.get("mode") not in litellm_cases.MODES:
            found.add("another kind of call", f"{price.provider} {price.model}: {key}")
        else:
            for name, usage, at in _cases(card):
                if not usage.web_search:
                    utils.current_billing_time = lambda at=at: at
                    case = _litellm_verdict(litellm_cases, price, usage, at, name)
                    found.add(*_with_report(case, report, price, usage))
    return found


def _litellm_verdict(
    cases: Any, price: Price, usage: Usage, at: datetime, name: str
) -> tuple[str, str]:
    owner = litellm_format.PROVIDERS.get(price.provider, price.provider)
    shown = f"{price.provider} {price.model} {name}"
    try:
        ours = price.cost(usage, at).total
    except NoPrice:
        return _WE_REFUSE, shown
    try:
        theirs = cases.peer_total(owner, price.model, usage)
    except Exception as error:  # noqa: BLE001  of many kinds, also a bare Exception
        return THEY_REFUSE, f"{shown}: {type(error).__name__} {str(error)[:60]}"
    shown += f": ours {ours}, theirs {theirs:.12f}"
    distance = abs(ours - theirs)
    if distance <= _PRECISION * max(ours, theirs):
        return EQUAL, shown
    return _reason(owner, usage), shown


def _reason(owner: str, usage: Usage) -> str:
    """Why LiteLLM bills otherwise: each reason was found in the source of 1.110.2."""
    if owner == "perplexity":
        return "theirs: Perplexity: the calculator takes the row of another name"
    if usage.cache_write_1h and owner in ("dashscope", "qwen_ai_platform", "qwencloud"):
        return "theirs: Alibaba: the calculator knows no one-hour writes"
    return UNEXPLAINED


def _genai_prices(address: str, cards: PriceBook, kind: str, sample: Sample) -> Verdicts:
    """The real genai-prices with `UpdatePrices(url=…)` at our service."""
    import genai_prices

    from referee import genai_prices_cases

    found = Verdicts(f"UpdatePrices(url=…), cards of {kind}")
    report = _Report.of(address, GENAI_PRICES, cards)
    with genai_prices.UpdatePrices(url=f"{address}/export/genai-prices") as updating:
        assert updating.wait(60), "genai-prices has not loaded our list"
    for price in cards:
        if not sample.takes(found):
            continue
        card = price.listing
        assert isinstance(card, RateCard)
        if report.is_left_out(price):
            found.add("left out", f"{price.provider} {price.model}: {report._of(price)[0].why}")
            continue
        for name, usage, at in _cases(card):
            peer_usage = genai_prices_cases.peer_usage(usage)
            case = _genai_prices_verdict(genai_prices, price, usage, peer_usage, at, name)
            found.add(*_with_report(case, report, price, usage))
    return found


def _genai_prices_verdict(
    peer: Any, price: Price, usage: Usage, peer_usage: Any, at: datetime, name: str
) -> tuple[str, str]:
    shown = f"{price.provider} {price.model} {name}"
    try:
        ours = price.cost(usage, at).total
    except NoPrice:
        return _WE_REFUSE, shown
    try:
        theirs = peer.calc_price(
            peer_usage,
            price.model,
            provider_id=price.provider,
            genai_request_timestamp=at,
            price_context=_context(usage.service_tier),
        ).total_price
    except (ValueError, LookupError) as error:
        return THEY_REFUSE, f"{shown}: {error}"
    shown += f": ours {ours}, theirs {theirs}"
    if ours == theirs:
        return EQUAL, shown
    if abs(ours - theirs) <= units(usage) * Decimal("1e-15"):
        return ROUNDED, shown
    return UNEXPLAINED, shown


def _context(tier: str | None) -> Mapping[str, str] | None:
    if tier is None:
        return None
    return {"processing": tier} if tier == "batch" else {"service_tier": tier}


def _with_report(
    case: tuple[str, str], report: _Report, price: Price, usage: Usage
) -> tuple[str, str]:
    """The verdict; a difference is no fault where the report names what it is about."""
    verdict, shown = case
    if verdict not in (EQUAL, ROUNDED, _WE_REFUSE, THEY_REFUSE) and report.names(price, usage):
        return _REPORTED, shown
    return verdict, shown


if __name__ == "__main__":
    sys.exit(main())
