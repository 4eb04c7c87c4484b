"""The names of variables in the file: what it refers to instead of having a secret in it."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,99}")


def _variable(text: str) -> str:
    """A name in capitals: a key that was put in its place must not be shown in errors."""
    if not _VARIABLE.fullmatch(text):
        raise ValueError("expected the name of a variable, such as LITELLM_MASTER_KEY")
    return text


#: The name of a variable of the environment.
Variable: TypeAlias = Annotated[str, AfterValidator(_variable)]
