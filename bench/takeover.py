"""Takeover: a node is killed and all its sessions resume at another one, beside as many that resume where they were;
and what the journal that makes it possible costs a node per event. Prints one JSON object."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.cluster import cluster, world
from bench.crowd import commit, fleet, keep, spread
from bench.run import first_in_line
from bench.servers import ROOT

INTENTS = 1 | 1 << 9 | 1 << 15
IN_FLIGHT = "1000"
OWNERS: dict[str, dict[str, Any]] = {
    "no bus": {"bus": False},
    "bus, no journal": {"flags": ("--resume-window-ms=0",)},
    "bus and journal": {},
}
PARTS = {
    "worker": "tocsin-worker", "dispatcher": "tocsin-dispatch", "inbox": "tocsin-inbox", "heir": "tocsin-heir",
    "publisher": "tocsin-publish",
}  # fmt: skip
"""Threads of a node by what they do. The rest is Python's loop, the store and HTTP."""


def threads_us(steps: Sequence[dict[str, Any]], each: float) -> dict[str, float]:
    """CPU microseconds of the node's threads in these steps, for one of `each`."""
    found = dict.fromkeys((*PARTS, "rest"), 0.0)
    for step in steps:
        for name, used in step["server_cpu"]["threads_s"].items():
            part = next((part for part, prefix in PARTS.items() if name.startswith(prefix)), "rest")
            found[part] += used / each * 1e6
    return found


def back(given: argparse.Namespace, *, elsewhere: bool) -> dict[str, float]:
    """One round: all sessions lose their connections, miss some messages and resume; what that took."""
    leave = [f"publish:{given.missed}"]
    with cluster(world(given.sessions), 2) as made:
        assert made.redis is not None
        home, other = (made.nodes[1], made.nodes[2]) if elsewhere else (made.nodes[2], made.nodes[2])
        leave = ["lost", f"at:{other.gateway}", *leave] if elsewhere else ["drop", *leave]
        # The first message of a guild whose log Redis does not know brings all of the log with it.
        begin = ["connect", "identify", "beat", "open:2:1"]
        steps = [*begin, "pause", *leave, "pause", "connect", "resume", "pause"]
        with fleet(
            given.load, home, given.sessions, "load-{n}", INTENTS, steps, None, post_to=other,
            more=("--pid", str(other.pid), "--in-flight", IN_FLIGHT),
        ) as sessions:  # fmt: skip
            sessions.paused()
            began = time.time()
            sessions.go()
            sessions.paused()
            if elsewhere:
                began = time.time()
                made.kill(1)
                sessions.paused()
            redis_us = made.redis.cpu_us()
            sessions.go()
            sessions.paused()
            redis_us = made.redis.cpu_us() - redis_us
            sessions.go()
            reports = sessions.done()
    connect, resume = (
        next(step for step in reversed(reports) if step["step"] == name) for name in ("connect", "resume")
    )
    if resume["replayed"] != (given.sessions - resume["invalidated"]) * given.missed:
        raise RuntimeError(f"{resume['replayed']} messages came again")
    used = sum(step["server_cpu"]["total_s"] for step in (connect, resume))
    return {
        "cpu_us": used / given.sessions * 1e6,
        "redis_us": redis_us / given.sessions,
        "back_s": resume["ended_unix"] - connect["began_unix"],
        "from_kill_s": resume["ended_unix"] - began,
        "p50_ms": resume["latency_ms"]["p50"],
        "p99_ms": resume["latency_ms"]["p99"],
        "invalidated": resume["invalidated"],
        **{f"{part}_us": us for part, us in threads_us((connect, resume), given.sessions).items()},
    }


def rounds_of(rounds: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Each figure with its spread."""
    return {name: spread([each[name] for each in rounds], 3) for name in rounds[0]}


def owner(given: argparse.Namespace, more: dict[str, Any]) -> dict[str, Any]:
    """What an event to all sessions costs their node, by rounds."""
    flags: tuple[str, ...] = more.get("flags", ())
    stretch = f"open:{given.rate}:{given.seconds}"
    with cluster(world(given.sessions), 1, *flags, bus=more.get("bus", True)) as made:
        steps = ["connect", "identify", "beat", stretch, *[stretch] * given.rounds]
        with fleet(given.load, made.nodes[1], given.sessions, "load-{n}", INTENTS, steps, first_in_line) as sessions:
            reports = [step for step in sessions.done() if step["step"] == stretch][1:]
    found = []
    for step in reports:
        parts = threads_us((step,), step["published"])
        found.append({"cpu_us": sum(parts.values()), **{f"{part}_us": us for part, us in parts.items()}})
        found[-1]["delivery_us"] = step["server_cpu"]["total_s"] / step["deliveries"] * 1e6
    return rounds_of(found)


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Local resumes and takeovers in turn, then the owners."""
    local, taken = [], []
    for _ in range(given.rounds):
        local.append(back(given, elsewhere=False))
        taken.append(back(given, elsewhere=True))
    owners = {name: owner(given, more) for name, more in OWNERS.items()}
    return {"local": rounds_of(local), "taken": rounds_of(taken), "owners": owners}


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--missed", type=int, default=10, help="messages that each session misses")
    parser.add_argument("--rate", type=int, default=20, help="messages a second for the owner's cost")
    parser.add_argument("--seconds", type=float, default=2, help="of one stretch of them")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--load", type=Path, default=ROOT / "target" / "bench" / "release" / "tocsin-load")
    parser.add_argument("--out", type=Path, help="a file for the JSON")
    given = parser.parse_args()
    result = {
        "bench": "takeover",
        "commit": commit(),
        "sessions": given.sessions,
        "missed": given.missed,
        "rate": given.rate,
        "rounds": given.rounds,
        "figures": measure(given),
    }
    keep(result, given.out)


if __name__ == "__main__":
    main()
