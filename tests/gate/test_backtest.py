"""The gate on recorded history, on recorded catalogs and on faults injected into them.

The figures that must hold are asserted and the tables printed: `pytest -s tests/test_backtest.py`.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from random import Random
from typing import Any

from pricing_sync.changes.diff import Change, Kind, Stored, diff
from pricing_sync.gate import Context, Peers, Quote, Rule, judge, peers
from pricing_sync.gate.backtest import (
    Caught,
    Fate,
    Judged,
    inject,
    is_harmful,
    replay,
    shares,
    summarize,
)
from pricing_sync.prices.rates import Answer, Meter, Per, Rate, RateCard, Unreadable
from pricing_sync.sources import strict_json
from pricing_sync.sources.formats import models_dev, openrouter

from recorded import HISTORY, SAMPLES, needs_history, needs_samples, sample

AT = datetime(2026, 7, 15, tzinfo=UTC)
FAULTS_ALL_HELD = ("x1e3", "x1e6", "x100", "/1e3", "/1e6", "/100", "swapped", "zero", "output zero")
FAULTS_NEARLY_HELD = ("x10", "/10", "x7.2", "/7.2")


def record(**other: Any) -> dict[str, Any]:
    """One genuine update, as a line of the record tells it."""
    old, new = Decimal(1), Decimal("1.2")
    return {
        "date": "2026-05-01T00:00:00Z",
        "source": "a source",
        "provider": "acme",
        "model": "m",
        "kind": "genuine",
        "changes": {"input": [old, new]},
        "old": {"input": old, "output": Decimal(4)},
        "new": {"input": new, "output": Decimal(4)},
        "provider_models_changed": Decimal(1),
        "provider_models_total": Decimal(50),
        "provider_median_log10_ratio": Decimal("0.0792"),
        "peer_median": {"input": None},
        "peer_providers": {"input": Decimal(0)},
        **other,
    }


def dear(**other: Any) -> dict[str, Any]:
    """The same at five times the price."""
    return record(
        new={"input": Decimal(5), "output": Decimal(20)},
        changes={"input": [Decimal(1), Decimal(5)], "output": [Decimal(4), Decimal(20)]},
        **other,
    )


# Built records.


def test_a_record_is_judged_with_what_was_around() -> None:
    """The whole reading's movement is in the record, though its other models are not."""
    quiet, mass = (
        replay([record(provider_models_changed=Decimal(n), provider_median_log10_ratio=Decimal(m))])
        for n, m in ((30, "0.08"), (30, "-0.301"))
    )
    assert (Fate.AT_ONCE, ()) == (quiet[0].fate, quiet[0].reasons)
    assert (Fate.HELD, ("mass",)) == (mass[0].fate, mass[0].reasons)


def test_a_held_record_is_released_by_its_peers() -> None:
    """The peers' median decides what a day later is let through."""
    peer = {"peer_median": {"input": Decimal(5)}, "peer_providers": {"input": Decimal(4)}}
    assert Fate.HELD is replay([dear()])[0].fate
    assert Fate.WITHIN_24_H is replay([dear(**peer)])[0].fate


def test_a_record_below_zero_is_refused_before_the_gate() -> None:
    """OpenRouter's router model was listed at -1 per token on 2026-02-03."""
    below = replay([record(new={"input": Decimal(-1000000), "output": Decimal(4)})])
    assert [("unreadable",)] == [entry.reasons for entry in below]


def test_one_model_twice_in_a_reading_is_judged_twice() -> None:
    """No record is lost."""
    assert [Fate.AT_ONCE, Fate.HELD] == sorted(e.fate for e in replay([record(), dear()]))


def test_the_table_is_plain_text() -> None:
    """Kinds in rows; shares at once, within a day, held."""
    table = summarize(replay([record(), dear(model="n")]), {"x10": Caught(4, 4, 1)})
    assert "genuine                        2    50.00%    50.00%    50.00%" in table
    assert "x10                            4    75.00%" in table


def test_a_fault_that_changes_nothing_is_not_injected() -> None:
    """Swapping equal prices or zeroing a card without an output is no fault."""
    cards = {"m": RateCard({Meter.INPUT: Rate(10**9)})}
    found = inject(cards, Context(provider="acme", at=AT, listed=1, priced=1))
    assert (Caught(), Caught(), 1) == (
        found["swapped"],
        found["cache x1e3"],
        found["x1e3"].injected,
    )


# Recorded history.


