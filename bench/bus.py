"""Bus: what an event costs Redis where 1, 2 and 4 nodes are interested in it, one at a time and in batches, with the
sessions' journals and without, and how long a message takes to a client of another node. Prints one JSON object."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.cluster import Cluster, Redis, cluster, world
from bench.crowd import Fleet, commit, fleet, keep, spread
from bench.run import first_in_line
from bench.servers import ROOT
from bench.testing_cost import cpu_ms

GUILDS, MESSAGES, CONTENT = 1, 1 << 9, 1 << 15
WARM_S, SETTLE_S = 0.5, 1.5
"""What starting left to do is no idle stretch's."""
OUTSTANDING = 64
"""Messages on their way where they batch."""


@dataclass(frozen=True)
class Kind:
    """A cluster of `nodes`, or one node without a bus. Messages are posted at the first and measured at the last."""

    name: str
    nodes: int
    journal: bool = True
    durable: bool = False
    """Redis appends to a file and syncs it each second."""
    bus: bool = True


KINDS = (
    Kind("one node, no bus", 1, bus=False),
    *(Kind(f"k = {nodes}", nodes) for nodes in (1, 2, 4)),
    *(Kind(f"k = {nodes}, no journal", nodes, journal=False) for nodes in (1, 2, 4)),
    Kind("k = 2, append-only file", 2, durable=True),
)


@dataclass(frozen=True)
class Mark:
    """What had been used at a moment: CPU of Redis and of all nodes, and Redis' commands."""

    redis_us: float
    nodes_us: float
    commands: dict[str, tuple[int, float]]

    @classmethod
    def of(cls, made: Cluster) -> Mark:
        """Take it now."""
        nodes = sum(cpu_ms(node.pid) for node in made.nodes.values()) * 1e3
        redis: Redis | None = made.redis
        return cls(redis.cpu_us() if redis else 0.0, nodes, redis.commands() if redis else {})


def stretch(made: Cluster, posting: Fleet) -> tuple[float, float, dict[str, tuple[int, float]]]:
    """Let the measured fleet do its next step; CPU us of Redis and of the nodes meanwhile, and Redis' commands."""
    before = Mark.of(made)
    posting.go()
    posting.paused()
    after = Mark.of(made)
    none = (0, 0.0)
    commands = {
        name: (calls - before.commands.get(name, none)[0], usec - before.commands.get(name, none)[1])
        for name, (calls, usec) in after.commands.items()
    }
    return after.redis_us - before.redis_us, after.nodes_us - before.nodes_us, commands


def of_commands(commands: dict[str, tuple[int, float]], events: int, nodes: int) -> dict[str, float]:
    """What of an event's cost was inside commands, of which XADD is called both by Functions and by journals."""
    calls = {name: each[0] / events for name, each in commands.items()}
    each_us = {name: usec / count if count else 0.0 for name, (count, usec) in commands.items()}
    journal = max(0.0, calls.get("xadd", 0.0) - nodes)
    journal_us = journal * each_us.get("xadd", 0.0)
    publish_us, read_us = (calls.get(name, 0.0) * each_us.get(name, 0.0) for name in ("fcall", "xread"))
    return {
        "publish_calls": round(calls.get("fcall", 0.0), 3),
        "read_calls": round(calls.get("xread", 0.0), 3),
        "journal_calls": round(journal, 3),
        "publish_us": round(publish_us, 2),
        "read_us": round(read_us, 2),
        "journal_us": round(journal_us, 2),
    }


