"""zlib-stream on real sockets: what is inflated is octet for octet what a plain connection gets (protocol.md §5.1)."""

from __future__ import annotations

import base64
import json
import random
import re
import shutil
import subprocess
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.gateway.conftest import WITH_CROWD
from tests.support.raw_client import BINARY, CLOSE, TEXT, DroppedError, RawClient, op
from tests.support.server import UNLIMITED, Server, running_server
from tests.support.town import BELL, CLERK, Person, Place, Town
from tocsin.model.intents import ALL

FLUSH = b"\x00\x00\xff\xff"
NAMES = {"MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE", "TYPING_START", "CHANNEL_CREATE", "CHANNEL_UPDATE"}

INFLATE = """
const zlib = require("node:zlib"), fs = require("node:fs");
const frames = JSON.parse(fs.readFileSync(0)).map(each => Buffer.from(each, "base64"));
const inflate = zlib.createInflate({flush: zlib.constants.Z_SYNC_FLUSH});
const all = [];
inflate.on("data", chunk => all.push(chunk));
inflate.on("error", error => { console.error(error); process.exit(1); });
(async () => {
  const texts = [];
  for (const frame of frames) {
    await new Promise(done => inflate.write(frame, done));
    texts.push(Buffer.concat(all.splice(0)).toString());
  }
  process.stdout.write(JSON.stringify(texts));
})();
"""


class Reader(RawClient):
    """A session that keeps the text of every payload, compressed or not, and every compressed frame."""

    def __init__(self, gateway: str, query: str = "") -> None:
        super().__init__(gateway)
        self.texts: list[str] = []
        self.frames: list[bytes] = []
        self._inflate = zlib.decompressobj() if "zlib" in query else None
        self.open(f"v=10&encoding=json{query}")

    def read_payload(self) -> dict[str, Any]:
        opcode, data = self.read_frame()
        if opcode == CLOSE:
            raise DroppedError(int.from_bytes(data[:2], "big"), data[2:])
        if self._inflate is not None:
            assert opcode == BINARY
            assert data.endswith(FLUSH)
            self.frames.append(data)
            data = self._inflate.decompress(data)
            assert not self._inflate.unconsumed_tail
        else:
            assert opcode == TEXT
        self.texts.append(data.decode())
        payload: dict[str, Any] = json.loads(data)
        return payload

    def bodies(self, place: Place, after: str) -> list[str]:
        """What the guild's events share among sessions, from the one that holds `after` on."""
        found = [text for text in self.texts if f'"guild_id":"{place.id}"' in text]
        rests = [re.sub(r'^\{"s":\d+,', "", text) for text in found if json.loads(text)["t"] in NAMES]
        first = next(at for at, rest in enumerate(rests) if after in rest)
        return rests[first:]


