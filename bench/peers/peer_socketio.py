"""Peer: python-socketio on uvicorn, WebSocket transport only, one emit to all.

The generator greets with `40` (connect to the default namespace), waits for the server's `40` and then counts
`42[...]` messages; pings are put off, so it never has to answer one.
"""

from __future__ import annotations

import asyncio
import socket
import sys

import socketio
import uvicorn
import uvloop

from bench.peers.common import control

EVENT = "MESSAGE_CREATE"


async def main() -> None:
    size = int(sys.argv[1])
    server = socketio.AsyncServer(async_mode="asgi", transports=["websocket"], ping_interval=600, ping_timeout=600)
    head = f'42["{EVENT}",{{"content":"'
    data = {"content": "x" * (size - len(head) - len('"}]'))}
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    config = uvicorn.Config(
        socketio.ASGIApp(server), log_level="error", access_log=False, lifespan="off", ws_per_message_deflate=False,
        ws_ping_interval=None,
        backlog=4096,
    )  # fmt: skip
    serving = asyncio.create_task(uvicorn.Server(config).serve(sockets=[listener]))
    emits: set[asyncio.Task[None]] = {serving}

    def publish() -> None:
        emit = asyncio.create_task(server.emit(EVENT, data))
        emits.add(emit)
        emit.add_done_callback(emits.discard)

    port = listener.getsockname()[1]
    path = "/socket.io/?EIO=4&transport=websocket"
    await control(publish, port, "--path", path, "--hello", "40", "--opens-with", "40")


if __name__ == "__main__":
    uvloop.run(main())
