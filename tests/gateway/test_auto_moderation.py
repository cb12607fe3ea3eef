"""Who hears of automatic moderation: its rules, its deeds, and the text that set it off (protocol.md §2)."""

from __future__ import annotations

from typing import Any

import httpx

from tests.support.rules import word_rule
from tests.support.town import BELL, NO_PRIVILEGED, Person, Place, Town, names
from tocsin.model.intents import Intents

MANAGE_GUILD = "32"
CONFIGURATION, EXECUTION = int(Intents.AUTO_MODERATION_CONFIGURATION), int(Intents.AUTO_MODERATION_EXECUTION)


def make_rule(town: Town, place: Place) -> Any:
    body = word_rule("bad*")
    return town.call(place.owner, "POST", f"/guilds/{place.id}/auto-moderation/rules", body)


def blocked(town: Town, who: Person, channel: str) -> None:
    url = f"{town.server.api}/channels/{channel}/messages"
    answer = httpx.post(url, json={"content": "so Badly"}, headers={"Authorization": who.token})
    assert answer.json()["code"] == 200000


def let_manage(town: Town, place: Place, who: Person) -> None:
    role = {"name": "managers", "permissions": MANAGE_GUILD}
    made = town.call(place.owner, "POST", f"/guilds/{place.id}/roles", role)["id"]
    town.call(place.owner, "PUT", f"/guilds/{place.id}/members/{who.id}/roles/{made}")


def test_rules_are_told_to_those_who_manage_the_guild_and_asked_for_them(town: Town) -> None:
    owner, member = town.person(), town.person()
    place = town.place(owner, member)
    boss, other = town.listen(owner), town.listen(member)
    deaf = town.listen(owner, intents=1 | EXECUTION)
    rule = make_rule(town, place)
    assert boss.until("AUTO_MODERATION_RULE_CREATE") == rule
    path = f"/guilds/{place.id}/auto-moderation/rules/{rule['id']}"
    changed = town.call(owner, "PATCH", path, {"name": "other words"})
    assert boss.until("AUTO_MODERATION_RULE_UPDATE") == changed
    town.call(owner, "DELETE", path)
    assert boss.until("AUTO_MODERATION_RULE_DELETE") == changed
    for told in town.told(place, other, deaf):
        assert not [name for name in names(told) if name.startswith("AUTO_MODERATION")]


def test_deeds_are_told_with_the_text_only_where_message_content_allows(town: Town) -> None:
    owner, writer = town.person(), town.person()
    place = town.place(owner, writer, BELL)
    let_manage(town, place, BELL)
    make_rule(town, place)
    boss, own = town.listen(owner), town.listen(writer)
    blind = town.listen(BELL, intents=NO_PRIVILEGED)
    seeing = town.listen(BELL)
    blocked(town, writer, place.general)
    for listener, text in ((boss, "so Badly"), (seeing, "so Badly"), (blind, "")):
        told = listener.until("AUTO_MODERATION_ACTION_EXECUTION")
        assert told["content"] == text
        assert told["matched_content"] == ("Bad" if text else "")
        assert (told["matched_keyword"], told["user_id"]) == ("bad*", writer.id)
    [told_writer] = town.told(place, own)
    assert not [name for name in names(told_writer) if name.startswith("AUTO_MODERATION")]


def test_a_quarantine_is_told_to_those_who_manage_the_guild_and_ends_what_one_says_in_voice(town: Town) -> None:
    owner, member, other = town.person(), town.person(), town.person()
    place = town.place(owner, member, other)
    rule = {**word_rule("bad"), "event_type": 2, "trigger_type": 6, "actions": [{"type": 4}]}
    town.call(owner, "POST", f"/guilds/{place.id}/auto-moderation/rules", rule)
    voice = town.call(owner, "POST", f"/guilds/{place.id}/channels", {"name": "v", "type": 2})["id"]
    boss, own, watch = town.listen(owner), town.listen(member), town.listen(other)
    own.send(4, {"guild_id": place.id, "channel_id": voice, "self_mute": False, "self_deaf": False})
    watch.until("VOICE_STATE_UPDATE", user_id=member.id, channel_id=voice)
    town.call(member, "PATCH", f"/guilds/{place.id}/members/@me", {"nick": "bad"})
    told = boss.until("AUTO_MODERATION_ACTION_EXECUTION")
    assert (told["user_id"], told["rule_trigger_type"], told["content"]) == (member.id, 6, "bad")
    assert "channel_id" not in told
    watch.until("VOICE_STATE_UPDATE", user_id=member.id, channel_id=None)
    assert next(d for name, d in watch.events if name == "GUILD_MEMBER_UPDATE")["flags"] == 1 << 7
    [told_other] = town.told(place, watch)
    assert not [name for name in names(told_other) if name.startswith("AUTO_MODERATION")]


def test_deeds_in_a_channel_out_of_sight_are_not_told(town: Town) -> None:
    owner, writer = town.person(), town.person()
    place = town.place(owner, writer, BELL)
    let_manage(town, place, BELL)
    make_rule(town, place)
    hidden = {"type": 1, "deny": "1024", "allow": "0"}
    town.call(owner, "PUT", f"/channels/{place.general}/permissions/{BELL.id}", hidden)
    boss, bot = town.listen(owner), town.listen(BELL)
    blocked(town, writer, place.general)
    boss.until("AUTO_MODERATION_ACTION_EXECUTION")
    [told] = town.told(place, bot)
    assert "AUTO_MODERATION_ACTION_EXECUTION" not in names(told)
