"""Common: what all Python peers share: the payload, and a control port where a byte is a publish and is sent back."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from typing import cast


def payload(size: int) -> bytes:
    """The floor's text, of just `size` bytes."""
    head, end = b'{"s":1,"t":"MESSAGE_CREATE","op":0,"d":{"content":"', b'"}}'
    return head + b"x" * (size - len(head) - len(end)) + end


class _Control(asyncio.Protocol):
    def __init__(self, publish: Callable[[], None]) -> None:
        self._publish = publish

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        for _ in data:
            self._publish()
        self._transport.write(data)


async def control(publish: Callable[[], None], port: int, *flags: str) -> None:
    """Serve the control port, say the ports and the generator's further flags on stdout and stay."""
    server = await asyncio.get_running_loop().create_server(lambda: _Control(publish), "127.0.0.1", 0)
    own = server.sockets[0].getsockname()[1]
    print(json.dumps({"pid": os.getpid(), "port": port, "control": own, "flags": flags}), flush=True)
    await asyncio.Event().wait()
