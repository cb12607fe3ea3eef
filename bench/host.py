"""Host: the Rust core alone. Answers identifies from prebuilt bodies and publishes one message per byte on a port.

What it leaves out is the control plane: tokens, store, guild states, permissions. Sessions, sequence, replay, intents,
cohorts and heartbeats are all at work. Prints its ports and pid as one JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import json
import os
import random
from typing import Any, cast

import uvloop

from tocsin import _core

GUILD = 2001
CHANNEL = 3001
ALPHABET = "abcdefghijklmnopqrstuvwxyz     "


def guild_body(guild: int) -> bytes:
    """The shared members of a GUILD_CREATE of 20 channels and 100 members, as large as the node's own is."""
    channels: list[dict[str, Any]] = [
        {"id": str(guild * 100 + n), "guild_id": str(guild), "name": f"channel-{n}", "type": 0, "position": n,
         "topic": None, "nsfw": False, "parent_id": None, "permission_overwrites": [], "rate_limit_per_user": 0,
         "last_message_id": None, "flags": 0}
        for n in range(20)
    ]  # fmt: skip
    members: list[dict[str, Any]] = [
        {"user": {"id": str(9000 + n), "username": f"load-{n}", "discriminator": "0", "global_name": None,
                  "avatar": None, "bot": True, "public_flags": 0},
         "roles": [], "nick": None, "avatar": None, "joined_at": "2026-01-01T00:00:00.000000+00:00", "deaf": False,
         "mute": False, "flags": 0, "pending": False, "communication_disabled_until": None}
        for n in range(100)
    ]  # fmt: skip
    body: dict[str, Any] = {"id": str(guild), "name": f"guild-{guild}", "owner_id": "9000", "unavailable": False,
                            "member_count": 100, "large": False, "roles": [], "emojis": [], "stickers": [],
                            "features": [], "threads": [], "presences": [], "voice_states": [], "channels": channels,
                            "members": members}  # fmt: skip
    return json.dumps(body, separators=(",", ":"))[1:-1].encode()


def message_body(number: int, rng: random.Random, size: int) -> bytes:
    """A MESSAGE_CREATE of `size` bytes; no two have the same content."""
    body = {
        "id": str(10**18 + number), "channel_id": str(CHANNEL), "guild_id": str(GUILD), "type": 0,
        "author": {"id": "9001", "username": "load-1"}, "timestamp": "2026-01-01T00:00:00.000000+00:00",
        "content": "", "mentions": [], "attachments": [], "embeds": [],
    }  # fmt: skip
    missing = size - len(json.dumps(body, separators=(",", ":")))
    body["content"] = "".join(rng.choices(ALPHABET, k=max(1, missing)))
    return json.dumps(body, separators=(",", ":")).encode()


class Host:
    """Answers the core and the publisher."""

    def __init__(self, core: _core.Gateway, guilds: int, bytes_: int) -> None:
        self._core = core
        self._batch = _core.Batch()
        self._bodies = [
            (
                GUILD + n,
                1 + n,
                (b'"joined_at":"2026-01-01T00:00:00.000000+00:00"', (_core.Fragment(guild_body(GUILD + n)),)),
            )
            for n in range(guilds)
        ]
        rng = random.Random(1)
        # The frame's payload adds {"s":123,"t":"MESSAGE_CREATE","op":0,"d":}: its length moves with the digits of s.
        self._messages = [message_body(n, rng, bytes_ - 42) for n in range(4096)]
        self._published = 0
        self._users = 0
        for guild, cohort, _ in self._bodies:
            self._batch.set_channel(guild, CHANNEL if guild == GUILD else guild * 100, [cohort])
        core.submit(self._batch)

    def on_requests(self) -> None:
        for request in self._core.drain(4096):
            if request[0] == 1:
                _, session, session_id, d, _, _ = request
                asked = json.loads(d)
                self._users += 1
                ready = {"v": 10, "user": {"id": str(self._users)}, "session_id": session_id,
                         "resume_gateway_url": "ws://127.0.0.1", "session_type": "normal", "private_channels": [],
                         "guilds": [{"id": str(g), "unavailable": True} for g, _, _ in self._bodies]}  # fmt: skip
                self._batch.accept(
                    session,
                    user_id=self._users,
                    bot=True,
                    intents=asked["intents"],
                    shard=None,
                    token_digest=_core.token_digest(asked["token"]),
                    compress=False,
                    ready=json.dumps(ready, separators=(",", ":")).encode(),
                    guilds=self._bodies,
                )
        if len(self._batch):
            self._core.submit(self._batch)

    def publish(self, count: int) -> None:
        for _ in range(count):
            self._published += 1
            self._batch.publish(
                "MESSAGE_CREATE",
                self._messages[self._published % len(self._messages)],
                scope_kind=1,
                scope_id=GUILD,
                seq=self._published,
                guild=GUILD,
                channel=CHANNEL,
                author=9001,
                gated=True,
            )
        self._core.submit(self._batch)


def hold_gil(seconds: float) -> None:
    """Do what a hostile extension does: block inside C without letting go of the GIL."""
    ctypes.PyDLL(None).usleep(ctypes.c_uint(int(seconds * 1e6)))


class Control(asyncio.Protocol):
    """The publisher's port: `p` is a publish, `g` holds the GIL; both are sent back when done."""

    def __init__(self, host: Host, hold_s: float) -> None:
        self._host = host
        self._hold_s = hold_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._host.publish(data.count(b"p"))
        if b"g" in data:
            hold_gil(self._hold_s)
        self._transport.write(data)


async def serve(options: argparse.Namespace) -> None:
    config = _core.GatewayConfig(
        workers=options.workers,
        handshake_timeout_ms=options.patience_ms,
        identify_timeout_ms=options.patience_ms,
        heartbeat_interval_ms=min(options.patience_ms, 41_250),
    )
    core = _core.Gateway(config)
    core.start()
    host = Host(core, options.guilds, options.bytes)
    loop = asyncio.get_running_loop()
    loop.add_reader(core.fileno(), host.on_requests)
    control = await loop.create_server(lambda: Control(host, options.hold), "127.0.0.1", 0)
    port = control.sockets[0].getsockname()[1]
    print(json.dumps({"pid": os.getpid(), "port": core.port, "control": port}), flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--guilds", type=int, default=1)
    parser.add_argument("--hold", type=float, default=3, help="seconds that `g` holds the GIL")
    parser.add_argument("--patience-ms", type=int, default=600_000, help="for handshake, identify and heartbeats")
    parser.add_argument("--bytes", type=int, default=336)
    uvloop.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
