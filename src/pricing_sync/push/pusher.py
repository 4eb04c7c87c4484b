"""Keeps the nodes of other tools on the prices in force.

Of the processes that share a database one pushes, by a lease. It compares every few seconds what
each node has with the document that it should have, so it notices every change, whoever made it:
a run, a decision, an override, a price that was scheduled for now. A node is a task of its own, so
that a slow one delays no other. What each node has is in the database: a restart goes on there.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx

from pricing_sync.background import Guard
from pricing_sync.errors import PushFailed, SettingsError, UnknownName
from pricing_sync.observe.listener import Listener, report_error
from pricing_sync.push.sender import Sender, Target, targets_of
from pricing_sync.serving.exports import Exports, Rendered
from pricing_sync.settings import Settings
from pricing_sync.sources.http import http_client
from pricing_sync.store import Store
from pricing_sync.store.leased_loop import LeasedLoop
from pricing_sync.store.pushes import PushState, PushStatus

#: Between two comparisons.
_POLL_SECONDS = 5.0
#: Waits after a failure: the first, and the longest. A wait is up to a half shorter, at random.
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=5), timedelta(minutes=10)
#: How often a node is checked that is up to date. A proxy may have restarted with another map.
_CHECK_EVERY = {"litellm": timedelta(minutes=5), "langfuse": timedelta(hours=1)}


@dataclass(frozen=True, slots=True)
class PushResult:
    """What one push did, or would do."""

    target: str
    kind: str
    revision: str | None
    #: What was sent, or would be: `reload`, `12 put, 1 deleted`; empty if nothing had to be.
    sent: str = ""
    error: str | None = None


class Pusher:
    """Pushes the prices of one database to the nodes of the settings."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        exports: Exports,
        listeners: Sequence[Listener] = (),
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._store, self._exports = store, exports
        self._listeners = listeners
        self._sender = Sender(settings, environment)
        guard = Guard(partial(report_error, listeners))
        self._loop = LeasedLoop("push", store.pushes.lease, self._start_all, guard, _POLL_SECONDS)
        #: Of the loop, made when it first has the lease.
        self._client: httpx.AsyncClient | None = None
        self.targets = targets_of(settings)

    # In the background

    def start(self) -> None:
        """Push from now on whenever this process has the lease. Starting twice is harmless."""
        if self.targets:
            self._loop.start()

    async def stop(self) -> None:
        """End the pushes. What was not sent is sent after the next start."""
        await self._loop.stop()
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _start_all(self) -> None:
        """Start a task for each node: it ends at once if the node has its document.

        Raises:
            StoreError: the database cannot be read or written.
        """
        if self._client is None:
            self._client = await asyncio.to_thread(http_client)
        client = self._client
        states = await asyncio.to_thread(self._store.pushes.states)
        for target in self.targets:
            state = states.get(target.name) or _new_state(target)
            self._loop.run(target.name, partial(self._bring_if_due, client, target, state))

    async def _bring_if_due(
        self, client: httpx.AsyncClient, target: Target, state: PushState
    ) -> None:
        """Bring a node up to date that has another document, or is to be checked."""
        rendered = await asyncio.to_thread(self._render, target)
        state = await asyncio.to_thread(self._noted, state, target, rendered)
        if _is_due(state, datetime.now(UTC)):
            await self._bring(client, target, rendered, state)

    def _render(self, target: Target) -> Rendered | PushFailed:
        """The document that a node should have, or why there is none."""
        try:
            rendered = self._exports.get(target.wanted)
        except (SettingsError, UnknownName) as error:
            return PushFailed("export", str(error))
        if not rendered.models:
            return PushFailed("export", "no model has a price")
        return rendered

    def _noted(
        self, state: PushState, target: Target, rendered: Rendered | PushFailed
    ) -> PushState:
        """The state, after a change of the document was noted in it."""
        if isinstance(rendered, PushFailed):
            return state
        now, noted = datetime.now(UTC), state
        if state.digest != target.digest(rendered):
            if state.behind_since is None:
                noted = replace(state, behind_since=now, next_at=now)
        elif state.behind_since is None and state.revision != rendered.revision:
            # A reading that changed no price makes a revision, too.
            noted = replace(state, revision=rendered.revision, checked_at=now)
        if noted is not state:
            self._store.pushes.save(noted)
        return noted

    # What each node has

    def states(self) -> list[PushStatus]:
        """The state of each node of the settings.

        Raises:
            StoreError: the database cannot be read.
        """
        if not self.targets:
            return []
        states, revision = self._store.pushes.states(), self._store.revision()
        return [
            PushStatus(
                target.name, target.kind, states.get(target.name) or _new_state(target), revision
            )
            for target in self.targets
        ]

    # At once

    async def push(self, names: Sequence[str] = (), *, dry_run: bool = False) -> list[PushResult]:
        """Push to these nodes (by default all), all at the same time.

        With *dry_run* they are only asked what they have.

        Raises:
            UnknownName: no node has that name.
            StoreError: the database cannot be read or written.
        """
        targets = self._named(names)
        states = await asyncio.to_thread(self._store.pushes.states)
        async with http_client() as client:
            return await asyncio.gather(
                *(
                    self._push_one(
                        client, one, states.get(one.name) or _new_state(one), dry_run=dry_run
                    )
                    for one in targets
                )
            )

    async def _push_one(
        self, client: httpx.AsyncClient, target: Target, state: PushState, *, dry_run: bool
    ) -> PushResult:
        rendered = await asyncio.to_thread(self._render, target)
        if not dry_run:
            return await self._bring(client, target, rendered, state)
        try:
            found, sent = await self._sender.send(client, target, rendered, dry_run=True)
        except PushFailed as error:
            return PushResult(target.name, target.kind, None, error=str(error))
        return PushResult(target.name, target.kind, found.revision, sent)

    def _named(self, names: Sequence[str]) -> Sequence[Target]:
        known = {target.name: target for target in self.targets}
        for name in names:
            if name not in known:
                listed = ", ".join(known) or "the settings have none"
                raise UnknownName(f"{name[:100]!a} is no node to push to: {listed}")
        return [known[name] for name in names] if names else self.targets

    # One node

    async def _bring(
        self,
        client: httpx.AsyncClient,
        target: Target,
        rendered: Rendered | PushFailed,
        state: PushState,
    ) -> PushResult:
        """Bring one node up to date, store its state, and notify the listeners."""
        try:
            found, sent = await self._sender.send(client, target, rendered, dry_run=False)
        except PushFailed as error:
            failed = _failed(state, error, datetime.now(UTC))
            await asyncio.to_thread(self._store.pushes.save, failed)
            self._notify(target, state.revision, "", error)
            return PushResult(target.name, target.kind, state.revision, error=str(error))
        now = datetime.now(UTC)
        reached = PushState(
            target=target.name,
            digest=target.digest(found),
            revision=found.revision,
            checked_at=now,
            next_at=now + _CHECK_EVERY[target.kind],
        )
        await asyncio.to_thread(self._store.pushes.save, reached)
        if sent or state.failures:
            self._notify(target, found.revision, sent, None)
        return PushResult(target.name, target.kind, found.revision, sent)

    def _notify(
        self, target: Target, revision: str | None, sent: str, error: PushFailed | None
    ) -> None:
        for listener in self._listeners:
            listener.on_push(target.name, revision, sent, error)


def _new_state(target: Target) -> PushState:
    return PushState(target=target.name, next_at=datetime.now(UTC))


def _failed(state: PushState, error: PushFailed, now: datetime) -> PushState:
    failures = state.failures + 1
    # 2 to the 10th is beyond the longest wait, and an exponent without end would overflow.
    longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(failures - 1, 10))
    wait = longest * random.uniform(0.5, 1)  # noqa: S311  not a secret
    if error.retry_after_seconds is not None:
        wait = max(wait, min(timedelta(seconds=error.retry_after_seconds), _LONGEST_WAIT))
    return replace(
        state,
        failures=failures,
        error=str(error),
        behind_since=state.behind_since or now,
        next_at=now + wait,
    )


def _is_due(state: PushState, now: datetime) -> bool:
    """Whether to push or check now. A time that is too far away is from before the clock moved."""
    return not now < state.next_at <= now + max(_CHECK_EVERY.values())
