"""The promises of the README, end to end on a real node (design §2)."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.gateway.conftest import WITH_CROWD
from tests.support.raw_client import RawClient, op
from tests.support.server import UNLIMITED, Server, running_server
from tests.support.town import BELL, Person, Place, Town


@contextmanager
def meanwhile(work: Any, *arguments: Any) -> Iterator[None]:
    """Do something in a thread during a `with` block; its failure is raised at the end."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work(*arguments)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    assert failures == []


def speak(server: Server, who: Person, channel: str, contents: list[str]) -> None:
    with httpx.Client(base_url=server.api, headers={"Authorization": who.token}, timeout=30) as http:
        for content in contents:
            response = http.post(f"/channels/{channel}/messages", json={"content": content})
            assert response.status_code == 200, response.text


def test_over_all_its_connections_a_session_hears_everything_once_and_in_order(town: Town, server: Server) -> None:
    """Sequence, Resume and Delivery: the socket is cut at random moments while somebody speaks."""
    owner = town.person()
    place = town.place(owner)
    dice = random.Random(7)
    contents = [str(number) for number in range(300)]
    last = 0  # the highest `s` seen
    heard: list[str] = []

    def take(payload: dict[str, Any]) -> None:
        nonlocal last
        if payload["op"] == 0:
            assert payload["s"] == last + 1
            last = payload["s"]
            if payload["t"] == "MESSAGE_CREATE":
                heard.append(payload["d"]["content"])

    client = RawClient(server.gateway)
    client.open()
    client.send(op(2, {"token": owner.token, "intents": 1 | 1 << 9, "properties": {}}))
    ready = client.read_payload()
    take(ready)
    take(client.read_payload())  # GUILD_CREATE
    session = {"token": owner.token, "session_id": ready["d"]["session_id"]}
    with meanwhile(speak, server, owner, place.general, contents):
        while len(heard) < len(contents):
            for _ in range(dice.randrange(40)):
                if len(heard) < len(contents):
                    take(client.read_payload())
            client.socket.close()
            client = RawClient(server.gateway)
            client.open()
            client.send(op(6, {**session, "seq": last}))
            while True:
                payload = client.read_payload()
                take(payload)
                if payload["t"] == "RESUMED":
                    break
    client.socket.close()
    assert heard == contents


def test_all_sessions_hear_a_channel_in_one_order(town: Town, server: Server) -> None:
    """Order: four people speak at once."""
    owner, *others = town.person(), town.person(), town.person(), town.person()
    place = town.place(owner, *others, BELL)
    listeners = [town.listen(who) for who in (owner, others[0], BELL)]
    with (
        meanwhile(speak, server, owner, place.general, [f"a{number}" for number in range(40)]),
        meanwhile(speak, server, others[0], place.general, [f"b{number}" for number in range(40)]),
        meanwhile(speak, server, others[1], place.general, [f"c{number}" for number in range(40)]),
    ):
        heard = [
            [each.until("MESSAGE_CREATE", channel_id=place.general)["id"] for _ in range(120)] for each in listeners
        ]
    assert heard[0] == heard[1] == heard[2]
    assert len(set(heard[0])) == 120


def test_after_the_reply_to_a_revocation_the_loser_hears_nothing_more(town: Town, server: Server) -> None:
    """Revocation: somebody speaks all the time while sight is given and taken."""
    owner, member = town.person(), town.person()
    place = town.place(owner, member)
    room = town.call(owner, "POST", f"/guilds/{place.id}/channels", {"name": "room", "type": 0})["id"]
    overwrite = f"/channels/{room}/permissions/{member.id}"
    loser = town.listen(member)
    state, done, open_said = ["open"], threading.Event(), threading.Event()

    def talk() -> None:
        with httpx.Client(base_url=server.api, headers={"Authorization": owner.token}, timeout=30) as http:
            while not done.is_set():
                content = state[0]
                http.post(f"/channels/{room}/messages", json={"content": content})
                if content == "open":
                    open_said.set()

    heard: list[str] = []
    with meanwhile(talk):
        try:
            for _ in range(15):
                town.call(owner, "PUT", overwrite, {"type": 1, "deny": "1024", "allow": "0"})
                state[0] = "closed"
                heard += _said(town, place, loser, room)
                open_said.clear()
                state[0] = "open"
                open_said.wait(10)  # then nothing said behind the closed door is still on its way
                town.call(owner, "DELETE", overwrite)
                heard += _said(town, place, loser, room)
        finally:
            done.set()
    assert set(heard) <= {"open"}
    assert heard


def _said(town: Town, place: Place, listener: Any, room: str) -> list[str]:
    [told] = town.told(place, listener)
    return [d["content"] for name, d in told if name == "MESSAGE_CREATE" and d["channel_id"] == room]


def test_a_slow_client_is_closed_at_its_limit_and_may_resume(tmp_path: Path) -> None:
    """Bounded: a client asks for much and reads nothing; others do not notice."""
    flags = (*UNLIMITED, "--outbound-max-bytes", "65536", "--replay-max-bytes", str(1 << 26))
    with (
        running_server(tmp_path, *flags, world=WITH_CROWD) as server,
        RawClient(server.gateway) as client,
        RawClient(server.gateway) as witness,
    ):
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        client.open()
        witness.open()
        witness.identify("dora-token", intents=0)
        session_id = client.identify(BELL.token, intents=1 << 1 | 1 << 8)["session_id"]
        for _ in range(100):
            client.send(op(8, {"guild_id": "2002", "query": "face", "limit": 100, "presences": True}))
        metrics = ""
        while "tocsin_slow_clients_total 1" not in metrics:
            witness.send(op(1, 1))
            witness.read_until(11)
            metrics = httpx.get(f"{server.http}/metrics").text
        read, code = 0, 0
        while not code:
            opcode, data = client.read_frame()
            if opcode == 8:
                code = int.from_bytes(data[:2], "big")
            read += opcode != 8
        assert code == 4000
        client.socket.close()
        with RawClient(server.gateway) as again:
            again.open()
            again.send(op(6, {"token": BELL.token, "session_id": session_id, "seq": read}))
            assert again.read_payload()["s"] == read + 1
            again.read_until(0, "RESUMED")
