"""What the gate holds, with what helps to decide it, and the decisions."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse

from pricing_sync.app import PricingSync
from pricing_sync.changes.held import HeldChange
from pricing_sync.errors import StaleHeldChange
from pricing_sync.gate import Quote
from pricing_sync.json_views.changes import RULE_CARDS, by_rule, version
from pricing_sync.prices.blast_radius import BlastRadius
from pricing_sync.prices.rates import Meter, RateCard
from pricing_sync.serving.excerpt import excerpt
from pricing_sync.serving.held_order import by_blast_radius
from pricing_sync.web.auth import Scope
from pricing_sync.web.pages.charts import Dot, dots
from pricing_sync.web.pages.door import Form, OfSession, SentForm, first
from pricing_sync.web.pages.links import Links
from pricing_sync.web.pages.rendering import render
from pricing_sync.web.problems import Problem
from pricing_sync.web.request_types import ProviderFilter
from pricing_sync.web.routes import Pricing, Routes

routes = Routes("pages")

#: So many held changes are shown in full; of each reading so many, unless one provider is chosen.
_SHOWN, _OF_A_READING = 25, 10
#: The meters whose prices are compared with those of others, of those that move.
_MOST_METERS = 3
#: What has just been done. A link from elsewhere makes the page say nothing else.
_Done: TypeAlias = Annotated[str, Query(pattern=r"^([0-9]{1,7} (accepted|rejected))?$")]


@dataclass(frozen=True, slots=True)
class Shown:
    """A held change with what helps to decide it."""

    item: HeldChange
    version: str
    dots: Mapping[Meter, Sequence[Dot]]
    radius: BlastRadius | None
    excerpt: str | None
    rules: Mapping[str, Sequence[str]]

    def own_rules(self, shared: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
        """What only this change is held for: the rules' names, by what they all say."""
        found: dict[str, list[str]] = {}
        for name, details in self.rules.items():
            if shared.get(name) != details:
                found.setdefault("; ".join(details), []).append(name)
        return found


@dataclass(frozen=True, slots=True)
class Group:
    """The held changes of one reading."""

    provider: str
    reading: str
    #: All of the reading, shown or not.
    items: Sequence[HeldChange]
    shown: Sequence[Shown]

    @property
    def shared(self) -> Mapping[str, Sequence[str]]:
        """The reasons that all of several changes have, by rule."""
        first, *others = [set(item.reasons) for item in self.items]
        common = first.intersection(*others) if others else set()
        return by_rule(reason for reason in self.items[0].reasons if reason in common)

    @property
    def digest(self) -> str:
        """What identifies all of them as they are now."""
        return _digest(self.items)


@routes.get("/review", Scope.READ)
def review(
    pricing: Pricing, request: Request, provider: ProviderFilter = None, done: _Done = ""
) -> Response:
    """The held changes by reading, that with the most at stake first."""
    waiting = pricing.held(provider or None)
    weights = pricing.usage.blast_radius(waiting)
    ordered = by_blast_radius(waiting, weights)
    chosen = _first(ordered, _SHOWN if provider else _OF_A_READING)
    details = _details(pricing, chosen, weights)
    by_reading: dict[tuple[str, str], list[HeldChange]] = {}
    for item in ordered:
        by_reading.setdefault((item.provider, item.reading_id), []).append(item)
    groups = [
        Group(*key, items, [details[item.id] for item in items if item.id in details])
        for key, items in by_reading.items()
    ]
    return render(
        request,
        "review.html",
        groups=[group for group in groups if group.shown],
        hidden=[group for group in groups if not group.shown],
        count=len(waiting),
        provider=provider or "",
        rules=RULE_CARDS,
        used_rules={name for shown in details.values() for name in shown.rules},
        done=done,
    )


def _first(ordered: Sequence[HeldChange], of_a_reading: int) -> list[HeldChange]:
    """The first changes, and not more of one reading than that."""
    seen: Counter[str] = Counter()
    found = []
    for item in ordered:
        if seen[item.reading_id] < of_a_reading:
            found.append(item)
        seen[item.reading_id] += 1
    return found[:_SHOWN]


