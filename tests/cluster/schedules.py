"""Schedules: what befalls a stage under load, in which order, all drawn from its dice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from tests.cluster.clocks import clock_ahead, clock_back, clock_right
from tests.cluster.disks import content_full, database_full, redis_log_full, redis_snapshot_full, wal_full
from tests.cluster.failover import failover
from tests.cluster.faultproxy import DEAF, FINE, Faults, Way
from tests.cluster.observer import all_up
from tests.cluster.readers import forgetful, slow_readers, stalled, storm
from tests.cluster.stage import Node, Stage, open_channel
from tests.cluster.verdict import spread

BACK_S = 60.0
UNREAD = 4
"""So many entries may be on their way to a frozen node already."""

DELETE = "local found = redis.call('KEYS', '*:inbox:n%d-*') return #found > 0 and redis.call('DEL', unpack(found)) or 0"
TRIM = (
    "local n = 0 for _, key in ipairs(redis.call('KEYS', '*:inbox:n%d-*')) do"
    " n = n + redis.call('XTRIM', key, 'MAXLEN', 1) end return n"
)
COUNT = (
    "local n = 0 for _, key in ipairs(redis.call('KEYS', '*:inbox:n%d-*')) do"
    " local info = redis.call('XINFO', 'STREAM', key)"
    " for i = 1, #info, 2 do"
    " if info[i] == 'last-generated-id' then n = n + tonumber(string.sub(info[i + 1], 3)) end end end return n"
)
"""How many entries a node's inboxes have had."""

Told = Callable[[str, int], None]
"""Called with what is done now and how many times something was done."""

Figures = dict[str, Any]


async def back(stage: Stage) -> None:
    """Wait until every session is attached; who never comes is told of by the verdict."""
    await all_up(stage.observers, BACK_S)


async def kill(stage: Stage) -> None:
    """SIGKILL a node that has sessions; start it again when they are all elsewhere."""
    node = stage.dice.choice([each for each in stage.alive() if stage.sessions_at(each)] or stage.alive())
    await node.kill()
    await back(stage)
    await node.start()


async def freeze(stage: Stage) -> None:
    """SIGSTOP a node until its sessions have given it up, then let it wake."""
    node = stage.dice.choice(stage.alive())
    node.freeze()
    await asyncio.sleep(stage.scale.heartbeat_ms / 1000 * stage.dice.uniform(0.5, 2.5))
    node.thaw()
    await back(stage)


async def drain(stage: Stage) -> None:
    """SIGTERM a node, and start it again."""
    node = stage.dice.choice(stage.alive())
    await node.drain()
    await node.start()
    await back(stage)


async def redis_empty(stage: Stage) -> None:
    """Kill Redis; it comes back with nothing."""
    await asyncio.to_thread(stage.redis.kill)
    stage.redis.forget()
    await asyncio.sleep(stage.dice.uniform(0, 1))
    await asyncio.to_thread(stage.redis.start)


async def redis_kept(stage: Stage) -> None:
    """Kill Redis; it comes back with its append-only file."""
    await asyncio.to_thread(stage.redis.kill)
    await asyncio.sleep(stage.dice.uniform(0, 1))
    await asyncio.to_thread(stage.redis.start)


async def redis_frozen(stage: Stage) -> None:
    """SIGSTOP Redis for a while."""
    stage.redis.freeze()
    await asyncio.sleep(stage.dice.uniform(0.2, 2))
    stage.redis.thaw()


async def redis_slow(stage: Stage) -> None:
    """Redis is 100 ms away from one node, with jitter, in small pieces."""
    way = Way(latency_ms=50, jitter_ms=50, chop=700)
    await _with(stage, Faults(up=way, down=way), 2)


async def partition(stage: Stage) -> None:
    """A node and Redis hear nothing of each other, in one direction or both, and their connections end afterwards."""
    both = [Faults(up=DEAF, down=DEAF), Faults(up=DEAF), Faults(down=DEAF)]
    node = await _with(stage, stage.dice.choice(both), 5)
    await asyncio.to_thread(node.proxy.reset)


async def cut_off(stage: Stage) -> None:
    """A node's connections to Redis are reset, and new ones refused for a while."""
    node = stage.dice.choice(stage.nodes)
    await asyncio.to_thread(node.proxy.set, Faults(refuse=True))
    await asyncio.to_thread(node.proxy.reset)
    await asyncio.sleep(stage.dice.uniform(0.2, 2))
    await asyncio.to_thread(node.proxy.set, FINE)


