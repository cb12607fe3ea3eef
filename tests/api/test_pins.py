"""Pins: by both routes, who may, in what order, and what is told (protocol.md §8.5)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.test_dms import open_dm
from tests.support.api_world import ADA, CARL, GENERAL, LAB, STAFF_ONLY, Api, error_of
from tests.support.shapes import FIXTURES, differences
from tocsin.model.entities import Pin
from tocsin.model.permissions import Permission
from tocsin.service.pins import MAX_PINS, PINNED
from tocsin.store.base import Insert

NEW, OLD = f"/channels/{GENERAL}/messages/pins", f"/channels/{GENERAL}/pins"


@pytest.mark.parametrize("route", [NEW, OLD])
async def test_a_pin_is_marked_told_and_announced(api: Api, route: str) -> None:
    message = await api.say("keep this", who="carl")
    api.bus.take()
    assert (await api.put(f"{route}/{message['id']}", "bell")).status_code == 204
    (update, changed), (pins, pinned), (create, notice) = api.bus.take()
    assert [each.name for each in (update, pins, create)] == ["MESSAGE_UPDATE", "CHANNEL_PINS_UPDATE", "MESSAGE_CREATE"]
    assert (changed["pinned"], changed["content"], changed["author"]["id"]) == (True, "keep this", str(CARL))
    assert differences(FIXTURES["CHANNEL_PINS_UPDATE"], pinned) == []
    assert pinned["last_pin_timestamp"] is not None
    assert (notice["type"], notice["content"], notice["author"]["username"]) == (PINNED, "", "bell")
    assert notice["message_reference"]["message_id"] == message["id"]
    channel = (await api.get(f"/channels/{GENERAL}", "ada")).json()
    assert channel["last_pin_timestamp"] == pinned["last_pin_timestamp"]
    assert channel["last_message_id"] == notice["id"]
    [item] = (await api.get(NEW, "ada")).json()["items"]
    assert (item["message"]["id"], item["pinned_at"]) == (message["id"], pinned["last_pin_timestamp"])


async def test_a_lifted_pin_is_told_and_both_are_repeatable(api: Api) -> None:
    message = await api.say("keep this")
    for _ in range(2):
        assert (await api.put(f"{NEW}/{message['id']}", "ada")).status_code == 204
    assert [event.name for event, _ in api.bus.take()].count("CHANNEL_PINS_UPDATE") == 1
    for _ in range(2):
        assert (await api.delete(f"{OLD}/{message['id']}", "ada")).status_code == 204
    assert [event.name for event, _ in api.bus.take()] == ["MESSAGE_UPDATE", "CHANNEL_PINS_UPDATE"]
    assert (await api.get(NEW, "ada")).json() == {"items": [], "has_more": False}
    assert (await api.get(f"/channels/{GENERAL}/messages/{message['id']}", "ada")).json()["pinned"] is False


async def test_pins_come_latest_first_in_pages(api: Api) -> None:
    ids = [(await api.say(str(number)))["id"] for number in range(5)]
    for message_id in (*ids[1:], ids[0]):
        api.clock.advance(1000)
        await api.put(f"{NEW}/{message_id}", "ada")
    expected = [ids[0], *reversed(ids[1:])]
    assert [each["id"] for each in (await api.get(OLD, "carl")).json()] == expected
    first = (await api.get(NEW, "carl", params={"limit": 2})).json()
    assert first["has_more"]
    rest = (await api.get(NEW, "carl", params={"before": first["items"][-1]["pinned_at"]})).json()
    assert not rest["has_more"]
    assert [each["message"]["id"] for each in [*first["items"], *rest["items"]]] == expected
    assert error_of(await api.get(NEW, "carl", params={"before": "yesterday"})) == (400, 50035)
    assert error_of(await api.get(NEW, "carl", params={"limit": 51})) == (400, 50035)


async def test_a_deleted_message_is_no_longer_pinned(api: Api) -> None:
    message = await api.say("keep this")
    await api.put(f"{NEW}/{message['id']}", "ada")
    await api.delete(f"/channels/{GENERAL}/messages/{message['id']}", "ada")
    assert (await api.get(OLD, "ada")).json() == []


async def test_only_so_many_pins_and_none_of_system_messages(api: Api) -> None:
    first = await api.say("first")
    await api.put(f"{NEW}/{first['id']}", "ada")
    [notice] = [each for each in (await api.get(f"/channels/{GENERAL}/messages", "ada")).json() if each["type"] == 6]
    assert error_of(await api.put(f"{NEW}/{notice['id']}", "ada")) == (403, 50021)
    pins = [Pin(message_id=number, channel_id=GENERAL, id=number) for number in range(1, MAX_PINS)]
    await api.store.commit(
        [Insert("pins", {"message_id": pin.message_id, "channel_id": GENERAL, "id": pin.id}) for pin in pins]
    )
    another = await api.say("one too many")
    assert error_of(await api.put(f"{NEW}/{another['id']}", "ada")) == (400, 30003)


@pytest.mark.parametrize(
    ("who", "method", "code"),
    [
        ("dora", "PUT", (403, 50001)),
        ("dora", "DELETE", (403, 50001)),
        ("carl", "PUT", (403, 50013)),
        ("carl", "DELETE", (403, 50013)),
    ],
)
async def test_who_may_not_pin_is_refused(api: Api, who: str, method: str, code: tuple[int, int]) -> None:
    message = await api.say("keep this")
    api.bus.take()
    for route in (NEW, OLD):
        assert error_of(await api.call(method, f"{route}/{message['id']}", who)) == code
        assert error_of(await api.call("GET", route, "dora")) == (403, 50001)
    assert api.bus.events == []


async def test_pin_messages_alone_is_enough_and_unknown_messages_are_unknown(api: Api) -> None:
    message = await api.say("keep this")
    roles = (await api.get(f"/guilds/{LAB}/roles", "ada")).json()
    everyone = next(int(each["permissions"]) for each in roles if each["id"] == str(LAB))
    body = {"permissions": str(everyone | int(Permission.PIN_MESSAGES))}
    await api.patch(f"/guilds/{LAB}/roles/{LAB}", "ada", body)
    assert (await api.put(f"{NEW}/{message['id']}", "carl")).status_code == 204
    secret = await api.say("secret", who="bell", channel=STAFF_ONLY)
    assert error_of(await api.put(f"{NEW}/{secret['id']}", "carl")) == (404, 10008)
    assert error_of(await api.put(f"{NEW}/1", "carl")) == (404, 10008)


async def test_without_history_the_pins_look_empty(api: Api) -> None:
    message = await api.say("keep this")
    await api.put(f"{NEW}/{message['id']}", "ada")
    body: Any = {"permissions": str(int(Permission.VIEW_CHANNEL))}
    await api.patch(f"/guilds/{LAB}/roles/{LAB}", "ada", body)
    assert (await api.get(NEW, "carl")).json() == {"items": [], "has_more": False}
    assert (await api.get(OLD, "carl")).json() == []


async def test_each_of_a_dm_may_pin_and_both_are_told(api: Api) -> None:
    dm = await open_dm(api, "ada", CARL)
    message = await api.say("hi", channel=int(dm["id"]))
    api.bus.take()
    assert (await api.put(f"/channels/{dm['id']}/messages/pins/{message['id']}", "carl")).status_code == 204
    told = api.bus.take()
    assert all(set(event.users) == {ADA, CARL} for event, _ in told)
    assert "guild_id" not in told[1][1]
    assert (await api.get(f"/channels/{dm['id']}", "ada")).json()["last_pin_timestamp"] is not None
