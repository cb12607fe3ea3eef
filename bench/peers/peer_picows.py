"""Peer: picows on uvloop, one send per client."""

from __future__ import annotations

import sys
from typing import ClassVar

import picows
import uvloop

from bench.peers.common import control, payload


class Client(picows.WSListener):  # type: ignore[misc]
    clients: ClassVar[set[picows.WSTransport]] = set()

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.clients.add(transport)

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self.clients.discard(transport)


async def main() -> None:
    text = payload(int(sys.argv[1]))

    def publish() -> None:
        for client in Client.clients:
            client.send(picows.WSMsgType.TEXT, text)

    server = await picows.ws_create_server(lambda _: Client(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await control(publish, port)


if __name__ == "__main__":
    uvloop.run(main())