async def torn(stage: Stage) -> None:
    """A node's connections to Redis end in the middle of an answer, again and again."""
    way = Way(cut_after=stage.dice.randrange(500, 20_000), chop=stage.dice.choice((0, 1, 7)))
    await _with(stage, Faults(down=way), 2)


async def trimmed(stage: Stage) -> None:
    """A node is frozen, and its inbox loses all but its newest entry meanwhile."""
    await _robbed(stage, TRIM)


async def expired(stage: Stage) -> None:
    """A node is frozen, and its inbox is gone meanwhile, as after its time to live."""
    await _robbed(stage, DELETE)


async def _robbed(stage: Stage, script: str) -> None:
    async def ask(script: str) -> int:
        return int((await asyncio.to_thread(stage.redis.call, "EVAL", script % node.number, "0"))[1:])

    node = stage.dice.choice(stage.alive())
    node.freeze()
    had = await ask(COUNT)
    await asyncio.sleep(0.5)
    before = node.inboxes()
    unread = await ask(COUNT) - had
    gone = await ask(script)
    node.thaw()
    # What had been read before may go.
    if gone and (script == DELETE or unread > UNREAD):
        stage.holes_made += 1
        for _ in range(500):
            if node.inboxes() > before:
                stage.holes_found += 1
                break
            await asyncio.sleep(0.02)


async def flushed(stage: Stage) -> None:
    """All keys of Redis are deleted while it runs, by chance its Functions too."""
    await asyncio.to_thread(stage.redis.call, "FLUSHALL")
    if stage.dice.randrange(2):
        await asyncio.to_thread(stage.redis.call, "FUNCTION", "FLUSH")


async def full(stage: Stage) -> None:
    """Redis refuses to grow for a while."""
    await asyncio.to_thread(stage.redis.call, "CONFIG", "SET", "maxmemory", "1")
    await asyncio.sleep(stage.dice.uniform(0.3, 2))
    await asyncio.to_thread(stage.redis.call, "CONFIG", "SET", "maxmemory", "0")


async def postgres_killed(stage: Stage) -> None:
    """PostgreSQL is killed, and comes back over what it had."""
    assert stage.postgres is not None
    await asyncio.to_thread(stage.postgres.kill)
    await asyncio.sleep(stage.dice.uniform(0, 1))
    await asyncio.to_thread(stage.postgres.start)


async def postgres_frozen(stage: Stage) -> None:
    """SIGSTOP PostgreSQL for a while."""
    assert stage.postgres is not None
    stage.postgres.freeze()
    await asyncio.sleep(stage.dice.uniform(0.2, 2))
    stage.postgres.thaw()


async def _with(stage: Stage, faults: Faults, most_s: float) -> Node:
    """One node's way to Redis has faults for up to so long."""
    node = stage.dice.choice(stage.nodes)
    await asyncio.to_thread(node.proxy.set, faults)
    await asyncio.sleep(stage.dice.uniform(0.3, most_s))
    await asyncio.to_thread(node.proxy.set, FINE)
    return node


Fault = Callable[[Stage], Awaitable[None]]
FAULTS: dict[str, Fault] = {
    "kill": kill, "freeze": freeze, "drain": drain, "redis-empty": redis_empty, "redis-kept": redis_kept,
    "redis-frozen": redis_frozen, "redis-slow": redis_slow, "partition": partition, "cut-off": cut_off, "torn": torn,
    "failover": failover, "trimmed": trimmed, "expired": expired, "flushed": flushed, "full": full,
    "slow-readers": slow_readers, "stalled": stalled, "storm": storm, "forgetful": forgetful,
}  # fmt: skip
POSTGRES_FAULTS: dict[str, Fault] = {"postgres-killed": postgres_killed, "postgres-frozen": postgres_frozen}
DISK_FAULTS: dict[str, Fault] = {
    "database-full": database_full, "content-full": content_full, "redis-log-full": redis_log_full,
    "redis-snapshot-full": redis_snapshot_full,
}  # fmt: skip
# SQLite's log is one of its files; PostgreSQL does not survive that its own cannot grow.
POSTGRES_DISK_FAULTS: dict[str, Fault] = {"wal-full": wal_full}
# Nodes that share a file have one clock; those that share a database server each have their own.
CLOCK_FAULTS: dict[str, Fault] = {
    "clock-ahead": clock_ahead, "clock-back": clock_back, "clock-right": clock_right,
}  # fmt: skip
EVERY_FAULT = FAULTS | POSTGRES_FAULTS | DISK_FAULTS | POSTGRES_DISK_FAULTS | CLOCK_FAULTS
MODES: dict[str, tuple[str, ...]] = {
    "kills": ("kill",),
    "rolling": ("rolling",),
    "redis": ("redis-empty", "redis-kept", "redis-frozen", "redis-slow", "flushed", "full", "failover"),
    "failover": ("failover", "kill"),
    "partition": ("partition", "cut-off", "torn", "trimmed", "expired"),
    "postgres": (*POSTGRES_FAULTS, "kill", "redis-empty"),
    "storm": ("storm", "forgetful", "slow-readers"),
    "slow": ("stalled", "slow-readers"),
    "clocks": (*CLOCK_FAULTS, "kill", "redis-empty"),
    "disk": tuple(DISK_FAULTS),
    "all": tuple(FAULTS),
    "revocation": (),
}


