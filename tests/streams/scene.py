"""Scene: connections that join late, miss events, see less, and get large payloads of their own, dumped as streams.

The streams are made by tocsin's core. What each has to decode to comes from the same events uncompressed.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.streams.decode import write_stream
from tocsin._core import Compressor, EncodedDispatch, SharedBodies, json_to_etf

WORDS = [
    "the", "of", "deploy", "shard", "is", "down", "naïve", "größer", "привет", "日本語", "🎉", '"quoted"', "\\", "</b>",
]  # fmt: skip
GUILDS = (2001, 2002, 2003)
STARTS = (1, 2, 95, 990, 9_990, 99_990, 2**31 - 40)
"""First sequence numbers: a resumed session begins a stream in the middle of its own count."""
PRIVATE_BYTES = (60, 3_000, 34_000, 140_000)
"""Sizes of payloads that one connection gets: within a window, and beyond one."""


class Connection:
    """One stream and what it has to decode to."""

    def __init__(self, number: int, transport: str, compression: str, dice: random.Random) -> None:
        self.compressor = Compressor(transport, compression=compression, inspect=True)
        self.etf = number % 2 == 1
        self.sees_content = number % 3 != 2
        self.user = dice.randrange(6)
        self.guilds = dice.sample(GUILDS, k=1 + number % len(GUILDS))
        self.misses = (0.0, 0.1, 0.5)[number % 3]
        self.s = STARTS[number // 2 % len(STARTS)]
        self.messages: list[bytes] = []
        self.payloads: list[bytes] = []

    def next_s(self) -> int:
        """The sequence number of the next dispatch."""
        self.s += 1
        return self.s - 1


def events(dice: random.Random) -> Iterator[tuple[int, EncodedDispatch]]:
    """Events without end, each with its guild."""
    number = 0
    while True:
        number += 1
        guild, author = dice.choice(GUILDS), dice.randrange(6)
        ids = {
            "id": str(4 * 10**18 + number * 977),
            "guild_id": str(guild),
            "channel_id": str(3000 + dice.randrange(9)),
        }
        kind = dice.random()
        if kind < 0.2:
            d: dict[str, Any] = {**ids, "user_id": str(author), "timestamp": 1_700_000_000 + number}
            yield guild, EncodedDispatch("TYPING_START", json.dumps(d, separators=(",", ":")).encode())
            continue
        content = " ".join(dice.choices(WORDS, k=dice.choice([1, 5, 20, 120, 900 if kind > 0.98 else 2])))
        user = {"id": str(author), "username": f"face-{author}", "avatar": None, "bot": False}
        d = {**ids, "content": content, "author": user, "embeds": [], "mentions": [], "type": 0, "flags": 0}
        body = json.dumps(d, separators=(",", ":"), ensure_ascii=number % 2 == 0).encode()
        yield guild, EncodedDispatch("MESSAGE_CREATE", body, gate=(author, []))


def private(connection: Connection, dice: random.Random) -> bytes:
    """A payload for one connection only."""
    size = dice.choice(PRIVATE_BYTES)
    text = dice.randbytes(size // 4).hex() if dice.random() < 0.5 else " ".join(dice.choices(WORDS, k=size // 5))
    payload = json.dumps({"s": connection.next_s(), "t": "GUILD_MEMBERS_CHUNK", "op": 0, "d": {"text": text}}).encode()
    return json_to_etf(payload, payload=True) if connection.etf else payload


def play(folder: Path, transport: str, payloads: int, connections: int, *, compression: str = "shared") -> int:
    """Dump a scene of at least `payloads` payloads over all connections; returns how many they are."""
    dice, shared = random.Random(payloads), SharedBodies()
    joined: list[Connection] = []
    dumped = count = 0

    def leave(at: int) -> None:
        nonlocal dumped
        write_stream(folder, dumped, joined[at].messages, joined[at].payloads)
        joined.pop(at)
        dumped += 1

    for turn, (guild, event) in enumerate(events(dice)):
        if len(joined) < connections and turn % 40 == 0:
            joined.append(Connection(dumped + len(joined), transport, compression, dice))
        shared.begin(guild)
        for each in joined:
            if guild not in each.guilds or dice.random() < each.misses:
                continue
            head = EncodedDispatch.head(each.next_s(), etf=each.etf)
            body = event.shared(etf=each.etf, user_id=each.user, sees_content=each.sees_content)
            whole = event.shows_all(user_id=each.user, sees_content=each.sees_content)
            form = 4 * each.etf + (0 if whole else 3)
            each.messages.append(each.compressor.compress(shared, head, body, form=form))
            each.payloads.append(head + body)
            count += 1
        if joined and turn % 25 == 0:
            each = dice.choice(joined)
            each.payloads.append(private(each, dice))
            each.messages.append(each.compressor.compress_private(shared, each.payloads[-1]))
            count += 1
        if count >= payloads:
            break
        if len(joined) == connections and turn % 5_000 == 4_999:
            # Dumped, so that no scene grows beyond memory; another takes the place.
            leave(dice.randrange(len(joined)))
    while joined:
        leave(0)
    return count
