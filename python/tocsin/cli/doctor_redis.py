"""What `tocsin doctor` finds of the Redis that carries events between nodes (ADR 0014)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from tocsin.bus.asking import client_url, member_url

if TYPE_CHECKING:
    from redis import Redis

OLDEST = (7, 0)
TIMEOUT_S = 3.0
SLOW_MS = 5.0
"""A publish and a read are one way each: beyond this a message's way over the bus is noticed."""
ASKED = 20
LIBRARY = "tocsin_bus_2"


class Look(NamedTuple):
    """What was found: a verdict, what it is, how to mend it."""

    verdict: Literal["ok", "warning", "wrong"]
    what: str
    mend: str = ""


def look_at(url: str, prefix: str = "tocsin", partitions: int = 1) -> list[Look]:
    """Look at the version, what it does when it is full, how long it takes to answer, and our functions.

    Of a cluster, at each master that has a partition's keys.
    """
    from redis import RedisError

    try:
        with _link_to(client_url(url)) as redis:
            if not redis.info("cluster").get("cluster_enabled"):
                return _examine(redis)
            return _look_at_cluster(redis, client_url(url), [f"{{{prefix}:{each}}}" for each in range(partitions)])
    except (OSError, RedisError, ValueError) as error:
        return [Look("wrong", f"it cannot be used: {error}", "start Redis 7.0 or newer, or correct --bus")]


def _look_at_cluster(redis: Redis, url: str, tags: list[str]) -> list[Look]:
    from redis import RedisError
    from redis.crc import key_slot

    ask: Callable[[str], Any] = redis.execute_command
    if ask("CLUSTER INFO")["cluster_state"] != "ok":
        return [Look("wrong", "the cluster is down", "`redis-cli cluster info`; it needs a majority and every slot")]
    ranges = []
    for first, last, (host, port, *_), *_ in ask("CLUSTER SLOTS"):
        ranges.append((first, last, member_url(url, host or "", port)))
    used: dict[str, None] = {}
    for tag in tags:
        slot = key_slot(tag.encode())
        used.update((home, None) for first, last, home in ranges if first <= slot <= last)
    masters = len({home for _, _, home in ranges})
    word = "partition" if len(tags) == 1 else "partitions"
    found = [Look("ok", f"a cluster; {len(used)} of its {masters} masters have {len(tags)} {word} of the bus")]
    for home in used:
        try:
            with _link_to(home) as member:
                looks = _examine(member)
        except (OSError, RedisError, ValueError) as error:
            looks = [Look("wrong", f"it cannot be used: {error}", "start it, or let a replica take its place")]
        found += [look._replace(what=f"{urlsplit(home).netloc.rpartition('@')[2]}: {look.what}") for look in looks]
    return found


def _link_to(url: str) -> Redis:
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return Redis.from_url(
        url,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        decode_responses=True,
    )


def _examine(redis: Redis) -> list[Look]:
    info = redis.info()
    version = str(info.get("redis_version", "0"))
    numbers = tuple(int(each) for each in version.split(".")[:2] if each.isdigit())
    if numbers < OLDEST:
        return [Look("wrong", f"version {version}: there are no Functions", "use Redis 7.0 or newer")]
    found = [Look("ok", f"version {version}, {info.get('used_memory_human', '?')} in use")]
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        how = "`CONFIG SET maxmemory-policy noeviction`, and the same in its file"
        found.append(Look("wrong", f"it evicts keys ({policy}): events would be lost", how))
    elif not info.get("maxmemory", 0):
        found.append(Look("ok", "it evicts nothing; its memory is not limited"))
    else:
        found.append(Look("ok", f"it evicts nothing, and is full at {info.get('maxmemory_human', '?')}"))
    found.append(_latency(redis))
    loaded = redis.function_list(LIBRARY)
    there = "are loaded" if loaded else "can be loaded: the first node does"
    found.append(Look("ok", f"our functions {there}"))
    return found


def _latency(redis: Redis) -> Look:
    times = []
    for _ in range(ASKED):
        began = time.perf_counter()
        redis.ping()
        times.append((time.perf_counter() - began) * 1000)
    times.sort()
    median, worst = times[ASKED // 2], times[-1]
    what = f"it answers in {median:.2f} ms, at worst in {worst:.2f} ms ({ASKED} times)"
    if median > SLOW_MS:
        return Look("warning", what, "put Redis near the nodes, and nothing else on its core")
    return Look("ok", what)
