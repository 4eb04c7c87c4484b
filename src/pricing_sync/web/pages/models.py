"""A model: its price, how it moved, what others charge, what a person set, what a usage costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice, pairwise
from typing import Annotated, Any

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse

from pricing_sync.app import PricingSync
from pricing_sync.errors import NoPrice, SettingsError, UnknownName
from pricing_sync.gate import Quote
from pricing_sync.prices.book import Price
from pricing_sync.prices.cost import Cost
from pricing_sync.prices.rates import Meter, Per, Rate, RateCard, When
from pricing_sync.prices.statements import Statement
from pricing_sync.prices.usage import Usage
from pricing_sync.web.auth import Scope
from pricing_sync.web.current_prices import prices_now
from pricing_sync.web.pages.charts import Dot, dots, step_charts
from pricing_sync.web.pages.door import Form, OfSession, SentForm, first
from pricing_sync.web.pages.links import Links
from pricing_sync.web.pages.rendering import render
from pricing_sync.web.problems import Problem
from pricing_sync.web.request_types import read_instant
from pricing_sync.web.routes import Pricing, Routes

routes = Routes("pages")

#: On one page of the list of models.
_LISTED = 200
#: The meters that a form offers first.
USUAL = (Meter.INPUT, Meter.OUTPUT, Meter.CACHE_READ, Meter.CACHE_WRITE)
_LARGEST_QUANTITY = 10**15


@routes.get("/models", Scope.READ)
def models(
    pricing: Pricing,
    request: Request,
    provider: Annotated[str, Query(max_length=200)] = "",
    model: Annotated[str, Query(max_length=1000)] = "",
    after: Annotated[str, Query(max_length=1500)] = "",
) -> Response:
    """The prices in force. With a model, its page: for an id that does not fit into a path."""
    if provider and model:
        return model_page(pricing, request, provider, model)
    found = prices_now(pricing, provider or None, None)
    rest = (price for price in found if f"{price.provider} {price.model}" > after)
    shown = list(islice(rest, _LISTED + 1))
    last = shown[_LISTED - 1] if len(shown) > _LISTED else None
    return render(
        request,
        "models.html",
        prices=shown[:_LISTED],
        meters=USUAL,
        provider=provider,
        providers=sorted({*pricing.settings.providers, *pricing.book().providers()}),
        next_after=f"{last.provider} {last.model}" if last else None,
    )


@routes.get("/models/{provider}/{model:path}", Scope.READ)
def model_page(pricing: Pricing, request: Request, provider: str, model: str) -> Response:
    """One model of one provider."""
    now = datetime.now(UTC)
    price = pricing.book().find(provider, model)
    cards = _history(pricing, provider, model)
    known = pricing.store.model_states(provider, model).get((provider, model))
    if price is None and not cards and known is None and not _is_used(pricing, provider, model):
        raise UnknownName(f"{provider}: {model}: no such model")
    held = [item for item in pricing.held(provider) if item.change.model == model]
    typed = {meter: request.query_params.get(meter.value, "").strip() for meter in Meter}
    cost, refusal = _cost(price, typed, request.query_params.get("tier", ""))
    quotes = pricing.store.peers.quotes(provider, [model]).get(model, [])
    return render(
        request,
        "model.html",
        provider=provider,
        model=model,
        price=price,
        known=known,
        rates=_rates(price),
        conditional=_conditional(price),
        charts=step_charts(cards, now) if cards else [],
        cards=list(reversed(cards)),
        previous=_previous(cards),
        held=held,
        overrides=_overrides(pricing, provider, model),
        quotes=sorted(quotes, key=lambda quote: (quote.lineage, quote.source)),
        dots=_dots(price, quotes),
        usual=USUAL,
        meters=list(Meter),
        typed={meter: text for meter, text in typed.items() if text},
        tier=request.query_params.get("tier", ""),
        cost=cost,
        refusal=refusal,
    )


def _is_used(pricing: PricingSync, provider: str, model: str) -> bool:
    """Whether traffic names this model, which no list has."""
    named = ((one.provider, one.model) for one in pricing.usage.unpriced())
    return (provider, model) in named


def _history(pricing: PricingSync, provider: str, model: str) -> Sequence[Statement]:
    try:
        return pricing.history(provider, model)
    except UnknownName:
        return []


def _previous(cards: Sequence[Statement]) -> Mapping[str, Statement]:
    """By the id of a card, the one before it."""
    return {later.card_id: earlier for earlier, later in pairwise(cards)}


def _rates(price: Price | None) -> Mapping[Meter, Rate]:
    return price.listing.rates if price and isinstance(price.listing, RateCard) else {}


def _conditional(price: Price | None) -> Sequence[tuple[When, Meter, Rate]]:
    if price is None or not isinstance(price.listing, RateCard):
        return []
    return [(when, meter, rate) for when, meter, rate in price.listing.every_rate() if when]


def _dots(price: Price | None, quotes: Sequence[Quote]) -> Mapping[Meter, Sequence[Dot]]:
    rates = _rates(price)
    found = {meter: dots(meter, None, rates.get(meter), quotes) for meter in USUAL[:2]}
    return {meter: marks for meter, marks in found.items() if len(marks) > 1}


def _overrides(pricing: PricingSync, provider: str, model: str) -> list[dict[str, object]]:
    states = pricing.override_states(provider, model)
    return [
        {"override": one, "upstream": rate, "moved": moved, "state": states.get(one.id)}
        for one, rate, moved in pricing.override_report(provider, model)
    ]


def _cost(price: Price | None, typed: Mapping[Meter, str], tier: str) -> tuple[Cost | None, str]:
    """The cost of the calculator's usage, or why there is none."""
    if price is None or not any(typed.values()):
        return None, ""
    try:
        fields: dict[str, Any] = {
            meter.value: _quantity(meter, text) for meter, text in typed.items() if text
        }
        return price.cost(Usage(**fields, service_tier=tier or None)), ""
    except (NoPrice, ValueError) as error:
        return None, str(error)


