"""Group DMs: making them, taking people in and out, leaving, renaming; what is told to whom, never to who is out."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.api_world import ADA, BELL, CARL, DORA, GENERAL, Api, error_of
from tocsin.model.entities import User
from tocsin.model.event import Event, ScopeKind
from tocsin.service.auth import digest_of
from tocsin.service.read_states import asked
from tocsin.store import rows
from tocsin.store.base import Op

FERN = 1006
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
GIF = base64.b64decode("R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs=")
FIRE = "/reactions/🔥/@me"


def uri(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


@pytest.fixture
async def group(api: Api) -> int:
    """A group of ada, who owns it, carl and dora; fern is in none."""
    await api.store.commit([*rows.user_ops(User(id=FERN, username="fern"))])
    await api.store.commit(rows.token_ops(digest_of("fern-token"), FERN, api.clock()))
    made = await api.post("/users/@me/channels", "ada", {"recipients": [str(CARL), str(DORA)], "nicks": {}})
    assert made.status_code == 200, made.text
    return int(made.json()["id"])


def told(api: Api) -> list[tuple[str, set[int], Any]]:
    return [(event.name, set(event.users), body) for event, body in api.bus.take()]


def ids(body: Any) -> set[int]:
    return {int(user["id"]) for user in body["recipients"]}


async def test_a_group_is_made_anew_each_time_and_told_to_each_of_its_people(api: Api, group: int) -> None:
    events = api.bus.take()
    assert {event.users for event, _ in events} == {(ADA,), (CARL,), (DORA,)}
    for event, body in events:
        assert (event.name, event.state) == ("CHANNEL_CREATE", False)
        assert event.scope == (ScopeKind.CHANNEL, group)
        assert ids(body) == {ADA, CARL, DORA} - {*event.users}
        assert (body["type"], body["owner_id"], body["name"], body["icon"]) == (3, str(ADA), None, None)
    again = (await api.post("/users/@me/channels", "ada", {"recipients": [str(CARL), str(DORA), str(ADA)]})).json()
    assert int(again["id"]) != group
    for who in ("ada", "carl", "dora"):
        listed = (await api.get("/users/@me/channels", who)).json()
        assert [int(each["id"]) for each in listed] == [int(again["id"]), group]
        assert (await api.get(f"/channels/{group}", who)).json() == listed[1]
    pair = (await api.post("/users/@me/channels", "ada", {"recipient_id": str(CARL)})).json()
    assert (pair["type"], int(pair["id"]) in (group, int(again["id"]))) == (1, False)


@pytest.mark.parametrize(
    ("who", "body", "expected"),
    [
        ("ada", {"recipients": [str(CARL), str(CARL)]}, (400, 50033)),
        ("ada", {"recipients": [str(CARL), str(ADA)]}, (400, 50033)),
        ("ada", {"recipients": [str(CARL), "9"]}, (404, 10013)),
        ("ada", {"recipients": [str(CARL), str(BELL)]}, (403, 50007)),
        ("ada", {"recipients": [str(2000 + each) for each in range(10)]}, (400, 30004)),
        ("ada", {"access_tokens": ["x"], "nicks": {}}, (400, 50035)),
        ("bell", {"recipients": [str(CARL), str(DORA)]}, (403, 20001)),
    ],
)
async def test_a_group_that_cannot_be(api: Api, who: str, body: Any, expected: tuple[int, int]) -> None:
    assert error_of(await api.post("/users/@me/channels", who, body)) == expected
    assert api.bus.take() == []


async def test_whoever_is_in_it_adds_people_and_each_is_told_their_part(api: Api, group: int) -> None:
    api.bus.take()
    path = f"/channels/{group}/recipients/{FERN}"
    assert (await api.put(path, "carl")).status_code == 204
    (added, whom, user), (created, new, channel), (said, all_of_them, notice) = told(api)
    assert (added, whom) == ("CHANNEL_RECIPIENT_ADD", {ADA, CARL, DORA})
    assert (user["channel_id"], user["user"]["id"]) == (str(group), str(FERN))
    assert (created, new, ids(channel)) == ("CHANNEL_CREATE", {FERN}, {ADA, CARL, DORA})
    assert (said, all_of_them) == ("MESSAGE_CREATE", {ADA, CARL, DORA, FERN})
    assert (notice["type"], notice["author"]["id"], notice["content"]) == (1, str(CARL), "")
    assert [each["id"] for each in notice["mentions"]] == [str(FERN)]
    assert (await api.put(path, "ada")).status_code == 204
    assert api.bus.take() == []
    assert error_of(await api.delete(f"/channels/{group}/messages/{notice['id']}", "carl")) == (403, 50021)
    assert (await api.get(f"/channels/{group}/messages", "fern")).json()[0]["type"] == 1


async def test_who_may_add_whom_and_how_many(api: Api, group: int) -> None:
    path = f"/channels/{group}/recipients"
    assert error_of(await api.put(f"{path}/{FERN}", "fern")) == (403, 50001)
    assert error_of(await api.put(f"{path}/{BELL}", "ada")) == (403, 50007)
    assert error_of(await api.put(f"{path}/9", "ada")) == (404, 10013)
    assert error_of(await api.put(f"{path}/{FERN}", "bell")) == (403, 20001)
    assert error_of(await api.put(f"/channels/{GENERAL}/recipients/{FERN}", "ada")) == (400, 50024)
    for each in range(7):
        await api.store.commit([*rows.user_ops(User(id=3100 + each, username=f"face-{each}"))])
        assert (await api.put(f"{path}/{3100 + each}", "ada")).status_code == 204
    assert error_of(await api.put(f"{path}/{FERN}", "ada")) == (400, 30004)


async def test_who_is_brought_to_a_dm_comes_into_a_new_group_and_the_dm_stays(api: Api, group: int) -> None:
    dm = (await api.post("/users/@me/channels", "ada", {"recipient_id": str(CARL)})).json()["id"]
    with_bot = (await api.post("/users/@me/channels", "ada", {"recipient_id": str(BELL)})).json()["id"]
    api.bus.take()
    path = f"/channels/{dm}/recipients"
    for who, whom, expected in (("carl", ADA, 50033), ("carl", CARL, 50033), ("carl", 9, 10013), ("carl", BELL, 50007)):
        assert error_of(await api.put(f"{path}/{whom}", who))[1] == expected
    assert error_of(await api.put(f"{path}/{FERN}", "dora")) == (403, 50001)
    assert error_of(await api.put(f"/channels/{with_bot}/recipients/{FERN}", "ada")) == (403, 50007)
    assert api.bus.take() == []
    answer = await api.put(f"{path}/{FERN}", "carl")
    made = answer.json()
    assert (answer.status_code, made["type"], made["owner_id"], ids(made)) == (201, 3, str(CARL), {ADA, FERN})
    assert int(made["id"]) not in (int(dm), group)
    heard = told(api)
    assert {name for name, _, _ in heard} == {"CHANNEL_CREATE"}
    assert {body["id"] for _, _, body in heard} == {made["id"]}
    assert [whom for _, whom, _ in heard] == [{ADA}, {CARL}, {FERN}]
    assert ids((await api.get(f"/channels/{dm}", "ada")).json()) == {CARL}


async def test_only_the_owner_removes_and_the_removed_is_out_at_once(api: Api, group: int) -> None:
    sent = await api.say("between us", "dora", group)
    api.bus.take()
    path = f"/channels/{group}/recipients"
    assert error_of(await api.delete(f"{path}/{DORA}", "carl")) == (403, 50013)
    assert error_of(await api.delete(f"{path}/{FERN}", "ada")) == (404, 10013)
    assert (await api.delete(f"{path}/{DORA}", "ada")).status_code == 204
    (gone, out, channel), (removed, left, user), (said, still, notice) = told(api)
    assert (gone, out, channel["id"]) == ("CHANNEL_DELETE", {DORA}, str(group))
    assert (removed, left, user["user"]["id"]) == ("CHANNEL_RECIPIENT_REMOVE", {ADA, CARL}, str(DORA))
    assert (said, still, notice["type"]) == ("MESSAGE_CREATE", {ADA, CARL}, 2)
    assert [each["id"] for each in notice["mentions"]] == [str(DORA)]
    here, message = f"/channels/{group}", f"/channels/{group}/messages/{sent['id']}"
    for response in (
        await api.get(here, "dora"),
        await api.get(f"{here}/messages", "dora"),
        await api.get(message, "dora"),
        await api.post(f"{here}/messages", "dora", {"content": "x"}),
        await api.patch(message, "dora", {"content": "x"}),
        await api.delete(message, "dora"),
        await api.put(message + FIRE, "dora"),
        await api.put(f"{here}/messages/pins/{sent['id']}", "dora"),
        await api.post(f"{here}/typing", "dora"),
        await api.post(f"{message}/ack", "dora", {"token": None}),
        await api.put(f"{path}/{DORA}", "dora"),
        await api.delete(f"{path}/{DORA}", "dora"),
        await api.patch(here, "dora", {"name": "mine"}),
        await api.delete(here, "dora"),
    ):
        assert error_of(response) == (403, 50001), response.request.url
    assert (await api.get("/users/@me/channels", "dora")).json() == []
    assert await api.store.find(asked(DORA)) == []
    await api.say("now then", "ada", group)
    assert [users for _, users, _ in told(api)] == [{ADA, CARL}]
    assert (await api.put(f"{path}/{DORA}", "carl")).status_code == 204
    assert (await api.get(here, "dora")).status_code == 200


async def test_leaving_hands_the_group_over_and_the_last_one_takes_it_away(api: Api, group: int) -> None:
    api.bus.take()
    assert (await api.delete(f"/channels/{group}", "ada")).json()["id"] == str(group)
    events = told(api)
    assert [(name, users) for name, users, _ in events] == [
        ("CHANNEL_DELETE", {ADA}),
        ("CHANNEL_RECIPIENT_REMOVE", {CARL, DORA}),
        ("CHANNEL_UPDATE", {CARL}),
        ("CHANNEL_UPDATE", {DORA}),
        ("MESSAGE_CREATE", {CARL, DORA}),
    ]
    assert {events[2][2]["owner_id"], events[3][2]["owner_id"]} == {str(CARL)}
    assert (ids(events[2][2]), events[4][2]["author"]["id"]) == ({DORA}, str(ADA))
    assert await api.store.find(asked(ADA)) == []
    assert (await api.delete(f"/channels/{group}/recipients/{CARL}", "carl")).status_code == 204
    await api.say("alone", "dora", group)
    api.bus.take()
    assert (await api.delete(f"/channels/{group}", "dora")).status_code == 200
    assert [(name, users) for name, users, _ in told(api)] == [("CHANNEL_DELETE", {DORA})]
    assert error_of(await api.get(f"/channels/{group}", "dora")) == (404, 10003)
    assert (await api.get("/users/@me/channels", "dora")).json() == []


async def test_all_name_it_and_the_owner_gives_it_away(api: Api, group: int) -> None:
    api.bus.take()
    path = f"/channels/{group}"
    assert (await api.patch(path, "carl", {"name": "heist"})).json()["name"] == "heist"
    *updates, (said, whom, notice) = told(api)
    assert [(name, users) for name, users, _ in updates] == [("CHANNEL_UPDATE", {each}) for each in (ADA, CARL, DORA)]
    assert [ids(body) for *_, body in updates] == [{CARL, DORA}, {ADA, DORA}, {ADA, CARL}]
    assert (said, whom, notice["type"], notice["content"]) == ("MESSAGE_CREATE", {ADA, CARL, DORA}, 4, "heist")
    assert (await api.patch(path, "carl", {"name": "heist"})).status_code == 200
    assert api.bus.take() == []
    assert (await api.patch(path, "dora", {"name": None})).json()["name"] is None
    assert error_of(await api.patch(path, "dora", {"name": "x" * 101})) == (400, 50035)
    assert error_of(await api.patch(path, "carl", {"owner": str(CARL)})) == (403, 50013)
    assert error_of(await api.patch(path, "ada", {"owner": str(FERN)})) == (400, 50033)
    api.bus.take()
    assert (await api.patch(path, "ada", {"owner": str(DORA)})).json()["owner_id"] == str(DORA)
    assert [name for name, *_ in told(api)] == ["CHANNEL_UPDATE"] * 3
    assert error_of(await api.delete(f"{path}/recipients/{CARL}", "ada")) == (403, 50013)
    assert (await api.delete(f"{path}/recipients/{CARL}", "dora")).status_code == 204


async def test_an_icon_is_told_kept_and_served_while_the_group_has_it(api: Api, group: int) -> None:
    api.bus.take()
    path = f"/channels/{group}"
    icon = (await api.patch(path, "carl", {"icon": uri(PNG)})).json()["icon"]
    assert re.fullmatch("[0-9a-f]{32}", icon)
    *updates, (said, _, notice) = told(api)
    assert [body["icon"] for _, _, body in updates] == [icon] * 3
    assert (said, notice["type"], notice["content"]) == ("MESSAGE_CREATE", 5, "")
    served = await api.client.get(f"/content/channel-icons/{group}/{icon}.png")
    assert (served.status_code, served.content, served.headers["content-type"]) == (200, PNG, "image/png")
    guess = await api.client.get(f"/content/channel-icons/{group}/{'0' * 32}.png")
    assert guess.status_code == 404
    both = (await api.patch(path, "ada", {"name": "two things", "icon": uri(GIF)})).json()["icon"]
    assert both.startswith("a_")
    assert [body["type"] for name, _, body in told(api) if name == "MESSAGE_CREATE"] == [4, 5]
    assert (await api.client.get(f"/content/channel-icons/{group}/{icon}.png")).status_code == 404
    for wrong in ("http://example.org/a.png", uri(b"<svg onload=alert(1)>"), uri(PNG + bytes(1024 * 1024))):
        assert error_of(await api.patch(path, "ada", {"icon": wrong})) == (400, 50035)
    assert error_of(await api.patch(path, "fern", {"icon": uri(PNG)})) == (403, 50001)
    assert error_of(await api.patch(path, "carl", {"icon": uri(PNG), "owner": str(CARL)})) == (403, 50013)
    kept = [*(Path(api.services.context.settings.data) / "content" / "groupicons").iterdir()]
    assert len(kept) == 1
    assert (await api.patch(path, "ada", {"icon": None})).json()["icon"] is None
    assert (await api.patch(path, "ada", {"icon": ""})).json()["icon"] is None
    assert (await api.client.get(f"/content/channel-icons/{group}/{both}.gif")).status_code == 404


async def test_what_is_done_in_a_channel_is_done_in_a_group(api: Api, group: int) -> None:
    api.bus.take()
    base = f"/channels/{group}"
    sent = await api.say(f"<@{CARL}> look", "dora", group)
    message = f"{base}/messages/{sent['id']}"
    states = {each.channel_id: each for each in await api.store.find(asked(ADA))}
    assert states[group].mention_count == 1
    assert (await api.put(message + FIRE, "carl")).status_code == 204
    assert (await api.patch(message, "dora", {"content": "look here"})).status_code == 200
    assert (await api.put(f"{base}/messages/pins/{sent['id']}", "ada")).status_code == 204
    assert (await api.delete(f"{base}/messages/pins/{sent['id']}", "ada")).status_code == 204
    assert (await api.delete(message + FIRE, "carl")).status_code == 204
    assert error_of(await api.delete(message, "ada")) == (403, 50003)
    assert (await api.post(f"{base}/typing", "ada")).status_code == 204
    assert (await api.post(f"{message}/ack", "ada", {"token": None})).status_code == 200
    assert (await api.delete(message, "dora")).status_code == 204
    events = [(event, body) for event, body in api.bus.take() if event.name != "MESSAGE_ACK"]
    assert len(events) == 10
    for event, body in events:
        assert (set(event.users), event.guild_id, event.state) == ({ADA, CARL, DORA}, 0, False)
        assert "guild_id" not in body
        assert "member" not in body
    assert set(api.bus.ephemeral[-1].users) == {ADA, CARL, DORA}
    assert error_of(await api.post(f"{base}/invites", "ada", {})) == (403, 50003)


# -- a removal while something is on its way


class Delayed:
    """A store's commits, of which the first with an event of the name waits until something else was done."""

    def __init__(self, api: Api, name: str, meanwhile: Callable[[], Awaitable[Any]]) -> None:
        self._commit = api.store.commit
        self._name = name
        self._meanwhile = meanwhile
        self.tries = 0
        api.store.commit = self  # type: ignore[method-assign]

    async def __call__(self, ops: Sequence[Op], events: Sequence[Event] = ()) -> list[Event]:
        if self._name in [event.name for event in events]:
            self.tries += 1
            if self.tries == 1:
                await self._meanwhile()
        return await self._commit(ops, events)


