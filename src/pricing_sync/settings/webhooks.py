"""The tables `[[webhook]]`: the addresses that events are sent to."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated, Any, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from pricing_sync.changes.events import KINDS, EventKind
from pricing_sync.settings.values import ProviderNames, read_names
from pricing_sync.settings.variables import Variable

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}")
_EXPECTED = "expected an address such as https://host/path"
#: The endpoints for messages are called `notify-1` and so on.
RESERVED = "notify-"


def _endpoint_name(text: str) -> str:
    if not _NAME.fullmatch(text) or text.startswith(RESERVED):
        raise ValueError(
            f"expected at most 50 letters, digits and . _ -, and not {RESERVED} at the beginning"
        )
    return text


def check_url(text: str, *, allow_private: bool) -> str:
    """The address of an endpoint. No error shows it: its path may be a secret.

    Raises:
        ValueError: it is no address that a webhook can be sent to.
    """
    try:
        parts = urlsplit(text)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError(_EXPECTED) from None
    usable = usable and parts.scheme in ("http", "https") and "@" not in parts.netloc
    usable = usable and not parts.fragment
    if not usable or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(f"{_EXPECTED}, without a user or a fragment")
    if parts.scheme != "https" and not allow_private:
        raise ValueError(f"{_EXPECTED}: http is only for allow_private = true")
    return text


def _event_names(value: Any) -> Any:
    known, names = {kind.value: kind for kind in KINDS}, read_names(value)
    if not isinstance(names, tuple):
        return names
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"{unknown[0][:50]!a} is no event; there are {', '.join(known)}")
    return tuple(known[name] for name in names)


_EndpointName: TypeAlias = Annotated[str, AfterValidator(_endpoint_name)]
EventNames: TypeAlias = Annotated[tuple[EventKind, ...], BeforeValidator(_event_names)]


class WebhookSettings(BaseModel):
    """The table `[[webhook]]`: one address that events are sent to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: _EndpointName = Field(description="what it is called in status, metrics and commands")
    url: str | None = Field(
        default=None, repr=False, description="the address, if its path is no secret"
    )
    url_env: Variable | None = Field(default=None, description="the variable with the address")
    secret_env: Variable = Field(
        description="the variable with the secret `whsec_…`; two of them while it is replaced"
    )
    events: EventNames = Field(
        default=tuple(KINDS), min_length=1, description="the events; by default all"
    )
    providers: ProviderNames = Field(
        default=(), description="only events about these providers; by default about all"
    )
    allow_private: bool = Field(
        default=False, description="whether it may be http, or in a private network"
    )

    @model_validator(mode="after")
    def _check_address(self) -> WebhookSettings:
        if (self.url is None) == (self.url_env is None):
            raise ValueError(f"{self.name}: expected either url or url_env")
        if self.url is not None:
            check_url(self.url, allow_private=self.allow_private)
        return self


def refuse_same_names(webhooks: tuple[WebhookSettings, ...]) -> tuple[WebhookSettings, ...]:
    """The webhooks, after a check that no two have one name."""
    counts = Counter(webhook.name for webhook in webhooks)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise ValueError(f"two webhooks are named {twice[0]}: give each a name of its own")
    return webhooks
