"""Every route of the app, called by those who may not see a place, tells them nothing of it.

The routes are the app's own: a new one is walked without being named here, and a new kind of path parameter fails.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import pytest

from tests.support.api_world import ADA, CARL, DORA, GENERAL, LAB, STAFF_ONLY, STAFF_ROLE, Api
from tocsin.model.entities import User
from tocsin.service.auth import digest_of
from tocsin.store import rows
from tocsin_api.app import MODULES

PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs="
ENDS = ("DELETE /users/@me/guilds/{guild_id:str}", "POST /auth/logout")
"""What ends the walker's own membership or token comes last."""


class Walk(NamedTuple):
    """The routes with what to fill in, and what nobody may find who does not see the channel, or the guild.

    `places` are the channels and threads to go through.
    """

    params: dict[str, str]
    places: list[str]
    of_channel: set[str]
    of_guild: set[str]


def routes() -> list[tuple[str, str]]:
    """Method and path of every route, reads first."""
    found = {
        (method, path)
        for module in MODULES
        for handler in module.HANDLERS
        for path in handler.paths
        for method in handler.http_methods
    }
    return sorted(found, key=lambda each: (f"{each[0]} {each[1]}" in ENDS, each[0] != "GET", each))


@pytest.fixture
async def walk(api: Api) -> Walk:
    """A hidden channel with one of everything in it, carl who was let in and out, dora who was a member.

    And a group DM that both were in.
    """
    await api.store.commit([*rows.user_ops(User(id=1099, username="nobody"))])
    await api.store.commit(rows.token_ops(digest_of("nobody-token"), 1099, api.clock()))
    role = f"/guilds/{LAB}/members/{CARL}/roles/{STAFF_ROLE}"
    await api.put(role, "ada")
    await api.put(f"/guilds/{LAB}/members/{DORA}", "ada", {})
    payload = {"content": "the secret plan", "embeds": [{"title": "secret title"}]}
    parts = {"payload_json": (None, json.dumps(payload)), "files[0]": ("secret.txt", b"secret file", "text/plain")}
    message = (await api.post(f"/channels/{STAFF_ONLY}/messages", "ada", files=parts)).json()
    base = f"/channels/{STAFF_ONLY}"
    assert (await api.put(f"{base}/messages/{message['id']}/reactions/🔥/@me", "carl")).status_code == 204
    assert (await api.put(f"{base}/messages/pins/{message['id']}", "ada")).status_code == 204
    hook = (await api.post(f"{base}/webhooks", "ada", {"name": "secret hook"})).json()
    invite = (await api.post(f"{base}/invites", "ada", {})).json()
    emoji = (await api.post(f"/guilds/{LAB}/emojis", "ada", {"name": "labmoji", "image": PIXEL})).json()
    rule = {"name": "secret rule", "event_type": 1, "trigger_type": 3, "exempt_channels": [str(STAFF_ONLY)]}
    rule = (await api.post(f"/guilds/{LAB}/auto-moderation/rules", "ada", {**rule, "actions": [{"type": 1}]})).json()
    threads = [
        (await api.post(f"/channels/{channel}/threads", "ada", {"name": "secret thread", "type": kind})).json()
        for channel, kind in ((STAFF_ONLY, 11), (GENERAL, 12))
    ]
    for thread in threads:
        await api.say("the secret plan", channel=int(thread["id"]))
    assert (await api.put(f"/channels/{threads[1]['id']}/thread-members/{DORA}", "ada")).status_code == 204
    group = (await api.post("/users/@me/channels", "ada", {"recipients": [str(CARL), str(DORA)]})).json()["id"]
    for who in (CARL, DORA):
        assert (await api.delete(f"/channels/{group}/recipients/{who}", "ada")).status_code == 204
    assert (await api.patch(f"/channels/{group}", "ada", {"name": "secret group"})).status_code == 200
    await api.say("the secret plan", channel=int(group))
    assert (await api.delete(role, "ada")).status_code == 204
    assert (await api.delete(f"/guilds/{LAB}/members/{DORA}", "ada")).status_code == 204
    params = {
        "channel_id": str(STAFF_ONLY),
        "guild_id": str(LAB),
        "message_id": message["id"],
        "user_id": str(ADA),
        "role_id": str(STAFF_ROLE),
        "target_id": str(STAFF_ROLE),
        "emoji": "🔥",
        "emoji_id": emoji["id"],
        "webhook_id": hook["id"],
        "webhook_token": "a-guess",
        "code": "a-guess",
        "application_id": "1002",
        "command_id": "1",
        "interaction_id": "1",
        "interaction_token": "a-guess",
        "rule_id": rule["id"],
        "settings_type": "1",
    }
    attachment = message["attachments"][0]
    of_channel = {
        *(
            str(STAFF_ONLY),
            message["id"],
            hook["id"],
            rule["id"],
            hook["token"],
            invite["code"],
            attachment["id"],
            attachment["url"],
        ),
        *("staff-only", "the secret plan", "secret title", "secret.txt", "secret hook", "secret rule"),
        *(thread["id"] for thread in threads),
        "secret thread",
        *(group, "secret group"),
    }
    api.bus.take()
    places = [str(STAFF_ONLY), *(thread["id"] for thread in threads), group]
    return Walk(
        params, places, of_channel, {*of_channel, str(LAB), str(GENERAL), emoji["id"], "Lab", "labmoji", "pingable"}
    )


