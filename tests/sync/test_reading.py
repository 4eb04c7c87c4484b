"""A reading, from the bytes to the ledger."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pricing_sync.app import PricingSync
from pricing_sync.changes.held import State
from pricing_sync.changes.run import Outcome, Status
from pricing_sync.errors import StoreError
from pricing_sync.gate import Announced
from pricing_sync.prices.card_json import write_rates, write_when
from pricing_sync.prices.rates import Meter, Per, Rate, RateCard
from pricing_sync.scheduling.runs import RunResult
from pricing_sync.settings import ProviderSettings, Settings
from pricing_sync.sources.http import Fetched
from pricing_sync.sources.provider import Provider
from pricing_sync.sources.providers import find
from pricing_sync.sync.access import Fetch
from pricing_sync.sync.reading import ReadingResult, read_provider
from pricing_sync.sync.recorded import RecordedAnswer

from built import catalogue, openrouter, priced
from counting import counted
from databases import database_url
from recorded import needs_samples, sample

DAY = datetime(2026, 7, 17, tzinfo=UTC)
NEXT = DAY + timedelta(days=1)
AFTER = DAY + timedelta(days=2)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[PricingSync]:
    settings = Settings(database=database_url(tmp_path))
    with PricingSync(settings) as opened:
        yield opened


def replay(
    app: PricingSync, *answers: tuple[bytes, datetime | None], dry_run: bool = False
) -> RunResult:
    recorded = [RecordedAnswer(body, at) for body, at in answers]
    return asyncio.run(app.replay("openrouter", recorded, dry_run=dry_run))


def read_once(app: PricingSync, body: bytes, at: datetime | None = None) -> ReadingResult:
    return replay(app, (body, at)).results[0]


def read_without_engine(app: PricingSync, body: bytes, at: datetime) -> ReadingResult:
    """Claim the provider and read it, without an engine."""
    scheduler = app._parts.runs.scheduler
    started = scheduler.start_local_run(
        ["openrouter"], started_by="test", dry_run=False, all_or_none=True
    )
    assert started is not None
    (claim,) = started[1]
    reader = app._parts.runs._new_reader()
    return asyncio.run(reader.read_recorded(claim, RecordedAnswer(body, at), last=True))


def rate(app: PricingSync, model: str, meter: Meter = Meter.INPUT) -> str | None:
    listing = app.price("openrouter", model).listing
    return str(listing.rates[meter]) if isinstance(listing, RateCard) else None


def test_the_end_of_a_promotion_of_two_days_is_stored_at_once(app: PricingSync) -> None:
    """The price is back at that of two days before, by more than the band. A new price that is as
    far away waits."""
    cut = priced(prompt="0.0000002", completion="0.0000008")
    usual = priced(prompt="0.000001", completion="0.000004")
    far = priced(prompt="0.0000011", completion="0.0000044")

    def row(model: dict[str, Any]) -> bytes:
        return openrouter({"maker/model": model, "maker/other": priced()})

    read_once(app, row(usual), DAY)
    read_once(app, row(cut), DAY + timedelta(days=10))
    assert "0.2" == rate(app, "maker/model")
    read_once(app, row(far), DAY + timedelta(days=11))
    assert "0.2" == rate(app, "maker/model")
    back = read_once(app, row(usual), DAY + timedelta(days=12))
    assert (1, 0) == (len(back.plan.apply), len(back.plan.hold))
    assert "1" == rate(app, "maker/model")


def test_the_first_reading_stores_every_price(app: PricingSync) -> None:
    """With its source and the bytes that it was decoded from."""
    body = openrouter({"maker/model": priced(input_cache_read="0.00000025")})
    result = read_once(app, body, DAY)
    (statement,) = app.history("openrouter", "maker/model")
    assert {"input": "2.5", "output": "10", "cache_read": "0.25"} == write_rates(
        statement.listing.rates  # type: ignore[union-attr]
    )
    assert (DAY, None, "api") == (statement.since, statement.until, statement.source)
    assert body == app.store.evidence(statement.digest or "")
    assert {"priced": 1, "unpriced": 0, "unreadable": 0, "nameless": 0} == result.reading.listings


def test_the_same_bytes_are_not_decoded_again(app: PricingSync) -> None:
    """They were judged already."""
    body = catalogue(3)
    read_once(app, body, DAY)
    decoded: list[bytes] = []
    app._parts.runs._access = _spying(app, decoded)
    result = read_once(app, body, NEXT)
    assert Status.UNCHANGED is result.reading.status
    assert [] == decoded
    read_once(app, catalogue(4), AFTER)
    assert [catalogue(4)] == decoded


def _spying(app: PricingSync, decoded: list[bytes]) -> Any:
    from dataclasses import replace

    real = app.access.provider("openrouter")

    def decode(body: bytes) -> Any:
        decoded.append(body)
        return real.decode(body)

    class Spy:
        def provider(self, _: str) -> Provider:
            return replace(real, decode=decode)

    return Spy()


JUDGED_OTHERWISE: list[dict[str, Any]] = [
    {"gate": {"band_up": 6}},
    {"provider": {"openrouter": ProviderSettings(gate={"band_up": 6})}},
]


@pytest.mark.parametrize("setting", JUDGED_OTHERWISE, ids=["gate", "provider's gate"])
def test_a_changed_threshold_counts_for_the_same_bytes(
    tmp_path: Path, setting: dict[str, Any]
) -> None:
    """What was held by the old one is judged again at the next reading."""
    database = database_url(tmp_path)
    cheap, dearer = (
        openrouter({"maker/model-0": priced(prompt, "0.00002")})
        for prompt in ("0.0000025", "0.00001125")
    )
    with PricingSync(Settings(database=database)) as app:
        read_once(app, cheap, DAY)
        read_once(app, dearer, NEXT)
        assert "2.5" == rate(app, "maker/model-0")
        assert Status.UNCHANGED is read_once(app, dearer, AFTER).reading.status
    with PricingSync(Settings(database=database, **setting)) as app:
        later = AFTER + timedelta(days=1)
        assert Status.READ is read_once(app, dearer, later).reading.status
        assert "11.25" == rate(app, "maker/model-0")
        assert [] == app.store.review.held("openrouter")
        again = read_once(app, dearer, later + timedelta(days=1))
        assert Status.UNCHANGED is again.reading.status


def test_a_lower_cap_on_models_counts_for_the_same_bytes(tmp_path: Path) -> None:
    """The answer that was small enough is refused."""
    database = database_url(tmp_path)
    with PricingSync(Settings(database=database)) as app:
        read_once(app, catalogue(3), DAY)
    with PricingSync(Settings(database=database, max_models=2)) as app:
        assert "max_models" in str(read_once(app, catalogue(3), NEXT).error)


def test_the_same_bytes_confirm_that_a_model_is_gone(app: PricingSync) -> None:
    """The second complete answer without it counts, although it is not decoded."""
    read_once(app, catalogue(3), DAY)
    assert ["maker/model-2"] == read_once(app, catalogue(2), NEXT).plan.missing
    result = read_once(app, catalogue(2), AFTER)
    assert Status.UNCHANGED is result.reading.status
    assert ["maker/model-2"] == result.plan.retire
    assert AFTER == app.history("openrouter", "maker/model-2")[0].until


@pytest.mark.parametrize(
    ("prompt", "rule"),
    [
        ("0", "zero"),
        ("2.5", "out_of_bounds"),
        ("0.0000000000025", "out_of_bounds"),
    ],
)
def test_a_price_that_cannot_be_true_is_held(app: PricingSync, prompt: str, rule: str) -> None:
    """Zero, a million times too high, a million times too low: the old price stays in force."""
    read_once(app, openrouter({"maker/model:free": priced()}), DAY)
    result = read_once(app, openrouter({"maker/model:free": priced(prompt, prompt)}), NEXT)
    (item,) = result.plan.hold
    assert rule in {reason.partition(":")[0] for reason in item.reasons}
    assert "2.5" == rate(app, "maker/model:free")


@needs_samples
def test_renamed_cache_keys_fail_the_reading(app: PricingSync) -> None:
    """155 of the 345 recorded models would lose the rate of cached tokens."""
    body = sample("openrouter/2026-07-25.json")
    renamed = body.replace(b'"input_cache_read"', b'"cache_read_input"')
    read_once(app, body, DAY)
    reading = read_once(app, renamed, NEXT).reading
    assert (Status.FAILED, "decode") == (reading.status, reading.error_kind)
    assert "pricing.cache_read_input is new in 185 rows" in (reading.error or "")
    assert Status.READ is read_once(app, body.replace(b"\n", b" ") + b" ", AFTER).reading.status


def test_a_new_program_may_read_other_keys(app: PricingSync, monkeypatch: Any) -> None:
    """Keys that are new only because the program counts them fail nothing."""
    models = {f"maker/m{n}": priced(input_cache_read="0.000001") for n in range(8)}
    read_once(app, openrouter(models), DAY)
    monkeypatch.setattr("pricing_sync.sync.reading.VERSION", "9")
    renamed = {model: priced(cache="0.000001") for model in models}
    reading = read_once(app, openrouter(renamed), NEXT).reading
    assert Status.READ is reading.status
    assert {"pricing.cache": 8} == reading.ignored


def test_several_models_may_become_free_at_once(app: PricingSync, tmp_path: Path) -> None:
    """The fall of those on the free list does not hold the others."""
    models = {f"maker/m{n}": priced() for n in range(10)}
    read_once(app, openrouter(models), DAY)
    free = {f"maker/m{n}": priced("0", "0") for n in range(5)}
    cheaper = {**models, **free, "maker/m9": priced("0.000002")}
    tables = {"openrouter": ProviderSettings(free=tuple(free))}
    settings = Settings(database=database_url(tmp_path), provider=tables)
    with PricingSync(settings) as other:
        result = read_once(other, openrouter(cheaper), NEXT)
        assert not result.plan.hold
        assert {"0"} == {rate(other, model) for model in free}
        assert "2" == rate(other, "maker/m9")


def test_a_price_that_is_no_longer_published_is_not_zero(app: PricingSync) -> None:
    """The last one stays in force, and the change is held."""
    read_once(app, openrouter({"maker/model": priced()}), DAY)
    result = read_once(app, openrouter({"maker/model": priced("-1", "-1")}), NEXT)
    (item,) = result.plan.hold
    assert item.reasons[0].startswith("withdrawn: varies")
    assert "2.5" == rate(app, "maker/model")


def test_half_a_catalogue_does_not_vanish_in_one_reading(app: PricingSync) -> None:
    """No model is marked missing, and the listed models are updated."""
    read_once(app, catalogue(20), DAY)
    for at in (NEXT, AFTER):
        result = read_once(app, catalogue(10, "0.000003"), at)
        assert [] == [*result.plan.missing, *result.plan.retire]
    assert ("3", "2.5") == (rate(app, "maker/model-0"), rate(app, "maker/model-19"))
    assert {("mass_vanish: 10 of 20 models",)} == {
        item.reasons for item in app.store.review.held("openrouter")
    }


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "decode"),
        (b"<html>502 Bad Gateway</html>", "decode"),
        (b"{}", "decode"),
        (catalogue(3)[:-20], "decode"),
        (b'{"data": []}', "incomplete"),
        (b'{"data": [], "total_count": 9}', "incomplete"),
        (b"[" * 100_000, "decode"),
        (b'{"data": [{"id": "a", "pricing": NaN}]}', "decode"),
        (catalogue(20, "1e400"), "decode"),
        (b"\xff\xfe{}", "decode"),
    ],
)
def test_an_answer_that_cannot_be_read_changes_nothing(
    app: PricingSync, body: bytes, kind: str
) -> None:
    """The reading fails with a reason, and the prices stay the same."""
    read_once(app, catalogue(20), DAY)
    before = app.prices()
    finished = replay(app, (body, NEXT))
    reading = finished.results[0].reading
    assert (Outcome.FAILED, Status.FAILED, kind) == (
        finished.outcome,
        reading.status,
        reading.error_kind,
    )
    assert (reading.error or "").startswith("openrouter: ")
    assert before == app.prices()


@pytest.mark.parametrize("before", [0, 3])
def test_an_answer_with_too_many_models_changes_nothing(tmp_path: Path, before: int) -> None:
    """The first one too, which has nothing to be compared with."""
    settings = Settings(database=database_url(tmp_path), max_models=3)
    with PricingSync(settings) as app:
        if before:
            assert Status.READ is read_once(app, catalogue(before), DAY).reading.status
        reading = read_once(app, catalogue(4), NEXT).reading
        assert (Status.FAILED, "oversized") == (reading.status, reading.error_kind)
        why = "openrouter: body: lists 4 models, above the cap of 3 (max_models)"
        assert (why, before) == (reading.error, len(app.prices()))


def test_one_bad_listing_does_not_affect_the_others(app: PricingSync) -> None:
    """Thirty-nine of forty are stored; the fortieth is unreadable, with the reason."""
    models = {f"maker/model-{n}": priced() for n in range(39)}
    result = read_once(app, openrouter({**models, "maker/bad": priced("free")}), DAY)
    assert {"priced": 39, "unpriced": 0, "unreadable": 1, "nameless": 0} == (
        result.reading.listings
    )
    ((state, why),) = app.models_without_card("openrouter")
    assert ("maker/bad", 'unreadable: pricing.prompt: "free" is not a number') == (
        state.model,
        why,
    )


def test_an_older_answer_never_replaces_a_newer_one(app: PricingSync) -> None:
    """A cache that serves yesterday's list does not restore yesterday's prices."""
    read_once(app, catalogue(3, "0.000003"), NEXT)
    result = read_once(app, catalogue(3, "0.000002"), DAY)
    assert "older" == result.reading.error_kind
    assert "3" == rate(app, "maker/model-0")


def test_a_reading_that_was_overtaken_is_not_stored(app: PricingSync) -> None:
    """The queue allows one reading of a provider at a time. If two run all the same, the slower one
    is refused, because it began from an older state."""
    first = read_once(app, catalogue(3), DAY)

    async def answer(body: bytes) -> Fetched:
        return Fetched("file:answer", (body,), None)

    def read(fetch: Fetch, at: datetime) -> Coroutine[Any, Any, ReadingResult]:
        run_id = first.reading.run_id
        return read_provider(find("openrouter"), fetch, app.store, run_id=run_id, observed_at=at)

    async def slow(_: str | None) -> Fetched:
        await read(lambda _: answer(catalogue(3, "0.000003")), AFTER)
        return await answer(catalogue(3, "0.000002"))

    result = asyncio.run(read(slow, NEXT))
    assert "older" == result.reading.error_kind
    assert "3" == rate(app, "maker/model-0")


def test_a_dry_run_reports_changes_and_stores_none(app: PricingSync) -> None:
    """Neither the prices, nor the models, nor the state that the next reading is compared with."""
    read_once(app, catalogue(3), DAY)
    before, states = app.prices(), app.store.model_states()
    finished = replay(app, (catalogue(4, "0.000003"), NEXT), dry_run=True)
    assert {"added": 1, "changed": 3} == {
        kind: count for kind, count in finished.results[0].reading.changes.items() if count
    }
    assert (before, states) == (app.prices(), app.store.model_states())
    assert 4 == len(read_once(app, catalogue(4, "0.000003"), NEXT).plan.apply)


def test_a_reading_takes_the_same_number_of_statements_for_any_number_of_models(
    app: PricingSync,
) -> None:
    """Each statement is a round trip, so their number must be constant."""
    statements: list[int] = []
    for number, count in enumerate((10, 1000)):
        read_once(app, catalogue(count), DAY + timedelta(days=2 * number))
        with counted(app.store) as counter:
            read_without_engine(
                app, catalogue(count, "0.000003"), DAY + timedelta(days=2 * number + 1)
            )
        statements.append(counter.statements)
    assert statements[0] == statements[1]


@pytest.mark.sqlite("of a file that cannot grow")
def test_a_full_disk_leaves_the_ledger_as_it_was(app: PricingSync) -> None:
    """Nothing of the reading is stored, and the error gives the reason."""
    read_once(app, catalogue(3), DAY)
    before = app.prices()
    pages = app.store._connection.fetch_all("PRAGMA page_count", {})[0][0]
    app.store._connection.execute(f"PRAGMA max_page_count = {pages + 4}", {})
    with pytest.raises(StoreError, match="full"):
        read_once(app, catalogue(3000, "0.000003"), NEXT)
    app.store._connection.execute("PRAGMA max_page_count = 1000000", {})
    assert before == app.prices()
    read_once(app, catalogue(3000, "0.000003"), NEXT)
    assert 3000 == len(app.prices())


def test_the_n_th_statement_fails_for_every_n(app: PricingSync) -> None:
    """Wherever the database fails in a reading, all of the reading is stored or nothing."""
    read_once(app, catalogue(3), DAY)
    scheduler = app._parts.runs.scheduler
    real, before, n = app.store._connection, app.prices(), 0
    while app.prices() == before:
        with counted(app.store, most=n), contextlib.suppress(StoreError):
            read_without_engine(app, catalogue(4, "0.000003"), NEXT)
        scheduler.expire(datetime.now(UTC) + timedelta(minutes=1))
        n += 1
        events = real.fetch_all(
            "SELECT COUNT(*) FROM pricing_outbox WHERE kind = 'price.changed'", {}
        )
        assert [(1 if app.prices() == before else 2,)] == events
    assert n > 10
    assert ["3"] * 4 == [rate(app, f"maker/model-{number}") for number in range(4)]


DAYS = [f"2026-07-{day}" for day in range(17, 26)]
_KEYS = {
    "prompt": "input",
    "completion": "output",
    "input_cache_read": "cache_read",
    "input_cache_write": "cache_write",
    "input_cache_write_1h": "cache_write_1h",
    "input_audio_cache": "cache_read_audio",
    "internal_reasoning": "reasoning",
    "audio": "input_audio",
    "audio_output": "output_audio",
    "image": "input_image",
    "image_output": "output_image",
    "web_search": "web_search",
}


@needs_samples
def test_nine_recorded_days_are_stored_as_they_were_published(app: PricingSync) -> None:
    """Every base and conditional rate equals that day's payload, quantised to 10⁻¹⁵."""
    for day in DAYS:
        body = sample(f"openrouter/{day}.json")
        at = datetime.fromisoformat(day).replace(tzinfo=UTC)
        result = read_once(app, body, at)
        held = {item.provider + item.change.model for item in app.store.review.held("openrouter")}
        rows = {row["id"]: row["pricing"] for row in json.loads(body, parse_float=Decimal)}
        assert len(rows) == sum(result.reading.listings.values())
        compared = 0
        for price in app.prices("openrouter"):
            listing = price.listing
            if price.model not in rows or "openrouter" + price.model in held:
                continue
            if not isinstance(listing, RateCard):
                assert float(rows[price.model]["prompt"]) in (-1, 0)
                continue
            compared += 1
            pricing = rows[price.model]
            assert _published(pricing) == _stored(listing.rates), price.model
            assert [
                ({"min_input_tokens": entry["min_prompt_tokens"] + 1}, _published(entry))
                for entry in pricing.get("overrides", ())
            ] == [
                (write_when(entry.when), _stored(entry.rates))
                for entry in listing.conditional_rates
            ], price.model
        assert compared > 320