async def play(
    stage: Stage, faults: tuple[str, ...], *, times: int, seconds: float, pause_s: float, told: Told
) -> Figures:
    """Let faults befall a stage under load, `times` or for so long (0: no limit); all kinds before one comes twice."""
    done: dict[str, int] = {}
    until = time.monotonic() + seconds if seconds else float("inf")
    order: list[str] = []
    count = 0
    async with stage.load():
        await asyncio.sleep(pause_s)
        while (not times or count < times) and time.monotonic() < until:
            if not order:
                order = stage.dice.sample(faults, len(faults))
            name = order.pop()
            told(name, count)
            stage.timeline.append((time.time(), name))
            if name == "rolling":
                node = stage.nodes[count % len(stage.nodes)]
                await node.drain()
                await node.start()
                await back(stage)
            else:
                await EVERY_FAULT[name](stage)
            stage.timeline.append((time.time(), f"{name} is over"))
            done[name] = done.get(name, 0) + 1
            count += 1
            await asyncio.sleep(pause_s)
    told("settling", count)
    stage.timeline.append((time.time(), "settling"))
    await stage.settle()
    stage.timeline.append((time.time(), "settled"))
    return {"faults": done}


async def revoke(stage: Stage, *, judged: int, seconds: float, told: Told) -> Figures:
    """Take @everyone's sight of a guild's channel at one node and give it back at another, in every guild, under load.

    Ends when so many messages were told or withheld, or when time is over.
    """
    began, until = time.monotonic(), time.monotonic() + seconds if seconds else float("inf")
    stop = asyncio.Event()
    answered: list[tuple[str, int, float]] = []

    async def move(number: int, guild: int) -> None:
        path = f"/channels/{open_channel(guild)}/permissions/{guild}"
        hidden = False
        while not stop.is_set() or hidden:
            node = stage.nodes[stage.dice.randrange(len(stage.nodes))]
            assert node.server is not None
            body = {"type": 0, "deny": "0" if hidden else "1024", "allow": "0"}
            headers = {"Authorization": f"owner-{number}"}
            async with stage.http.put(node.server.api + path, json=body, headers=headers) as reply:
                assert reply.status == 204, await reply.text()
            hidden = not hidden
            answered.append(("CHANNEL_DELETE" if hidden else "CHANNEL_CREATE", open_channel(guild), time.time()))
            await asyncio.sleep(stage.dice.uniform(0.05, 0.4))

    async with stage.load():
        movers = [asyncio.create_task(move(number, guild)) for number, guild in enumerate(stage.guilds)]
        per_guild = stage.scale.sessions / stage.scale.guilds
        while time.monotonic() < until:
            done = int(len(stage.acknowledged) * per_guild)
            told("revocation", done)
            if judged and done >= judged:
                break
            finished, _ = await asyncio.wait(movers, timeout=0.2, return_when=asyncio.FIRST_EXCEPTION)
            for task in finished:
                task.result()
        stop.set()
        await asyncio.gather(*movers)
    await stage.settle()
    return {
        "operations": len(answered),
        "effect_ms": spread(effects(answered, stage.record.sight_changes)),
        "seconds_under_load": round(time.monotonic() - began, 1),
    }


def effects(answered: list[tuple[str, int, float]], seen: list[tuple[str, int, float]]) -> list[float]:
    """Milliseconds from the answer to each change to each session's hearing of it; 0 where it came first.

    The n-th taking of a channel is what each session's n-th CHANNEL_DELETE tells of, since sessions lose none.
    """
    found = []
    asked: dict[tuple[str, int], list[float]] = {}
    for name, channel, at in answered:
        asked.setdefault((name, channel), []).append(at)
    for key, times in asked.items():
        heard = sorted(at for name, channel, at in seen if (name, channel) == key)
        share, rest = divmod(len(heard), len(times))
        if rest:
            continue
        for number, at in enumerate(times):
            found += [max(0.0, (each - at) * 1000) for each in heard[number * share : (number + 1) * share]]
    return found
