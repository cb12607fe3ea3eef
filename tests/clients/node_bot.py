"""NodeBot: an unmodified Node library run as a process and driven over its stdin and stdout."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.clients.recorder import Bot

DIRECTORY = Path(__file__).parent / "js"


def require_node(package: str) -> None:
    """Fail, with the way out, where Node or the package is not installed."""
    if shutil.which("node") is None:
        pytest.fail("`node` is not on the PATH: the tests with Node's libraries need Node 20 or newer")
    if not (DIRECTORY / "node_modules" / package / "package.json").is_file():
        pytest.fail(f"{package} is not installed: run `npm ci --prefix tests/clients/js`, as `make test` does")


class NodeBot(Bot):
    """One bot process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        super().__init__()
        self._process = process
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._next_id = 0
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, driver: str, *, base_url: str, token: str) -> NodeBot:
        """Start `driver` (a file of tests/clients/js) against a server; wait for "ready"."""
        process = await asyncio.create_subprocess_exec(
            "node",
            driver,
            cwd=DIRECTORY,
            env={**os.environ, "BASE_URL": base_url, "TOKEN": token},
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
                future.set_exception(RuntimeError(message["error"]))

    async def do(self, action: str, **arguments: Any) -> Any:
        """Run one action of the driver and return its value.

        Raises:
            RuntimeError: the library raised; the message is its own.
        """
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
