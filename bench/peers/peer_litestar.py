"""Peer: Litestar channels on Granian: ChannelsPlugin, MemoryChannelsBackend and its own WebSocket route handlers."""

from __future__ import annotations

import asyncio
import socket
import sys

import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server
from litestar import Litestar
from litestar.channels import ChannelsPlugin
from litestar.channels.backends.memory import MemoryChannelsBackend

from bench.peers.common import control, payload


def free_port() -> int:
    """A port that nothing listens on: Granian takes no port 0."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


async def main() -> None:
    text = payload(int(sys.argv[1]))
    channels = ChannelsPlugin(
        backend=MemoryChannelsBackend(), channels=["all"], create_ws_route_handlers=True, ws_handler_base_path="/"
    )
    app = Litestar(plugins=[channels], openapi_config=None)
    port = free_port()
    server = Server(
        app, address="127.0.0.1", port=port, interface=Interfaces.ASGI, websockets=True, backlog=4096,
        backpressure=20_000, log_enabled=False,
    )  # fmt: skip
    serving = asyncio.create_task(server.serve())
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.wait([serving], timeout=0.02)
            if serving.done():
                serving.result()
        else:
            writer.close()
            break
    await control(lambda: channels.publish(text, "all"), port, "--path", "/all")


if __name__ == "__main__":
    uvloop.run(main())
