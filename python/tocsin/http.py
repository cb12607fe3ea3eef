"""HttpServer: an ASGI app on Granian, embedded in the running loop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import time
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

BACKLOG = 4096
START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 5.0
_PROBE_PAUSE_S = 0.01


class HttpServer:
    """Serves `app` at `host`:`port`. With port 0 a free one is taken; `port` tells which after `start`.

    `shared` says that other processes of ours serve there too.
    """

    def __init__(self, app: Any, host: str, port: int, *, shared: bool = False) -> None:
        self._app = app
        self._shared = shared
        self._host = host
        self.port = port
        self._server: Server | None = None
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Bind, serve, and return once connections are accepted.

        Raises:
            OSError: the port cannot be bound, or nothing answers there within 15 s.
        """
        held = reserve(self._host, self.port, shared=self._shared)
        try:
            self.port = held.getsockname()[1]
            self._server = Server(
                self._app,
                address=self._host,
                port=self.port,
                interface=Interfaces.ASGI,
                http=HTTPModes.auto,
                websockets=False,
                backlog=BACKLOG,
                backpressure=BACKLOG,
                log_enabled=False,
            )
            self._serving = asyncio.create_task(self._server.serve())
            await self._answers(self._serving)
        finally:
            held.close()

    async def _answers(self, serving: asyncio.Task[None]) -> None:
        host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            if serving.done():
                await serving
                raise OSError(f"http: the server ended while it started on {self._host}:{self.port}")
            try:
                _, writer = await asyncio.open_connection(host, self.port)
            except OSError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(_PROBE_PAUSE_S)
            else:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
                return

    async def ended(self) -> None:
        """Return when the server has ended."""
        if self._serving is not None:
            await asyncio.wait([self._serving])

    async def stop(self) -> None:
        """Finish what is being answered, for 5 s at most, and end. Idempotent."""
        if self._server is None or self._serving is None:
            return
        self._server.stop()  # type: ignore[no-untyped-call]
        await asyncio.wait([self._serving], timeout=STOP_TIMEOUT_S)
        self._serving.cancel()
        await asyncio.gather(self._serving, return_exceptions=True)
        self._server = None


def reserve(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Return a bound socket that does not listen, so that the port stays ours until Granian listens on it.

    Granian shares its port (SO_REUSEPORT), and would share it with another node without a word; so it is tried alone
    first, unless it is `shared` with processes of ours.

    Raises:
        OSError: the port is in use or cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if port and not shared:
        with socket.socket(family, socket.SOCK_STREAM) as alone:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                alone.bind((host, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise OSError(errno.EADDRINUSE, f"http: {host}:{port} is in use") from None
                raise
    held = socket.socket(family, socket.SOCK_STREAM)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((host, port))
    except BaseException:
        held.close()
        raise
    return held
