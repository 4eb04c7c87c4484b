"""kill -9 between the commit of an event and its delivery loses none, and changes no id."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from os import kill
from pathlib import Path

from pricing_sync.store import open_store

from notified import Make, serve, until
from receivers import SECRET, Receiver, answering, receiving

KILLS = 15

# For each line that it reads, it starts a copy of itself that reads a provider and delivers until
# it is killed.
_DELIVER_FOREVER = """
import asyncio, json, os, sys
from datetime import timedelta
sys.path.insert(0, sys.argv[3])
from built import catalogue
from pricing_sync.app import PricingSync
from pricing_sync.notify import deliverer
from pricing_sync.settings import Settings, WebhookSettings
from pricing_sync.store import leases
from pricing_sync.store.sqlite import SqliteConnection
from pricing_sync.sync.recorded import RecordedAnswer

SqliteConnection.synchronous = "OFF"  # what a killed process has written is not lost
leases.LEASE = timedelta(seconds=0.3)
deliverer._POLL_SECONDS = 0.01
deliverer._WAITS = (timedelta(seconds=0.05),) * 1000
deliverer._FIRST_PAUSE = deliverer._LONGEST_PAUSE = timedelta(seconds=0.05)

async def run(first):
    settings = Settings(
        database=sys.argv[1],
        lease_seconds=0.05,
        enabled=False,
        webhook=(
            WebhookSettings(
                name="hook-0", url=sys.argv[2], secret_env="HOOK_SECRET", allow_private=True
            ),
        ),
    )
    app = PricingSync(settings)
    async with app.lifespan():
        n = first
        while True:
            n += 1
            price = f"0.00000{1 + n % 8}"
            await app.replay("openrouter", [RecordedAnswer(catalogue(3 + n % 7, price))])
            print(json.dumps(os.getpid()), flush=True)

for line in sys.stdin:
    child = os.fork()
    if not child:
        asyncio.run(run(int(line)))
    os.waitpid(child, 0)
    print(json.dumps("killed"), flush=True)
"""


def test_every_event_is_delivered_at_least_once(make: Make, tmp_path: Path) -> None:
    """With one id and one body, whenever the process is killed, while the receiver has failures."""
    chance = random.Random(1)
    receiver = Receiver()
    receiver.behave = lambda handler: handler.answer(503 if chance.random() < 0.2 else 204)
    with receiving(receiver):
        app = make(receiver)  # the endpoint is known from before all events
        app.close()
        path = tmp_path / "prices.db"
        _kill_again_and_again(path, receiver.url, chance)
        receiver.behave = answering(204)
        last = make(receiver)

        async def work() -> None:
            waits = last._parts.deliverer.states
            await until(
                lambda: not last.store.outbox.pending() and not waits()[0].counts.waiting, 60
            )

        serve(last, work)
    with open_store(f"sqlite:///{path}") as store:
        stored = {
            row[0] for row in store._connection.fetch_all("SELECT id FROM pricing_outbox", {})
        }
    assert len(stored) > KILLS
    assert stored == set(receiver.ids)
    assert len(stored) == len({(one.id, one.body) for one in receiver.got})
    assert all(one.verified(SECRET) for one in receiver.got[-100:])


def _kill_again_and_again(path: Path, url: str, chance: random.Random) -> None:
    pipe, tests = subprocess.PIPE, str(Path(__file__).parents[1])
    program = [sys.executable, "-c", _DELIVER_FOREVER, f"sqlite:///{path}", url, tests]
    environment = {"HOOK_SECRET": SECRET, "PRICING_SYNC_REFERENCE_HOURS": "0"}
    with subprocess.Popen(
        program, stdin=pipe, stdout=pipe, text=True, env=environment, cwd=path.parent
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        try:
            for number in range(KILLS):
                running.stdin.write(f"{number}\n")
                running.stdin.flush()
                pid = json.loads(running.stdout.readline())
                time.sleep(chance.uniform(0, 0.5))
                kill(pid, signal.SIGKILL)
                while json.loads(running.stdout.readline()) != "killed":
                    pass
        finally:
            running.kill()