@cache
def history() -> list[Judged]:
    text = (HISTORY / "backtest_updates.jsonl").read_text()
    read = json.JSONDecoder(parse_float=Decimal, parse_int=Decimal).decode
    return replay(read(line) for line in text.splitlines())


def of_kind(kind: str) -> list[Judged]:
    return [entry for entry in history() if entry.record["kind"] == kind]


@needs_history
def test_genuine_updates_pass() -> None:
    """At least 93 % at once and 96 % within a day, with and without the provider that is 40 %."""
    genuine = of_kind("genuine")
    print("\n" + summarize(history()))  # noqa: T201
    without = [entry for entry in genuine if entry.record["provider"] != "ionet"]
    for group in (genuine, without):
        at_once, in_time = shares(group)
        assert at_once >= 0.93
        assert in_time >= 0.96


@needs_history
def test_harmful_updates_are_held() -> None:
    """At least 98 % of what went to zero or ten times off, and 90 % of all that was wrong."""
    harmful = [entry for entry in history() if is_harmful(entry.record)]
    assert len(harmful) > 150
    assert shares(harmful)[1] <= 0.02
    assert shares(of_kind("error"))[1] <= 0.1


@needs_history
def test_the_figures_do_not_hang_on_one_provider() -> None:
    """Any one provider left out, the rest still passes at 93 % and 96 %."""
    genuine = of_kind("genuine")
    for left_out in {entry.record["provider"] for entry in genuine}:
        rest = shares([e for e in genuine if e.record["provider"] != left_out])
        assert rest[0] >= 0.93, left_out
        assert rest[1] >= 0.96, left_out


# Recorded catalogs.


def name(model: str) -> str:
    """The model's id without who sells or made it: the only likeness these tests allow."""
    return model.rsplit("/", 1)[-1].lower()


@cache
def catalog() -> Mapping[str, Mapping[str, RateCard]]:
    """The priced models of every provider in models.dev."""
    body = sample("models.dev/2026-05-14-api.json")
    found = {
        provider: strict_json.merge([models_dev.read(body, provider)])[0]
        for provider in models_dev.providers(body)
    }
    return {
        provider: {model: card for model, card in listings.items() if isinstance(card, RateCard)}
        for provider, listings in found.items()
    }


@cache
def quotes() -> Mapping[str, list[Quote]]:
    found: dict[str, list[Quote]] = defaultdict(list)
    for provider, cards in catalog().items():
        for model, card in cards.items():
            found[name(model)].append(Quote(provider, "models.dev", card))
    return found


def peers_of(model: str, *, apart_from: str) -> Peers:
    return peers(quote for quote in quotes().get(name(model), ()) if quote.lineage != apart_from)


def around(provider: str, cards: Mapping[str, RateCard], **known: Any) -> Context:
    found = {model: peers_of(model, apart_from=provider) for model in cards}
    count = len(cards)
    return Context(
        provider=provider,
        at=AT,
        listed=count,
        priced=count,
        peers=found,
        free=_free(cards),
        **known,
    )


