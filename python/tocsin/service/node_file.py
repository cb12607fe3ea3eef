"""NodeFile: how a running node is found from outside: `DATA/node.json` for its own tools, the ready file for scripts.

`node.json` holds the control token and is readable by its owner only. A process that serves a data folder holds
`DATA/node.lock` for its whole life, so that no second one does.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tocsin.errors import ConfigError

NAME = "node.json"
LOCK = "node.lock"


class NodeFile(msgspec.Struct, frozen=True, kw_only=True):
    """Where a node listens. `control_token` opens `/_tocsin/...` to whoever may read the file."""

    pid: int
    http: str
    gateway: str
    node: str
    control_token: str


def new_control_token() -> str:
    """Make a token for one life of a node."""
    return secrets.token_urlsafe(32)


def write_node_file(data: str | Path, node: NodeFile) -> None:
    """Write `DATA/node.json`. Raises OSError."""
    write_atomically(Path(data) / NAME, msgspec.json.encode(node), 0o600)


def write_ready_file(path: str | Path, node: NodeFile) -> None:
    """Write the ready file of design §8: pid, http, gateway and node, without the token. Raises OSError."""
    body = {"pid": node.pid, "http": node.http, "gateway": node.gateway, "node": node.node}
    write_atomically(Path(path), msgspec.json.encode(body), 0o644)


def read_node_file(data: str | Path) -> NodeFile | None:
    """Return the node that runs on a data folder, or None: no file, an unreadable one, or a dead process's."""
    try:
        node = msgspec.json.decode((Path(data) / NAME).read_bytes(), type=NodeFile)
        os.kill(node.pid, 0)
    except (OSError, msgspec.DecodeError):
        return None
    return None if _is_let_go(Path(data)) else node


@contextlib.contextmanager
def hold_data(data: str | Path) -> Iterator[None]:
    """Hold the data folder for this process.

    Raises:
        errors.ConfigError: another process holds it, or it cannot be made.
    """
    path = Path(data)
    try:
        path.mkdir(parents=True, exist_ok=True)
        handle = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"data: cannot use {path}: {error.strerror}") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            node = read_node_file(path)
            who = f"node {node.node} (pid {node.pid})" if node is not None else "another node"
            raise ConfigError(f"data: {who} runs on {path} already") from None
        yield
    finally:
        os.close(handle)


def _is_let_go(data: Path) -> bool:
    """Whether there is a lock and nobody holds it: a dead node's pid may be another process's by now."""
    try:
        handle = os.open(data / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def announce(data: str | Path, ready_file: str, file: NodeFile) -> None:
    """Write `DATA/node.json`, and then the ready file, if there is to be one. Raises OSError."""
    write_node_file(data, file)
    if ready_file:
        write_ready_file(ready_file, file)


def withdraw(data: str | Path, ready_file: str) -> None:
    """Remove what `announce` wrote."""
    remove_node_file(data)
    remove_ready_file(ready_file)


def remove_ready_file(ready_file: str) -> None:
    """Remove the ready file, if there is one."""
    if ready_file:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(ready_file)


def remove_node_file(data: str | Path) -> None:
    """Remove `DATA/node.json`, if this process wrote it."""
    node = read_node_file(data)
    if node is not None and node.pid == os.getpid():
        with contextlib.suppress(OSError):
            (Path(data) / NAME).unlink()


def write_atomically(path: Path, body: bytes, mode: int) -> None:
    """Write a file so that a reader sees all of it or the file before. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(body)
            os.fchmod(file.fileno(), mode)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
