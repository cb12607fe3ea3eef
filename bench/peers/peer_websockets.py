"""Peer: `websockets` on uvloop, with its own broadcast(), no compression."""

from __future__ import annotations

import sys

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

from bench.peers.common import control, payload


async def main() -> None:
    text = payload(int(sys.argv[1])).decode()
    clients: set[ServerConnection] = set()

    async def stay(connection: ServerConnection) -> None:
        clients.add(connection)
        try:
            await connection.wait_closed()
        finally:
            clients.discard(connection)

    async with serve(stay, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        await control(lambda: broadcast(clients, text), port)


if __name__ == "__main__":
    uvloop.run(main())
