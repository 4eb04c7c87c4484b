"""The ids of models and the names of service tiers: which are safe, and what they say."""

from __future__ import annotations

import re

from pricing_sync.prices.rates import STANDARD_TIERS

# Printable ASCII without quotes, angle brackets and backslashes, and with single spaces at most,
# none of them before a sign that a shell or a sheet would act on. All 5,000 recorded model ids
# match. A text that matches is safe in a log, a URL, a CSV file and a web page.
_MODEL_ID = re.compile(
    r"[A-Za-z0-9@~_](?: (?=[A-Za-z0-9])|[!#$%&()*+,./0-9:;=?@A-Z\[\]^_a-z{|}~-]){0,199}"
)
#: A service tier: a name such as `flex` or `ultra-fast`, which a request or a response states.
TIER_NAME = r"[a-z][a-z0-9_-]{0,39}"
_TIER = re.compile(TIER_NAME)


def is_named_free(model: str) -> bool:
    """Whether the id ends as those of free models do."""
    return model.lower().endswith((":free", "-free"))


def is_model_id(model: str) -> bool:
    """Whether *model* is safe to store and to show: printable ASCII, at most 200 characters."""
    return _MODEL_ID.fullmatch(model) is not None


def is_tier(name: str) -> bool:
    """Whether *name* can be a service tier with rates of its own: a short lower-case word."""
    return name not in STANDARD_TIERS and _TIER.fullmatch(name) is not None
