"""What `tocsin doctor` finds of the Redis that carries events between nodes (ADR 0014)."""

from __future__ import annotations

import time
from typing import Literal, NamedTuple

from tocsin.bus.resp import Answer, Resp, RespError

OLDEST = (7, 0)
SLOW_MS = 5.0
"""A publish and a read are one way each: beyond this a message's way over the bus is noticed."""
ASKED = 20
LIBRARY = "tocsin_bus_1"


class Look(NamedTuple):
    """What was found: a verdict, what it is, how to mend it."""

    verdict: Literal["ok", "warning", "wrong"]
    what: str
    mend: str = ""


def look_at(url: str) -> list[Look]:
    """Look at the version, what it does when it is full, how long it takes to answer, and our functions."""
    try:
        with Resp(url) as redis:
            return _examine(redis)
    except (OSError, RespError, ValueError) as error:
        return [Look("wrong", f"it cannot be used: {error}", "start Redis 7.0 or newer, or correct --bus")]


def _examine(redis: Resp) -> list[Look]:
    info = dict(line.split(":", 1) for line in _text(redis.ask("INFO")).splitlines() if ":" in line)
    version = info.get("redis_version", "0")
    numbers = tuple(int(each) for each in version.split(".")[:2] if each.isdigit())
    if numbers < OLDEST:
        return [Look("wrong", f"version {version}: there are no Functions", "use Redis 7.0 or newer")]
    found = [Look("ok", f"version {version}, {info.get('used_memory_human', '?')} in use")]
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        how = "`CONFIG SET maxmemory-policy noeviction`, and the same in its file"
        found.append(Look("wrong", f"it evicts keys ({policy}): events would be lost", how))
    elif info.get("maxmemory", "0") == "0":
        found.append(Look("ok", "it evicts nothing; its memory is not limited"))
    else:
        found.append(Look("ok", f"it evicts nothing, and is full at {info.get('maxmemory_human', '?')}"))
    found.append(_latency(redis))
    loaded = redis.ask("FUNCTION", "LIST", "LIBRARYNAME", LIBRARY)
    there = "are loaded" if loaded else "can be loaded: the first node does"
    found.append(Look("ok", f"our functions {there}"))
    return found


def _latency(redis: Resp) -> Look:
    times = []
    for _ in range(ASKED):
        began = time.perf_counter()
        redis.ask("PING")
        times.append((time.perf_counter() - began) * 1000)
    times.sort()
    median, worst = times[ASKED // 2], times[-1]
    what = f"it answers in {median:.2f} ms, at worst in {worst:.2f} ms ({ASKED} times)"
    if median > SLOW_MS:
        return Look("warning", what, "put Redis near the nodes, and nothing else on its core")
    return Look("ok", what)


def _text(answer: Answer) -> str:
    return answer if isinstance(answer, str) else ""
