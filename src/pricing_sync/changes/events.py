"""The kinds of events that others are told of."""

from __future__ import annotations

from enum import StrEnum


class EventKind(StrEnum):
    """What an event says. The values are the types of webhooks."""

    PRICE_CHANGED = "price.changed"
    PRICE_SCHEDULED = "price.scheduled"
    CHANGES_HELD = "changes.held"
    #: The provider's readings fail, until `PROVIDER_RECOVERED`.
    PROVIDER_FAILED = "provider.failed"
    #: Three slots of the provider in a row passed without a reading; until `PROVIDER_RECOVERED`.
    PROVIDER_STALE = "provider.stale"
    PROVIDER_RECOVERED = "provider.recovered"
    RUN_FINISHED = "run.finished"
    UNPRICED_TRAFFIC = "price.unpriced_traffic"
    #: An endpoint did not take an event for a day, until it takes one again.
    DEAD_LETTERS = "webhook.dead_letters"
    #: What has changed since the last one: only for messages to people.
    DIGEST = "digest"
    #: Sent by hand only.
    TEST = "webhook.test"


#: What an endpoint can ask for.
KINDS = tuple(kind for kind in EventKind if kind not in (EventKind.DIGEST, EventKind.TEST))
#: What people are told of at once, unless they ask for something else.
URGENT = (
    EventKind.CHANGES_HELD,
    EventKind.PROVIDER_FAILED,
    EventKind.PROVIDER_STALE,
    EventKind.PROVIDER_RECOVERED,
    EventKind.UNPRICED_TRAFFIC,
    EventKind.DEAD_LETTERS,
)
