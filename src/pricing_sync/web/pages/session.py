"""Sessions of people who signed in with a token: a signed cookie, and nothing stored here."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from pricing_sync.settings import Settings
from pricing_sync.web.auth import Scope

COOKIE = "pricing_sync_session"
_CSRF = "csrf"


@dataclass(frozen=True, slots=True)
class Session:
    """A person who signed in: with which token, by what name, and until when."""

    scope: Scope
    #: The author of what is decided.
    author: str
    #: Seconds since 1970.
    expires: int
    #: What every form of this session has to name.
    csrf: str

    @property
    def may_write(self) -> bool:
        return self.scope is Scope.ADMIN


class Sessions:
    """Makes and checks the cookies.

    Each is signed with a key that is derived from the token it was opened with, so another token
    ends the sessions of the old one.
    """

    def __init__(self, settings: Settings) -> None:
        tokens = {Scope.ADMIN: settings.admin_token, Scope.READ: settings.read_token}
        self._keys: Mapping[Scope, bytes] = {
            scope: _derived(token) for scope, token in tokens.items() if token is not None
        }

    def cookie(self, scope: Scope, author: str, expires: int) -> str:
        """The cookie of a new session."""
        name = urlsafe_b64encode(author.encode()).decode()
        signed = f"{scope}.{expires}.{name}.{secrets.token_urlsafe(12)}"
        return f"{signed}.{_signature(self._keys[scope], signed)}"

    def read(self, cookie: str, now: float) -> Session | None:
        """The session of a cookie; None if it is not one of ours, or has expired."""
        signed, _, signature = cookie.rpartition(".")
        try:
            scope, expires, name, _ = signed.split(".")
            key = self._keys[Scope(scope)]
        except (ValueError, KeyError):
            return None
        wanted = _signature(key, signed)
        if not hmac.compare_digest(wanted.encode(), signature.encode()) or int(expires) <= now:
            return None
        author = urlsafe_b64decode(name).decode()
        return Session(Scope(scope), author, int(expires), _signature(key, f"{_CSRF}.{signed}"))


def _derived(token: SecretStr) -> bytes:
    key = token.get_secret_value().encode()
    return hmac.digest(key, b"pricing-sync session", hashlib.sha256)


def _signature(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