async def _act(api: Api, name: str, group: int, message: str) -> Any:
    path = f"/channels/{group}/messages/{message}"
    match name:
        case "MESSAGE_CREATE":
            return await api.post(f"/channels/{group}/messages", "carl", {"content": "not for dora"})
        case "MESSAGE_UPDATE":
            return await api.patch(path, "carl", {"content": "not for dora"})
        case "MESSAGE_DELETE":
            return await api.delete(path, "carl")
        case "MESSAGE_REACTION_ADD":
            return await api.put(path + FIRE, "carl")
        case "MESSAGE_REACTION_REMOVE":
            return await api.delete(path + FIRE, "ada")
        case "CHANNEL_UPDATE":
            return await api.patch(f"/channels/{group}", "carl", {"name": "not for dora"})
        case _:
            return await api.put(f"/channels/{group}/messages/pins/{message}", "carl")


@pytest.mark.parametrize(
    "name",
    [
        "MESSAGE_CREATE",
        "MESSAGE_UPDATE",
        "MESSAGE_DELETE",
        "MESSAGE_REACTION_ADD",
        "MESSAGE_REACTION_REMOVE",
        "CHANNEL_PINS_UPDATE",
        "CHANNEL_UPDATE",
    ],
)
async def test_what_was_on_its_way_to_the_removed_goes_to_those_who_are_left(api: Api, group: int, name: str) -> None:
    """Each act had read the group's people, dora among them, when the removal was answered with its 204."""
    sent = await api.say("first", "carl", group)
    assert (await api.put(f"/channels/{group}/messages/{sent['id']}" + FIRE, "ada")).status_code == 204
    assert len(await api.store.find(asked(DORA))) == 1
    api.bus.take()

    async def meanwhile() -> None:
        # As another process does it, which has locks of its own.
        await api.store.commit(rows.recipient_remove_ops(group, DORA))

    delayed = Delayed(api, name, meanwhile)
    response = await _act(api, name, group, sent["id"])
    assert response.status_code in (200, 204), response.text
    assert delayed.tries == 2
    events = [event for event, _ in api.bus.take()]
    assert name in [event.name for event in events]
    assert [event.name for event in events if DORA in event.users] == []
    assert await api.store.find(asked(DORA)) == []


