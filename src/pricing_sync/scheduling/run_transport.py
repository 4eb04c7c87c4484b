"""Carries run ids from the processes that queue runs to those that read, by Procrastinate.

A job is no more than a run id with a priority: "there is a reading to claim in this run". Jobs may
be lost, late or sent twice. The locks and the retries of Procrastinate are not used: a job that
failed there while another one was queued stayed in progress for ever.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby

import psycopg
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Status
from procrastinate.types import JSONDict

from pricing_sync.errors import StoreError, masked

_READINGS, _TICKS = "pricing_sync_readings", "pricing_sync_ticks"
_READ, _TICK = "pricing_sync.read", "pricing_sync.tick"
#: Every so many seconds of a minute.
_EVERY = "* * * * * */{}"
_CONNECT_SECONDS = 5
_CONNECTIONS = 4
#: Between two looks for jobs, where notifications do not arrive, as through some poolers.
_POLL_SECONDS = 2.0
#: After this time without a sign of life, the jobs of a worker are deleted.
_STALLED_SECONDS = 60
#: The largest priority in the database.
_LARGEST = 2**31 - 1

#: Jobs that are waiting, by run.
_WAITING = """
SELECT args ->> 'run_id' AS run_id, COUNT(*) AS jobs FROM procrastinate_jobs
WHERE status = 'todo' AND queue_name = %(queue)s
GROUP BY 1
"""


class RunTransport:
    """The jobs of one database. It is opened once; afterwards it connects again by itself.

    Every method but `close` raises StoreError while the database does not respond.
    """

    def __init__(
        self,
        url: str,
        read: Callable[[str], Awaitable[None]],
        tick: Callable[[], Awaitable[None]],
        *,
        tick_seconds: int,
    ) -> None:
        """*read* is called with the run id of each job, *tick* regularly in one of the workers."""
        self._name = masked(url)
        connector = PsycopgConnector(
            conninfo=url,
            # A pooler that gives each transaction another connection knows no prepared statements.
            kwargs={
                "prepare_threshold": None,
                "connect_timeout": _CONNECT_SECONDS,
                "application_name": "pricing-sync",
            },
            min_size=1,
            max_size=_CONNECTIONS,
            timeout=_CONNECT_SECONDS,
        )
        self._app = App(connector=connector)

        async def read_job(run_id: str) -> None:
            await read(run_id)

        async def tick_job(timestamp: int) -> None:  # noqa: ARG001  Procrastinate passes it
            await tick()

        self._read_job = self._app.task(name=_READ, queue=_READINGS)(read_job)
        tick_task = self._app.task(name=_TICK, queue=_TICKS)(tick_job)
        self._app.periodic(cron=_EVERY.format(tick_seconds))(tick_task)

    async def open(self) -> None:
        """Connect, and check that the tables are there."""
        with self._translate_errors():
            await self._app.open_async()
            if not await self._app.check_connection_async():
                raise StoreError(
                    f"database: {self._name}: it has no tables for workers:"
                    " run `pricing-sync migrate`"
                )

    async def close(self) -> None:
        """Close the connections."""
        await self._app.close_async()

    async def send(self, run_id: str, priorities: Sequence[int]) -> None:
        """Send a job for each reading of a run that could be claimed, by its priority."""
        with self._translate_errors():
            for priority, same in groupby(priorities):
                at_most = max(min(priority, _LARGEST), -_LARGEST)
                jobs: list[JSONDict] = [{"run_id": run_id} for _ in same]
                await self._read_job.configure(priority=at_most).batch_defer_async(*jobs)

    async def waiting(self) -> Counter[str]:
        """How many jobs of each run no worker has taken yet."""
        with self._translate_errors():
            found = await self._app.connector.execute_query_all_async(_WAITING, queue=_READINGS)
        return Counter({row["run_id"]: row["jobs"] for row in found})

    async def delete_stalled(self) -> None:
        """Delete the jobs of workers that died. Their readings are found in the queue again."""
        jobs = self._app.job_manager
        with self._translate_errors():
            for queue in (_READINGS, _TICKS):
                for job in await jobs.get_stalled_jobs(
                    queue=queue, seconds_since_heartbeat=_STALLED_SECONDS
                ):
                    await jobs.finish_job(job, status=Status.FAILED, delete_job=True)

    async def work(self, at_once: int) -> None:
        """Call *read* for up to so many jobs at once, and *tick*, until the database fails.

        A cancelled call ends at once. What its jobs have started goes on.
        """
        with self._translate_errors():
            workers = [
                asyncio.create_task(self._work(_READINGS, at_once)),
                # Of its own: readings that hang shall not delay it.
                asyncio.create_task(self._work(_TICKS, 1)),
            ]
            try:
                done, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_COMPLETED)
                for worker in done:
                    worker.result()
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
        # A worker ends without an error when its connection for notifications fails.
        raise StoreError(f"database: {self._name}: the connection of the worker was lost")

    async def _work(self, queue: str, at_once: int) -> None:
        await self._app.run_worker_async(
            queues=[queue],
            concurrency=at_once,
            fetch_job_polling_interval=_POLL_SECONDS,
            shutdown_graceful_timeout=0,
            delete_jobs="always",
            install_signal_handlers=False,
        )

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except ConnectorException as error:
            cause = error.__cause__ or error
            raise StoreError(f"database: {self._name}: {_first_line(cause)}") from error
        except psycopg.Error as error:
            raise StoreError(f"database: {self._name}: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
