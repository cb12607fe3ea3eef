"""Server: `tocsin serve` as a real process on ephemeral ports, with its own data folder and world."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tocsin.testing.server import launch

WORLD: dict[str, Any] = {
    "users": [
        {"id": "1001", "username": "ada", "token": "ada-token"},
        {"id": "1002", "username": "bell", "token": "bell-token", "bot": True, "intents": "all"},
        {"id": "1003", "username": "clerk", "token": "clerk-token", "bot": True},
        {"id": "1004", "username": "dora", "token": "dora-token"},
        {"id": "1005", "username": "stranger", "token": "stranger-token"},
    ],
    "guilds": [
        {
            "id": "2001",
            "name": "Lab",
            "owner": "ada",
            "roles": [{"id": "2101", "name": "staff", "permissions": "8196", "position": 1}],
            "channels": [
                {"id": "3001", "name": "general", "type": 0},
                {
                    "id": "3002",
                    "name": "staff-only",
                    "type": 0,
                    "overwrites": [{"role": "@everyone", "deny": "1024"}, {"role": "staff", "allow": "1024"}],
                },
            ],
            "members": [{"user": "bell", "roles": ["staff"]}, {"user": "clerk"}, {"user": "dora"}],
        }
    ],
}
"""ada owns Lab; bell (all intents) is staff; clerk has no privileged intent; dora is a plain member."""


class Server:
    """A running `tocsin serve`. `http` and `gateway` are its URLs."""

    def __init__(self, process: subprocess.Popen[bytes], ready: Mapping[str, Any], data: Path) -> None:
        self.process = process
        self.data = data
        self.http: str = ready["http"]
        self.gateway: str = ready["gateway"]

    @property
    def api(self) -> str:
        """The API's base URL."""
        return f"{self.http}/api/v10"

    @property
    def control_token(self) -> str:
        """The token of the control routes, as a local operator reads it."""
        token: str = json.loads((self.data / "node.json").read_text())["control_token"]
        return token

    def kill(self) -> None:
        """SIGKILL, at once."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM, and wait for the drained exit; return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def start_server(
    data: Path,
    *flags: str,
    world: Mapping[str, Any] | None = WORLD,
    module: str = "tocsin",
    verb: str = "serve",
    environment: Mapping[str, str] = os.environ,
) -> Server:
    """Start a server on a data folder and wait until it accepts. `module` is what Python runs, `verb` what of a node.

    Raises:
        RuntimeError: it ended or did not become ready; its log is in the message.
    """
    data.mkdir(parents=True, exist_ok=True)
    seed: list[str] = []
    if world is not None:
        world_file = data / "world.json"
        world_file.write_text(json.dumps(world))
        seed = [f"--seed={world_file}"]
    ours = ("--http-port=0", "--gateway-port=0", "--workers=2", "--drain-spread-ms=100", *seed)
    process, ready = launch(data, *ours, *flags, module=module, verb=verb, environment=environment)
    return Server(process, ready, data)


UNLIMITED = (
    *("--message-rate-limit", "0", "--global-rate-limit", "0"),
    *("--identify-max-concurrency", "100000", "--presence-coalesce-ms", "0"),
)


@contextlib.contextmanager
def running_pair(
    folder: Path, *flags: str, each: Sequence[str] = ("", ""), world: Mapping[str, Any] = WORLD
) -> Iterator[tuple[Server, Server]]:
    """Two nodes with the same flags, for a `with` block; the first has seeded the world. They are killed at the end.

    Args:
        each: one more flag of each node, if it is not empty.
    """
    servers: list[Server] = []
    try:
        for number, other in enumerate(each, 1):
            own = (f"--node-id=n{number}", f"--node-number={number}", *filter(None, [other]))
            seed = world if number == 1 else None
            servers.append(start_server(folder / f"node-{number}", *flags, *own, world=seed))
        yield servers[0], servers[1]
    finally:
        for server in servers:
            server.kill()


@contextlib.contextmanager
def running_server(
    data: Path, *flags: str, world: Mapping[str, Any] | None = WORLD, module: str = "tocsin"
) -> Iterator[Server]:
    """A server for a `with` block; it must drain and exit 0 at the end."""
    server = start_server(data, *flags, world=world, module=module)
    try:
        yield server
    except BaseException:
        server.kill()
        raise
    code = server.stop()
    assert code == 0, (server.data / "server.log").read_text()[-4000:]
