"""Hostile octets on a real socket: each case gets its exact close code, and the node keeps serving others."""

from __future__ import annotations

import base64
import contextlib
import json
import struct
from collections.abc import Callable, Iterator

import pytest

from tests.support.raw_client import BINARY, CLOSE, PING, PONG, TEXT, DroppedError, RawClient, frame, op
from tests.support.server import Server

Send = Callable[[RawClient], None]
BEAT = op(1)


def sends(*pieces: bytes, chop: int = 0) -> Send:
    """A case that just sends octets after HELLO."""
    return lambda client: client.send(b"".join(pieces), chop=chop)


def text(value: bytes | str) -> bytes:
    return frame(TEXT, value.encode() if isinstance(value, str) else value)


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, struct.pack("!H", code) + reason)


OVERSIZE = b'{"op":1,"d":null,"pad":"' + b"x" * 15400 + b'"}'
IDENTIFY = {"token": "ada-token", "properties": {"os": "a", "browser": "b", "device": "c"}, "intents": 513}

# -- frames: RFC 6455. name, what is sent after HELLO, the close code.
FRAME_CASES: list[tuple[str, Send, int]] = [
    ("unmasked text", sends(frame(TEXT, b"{}", masked=False)), 1002),
    ("unmasked binary", sends(frame(BINARY, b"{}", masked=False)), 1002),
    ("unmasked ping", sends(frame(PING, b"", masked=False)), 1002),
    ("unmasked close", sends(frame(CLOSE, b"\x03\xe8", masked=False)), 1002),
    *[(f"rsv {bits} on text", sends(frame(TEXT, b"{}", rsv=bits)), 1002) for bits in range(1, 8)],
    ("rsv1 on ping", sends(frame(PING, b"", rsv=4)), 1002),
    *[(f"reserved opcode {code}", sends(frame(code, b"x")), 1002) for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)],
    ("fragmented ping", sends(frame(PING, b"a", fin=False)), 1002),
    ("fragmented close", sends(frame(CLOSE, b"\x03\xe8", fin=False)), 1002),
    ("ping of 126 octets", sends(frame(PING, b"a" * 126)), 1002),
    ("ping in 16 bit length form", sends(frame(PING, b"a", length_form=16)), 1002),
    ("length not minimal in 16 bits", sends(frame(TEXT, b"{}", length_form=16)), 1002),
    ("length not minimal in 64 bits", sends(frame(TEXT, b"{}", length_form=64)), 1002),
    ("top bit of a 64 bit length", sends(frame(TEXT, b"", declared=1 << 63, length_form=64)), 1002),
    ("continuation first", sends(frame(0, b"{}")), 1002),
    ("text inside a fragmented text", sends(frame(TEXT, b'{"op"', fin=False), text(b"{}")), 1002),
    ("close with one octet", sends(frame(CLOSE, b"\x03")), 1002),
    *[(f"close code {code}", sends(close(code)), 1002) for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535)],
    ("close reason not UTF-8", sends(close(3000, b"\xff\xfe")), 1007),
    ("text not UTF-8", sends(text(b"\xff\xff")), 1007),
    ("text with a surrogate", sends(text(b'{"op":1,"d":"\xed\xa0\x80"}')), 1007),
    ("text overlong", sends(text(b"\xc0\xaf")), 1007),
    ("text above 10FFFF", sends(text(b"\xf4\x90\x80\x80")), 1007),
    ("text cut inside a character", sends(text(b'{"op":"\xe2\x82')), 1007),
    ("bad octet inside an unfinished fragment", sends(frame(TEXT, b'{"a":"\xff', fin=False)), 1007),
    # -- size: in total, not only per frame
    ("1 GiB declared, nothing sent", sends(frame(TEXT, b"", declared=1 << 30, length_form=64)), 4002),
    ("2^62 declared", sends(frame(TEXT, b"", declared=1 << 62, length_form=64)), 4002),
    ("one octet over the limit", sends(text(b" " * 15361)), 4002),
    ("oversize payload", sends(text(OVERSIZE)), 4002),
    (
        "oversize in total by fragments",
        sends(
            frame(TEXT, OVERSIZE[:8000], fin=False),
            frame(0, OVERSIZE[8000:15000], fin=False),
            frame(0, OVERSIZE[15000:]),
        ),
        4002,
    ),
    ("a flood of tiny fragments", sends(frame(TEXT, b"{", fin=False), *[frame(0, b" ", fin=False)] * 2000), 4002),
    ("a flood of empty fragments", sends(frame(TEXT, b"", fin=False), *[frame(0, b"", fin=False)] * 5000), 4002),
]