def _published(pricing: dict[str, Any]) -> dict[str, Decimal]:
    amounts = {
        meter: Decimal(pricing[key]).quantize(Decimal("1E-15"))
        for key, meter in _KEYS.items()
        if key in pricing
    }
    if not any(amounts.values()):
        return {meter: amounts[meter] for meter in ("input", "output") if meter in amounts}
    return {meter: amount for meter, amount in amounts.items() if amount}


def _stored(rates: Any) -> dict[str, Decimal]:
    return {meter.value: rate.per_million / 1_000_000 for meter, rate in rates.items()}


# Decisions of a person

TENFOLD = openrouter({"maker/model": priced("0.000025", "0.0001")})


def hold_tenfold(app: PricingSync) -> None:
    read_once(app, openrouter({"maker/model": priced()}), DAY)
    assert 1 == len(read_once(app, TENFOLD, NEXT).plan.hold)


def reject_all(app: PricingSync) -> None:
    review = app.store.review
    if shown := review.held("openrouter"):
        review.decide(State.REJECTED, shown, author="ann", reason="a slip", now=datetime.now(UTC))


def test_a_rejected_change_is_neither_applied_nor_held_again(app: PricingSync) -> None:
    """Until the rejection is reconsidered: then the same bytes are judged again."""
    hold_tenfold(app)
    reject_all(app)
    for body in (TENFOLD, TENFOLD + b"\n"):
        plan = read_once(app, body).plan
        assert [] == [*plan.apply, *plan.hold, *plan.still_held]
    assert "2.5" == rate(app, "maker/model")
    app.store.review.reconsider(
        "openrouter", "maker/model", author="ann", reason="a slip", now=datetime.now(UTC)
    )
    result = read_once(app, TENFOLD + b"\n")
    assert (Status.READ, 1) == (result.reading.status, len(result.plan.hold))


