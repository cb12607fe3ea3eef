"""API cost: the node's CPU time per durable message POST, by thread, with 1 and with many connections."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.crowd import commit, keep
from tests.support.postgres_server import PostgresServer, running_postgres
from tests.support.redis_server import running_redis
from tests.support.server import UNLIMITED, WORLD, Server, running_server

CHANNEL, TOKEN = "3001", "ada-token"
BODY = json.dumps({"content": "The quick brown fox jumps over the lazy dog. " * 2, "tts": False}).encode()
REQUEST = (
    f"POST /api/v10/channels/{CHANNEL}/messages HTTP/1.1\r\nHost: bench\r\nAuthorization: {TOKEN}\r\n"
    f"User-Agent: bench\r\nAccept: */*\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
).encode() + BODY
COUNTED = ("--message-rate-limit=1000000", "--global-rate-limit=1000000", "--identify-max-concurrency=100000")
PARTS = ("loop", "store", "http", "gateway")
Spent = dict[str, int]
"""Nanoseconds on a CPU, by part of the node."""


def tree_ns(pid: int) -> int:
    """CPU time of the children of a process that live, which are the backends of a PostgreSQL."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(int(Path(f"/proc/{each}/schedstat").read_text().split()[0]) for each in children)


def thread_ns(pid: int) -> Spent:
    """CPU time of the node's parts, from the kernel's scheduler.

    Threads of Python and of Granian carry no name of their own, but they start in a known order: the store's,
    then the gateway's (`tocsin-*`), then Granian's.
    """
    spent = dict.fromkeys(PARTS, 0)
    seen_gateway = False
    for tid in sorted(int(name) for name in os.listdir(f"/proc/{pid}/task")):
        task = Path(f"/proc/{pid}/task/{tid}")
        gateway = (task / "comm").read_text().startswith("tocsin-")
        seen_gateway |= gateway
        part = "loop" if tid == pid else "gateway" if gateway else "http" if seen_gateway else "store"
        spent[part] += int((task / "schedstat").read_text().split()[0])
    return spent


class Poster:
    """Keep-alive connections that each post again as soon as they are answered."""

    def __init__(self, http: str, connections: int) -> None:
        where = urlsplit(http)
        assert where.hostname is not None
        assert where.port is not None
        self._selector = selectors.DefaultSelector()
        self._idle = [socket.create_connection((where.hostname, where.port)) for _ in range(connections)]
        for link in self._idle:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(link, selectors.EVENT_READ, link)

    def post(self, count: int) -> None:
        """Post `count` messages, every connection at work, and check each answer."""
        asked = answered = 0
        for idle in self._idle[:count]:
            idle.sendall(REQUEST)
            asked += 1
        while answered < count:
            for key, _ in self._selector.select():
                link: socket.socket = key.data
                _read_answer(link)
                answered += 1
                if asked < count:
                    link.sendall(REQUEST)
                    asked += 1

    def close(self) -> None:
        """Close the connections."""
        for link in self._idle:
            link.close()
        self._selector.close()


