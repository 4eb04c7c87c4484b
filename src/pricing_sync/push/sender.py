"""Sends a document to a node of the settings, in the way of its tool, with the keys it needs."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx

from pricing_sync.errors import PushFailed
from pricing_sync.push import langfuse, litellm
from pricing_sync.push.node import Node
from pricing_sync.serving.exports import Rendered, Wanted
from pricing_sync.settings import LangfuseNode, LiteLLMNode, Settings
from pricing_sync.settings.origins import key_of

_KEY = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Target:
    """A node of the settings."""

    name: str
    #: `litellm` or `langfuse`, which is also the format that it reads.
    kind: str
    node: LiteLLMNode | LangfuseNode

    @property
    def wanted(self) -> Wanted:
        """The document that it should have."""
        provider = self.node.provider if isinstance(self.node, LangfuseNode) else None
        return Wanted(self.kind, provider)

    def digest(self, rendered: Rendered) -> str:
        """What names a document and the node's address, so that another address is pushed to."""
        return f"{self.node.url} {rendered.sha256}"


def targets_of(settings: Settings) -> Sequence[Target]:
    """The nodes of the settings."""
    push = settings.push
    return [
        *(Target(node.target, "litellm", node) for node in push.litellm),
        *(Target(node.target, "langfuse", node) for node in push.langfuse),
    ]


class Sender:
    """Sends documents to nodes, with the keys of an environment."""

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        self._settings, self._environment = settings, environment

    async def send(
        self,
        client: httpx.AsyncClient,
        target: Target,
        rendered: Rendered | PushFailed,
        *,
        dry_run: bool,
    ) -> tuple[Rendered, str]:
        """Send what the node lacks; returns the document, and what was sent in words.

        Raises:
            PushFailed: there is no document, a key is missing, or the node does not have it now.
        """
        if isinstance(rendered, PushFailed):
            raise rendered
        node = self._node(client, target)
        if target.kind == "litellm":
            wanted = litellm.map_id(rendered.body)
            if dry_run:
                return rendered, "" if await litellm.has_map(node, wanted) else "reload"
            return rendered, "reload" if await litellm.push(node, wanted) else ""
        found = await langfuse.difference(node, rendered.body)
        if not dry_run:
            await langfuse.push(node, found)
        counts = {"put": len(found.put), "deleted": len(found.delete)}
        return rendered, ", ".join(f"{count} {what}" for what, count in counts.items() if count)

    async def check(self, client: httpx.AsyncClient, target: Target, *, offline: bool) -> None:
        """Check the keys of a node and, unless *offline*, that it answers. Nothing is sent to it.

        Raises:
            PushFailed: nothing could be pushed.
        """
        node = self._node(client, target)
        if not offline:
            await (litellm if target.kind == "litellm" else langfuse).check(node)

    def _node(self, client: httpx.AsyncClient, target: Target) -> Node:
        """The API of the node, with its keys.

        Raises:
            PushFailed: a variable is not set, or holds something that is no key.
        """
        if isinstance(target.node, LangfuseNode):
            keys = [self._key(target.node.public_key_env), self._key(target.node.secret_key_env)]
            login = base64.b64encode(":".join(keys).encode()).decode()
            header = f"Basic {login}"
            secrets = [keys[1], login]
        else:
            key = self._key(target.node.key_env)
            header, secrets = f"Bearer {key}", [key]
        export = self._settings.export_secret
        return Node(
            client,
            target.node.url,
            self._settings.deadline_seconds,
            {"Authorization": header},
            # A proxy says the address of its map, whose path may hold our own secret.
            (*secrets, export.get_secret_value() if export else ""),
        )

    def _key(self, variable: str) -> str:
        key = key_of((variable,), self._environment)
        if key is None:
            raise PushFailed("key", f"{variable} is not set")
        if not _KEY.fullmatch(key):
            raise PushFailed("key", f"{variable} has a blank or a character that no key has")
        return key
