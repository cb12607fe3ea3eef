"""`tocsin tail`: the events that a token may see, as lines for people or as JSON for scripts.

A small client of the gateway (protocol.md §1): it resumes after a lost connection, so that nothing is missed.
"""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import click
import msgspec

from tocsin.cli.options import settings_from, settings_options
from tocsin.errors import TocsinError

_RETRY_S = (0.2, 0.5, 1, 2, 5)
_FATAL = frozenset({4004, 4010, 4011, 4012, 4013, 4014})
Payload = dict[str, Any]


@click.command()
@click.option("--token", required=True, envvar="TOCSIN_TOKEN", help="Whose events. Also TOCSIN_TOKEN.")
@click.option("--url", metavar="URL", default=None, help="The API's URL. Default: the node that runs on --data.")
@click.option("--json", "as_json", is_flag=True, help="Print each dispatch as JSON.")
@click.option("--count", type=int, metavar="N", default=0, help="Stop after N events; 0 goes on until interrupted.")
@settings_options("data")
def tail(token: str, url: str | None, as_json: bool, count: int, config: str | None, **flags: str | None) -> None:
    """Follow the events that TOKEN may see, until interrupted."""
    if url is None:
        from tocsin.cli.running import running_node

        node = running_node(settings_from(config, flags).data)
        url = node.http if node is not None else "http://127.0.0.1:8080"
    names = Names()
    seen = 0
    try:
        for payload in Follower(url.rstrip("/"), token).events():
            if as_json:
                click.echo(msgspec.json.encode(payload))
            else:
                click.echo(names.line(payload["t"], payload["d"]))
            sys.stdout.flush()
            seen += 1
            if count and seen >= count:
                return
    except KeyboardInterrupt:
        return


