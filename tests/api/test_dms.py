"""Direct messages: opening, listing, talking, and staying out of other people's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.api_world import ADA, BELL, CARL, DORA, EDDY, Api, error_of
from tocsin.model.event import ScopeKind


async def open_dm(api: Api, who: str, recipient: int) -> Any:
    response = await api.post("/users/@me/channels", who, {"recipient_id": recipient})
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_dm_is_opened_once_and_shows_the_other(api: Api) -> None:
    first = await open_dm(api, "ada", DORA)
    assert first["type"] == 1
    assert [user["id"] for user in first["recipients"]] == [str(DORA)]
    told = api.bus.take()
    assert {event.users for event, _ in told} == {(ADA,), (DORA,)}
    for event, body in told:
        assert event.name == "CHANNEL_CREATE"
        assert not event.state
        assert event.scope == (ScopeKind.CHANNEL, int(first["id"]))
        assert body["id"] == first["id"]
        assert [int(user["id"]) for user in body["recipients"]] == [DORA if event.users == (ADA,) else ADA]
    again = await open_dm(api, "dora", ADA)
    assert again["id"] == first["id"]
    assert [user["id"] for user in again["recipients"]] == [str(ADA)]
    assert api.bus.take() == []


async def test_two_who_open_at_once_meet_in_one_channel(api: Api) -> None:
    opened = await asyncio.gather(*(open_dm(api, who, to) for who, to in (("ada", CARL), ("carl", ADA)) * 4))
    assert len({channel["id"] for channel in opened}) == 1


async def test_a_bot_opens_a_dm_without_being_told_of_it(api: Api) -> None:
    channel = await open_dm(api, "bell", CARL)
    [(event, body)] = api.bus.take()
    assert event.users == (CARL,)
    assert [user["id"] for user in body["recipients"]] == [str(BELL)]
    assert channel["id"] == body["id"]


async def test_recipients_may_be_a_list_of_one(api: Api) -> None:
    response = await api.post("/users/@me/channels", "ada", {"recipients": [str(CARL)]})
    assert response.json()["id"] == (await open_dm(api, "ada", CARL))["id"]


@pytest.mark.parametrize(
    ("who", "body", "expected"),
    [
        ("ada", {}, (400, 50035)),
        ("ada", {"recipient_id": "x"}, (400, 50035)),
        ("ada", {"recipient_id": "9"}, (404, 10013)),
        ("ada", {"recipient_id": str(ADA)}, (400, 50033)),
        ("ada", {"recipients": []}, (400, 50033)),
        ("bell", {"recipient_id": str(EDDY)}, (403, 50007)),
    ],
)
async def test_a_dm_that_cannot_be(api: Api, who: str, body: Any, expected: tuple[int, int]) -> None:
    assert error_of(await api.post("/users/@me/channels", who, body)) == expected


async def test_people_list_their_dms_latest_message_first(api: Api) -> None:
    first, second = await open_dm(api, "ada", CARL), await open_dm(api, "ada", DORA)
    assert [each["id"] for each in (await api.get("/users/@me/channels", "ada")).json()] == [second["id"], first["id"]]
    api.clock.advance(1)
    await api.say("hi", "carl", int(first["id"]))
    listed = (await api.get("/users/@me/channels", "ada")).json()
    assert [each["id"] for each in listed] == [first["id"], second["id"]]
    assert [user["id"] for user in listed[0]["recipients"]] == [str(CARL)]
    assert error_of(await api.get("/users/@me/channels", "bell")) == (403, 20001)


async def test_a_message_in_a_dm_reaches_both_and_has_no_guild(api: Api) -> None:
    channel = int((await open_dm(api, "ada", DORA))["id"])
    api.bus.take()
    sent = await api.say("psst", "dora", channel)
    [(event, body)] = api.bus.take()
    assert body == sent
    assert "guild_id" not in body
    assert "member" not in body
    assert event.scope == (ScopeKind.CHANNEL, channel)
    assert set(event.users) == {ADA, DORA}
    assert event.guild_id == 0
    assert not event.gated
    path = f"/channels/{channel}/messages/{sent['id']}"
    assert error_of(await api.delete(path, "ada")) == (403, 50003)
    assert error_of(await api.patch(path, "ada", {"content": "x"})) == (403, 50005)
    assert (await api.patch(path, "dora", {"content": "x"})).status_code == 200
    assert (await api.delete(path, "dora")).status_code == 204
    api.bus.take()
    assert error_of(await api.post(f"/channels/{channel}/messages/bulk-delete", "bell", {"messages": ["1", "2"]})) == (
        403,
        50001,
    )


async def test_a_bot_without_message_content_reads_its_own_dms(api: Api) -> None:
    channel = int((await open_dm(api, "eddy", ADA))["id"])
    await api.say("for you", "ada", channel)
    assert (await api.get(f"/channels/{channel}/messages", "eddy")).json()[0]["content"] == "for you"


async def test_a_third_person_is_kept_out(api: Api) -> None:
    channel = int((await open_dm(api, "ada", DORA))["id"])
    sent = await api.say("psst", "ada", channel)
    path = f"/channels/{channel}/messages"
    for response in (
        await api.get(path, "carl"),
        await api.get(f"{path}/{sent['id']}", "carl"),
        await api.post(path, "carl", {"content": "x"}),
        await api.delete(f"{path}/{sent['id']}", "carl"),
        await api.post(f"/channels/{channel}/typing", "carl"),
    ):
        assert error_of(response) == (403, 50001)


async def test_a_closed_dm_stays_closed_until_a_message_or_its_opening(api: Api) -> None:
    channel = await open_dm(api, "ada", CARL)
    path = f"/channels/{channel['id']}"
    await api.say("hi", "carl", channel=int(channel["id"]))

    async def listed(who: str) -> list[str]:
        return [each["id"] for each in (await api.get("/users/@me/channels", who)).json()]

    assert (await api.delete(path, "ada")).status_code == 200
    assert (await listed("ada"), await listed("carl")) == ([], [channel["id"]])
    await api.say("still there?", "carl", channel=int(channel["id"]))
    assert await listed("ada") == [channel["id"]]
    assert (await api.delete(path, "ada")).status_code == 200
    api.bus.take()
    assert (await open_dm(api, "carl", ADA))["id"] == channel["id"]
    assert (await listed("ada"), api.bus.events) == ([], [])
    assert (await open_dm(api, "ada", CARL))["id"] == channel["id"]
    [(event, _)] = api.bus.take()
    assert (event.name, event.users) == ("CHANNEL_CREATE", (ADA,))
    assert await listed("ada") == [channel["id"]]
