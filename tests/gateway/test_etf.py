"""`encoding=etf` on a real socket: the same payloads as JSON, resumes across encodings, and what is refused."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.api_client import ApiClient
from tests.support.etf_client import EtfClient, etf_op
from tests.support.raw_client import BINARY, TEXT, RawClient, frame, op
from tests.support.server import Server

GENERAL = "3001"
INTENTS = 1 | 1 << 9 | 1 << 15
CONTENT = 'say "hi" \\ / \n\t é 漢 👍 \u2028 ' + "x" * 300
ID_LISTS = {"roles", "mention_roles"}
Op = Callable[..., bytes]


def normalised(value: Any, key: str = "") -> Any:
    """A payload of ETF as JSON has it: ids become strings, and must have been integers."""
    if isinstance(value, dict):
        return {name: normalised(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [normalised(item, key) for item in value]
    names_an_id = key == "id" or (key.endswith("_id") and key != "session_id") or key in ID_LISTS
    if names_an_id and value is not None:
        assert type(value) is int, (key, value)
        return str(value)
    return value


def say(server: Server, content: str = CONTENT) -> str:
    message = ApiClient(server.api, "ada-token").ok("POST", f"/channels/{GENERAL}/messages", {"content": content})
    found: str = message["id"]
    return found


def begin(client: RawClient) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Identify as ada; return READY's `d` and those of her guilds."""
    client.open()
    ready = client.identify("ada-token", intents=INTENTS)
    return ready, [client.read_until(0, "GUILD_CREATE")["d"] for _ in ready["guilds"]]


def resume(client: RawClient, make: Op, session: str, seq: int, count: int) -> list[dict[str, Any]]:
    """Resume, and return so many events besides RESUMED.

    A message is answered before it is given to sessions: the last of them may come live, after RESUMED.
    """
    client.open()
    client.send(make(6, {"token": "ada-token", "session_id": session, "seq": seq}))
    events: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    while len(others) < count or not any(payload["t"] == "RESUMED" for payload in events):
        events.append(client.read_payload())
        # Sessions that other tests began as ada may end meanwhile.
        others = [payload for payload in events if payload["t"] not in ("RESUMED", "SESSIONS_REPLACE")]
    assert [payload["s"] for payload in events] == list(range(seq + 1, seq + len(events) + 1))
    assert len(others) == count, events
    return others


def test_a_session_over_etf_gets_what_one_over_json_gets(server: Server) -> None:
    with RawClient(server.gateway) as earlier, RawClient(server.gateway) as plain, EtfClient(server.gateway) as terms:
        # The first session of a user changes what the later ones see of its presence.
        begin(earlier)
        json_ready, json_guilds = begin(plain)
        etf_ready, etf_guilds = begin(terms)
        for ready in (json_ready, etf_ready):
            assert len(ready.pop("session_id")) == 32
            assert ready.pop("sessions")
        assert normalised(etf_ready) == json_ready
        assert len(json_guilds) == 2
        assert normalised(etf_guilds) == json_guilds
        sent = say(server)
        heard, told = (client.read_until(0, "MESSAGE_CREATE") for client in (plain, terms))
        assert (heard["d"]["id"], heard["d"]["content"]) == (sent, CONTENT)
        # The one that came first was told of the other.
        assert told.pop("s") < heard.pop("s")
        assert normalised(told) == heard


def test_a_heartbeat_over_etf_is_acknowledged(server: Server) -> None:
    with EtfClient(server.gateway) as client:
        assert client.open()["op"] == 10
        client.send(etf_op(1))
        assert client.read_payload() == {"op": 11, "d": None, "s": None, "t": None}
        # erlpack for JS sends what does not fit 32 bits as a float, and other integers of Python may be big.
        for seq in (b"F" + struct.pack("!d", 251.0), b"n\x01\0\xfb", b"a\xfb", b"s\x03nil"):
            client.send(frame(BINARY, b"\x83t\0\0\0\x02m\0\0\0\x02opa\x01m\0\0\0\x01d" + seq))
            assert client.read_payload()["op"] == 11


