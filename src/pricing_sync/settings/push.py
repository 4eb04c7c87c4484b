"""The tables `[[push.litellm]]` and `[[push.langfuse]]`: the nodes that prices are pushed to."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from pricing_sync.settings.values import BaseUrl
from pricing_sync.settings.variables import Variable

_NAME = re.compile(r"[A-Za-z0-9._:/-]{1,100}")


def _target_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("expected at most 100 letters, digits and . _ : / -")
    return text


_TargetName: TypeAlias = Annotated[str, AfterValidator(_target_name)]


class _Node(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    url: BaseUrl = Field(description="the address of the node's API")
    name: _TargetName | None = Field(
        default=None, description="what it is called in status; by default its host and port"
    )

    @property
    def target(self) -> str:
        """The name of the node in status, metrics and commands."""
        return self.name or self.url.partition("://")[2]


class LiteLLMNode(_Node):
    """A LiteLLM proxy that reads its cost map from our export."""

    key_env: Variable = Field(description="the variable with an admin key of the proxy")


class LangfuseNode(_Node):
    """A project of Langfuse."""

    public_key_env: Variable = Field(description="the variable with the project's public key")
    secret_key_env: Variable = Field(description="the variable with the project's secret key")
    provider: str | None = Field(
        default=None, description="only this provider; models are then named without it"
    )


class PushSettings(BaseModel):
    """The table `[push]`: the nodes that prices are pushed to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    litellm: tuple[LiteLLMNode, ...] = ()
    langfuse: tuple[LangfuseNode, ...] = ()

    @model_validator(mode="after")
    def _check_names_differ(self) -> PushSettings:
        counts = Counter(node.target for node in (*self.litellm, *self.langfuse))
        twice = [name for name, count in counts.items() if count > 1]
        if twice:
            raise ValueError(f"two nodes are named {twice[0]}: give each a name of its own")
        return self