def _free(models: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(model for model in models if model.endswith((":free", "-free")))


@cache
def injected() -> Mapping[str, Caught]:
    """Every fault in up to 25 paid models of each provider that sells at least two."""
    found: dict[str, Caught] = defaultdict(Caught)
    for provider, cards in catalog().items():
        paid = sorted(model for model, card in cards.items() if model not in _free(cards))
        chosen = Random(provider).sample(paid, min(25, len(paid)))
        some = {model: cards[model] for model in chosen}
        for fault, caught in inject(some, around(provider, some)).items() if len(some) > 1 else ():
            found[fault] += caught
    return found


@needs_samples
def test_injected_faults_are_held() -> None:
    """By kind: what must be held always, and what may slip by once in a hundred."""
    print("\n" + summarize([], injected()))  # noqa: T201
    always = {fault: injected()[fault].share_held for fault in FAULTS_ALL_HELD}
    assert dict.fromkeys(FAULTS_ALL_HELD, 1.0) == always
    assert injected()["cache x1e3"].share_held == 1
    assert all(injected()[fault].share_held >= 0.99 for fault in FAULTS_NEARLY_HELD)


@needs_samples
def test_provider_wide_slips_are_held() -> None:
    """Half, double and four times the price on everything a provider sells."""
    assert all(injected()[fault].share_held == 1 for fault in ("all x0.5", "all x2", "all x4"))


@needs_samples
def test_legitimate_arrivals_are_not_buried() -> None:
    """At most 4 % of the models of a catalog would have waited when they arrived."""
    held = total = 0
    for provider, cards in catalog().items():
        known = around(provider, cards)
        for model, card in cards.items():
            held += judge([Change(model, Kind.ADDED, None, card)], known)[model].holds
            total += 1
    print(f"\nlegitimate arrivals held: {held} of {total}, {100 * held / total:.2f} %")  # noqa: T201
    assert held <= 0.04 * total


@needs_samples
def test_faults_of_new_models_with_peers_are_held() -> None:
    """Units always, currencies and tens nine times in ten."""
    found: dict[str, Caught] = defaultdict(Caught)
    for provider, cards in catalog().items():
        known = around(provider, cards)
        some = {m: c for m, c in cards.items() if known.peers[m] and m not in known.free}
        chosen = Random(provider).sample(sorted(some), min(25, len(some)))
        for fault, caught in inject({m: some[m] for m in chosen}, known, as_new=True).items():
            found[fault] += caught
    print("\n" + summarize([], found))  # noqa: T201
    assert all(found[fault].share_held > 0.998 for fault in ("x1e3", "x1e6", "x100", "/1e3"))
    assert all(found[fault].share_held >= 0.9 for fault in FAULTS_NEARLY_HELD)


@needs_history
@needs_samples
def test_unit_incidents_of_new_models_are_held() -> None:
    """At least 92 % of the models that really came in with a wrong unit, each one alone."""
    arrivals: dict[tuple[str, str], dict[Meter, Rate]] = defaultdict(dict)
    with (HISTORY / "unit_incidents.csv").open(newline="") as lines:
        for row in csv.DictReader(lines):
            if row["how"] == "appear":
                rate = Rate.of(row["wrong"], Per.MILLION)
                arrivals[row["provider"], row["model"]][Meter(row["field"])] = rate
    held = sum(
        judge([Change(model, Kind.ADDED, None, card)], around(provider, {model: card}))[model].holds
        for (provider, model), rates in arrivals.items()
        for card in (RateCard(rates),)
    )
    print(f"\nunit incidents held: {held} of {len(arrivals)}")  # noqa: T201
    assert held >= 0.92 * len(arrivals)


def days() -> Iterator[Answer]:
    """OpenRouter's list on nine consecutive days."""
    for path in sorted((SAMPLES / "openrouter").glob("2026-07-*.json")):
        listings, nameless, ignored = strict_json.merge([openrouter.read(path.read_bytes())])
        yield Answer(listings, tuple(nameless), dict(ignored))


@needs_samples
def test_nine_days_of_openrouter_hold_no_more_than_one_change_in_fifty() -> None:
    """The first day stored, the others judged, without peers; what is held is let through.

    Not a blind test: the upward band was widened from 3, which held 3 of these changes.
    """
    first, *others = days()
    stored = _store(first)
    total, held = 0, []
    for answer in others:
        priced = sum(isinstance(known.listing, RateCard) for known in stored.values())
        known = Context(
            provider="openrouter",
            at=AT,
            listed=len(stored),
            priced=priced,
            free=_free(answer.listings),
        )
        verdicts = judge(diff(stored, answer), known)
        total += len(verdicts)
        held += [(model, v.reasons) for model, v in verdicts.items() if v.holds]
        stored = _store(answer)
    print(f"\nOpenRouter: {len(held)} of {total} changes held: {held}")  # noqa: T201
    assert (8, True) == (len(others), total > 50)
    assert len(held) <= total / 50


def _store(answer: Answer) -> dict[str, Stored]:
    return {
        model: Stored(listing)
        for model, listing in answer.listings.items()
        if not isinstance(listing, Unreadable)
    }


@needs_samples
def test_a_first_reading_of_openrouter_holds_few() -> None:
    """A fresh install is not buried: at most 4 % wait, and nothing for the company it keeps."""
    first = next(days())
    cards = {m: card for m, card in first.listings.items() if isinstance(card, RateCard)}
    changes = [Change(model, Kind.ADDED, None, card) for model, card in cards.items()]
    verdicts = judge(changes, around("openrouter", cards, first_reading=True))
    held = [verdict for verdict in verdicts.values() if verdict.holds]
    assert len(held) <= 0.04 * len(cards)
    assert not any(reason.rule is Rule.NEIGHBOURS for v in held for reason in v.reasons)
