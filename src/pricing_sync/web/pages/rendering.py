"""Templates to pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pricing_sync import texts
from pricing_sync.changes.diff import Change
from pricing_sync.changes.run import Reading
from pricing_sync.json_views.changes import by_rule
from pricing_sync.prices.rates import Meter
from pricing_sync.version import VERSION
from pricing_sync.web.pages.charts import dot_plot
from pricing_sync.web.pages.links import Links, path_of
from pricing_sync.web.pages.moves import Move, condition, grouped, moves_of

#: Set in the state of an app that has the documentation of its API.
API_DOCS = "pricing_api_docs"
#: Where a request has the state (`state_of`) that its page shows at least.
SEEN = "pricing_sync_seen"
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_UNITS = ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"), (1, "s"))


def render(request: Request, template: str, status: int = 200, /, **context: Any) -> HTMLResponse:
    """A page. It has the links, the session and the present beside its *context*."""
    text = _TEMPLATES.get_template(template).render(
        link=Links(request),
        seen=request.scope.get(SEEN, ""),
        session=request.scope.get("pricing_sync_session"),
        path=path_of(request),
        now=datetime.now(UTC),
        version=VERSION,
        has_api_docs=getattr(request.app.state, API_DOCS, False),
        **context,
    )
    return HTMLResponse(text, status)


def span(seconds: float) -> str:
    """A duration in its largest unit, or two: `5 min`, `3 h 20 min`, `12 d`."""
    rest = int(abs(seconds))
    for index, (size, unit) in enumerate(_UNITS):
        if rest >= size:
            count, rest = divmod(rest, size)
            finer = rest // _UNITS[index + 1][0] if size == _HOUR else 0
            return f"{count} {unit} {finer} {_UNITS[index + 1][1]}" if finer else f"{count} {unit}"
    return "0 s"


def when(at: datetime | None, now: datetime) -> Markup:
    """An instant as the time since or until then; its title is exact."""
    if at is None:
        return Markup("–")
    seconds = (now - at).total_seconds()
    text = f"{span(seconds)} ago" if seconds >= 0 else f"in {span(seconds)}"
    return _time(at, "just now" if 0 <= seconds < 1 else text)


def instant(at: datetime | None) -> Markup:
    """An instant to the minute, in UTC; its title has the seconds."""
    return _time(at, texts.minute(at)) if at is not None else Markup("–")


def _time(at: datetime, text: str) -> Markup:
    exact = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(exact, texts.instant(at), text)


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 model`, `2,400 models`."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def moves(change: Change) -> Iterator[Move]:
    """What is different between the listings of a change, one rate after the other."""
    return moves_of(change.old, change.new)


def meter_name(meter: Meter | str) -> str:
    """A meter in words: `cache read`."""
    return str(meter).replace("_", " ")


def day_name(day: date, today: date) -> str:
    """`Today`, `Yesterday`, or `Monday, 23 November 2026`."""
    names = {0: "Today", 1: "Yesterday"}
    return names.get((today - day).days, f"{day:%A}, {day.day} {day:%B %Y}")


def _amount(amount: Decimal | None) -> str:
    return "no price" if amount is None else grouped(texts.plain_decimal(amount))


def _rules(reasons: Sequence[str]) -> list[str]:
    """The rules that hold a change, in words."""
    return [name.replace("_", " ") for name in by_rule(reasons)]


def _total(readings: Sequence[Reading], of: str) -> int:
    return sum(reading.model_counts()[of] for reading in readings)


def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader("pricing_sync.web.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "when": when,
        "instant": instant,
        "span": span,
        "counted": counted,
        "moves": moves,
        "meter": meter_name,
        "day_name": day_name,
        "condition": condition,
        "listing": texts.listing,
        "short_reason": texts.short_reason,
        "notice": texts.notice,
        "rules": _rules,
        "amount": _amount,
        "grouped": grouped,
        "counts": texts.counted,
        "total": _total,
        "dot_plot": dot_plot,
        "pair_moves": lambda pair: moves_of(*pair),
    }
    return templates


_TEMPLATES = _templates()
