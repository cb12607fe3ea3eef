"""Plan: which scenarios a run has, for a quick look and for the record."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from bench import servers
from bench.servers import Started

PLAIN = ("--protocol", "plain")
ZLIB = ("--compress", "zlib-stream")
ETF = ("--encoding", "etf")
LIVE = 50
VOLLEYS = 60
PEERS = ("bun", "picows", "ws", "websockets")


@dataclass(frozen=True)
class Scenario:
    """One server, one load."""

    group: str
    server: str
    connections: int
    start: Callable[[], AbstractContextManager[Started]]
    flags: tuple[str, ...]
    steps: tuple[str, ...]
    live: int = 0
    """So many sessions of a second generator beat all the while."""

    @property
    def name(self) -> str:
        """Unique in a run."""
        return f"{self.group} {self.connections} {self.server}"


@dataclass(frozen=True)
class Scale:
    """How large and how long."""

    rounds: int
    window_s: float
    fanout: tuple[int, ...]
    memory: tuple[int, ...]
    storm: int
    cycles: int
    peers: tuple[str, ...] = PEERS


QUICK = Scale(rounds=2, window_s=1.2, fanout=(1000,), memory=(1000, 2000), storm=1000, cycles=20_000)
FULL = Scale(rounds=5, window_s=4.0, fanout=(1000, 5000), memory=(1000, 5000, 15000), storm=3000, cycles=1_000_000)


def fanout(scale: Scale, count: int, load: Path) -> list[Scenario]:
    """One event at a time, then sixteen outstanding, then 20 a second, for all servers."""
    seconds = scale.window_s
    measured = ("closed:1:0.3", f"closed:1:{seconds}", f"closed:16:{seconds}", f"open:20:{seconds}")
    plain, discord = ("connect", *measured), ("connect", "identify", *measured)

    def core(name: str, flags: tuple[str, ...]) -> Scenario:
        return Scenario("fanout", name, count, servers.core, flags, discord)

    crowd = servers.world(count)
    return [
        Scenario("fanout", "floor", count, lambda: servers.floor(load), PLAIN, plain),
        core("core-json", ()),
        core("core-etf", ETF),
        core("core-zlib", ZLIB),
        Scenario("fanout", "node-json", count, lambda: servers.node(crowd), (), discord),
        *(
            Scenario("fanout", name, count, lambda name=name: servers.peer(name), PLAIN, plain)  # type: ignore[misc]
            for name in scale.peers
        ),
    ]


def memory(count: int) -> list[Scenario]:
    """Resident memory of idle sessions in 10 guilds, and what identifying them took."""
    steps = ("idle:0.3", "connect", "identify", "beat", "idle:1.0")
    in_ten = ("--guilds", "10")
    town = servers.world(100, guilds=10, channels=20)
    # Only sessions with GUILD_PRESENCES get the members of a guild; so the 100 users also hear of each other.
    users = (*in_ten, "--tokens", "100", "--intents", str(1 | 1 << 8 | 1 << 9 | 1 << 15))
    return [
        Scenario("idle", "core-json", count, lambda: servers.core(10), in_ten, steps),
        Scenario("idle", "core-zlib", count, lambda: servers.core(10), (*in_ten, *ZLIB), steps),
        Scenario("idle", "node-json", count, lambda: servers.node(town), users, steps),
        Scenario("idle", "node-zlib", count, lambda: servers.node(town), (*users, *ZLIB), steps),
    ]


def storms(scale: Scale) -> list[Scenario]:
    """Resumes that each replay 100 events, and what posting a message takes."""
    resume = ("connect", "identify", "drop", "publish:100", "connect", "resume")
    seconds = scale.window_s
    post = ("connect", "identify", "closed:1:0.3", f"open:20:{max(seconds, 2)}", f"closed:16:{seconds}")
    crowd, pair = servers.world(scale.storm), servers.world(1)
    return [
        Scenario("resume", "core-json", scale.storm, servers.core, (), resume),
        Scenario("resume", "node-json", scale.storm, lambda: servers.node(crowd), (), resume),
        Scenario("storm", "node-json", scale.storm, lambda: servers.node(crowd), (), resume, live=LIVE),
        Scenario("post", "node-json", 1, lambda: servers.node(pair), (), post),
    ]


def boundaries(scale: Scale) -> list[Scenario]:
    """Heartbeats while an extension sits on the GIL, and what is left of connections that came and went."""
    held = ("connect", "identify", "hold", *("beat", "idle:0.2") * 8)
    cycles = ("cycle:2000", f"cycle:{scale.cycles}")
    return [
        Scenario("gil", "core-json", 500, servers.core, (), held),
        Scenario("cycles", "core-json", 500, servers.core, (), cycles),
    ]


def scenarios(scale: Scale, load: Path) -> list[tuple[int, Scenario]]:
    """All scenarios in the order they run, with their round: rounds alternate servers, so that drift is shared."""
    found: list[tuple[int, Scenario]] = []
    for turn in range(scale.rounds):
        for count in scale.fanout:
            found += [(turn, each) for each in fanout(scale, count, load)]
        found += [(turn, each) for each in storms(scale)]
    found += [(0, each) for each in boundaries(scale)]
    for count in scale.memory:
        found += [(0, each) for each in memory(count)]
    return found