def filled(path: str, params: dict[str, str]) -> str:
    """The path with its parameters; a KeyError names one that this test does not know yet."""
    return re.sub(r"\{(\w+):str\}", lambda found: params[found[1]], path)


def body_of(method: str, path: str) -> dict[str, Any]:
    """A body that most forms take, so that what refuses is the permission and not the form."""
    if method in ("GET", "DELETE"):
        return {}
    if path in ("/guilds/{guild_id:str}/roles", "/guilds/{guild_id:str}/channels") and method == "PATCH":
        return {"json": [{"id": str(STAFF_ONLY), "position": 1}]}
    return {
        "json": {
            "content": "x",
            "name": "walker",
            "type": 0,
            "event_type": 1,
            "trigger_type": 5,
            "trigger_metadata": {"mention_total_limit": 5},
            "actions": [{"type": 1}],
            "image": PIXEL,
            "messages": [str(GENERAL), str(STAFF_ONLY)],
            "recipient_id": str(ADA),
            "system_channel_id": str(STAFF_ONLY),
            "parent_id": str(STAFF_ONLY),
        }
    }


async def told(api: Api, walk: Walk, who: str, needles: set[str]) -> list[str]:
    """Walk every route and return what was found that should not have been."""
    found = []
    called = [
        (method, path, filled(path, {**walk.params, "channel_id": place}))
        for method, path in routes()
        for place in (walk.places if "{channel_id" in path else walk.places[:1])
    ]
    for method, path, url in called:
        response = await api.call(method, url, who, **body_of(method, path))
        assert response.status_code < 500, (method, path, response.text)
        words = set(re.findall(r"[\w.\-]+", response.text)) | {response.text}
        found += [
            f"{method} {path}: {needle}"
            for needle in needles
            if needle in words or ((" " in needle or "/" in needle) and needle in response.text)
        ]
    return found


@pytest.mark.parametrize("who", ["nobody", "dora"])
async def test_strangers_and_those_who_left_learn_nothing_and_change_nothing(api: Api, walk: Walk, who: str) -> None:
    assert await told(api, walk, who, walk.of_guild) == []
    told_of = (event for event, _ in api.bus.take() if event.guild_id == LAB or str(event.channel_id) in walk.places)
    assert [event.name for event in told_of] == []


async def test_a_member_who_lost_a_channel_learns_nothing_of_it(api: Api, walk: Walk) -> None:
    assert await told(api, walk, "carl", walk.of_channel) == []
    assert [event.name for event, _ in api.bus.take() if str(event.channel_id) in walk.places] == []


async def test_the_walk_finds_what_there_is_to_find(api: Api, walk: Walk) -> None:
    assert len(await told(api, walk, "ada", walk.of_channel)) > 10


async def test_without_a_token_there_is_nothing_but_what_a_path_opens(api: Api, walk: Walk) -> None:
    for method, path in routes():
        response = await api.call(method, filled(path, walk.params), **body_of(method, path))
        assert response.status_code in (401, 404) or path.startswith(("/auth", "/gateway")), (method, path)
        assert not [each for each in walk.of_guild if len(each) > 4 and each in response.text], (method, path)
