"""The signature of a webhook, by Standard Webhooks 1.0.

`webhook-signature` has an HMAC-SHA256 of `ID.TIMESTAMP.BODY` for each secret: two while a secret is
replaced, so that the receiver may change its own at any time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

_PREFIX = "whsec_"
_SHORTEST_BYTES = 24


def read_secrets(text: str) -> tuple[bytes, ...]:
    """The keys of secrets with blanks or commas between them.

    Raises:
        ValueError: one is no secret. The message does not show it.
    """
    found = text.replace(",", " ").split()
    if not found:
        raise ValueError("expected a secret")
    return tuple(map(_key, found))


def _key(secret: str) -> bytes:
    encoded = secret.removeprefix(_PREFIX).rstrip("=")
    try:
        # Some tools leave the padding out.
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or len(key) < _SHORTEST_BYTES:
        why = f"expected {_PREFIX} and the base64 of {_SHORTEST_BYTES} bytes or more"
        raise ValueError(why) from None
    return key


def signed_headers(
    event_id: str, at: datetime, body: bytes, keys: Sequence[bytes]
) -> dict[str, str]:
    """The headers of one attempt. The id is that of all attempts, the time is of this one."""
    timestamp = str(int(at.timestamp()))
    text = b".".join((event_id.encode(), timestamp.encode(), body))
    signatures = (hmac.digest(key, text, hashlib.sha256) for key in keys)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(
            f"v1,{base64.b64encode(signature).decode()}" for signature in signatures
        ),
    }
