"""Prices, changes and instants as short texts for people."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from pricing_sync.json_views.changes import RULE_CARDS
from pricing_sync.prices.card_json import write_rates, write_when
from pricing_sync.prices.rates import Meter, Notice, Rate, RateCard, Unpriced, When
from pricing_sync.settings.values import show_duration

Known = RateCard | Unpriced | None
#: The end of a text that is a `timedelta`: `1 day, 6:00:00`.
_DURATION = re.compile(r"(?:(\d+) days?, )?(\d+):(\d\d):(\d\d(?:\.\d+)?)$")
#: What stands for a rate that a card does not name.
NONE = "–"


def instant(at: datetime | None) -> str:
    """An instant in UTC, to the second; nothing for None."""
    return "" if at is None else _utc(at, "seconds")


def minute(at: datetime | None) -> str:
    """An instant in UTC, to the minute; nothing for None."""
    return "" if at is None else _utc(at, "minutes")


def day(at: datetime | None) -> str:
    """The day of an instant in UTC; nothing for None."""
    return "" if at is None else at.astimezone(UTC).date().isoformat()


def _utc(at: datetime, unit: str) -> str:
    return at.astimezone(UTC).isoformat(" ", unit).replace("+00:00", "Z")


def age(seconds: int | None) -> str:
    """How long ago something was read, to the minute."""
    if seconds is None:
        return "never read"
    minutes = seconds // 60
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def plain_decimal(amount: Decimal) -> str:
    """An exact amount without an exponent and without trailing zeros."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def plan(fingerprint: str) -> str:
    """A stored plan of readings (`timetable.Plan.fingerprint`), without what is as usual.

    `every 6h, between 22:00-06:00 Europe/Berlin, jitter 5m`
    """
    slots, *rest = fingerprint.split("; ")
    if len(rest) != 3:
        return fingerprint
    zone, window, jitter = rest
    parts = [_span(slots)]
    if window != "always":
        parts.append(f"between {window} {zone}")
    elif slots.startswith("cron"):
        parts.append(zone)
    if jitter != "jitter 0:00:00":
        parts.append(_span(jitter))
    return ", ".join(parts)


def _span(text: str) -> str:
    """`every 6h` for `every 6:00:00`, which has Python's text of a duration."""
    found = _DURATION.search(text)
    if found is None:
        return text
    days, hours, minutes, seconds = (float(number or 0) for number in found.groups())
    span = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    return text[: found.start()] + show_duration(span)


def counted(counts: Mapping[str, int]) -> str:
    """`3 added, 1 held`, without what there is none of."""
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def number_of(count: int, thing: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def keys(counts: Mapping[str, int], most: int = 5) -> str:
    """`pricing.video in 12 rows, discount in 1 row`, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{key} in {number_of(count, 'row')}" for key, count in ordered[:most]]
    more = len(ordered) - len(shown)
    return ", ".join(shown + ([f"and {more} more keys"] if more else []))


def rule_names(reasons: Sequence[str]) -> str:
    """The rules that hold a change, without the details."""
    return ", ".join(dict.fromkeys(reason.partition(":")[0] for reason in reasons))


def short_reason(reason: str) -> str:
    """The reason of a state; of a held change, only the rules that hold it."""
    kind, _, reasons = reason.partition(": ")
    if kind != "held":
        return reason
    # A detail may have a comma too, but does not begin with the name of a rule.
    parts = [part for part in reasons.split(", ") if part.partition(":")[0] in RULE_CARDS]
    return f"held by {rule_names(parts)}"


def listing(known: Known) -> str:
    """A listing on one line: `input 2.5, output 10, 1 condition`."""
    if known is None:
        return "not listed"
    if isinstance(known, Unpriced):
        return f"no price ({known})"
    rates = [f"{meter} {rate}" for meter, rate in write_rates(known.rates).items()]
    conditions = len(known.conditional_rates)
    if conditions:
        rates.append(f"{conditions} condition{'s' if conditions > 1 else ''}")
    return ", ".join(rates)


def notice(said: Notice) -> str:
    """`deprecated, ends on 2026-08-10; its successor is …`."""
    parts = ["deprecated"] if said.deprecated else []
    parts += [f"ends on {said.ends_on}"] if said.ends_on else []
    successor = [f"its successor is {said.replaced_by}"] if said.replaced_by else []
    return "; ".join(filter(None, [", ".join(parts), *successor]))


def condition(when: When) -> str:
    """`min_input_tokens 200001, service_tier batch`."""
    return ", ".join(f"{name} {_plain(name, value)}" for name, value in write_when(when).items())


def _plain(name: str, value: Any) -> str:
    if name == "hours":
        return "–".join(value)
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def change(old: Known, new: Known) -> str:
    """What is different between two listings, on one line."""
    return ", ".join(moved(old, new))


def moved(old: Known, new: Known) -> Iterator[str]:
    """Each difference between two listings: `input 2.5 → 2 (-20 %)`."""
    if not (isinstance(old, RateCard) and isinstance(new, RateCard)):
        yield listing(new) if old is None else f"{listing(old)} → {listing(new)}"
        return
    if old.currency != new.currency:
        yield f"currency {old.currency} → {new.currency}"
    before, after = _by_condition(old), _by_condition(new)
    keys = [key for key in before | after if before.get(key) != after.get(key)]
    yield from (
        move(when, meter, before.get((when, meter)), after.get((when, meter)))
        for when, meter in keys
    )
    if not keys and old.currency == new.currency and old != new:
        yield "the order of the conditions"


def _by_condition(card: RateCard) -> dict[tuple[When | None, Meter], Rate]:
    return {(when, meter): rate for when, meter, rate in card.every_rate()}


def move(when: When | None, meter: Meter, old: Rate | None, new: Rate | None) -> str:
    """One rate before and after: `input 2.5 → 2 (-20 %) when service_tier batch`."""
    under = "" if when is None else f" when {condition(when)}"
    size = ratio(old, new)
    factor = f" ({size})" if size else ""
    return f"{meter} {NONE if old is None else old} → {NONE if new is None else new}{factor}{under}"


def ratio(old: Rate | None, new: Rate | None) -> str:
    """By how much a rate moved: `-20 %`, or `x1e+06` beyond a factor of two; nothing from or to
    none or zero."""
    if not old or not new:
        return ""
    factor = new / old
    return f"{(factor - 1) * 100:+.3g} %" if 0.5 <= factor <= 2 else f"x{factor:.4g}"


def usual_rate(card: RateCard, meter: Meter) -> str:
    """A base rate; a dash where the card names none."""
    rate = card.rates.get(meter)
    return NONE if rate is None else str(rate)
