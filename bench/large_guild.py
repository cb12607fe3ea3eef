"""Large guild: one node with a guild of half a million members, and thousands of sessions of people who do not look, of
people who do, and of bots: what seeding, identifying, memory and a message cost, and when a message is there. Prints
one JSON object."""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.crowd import Fleet, Node, commit, fleet, keep, node, rss_mib, spread
from bench.servers import ROOT
from bench.testing_cost import cpu_ms

WATCHERS = 10
"""Bots that get every message, where nobody else does or not all do."""
INTENTS = 1 << 9 | 1
SETTLE_S = 1.0
"""What identifies left to do is not the messages'."""


@dataclass(frozen=True)
class Kind:
    """Who is connected: so many of a hundred of the sessions look, so many do not, so many are bots."""

    name: str
    rate: float
    """Messages a second: so slow that one has been delivered before the next."""
    looking: int = 0
    passive: int = 0
    bots: int = 0


KINDS = (
    Kind("alone", 20),
    Kind("passive people", 20, passive=100),
    Kind("looking people", 4, looking=100),
    Kind("half looking, half passive", 8, looking=50, passive=50),
    Kind("bots", 4, bots=100),
)


def world(members: int, sessions: int) -> dict[str, Any]:
    """A guild of ada's with so many members, of whom `sessions` people and bots may log in, and ten bots more."""
    crowds = [
        {"users": sessions, "username": "load-{n}", "token": "load-token-{n}", "join": ["Crowd"]},
        {"users": sessions, "username": "bot-{n}", "token": "bot-token-{n}", "bot": True, "join": ["Crowd"]},
        {"users": WATCHERS, "username": "watch-{n}", "token": "watch-token-{n}", "bot": True, "join": ["Crowd"]},
        {"users": members - 2 * sessions - WATCHERS - 1, "username": "face-{n}", "join": ["Crowd"]},
    ]
    channels = [{"id": str(3001 + number), "name": f"room-{number}", "type": 0} for number in range(20)]
    guild = {"id": "2001", "name": "Crowd", "owner": "ada", "channels": channels}
    ada = {"id": "1001", "username": "ada", "token": "ada-token"}
    return {"users": [ada], "guilds": [guild], "generate": crowds}


def of_kind(kind: Kind, given: argparse.Namespace, server: Node) -> dict[str, Any]:
    """Connect a kind's sessions, post, and measure at those that look or are bots, or else at ten bots."""
    many = {name: getattr(kind, name) * given.sessions // 100 for name in ("looking", "passive", "bots")}
    stretch = f"open:{kind.rate}:{given.messages / kind.rate}"
    measured = ["pause", *[stretch, "pause"] * given.rounds]
    start = ["connect", "identify", "beat"]
    watching = 0 if kind.looking or kind.bots else WATCHERS
    before, began = cpu_ms(server.pid), time.monotonic()
    fleets: list[Fleet] = []
    with ExitStack() as stack:

        def connect(count: int, token: str, steps: list[str]) -> None:
            made = stack.enter_context(fleet(given.load, server, count, token, INTENTS, steps, None))
            made.paused()
            fleets.append(made)

        if many["passive"]:
            # Where half look, they are the same people's other sessions: what counts is the session.
            connect(many["passive"], "load-token-{n}", [*start, "pause"])
        if many["looking"]:
            connect(many["looking"], "load-token-{n}", [*start, "look:0", f"idle:{SETTLE_S}", *measured])
        elif many["bots"]:
            connect(many["bots"], "bot-token-{n}", [*start, f"idle:{SETTLE_S}", *measured])
        else:
            connect(WATCHERS, "watch-token-{n}", [*start, f"idle:{SETTLE_S}", *measured])
        found: dict[str, Any] = {
            **many,
            "messages_per_s": kind.rate,
            "connect_cpu_us": round((cpu_ms(server.pid) - before) / (sum(many.values()) + watching) * 1e3),
            "connect_s": round(time.monotonic() - began - SETTLE_S, 1),
            "rss_mib": round(rss_mib(server.pid)),
        }
        for _ in range(given.rounds):
            fleets[-1].go()
            fleets[-1].paused()
        fleets[-1].go()
        opens = [step for step in fleets[-1].done() if step["step"].startswith("open")]
    return found | {
        "deliveries_each": round(sum(step["deliveries"] for step in opens) / sum(step["published"] for step in opens)),
        "cpu_us": spread([step["server_cpu"]["total_s"] / step["published"] * 1e6 for step in opens], 0),
        "p50_ms": spread([step["latency_ms"]["p50"] for step in opens]),
        "p99_ms": spread([step["latency_ms"]["p99"] for step in opens]),
    }


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Seed and start, then every kind on the same node."""
    began = time.monotonic()
    flags = () if given.passive_from is None else (f"--passive-from-members={given.passive_from}",)
    with node(world(given.members, given.sessions), *flags) as server:
        found: dict[str, Any] = {
            "seed_and_start_s": round(time.monotonic() - began, 1),
            "seed_and_start_cpu_s": round(cpu_ms(server.pid) / 1e3, 1),
            "rss_seeded_mib": round(rss_mib(server.pid)),
        }
        found["kinds"] = {kind.name: of_kind(kind, given, server) for kind in KINDS}
    return found


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=500_000)
    parser.add_argument("--sessions", type=int, default=5_000)
    parser.add_argument("--messages", type=int, default=30, help="of one kind in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--passive-from", type=int, help="passive_from_members, instead of the default")
    parser.add_argument("--load", type=Path, default=ROOT / "target" / "bench" / "release" / "tocsin-load")
    parser.add_argument("--out", type=Path, help="a file for the JSON")
    given = parser.parse_args()
    result = {
        "bench": "large_guild",
        "commit": commit(),
        "members": given.members,
        "sessions": given.sessions,
        "messages": given.messages,
        "rounds": given.rounds,
        "figures": measure(given),
    }
    keep(result, given.out)


if __name__ == "__main__":
    main()
