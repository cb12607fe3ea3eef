"""Reactions and the like over real sockets: who is told, by intent and by sight."""

from __future__ import annotations

from urllib.parse import quote

import httpx

from tests.support.town import BELL, Listener, Payload, Person, Place, Town
from tocsin.model.intents import Intents


def of_kind(told: list[tuple[str, Payload]], *prefixes: str) -> list[str]:
    """The names that begin with one of the prefixes, in order."""
    return [name for name, _ in told if name.startswith(prefixes)]


def three(town: Town, wanted: Intents) -> tuple[Place, Person, list[Listener]]:
    """A guild with a member; sessions of the owner, of a bot without `wanted`, and of the member."""
    owner, member = town.person(), town.person()
    place = town.place(owner, member)
    town.join(place, BELL)
    without = int(Intents(0x331FFFF) & ~wanted)
    return place, member, [town.listen(owner), town.listen(BELL, intents=without), town.listen(member)]


def test_reactions_are_told_to_those_who_asked_for_them(town: Town) -> None:
    place, member, listeners = three(town, Intents.GUILD_MESSAGE_REACTIONS)
    base = f"/channels/{place.general}/messages/{town.say(place, 'vote')}/reactions"
    thumb, heart = (f"{base}/{quote(emoji)}" for emoji in ("👍", "❤️"))
    for one in (thumb, heart):
        town.call(member, "PUT", f"{one}/@me")
    town.call(member, "DELETE", f"{thumb}/@me")
    town.call(member, "PUT", f"{thumb}/@me")
    town.call(place.owner, "DELETE", heart)
    town.call(place.owner, "DELETE", base)
    boss, bot, own = town.told(place, *listeners)
    wanted = ["ADD", "ADD", "REMOVE", "ADD", "REMOVE_EMOJI", "REMOVE_ALL"]
    assert of_kind(boss, "MESSAGE_REACTION") == [f"MESSAGE_REACTION_{each}" for each in wanted]
    assert of_kind(own, "MESSAGE_REACTION") == of_kind(boss, "MESSAGE_REACTION")
    assert of_kind(bot, "MESSAGE_REACTION") == []
    assert of_kind(bot, "MESSAGE_CREATE") == ["MESSAGE_CREATE"]


def test_reactions_of_a_hidden_channel_and_of_a_dm_stay_there(town: Town) -> None:
    place, member, (boss, bot, other) = three(town, Intents.DIRECT_MESSAGE_REACTIONS)
    hidden = {"id": place.id, "type": 0, "deny": "1024", "allow": "0"}
    body = {"name": "secret", "type": 0, "permission_overwrites": [hidden]}
    secret = town.call(place.owner, "POST", f"/guilds/{place.id}/channels", body)["id"]
    message = town.say(place, "psst", secret)
    town.call(place.owner, "PUT", f"/channels/{secret}/messages/{message}/reactions/{quote('👍')}/@me")
    dm = town.call(member, "POST", "/users/@me/channels", {"recipient_id": BELL.id})["id"]
    said = town.call(member, "POST", f"/channels/{dm}/messages", {"content": "hi"})["id"]
    town.call(member, "PUT", f"/channels/{dm}/messages/{said}/reactions/{quote('👍')}/@me")
    other.until("MESSAGE_REACTION_ADD", channel_id=dm)
    told_boss, told_bot, told_other = town.told(place, boss, bot, other)
    assert [d["channel_id"] for name, d in told_boss if name == "MESSAGE_REACTION_ADD"] == [secret]
    assert [d["channel_id"] for name, d in told_other if name == "MESSAGE_REACTION_ADD"] == [dm]
    assert of_kind(told_bot, "MESSAGE_REACTION") == []


def test_a_pin_reaches_the_channels_viewers_and_later_sessions(town: Town) -> None:
    place, member, (boss, bot, other) = three(town, Intents.GUILDS)
    room = town.call(place.owner, "POST", f"/guilds/{place.id}/channels", {"name": "room"})["id"]
    hide = {"type": 1, "deny": "1024", "allow": "0"}
    town.call(place.owner, "PUT", f"/channels/{room}/permissions/{member.id}", hide)
    message = town.say(place, "keep this", room)
    town.call(place.owner, "PUT", f"/channels/{room}/messages/pins/{message}")
    told = town.told(place, boss, bot, other)
    pins = [[d for name, d in each if name == "CHANNEL_PINS_UPDATE"] for each in told]
    assert [len(each) for each in pins] == [1, 0, 0]
    assert [d.get("channel_id") for _, d in told[2]].count(room) == 0
    late = town.listen(place.owner)
    [guild] = [d for name, d in late.events if name == "GUILD_CREATE" and d["id"] == place.id]
    [channel] = [each for each in guild["channels"] if each["id"] == room]
    assert channel["last_pin_timestamp"] == pins[0][0]["last_pin_timestamp"]


