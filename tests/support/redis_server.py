"""RedisServer: a `redis-server` of one's own, on a Unix socket in a folder, that can be killed and started again."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

PATIENCE_S = 30.0


class RedisServer:
    """A running `redis-server`, in an environment. `url` is what `--bus` takes."""

    def __init__(self, folder: Path, *flags: str, environment: Mapping[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.url = f"redis+unix://{folder / 's'}"
        self._flags = flags
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it over what it left on disk, and wait until it answers."""
        ours = ["--port", "0", "--unixsocket", "s", "--save", "", "--dir", str(self.folder)]
        self._process = subprocess.Popen(
            ["redis-server", *ours, *self._flags],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as link:
                link.connect(str(self.folder / "s"))
                link.sendall(b"PING\r\n")
                if link.recv(16).startswith(b"+PONG"):
                    return
            assert time.monotonic() < until, "redis-server did not start"
            time.sleep(0.005)

    def kill(self) -> None:
        """SIGKILL, at once."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def forget(self) -> None:
        """Remove what a Redis that is not running left on disk."""
        shutil.rmtree(self.folder / "appendonlydir", ignore_errors=True)

    def freeze(self) -> None:
        """SIGSTOP."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def info(self, field: str, section: str = "replication") -> str:
        """Return a field of what it says of itself."""
        for line in self.call("INFO", section).decode().splitlines():
            name, _, value = line.partition(":")
            if name == field:
                return value
        return ""

    def call(self, *words: str) -> bytes:
        """Send one command and return its answer as it came, of up to 64 KiB."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(PATIENCE_S)
            link.connect(str(self.folder / "s"))
            parts = "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
            link.sendall(f"*{len(words)}\r\n{parts}".encode())
            return link.recv(65536)


@contextlib.contextmanager
def running_redis(folder: Path, *flags: str, environment: Mapping[str, str] | None = None) -> Iterator[RedisServer]:
    """A Redis for a `with` block."""
    redis = RedisServer(folder, *flags, environment=environment)
    redis.start()
    try:
        yield redis
    finally:
        redis.kill()
