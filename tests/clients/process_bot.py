"""ProcessBot: an unmodified library in a language of its own, run as a process and driven over its stdin and stdout.

A driver reads one JSON object a line, `{"id": 1, "do": "send", ..}`, and writes `{"reply": 1, "ok": true, "value": ..}`
or, with `"ok": false`, its `error` and `code`; and `{"event": "messageCreate", ...}` for what its library dispatched.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.clients.recorder import Bot, Refused

__all__ = ["ProcessBot"]


class ProcessBot(Bot):
    """One bot process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        super().__init__()
        self._process = process
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._next_id = 0
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def launch(
        cls, command: Sequence[str], *, directory: Path, base_url: str, token: str, settings: Mapping[str, str] = {}
    ) -> Self:
        """Start a driver against a server; wait for "ready".

        Args:
            command: the driver and its arguments.
            directory: where it runs.
            base_url: the server's `http://host:port`.
            token: whom it logs in as.
            settings: more of the driver's environment.
        """
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=directory,
            env={**os.environ, **settings, "BASE_URL": base_url, "TOKEN": token},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 22,
        )
        return cls(process)

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            message = json.loads(line)
            if "event" in message:
                self.record(message.pop("event"), **message)
                continue
            future = self._replies.pop(message["reply"])
            if message["ok"]:
                future.set_result(message["value"])
            else:
                future.set_exception(Refused(message["error"], message.get("code")))

    async def do(self, action: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        self._next_id += 1
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._replies[self._next_id] = future
        self._process.stdin.write(json.dumps({"id": self._next_id, "do": action, **arguments}).encode() + b"\n")
        await self._process.stdin.drain()
        return await asyncio.wait_for(future, 30)

    async def stop(self) -> None:
        """End the process, by the library's own goodbye when it still listens. Idempotent."""
        with contextlib.suppress(OSError, RuntimeError, TimeoutError):
            assert self._process.stdin is not None
            self._process.stdin.write(b'{"id":0,"do":"quit"}\n')
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 5)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reader