def _quantity(meter: Meter, text: str) -> int:
    """A whole number, with or without commas between its thousands.

    Raises:
        ValueError: it is none, or too large.
    """
    digits = text.replace(",", "")
    if not (digits.isascii() and digits.isdigit() and int(digits[:20]) <= _LARGEST_QUANTITY):
        raise ValueError(f"{meter}: expected a whole number, {_LARGEST_QUANTITY:,} at most")
    return int(digits)


@routes.get("/evidence/{digest}", Scope.READ)
def evidence(pricing: Pricing, digest: str) -> Response:
    """The bytes of a provider's answer, to be saved: a browser never shows them as a page."""
    body = pricing.store.evidence(digest)
    if body is None:
        raise Problem(404, "these bytes are not kept, or no longer")
    headers = {"Content-Disposition": f'attachment; filename="{digest[:12]}.txt"'}
    return Response(body, media_type="text/plain; charset=utf-8", headers=headers)


@routes.post("/override", Scope.ADMIN)
def set_override(
    pricing: Pricing, request: Request, session: OfSession, form: SentForm
) -> Response:
    """Set a person's rates of a model."""
    provider, model = first(form, "provider"), first(form, "model")
    tier = first(form, "tier")
    pricing.set_override(
        provider,
        model,
        _sent_rates(form),
        author=session.author if session else "",
        reason=first(form, "reason"),
        since=_sent_instant(form, "since"),
        until=_sent_instant(form, "until"),
        currency=first(form, "currency").upper() or None,
        when=When(service_tier=tier) if tier else None,
        flat="flat" in form,
    )
    return RedirectResponse(Links(request).model(provider, model), status_code=303)


def _sent_rates(form: Form) -> dict[Meter, Rate]:
    """The rates of a form, per million units; an empty field is none.

    Raises:
        SettingsError: one is not an amount.
    """
    found = {}
    for meter in Meter:
        text = first(form, f"rate_{meter}")
        if text:
            try:
                found[meter] = Rate.of(text, Per.MILLION)
            except ValueError as error:
                raise SettingsError(f"{meter}: {error}") from None
    return found


def _sent_instant(form: Form, name: str) -> datetime | None:
    """An instant of a form, in UTC; None for an empty field."""
    text = first(form, name)
    try:
        return read_instant(text) if text else None
    except ValueError as error:
        raise SettingsError(f"{name}: {error}") from None


@routes.post("/override/end", Scope.ADMIN)
def end_override(
    pricing: Pricing, request: Request, session: OfSession, form: SentForm
) -> Response:
    """End the overrides of a meter, or all of the model."""
    provider, model, meter = first(form, "provider"), first(form, "model"), first(form, "meter")
    try:
        meters = [Meter(meter)] if meter else []
    except ValueError:
        raise SettingsError("meter: expected the name of a meter") from None
    pricing.end_override(
        provider,
        model,
        meters,
        author=session.author if session else "",
        reason=first(form, "reason"),
    )
    return RedirectResponse(Links(request).model(provider, model), status_code=303)
