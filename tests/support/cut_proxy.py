"""CutProxy: a TCP relay in front of the gateway that can cut every connection through it, and hold new ones back."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self


class CutProxy:
    """Relays to `target` (host, port), which may be set after the start. `url` is what clients connect to.

    Args:
        at: the address and port to listen on; port 0 is any free one.
    """

    def __init__(self, at: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        self.target: tuple[str, int] | None = None
        self._at = at
        self.connections = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._open = asyncio.Event()
        self._open.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, *self._at)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.release()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """The WebSocket URL of the relay."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()
        return f"ws://{host}:{port}"

    def cut(self) -> int:
        """Abort every connection, with no close frame. Returns how many ends were cut."""
        cut = len(self._writers)
        for writer in list(self._writers):
            writer.transport.abort()
        return cut

    def hold(self) -> None:
        """Let new connections wait, unanswered, until `release`."""
        self._open.clear()

    def release(self) -> None:
        """Let the connections that wait through."""
        self._open.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self.target is not None
        self.connections += 1
        await self._open.wait()
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        for end in (writer, upstream_writer):
            self._writers.add(end)
        copies = [
            asyncio.create_task(self._copy(reader, upstream_writer)),
            asyncio.create_task(self._copy(upstream_reader, writer)),
        ]
        self._tasks.update(copies)
        await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, upstream_writer):
            self._writers.discard(end)
            end.close()
        await asyncio.gather(*copies, return_exceptions=True)
        self._tasks.difference_update(copies)

    @staticmethod
    async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