async def test_who_was_removed_while_writing_writes_nothing(api: Api, group: int) -> None:
    async def meanwhile() -> None:
        assert (await api.delete(f"/channels/{group}/recipients/{DORA}", "ada")).status_code == 204
        api.bus.take()

    Delayed(api, "MESSAGE_CREATE", meanwhile)
    # The removal says so in a message of its own, which is not the one that waits.
    response = await api.post(f"/channels/{group}/messages", "dora", {"content": "one more thing"})
    assert error_of(response) == (403, 50001)
    assert api.bus.take() == []


async def test_a_change_that_another_process_made_is_seen_without_an_event(api: Api, group: int) -> None:
    assert (await api.get(f"/channels/{group}", "dora")).status_code == 200
    await api.store.commit(rows.recipient_remove_ops(group, DORA))
    assert error_of(await api.get(f"/channels/{group}/messages", "dora")) == (403, 50001)


async def test_two_who_add_at_once_both_succeed(api: Api, group: int) -> None:
    for each in range(3):
        await api.store.commit([*rows.user_ops(User(id=3100 + each, username=f"face-{each}"))])
    answers = await asyncio.gather(
        *(api.put(f"/channels/{group}/recipients/{3100 + each}", who) for each in range(3) for who in ("ada", "carl"))
    )
    assert {answer.status_code for answer in answers} == {204}
    assert ids((await api.get(f"/channels/{group}", "ada")).json()) == {CARL, DORA, 3100, 3101, 3102}
