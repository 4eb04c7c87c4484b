"""A document as bytes, plain and compressed, with the validators of both."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass, field

#: Higher levels take three times as long and save a twentieth.
_GZIP_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Packed:
    """A document as it is served."""

    body: bytes
    #: Made from the body unless it is given.
    gzipped: bytes = field(default=b"", repr=False, kw_only=True)
    #: Of the plain body, in hexadecimal.
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        if not self.gzipped:
            object.__setattr__(self, "gzipped", gzip.compress(self.body, _GZIP_LEVEL, mtime=0))
        object.__setattr__(self, "sha256", hashlib.sha256(self.body).hexdigest())

    @property
    def etag(self) -> str:
        """The strong validator of the plain body."""
        return f'"{self.sha256[:32]}"'

    @property
    def gzipped_etag(self) -> str:
        """The strong validator of the compressed body, whose bytes are others."""
        return f'"{self.sha256[:32]}-gzip"'