# -- payloads: protocol.md §1.4
PAYLOAD_CASES: list[tuple[str, Send, int]] = [
    ("not JSON", sends(text("hello")), 4002),
    ("empty message", sends(text("")), 4002),
    ("JSON array", sends(text("[1]")), 4002),
    ("no op", sends(text('{"d":1}')), 4002),
    ("op is a string", sends(text('{"op":"1"}')), 4002),
    ("op is negative", sends(text('{"op":-1}')), 4002),
    ("op over 64 bits", sends(text('{"op":99999999999999999999999}')), 4002),
    ("trailing data", sends(text('{"op":1,"d":null}{}')), 4002),
    ("NaN", sends(text('{"op":1,"d":NaN}')), 4002),
    ("a key twice", sends(text('{"op":1,"op":2,"d":null}')), 4002),
    ("nested too deep", sends(text('{"op":2,"d":' + "[" * 200 + "]" * 200 + "}")), 4002),
    ("lone surrogate escape", sends(text('{"op":1,"d":"\\ud800"}')), 4002),
    ("byte order mark", sends(text(b'\xef\xbb\xbf{"op":1,"d":null}')), 4002),
    ("unknown op", sends(op(99)), 4001),
    ("op 11 from a client", sends(op(11)), 4001),
    ("op 10 from a client", sends(op(10)), 4001),
    ("presence before identify", sends(op(3, {"status": "online"})), 4003),
    ("member request before identify", sends(op(8, {"guild_id": "2001", "query": "", "limit": 0})), 4003),
    ("voice before identify", sends(op(4, {})), 4003),
    ("subscriptions before identify", sends(op(14, {})), 4003),
    ("typing before identify", sends(op(0, {"channel_id": "3001"}, t="TYPING_START")), 4003),
    ("heartbeat with a string", sends(op(1, "x")), 4001),
    ("identify without a token", sends(op(2, {"properties": {}, "intents": 0})), 4002),
    ("identify without properties", sends(op(2, {"token": "ada-token", "intents": 0})), 4002),
    ("identify with a number", sends(op(2, 5)), 4002),
    ("identify with null", sends(op(2)), 4002),
    ("bad token", sends(op(2, {**IDENTIFY, "token": "nobody"})), 4004),
    ("empty token", sends(op(2, {**IDENTIFY, "token": ""})), 4004),
    ("shard out of range", sends(op(2, {**IDENTIFY, "shard": [2, 2]})), 4010),
    ("shard of zero", sends(op(2, {**IDENTIFY, "shard": [0, 0]})), 4010),
    ("negative shard", sends(op(2, {**IDENTIFY, "shard": [-1, 2]})), 4010),
    ("unknown intents", sends(op(2, {**IDENTIFY, "token": "bell-token", "intents": 1 << 40})), 4013),
    ("negative intents", sends(op(2, {**IDENTIFY, "token": "bell-token", "intents": -1})), 4013),
    ("a bot without intents", sends(op(2, {"token": "bell-token", "properties": {}})), 4013),
    ("privileged intents not enabled", sends(op(2, {**IDENTIFY, "token": "clerk-token", "intents": 1 << 15})), 4014),
    ("resume without a session id", sends(op(6, {"token": "ada-token", "seq": 1})), 4001),
    ("resume with a negative seq", sends(op(6, {"token": "ada-token", "session_id": "0" * 32, "seq": -1})), 4001),
    ("two identifies at once", sends(op(2, IDENTIFY), op(2, IDENTIFY)), 4005),
    ("121 sends", sends(BEAT * 121), 4008),
]

# -- queries: what the URL asks for
QUERY_CASES = [
    ("v=99&encoding=json", 4012),
    ("v=8&encoding=json", 4012),
    ("v=abc&encoding=json", 4012),
    ("encoding=json", 4012),
    ("v=10&encoding=xml", 4002),
    ("v=10&encoding=json&compress=brotli", 4002),
]

KEY = base64.b64encode(b"0123456789abcdef").decode()

