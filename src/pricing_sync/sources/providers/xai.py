"""xAI: whole numbers of US cents per hundred million tokens, so that 12500 is $1.25 per million.

The list has only the models that the key may use, so a first request checks that the key may use
all of them. Batches, tools and the premium of the US region (1.1x) are in prose only. Read 2026-10
in the API reference and its examples; no whole live list was seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from msgspec import Raw, Struct
from msgspec.json import decode

from pricing_sync.prices.model_ids import is_model_id
from pricing_sync.prices.rates import (
    ConditionalRates,
    CurrencyUnit,
    Listing,
    Meter,
    Notice,
    Per,
    Unpriced,
    Unreadable,
    When,
    Why,
)
from pricing_sync.sources.listings import Amount, Fields, as_listing, rates, without_zeros
from pricing_sync.sources.objects import may_hold_price
from pricing_sync.sources.provider import Key, Permission, Pin, Provider
from pricing_sync.sources.rows import Page, parse
from pricing_sync.sources.strict_json import (
    ABSENT,
    BadAmount,
    Incomplete,
    Malformed,
    envelope,
    shorten,
    whole,
)


def _cents(meter: Meter) -> Amount:
    return Amount(meter, Per.HUNDRED_MILLION, CurrencyUnit.CENT)


BASE: Fields = {
    "prompt_text_token_price": _cents(Meter.INPUT),
    "cached_prompt_text_token_price": _cents(Meter.CACHE_READ),
    "completion_text_token_price": _cents(Meter.OUTPUT),
    "prompt_image_token_price": _cents(Meter.INPUT_IMAGE),
    "search_price": _cents(Meter.WEB_SEARCH),
}
# A zero here means that the meter has no long-context price: the standard price applies.
LONG: Fields = {
    "prompt_text_token_price_long_context": _cents(Meter.INPUT),
    "cached_prompt_text_token_price_long_context": _cents(Meter.CACHE_READ),
    "completion_text_token_price_long_context": _cents(Meter.OUTPUT),
}
THRESHOLD = "long_context_threshold"
# A model that reads text only lists images at zero.
_UNSET = frozenset({Meter.INPUT_IMAGE})
# Known fields that are no rate. The unit of `image_price` is unclear: the reference states cents,
# but its own example is in 10⁻⁸ cents.
OTHER: Fields = {THRESHOLD: None, "image_price": None}


class Row(Struct):
    id: str
    aliases: list[str] | None = None


class _Reply(Struct):
    # The answer to a bad key, or to an account without credits, has only these two.
    code: str | None = None
    error: str | None = None


class _List(_Reply):
    models: list[Raw] | None = None
    data: list[Raw] | None = None  # in `/v1/models`


class _KeyInfo(_Reply):
    acls: list[str] | None = None
    api_key_blocked: bool = False
    api_key_disabled: bool = False
    team_blocked: bool = False


def read(body: bytes) -> Page:
    """The whole list. An alias is listed as a model, with the card of its model."""
    answer = envelope(body, _List)
    _refuse_error(answer)
    models = answer.data if answer.models is None else answer.models
    if models is None:
        raise Malformed("body", "neither `models` nor `data`")
    page = Page([])
    for raw, (model, row) in zip(models, parse(models, Row, Counter()), strict=True):
        if isinstance(row, Unreadable):
            # Its aliases are unreadable too. The nameless row keeps them from counting as vanished.
            page.rows += [(model, row), (None, row)]
            continue
        found = _listing(raw, page.ignored)
        aliases = [_alias(alias, found) for alias in row.aliases or ()]
        page.rows += [(model, found), *aliases]
        page.notices |= {alias: Notice(stands_for=model) for alias, _ in aliases if alias}
    return page


def _listing(raw: Raw, ignored: Counter[str]) -> Listing:
    fields = decode(raw, type=dict[str, Raw])
    known = BASE.keys() | LONG.keys() | OTHER.keys()
    prices = {
        key: value for key, value in fields.items() if key in known or may_hold_price(key, value)
    }
    try:
        return listing(prices, ignored)
    except BadAmount as error:
        return Unreadable(str(error))


def _alias(alias: str, model: Listing) -> tuple[str | None, Listing]:
    if is_model_id(alias):
        return alias, model
    return None, Unreadable(f"alias: {shorten(alias.encode())} is not a model id")


def listing(prices: Mapping[str, Raw], ignored: Counter[str]) -> Listing:
    """The listing of one model. Text at zero is not a price, and does not mean free."""
    for key in sorted(prices.keys() & (BASE.keys() | LONG.keys())):
        whole(prices[key], key)  # a fraction would mean another unit
    fields = {**BASE, **dict.fromkeys(LONG), **OTHER}
    published = rates(prices, fields, ignored, "model")
    none = Unpriced(Why.NOT_PER_TOKEN, "no price for tokens of text")
    if not any(published.get(meter) for meter in (Meter.INPUT, Meter.OUTPUT)):
        return as_listing({meter: rate for meter, rate in published.items() if not rate}, none)
    return as_listing(published, none, _long_context(prices, ignored), unset=_UNSET)


def _long_context(prices: Mapping[str, Raw], ignored: Counter[str]) -> tuple[ConditionalRates, ...]:
    published = {key: raw for key, raw in prices.items() if key in LONG}
    long = without_zeros(rates(published, LONG, ignored, "model"))
    if not long:
        return ()
    threshold = whole(prices.get(THRESHOLD, ABSENT), THRESHOLD)
    if not threshold:
        raise BadAmount(f"{THRESHOLD}: none, though there are prices for long contexts")
    # "At or above" in the reference, and "≥ 200k" on the pricing page. Read 2026-10.
    return (ConditionalRates(When(min_input_tokens=threshold), long),)


def check(body: bytes) -> None:
    """Check that the key may use every model: the list has only the models that it may use.

    Raises:
        Malformed: the answer is an error, or does not state what the key may use.
        Incomplete: the key may not use every model, or is blocked.
    """
    key = envelope(body, _KeyInfo)
    _refuse_error(key)
    if key.acls is None:
        raise Malformed("body", "no `acls`")
    if key.api_key_blocked or key.api_key_disabled or key.team_blocked:
        raise Incomplete("body", "the key or its team is blocked")
    if "api-key:model:*" not in key.acls:
        raise Incomplete("acls", "without api-key:model:* the list is a part of the whole")


def _refuse_error(reply: _Reply) -> None:
    if reply.error is not None:
        raise Malformed("body", f"{reply.code}: {reply.error}")


PROVIDER = Provider(
    id="xai",
    name="xAI",
    url="https://api.x.ai/v1/language-models",
    decode=read,
    key=Key(("XAI_API_KEY",)),
    permission=Permission("https://api.x.ai/v1/api-key", check),
    pin=Pin("grok-4.3", Meter.INPUT, rate="1.25", read_on="2026-08-21"),
    page="https://docs.x.ai/developers/pricing",
)
