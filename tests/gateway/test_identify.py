"""Identify on real sockets: READY, shards, limits, and what changes while one identifies (protocol.md §1.5, §3.1)."""

from __future__ import annotations

import random
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.raw_client import RawClient, op
from tests.support.server import Server, running_server
from tests.support.town import BELL, CLERK, Listener, Person, Place, Town

VIEW = "1024"
PROPERTIES = {"os": "linux", "browser": "tests", "device": "tests"}


def test_ready_of_a_bot_and_of_a_person(town: Town) -> None:
    owner = town.person()
    place = town.place(owner, BELL)
    dm = town.call(owner, "POST", "/users/@me/channels", {"recipient_id": BELL.id})
    bot = town.listen(BELL, shard=[0, 1]).ready
    assert bot["shard"] == [0, 1]
    assert bot["private_channels"] == []
    assert bot["user"]["bot"] is True
    assert bot["application"]["flags"]
    assert bot["resume_gateway_url"] == town.server.gateway
    assert {"id": place.id, "unavailable": True} in bot["guilds"]
    person = town.listen(owner).ready
    assert "shard" not in person
    assert [each["id"] for each in person["private_channels"]] == [dm["id"]]
    assert [each["id"] for each in person["private_channels"][0]["recipients"]] == [BELL.id]
    assert len(person["session_id"]) == 32


@pytest.mark.parametrize("target", ["/?v=9&encoding=json", "/?v=10", "//?v=10&encoding=json", "?v=10&encoding=json"])
def test_both_versions_and_every_spelling_of_the_root_are_served(server: Server, target: str) -> None:
    with RawClient(server.gateway) as client:
        client.send(client.request().replace(b"/?v=10&encoding=json", target.encode(), 1))
        assert client.read_head()[0] == 101
        assert client.read_payload()["op"] == 10
        assert client.identify("ada-token", intents=0)["user"]["username"] == "ada"


def test_each_shard_has_its_own_guilds(town: Town) -> None:
    guilds = {town.place(town.person(), CLERK).id for _ in range(3)} | {"2001"}
    shards = [
        {each["id"] for each in town.listen(CLERK, intents=1, shard=[index, 3]).ready["guilds"]} for index in range(3)
    ]
    assert guilds <= shards[0] | shards[1] | shards[2]
    for index, held in enumerate(shards):
        assert {(int(each) >> 22) % 3 for each in held} <= {index}


def test_a_direct_message_reaches_the_first_shard_and_no_other(town: Town) -> None:
    person = town.person()
    while not int(town.place(person, CLERK).id) >> 22 & 1:
        pass  # until the second shard has a guild, by which it can be flushed
    dm = town.call(person, "POST", "/users/@me/channels", {"recipient_id": CLERK.id})
    shards = [town.listen(CLERK, intents=1 << 12, shard=[index, 2]) for index in range(2)]
    message = town.call(person, "POST", f"/channels/{dm['id']}/messages", {"content": "to you"})
    assert shards[0].until("MESSAGE_CREATE", channel_id=dm["id"])["id"] == message["id"]
    assert shards[1].flush() == []


def test_identifies_beyond_the_concurrency_get_op_9_and_may_try_again(tmp_path: Path) -> None:
    with running_server(tmp_path, "--identify-max-concurrency", "2", "--identify-window-ms", "600000") as server:
        for _ in range(2):
            with RawClient(server.gateway) as client:
                client.open()
                client.identify(CLERK.token, intents=0)
        with RawClient(server.gateway) as client:
            client.open()
            for _ in range(2):
                client.send(op(2, {"token": CLERK.token, "intents": 0, "properties": PROPERTIES}))
                assert client.read_payload()["op"] == 9
            # A person is not held to a bot's limit, on the same connection.
            client.identify("dora-token")


def test_too_many_guilds_for_a_shard_is_4011(tmp_path: Path) -> None:
    with running_server(tmp_path, "--max-guilds-per-shard", "1") as server:
        town = Town(server)
        town.place(town.person(), CLERK)
        with RawClient(server.gateway) as client:
            client.open()
            client.send(op(2, {"token": CLERK.token, "intents": 1, "properties": PROPERTIES}))
            assert client.read_close() == 4011
        town.close()


