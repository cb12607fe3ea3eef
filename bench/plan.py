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
ZSTD = ("--compress", "zstd-stream")
ETF = ("--encoding", "etf")
BEATS_PER_S = 400
"""Of all live sessions together, in an open loop."""
PEERS = ("bun", "picows", "ws", "websockets", "centrifugo", "litestar", "socketio")
SLOW = ("litestar", "socketio")
"""Their figures are far from all others': fewer rounds place them well enough."""
SLOW_ROUNDS = {1000: 2}
"""By sessions; else one."""
HELD_EVENTS = 16
CYCLE_MS = 1500
"""Deadlines where connections come and go: an entry stays in the core's heap until it is due, so memory may settle only
after the longest of them."""
TOWN_USERS = 100
# Only sessions with GUILD_PRESENCES get the members of a guild; so the users also hear of each other.
IN_TOWN = ("--guilds", "10", "--tokens", str(TOWN_USERS), "--intents", str(1 | 1 << 8 | 1 << 9 | 1 << 15))


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

    fanout: tuple[tuple[int, int], ...]
    """(sessions, rounds)."""
    window_s: float
    memory: tuple[int, ...]
    memory_zstd: int
    """The most sessions with a zstd context each: in the generator one takes the window that the server told it."""
    settle_s: float
    storm: int
    storm_rounds: int
    live: int
    accepts: int
    hold_s: int
    cycles: int
    churn: int
    posts: int
    """Of bench/api_cost.py, a round."""
    starts: int = 10
    """Of test servers."""
    flapping: tuple[str, ...] = ()
    large: tuple[str, ...] = ()
    tracing: tuple[str, ...] = ()
    bus: tuple[str, ...] = ()
    takeover: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    """Flags of the benches of these names; of bench/large_guild.py and tracing_cost.py for two."""
    micro: bool = True
    peers: tuple[str, ...] = PEERS


TINY = Scale(
    fanout=((20, 1),), window_s=0.1, memory=(20,), memory_zstd=20, settle_s=0.1, storm=20, storm_rounds=1, live=5,
    accepts=40, hold_s=1, cycles=200, churn=200, posts=20, micro=False, peers=("websockets",),
    starts=2, flapping=(
        "--members=40", "--watchers=20", "--rate=100", "--seconds=0.4", "--rounds=1", "--guild-limit=20",
    ), large=("--members=200", "--sessions=20", "--messages=4", "--rounds=1", "--passive-from=100"),
    tracing=("--rounds=2", "--posts=20", "--fanout-rounds=2", "--messages=1", "--sessions=10"),
    bus=("--sessions=3", "--seconds=0.3", "--rounds=1", "--kinds=k = 2"),
    takeover=("--sessions=30", "--missed=3", "--seconds=0.3", "--rounds=1"),
    restart=(
        "--sessions=30", "--rate=20", "--warm-s=1", "--steady-s=2", "--settle-s=1", "--start-s=6", "--spread-ms", "300",
    ),
)  # fmt: skip
QUICK = Scale(
    fanout=((1000, 2),), window_s=1.0, memory=(1000,), memory_zstd=1000, settle_s=3, storm=1000, storm_rounds=2,
    live=100, accepts=20_000, hold_s=3, cycles=100_000, churn=10_000, posts=300,
    flapping=("--members=3000", "--rate=300", "--seconds=3", "--rounds=4"),
    large=("--members=100000", "--sessions=1000", "--messages=40", "--rounds=2"),
    tracing=("--rounds=40", "--fanout-rounds=20"),
    bus=("--rounds=1",), takeover=("--rounds=1",), restart=("--spread-ms", "2000"),
)  # fmt: skip
FULL = Scale(
    fanout=((1000, 5), (5000, 3)), window_s=1.5, memory=(1000, 5000, 15000), memory_zstd=15000, settle_s=4, storm=3000,
    storm_rounds=3, live=200, accepts=60_000, hold_s=30, cycles=1_000_000, churn=100_000, posts=1000,
)  # fmt: skip


