"""Resp: questions to Redis one at a time, blocking; the events of a node go through the core, not through this."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

Answer = str | int | None | list["Answer"]


class RespError(Exception):
    """Redis refused, or what answers is no Redis."""


class Resp:
    """One connection, checked by name and password where the URL has them.

    Args:
        url: `redis://[user:password@]host[:port][/number]`, or `redis+unix:///path` or `unix:///path`.
        timeout_s: of connecting and of each answer.

    Raises:
        OSError: it cannot be reached.
        RespError: it refuses the password or the database.
    """

    def __init__(self, url: str, timeout_s: float = 3.0) -> None:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        if parts.scheme in ("unix", "redis+unix"):
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(timeout_s)
            try:
                self._socket.connect(unquote(parts.path))
            except OSError:
                self._socket.close()
                raise
            number = query.get("db", ["0"])[0]
        else:
            self._socket = socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 6379), timeout_s)
            number = parts.path.strip("/") or "0"
        self._file = self._socket.makefile("rb")
        try:
            password = unquote(parts.password or query.get("pass", [""])[0])
            user = unquote(parts.username or query.get("user", [""])[0])
            if password:
                self.ask("AUTH", *([user] if user else []), password)
            if number != "0":
                self.ask("SELECT", number)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._file.close()
        self._socket.close()

    def ask(self, *words: str) -> Answer:
        """Return the answer to one command.

        Raises:
            OSError: the connection broke.
            RespError: Redis refused.
        """
        octets = [word.encode() for word in words]
        body = b"".join(b"$%d\r\n%b\r\n" % (len(each), each) for each in octets)
        self._socket.sendall(b"*%d\r\n%b" % (len(octets), body))
        return self._read()

    def _read(self) -> Answer:
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the connection ended")
        kind, rest = line[:1], line[1:-2].decode("utf-8", "replace")
        if kind == b"+":
            return rest
        if kind == b"-":
            raise RespError(rest)
        if kind not in b":$*" or not rest.lstrip("-").isdigit():
            raise RespError("it is no Redis")
        number = int(rest)
        if kind == b":":
            return number
        if number < 0:
            return None
        if kind == b"*":
            return [self._read() for _ in range(number)]
        data = self._file.read(number + 2)
        if len(data) != number + 2:
            raise ConnectionError("the connection ended")
        return data[:-2].decode("utf-8", "replace")
