"""Every key that client libraries were measured to take is in what the API sends, with the same type.

`tests/vectors/fixtures.json` holds full objects, one per event; libraries fail without some of their keys.
"""

from __future__ import annotations

import msgspec

from tests.support.api_world import ADA, CARL, DORA, GENERAL, Api
from tests.support.shapes import FIXTURES, differences


async def test_message_events_have_every_key(api: Api) -> None:
    sent = await api.say("hello", embeds=[{"title": "t", "description": "d"}])
    path = f"/channels/{GENERAL}/messages/{sent['id']}"
    await api.patch(path, "ada", {"content": "edited"})
    await api.delete(path, "ada")
    ids = [(await api.say(str(index)))["id"] for index in range(2)]
    await api.post(f"/channels/{GENERAL}/messages/bulk-delete", "bell", {"messages": ids})
    told = {event.name: body for event, body in api.bus.take()}
    for name in ("MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE", "MESSAGE_DELETE_BULK"):
        assert differences(FIXTURES[name], told[name]) == []


async def test_typing_has_every_key(api: Api) -> None:
    await api.post(f"/channels/{GENERAL}/typing", "carl")
    [event] = api.bus.ephemeral
    assert differences(FIXTURES["TYPING_START"], msgspec.json.decode(event.body)) == []


async def test_users_and_their_changes_have_every_key(api: Api) -> None:
    assert differences(FIXTURES["READY"]["user"], (await api.get("/users/@me", "bell")).json()) == []
    author = FIXTURES["MESSAGE_CREATE"]["author"]
    assert differences(author, (await api.get(f"/users/{CARL}", "ada")).json()) == []
    await api.patch("/users/@me", "carl", {"global_name": "K"})
    told = {event.name: body for event, body in api.bus.take()}
    assert differences(FIXTURES["USER_UPDATE"], told["USER_UPDATE"]) == []
    assert differences(FIXTURES["GUILD_MEMBER_UPDATE"], told["GUILD_MEMBER_UPDATE"]) == []


async def test_dms_and_applications_have_every_key(api: Api) -> None:
    opened = (await api.post("/users/@me/channels", "bell", {"recipient_id": CARL})).json()
    assert differences(FIXTURES["_DM"], opened) == []
    group = (await api.post("/users/@me/channels", "ada", {"recipients": [str(CARL), str(DORA)]})).json()
    assert differences(FIXTURES["_DM"] | {"name": None, "icon": None, "owner_id": str(ADA)}, group) == []
    assert differences(FIXTURES["_APPLICATION"], (await api.get("/oauth2/applications/@me", "bell")).json()) == []
