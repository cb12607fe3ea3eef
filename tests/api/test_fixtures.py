"""Every key that client libraries were measured to take is in what the API sends, with the same type.

`tests/vectors/fixtures.json` holds full objects, one per event; libraries fail without some of their keys.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from tests.support.api_world import CARL, GENERAL, Api

FIXTURES: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "fixtures.json").read_text())
ABSENT_WHEN_EMPTY = {"reactions", "nonce"}
"""Absent keys mean "none" here, in the documentation too (protocol.md §4.4)."""


def differences(fixture: Any, found: Any, path: str = "") -> list[str]:
    """Return where `found` lacks a key of `fixture`, or has it with another type; null fits everything."""
    if fixture is None or found is None:
        return []
    if isinstance(fixture, dict) and isinstance(found, dict):
        missing = [f"{path}.{key} is missing" for key in fixture if key not in found and key not in ABSENT_WHEN_EMPTY]
        common = [key for key in fixture if key in found]
        return missing + [line for key in common for line in differences(fixture[key], found[key], f"{path}.{key}")]
    if isinstance(fixture, list) and isinstance(found, list):
        return [line for each in found for line in (differences(fixture[0], each, f"{path}[]") if fixture else [])]
    if type(fixture) is not type(found):
        return [f"{path} is {type(found).__name__}, not {type(fixture).__name__}"]
    return []


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
    assert differences(FIXTURES["_APPLICATION"], (await api.get("/oauth2/applications/@me", "bell")).json()) == []