def _read_answer(link: socket.socket) -> None:
    answer = link.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200"), answer
    while b"\r\n\r\n" not in answer:
        answer += link.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    (length,) = (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(body) < length:
        body += link.recv(65536)


def measure(
    servers: dict[str, Server], connections: int, posts: int, rounds: int, postgres: PostgresServer | None = None
) -> dict[str, object]:
    """Microseconds of CPU per POST of each node, which take turns: what disturbs one disturbs the others too."""
    posters = {name: Poster(server.http, connections) for name, server in servers.items()}
    for poster in posters.values():
        poster.post(4 * connections + 50)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
    for number in range(rounds):
        for name in list(servers)[:: 1 if number % 2 else -1]:
            pid = servers[name].process.pid
            before, backends = thread_ns(pid), tree_ns(postgres.pid) if postgres else 0
            began = time.perf_counter()
            posters[name].post(posts)
            wall = (time.perf_counter() - began) / posts * 1e6
            after = thread_ns(pid)
            figures = {part: (after[part] - before[part]) / posts / 1000 for part in PARTS}
            found[name].append({**figures, "all": sum(figures.values()), "wall": wall})
            if postgres:
                found[name][-1]["postgresql"] = (tree_ns(postgres.pid) - backends) / posts / 1000
    for poster in posters.values():
        poster.close()
    return {
        name: {part: _spread([each[part] for each in rounds_of]) for part in rounds_of[0]}
        for name, rounds_of in found.items()
    }


def _spread(figures: list[float]) -> dict[str, float]:
    return {
        "low": round(min(figures), 1),
        "median": round(statistics.median(figures), 1),
        "high": round(max(figures), 1),
        "mean": round(statistics.fmean(figures), 2),
    }


@contextlib.contextmanager
def running(
    trees: list[Path],
    postgres: PostgresServer | None,
    members: int,
    *,
    traced: bool,
    per_mille: int,
    counted: bool,
) -> Iterator[dict[str, Server]]:
    """A node of each checkout, by the checkout's name; one of the last over PostgreSQL, one with traces, if asked for.

    `members` are made besides the few of the tests' world. `counted` nodes have limits, and each a Redis.
    """
    crowd = {"users": members, "username": "load-{n}", "token": "load-token-{n}", "first_id": "500001", "join": ["Lab"]}
    world = WORLD | {"generate": [crowd]} if members else WORLD
    with contextlib.ExitStack() as stack:
        servers = {}
        kinds: list[tuple[str, Path, tuple[str, ...]]] = [(tree.resolve().name, tree, ()) for tree in trees]
        if traced:
            collector = stack.enter_context(collecting())
            kinds.append(("traced", trees[-1], (f"--trace-endpoint={collector}", f"--trace-per-mille={per_mille}")))
        for name, tree, more in kinds:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            os.environ["PYTHONPATH"] = str(tree.resolve() / "python")
            flags: tuple[str, ...] = UNLIMITED
            if counted:
                flags = (*COUNTED, f"--bus={stack.enter_context(running_redis(folder / 'redis')).url}")
            servers[name] = stack.enter_context(running_server(folder, *flags, *more, world=world))
        if postgres is not None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            database = f"--database={stack.enter_context(postgres.database())}"
            servers["postgresql"] = stack.enter_context(running_server(folder, *UNLIMITED, database, world=world))
        yield servers


_COLLECTOR = """
import http.server
class Sink(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *of):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
print(server.server_port, flush=True)
server.serve_forever()
"""


@contextlib.contextmanager
def collecting() -> Iterator[str]:
    """A process that takes traces and forgets them; give its endpoint."""
    process = subprocess.Popen([sys.executable, "-c", _COLLECTOR], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1/traces"
    finally:
        process.kill()
        process.wait()


def main() -> None:
    """Measure, print and keep."""
    here = Path(__file__).parents[1]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, default=1000, help="per round")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--against", type=Path, nargs="*", default=[], help="other checkouts, each with its core built")
    parser.add_argument("--postgres", action="store_true", help="also a node over PostgreSQL, which reaches the disk")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "api_cost.json")
    parser.add_argument("--members", type=int, default=0, help="of the guild, besides four")
    parser.add_argument("--traced", action="store_true", help="a node with traces besides the one without")
    parser.add_argument("--counted", action="store_true", help="with rate limits, and a Redis a node")
    parser.add_argument("--trace-per-mille", type=int, default=5)
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        durable = ("fsync=on", "synchronous_commit=on", "full_page_writes=on")
        postgres = stack.enter_context(running_postgres(*durable)) if given.postgres else None
        trees, per_mille = [*given.against, here], given.trace_per_mille
        nodes = running(trees, postgres, given.members, traced=given.traced, per_mille=per_mille, counted=given.counted)
        servers = stack.enter_context(nodes)
        figures = {
            f"{connections}_connections": measure(servers, connections, given.posts, given.rounds, postgres)
            for connections in given.connections
        }
    result = {
        "bench": "api_cost",
        "unit": "microseconds of CPU per POST; wall: of time",
        "posts": given.posts,
        "rounds": given.rounds,
        "members": given.members + 4,
        "counted": given.counted,
        "commit": commit(),
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "kernel": platform.release()},
        "load_average": os.getloadavg()[0],
        "figures": figures,
    }
    keep(result, given.out)


if __name__ == "__main__":
    main()
