"""Failover: Redis dies, and a replica that lacks its last writes goes on in its place (asynchronous replication)."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING

from tests.cluster.faultproxy import DEAF, Faults, running_proxy
from tests.support.redis_server import RedisServer

if TYPE_CHECKING:
    from tests.cluster.stage import Stage

PATIENCE_S = 30.0


async def failover(stage: Stage) -> None:
    """A replica is made, cut off for a moment, and promoted when Redis is killed: every node must find the hole."""
    alive = stage.alive()
    before = {node.number: node.inboxes() for node in alive}
    lacking = await asyncio.to_thread(_fail_over, stage, stage.dice.uniform(0.2, 1.0))
    stage.tail_bytes += lacking
    stage.holes_made += len(alive)
    until = time.monotonic() + PATIENCE_S
    for node in alive:
        while node.inboxes() <= before[node.number]:
            if time.monotonic() > until:
                return
            await asyncio.sleep(0.02)
        stage.holes_found += 1


def _fail_over(stage: Stage, lag_s: float) -> int:
    """Return how many octets of the replication stream the replica never got."""
    old = stage.redis
    new = RedisServer(stage.folder / f"redis-{time.monotonic_ns()}", *stage.redis_flags, environment=stage.environment)
    new.start()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    old.call("CONFIG", "SET", "port", str(port), "repl-diskless-sync-delay", "0")
    with running_proxy(("127.0.0.1", port)) as way:
        new.call("REPLICAOF", "127.0.0.1", str(way.port))
        until = time.monotonic() + PATIENCE_S
        while new.info("master_link_status") != "up":
            assert time.monotonic() < until, "the replica did not catch up"
            time.sleep(0.01)
        way.set(Faults(up=DEAF, down=DEAF))
        time.sleep(lag_s)
        written = int(old.info("master_repl_offset"))
        old.kill()
        way.reset()
    new.call("REPLICAOF", "NO", "ONE")
    lacking = written - int(new.info("master_repl_offset"))
    stage.replace_redis(new)
    return lacking
