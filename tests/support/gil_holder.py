"""A node in its own process that can be told to hold the GIL: `python gil_holder.py DATA WORLD`, then lines on stdin.

`hold SECONDS COUNT` publishes COUNT messages onto the bus and, in the same breath, enters a C call that keeps the GIL.
Prints the gateway's URL when ready and `done` when the GIL is free again.
"""

from __future__ import annotations

import asyncio
import ctypes
import sys

from tocsin.config import Settings
from tocsin.logs import configure_logs
from tocsin.model.event import Event, Scope, ScopeKind
from tocsin.runtime import Node


def hold_the_gil(seconds: int) -> None:
    """Sleep in C. `PyDLL`, unlike `CDLL`, does not let the GIL go."""
    ctypes.PyDLL(None).sleep(seconds)


def publish(node: Node, count: int) -> None:
    """Put messages on the bus as a commit would; they reach the core when this turn of the loop ends."""
    scope = Scope(ScopeKind.GUILD, 2001)
    for number in range(count):
        body = b'{"id":"%d","content":"held"}' % number
        event = Event(name="MESSAGE_CREATE", scope=scope, body=body, guild_id=2001, channel_id=3001)
        node.services.context.bus.publish([event])


async def main() -> None:
    """Serve until stdin ends."""
    data, world = sys.argv[1:]
    settings = Settings(data=data, http_port=0, gateway_port=0, workers=1, seed=world, drain_spread_ms=0)
    configure_logs(settings)
    node = Node(settings)
    await node.start()
    print(node.gateway_url, flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        _, seconds, count = line.split()
        publish(node, int(count))
        # Behind the batch's own hand-over, which the publish has queued.
        held = loop.create_future()
        loop.call_soon(hold_the_gil, int(seconds))
        loop.call_soon(held.set_result, None)
        await held
        print("done", flush=True)
    await node.stop()


if __name__ == "__main__":
    asyncio.run(main())
