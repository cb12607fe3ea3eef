"""RawClient: a WebSocket client down to the octets, for sending what no library would send."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class DroppedError(Exception):
    """The peer ended the TCP connection without a close frame."""


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    masked: bool = True,
    length_form: int | None = None,
    declared: int | None = None,
) -> bytes:
    """Build a client frame; every keyword breaks one rule of RFC 6455 §5.2.

    `length_form` forces the 7, 16 or 64 bit length; `declared` lies about the length.
    """
    length = len(payload) if declared is None else declared
    form = length_form or (7 if length < 126 else 16 if length < 65536 else 64)
    mask_bit = 0x80 if masked else 0
    head = bytes([(0x80 if fin else 0) | (rsv << 4) | opcode])
    if form == 7:
        head += bytes([mask_bit | length])
    elif form == 16:
        head += bytes([mask_bit | 126]) + struct.pack("!H", length)
    else:
        head += bytes([mask_bit | 127]) + struct.pack("!Q", length)
    if not masked:
        return head + payload
    key = b"\x11\x22\x33\x44"
    return head + key + bytes(octet ^ key[i & 3] for i, octet in enumerate(payload))


def op(code: int, d: Any = None, **extra: Any) -> bytes:
    """A text frame with a gateway payload."""
    return frame(TEXT, json.dumps({"op": code, "d": d, **extra}).encode())


def take_head(buffer: bytearray) -> bytes | None:
    """Take an HTTP response head from the front of what arrived; None until all of it is there."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(buffer[:end])
    del buffer[: end + 4]
    return head


def take_frames(buffer: bytearray) -> list[tuple[int, bytes]]:
    """Take the whole server frames from the front of what arrived: opcode and payload of each."""
    frames, at = [], 0
    while len(buffer) - at >= 2:
        length, head = buffer[at + 1], 2
        if length == 126:
            if len(buffer) - at < 4:
                break
            (length,), head = struct.unpack_from("!H", buffer, at + 2), 4
        elif length == 127:
            if len(buffer) - at < 10:
                break
            (length,), head = struct.unpack_from("!Q", buffer, at + 2), 10
        if len(buffer) - at < head + length:
            break
        frames.append((buffer[at] & 15, bytes(buffer[at + head : at + head + length])))
        at += head + length
    del buffer[:at]
    return frames


class RawClient:
    """One TCP connection to the gateway. Blocking, with a deadline of 10 s on every read."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self.host = f"{parts.hostname}:{parts.port}"
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes, *, chop: int = 0) -> None:
        """Send octets, in pieces of `chop` when given. A peer that has gone is not an error here."""
        try:
            for start in range(0, len(data), chop) if chop else (0,):
                self.socket.sendall(data[start : start + chop] if chop else data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def request(self, query: str = "v=10&encoding=json", headers: Mapping[str, str | None] | None = None) -> bytes:
        """The bytes of an upgrade request; a header given as None is left out."""
        fields: dict[str, str | None] = {
            "Host": self.host,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Version": "13",
            **(headers or {}),
        }
        lines = [
            f"GET /?{query} HTTP/1.1",
            *(f"{name}: {value}" for name, value in fields.items() if value is not None),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def _fill(self) -> None:
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            raise DroppedError
        self._buffer += data

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._fill()
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def read_head(self) -> tuple[int, str]:
        """Read an HTTP response head: its status and its text."""
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        text = head.decode("latin-1")
        return int(text.split(" ", 2)[1]), text

    def open(self, query: str = "v=10&encoding=json") -> dict[str, Any]:
        """Upgrade and return the HELLO payload."""
        self.send(self.request(query))
        status, text = self.read_head()
        assert status == 101, text
        return self.read_payload()

    def read_frame(self) -> tuple[int, bytes]:
        """One server frame: opcode and payload. Fails if the server masks, fragments or sets RSV.

        Raises:
            DroppedError: the connection ended first.
        """
        first, second = self._take(2)
        assert first & 0x80, "the server fragments"
        assert not first & 0x70, "the server sets RSV"
        assert not second & 0x80, "the server masks"
        length = second
        if length == 126:
            (length,) = struct.unpack("!H", self._take(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._take(8))
        return first & 0x0F, self._take(length)

    def read_payload(self) -> dict[str, Any]:
        """The next gateway payload."""
        opcode, data = self.read_frame()
        assert opcode in (TEXT, BINARY), (opcode, data)
        payload: dict[str, Any] = json.loads(data)
        return payload

    def read_until(self, code: int, name: str | None = None) -> dict[str, Any]:
        """Skip payloads up to one with this op (and event name)."""
        while True:
            payload = self.read_payload()
            if payload["op"] == code and (name is None or payload.get("t") == name):
                return payload

    def read_close(self) -> int:
        """The close code the server sends, skipping what comes before it; answers the close.

        Raises:
            DroppedError: the connection ended with no close frame.
        """
        while True:
            opcode, data = self.read_frame()
            if opcode == CLOSE:
                self.send(frame(CLOSE, data[:2]))
                return int.from_bytes(data[:2], "big") if data else 1005

    def identify(self, token: str, *, intents: int = 0, **extra: Any) -> dict[str, Any]:
        """Identify and return READY's `d`."""
        properties = {"os": "linux", "browser": "tests", "device": "tests"}
        self.send(op(2, {"token": token, "intents": intents, "properties": properties, **extra}))
        ready: dict[str, Any] = self.read_until(0, "READY")["d"]
        return ready
