"""Which rows of a list are one product, so that one move of a price counts once."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import lru_cache

from pricing_sync.changes.diff import Change
from pricing_sync.prices.rates import RateCard

# A size after a colon ("gpt-oss:20b") names another model, not a variant.
_VARIANT = re.compile(r":(?![0-9])[^/:]+$")
_LATEST = re.compile(r"[~@-]latest$")
_DATE = re.compile(r"[-@](20[0-9]{2}-?[0-9]{2}-?[0-9]{2}|[0-9]{2}-20[0-9]{2}|[0-9]{2}-[0-9]{2})$")
_PRO = re.compile(r"-pro$")


@lru_cache(maxsize=32_768)
def root(model: str) -> str:
    """The id without a variant after a colon, `~latest` and a date: the same model's own id."""
    return _stripped(model.lower().lstrip("~"), (_VARIANT, _LATEST, _DATE))


def _stripped(name: str, suffixes: Iterable[re.Pattern[str]]) -> str:
    """*name* without the suffixes, in any order and number. No name becomes empty."""
    patterns = tuple(suffixes)
    while True:
        shorter = name
        for pattern in patterns:
            shorter = pattern.sub("", shorter) or shorter
        if shorter == name:
            return name
        name = shorter


def families(changes: Iterable[Change]) -> Mapping[str, str]:
    """The family of each changed model: rows that one decision of a maker moves together.

    These are the rows with one root, also with `-pro`, and the rows with equal cards before and
    after. New models have no card before, and equal cards do not make them one family.
    """
    listed = list(changes)
    own = {change.model: _PRO.sub("", root(change.model)) for change in listed}
    joined: dict[str, str] = {}
    first: dict[Hashable, str] = {}
    for change in _alike(listed):
        one, other = sorted(
            (
                _end(first.setdefault(_pair(change), own[change.model]), joined),
                _end(own[change.model], joined),
            )
        )
        if one != other:
            joined[other] = one
    return {model: _end(family, joined) for model, family in own.items()}


def _end(family: str, joined: Mapping[str, str]) -> str:
    while family in joined:
        family = joined[family]
    return family


def _alike(changes: Iterable[Change]) -> Iterator[Change]:
    """The changes from card to card that may have equal cards: their rates have equal sums.

    To compare sums takes a tenth of the time, and most cards are unlike all others.
    """
    by_sums: dict[tuple[int, int], list[Change]] = {}
    for change in changes:
        if isinstance(change.old, RateCard) and isinstance(change.new, RateCard):
            sums = sum(change.old.rates.values()), sum(change.new.rates.values())
            by_sums.setdefault(sums, []).append(change)
    for found in by_sums.values():
        if len(found) > 1:
            yield from found


def _pair(change: Change) -> Hashable:
    """The rates before and after a change from card to card."""
    return tuple(_content(card) for card in (change.old, change.new) if isinstance(card, RateCard))


def _content(card: RateCard) -> Hashable:
    conditional = frozenset(
        (one.when, frozenset(one.rates.items())) for one in card.conditional_rates
    )
    return card.currency, frozenset(card.rates.items()), conditional
