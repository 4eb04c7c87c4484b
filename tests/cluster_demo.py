"""`make demo-cluster`: what happens to a cluster when its parts die, with an account of it."""

from __future__ import annotations

import signal
import statistics
import sys
from collections.abc import Callable
from itertools import count
from os import kill
from threading import Event, Thread
from time import monotonic, sleep

import httpx

from pricing_sync.demo.faults import Fault

from cluster import (
    EVERY_SECONDS,
    LEASE_SECONDS,
    PROVIDERS,
    TOKEN,
    Cluster,
    broken_invariants,
    running_cluster,
    until,
)

_CORRECTIONS = 40
_CALM_SLOTS = 3
_SLOW = Fault("latency", seconds=1.5)
_FIRST = PROVIDERS[0]


class Load:
    """Asks every service for a price, one request after another, and counts what fails."""

    def __init__(self, cluster: Cluster) -> None:
        self.answered = self.failed = 0
        self.slowest = 0.0
        self._stopping = Event()
        self._threads = [Thread(target=self._ask, args=(port,)) for port in cluster.ports]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, port: int) -> None:
        path = "/v1/prices/openrouter/openai/gpt-4o"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
            while not self._stopping.wait(0.02):
                began = monotonic()
                is_good = client.get(path, timeout=30).status_code == 200
                self.slowest = max(self.slowest, monotonic() - began)
                self.answered += is_good
                self.failed += not is_good


def scenario(cluster: Cluster, say: Callable[[str], None]) -> list[str]:
    """Run it; returns what is broken."""
    for provider in PROVIDERS:
        cluster.next_valid(provider, 0)
    say(f"every provider was read; {EVERY_SECONDS} s to the next slot, leases of {LEASE_SECONDS} s")
    _calm(cluster, say)
    broken = _corrections(cluster, say)
    for name, number in (("killed", signal.SIGKILL), ("frozen", signal.SIGSTOP)):
        _lose_reader(cluster, say, name, number)
    broken += _lose_postgres(cluster, say)
    broken += _same_revision(cluster, say)
    codes = cluster.stop_processes()
    say(f"all were asked to stop: {len(codes)} workers ended, with exit codes {codes}")
    if any(codes):
        broken.append(f"a worker did not stop in order: {codes}")
    runs, readings = cluster.query(
        "SELECT (SELECT COUNT(*) FROM pricing_runs WHERE started_by = 'schedule'),"
        " (SELECT COUNT(*) FROM pricing_readings)"
    )[0]
    kinds = cluster.query(
        "SELECT COALESCE(error_kind, 'valid'), COUNT(*) FROM pricing_readings"
        " GROUP BY 1 ORDER BY 2 DESC"
    )
    listed = ", ".join(f"{number} {kind}" for kind, number in kinds)
    say(f"{runs} scheduled runs, {readings} readings: {listed}")
    return [*broken, *broken_invariants(cluster)]


def _calm(cluster: Cluster, say: Callable[[str], None]) -> None:
    """Some slots without any loss."""
    sleep(_CALM_SLOTS * EVERY_SECONDS)
    runs, readings, workers = cluster.query(
        "SELECT (SELECT COUNT(*) FROM pricing_runs WHERE started_by = 'schedule'),"
        " (SELECT COUNT(*) FROM pricing_readings),"
        " (SELECT COUNT(DISTINCT owner) FROM pricing_queue)"
    )[0]
    say(f"{runs} slots, {readings} readings of {len(PROVIDERS)} providers by {workers} workers")


def _corrections(cluster: Cluster, say: Callable[[str], None]) -> list[str]:
    """Corrections at one service, and when another one shows them."""
    first, last = cluster.api[0], cluster.api[-1]
    seconds = []
    for number in range(1, _CORRECTIONS + 1):
        body = {
            "provider": _FIRST,
            "model": "openai/gpt-4o",
            "rates": {"input": str(number)},
            "author": "demo",
            "reason": "a correction",
        }
        first.post("/admin/pricing/overrides", json=body).raise_for_status()
        began = monotonic()
        for _ in until(lambda: _input_rate(last) != str(number), "a correction is not shown"):  # noqa: B023
            pass
        seconds.append(monotonic() - began)
    middle, slowest = statistics.median(seconds), max(seconds)
    learned = last.get("/ready").json()["book_learned_by"]
    say(
        f"{_CORRECTIONS} corrections, shown by the other service after"
        f" {middle * 1000:.0f} ms (median), {slowest * 1000:.0f} ms (slowest); learned by {learned}"
    )
    return []


def _input_rate(api: httpx.Client) -> str:
    answer = api.get(f"/v1/prices/{_FIRST}/openai/gpt-4o")
    return str(answer.json()["rates"]["input"])


def _lose_reader(cluster: Cluster, say: Callable[[str], None], name: str, number: int) -> None:
    """Lose a worker inside a reading; another one takes it over."""
    cluster.providers.fault(_FIRST, _SLOW)
    reader = cluster.reader_of(_FIRST)
    before = cluster.valid(_FIRST)
    kill(reader.pid, number)
    began = monotonic()
    cluster.providers.clear(_FIRST)
    cluster.next_valid(_FIRST, before)
    say(f"a worker was {name} in a reading: read by another one after {monotonic() - began:.1f} s")
    if number == signal.SIGSTOP:
        kill(reader.pid, signal.SIGCONT)
        sleep(1)
        say("it wakes: what it has read is refused")
    else:
        cluster.workers.remove(reader)
        cluster.add_worker()


def _lose_postgres(cluster: Cluster, say: Callable[[str], None]) -> list[str]:
    """Kill PostgreSQL under load, in the middle of slow readings, and start it again."""
    for provider in PROVIDERS:
        cluster.providers.fault(provider, Fault("latency", seconds=0.5))
    before = {provider: cluster.valid(provider) for provider in PROVIDERS}
    with Load(cluster) as load:
        cluster.reader_of(_FIRST)
        cluster.postgres.kill()
        sleep(4)
        cluster.postgres.start()
        began = monotonic()
        for provider in PROVIDERS:
            cluster.providers.clear(provider)
            cluster.next_valid(provider, before[provider])
        seconds = monotonic() - began
    say(
        f"PostgreSQL was killed and came back after 4 s: every provider was read again"
        f" {seconds:.1f} s later"
    )
    say(
        f"meanwhile the services answered {load.answered} requests, and failed {load.failed};"
        f" the slowest took {load.slowest * 1000:.0f} ms"
    )
    return [f"{load.failed} requests failed"] if load.failed else []


def _same_revision(cluster: Cluster, say: Callable[[str], None]) -> list[str]:
    """Whether every service comes to the newest revision."""
    newest, served = 0, [0]
    for _ in range(200):
        (newest,) = cluster.query("SELECT value FROM pricing_counters WHERE name = 'revision'")[0]
        served = [api.get("/ready").json()["book_revision"] for api in cluster.api]
        if {newest} == set(served):
            say(f"every service serves revision {newest}, the newest")
            return []
        sleep(0.05)
    return [f"services serve {served}, the newest revision is {newest}"]


def main() -> int:
    """Print the account; 1 if an invariant is broken."""
    began, numbers = monotonic(), count(1)

    def say(text: str) -> None:
        print(f"{monotonic() - began:5.1f} s  {next(numbers)}. {text}", flush=True)

    with running_cluster(services=2, workers=2) as cluster:
        say("PostgreSQL, two services, two workers and the simulated providers run")
        broken = scenario(cluster, say)
        for line in broken:
            print(f"BROKEN: {line}")
        if not broken:
            say("every invariant holds: slots read once, nothing half-written, no claim left open")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