def announce(app: PricingSync, meter: Meter, old: str, new: str) -> None:
    app.store.announcements.add(
        "openrouter",
        Announced(
            model="maker/model",
            meter=meter,
            old=Rate.of(old, Per.MILLION),
            new=Rate.of(new, Per.MILLION),
            not_before=DAY,
        ),
        author="ann",
        reason="their blog",
        now=datetime.now(UTC),
    )


def test_a_decision_during_judging_counts(app: PricingSync) -> None:
    """A person rejects the change after judging and before storing: it is not held again."""
    hold_tenfold(app)
    real = app.store.outbox.last_reported  # one of the last queries before the transaction

    def rejected_meanwhile(provider: str) -> datetime | None:
        reject_all(app)
        return real(provider)

    app.store.outbox.last_reported = rejected_meanwhile  # type: ignore[method-assign]
    result = read_once(app, TENFOLD + b"\n")
    assert ([], []) == (list(result.plan.hold), list(result.plan.still_held))
    assert [] == app.store.review.held("openrouter")


def test_an_announcement_releases_a_change_that_is_held_already(app: PricingSync) -> None:
    """Although the bytes are the same as when it was held. The announcement is used once."""
    hold_tenfold(app)
    announce(app, Meter.INPUT, "2.5", "25")
    announce(app, Meter.OUTPUT, "10", "100")
    result = read_once(app, TENFOLD)
    assert ["maker/model"] == [item.change.model for item in result.plan.released]
    assert "25" == rate(app, "maker/model")
    assert [] == app.store.announcements.find("openrouter")


