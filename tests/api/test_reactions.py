"""Reactions: who may put, list and take them, what messages show of them, and what is told (protocol.md §8.4)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.api.test_dms import open_dm
from tests.support.api_world import ADA, BELL, CARL, GENERAL, LAB, READ_ONLY, STAFF_ONLY, Api, error_of
from tests.support.shapes import FIXTURES, differences
from tocsin.errors import BadRequest
from tocsin.model.permissions import Permission
from tocsin.service.reactions import MAX_EMOJIS, parse_emoji

THUMB, HEART = "👍", "❤️"


def path(message: Any, emoji: str = "", tail: str = "") -> str:
    base = f"/channels/{message['channel_id']}/messages/{message['id']}/reactions"
    return base + (f"/{quote(emoji, safe='')}" if emoji else "") + tail


async def react(api: Api, message: Any, emoji: str, who: str) -> None:
    response = await api.put(path(message, emoji, "/@me"), who)
    assert response.status_code == 204, response.text


async def shown(api: Api, message: Any, who: str) -> Any:
    response = await api.get(f"/channels/{message['channel_id']}/messages/{message['id']}", who)
    return response.json().get("reactions")


async def test_a_reaction_is_told_shown_and_listed(api: Api) -> None:
    message = await api.say("hello")
    api.bus.take()
    await react(api, message, THUMB, "carl")
    [(event, body)] = api.bus.take()
    assert (event.name, event.channel_id, event.gated, event.state) == ("MESSAGE_REACTION_ADD", GENERAL, False, False)
    assert differences(FIXTURES["MESSAGE_REACTION_ADD"], body) == []
    assert body["emoji"] == {"id": None, "name": THUMB}
    assert (body["user_id"], body["message_author_id"], body["guild_id"]) == (str(CARL), str(ADA), str(LAB))
    assert body["member"]["user"]["id"] == str(CARL)
    [mine] = await shown(api, message, "carl")
    [theirs] = await shown(api, message, "ada")
    assert differences(FIXTURES["MESSAGE_CREATE"]["reactions"][0], mine) == []
    assert (mine["count"], mine["me"], theirs["me"], mine["count_details"]) == (
        1,
        True,
        False,
        {"burst": 0, "normal": 1},
    )
    page = await api.get(f"/channels/{GENERAL}/messages", "bell")
    assert page.json()[0]["reactions"][0]["count"] == 1
    assert [user["id"] for user in (await api.get(path(message, THUMB), "ada")).json()] == [str(CARL)]


async def test_the_same_reaction_again_changes_and_tells_nothing(api: Api) -> None:
    message = await api.say("hello")
    await react(api, message, HEART, "carl")
    api.bus.take()
    await react(api, message, HEART, "carl")
    await react(api, message, HEART.removesuffix("\ufe0f"), "carl")
    assert api.bus.events == []
    assert [each["count"] for each in await shown(api, message, "ada")] == [1]


async def test_emojis_come_in_the_order_of_their_first_reaction_and_users_in_pages(api: Api) -> None:
    message = await api.say("hello")
    for who, emoji in (("carl", HEART), ("carl", THUMB), ("ada", THUMB), ("bell", THUMB), ("ada", HEART)):
        await react(api, message, emoji, who)
    found = await shown(api, message, "bell")
    assert [(each["emoji"]["name"], each["count"], each["me"]) for each in found] == [
        (HEART, 2, False),
        (THUMB, 3, True),
    ]
    first = (await api.get(path(message, THUMB), "ada", params={"limit": 2})).json()
    rest = (await api.get(path(message, THUMB), "ada", params={"after": first[-1]["id"]})).json()
    assert [user["id"] for user in [*first, *rest]] == [str(ADA), str(BELL), str(CARL)]


async def test_reactions_go_one_by_one_by_emoji_and_all_at_once(api: Api) -> None:
    message = await api.say("hello")
    for who in ("ada", "carl"):
        for emoji in (THUMB, HEART, "🔥"):
            await react(api, message, emoji, who)
    api.bus.take()
    assert (await api.delete(path(message, THUMB, "/@me"), "carl")).status_code == 204
    [(event, body)] = api.bus.take()
    assert event.name == "MESSAGE_REACTION_REMOVE"
    assert differences(FIXTURES["MESSAGE_REACTION_REMOVE"], body) == []
    assert (await api.delete(path(message, THUMB, "/@me"), "carl")).status_code == 204
    assert api.bus.events == []
    assert (await api.delete(path(message, THUMB, f"/{ADA}"), "bell")).status_code == 204
    assert api.bus.take()[0][1]["user_id"] == str(ADA)
    assert (await api.delete(path(message, HEART), "bell")).status_code == 204
    [(event, body)] = api.bus.take()
    assert (event.name, body["emoji"]["name"]) == ("MESSAGE_REACTION_REMOVE_EMOJI", HEART)
    assert error_of(await api.delete(path(message, HEART), "bell")) == (400, 10014)
    assert (await api.delete(path(message), "bell")).status_code == 204
    [(event, body)] = api.bus.take()
    assert event.name == "MESSAGE_REACTION_REMOVE_ALL"
    assert body == {"channel_id": str(GENERAL), "message_id": message["id"], "guild_id": str(LAB)}
    assert await shown(api, message, "ada") is None


async def test_at_most_twenty_different_emojis(api: Api) -> None:
    message = await api.say("hello")
    for number in range(MAX_EMOJIS):
        await react(api, message, chr(0x1F400 + number), "ada")
    assert error_of(await api.put(path(message, THUMB, "/@me"), "ada")) == (400, 30010)
    await react(api, message, chr(0x1F400), "carl")


async def test_without_add_reactions_one_may_only_join_in(api: Api) -> None:
    message = await api.say("hello")
    await react(api, message, THUMB, "ada")
    without = int(Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY)
    await api.patch(f"/guilds/{LAB}/roles/{LAB}", "ada", {"permissions": str(without)})
    assert error_of(await api.put(path(message, HEART, "/@me"), "carl")) == (403, 50013)
    await react(api, message, THUMB, "carl")


@pytest.mark.parametrize("emoji", ["x", "👍👍", "name", "nobody:123", "name:abc", "👍x", "1", "%F0", "é", "a" * 80])
async def test_what_is_no_emoji_is_unknown(api: Api, emoji: str) -> None:
    message = await api.say("hello")
    assert error_of(await api.put(path(message, emoji, "/@me"), "ada")) == (400, 10014)


@pytest.mark.parametrize("emoji", ["👍🏽", "👩‍👩‍👧‍👦", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "🇩🇪", "1️⃣", "#⃣", "☺️", "🏳️‍🌈", "©️", "🧑🏿‍🚀"])
def test_emojis_of_unicode_are_taken_whole(emoji: str) -> None:
    assert parse_emoji(emoji).name == emoji


def test_a_custom_emoji_is_told_by_its_id_alone() -> None:
    assert parse_emoji("party:123").key == parse_emoji("a:renamed:123").key == "123"
    with pytest.raises(BadRequest):
        parse_emoji(f"party:{1 << 63}")


@pytest.mark.parametrize(
    ("who", "method", "tail", "code"),
    [
        ("dora", "PUT", "/👍/@me", (403, 50001)),
        ("dora", "GET", "/👍", (403, 50001)),
        ("dora", "DELETE", "/👍/@me", (403, 50001)),
        ("dora", "DELETE", "", (403, 50001)),
        ("carl", "DELETE", "", (403, 50013)),
        ("carl", "DELETE", "/👍", (403, 50013)),
        ("carl", "DELETE", f"/👍/{ADA}", (403, 50013)),
    ],
)
async def test_who_may_not_is_refused_and_nothing_is_told(
    api: Api, who: str, method: str, tail: str, code: tuple[int, int]
) -> None:
    message = await api.say("hello")
    await react(api, message, THUMB, "ada")
    api.bus.take()
    assert error_of(await api.call(method, path(message) + tail, who)) == code
    assert api.bus.events == []


async def test_a_message_out_of_sight_is_missing_access_and_one_elsewhere_is_unknown(api: Api) -> None:
    secret = await api.say("secret", channel=STAFF_ONLY, who="bell")
    assert error_of(await api.put(path(secret, THUMB, "/@me"), "carl")) == (403, 50001)
    elsewhere = {"id": secret["id"], "channel_id": str(GENERAL)}
    assert error_of(await api.put(path(elsewhere, THUMB, "/@me"), "carl")) == (404, 10008)
    assert error_of(await api.get(path(elsewhere, THUMB), "carl")) == (404, 10008)


async def test_reading_only_is_enough_to_react(api: Api) -> None:
    message = await api.say("news", channel=READ_ONLY)
    await react(api, message, THUMB, "carl")


async def test_reactions_in_a_dm_go_to_both_and_nobody_takes_anothers(api: Api) -> None:
    channel = await open_dm(api, "ada", CARL)
    message = await api.say("hi", channel=int(channel["id"]))
    api.bus.take()
    await react(api, message, THUMB, "carl")
    [(event, body)] = api.bus.take()
    assert set(event.users) == {ADA, CARL}
    assert "guild_id" not in body
    assert "member" not in body
    assert error_of(await api.delete(path(message, THUMB, f"/{CARL}"), "ada")) == (403, 50003)


async def test_a_deleted_message_takes_its_reactions_along(api: Api) -> None:
    message = await api.say("hello")
    await react(api, message, THUMB, "carl")
    await api.delete(f"/channels/{GENERAL}/messages/{message['id']}", "ada")
    assert await api.store.reactions([int(message["id"])], ADA) == []