def test_emojis_are_told_to_the_guild_and_come_with_it(town: Town) -> None:
    place, _, listeners = three(town, Intents.GUILD_EXPRESSIONS)
    image = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs="
    made = town.call(place.owner, "POST", f"/guilds/{place.id}/emojis", {"name": "party", "image": image})
    boss, bot, other = town.told(place, *listeners)
    assert [len(of_kind(each, "GUILD_EMOJIS")) for each in (boss, bot, other)] == [1, 0, 1]
    late = town.listen(place.owner)
    [guild] = [d for name, d in late.events if name == "GUILD_CREATE" and d["id"] == place.id]
    assert [each["id"] for each in guild["emojis"]] == [made["id"]]


def test_a_file_is_told_with_a_url_that_serves_it(town: Town) -> None:
    place, _, (boss, _, other) = three(town, Intents.GUILD_MESSAGES)
    parts = {"files[0]": ("a b.txt", b"abc")}
    base = f"{town.server.api}/channels/{place.general}/messages"
    headers = {"Authorization": place.owner.token}
    assert httpx.post(base, data={"content": "look"}, files=parts, headers=headers).status_code == 200
    for listener in (boss, other):
        [attachment] = listener.until("MESSAGE_CREATE")["attachments"]
        assert attachment["filename"] == "a_b.txt"
        assert httpx.get(attachment["url"]).content == b"abc"


def test_webhooks_are_told_to_those_who_manage_them(town: Town) -> None:
    place, _, listeners = three(town, Intents.GUILD_WEBHOOKS)
    hook = town.call(place.owner, "POST", f"/channels/{place.general}/webhooks", {"name": "hook"})
    path = f"/webhooks/{hook['id']}/{hook['token']}"
    assert httpx.post(f"{town.server.api}{path}", json={"content": "by token"}).status_code == 204
    boss, bot, other = town.told(place, *listeners)
    assert of_kind(boss, "WEBHOOKS", "MESSAGE") == ["WEBHOOKS_UPDATE", "MESSAGE_CREATE"]
    assert of_kind(bot, "WEBHOOKS", "MESSAGE") == of_kind(other, "WEBHOOKS", "MESSAGE") == ["MESSAGE_CREATE"]


def test_invites_are_told_to_bots_that_manage_the_channel(town: Town) -> None:
    place, member, (boss, bot, _) = three(town, Intents.GUILD_PRESENCES)
    path = f"/channels/{place.general}/invites"
    town.call(place.owner, "POST", path, {"unique": True})
    role = town.call(place.owner, "POST", f"/guilds/{place.id}/roles", {"name": "m", "permissions": "16"})["id"]
    town.call(place.owner, "PUT", f"/guilds/{place.id}/members/{BELL.id}/roles/{role}")
    made = town.call(place.owner, "POST", path, {"unique": True})
    newcomer = town.person()
    town.place(newcomer)
    listener = town.listen(newcomer)
    town.call(newcomer, "POST", f"/invites/{made['code']}")
    assert listener.until("GUILD_CREATE", id=place.id)["member_count"] == 4
    assert boss.until("GUILD_MEMBER_ADD")["user"]["id"] == newcomer.id
    town.call(place.owner, "DELETE", f"/invites/{made['code']}")
    told_boss, told_bot = town.told(place, boss, bot)
    assert of_kind(told_bot, "INVITE") == ["INVITE_CREATE", "INVITE_DELETE"]
    assert [d["code"] for name, d in told_bot if name == "INVITE_CREATE"] == [made["code"]]
    assert of_kind(told_boss, "INVITE") == []
    assert member.id != newcomer.id


def test_an_entry_of_the_audit_log_is_told_to_those_who_may_view_it(town: Town) -> None:
    place, _, listeners = three(town, Intents.GUILD_MODERATION)
    log = {"name": "log", "permissions": str(1 << 7)}
    role = town.call(place.owner, "POST", f"/guilds/{place.id}/roles", log)["id"]
    viewer = town.person()
    town.join(place, viewer)
    town.call(place.owner, "PUT", f"/guilds/{place.id}/members/{viewer.id}/roles/{role}")
    reader = town.listen(viewer)
    town.call(place.owner, "PATCH", f"/guilds/{place.id}", {"name": "renamed"})
    town.call(place.owner, "DELETE", f"/guilds/{place.id}/members/{viewer.id}/roles/{role}")
    town.call(place.owner, "PATCH", f"/guilds/{place.id}", {"name": "unseen"})
    boss, bot, own, former = town.told(place, *listeners, reader)
    renamed = next(d for name, d in former if name == "GUILD_AUDIT_LOG_ENTRY_CREATE")
    assert (renamed["guild_id"], renamed["user_id"], renamed["action_type"]) == (place.id, place.owner.id, 1)
    assert renamed["changes"][0]["new_value"] == "renamed"
    # The change that takes the right away takes it before its own entry is told.
    assert of_kind(former, "GUILD_AUDIT_LOG", "GUILD_UPDATE") == [
        "GUILD_UPDATE",
        "GUILD_AUDIT_LOG_ENTRY_CREATE",
        "GUILD_UPDATE",
    ]
    entries = [d["action_type"] for name, d in boss if name == "GUILD_AUDIT_LOG_ENTRY_CREATE"]
    assert entries[-3:] == [1, 25, 1]
    assert of_kind(bot, "GUILD_AUDIT_LOG") == of_kind(own, "GUILD_AUDIT_LOG") == []