def _details(
    pricing: PricingSync, items: Sequence[HeldChange], weights: Mapping[str, BlastRadius]
) -> Mapping[str, Shown]:
    """What helps to decide each of *items*, by its id: one query of each kind a provider."""
    bodies = {item.digest: pricing.store.evidence(item.digest) for item in items if item.digest}
    quotes = {
        owner: pricing.store.peers.quotes(
            owner, [item.change.model for item in items if item.provider == owner]
        )
        for owner in {item.provider for item in items}
    }
    return {
        item.id: Shown(
            item,
            version(item),
            _dots(item, quotes[item.provider].get(item.change.model, [])),
            weights.get(item.id),
            _excerpt(item, bodies),
            by_rule(item.reasons),
        )
        for item in items
    }


def _excerpt(item: HeldChange, bodies: Mapping[str, bytes | None]) -> str | None:
    body = bodies.get(item.digest or "")
    return excerpt(body, item.change.model) if body else None


def _dots(item: HeldChange, quotes: Sequence[Quote]) -> Mapping[Meter, Sequence[Dot]]:
    """For each meter that moves, where others' prices are."""
    old, new = (
        listing.rates if isinstance(listing, RateCard) and listing.currency == "USD" else {}
        for listing in (item.change.old, item.change.new)
    )
    moved = [meter for meter in Meter if old.get(meter) != new.get(meter)]
    found = {
        meter: dots(meter, old.get(meter), new.get(meter), quotes) for meter in moved[:_MOST_METERS]
    }
    return {
        meter: marks for meter, marks in found.items() if any(mark.kind == "peer" for mark in marks)
    }


@routes.post("/review", Scope.ADMIN)
def decide(pricing: Pricing, request: Request, session: OfSession, form: SentForm) -> Response:
    """Accept or reject held changes as they were shown, all of them or none."""
    decision, reason = first(form, "decision"), first(form, "reason")
    if decision not in ("accept", "reject"):
        raise Problem(400, "the form names neither accept nor reject")
    if not reason:
        raise Problem(400, "a decision needs a reason; go back and give one")
    items = _chosen(pricing, form)
    method = pricing.accept if decision == "accept" else pricing.reject
    decided = method(items, author=session.author if session else "", reason=reason)
    done = f"{len(decided)} {decision}ed"
    to = Links(request)("review", provider=first(form, "back"), done=done)
    return RedirectResponse(to, status_code=303)


def _chosen(pricing: PricingSync, form: Form) -> list[HeldChange]:
    """The held changes that a form names, if each is as it was shown.

    Raises:
        StaleHeldChange: one is not.
    """
    if "everything" in form:
        reading = first(form, "reading")
        items = [
            item for item in pricing.held(first(form, "provider")) if item.reading_id == reading
        ]
        if _digest(items) != first(form, "everything"):
            raise StaleHeldChange("what waits of this reading is not what was shown")
        return items
    if "change" not in form:
        raise Problem(400, "no change was chosen; go back and tick at least one")
    items = []
    for entry in form["change"]:
        held_id, _, shown = entry.partition(" ")
        item = pricing.store.review.held_change(held_id)
        if version(item) != shown:
            raise StaleHeldChange(f"{item.provider}: {item.change.model}: not what was shown")
        items.append(item)
    return items


def _digest(items: Sequence[HeldChange]) -> str:
    versions = sorted(f"{item.id} {version(item)}" for item in items)
    return hashlib.sha256("\n".join(versions).encode()).hexdigest()


@routes.post("/reconsider", Scope.ADMIN)
def reconsider(pricing: Pricing, request: Request, session: OfSession, form: SentForm) -> Response:
    """Take the rejections of a model back: the next reading judges its change again."""
    provider, model = first(form, "provider"), first(form, "model")
    pricing.reconsider(
        provider, model, author=session.author if session else "", reason=first(form, "reason")
    )
    return RedirectResponse(Links(request).model(provider, model), status_code=303)
