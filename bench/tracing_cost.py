"""Tracing cost: what traces, and what an earlier checkout lacks, cost a node's CPU per POST and per fan-out.

Nodes take turns in many short rounds, so that what disturbs one disturbs the others too; each is compared with the
first one in the same round. Sums are what the default of few slots costs in all, the median what it mostly costs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import random
import resource
import select
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.api_cost import Poster, collecting, thread_ns
from bench.crowd import commit, keep
from tests.support.raw_client import RawClient
from tests.support.server import UNLIMITED, WORLD, Server, running_server

INTENTS = 1 | 1 << 9 | 1 << 15
RESAMPLES = 2000
SLOTS_PER_MILLE = 5
"""The default of `trace_per_mille`."""


class Kind(NamedTuple):
    """A node by what it is to show."""

    name: str
    tree: Path
    per_mille: int
    """-1: without traces."""


def spent_us(server: Server) -> float:
    """Microseconds of CPU that the node has used."""
    return sum(thread_ns(server.process.pid).values()) / 1000


class Crowd:
    """Sessions of one node that take what comes and count it."""

    def __init__(self, server: Server, count: int) -> None:
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._parts: dict[int, bytearray] = {}
        self._clients = []
        for number in range(1, count + 1):
            client = RawClient(server.gateway)
            client.open()
            client.identify(f"load-token-{number}", intents=INTENTS)
            client.read_until(0, "GUILD_CREATE")
            self._clients.append(client)
            client.socket.setblocking(False)
            handle = client.socket.fileno()
            self._sockets[handle], self._parts[handle] = client.socket, bytearray()
            self._poll.register(handle, select.EPOLLIN)

    def take(self, count: int) -> None:
        """Return once so many frames have come, all sessions together.

        Raises:
            RuntimeError: they did not come.
        """
        while count > 0:
            ready = self._poll.poll(20)
            if not ready:
                raise RuntimeError(f"{count} frames never came")
            for handle, _ in ready:
                octets = self._sockets[handle].recv(65536)
                if not octets:
                    raise RuntimeError("a session was closed")
                count -= _frames(self._parts[handle], octets)

    def close(self) -> None:
        """Close all."""
        self._poll.close()
        for each in self._sockets.values():
            each.close()


def _frames(part: bytearray, octets: bytes) -> int:
    """Append octets and take whole frames off the front; return how many."""
    part += octets
    count = 0
    while len(part) >= 4:
        length = part[1] & 127
        end = 2 + length if length < 126 else 4 + int.from_bytes(part[2:4], "big")
        if length == 127 or len(part) < end:
            break
        del part[:end]
        count += 1
    return count


def compared(rounds: Sequence[dict[str, float]], base: str, other: str) -> dict[str, float]:
    """Return the ratio of two nodes' CPU: of the sums and the rounds' median, each with 95 % of its bootstraps."""
    pairs = [(each[other], each[base]) for each in rounds]
    dice = random.Random(7)
    sums, medians = [], []
    for _ in range(RESAMPLES):
        drawn = dice.choices(pairs, k=len(pairs))
        sums.append(sum(a for a, _ in drawn) / sum(b for _, b in drawn))
        medians.append(statistics.median(a / b for a, b in drawn))
    sums.sort()
    medians.sort()
    low, high = int(RESAMPLES * 0.025), int(RESAMPLES * 0.975)
    return {
        "of_sums": round(sum(a for a, _ in pairs) / sum(b for _, b in pairs), 4),
        "of_sums_low": round(sums[low], 4),
        "of_sums_high": round(sums[high], 4),
        "median": round(statistics.median(a / b for a, b in pairs), 4),
        "median_low": round(medians[low], 4),
        "median_high": round(medians[high], 4),
    }


def summed(rounds: Sequence[dict[str, float]]) -> dict[str, object]:
    """Return the figures of all rounds: each node's median, and its ratio to the first."""
    base, *others = rounds[0]
    return {
        "rounds": len(rounds),
        "us": {name: round(statistics.median(each[name] for each in rounds), 2) for name in rounds[0]},
        "ratios": {name: compared(rounds, base, name) for name in others},
    }


def in_turns(names: Sequence[str], number: int) -> list[str]:
    """The order of a round: each node is as often first as any other."""
    shift = number % len(names)
    order = [*names[shift:], *names[:shift]]
    return order if number // len(names) % 2 else order[::-1]