def of_kind(kind: Kind, given: argparse.Namespace) -> dict[str, Any]:
    """Measure one cluster: idle, one event at a time and in batches, in turn."""
    flags = () if kind.journal else ("--resume-window-ms=0",)
    redis_flags = ("--appendonly", "yes", "--appendfsync", "everysec") if kind.durable else ()
    steps = [f"idle:{given.seconds}", "pause", f"open:{given.rate}:{given.seconds}", "pause"]
    steps += [f"closed:{OUTSTANDING}:{given.seconds}", "pause"]
    start = ["connect", "identify", "beat"]
    measured: dict[str, list[dict[str, Any]]] = {"separate": [], "batched": []}
    with (
        cluster(
            world(given.sessions), kind.nodes, *flags, bus=kind.bus, redis_flags=redis_flags
        ) as made,
        ExitStack() as stack,
    ):  # fmt: skip
        first, last = made.nodes[1], made.nodes[kind.nodes]
        for node in made.nodes.values():
            if node is not last:
                other = fleet(
                    given.load, node, given.sessions, "load-{n}", GUILDS | MESSAGES | CONTENT, [*start, "pause"], None
                )
                stack.enter_context(other).paused()
        posting = stack.enter_context(
            fleet(
                given.load, last, given.sessions, "load-{n}", GUILDS | MESSAGES | CONTENT,
                [*start, f"open:{given.rate}:{WARM_S}", f"idle:{SETTLE_S}", "pause", *steps * given.rounds],
                first_in_line, post_to=first, more=("--posts-at-once", str(OUTSTANDING)),
            )
        )  # fmt: skip
        posting.paused()
        for _ in range(given.rounds):
            idle_us, idle_nodes_us, _ = stretch(made, posting)
            for name in measured:
                redis_us, nodes_us, commands = stretch(made, posting)
                measured[name].append({
                    "redis_us": redis_us - idle_us, "nodes_us": nodes_us - idle_nodes_us, "commands": commands,
                    "idle_us": idle_us,
                })  # fmt: skip
        posting.go()
        reports = posting.done()
    for name, step in (("separate", "open"), ("batched", "closed")):
        found = [each for each in reports if each["step"].startswith(step)]
        for turn, report in zip(measured[name], found[-given.rounds :], strict=True):
            turn |= {"events": report["published"], "wall_s": report["wall_s"], "latency": report["latency_ms"]}
    return {"nodes": kind.nodes, "bus": kind.bus, "journal": kind.journal, "durable": kind.durable} | {
        name: of_stretch(turns, kind, given) for name, turns in measured.items()
    }


def of_stretch(turns: list[dict[str, Any]], kind: Kind, given: argparse.Namespace) -> dict[str, Any]:
    """The figures of one pace over its rounds."""
    found: dict[str, Any] = {
        "events": sum(turn["events"] for turn in turns),
        "per_s": spread([turn["events"] / turn["wall_s"] for turn in turns], 0),
        "nodes_us": spread([turn["nodes_us"] / turn["events"] for turn in turns], 0),
        "p50_ms": spread([turn["latency"]["p50"] for turn in turns]),
        "p99_ms": spread([turn["latency"]["p99"] for turn in turns]),
    }
    if kind.bus:
        found["redis_us"] = spread([turn["redis_us"] / turn["events"] for turn in turns], 1)
        found["idle_us_per_s"] = spread([turn["idle_us"] / given.seconds for turn in turns], 0)
        every = [of_commands(turn["commands"], turn["events"], kind.nodes) for turn in turns]
        found["commands"] = {name: spread([each[name] for each in every], 2)["median"] for name in every[0]}
    return found


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=20, help="at each node")
    parser.add_argument("--rate", type=int, default=50, help="messages a second where they are separate")
    parser.add_argument("--seconds", type=float, default=1.5, help="of one stretch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kinds", default="", help="only those whose names hold this")
    parser.add_argument("--load", type=Path, default=ROOT / "target" / "bench" / "release" / "tocsin-load")
    parser.add_argument("--out", type=Path, help="a file for the JSON")
    given = parser.parse_args()
    kinds = [kind for kind in KINDS if given.kinds in kind.name]
    result = {
        "bench": "bus",
        "commit": commit(),
        "sessions": given.sessions,
        "rate": given.rate,
        "outstanding": OUTSTANDING,
        "seconds": given.seconds,
        "rounds": given.rounds,
        "figures": {kind.name: of_kind(kind, given) for kind in kinds},
    }
    keep(result, given.out)


if __name__ == "__main__":
    main()
