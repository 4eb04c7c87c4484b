"""The endpoints of the settings: the webhooks, and the addresses of messages to people."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

from pricing_sync.changes.events import EventKind
from pricing_sync.notify.apprise_sender import AppriseSender
from pricing_sync.notify.webhook import WebhookSender
from pricing_sync.settings import Settings
from pricing_sync.settings.webhooks import RESERVED
from pricing_sync.store.deliveries import StoredEvent


class Sender(Protocol):
    """Sends events to one address."""

    @property
    def where(self) -> str:
        """The address without what is secret."""

    @property
    def fingerprint(self) -> str:
        """What is another text when the settings are others."""

    def check(self, *, offline: bool) -> None:
        """Check what can be checked without sending anything. It may block.

        Raises:
            DeliveryFailed: no event could be sent.
        """

    async def send(self, event: StoredEvent) -> None:
        """Send an event once.

        Raises:
            DeliveryFailed: it was not taken.
        """


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint of the settings."""

    name: str
    #: `webhook` or `apprise`.
    kind: str
    events: Collection[EventKind]
    #: Empty for all.
    providers: Sequence[str]
    sender: Sender

    def wants(self, event: StoredEvent) -> bool:
        """Whether it is sent an event. One that is about no single provider goes to all."""
        is_its_provider = not self.providers or event.provider in (None, *self.providers)
        return event.kind in self.events and is_its_provider


def notify_urls(settings: Settings) -> list[str]:
    """The Apprise addresses. They are secrets."""
    return settings.notify_urls.get_secret_value().split() if settings.notify_urls else []


def endpoints_of(
    settings: Settings, environment: Mapping[str, str], threads: Executor
) -> Sequence[Endpoint]:
    """The endpoints of the settings. What blocks runs in *threads*."""
    found = [
        Endpoint(
            one.name,
            "webhook",
            one.events,
            one.providers,
            WebhookSender(one, environment, settings.public_url, threads),
        )
        for one in settings.webhook
    ]
    events = (*settings.notify_events, *((EventKind.DIGEST,) if settings.notify_digest else ()))
    urls = notify_urls(settings)
    found += [
        Endpoint(
            f"{RESERVED}{number}",
            "apprise",
            events,
            (),
            AppriseSender(url, settings.public_url, threads),
        )
        for number, url in enumerate(urls, 1)
    ]
    return found