def rounds_of(
    servers: dict[str, Server], rounds: int, units: int, work: Callable[[str], None]
) -> list[dict[str, float]]:
    """Microseconds of CPU per unit of each node, by round.

    From one of its turns to the next, so that what it does later for a turn, such as to send spans, counts too.
    """
    marks: dict[str, list[float]] = {name: [] for name in servers}
    for number in range(rounds):
        for name in in_turns(list(servers), number):
            marks[name].append(spent_us(servers[name]))
            work(name)
    time.sleep(1.5)  # spans are sent once a second
    for name, server in servers.items():
        marks[name].append(spent_us(server))
    return [
        {name: (mine[number + 1] - mine[number]) / units for name, mine in marks.items()} for number in range(rounds)
    ]


def posts(servers: dict[str, Server], count: int, rounds: int, connections: int) -> list[dict[str, float]]:
    """Microseconds of CPU per POST of each node, by round."""
    posters = {name: Poster(server.http, connections) for name, server in servers.items()}
    for poster in posters.values():
        poster.post(4 * connections + 200)
    found = rounds_of(servers, rounds, count, lambda name: posters[name].post(count))
    for poster in posters.values():
        poster.close()
    return found


def fanouts(servers: dict[str, Server], sessions: int, messages: int, rounds: int) -> list[dict[str, float]]:
    """Microseconds of CPU per delivery of each node, by round: messages one at a time to all sessions."""
    crowds = {name: Crowd(server, sessions) for name, server in servers.items()}
    posters = {name: Poster(server.http, 1) for name, server in servers.items()}

    def say(name: str, count: int) -> None:
        for _ in range(count):
            posters[name].post(1)
            crowds[name].take(sessions)

    for name in servers:
        say(name, 5)
    found = rounds_of(servers, rounds, messages * sessions, lambda name: say(name, messages))
    for name in servers:
        crowds[name].close()
        posters[name].close()
    return found


@contextlib.contextmanager
def running(kinds: Sequence[Kind], members: int) -> Iterator[dict[str, Server]]:
    """The nodes, each with its own folder; `members` in the guild besides the few of the tests' world."""
    crowd = {"users": members, "username": "load-{n}", "token": "load-token-{n}", "first_id": "500001", "join": ["Lab"]}
    world = WORLD | {"generate": [crowd]} if members else WORLD
    calm = ("--workers=1", "--heartbeat-interval-ms=600000")
    with contextlib.ExitStack() as stack:
        collector = stack.enter_context(collecting())
        servers = {}
        for kind in kinds:
            more = (f"--trace-endpoint={collector}", f"--trace-per-mille={kind.per_mille}")
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            os.environ["PYTHONPATH"] = str(kind.tree.resolve() / "python")
            flags = (*UNLIMITED, *calm, *(more if kind.per_mille >= 0 else ()))
            servers[kind.name] = stack.enter_context(running_server(folder, *flags, world=world))
        yield servers


def main() -> None:
    """Measure, print and keep."""
    here = Path(__file__).parents[1]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=120, help="of posts")
    parser.add_argument("--posts", type=int, default=300, help="per round and node")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--fanout-rounds", type=int, default=40)
    parser.add_argument("--messages", type=int, default=6, help="per round and node")
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--against", type=Path, help="an earlier checkout with its core built, to be compared too")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "tracing_cost.json")
    given = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    before = [] if given.against is None else [Kind("before", given.against, -1)]
    kinds = [Kind("off", here, -1), Kind("default", here, SLOTS_PER_MILLE), *before]
    figures: dict[str, object] = {}
    with running([*kinds, Kind("all", here, 1000)], 0) as servers:
        figures["post"] = summed(posts(servers, given.posts, given.rounds, given.connections))
    with running(kinds, given.sessions) as servers:
        figures["fanout"] = summed(fanouts(servers, given.sessions, given.messages, given.fanout_rounds))
    result = {
        "bench": "tracing_cost",
        "unit": "microseconds of CPU per POST (reach 4) and per delivery; ratios to the node without traces",
        "sessions": given.sessions,
        "commit": commit(),
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "kernel": platform.release()},
        "load_average": os.getloadavg()[0],
        "figures": figures,
    }
    keep(result, given.out)


if __name__ == "__main__":
    main()
