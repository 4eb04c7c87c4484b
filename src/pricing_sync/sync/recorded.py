"""Recorded answers, read in place of a provider's current answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pricing_sync.prices.instants import refuse_naive
from pricing_sync.sources.http import Fetched
from pricing_sync.sources.provider import PAGE_SEPARATOR
from pricing_sync.sync.access import Fetch

__all__ = ["RecordedAnswer"]


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """The bytes of an answer; its pages are separated as in the evidence."""

    body: bytes
    #: When it was recorded; None for now.
    at: datetime | None = None
    #: Its name in the ledger.
    name: str = "answer"

    def __post_init__(self) -> None:
        refuse_naive(self.at)


def fetch_recorded(answer: RecordedAnswer) -> Fetch:
    """A function that returns *answer* and ignores the ETag."""

    async def fetch(_: str | None) -> Fetched:
        return Fetched(f"file:{answer.name}", tuple(answer.body.split(PAGE_SEPARATOR)), None)

    return fetch