@pytest.fixture(scope="module", params=["shared", "connection"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    flags = (*UNLIMITED, "--compression", request.param, "--debug-inflate")
    with running_server(tmp_path_factory.mktemp(request.param), *flags, world=WITH_CROWD) as running:
        yield running


class Room:
    """A guild with things going on, and sessions that come to it."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.owner = town.person()
        self.place = town.place(self.owner, BELL, CLERK)
        self.readers: list[Reader] = []
        self._dice = random.Random(20)

    def join(self, person: Person, query: str = "&compress=zlib-stream") -> Reader:
        reader = Reader(self.town.server.gateway, query)
        self.readers.append(reader)
        reader.identify(person.token, intents=int(ALL) if person == self.owner else 0x331FFFF & ~self._without(person))
        return reader

    @staticmethod
    def _without(person: Person) -> int:
        return (1 << 1 | 1 << 8 | 1 << 15) if person == CLERK else 0

    def chat(self, count: int) -> None:
        words = ["naïve", "größer", "привет", "日本語", "🎉", "deploy", "shard", "is", "down", '"quoted"', "\\", "the"]
        for _ in range(count):
            length = self._dice.choice([1, 5, 20, 120])
            text = " ".join(self._dice.choice(words) for _ in range(length)).strip()
            message = self.town.say(self.place, text)
            channel = f"/channels/{self.place.general}"
            match self._dice.randrange(8):
                case 0:
                    self.town.call(self.owner, "PATCH", f"{channel}/messages/{message}", {"content": text[:40]})
                case 1:
                    self.town.call(BELL, "POST", f"{channel}/typing")
                case 2:
                    self.town.call(self.owner, "POST", f"/guilds/{self.place.id}/channels", {"name": "x", "type": 0})
                case _:
                    pass

    def finish(self) -> None:
        """Reads every session up to one last message."""
        last = self.town.say(self.place, "the end")
        for reader in self.readers:
            while reader.read_until(0, "MESSAGE_CREATE")["d"]["id"] != last:
                pass

    def close(self) -> None:
        for reader in self.readers:
            reader.socket.close()


@pytest.fixture
def room(town: Town) -> Iterator[Room]:
    room = Room(town)
    yield room
    room.close()


def test_sessions_that_join_at_any_time_read_what_plain_ones_do(room: Room, server: Server) -> None:
    plain = {person: room.join(person, "") for person in (room.owner, BELL, CLERK)}
    compressed: list[tuple[Person, str, Reader]] = []
    for round_ in range(4):
        for person in plain:
            marker = f"round {round_} begins for {person.id}"
            compressed.append((person, marker, room.join(person)))
            room.town.say(room.place, marker)
            room.chat(9)
        # A private answer far larger than a window puts everything before it out of reach.
        compressed[-2][2].send(op(8, {"guild_id": "2002", "query": "", "limit": 0}))
    room.finish()
    for person, marker, reader in compressed:
        # Without MESSAGE_CONTENT the marker cannot be read; every message of the round is still there to compare.
        told, expected = reader.bodies(room.place, ""), plain[person].bodies(room.place, "")
        assert told == expected[-len(told) :]
        assert len(told) >= 9
        if person != CLERK:
            assert marker in told[0]
    metrics = httpx.get(f"{server.http}/metrics").text
    assert "tocsin_broken_streams_total 0" in metrics


def test_a_resume_starts_a_stream_of_its_own(room: Room, server: Server) -> None:
    plain = room.join(room.owner, "")
    first = Reader(server.gateway, "&compress=zlib-stream")
    ready = first.identify(room.owner.token, intents=int(ALL))
    room.chat(5)
    last = room.town.say(room.place, "before the cut")
    while (payload := first.read_until(0))["d"].get("id") != last:
        pass
    first.socket.close()
    room.town.say(room.place, "after the cut")
    room.chat(20)
    second = Reader(server.gateway, "&compress=zlib-stream")
    room.readers.append(second)
    resume = {"token": room.owner.token, "session_id": ready["session_id"], "seq": payload["s"]}
    second.send(op(6, resume))
    second.read_until(0, "RESUMED")
    room.chat(20)
    room.finish()
    assert second.frames[0].startswith(b"\x78\x9c")
    assert second.bodies(room.place, "after the cut") == plain.bodies(room.place, "after the cut")


def test_nodes_inflate_agrees_with_pythons(room: Room) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.fail("`node` is not on the PATH: this test needs Node 20 or newer")
    reader, late = room.join(room.owner), room.join(BELL)
    room.chat(30)
    late.send(op(8, {"guild_id": "2002", "query": "", "limit": 0}))
    room.chat(30)
    room.finish()
    # Searched once or per connection: either way most of an event is found in the events before it.
    told = [(text, data) for text, data in zip(reader.texts, reader.frames, strict=True) if "MESSAGE_CREATE" in text]
    assert sum(len(text.encode()) for text, _ in told) > 3 * sum(len(data) for _, data in told)
    for each in (reader, late):
        frames = json.dumps([base64.b64encode(frame).decode() for frame in each.frames])
        done = subprocess.run([node, "-e", INFLATE], input=frames.encode(), capture_output=True, timeout=25, check=True)
        assert json.loads(done.stdout) == each.texts