# -- handshakes: the status they get
HANDSHAKE_CASES: list[tuple[str, bytes, int]] = [
    ("POST", b"POST /?v=10 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405),
    ("HTTP/1.0", b"GET /?v=10 HTTP/1.0\r\nHost: a\r\n\r\n", 400),
    ("no upgrade", b"GET /?v=10 HTTP/1.1\r\nHost: a\r\n\r\n", 426),
    ("another path", b"GET /etc/passwd HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 404),
    ("garbage", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ("bare line feeds", b"GET /?v=10 HTTP/1.1\nHost: a\n\n\r\n\r\n", 400),
    ("header without a colon", b"GET /?v=10 HTTP/1.1\r\nHost a\r\n\r\n", 400),
    ("NUL in a header", b"GET /?v=10 HTTP/1.1\r\nHost: a\x00b\r\n\r\n", 400),
    ("folded header", b"GET /?v=10 HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400),
    ("64 KiB header", b"GET /?v=10 HTTP/1.1\r\nHost: " + b"a" * 65536 + b"\r\n\r\n", 431),
    ("500 headers", b"GET /?v=10 HTTP/1.1\r\n" + b"X-A: b\r\n" * 500 + b"\r\n", 431),
    (
        "length and transfer coding",
        b"GET /?v=10 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
    ),
]
HANDSHAKE_HEADER_CASES: list[tuple[str, dict[str, str | None], int]] = [
    ("no key", {"Sec-WebSocket-Key": None}, 400),
    ("short key", {"Sec-WebSocket-Key": "YQ=="}, 400),
    ("key not base64", {"Sec-WebSocket-Key": "!" * 24}, 400),
    ("two keys", {"sec-websocket-key": KEY}, 400),
    ("version 8", {"Sec-WebSocket-Version": "8"}, 426),
    ("no version", {"Sec-WebSocket-Version": None}, 426),
    ("upgrade to h2c", {"Upgrade": "h2c"}, 426),
    ("connection: close", {"Connection": "close"}, 426),
]


@pytest.fixture(scope="module")
def witness(server: Server) -> Iterator[RawClient]:
    """A well-behaved session that must stay alive through all of this."""
    with RawClient(server.gateway) as client:
        client.open()
        client.identify("ada-token", intents=1)
        yield client
        still_served(client)


def still_served(witness: RawClient) -> None:
    witness.send(frame(PING, b"alive"))
    while True:
        opcode, data = witness.read_frame()
        if opcode == PONG:
            assert data == b"alive"
            return


@pytest.mark.parametrize(("send", "code"), [pytest.param(s, c, id=n) for n, s, c in FRAME_CASES + PAYLOAD_CASES])
@pytest.mark.parametrize("chop", [0, 7])
def test_bad_input_gets_its_close_code(server: Server, witness: RawClient, send: Send, code: int, chop: int) -> None:
    with RawClient(server.gateway) as client:
        client.open()
        if chop:
            whole = client.send
            client.send = lambda data, *, chop=7: whole(data, chop=chop) if len(data) < 2000 else whole(data)  # type: ignore[method-assign]
        send(client)
        assert client.read_close() == code
    still_served(witness)


@pytest.mark.parametrize(("query", "code"), QUERY_CASES)
def test_bad_query_gets_its_close_code(server: Server, witness: RawClient, query: str, code: int) -> None:
    with RawClient(server.gateway) as client:
        client.send(client.request(query))
        assert client.read_head()[0] == 101
        assert client.read_close() == code
    still_served(witness)


@pytest.mark.parametrize(("data", "status"), [pytest.param(d, s, id=n) for n, d, s in HANDSHAKE_CASES])
def test_bad_handshake_gets_its_status(server: Server, witness: RawClient, data: bytes, status: int) -> None:
    with RawClient(server.gateway) as client:
        client.send(data)
        assert client.read_head()[0] == status
    still_served(witness)


@pytest.mark.parametrize(("headers", "status"), [pytest.param(h, s, id=n) for n, h, s in HANDSHAKE_HEADER_CASES])
def test_bad_upgrade_headers_get_their_status(server: Server, headers: dict[str, str | None], status: int) -> None:
    with RawClient(server.gateway) as client:
        client.send(client.request(headers=headers))
        assert client.read_head()[0] == status


def test_deflate_is_declined(server: Server) -> None:
    with RawClient(server.gateway) as client:
        client.send(client.request(headers={"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}))
        status, head = client.read_head()
        assert status == 101
        assert "sec-websocket-extensions" not in head.lower()


def test_replies_to_earlier_frames_come_before_the_failure(server: Server) -> None:
    with RawClient(server.gateway) as client:
        client.open()
        client.send(BEAT + frame(PING, b"first") + frame(TEXT, b"{}", rsv=4))
        assert client.read_payload()["op"] == 11
        assert client.read_frame() == (PONG, b"first")
        assert client.read_close() == 1002


def test_frames_sent_with_the_handshake_are_not_lost(server: Server) -> None:
    with RawClient(server.gateway) as client:
        client.send(client.request() + BEAT)
        assert client.read_head()[0] == 101
        assert [client.read_payload()["op"], client.read_payload()["op"]] == [10, 11]


def test_control_frames_pass_between_fragments(server: Server) -> None:
    beat = json.dumps({"op": 1, "d": None}).encode()
    with RawClient(server.gateway) as client:
        client.open()
        client.send(frame(TEXT, beat[:5], fin=False) + frame(PING, b"between") + frame(0, beat[5:]))
        assert client.read_frame() == (PONG, b"between")
        assert client.read_payload()["op"] == 11


def test_close_between_fragments_is_answered_cleanly(server: Server) -> None:
    with RawClient(server.gateway) as client:
        client.open()
        client.send(frame(TEXT, b"{", fin=False) + close(1000))
        assert client.read_close() == 1000


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 4000, 4999])
def test_a_valid_close_code_is_echoed(server: Server, code: int) -> None:
    with RawClient(server.gateway) as client:
        client.open()
        client.send(close(code, b"bye"))
        assert client.read_close() == code


def test_binary_json_is_accepted(server: Server) -> None:
    with RawClient(server.gateway) as client:
        client.open()
        client.send(frame(BINARY, b'{"op":1,"d":null}'))
        assert client.read_payload()["op"] == 11


def test_a_payload_of_exactly_the_limit_is_accepted(server: Server) -> None:
    body = b'{"op":1,"d":null,"pad":"' + b"x" * (15360 - 26) + b'"}'
    assert len(body) == 15360
    with RawClient(server.gateway) as client:
        client.open()
        client.send(frame(TEXT, body))
        assert client.read_payload()["op"] == 11


def test_qos_heartbeat_is_acknowledged_before_identify(server: Server) -> None:
    with RawClient(server.gateway) as client:
        client.open()
        client.send(op(40, {"seq": None, "qos": {"ver": 1, "active": True, "reasons": []}}))
        assert client.read_payload()["op"] == 11


def test_a_second_identify_is_refused_and_the_session_can_be_resumed(server: Server) -> None:
    with RawClient(server.gateway) as client:
        client.open()
        ready = client.identify("ada-token", intents=0)
        client.send(op(2, IDENTIFY))
        assert client.read_close() == 4005
    with RawClient(server.gateway) as client:
        client.open()
        client.send(op(6, {"token": "ada-token", "session_id": ready["session_id"], "seq": 1}))
        assert client.read_until(0, "RESUMED")["d"] == {}


def test_a_resume_ahead_of_what_was_sent_is_4007(server: Server) -> None:
    with RawClient(server.gateway) as client:
        client.open()
        ready = client.identify("ada-token", intents=0)
        client.socket.close()
    with RawClient(server.gateway) as client:
        client.open()
        client.send(op(6, {"token": "ada-token", "session_id": ready["session_id"], "seq": 9_000_000}))
        assert client.read_close() == 4007


@pytest.mark.parametrize("session_id", ["0" * 32, "nonsense", "", "f" * 4000])
def test_an_unknown_session_is_invalid_and_the_connection_stays(server: Server, session_id: str) -> None:
    with RawClient(server.gateway) as client:
        client.open()
        client.send(op(6, {"token": "ada-token", "session_id": session_id, "seq": 1}))
        invalid = client.read_payload()
        assert (invalid["op"], invalid["d"]) == (9, False)
        assert client.identify("ada-token", intents=0)["user"]["id"] == "1001"


def test_a_foreign_session_looks_like_an_unknown_one(server: Server) -> None:
    with RawClient(server.gateway) as victim, RawClient(server.gateway) as thief:
        victim.open()
        ready = victim.identify("ada-token", intents=0)
        thief.open()
        thief.send(op(6, {"token": "clerk-token", "session_id": ready["session_id"], "seq": 1}))
        invalid = thief.read_payload()
        assert (invalid["op"], invalid["d"]) == (9, False)
        still_served(victim)


def test_octet_by_octet_is_a_whole_session(server: Server) -> None:
    with RawClient(server.gateway) as client:
        client.send(client.request(), chop=1)
        assert client.read_head()[0] == 101
        assert client.read_payload()["op"] == 10
        client.send(op(2, {**IDENTIFY, "intents": 0}), chop=1)
        assert client.read_until(0, "READY")["s"] == 1


def test_pings_that_nobody_reads_answers_to_do_not_hurt_others(server: Server, witness: RawClient) -> None:
    with RawClient(server.gateway) as client, contextlib.suppress(DroppedError):
        client.open()
        for _ in range(200):
            client.send(frame(PING, b"x" * 125) * 100)
        still_served(witness)


def test_half_open_handshakes_do_not_hurt_others(server: Server, witness: RawClient) -> None:
    idle = [RawClient(server.gateway) for _ in range(100)]
    try:
        for client in idle:
            client.send(b"GET /?v=10 HTTP/1.1\r\nHost: ")
        with RawClient(server.gateway) as client:
            assert client.open()["op"] == 10
        still_served(witness)
    finally:
        for client in idle:
            client.socket.close()


def test_there_are_at_least_sixty_cases() -> None:
    assert len(FRAME_CASES) + len(PAYLOAD_CASES) + len(QUERY_CASES) + len(HANDSHAKE_CASES) >= 60