class Known:
    """What a session has been told of one guild: None when it is not in it, else the channels."""

    def __init__(self, listener: Listener, guild_id: str) -> None:
        self.listener = listener
        self._guild_id = guild_id
        self.channels: set[str] | None = None
        self._fold(listener.events)
        listener.events = []

    def update(self) -> None:
        self._fold(self.listener.flush())

    def _fold(self, events: list[tuple[str, dict[str, Any]]]) -> None:
        for name, d in events:
            if name == "GUILD_CREATE" and d["id"] == self._guild_id:
                assert self.channels is None, "told of a guild that is known"
                self.channels = {channel["id"] for channel in d["channels"]}
            elif name == "GUILD_DELETE" and d["id"] == self._guild_id:
                assert self.channels is not None, "told of the end of an unknown guild"
                self.channels = None
            elif d.get("guild_id") == self._guild_id and name.startswith("CHANNEL_"):
                assert self.channels is not None, f"{name} of an unknown guild"
                if name == "CHANNEL_CREATE":
                    assert d["id"] not in self.channels, "created twice"
                    self.channels.add(d["id"])
                else:
                    assert d["id"] in self.channels, f"{name} of an unknown channel"
                    if name == "CHANNEL_DELETE":
                        self.channels.discard(d["id"])
            elif d.get("guild_id") == self._guild_id and name == "MESSAGE_CREATE":
                assert self.channels is not None, "a message of an unknown guild"
                assert d["channel_id"] in self.channels, "a message of an unknown channel"


def truth(town: Town, person: Person, place: Place) -> set[str] | None:
    """The same, as the API has it."""
    response = httpx.get(
        f"{town.server.api}/guilds/{place.id}/channels", headers={"Authorization": person.token}, timeout=10
    )
    return {each["id"] for each in response.json()} if response.status_code == 200 else None


@pytest.mark.parametrize("seed", range(3))
def test_whatever_changes_meanwhile_a_session_ends_up_knowing_what_is_true(town: Town, seed: int) -> None:
    chance = random.Random(seed)
    owner = town.person()
    people = [town.person() for _ in range(4)]
    for person in people:
        town.place(person)
    place = town.place(owner, *people)
    rooms: list[str] = [place.general]
    role = town.call(owner, "POST", f"/guilds/{place.id}/roles", {"name": "keys"})["id"]
    inside = dict.fromkeys(people, True)
    failures: list[BaseException] = []

    def change(editor: Town) -> None:
        person = chance.choice(people)
        room = chance.choice(rooms)
        # Only a member can be named by an overwrite; for others it is the role's turn.
        named = {"id": person.id, "type": 1} if inside[person] else {"id": role, "type": 0}
        match chance.randrange(7):
            case 0 if inside[person]:
                editor.call(owner, "DELETE", f"/guilds/{place.id}/members/{person.id}")
                inside[person] = False
            case 0 | 1:
                editor.join(place, person)
                inside[person] = True
            case 2:
                body = {"name": "room", "type": 0, "permission_overwrites": [chance.choice([
                    {"id": place.id, "type": 0, "deny": VIEW, "allow": "0"},
                    {"id": role, "type": 0, "allow": VIEW, "deny": "0"},
                    {**named, "deny": VIEW, "allow": "0"},
                ])]}  # fmt: skip
                rooms.append(editor.call(owner, "POST", f"/guilds/{place.id}/channels", body)["id"])
            case 3 if len(rooms) > 2:
                gone = rooms.pop(chance.randrange(1, len(rooms)))
                editor.call(owner, "DELETE", f"/channels/{gone}")
            case 4 if inside[person]:
                verb = chance.choice(["PUT", "DELETE"])
                editor.call(owner, verb, f"/guilds/{place.id}/members/{person.id}/roles/{role}")
            case 5:
                target = chance.choice([{"id": place.id, "type": 0}, {"id": role, "type": 0}, named])
                bits = chance.choice([{"deny": VIEW, "allow": "0"}, {"deny": "0", "allow": VIEW}])
                editor.call(
                    owner, "PUT", f"/channels/{room}/permissions/{target['id']}", {"type": target["type"], **bits}
                )
            case _:
                editor.say(place, "hm", room)

    def edit() -> None:
        editor = Town(town.server)
        try:
            for _ in range(120):
                change(editor)
        except BaseException as error:
            failures.append(error)
        finally:
            editor.close()

    editing = threading.Thread(target=edit)
    editing.start()
    known: list[Known] = []
    order = random.Random(seed + 100)
    while editing.is_alive():
        if len(known) >= 24:
            known.pop(order.randrange(len(known))).listener.leave()
        known.append(Known(town.listen(order.choice(people)), place.id))
    editing.join()
    assert not failures, failures
    town.told(place)
    for each in known:
        each.update()
        assert each.channels == truth(town, each.listener.person, place)