def test_a_session_goes_from_json_to_etf_and_back(server: Server) -> None:
    with RawClient(server.gateway) as client:
        ready, _ = begin(client)
        session = ready["session_id"]
        say(server)
        seq = client.read_until(0, "MESSAGE_CREATE")["s"]
    missed = [say(server, f"{n}: {CONTENT}") for n in range(3)]
    with EtfClient(server.gateway) as client:
        replayed = resume(client, etf_op, session, seq, 3)
        assert [str(payload["d"]["id"]) for payload in replayed] == missed
        heard_id = say(server)
        heard = client.read_until(0, "MESSAGE_CREATE")
        assert str(heard["d"]["id"]) == heard_id
    again = say(server)
    with RawClient(server.gateway) as client:
        replayed = resume(client, op, session, heard["s"], 1)
        assert [payload["d"]["id"] for payload in replayed] == [again]
        assert replayed[0]["d"]["content"] == CONTENT


def term(octets: bytes) -> bytes:
    return frame(BINARY, octets)


BEAT = b"t\0\0\0\x02m\0\0\0\x02opa\x01m\0\0\0\x01ds\x03nil"

REFUSED = {
    "text": frame(TEXT, b'{"op":1,"d":null}'),
    "JSON in a binary frame": term(b'{"op":1,"d":null}'),
    "an empty message": term(b""),
    "a version alone": term(b"\x83"),
    "no version": term(BEAT),
    "another version": term(b"\x82" + BEAT),
    "cut short": term(b"\x83" + BEAT[:-1]),
    "octets after the term": term(b"\x83" + BEAT + b"\0"),
    "compressed": term(b"\x83P\0\0\0\x02x\x9cK\x04\0\0b\0b"),
    "atoms for keys": term(b"\x83t\0\0\0\x02s\x02opa\x01s\x01ds\x03nil"),
    "a key twice": term(b"\x83t\0\0\0\x02m\0\0\0\x02opa\x01m\0\0\0\x02opa\x01"),
    "an atom that is none of four": term(b"\x83t\0\0\0\x02m\0\0\0\x02opa\x01m\0\0\0\x01ds\x04evil"),
    "a list": term(b"\x83l\0\0\0\x01a\x01j"),
    "an improper list": term(b"\x83t\0\0\0\x02m\0\0\0\x02opa\x01m\0\0\0\x01dl\0\0\0\x01a\x01a\x02"),
    "four thousand million entries": term(b"\x83t\xff\xff\xff\xffm\0\0\0\x02opa\x01"),
    "four thousand million octets": term(b"\x83m\xff\xff\xff\xffop"),
    "nested too deep": term(b"\x83t\0\0\0\x02m\0\0\0\x02opa\x02m\0\0\0\x01d" + b"h\x01" * 5000 + b"a\x01"),
    "a string that is not UTF-8": term(b"\x83t\0\0\0\x02m\0\0\0\x02opa\x01m\0\0\0\x01dm\0\0\0\x01\xff"),
    "not a number": term(b"\x83t\0\0\0\x02m\0\0\0\x02opa\x01m\0\0\0\x01dF\x7f\xf8\0\0\0\0\0\0"),
    "an op with a fraction": term(b"\x83t\0\0\0\x01m\0\0\0\x02opF" + struct.pack("!d", 1.5)),
    "no op": term(b"\x83t\0\0\0\x01m\0\0\0\x01ds\x03nil"),
}


@pytest.mark.parametrize("octets", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_payload_closes_with_4002(server: Server, octets: bytes) -> None:
    with EtfClient(server.gateway) as client:
        client.open()
        client.send(octets)
        assert client.read_close() == 4002


def test_the_codes_for_payloads_are_those_of_json(server: Server) -> None:
    cases = {
        etf_op(99): 4001,
        etf_op(1, "x"): 4001,
        etf_op(3, {"status": "online"}): 4003,
        etf_op(2, {"token": "nobody", "properties": {}, "intents": 0}): 4004,
    }
    for octets, code in cases.items():
        with EtfClient(server.gateway) as client:
            client.open()
            client.send(octets)
            assert client.read_close() == code
