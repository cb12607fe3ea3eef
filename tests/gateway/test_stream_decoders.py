"""zlib-stream and zstd-stream of a real node, JSON and ETF, read by the decoders that clients use.

Every payload is compared: with a plain connection's where both get the same, and by each decoder with what Python's
made of the stream.
"""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import zstandard

from tests.gateway.conftest import WITH_CROWD
from tests.streams.decode import write_stream
from tests.streams.decoders import DECODERS, Decoder, MissingError
from tests.support.etf_client import etf_op
from tests.support.raw_client import BINARY, CLOSE, TEXT, DroppedError, RawClient, op
from tests.support.server import UNLIMITED, Server, running_server
from tests.support.town import BELL, CLERK, NO_PRIVILEGED, Person, Place, Town
from tocsin._core import etf_to_json
from tocsin.model.intents import ALL, Intents

CROWD = "2002"
EVENTS = 1_300
"""Enough for `s` to go from 999 to 1000 in every session that is there from the start."""
WORDS = ["naïve", "größer", "привет", "日本語", "🎉", "deploy", "shard", "is", "down", '"quoted"', "\\", "the"]
SHARED = {"MESSAGE_CREATE", "MESSAGE_UPDATE", "TYPING_START", "CHANNEL_CREATE"}
BOTS = 0x331FFFF
"""All intents that bots may name."""
FEW = int(Intents.GUILDS | Intents.GUILD_MESSAGES | Intents.MESSAGE_CONTENT)
TERM_START = b"\x83t\0\0\0\x04s\x01s"
FLUSH = b"\x00\x00\xff\xff"


class Kind(NamedTuple):
    """Who listens, and how."""

    person: Person
    intents: int
    encoding: str
    compress: str


class Listener(RawClient):
    """A session that keeps every payload, and what the socket carried for it."""

    def __init__(self, gateway: str, kind: Kind) -> None:
        super().__init__(gateway)
        self.kind = kind
        self.etf = kind.encoding == "etf"
        self.frames: list[bytes] = []
        self.payloads: list[bytes] = []
        self._decode: Callable[[bytes], bytes] | None = None
        if kind.compress == "zlib-stream":
            self._decode = zlib.decompressobj().decompress
        elif kind.compress == "zstd-stream":
            self._decode = zstandard.ZstdDecompressor().decompressobj().decompress
        compress = f"&compress={kind.compress}" if kind.compress else ""
        self.open(f"v=10&encoding={kind.encoding}{compress}")
        properties = {"os": "linux", "browser": "tests", "device": "tests"}
        self.ask(2, {"token": kind.person.token, "intents": kind.intents, "properties": properties})
        # READY: who was opened first also hears what comes next, and with it all that later ones hear.
        self.take()

    def ask(self, code: int, d: Any) -> None:
        """Send a payload in the session's encoding."""
        self.send(etf_op(code, d) if self.etf else op(code, d))

    def take(self) -> bytes:
        """Keep and return the next payload."""
        opcode, data = self.read_frame()
        if opcode == CLOSE:
            raise DroppedError(int.from_bytes(data[:2], "big"), data[2:])
        assert opcode == (TEXT if not self.etf and self._decode is None else BINARY)
        self.frames.append(data)
        if self.kind.compress == "zlib-stream":
            assert data.endswith(FLUSH)
        self.payloads.append(data if self._decode is None else self._decode(data))
        return self.payloads[-1]

    def read_payload(self) -> dict[str, Any]:
        return self.value(self.take())

    def value(self, payload: bytes) -> dict[str, Any]:
        """A payload as JSON has it."""
        found: dict[str, Any] = json.loads(etf_to_json(payload) if self.etf else payload)
        return found

    def identifier(self, snowflake: str) -> bytes:
        """The octets of an id in the session's encoding."""
        return int(snowflake).to_bytes(8, "little") if self.etf else f'"{snowflake}"'.encode()

    def read_up_to(self, message: str) -> None:
        """Read up to the creation of a message."""
        last = self.identifier(message)
        while last not in self.take():
            pass

    def rest(self, payload: bytes) -> bytes:
        """What follows `s`, and is every session's."""
        if not self.etf:
            return payload[payload.index(b",") + 1 :]
        number = payload[len(TERM_START) :]
        # SMALL_INTEGER or INTEGER (protocol.md §5.4).
        return number[{97: 2, 98: 5}[number[0]] :]

    def bodies(self, place: Place) -> list[bytes]:
        """What the sessions of the guild share, in order."""
        guild = self.identifier(place.id)
        found = [payload for payload in self.payloads if guild in payload]
        return [self.rest(payload) for payload in found if self.value(payload)["t"] in SHARED]

    def members(self) -> list[Any]:
        """The members that were asked for, by the nonce of the request and the index of the chunk."""
        values = map(self.value, self.payloads)
        return [(d["nonce"], d["chunk_index"], d["members"]) for each in values if (d := each["d"]) and "nonce" in d]


