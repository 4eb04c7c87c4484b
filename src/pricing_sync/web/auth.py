"""Access to routes: two tokens, a secret path, and a limit on failures per address."""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict, deque
from enum import StrEnum
from time import monotonic

from fastapi import Request
from pydantic import SecretStr

from pricing_sync.settings import Settings
from pricing_sync.settings.origins import SECRETS
from pricing_sync.web.problems import Problem

#: This many failures of one address within this many seconds get 401; further ones get 429.
MOST_FAILURES, FAILURES_SECONDS = 20, 60.0
#: The failures of at most this many addresses are kept.
_MOST_ADDRESSES = 4096

_CHALLENGE = {"WWW-Authenticate": "Bearer"}


class Scope(StrEnum):
    """The token that a route requires."""

    #: None: probes.
    PUBLIC = "public"
    #: Either token.
    READ = "read"
    #: The admin token.
    ADMIN = "admin"
    #: The secret in the path, for tools that send no header. Not even a token opens it.
    EXPORT_SECRET = "export_secret"  # noqa: S105  a name


class TokenAuth:
    """Checks the `Authorization` header of requests against the tokens in the settings."""

    def __init__(self, settings: Settings) -> None:
        self._admin = _digest(settings.admin_token)
        self._read = _digest(settings.read_token)
        self._export_secret = _digest(settings.export_secret)
        self._failures = Failures()

    def check(self, request: Request, scope: Scope | None) -> None:
        """Check the token of a request for *scope*. The body is not read.

        Raises:
            Problem: 401 without a valid token; 403 if the token does not allow *scope*, or the
                route has no scope; 404 without the secret; 429 after too many failures.
        """
        if scope is None:
            raise Problem(403, "this route declares no scope, so nobody may use it")
        if scope is Scope.PUBLIC:
            return
        if scope is Scope.EXPORT_SECRET:
            self._check_secret(request)
            return
        allowed = self.scope_of(_token(request))
        if allowed is None:
            raise self._refusal(request)
        if scope is Scope.ADMIN and allowed is not Scope.ADMIN:
            raise Problem(403, "this takes the admin token")

    def scope_of(self, token: bytes | None) -> Scope | None:
        """What a token gives access to; None for a wrong one."""
        # All digests have the same length, so a comparison does not reveal the token's length.
        digest = hashlib.sha256(token or b"").digest()
        is_admin = self._admin is not None and hmac.compare_digest(digest, self._admin)
        is_read = self._read is not None and hmac.compare_digest(digest, self._read)
        if token is None or not (is_admin or is_read):
            return None
        return Scope.ADMIN if is_admin else Scope.READ

    def _check_secret(self, request: Request) -> None:
        """Check the secret in the path. A wrong one is answered as a path that does not exist."""
        secret = str(request.path_params.get("secret", "")).encode("utf-8", "replace")
        digest = hashlib.sha256(secret).digest()
        if self._export_secret is None or not hmac.compare_digest(digest, self._export_secret):
            raise self.too_many(request) or Problem(404, "Not Found")

    def too_many(self, request: Request) -> Problem | None:
        """Count a failure; the refusal of an address with too many of them."""
        address = request.client.host if request.client else ""
        wait = self._failures.add(address, monotonic())
        if wait is None:
            return None
        return Problem(
            429, "too many requests without a right token", headers={"Retry-After": str(wait)}
        )

    def _refusal(self, request: Request) -> Problem:
        too_many = self.too_many(request)
        if too_many is not None:
            return too_many
        if self._admin is None:
            detail = f"{SECRETS['admin_token']} is not set, so there is no token that is right"
        else:
            detail = "this takes a header `Authorization: Bearer TOKEN` with a right token"
        return Problem(401, detail, headers=_CHALLENGE)


class Failures:
    """The recent failures of each address.

    When there are too many addresses, the one that failed longest ago is dropped.
    """

    def __init__(self) -> None:
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def add(self, address: str, now: float) -> int | None:
        """Record a failure; after too many, return the whole seconds to wait, else None."""
        times = self._times.setdefault(address, deque(maxlen=MOST_FAILURES))
        self._times.move_to_end(address)
        if len(self._times) > _MOST_ADDRESSES:
            self._times.popitem(last=False)
        if len(times) == MOST_FAILURES and now - times[0] < FAILURES_SECONDS:
            return int(FAILURES_SECONDS - (now - times[0])) + 1
        times.append(now)
        return None


def _digest(secret: SecretStr | None) -> bytes | None:
    if secret is None:
        return None
    return hashlib.sha256(secret.get_secret_value().encode()).digest()


def _token(request: Request) -> bytes | None:
    """The token of the request; None without one, or with several `Authorization` headers."""
    found = [value for name, value in request.scope["headers"] if name == b"authorization"]
    if len(found) != 1:
        return None
    scheme, _, token = found[0].partition(b" ")
    return token if scheme.lower() == b"bearer" and token else None