def test_an_announcement_of_a_change_that_stays_held_is_not_consumed(app: PricingSync) -> None:
    """One of two moves was announced; the other one holds the change, so neither is applied."""
    hold_tenfold(app)
    announce(app, Meter.INPUT, "2.5", "25")
    result = read_once(app, TENFOLD)
    assert 1 == len(result.plan.still_held)
    assert 1 == len(app.store.announcements.find("openrouter"))


def test_a_model_that_was_retired_without_a_card_returns_once(app: PricingSync) -> None:
    """Held at first, vanished, and back at a sound price: it has one card and no other."""
    both = {"maker/a": priced(), "maker/b": priced("2.5", "10")}
    alone = openrouter({"maker/a": priced()})
    days = [DAY + timedelta(days=n) for n in range(5)]
    read_once(app, openrouter(both), days[0])
    read_once(app, alone, days[1])
    read_once(app, alone, days[2])
    sound = openrouter({"maker/a": priced(), "maker/b": priced()})
    for at, body in ((days[3], sound), (days[4], sound + b"\n")):
        read_once(app, body, at)
    assert 1 == len(app.history("openrouter", "maker/b", everything=True))
    assert None is app.store.model_states()["openrouter", "maker/b"].retired_at


def test_small_steps_are_recorded_and_notified_only_when_they_add_up(app: PricingSync) -> None:
    """Three steps of 0.2 %: each has a date; the third is 0.6 % from the last notified price."""
    prices = ["0.0000025", "0.000002505", "0.00000251", "0.000002515"]
    event_counts = []
    for number, price in enumerate(prices):
        read_once(app, openrouter({"maker/model": priced(price)}), DAY + timedelta(hours=number))
        kinds = [kind for _, kind, _ in app.store.outbox.pending()]
        event_counts.append(kinds.count("price.changed"))
    assert [1, 1, 1, 2] == event_counts
    assert 4 == len(app.history("openrouter", "maker/model"))


def test_a_model_whose_name_no_database_stores_spoils_only_its_own_row(app: PricingSync) -> None:
    """It counts as a row without a name, in every kind of database."""
    rows = {"maker/a": priced("0.000001"), "maker/\0": priced("0.000001"), "é" * 600: priced("1")}
    (result,) = asyncio.run(
        app.replay("openrouter", [RecordedAnswer(openrouter(rows), None)])
    ).results
    assert (None, 2) == (result.reading.error, result.reading.listings["nameless"])
    assert ["maker/a"] == [price.model for price in app.prices()]