class Recording(NamedTuple):
    """What a node sent."""

    place: Place
    plain: dict[Kind, Listener]
    compressed: list[Listener]


def chat(town: Town, place: Place, dice: random.Random, number: int) -> None:
    """One event, or two."""
    channel = f"/channels/{place.general}"
    if number % 5 == 1:
        town.call(BELL, "POST", f"{channel}/typing")
        return
    text = " ".join(dice.choices(WORDS, k=dice.choice([1, 5, 20, 120]))).strip()
    message = town.say(place, text)
    if number % 16 == 3:
        town.call(place.owner, "PATCH", f"{channel}/messages/{message}", {"content": text[:40]})
    elif number % 97 == 5:
        town.call(place.owner, "POST", f"/guilds/{place.id}/channels", {"name": "x", "type": 0})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("node"), *UNLIMITED, "--debug-inflate", world=WITH_CROWD) as running:
        yield running


@pytest.fixture(scope="module")
def recording(server: Server) -> Iterator[Recording]:
    """Sessions with different rights and intents that come at different times to a guild with things going on."""
    town, dice = Town(server), random.Random(20)
    owner = town.person()
    place = town.place(owner, BELL, CLERK)
    viewers = [(owner, int(ALL)), (owner, FEW), (BELL, BOTS), (CLERK, NO_PRIVILEGED)]
    kinds = [Kind(*viewer, encoding, "") for viewer in viewers for encoding in ("json", "etf")]
    plain = {kind: Listener(server.gateway, kind) for kind in kinds}
    wanted = [kind._replace(compress=compress) for kind in kinds for compress in ("zlib-stream", "zstd-stream")]
    compressed: list[Listener] = []
    try:
        for number in range(EVENTS):
            # Half of them at the start, the others one by one.
            while wanted and (len(wanted) > len(kinds) or number >= 40 * (len(kinds) - len(wanted) + 1)):
                compressed.append(Listener(server.gateway, wanted.pop(0 if number else dice.randrange(len(wanted)))))
            if number % 300 == 299:
                # Private answers far larger than a window put everything before them out of reach.
                for each in (*plain.values(), *compressed):
                    if each.kind.person == BELL:
                        each.ask(8, {"guild_id": CROWD, "query": "", "limit": 0, "nonce": str(number)})
            chat(town, place, dice, number)
        last = town.say(place, "the end")
        for each in (*plain.values(), *compressed):
            each.read_up_to(last)
        yield Recording(place, plain, compressed)
    finally:
        for each in (*plain.values(), *compressed):
            each.socket.close()
        town.close()


def test_every_session_reads_what_a_plain_connection_does(recording: Recording) -> None:
    place, plain, compressed = recording
    expected = {kind: (each.bodies(place), each.members()) for kind, each in plain.items()}
    for each in compressed:
        told, asked = each.bodies(place), each.members()
        assert len(told) > 500
        bodies, members = expected[each.kind._replace(compress="")]
        assert told == bodies[-len(told) :]
        assert asked == members[len(members) - len(asked) :]
        if each.kind.person == BELL:
            assert max(map(len, each.payloads)) > 100_000


def test_sequence_numbers_gain_digits_in_the_middle_of_streams(recording: Recording) -> None:
    reached = 0
    for each in recording.compressed:
        values = map(each.value, each.payloads)
        sequence = [value["s"] for value in values if value["op"] == 0]
        assert sequence == list(range(1, len(sequence) + 1))
        reached += sequence[-1] >= 1000
    assert reached >= 4, reached


def test_the_contents_a_bot_may_not_read_are_not_in_its_stream(recording: Recording) -> None:
    clerks = [each for each in recording.compressed if each.kind.person == CLERK]
    assert len(clerks) == 4
    for each in clerks:
        values = [value for value in map(each.value, each.payloads) if value["t"] == "MESSAGE_CREATE"]
        assert len(values) > 100
        assert {value["d"]["content"] for value in values} == {""}


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: decoder.name)
def test_clients_decoders_read_the_streams(decoder: Decoder, recording: Recording, tmp_path: Path) -> None:
    found = [each for each in recording.compressed if each.kind.compress == f"{decoder.transport}-stream"]
    for number, each in enumerate(found):
        write_stream(tmp_path, number, each.frames, each.payloads)
    count = sum(len(each.frames) for each in found)
    try:
        report = decoder.check(tmp_path, count + 1)
    except MissingError as error:
        pytest.skip(str(error))
    assert report.messages == count
    assert count > 4_000
    # Most of an event is found in the events before it.
    assert report.payload_bytes > 3 * report.stream_bytes
