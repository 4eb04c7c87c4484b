"""A book that is refreshed where it has changed is the book that is read whole."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pricing_sync.app import PricingSync
from pricing_sync.errors import NoPrice, StaleHeldChange, UnknownName
from pricing_sync.prices.book import PriceBook
from pricing_sync.prices.rates import (
    Listing,
    Meter,
    Notice,
    Rate,
    RateCard,
    Scheduled,
    Unpriced,
    Unreadable,
    Why,
)
from pricing_sync.settings import Settings
from pricing_sync.sources.provider import Provider
from pricing_sync.sources.rows import Page
from pricing_sync.store.books import Revision
from pricing_sync.sync.access import ProviderAccess
from pricing_sync.sync.recorded import RecordedAnswer

from counting import counted
from databases import database_url, databases

PROVIDERS = ("acme", "initech")
MODELS = ("a", "b", "c")
_HOUR = timedelta(hours=1)


def _card(dollars: int) -> RateCard:
    return RateCard({Meter.INPUT: Rate(dollars * 10**9), Meter.OUTPUT: Rate(3 * dollars * 10**9)})


def _page(body: bytes) -> Page:
    """An answer that says for each model what a list can say of one."""
    page = Page([])
    for model, (dollars, *more) in json.loads(body).items():
        page.rows.append((model, _listing_of(dollars)))
        if "named" in more:
            page.notices[model] = Notice(names=(f"{model}-latest",))
        if "ends" in more:
            page.notices[model] = Notice(ends_on=date(2030, 1, 1))
        for word, wait in (("later", 365 * 24 * _HOUR), ("soon", timedelta(milliseconds=1))):
            if word in more:
                page.dated[model] = (Scheduled(datetime.now(UTC) + wait, _card(7)),)
    return page


def _listing_of(dollars: int | None) -> Listing:
    if dollars is None:
        return Unreadable("a test")
    return _card(dollars) if dollars else Unpriced(Why.VARIES)


class Ledger:
    """An app, and the time of its next recorded answer."""

    def __init__(self, folder: Path) -> None:
        config = Settings(database=database_url(folder), providers=PROVIDERS, reference_hours=0)
        listed = [
            Provider(id=name, name=name, url="http://127.0.0.1:9/", decode=_page)
            for name in PROVIDERS
        ]
        self.app = PricingSync(config, access=ProviderAccess(config, extra_providers=listed))
        self._at = datetime.now(UTC) - 1000 * _HOUR

    def read(self, provider: str, models: Mapping[str, Sequence[object]]) -> None:
        self._at += _HOUR
        answer = RecordedAnswer(json.dumps(models).encode(), self._at)
        asyncio.run(self.app.replay(provider, [answer]))

    def decide(self, provider: str, *, accept: bool) -> None:
        held = self.app.held(provider)[:1]
        with suppress(StaleHeldChange):
            (self.app.accept if accept else self.app.reject)(held, author="ann", reason="a test")

    def hold(self, provider: str, model: str) -> None:
        """A price that is held: it is thirty times the one before."""
        for dollars in (1, 1, 30):
            self.read(provider, {model: [dollars], "other": [5]})

    def override(self, provider: str, model: str, dollars: int, hours: int) -> None:
        self.app.set_override(
            provider,
            model,
            {Meter.INPUT: Rate(dollars * 10**9)},
            author="ann",
            reason="a test",
            since=datetime.now(UTC) + hours * _HOUR,
        )

    def end_override(self, provider: str, model: str) -> None:
        self.app.end_override(provider, model, author="ann", reason="a test")

    def reconsider(self, provider: str, model: str) -> None:
        self.app.reconsider(provider, model, author="ann", reason="a test")

    def roll_back(self, provider: str, hours: int) -> None:
        to = self._at - hours * _HOUR - _HOUR / 2
        self.app.rollback(provider, to, author="ann", reason="a test")

    def tell_begun(self, provider: str) -> None:  # noqa: ARG002
        with self.app.store.transaction():
            now = datetime.now(UTC)
            self.app.store.scheduled.tell_begun(now - _HOUR, now)

    def prune(self, provider: str) -> None:  # noqa: ARG002
        for _ in self.app.store.pruning.batches(before=self._at, evidence_before=self._at):
            pass

    def old_version(self, provider: str) -> None:  # noqa: ARG002
        """A process of an older version changes something: it notes no provider."""
        self.app.store._connection.execute(
            "UPDATE pricing_counters SET value = value + 1 WHERE name = 'revision'", {}
        )


_provider, _model = st.sampled_from(PROVIDERS), st.sampled_from(MODELS)
_listing = st.lists(st.sampled_from(["named", "ends", "later", "soon"]), max_size=1).flatmap(
    lambda more: st.sampled_from([0, 1, 2, 3, 30, None]).map(lambda rate: [rate, *more])
)
_few = st.integers(0, 3)
_Step: TypeAlias = tuple[Callable[..., None], Sequence[object]]
_steps: st.SearchStrategy[tuple[Any, ...]] = st.one_of(
    st.tuples(st.just("read"), _provider, st.dictionaries(_model, _listing, max_size=3)),
    st.tuples(st.just("hold"), _provider, _model),
    st.tuples(st.sampled_from(["accept", "reject"]), _provider),
    st.tuples(st.just("reconsider"), _provider, _model),
    st.tuples(st.just("override"), _provider, _model, st.integers(1, 9), st.integers(-1, 1)),
    st.tuples(st.just("end_override"), _provider, _model),
    st.tuples(st.just("roll_back"), _provider, _few),
    st.tuples(st.sampled_from(["tell_begun", "prune", "old_version"]), _provider),
)


def _do(ledger: Ledger, step: tuple[Any, ...]) -> None:
    name, *arguments = step
    if name in ("accept", "reject"):
        ledger.decide(*arguments, accept=name == "accept")
    else:
        with suppress(UnknownName):  # there is nothing to take back
            getattr(ledger, name)(*arguments)


#: The same for all books: errors name it.
_LATER = [datetime.now(UTC) + days * 24 * _HOUR for days in (1, 400)]


def content(book: PriceBook) -> object:
    """Everything that a book says, now and at other instants."""
    names = [*MODELS, *(f"{model}-latest" for model in MODELS)]
    return (
        list(book),
        book.models_without_price(),
        [
            (provider, name, _at(book, provider, name, at))
            for provider in PROVIDERS
            for name in names
            for at in (None, *_LATER)
        ],
        book.revision,
    )


def _at(book: PriceBook, provider: str, model: str, at: datetime | None) -> object:
    try:
        return book.find(provider, model, at)
    except NoPrice as error:
        return str(error)


@settings(max_examples=60)
@given(steps=st.lists(_steps, min_size=1, max_size=12))
@example(steps=[("hold", "acme", "a"), ("reject", "acme"), ("reconsider", "acme", "a")])
def test_whatever_happens_a_refreshed_book_is_that_of_the_ledger(
    tmp_path_factory: pytest.TempPathFactory, steps: Sequence[tuple[Any, ...]]
) -> None:
    """Readings, decisions, overrides, rollbacks, what begins, and changes of an older version."""
    with databases.released():
        ledger = Ledger(tmp_path_factory.mktemp("book"))
        with ledger.app as app:
            revision, book = app.store.books.whole()
            for step in steps:
                _do(ledger, step)
                revision, book = app.store.books.after(book, revision)
                whole_revision, whole = app.store.books.whole()
                assert whole_revision == revision
                if content(whole) != content(book):
                    time.sleep(0.002)  # a price has begun between the two looks
                    assert content(whole) == content(book)


def _both_read(ledger: Ledger) -> tuple[Revision, PriceBook]:
    for provider in PROVIDERS:
        ledger.read(provider, {model: [1] for model in MODELS})
    return ledger.app.store.books.whole()


def test_the_prices_of_other_providers_are_kept(tmp_path: Path) -> None:
    """They are the same objects: nothing of them was read or built again."""
    ledger = Ledger(tmp_path)
    with ledger.app as app:
        revision, before = _both_read(ledger)
        ledger.read("acme", {model: [1] for model in MODELS})
        _, after = app.store.books.after(before, revision)
        for model in MODELS:
            assert before.find("initech", model) is after.find("initech", model)
            assert (
                before.price("acme", model).confirmed_at != after.price("acme", model).confirmed_at
            )


def test_nothing_is_read_while_nothing_has_changed(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    with ledger.app as app:
        _both_read(ledger)
        cache = app._parts.book_cache
        book = cache.book()
        with counted(app.store, most=1):
            cache.refresh()
        assert book is cache.last


@pytest.mark.parametrize("way", ["another", "fewer", "more"])
def test_after_a_restore_the_book_is_read_whole(tmp_path: Path, way: str) -> None:
    """Also when its revision has the same number, or a higher one."""
    ledger = Ledger(tmp_path)
    with ledger.app as app:
        revision, before = _both_read(ledger)
        known = {
            "another": Revision(revision.number, "another"),
            "fewer": Revision(revision.number + 1, revision.token),
            "more": Revision(revision.number - 1, "another"),
        }[way]
        _, after = app.store.books.after(before, known)
        assert before.find("initech", "a") is not after.find("initech", "a")
        assert content(before) == content(after)


def test_when_much_has_changed_the_book_is_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pricing_sync.store.books._MOST_PROVIDERS", 0)
    ledger = Ledger(tmp_path)
    with ledger.app as app:
        revision, before = _both_read(ledger)
        ledger.read("acme", {"a": [1]})
        _, after = app.store.books.after(before, revision)
        assert before.find("initech", "a") is not after.find("initech", "a")
