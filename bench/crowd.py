"""Crowd: a node with a seeded world, and processes of the load generator that go from step to step when told."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.servers import CLIENT_CPU, ROOT, SERVER_CPU, pinned

sys.path.insert(0, str(ROOT / "python"))

from tocsin.testing.server import launch

LIMITS = (
    *("--message-rate-limit=0", "--global-rate-limit=0", "--identify-max-concurrency=1000000"),
    *("--session-start-limit=1000000", "--identify-timeout-ms=600000", "--handshake-timeout-ms=600000"),
)

SEED_S = 600.0
"""How long a node may take to write half a million members, on a busy machine."""


def commit() -> str:
    """What is measured, as git names it."""
    said = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return said.stdout.strip()


def keep(result: dict[str, Any], out: Path | None) -> None:
    """Print a result, and write it to a file if one is given."""
    text = json.dumps(result, indent=2)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text + "\n")
    print(text)


class Node:
    """A running node: its process id and the ports it listens on."""

    def __init__(self, pid: int, ready: dict[str, Any]) -> None:
        self.pid = pid
        self.url: str = ready["http"]
        self.http = self.url.rpartition(":")[2]
        self.gateway = ready["gateway"].rpartition(":")[2]


@contextlib.contextmanager
def node(world: dict[str, Any], *flags: str) -> Iterator[Node]:
    """A node on the servers' cpu with this world, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="tocsin-crowd-") as folder:
        data = Path(folder)
        (data / "world.json").write_text(json.dumps(world))
        flags = ("--http-port=0", "--gateway-port=0", f"--seed={data / 'world.json'}", *LIMITS, *flags)
        server, ready = launch(data, *flags, start_s=SEED_S)
        try:
            if (os.cpu_count() or 1) > 1:
                for task in Path(f"/proc/{server.pid}/task").iterdir():
                    os.sched_setaffinity(int(task.name), {SERVER_CPU})
            yield Node(server.pid, ready)
        finally:
            server.kill()
            server.wait()


class Fleet:
    """A process of the load generator. It stops at every step `pause`; `go` lets it on to the next one."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def paused(self) -> None:
        """Wait until it has come to a pause.

        Raises:
            RuntimeError: it ended before.
        """
        assert self._process.stderr is not None
        line = self._process.stderr.readline()
        if line != "paused\n":
            raise RuntimeError(f"the load generator failed: {line}{self._process.stderr.read()}")

    def go(self) -> None:
        """End its pause.

        Raises:
            RuntimeError: it has ended meanwhile.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write("g")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            said = self._process.stderr.read() if self._process.stderr else ""
            raise RuntimeError(f"the load generator failed: {said}") from error

    def next(self) -> None:
        """End its pause, and wait until it has come to the next."""
        self.go()
        self.paused()

    def done(self) -> list[dict[str, Any]]:
        """Wait until its last step is over; what its steps report.

        Raises:
            RuntimeError: it failed.
        """
        said, failed = self._process.communicate()
        if self._process.returncode:
            raise RuntimeError(f"the load generator failed: {failed}")
        steps: list[dict[str, Any]] = json.loads(said)["steps"]
        return steps


@contextlib.contextmanager
def fleet(
    load: Path,
    server: Node,
    count: int,
    token: str,
    intents: int,
    steps: Sequence[str],
    first: Callable[[], None] | None,
    *,
    post_to: Node | None = None,
    more: Sequence[str] = (),
) -> Iterator[Fleet]:
    """So many sessions, which post as ada to channel 3001 and look at guild 2001 where a step says so.

    Args:
        first: what the process does first; None for staying on the generators' cpu.
        post_to: where messages are posted; None for the server of the sessions.
        more: further flags of the generator.
    """
    http = (post_to or server).http
    command = [str(load), "gateway", "--port", server.gateway, "--pid", str(server.pid), "--connections", str(count)]
    command += ["--token", token, "--intents", str(intents), "--http", http, "--channel", "3001", *more]
    command += ["--guild", "2001", "--author", "ada-token", "--steps", ",".join(steps)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, preexec_fn=first or pinned(CLIENT_CPU)
    ) as process:
        try:
            yield Fleet(process)
        finally:
            process.kill()
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()


def rss_mib(pid: int) -> float:
    """Resident MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def spread(figures: Sequence[float], digits: int = 2) -> dict[str, float]:
    """The median, the lowest and the highest."""
    found = {"low": min(figures), "median": statistics.median(figures), "high": max(figures)}
    return {key: round(figure, digits) for key, figure in found.items()}