class Follower:
    """One session over as many connections as it takes."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token
        self._session_id = ""
        self._seq: int | None = None
        self._resume_url = ""

    def events(self) -> Iterator[Payload]:
        """Yield dispatches.

        Raises:
            TocsinError: the server cannot be reached, or does not want the token.
        """
        gateway = self._get("/gateway")["url"]
        identify = self._identify()
        failures = 0
        while True:
            try:
                for payload in self._connection(self._resume_url or gateway, identify):
                    failures = 0
                    yield payload
            except OSError as error:
                if failures >= len(_RETRY_S):
                    raise TocsinError(f"cannot reach {gateway}: {error}") from None
            time.sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])
            failures += 1

    def _get(self, path: str) -> Any:
        request = urllib.request.Request(f"{self._url}/api/v10{path}", headers={"Authorization": self._token})
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return msgspec.json.decode(response.read())
        except urllib.error.HTTPError as error:
            if error.code == 401:
                raise TocsinError("the server does not know this token") from None
            raise TocsinError(f"{self._url}{path} answered {error.code}") from None
        except (OSError, ValueError) as error:
            raise TocsinError(f"cannot reach {self._url}: {error}") from None

    def _identify(self) -> Payload:
        """Return op 2 with all the intents that the token may have."""
        me = self._get("/users/@me")
        d: Payload = {"token": self._token, "properties": {"os": sys.platform, "browser": "tocsin", "device": "tail"}}
        if me.get("bot"):
            from tocsin.model.intents import BOT_LEGAL, PRIVILEGED, Intents

            flags = self._get("/applications/@me")["flags"]
            granted = {12: Intents.GUILD_PRESENCES, 14: Intents.GUILD_MEMBERS, 18: Intents.MESSAGE_CONTENT}
            may = sum(int(intent) for bit, intent in granted.items() if flags >> bit & 3)
            d["intents"] = int(BOT_LEGAL & ~PRIVILEGED) | may
        return {"op": 2, "d": d}

    def _connection(self, gateway: str, identify: Payload) -> Iterator[Payload]:
        """Yield the dispatches of one connection until it is lost."""
        from websockets.exceptions import ConnectionClosed
        from websockets.sync.client import connect

        with connect(f"{gateway.rstrip('/')}/?v=10&encoding=json", max_size=None, compression=None) as socket:

            def send(op: int, d: Any) -> None:
                socket.send(msgspec.json.encode({"op": op, "d": d}).decode())

            try:
                interval_s = msgspec.json.decode(socket.recv(10))["d"]["heartbeat_interval"] / 1000
                if self._session_id:
                    send(6, {"token": self._token, "session_id": self._session_id, "seq": self._seq})
                else:
                    send(2, identify["d"])
                beat_at = time.monotonic() + interval_s
                while True:
                    try:
                        payload: Payload = msgspec.json.decode(socket.recv(max(0.0, beat_at - time.monotonic())))
                    except TimeoutError:
                        send(1, self._seq)
                        beat_at = time.monotonic() + interval_s
                        continue
                    op = payload["op"]
                    if op == 0:
                        yield self._note(payload)
                    elif op == 1:
                        send(1, self._seq)
                    elif op == 7:
                        socket.close(4000)
                        return
                    elif op == 9:
                        if not payload["d"]:
                            self._session_id, self._seq, self._resume_url = "", None, ""
                        socket.close(4000)
                        return
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd is not None else 1006
                if code in _FATAL:
                    reason = closed.rcvd.reason if closed.rcvd is not None else ""
                    raise TocsinError(f"the gateway closed with {code} {reason}".rstrip()) from None
            except TimeoutError:
                return

    def _note(self, payload: Payload) -> Payload:
        self._seq = payload["s"]
        if payload["t"] == "READY":
            self._session_id = payload["d"]["session_id"]
            self._resume_url = payload["d"]["resume_gateway_url"]
        return payload


class Names:
    """Names of guilds, channels and users, as they went by."""

    def __init__(self) -> None:
        self._channels: dict[str, str] = {}
        self._users: dict[str, str] = {}

    def line(self, name: str, d: Payload) -> str:
        """Return an event as a line: the time, its name and what matters of it."""
        self._learn(name, d)
        return f"{time.strftime('%H:%M:%S')}  {name:28} {self._text(name, d)}".rstrip()

    def _learn(self, name: str, d: Payload) -> None:
        channels = d.get("channels", []) if name == "GUILD_CREATE" else [d] if name.startswith("CHANNEL_") else []
        for channel in channels:
            if channel.get("name"):
                self._channels[channel["id"]] = f"#{channel['name']}"
        people = [d.get("user"), d.get("author"), (d.get("member") or {}).get("user")]
        people += [member.get("user") for member in d.get("members") or ()]
        for user in people:
            if user and user.get("username"):
                self._users[user["id"]] = user["username"]

    def _text(self, name: str, d: Payload) -> str:
        where = self._channels.get(d.get("channel_id", ""), d.get("channel_id", ""))
        who = self._users.get(d.get("user_id", ""), d.get("user_id", ""))
        user = d.get("user") or d.get("author") or {}
        who = who or self._users.get(user.get("id", ""), user.get("id", ""))
        parts = {
            "READY": lambda: f"{who}, {len(d['guilds'])} guilds, session {d['session_id']}",
            "GUILD_CREATE": lambda: f"{d.get('name')}, {len(d['channels'])} channels, {d.get('member_count')} members",
            "MESSAGE_CREATE": lambda: f"{where} {who}: {d.get('content', '')}",
            "MESSAGE_UPDATE": lambda: f"{where} {who}: {d.get('content', '')} (edited)",
            "MESSAGE_DELETE": lambda: f"{where} {d.get('id')}",
            "PRESENCE_UPDATE": lambda: f"{who} is {d.get('status')}",
            "TYPING_START": lambda: f"{where} {who}",
        }
        if name in parts:
            return parts[name]()
        label = d.get("name") or (d.get("role") or {}).get("name") or d.get("id") or ""
        return " ".join(part for part in (where, who, label) if part)
