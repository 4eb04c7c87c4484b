"""What is different between two listings, as a page shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pricing_sync import texts
from pricing_sync.prices.card_json import write_when
from pricing_sync.prices.rates import Meter, Rate, RateCard, Unpriced, When


@dataclass(frozen=True, slots=True)
class Move:
    """A rate before and after, or with neither the words for the whole change."""

    what: str
    old: str | None = None
    new: str | None = None
    #: `-20 %`, or beyond a factor of two `×1,000` or `÷1,000`; empty from or to none or zero.
    ratio: str = ""
    #: `up`, `down` or empty.
    direction: str = ""
    #: When it holds, or why there is no price.
    note: str = ""


def moves_of(old: texts.Known, new: texts.Known) -> Iterator[Move]:
    """Each rate that differs; one move in words where a listing has no rates."""
    if not (isinstance(old, RateCard) and isinstance(new, RateCard)):
        yield Move("", None if old is None else texts.listing(old), *_in_words(new))
        return
    if old.currency != new.currency:
        yield Move("currency", old.currency, new.currency)
    before, after = _by_condition(old), _by_condition(new)
    for key in before | after:
        if before.get(key) != after.get(key):
            yield _move(*key, before.get(key), after.get(key))


def _in_words(listing: texts.Known) -> tuple[str, str, str, str]:
    """The words for a listing, without a ratio or a direction, and its reason apart."""
    if isinstance(listing, Unpriced):
        return "no price", "", "", str(listing).replace("_", " ")
    return texts.listing(listing), "", "", ""


def _ratio(old: Rate | None, new: Rate | None) -> str:
    if not old or not new:
        return ""
    if old <= 2 * new and new <= 2 * old:
        return texts.ratio(old, new)
    return f"×{_factor(new, old)}" if new > old else f"÷{_factor(old, new)}"


def _factor(larger: Rate, smaller: Rate) -> str:
    """`1,000,000`, `2.5`: how many times the smaller rate is in the larger one."""
    factor = larger / smaller
    return f"{factor:,.0f}" if factor >= 100 else f"{factor:.3g}"


def _by_condition(card: RateCard) -> dict[tuple[When | None, Meter], Rate]:
    return {(when, meter): rate for when, meter, rate in card.every_rate()}


def _move(when: When | None, meter: Meter, old: Rate | None, new: Rate | None) -> Move:
    direction = ""
    if old is not None and new is not None:
        direction = "up" if new > old else "down"
    return Move(
        meter.value.replace("_", " "),
        None if old is None else grouped(old),
        "none" if new is None else grouped(new),
        _ratio(old, new),
        direction,
        "" if when is None else f"when {condition(when)}",
    )


def grouped(amount: Rate | str) -> str:
    """A rate or a plain amount with its thousands set apart: `1,250,000.5`."""
    whole, point, fraction = str(amount).partition(".")
    return f"{int(whole):,}{point}{fraction}" if whole.isdigit() else str(amount)


def condition(when: When) -> str:
    """A condition in words: `min input tokens 200001`."""
    text = texts.condition(when)
    for name in write_when(when):
        text = text.replace(name, name.replace("_", " "), 1)
    return text
