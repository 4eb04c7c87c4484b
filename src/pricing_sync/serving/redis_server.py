"""The Redis of the settings. While it is away, all works as if there was none: later, or slower."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from pricing_sync.background import Guard
from pricing_sync.errors import RedisUnavailable, SettingsError, masked

if TYPE_CHECKING:  # an optional extra
    import redis

#: How long to wait for a connection, and for an answer.
TIMEOUT_SECONDS = 0.5
#: After a failure nobody waits for it again for this long.
_PAUSE_SECONDS = 5.0
_OPTIONS: dict[str, Any] = {
    "socket_connect_timeout": TIMEOUT_SECONDS,
    "socket_timeout": TIMEOUT_SECONDS,
    "client_name": "pricing-sync",
}

T = TypeVar("T")


class RedisServer:
    """One Redis, for all threads of a process. Its failures reach *guard*, and nobody else."""

    def __init__(self, url: str, guard: Guard) -> None:
        """Make a client, which connects when it is needed.

        Raises:
            SettingsError: *url* is not valid, or the library is missing.
        """
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError as error:
            raise SettingsError(
                f"redis_url: {error.name}: pip install 'pricing-sync[redis]' to use Redis"
            ) from error
        self._url, self.guard = url, guard
        #: What is raised when Redis cannot be used.
        self.errors = (redis.RedisError, OSError)
        # A connection that was idle may be closed: then there is one more try, on a new one.
        retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
        try:
            self._client = redis.Redis.from_url(url, retry=retry, **_OPTIONS)
        except ValueError as error:
            raise SettingsError(f"redis_url: {masked(url)}: {error}") from None
        self._retry_at = 0.0

    def call(self, work: Callable[[redis.Redis], T]) -> T | None:
        """The result of *work* on the client; None while Redis cannot be used."""
        if monotonic() < self._retry_at:
            return None
        try:
            result = work(self._client)
        except self.errors as error:
            self._retry_at = monotonic() + _PAUSE_SECONDS
            self.guard.report("redis", self.unavailable(error))
            return None
        self.guard.forget("redis")
        return result

    def check(self) -> None:
        """Check that it answers.

        Raises:
            RedisUnavailable: it does not.
        """
        try:
            self._client.ping()
        except self.errors as error:
            raise self.unavailable(error) from None

    def unavailable(self, error: Exception) -> RedisUnavailable:
        """An error with a text for people."""
        why = str(error) or type(error).__name__
        return RedisUnavailable(f"redis: {masked(self._url)}: {why}")

    def async_client(self) -> redis.asyncio.Redis:
        """A client for an event loop, which tries everything once. Who makes it closes it."""
        import redis.asyncio
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        return redis.asyncio.Redis.from_url(self._url, retry=Retry(NoBackoff(), 0), **_OPTIONS)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
