"""Typing over HTTP: told to the channel, never stored, not too often."""

from __future__ import annotations

import msgspec

from tests.support.api_world import ADA, CARL, GENERAL, LAB, READ_ONLY, STAFF_ONLY, Api, error_of
from tocsin.model.event import ScopeKind

TYPING = f"/channels/{GENERAL}/typing"


async def test_typing_is_told_with_member_and_seconds(api: Api) -> None:
    response = await api.post(TYPING, "carl")
    assert (response.status_code, response.content) == (204, b"")
    assert "content-type" not in response.headers
    [event] = api.bus.ephemeral
    body = msgspec.json.decode(event.body)
    assert event.name == "TYPING_START"
    assert (event.scope, event.channel_id, event.guild_id) == ((ScopeKind.GUILD, LAB), GENERAL, LAB)
    assert event.seq == 0
    assert body["user_id"] == str(CARL)
    assert body["channel_id"] == str(GENERAL)
    assert body["guild_id"] == str(LAB)
    assert body["timestamp"] == api.clock() // 1000
    assert body["member"]["user"]["id"] == str(CARL)
    assert api.bus.events == []


async def test_typing_is_throttled_per_user_and_channel(api: Api) -> None:
    for _ in range(3):
        assert (await api.post(TYPING, "ada")).status_code == 204
    assert len(api.bus.ephemeral) == 1
    await api.post(TYPING, "carl")
    await api.post(f"/channels/{STAFF_ONLY}/typing", "ada")
    assert len(api.bus.ephemeral) == 3
    api.clock.advance(api.services.context.settings.typing_throttle_ms)
    await api.post(TYPING, "ada")
    assert len(api.bus.ephemeral) == 4


async def test_typing_in_a_dm_goes_to_its_people_without_a_member(api: Api) -> None:
    channel = (await api.post("/users/@me/channels", "ada", {"recipient_id": CARL})).json()["id"]
    assert (await api.post(f"/channels/{channel}/typing", "ada")).status_code == 204
    [event] = api.bus.ephemeral
    assert set(event.users) == {ADA, CARL}
    assert set(msgspec.json.decode(event.body)) == {"channel_id", "user_id", "timestamp"}


async def test_typing_needs_leave_to_send(api: Api) -> None:
    assert error_of(await api.post(f"/channels/{READ_ONLY}/typing", "carl")) == (403, 50013)
    assert api.bus.ephemeral == []