def fanout(scale: Scale, count: int, turn: int, load: Path) -> list[Scenario]:
    """One event at a time, then sixteen outstanding, then 20 a second, for all servers."""
    seconds = scale.window_s
    measured = ("closed:1:0.3", f"closed:1:{seconds}", f"closed:16:{seconds}", f"open:20:{seconds}")
    # Some peers subscribe a client only after they have answered its upgrade.
    plain, discord = ("connect", "idle:0.5", *measured), ("connect", "identify", *measured)

    def core(name: str, flags: tuple[str, ...]) -> Scenario:
        return Scenario("fanout", name, count, servers.core, flags, discord)

    crowd = servers.world(count)
    return [
        Scenario("fanout", "floor", count, lambda: servers.floor(load), PLAIN, plain),
        core("core-json", ()),
        core("core-etf", ETF),
        core("core-zlib", ZLIB),
        core("core-zstd", ZSTD),
        Scenario("fanout", "node-json", count, lambda: servers.node(crowd), (), discord),
        *(
            Scenario("fanout", name, count, lambda name=name: servers.peer(name), PLAIN, plain)  # type: ignore[misc]
            for name in scale.peers
            if name not in SLOW or turn < SLOW_ROUNDS.get(count, 1)
        ),
    ]


def memory(scale: Scale, count: int) -> list[Scenario]:
    """Resident memory of idle sessions in 10 guilds, and what identifying them took."""
    steps = ("idle:0.3", "connect", "identify", "beat", f"idle:{scale.settle_s}")
    in_ten = ("--guilds", "10")
    town = servers.world(TOWN_USERS, guilds=10, channels=20)
    found = []
    for name, flags in (("json", ()), ("zlib", ZLIB), ("zstd", ZSTD)):
        if flags != ZSTD or count <= scale.memory_zstd:
            found += [
                Scenario("idle", f"core-{name}", count, lambda: servers.core(10), (*in_ten, *flags), steps),
                Scenario("idle", f"node-{name}", count, lambda: servers.node(town), (*IN_TOWN, *flags), steps),
            ]
    return found


def storms(scale: Scale) -> list[Scenario]:
    """Accepts, identifies and resumes that each replay 100 events, with live sessions; what posting a message takes."""
    back = ("drop", "publish:100", "connect", "resume")
    resume = ("connect", "identify", *back)
    storm = ("connect", "identify", *back * 4)
    seconds = scale.window_s
    post = ("connect", "identify", "closed:1:0.3", f"open:20:{max(seconds * 2, 2)}", f"closed:16:{seconds}")
    town, pair = servers.world(TOWN_USERS, guilds=10, channels=20), servers.world(1)
    count = scale.storm
    at_once = ("--in-flight", "1000")
    accepts = f"cycle:{scale.accepts}"
    return [
        Scenario("resume", "core-json", count, servers.core, (), resume),
        Scenario(
            "storm", "node-json", count, lambda: servers.node(town), (*IN_TOWN, *at_once), (accepts, *storm), scale.live
        ),
        Scenario("post", "node-json", 1, lambda: servers.node(pair), (), post),
    ]


def boundaries(scale: Scale) -> list[Scenario]:
    """Heartbeats and events while an extension sits on the GIL, and what is left of connections that came and went."""
    beats = max(int(scale.hold_s / 0.7), 1)
    held = ("connect", "identify", f"hold:{HELD_EVENTS}", *("beat", "idle:0.5") * beats)
    few = min(500, scale.storm)
    crowd = servers.world(few)
    return [
        Scenario("gil", "core-json", few, lambda: servers.core(1, scale.hold_s), (), held),
        Scenario(
            "cycles",
            "core-json",
            few,
            lambda: servers.core(patience_ms=CYCLE_MS),
            (),
            ("cycle:1000", f"cycle:{scale.cycles}"),
        ),
        Scenario(
            "churn", "node-json", few, lambda: servers.node(crowd, CYCLE_MS), (), ("churn:1000", f"churn:{scale.churn}")
        ),
    ]


def scenarios(scale: Scale, load: Path) -> list[tuple[int, Scenario]]:
    """All scenarios in the order they run, with their round: rounds alternate servers, so that drift is shared.

    Everything is in the first round: a run that must stop early stops after it.
    """
    found: list[tuple[int, Scenario]] = []
    for turn in range(max(rounds for _, rounds in scale.fanout)):
        for count, rounds in scale.fanout:
            if turn < rounds:
                found += [(turn, each) for each in fanout(scale, count, turn, load)]
        if turn < scale.storm_rounds:
            found += [(turn, each) for each in storms(scale)]
        if turn == 0:
            found += [(0, each) for each in boundaries(scale)]
            for count in scale.memory:
                found += [(0, each) for each in memory(scale, count)]
    return found
