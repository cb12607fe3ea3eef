"""Rules of automatic moderation: who may make which, and what they do to messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.api_world import (
    ADA,
    BELL,
    CARL,
    CATEGORY,
    DORA,
    GENERAL,
    LAB,
    READ_ONLY,
    STAFF_ONLY,
    STAFF_ROLE,
    Api,
    MakeApi,
    error_of,
)
from tocsin.config import Settings
from tocsin.model import wire
from tocsin.model.permissions import QUARANTINED, Permission
from tocsin.service.automod_match import REPEATS
from tocsin.store.base import Update

RULES = f"/guilds/{LAB}/auto-moderation/rules"
BLOCK: dict[str, Any] = {"type": 1, "metadata": {}}
ALERT: dict[str, Any] = {"type": 2, "metadata": {"channel_id": str(STAFF_ONLY)}}
HOLD: dict[str, Any] = {"type": 4, "metadata": {}}
TIMEOUT: dict[str, Any] = {"type": 3, "metadata": {"duration_seconds": 60}}
BLOCKED = (400, 200000)


def keyword(*words: str, actions: tuple[dict[str, Any], ...] = (BLOCK,), **more: Any) -> dict[str, Any]:
    metadata = {"keyword_filter": list(words), "allow_list": more.pop("allow_list", [])}
    rule = {"name": "words", "event_type": 1, "trigger_type": 1, "trigger_metadata": metadata, "enabled": True}
    return {**rule, "actions": list(actions), **more}


async def make(api: Api, rule: dict[str, Any]) -> Any:
    response = await api.post(RULES, "ada", rule)
    assert response.status_code == 200, response.text
    return response.json()


async def send(api: Api, content: str, who: str = "carl", channel: int = GENERAL) -> Any:
    return await api.post(f"/channels/{channel}/messages", who, {"content": content})


async def test_a_rule_is_made_read_changed_and_deleted_and_each_is_told(api: Api) -> None:
    rule = await make(api, keyword("bad*", exempt_roles=[str(STAFF_ROLE)]))
    assert (rule["guild_id"], rule["creator_id"], rule["exempt_roles"]) == (str(LAB), str(ADA), [str(STAFF_ROLE)])
    assert rule["trigger_metadata"] == {"keyword_filter": ["bad*"], "regex_patterns": [], "allow_list": []}
    assert (await api.get(RULES, "ada")).json() == [rule]
    path = f"{RULES}/{rule['id']}"
    changed = (await api.patch(path, "ada", {"enabled": False, "trigger_metadata": {"allow_list": ["badge"]}})).json()
    metadata = {**rule["trigger_metadata"], "allow_list": ["badge"]}
    assert changed == {**rule, "enabled": False, "trigger_metadata": metadata}
    assert (await api.get(path, "ada")).json() == changed
    assert (await api.patch(path, "ada", {"enabled": False})).json() == changed
    assert (await api.delete(path, "ada")).status_code == 204
    assert (await api.get(RULES, "ada")).json() == []
    told = [(event.name, body["id"]) for event, body in api.bus.take()]
    assert told == [(f"AUTO_MODERATION_RULE_{verb}", rule["id"]) for verb in ("CREATE", "UPDATE", "DELETE")]
    for gone in (await api.get(path, "ada"), await api.patch(path, "ada", {}), await api.delete(path, "ada")):
        assert error_of(gone) == (404, 0)


async def test_rules_are_for_those_who_manage_the_guild(api: Api) -> None:
    rule = await make(api, keyword("bad"))
    path = f"{RULES}/{rule['id']}"
    for who, expected in (("carl", (403, 50013)), ("dora", (403, 50001))):
        answers = [
            await api.get(RULES, who),
            await api.get(path, who),
            await api.post(RULES, who, keyword("x")),
            await api.patch(path, who, {"enabled": False}),
            await api.delete(path, who),
        ]
        assert [error_of(each) for each in answers] == [expected] * len(answers)


async def test_a_timeout_needs_the_right_to_time_out(api: Api) -> None:
    held = int(Permission.MANAGE_GUILD)
    await api.store.commit([Update("roles", {"id": STAFF_ROLE}, {"permissions": held})])
    assert error_of(await api.post(RULES, "bell", keyword("bad", actions=(TIMEOUT,)))) == (403, 50013)
    assert (await api.post(RULES, "bell", keyword("bad"))).status_code == 200


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"name": ""}, "name"),
        ({"event_type": 2}, "event_type"),
        ({"trigger_type": 9}, "trigger_type"),
        ({"trigger_metadata": {}}, "trigger_metadata"),
        ({"trigger_metadata": {"keyword_filter": ["x"] * 1001}}, "trigger_metadata"),
        ({"trigger_metadata": {"keyword_filter": ["x" * 61]}}, "trigger_metadata"),
        ({"trigger_metadata": {"keyword_filter": ["**"]}}, "trigger_metadata"),
        ({"trigger_metadata": {"regex_patterns": ["("]}}, "trigger_metadata"),
        ({"trigger_metadata": {"regex_patterns": ["(?=a)"]}}, "trigger_metadata"),
        ({"trigger_metadata": {"regex_patterns": [""]}}, "trigger_metadata"),
        ({"trigger_metadata": {"regex_patterns": ["a"] * 11}}, "trigger_metadata"),
        ({"trigger_metadata": {"regex_patterns": ["a" * 261]}}, "trigger_metadata"),
        ({"trigger_metadata": {"regex_patterns": [r"\w{200}"]}}, "trigger_metadata"),
        ({"trigger_metadata": {"regex_patterns": [r"\w{6}x"] * 10}}, "trigger_metadata"),
        ({"trigger_type": 4}, "trigger_metadata"),
        ({"trigger_type": 4, "trigger_metadata": {"presets": [9]}}, "trigger_metadata"),
        ({"trigger_type": 4, "trigger_metadata": {"presets": [1]}}, "trigger_metadata"),
        ({"trigger_type": 5}, "trigger_metadata"),
        ({"trigger_type": 5, "trigger_metadata": {"mention_total_limit": 51}}, "trigger_metadata"),
        ({"actions": []}, "actions"),
        ({"actions": [BLOCK, BLOCK]}, "actions"),
        ({"actions": [{"type": 9}]}, "actions"),
        ({"actions": [{"type": 2}]}, "actions"),
        ({"actions": [{"type": 2, "metadata": {"channel_id": "99"}}]}, "actions"),
        ({"actions": [{"type": 2, "metadata": {"channel_id": str(CATEGORY)}}]}, "actions"),
        ({"actions": [{"type": 3}]}, "actions"),
        ({"actions": [{"type": 3, "metadata": {"duration_seconds": 2419201}}]}, "actions"),
        ({"trigger_type": 3, "actions": [TIMEOUT]}, "actions"),
        ({"actions": [{"type": 1, "metadata": {"custom_message": "x" * 151}}]}, "actions"),
        ({"exempt_roles": [str(n) for n in range(1, 22)]}, "exempt_roles"),
        ({"exempt_channels": [str(n) for n in range(1, 52)]}, "exempt_channels"),
    ],
)
async def test_a_wrong_rule_is_refused_where_it_is_wrong(api: Api, changes: dict[str, Any], path: str) -> None:
    response = await api.post(RULES, "ada", {**keyword("bad"), **changes})
    assert error_of(response) == (400, 50035), response.text
    assert list(response.json()["errors"]) == [path]
    assert (await api.get(RULES, "ada")).json() == []


async def test_a_guild_has_so_many_rules_of_a_trigger(api: Api) -> None:
    for n in range(6):
        await make(api, keyword(f"bad{n}"))
    response = await api.post(RULES, "ada", keyword("more"))
    assert response.json()["errors"]["_errors"][0]["code"] == "AUTO_MODERATION_MAX_RULES_OF_TYPE_EXCEEDED"
    spam = {"name": "spam", "event_type": 1, "trigger_type": 3, "actions": [BLOCK]}
    await make(api, spam)
    assert error_of(await api.post(RULES, "ada", spam)) == (400, 50035)


async def test_a_blocked_message_is_not_sent_and_whoever_manages_the_guild_is_told(api: Api) -> None:
    rule = await make(api, keyword("bad*"))
    api.bus.take()
    assert error_of(await send(api, "what a Badge")) == BLOCKED
    [(event, body)] = api.bus.take()
    assert event.name == "AUTO_MODERATION_ACTION_EXECUTION"
    assert body == {
        "guild_id": str(LAB),
        "action": BLOCK,
        "rule_id": rule["id"],
        "rule_trigger_type": 1,
        "user_id": str(CARL),
        "channel_id": str(GENERAL),
        "content": "what a Badge",
        "matched_keyword": "bad*",
        "matched_content": "Bad",
    }
    assert (await api.get(f"/channels/{GENERAL}/messages", "ada")).json() == []
    assert (await send(api, "what a bandage")).status_code == 200


async def test_a_block_says_what_its_rule_says(api: Api) -> None:
    await make(api, keyword("bad", actions=({"type": 1, "metadata": {"custom_message": "be nice"}},)))
    assert (await send(api, "bad")).json() == {"code": 200000, "message": "be nice"}


async def test_an_edit_is_judged_like_a_message_and_one_that_leaves_the_text_is_not(api: Api) -> None:
    message = (await send(api, "fine")).json()
    earlier = (await send(api, "bad")).json()
    await make(api, keyword("bad"))
    path = f"/channels/{GENERAL}/messages"
    assert error_of(await api.patch(f"{path}/{message['id']}", "carl", {"content": "bad"})) == BLOCKED
    assert (await api.get(f"{path}/{message['id']}", "carl")).json()["content"] == "fine"
    assert (await api.patch(f"{path}/{earlier['id']}", "carl", {"flags": 4})).status_code == 200


async def test_managers_bots_exempt_roles_and_exempt_channels_pass(api: Api) -> None:
    await make(api, keyword("bad", exempt_roles=[str(STAFF_ROLE)], exempt_channels=[str(READ_ONLY)]))
    assert (await send(api, "bad", "ada")).status_code == 200
    assert (await send(api, "bad", "bell")).status_code == 200
    assert (await send(api, "bad", "eddy")).status_code == 200
    assert error_of(await send(api, "bad")) == BLOCKED
    await api.put(f"/guilds/{LAB}/members/{CARL}/roles/{STAFF_ROLE}", "ada")
    assert (await send(api, "bad")).status_code == 200
    await api.delete(f"/guilds/{LAB}/members/{CARL}/roles/{STAFF_ROLE}", "ada")
    assert error_of(await send(api, "bad")) == BLOCKED
    send_there = {"type": 1, "allow": str(int(Permission.SEND_MESSAGES))}
    await api.put(f"/channels/{READ_ONLY}/permissions/{CARL}", "ada", send_there)
    assert (await send(api, "bad", channel=READ_ONLY)).status_code == 200


async def test_an_alert_goes_to_its_channel_and_a_message_that_is_not_blocked_is_named_in_it(api: Api) -> None:
    rule = await make(api, keyword("bad", actions=(ALERT,)))
    api.bus.take()
    message = (await send(api, "so bad")).json()
    (sent, _), (alerted, alert), (executed, deed) = api.bus.take()
    assert [each.name for each in (sent, alerted, executed)] == [
        "MESSAGE_CREATE",
        "MESSAGE_CREATE",
        "AUTO_MODERATION_ACTION_EXECUTION",
    ]
    assert (alert["type"], alert["channel_id"], alert["author"]["id"]) == (24, str(STAFF_ONLY), str(CARL))
    [embed] = alert["embeds"]
    assert (embed["type"], embed["description"]) == ("auto_moderation_message", "so bad")
    assert {each["name"]: each["value"] for each in embed["fields"]} == {
        "rule_name": "words",
        "channel_id": str(GENERAL),
        "keyword": "bad",
        "keyword_matched_content": "bad",
        "flagged_message_id": message["id"],
    }
    assert (deed["rule_id"], deed["action"]) == (rule["id"], ALERT)
    assert (deed["message_id"], deed["alert_system_message_id"]) == (message["id"], alert["id"])


async def test_an_alert_cannot_be_deleted_by_whom_it_is_about(api: Api) -> None:
    everywhere = {"type": 2, "metadata": {"channel_id": str(GENERAL)}}
    await make(api, keyword("bad", actions=(BLOCK, everywhere)))
    assert error_of(await send(api, "bad")) == BLOCKED
    [alert] = (await api.get(f"/channels/{GENERAL}/messages", "carl")).json()
    path = f"/channels/{GENERAL}/messages/{alert['id']}"
    assert error_of(await api.delete(path, "carl")) == (403, 50013)
    assert (await api.delete(path, "ada")).status_code == 204


async def test_a_rule_whose_alert_channel_is_gone_does_the_rest(api: Api) -> None:
    await make(api, keyword("bad", actions=(BLOCK, ALERT)))
    await api.delete(f"/channels/{STAFF_ONLY}", "ada")
    assert error_of(await send(api, "bad")) == BLOCKED


async def test_a_timeout_holds_from_the_blocked_message_on(api: Api) -> None:
    await make(api, keyword("bad", actions=(BLOCK, TIMEOUT)))
    api.bus.take()
    assert error_of(await send(api, "bad")) == BLOCKED
    told = api.bus.take()
    assert [event.name for event, _ in told] == [
        "AUTO_MODERATION_ACTION_EXECUTION",
        "AUTO_MODERATION_ACTION_EXECUTION",
        "GUILD_MEMBER_UPDATE",
    ]
    assert told[2][1]["communication_disabled_until"] == wire.timestamp(api.clock() + 60_000)
    assert error_of(await send(api, "sorry")) == (403, 50013)
    api.clock.advance(60_001)
    assert (await send(api, "sorry")).status_code == 200


async def test_mentions_and_repetition_have_rules_of_their_own(api: Api) -> None:
    mention = {"name": "m", "event_type": 1, "trigger_type": 5, "actions": [BLOCK], "enabled": True}
    await make(api, {**mention, "trigger_metadata": {"mention_total_limit": 1}})
    await make(api, {"name": "s", "event_type": 1, "trigger_type": 3, "actions": [BLOCK], "enabled": True})
    assert (await send(api, f"<@{ADA}>")).status_code == 200
    assert error_of(await send(api, f"<@{ADA}> <@{BELL}>")) == BLOCKED
    answers = [(await send(api, "buy now")).status_code for _ in range(REPEATS)]
    assert answers == [200] * (REPEATS - 1) + [400]


async def test_patterns_block_what_they_match_and_say_which(api: Api) -> None:
    patterns = [r"(?i)n[i1]tr[o0]", r"\d{3}-\d{4}"]
    rule = keyword(actions=(BLOCK, ALERT), allow_list=["555-0100"])
    rule["trigger_metadata"]["regex_patterns"] = patterns
    made = await make(api, rule)
    assert made["trigger_metadata"] == {
        "keyword_filter": [],
        "regex_patterns": patterns,
        "allow_list": ["555-0100"],
    }
    api.bus.take()
    assert error_of(await send(api, "free é N1TRO")) == BLOCKED
    deed = api.bus.take("AUTO_MODERATION_ACTION_EXECUTION")[0][1]
    assert (deed["matched_keyword"], deed["matched_content"]) == (patterns[0], "N1TRO")
    assert (await send(api, "call 555-0100")).status_code == 200
    assert error_of(await send(api, "call 555-0100 or 555-0101")) == BLOCKED
    deed = api.bus.take("AUTO_MODERATION_ACTION_EXECUTION")[0][1]
    assert (deed["matched_keyword"], deed["matched_content"]) == (patterns[1], "555-0101")


async def test_a_wrong_pattern_is_named_with_what_is_wrong(api: Api) -> None:
    rule = keyword()
    rule["trigger_metadata"]["regex_patterns"] = ["fine", "("]
    errors = (await api.post(RULES, "ada", rule)).json()["errors"]["trigger_metadata"]["regex_patterns"]
    [error] = errors["1"]["_errors"]
    assert error["code"] == "AUTO_MODERATION_INVALID_REGEX"
    assert "unclosed group" in error["message"]


async def test_presets_are_the_operators_lists(make_api: MakeApi, tmp_path: Path) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "profanity.txt").write_text("# what one does not say\n\nbother\ndrat*\n")
    settings = Settings(global_rate_limit=0, message_rate_limit=0, data=str(tmp_path), automod_presets=str(lists))
    api = await make_api(settings)
    rule = {"name": "p", "event_type": 1, "trigger_type": 4, "actions": [BLOCK], "enabled": True}
    response = await api.post(RULES, "ada", {**rule, "trigger_metadata": {"presets": [1, 3]}})
    [error] = response.json()["errors"]["trigger_metadata"]["presets"]["1"]["_errors"]
    assert error["code"] == "AUTO_MODERATION_PRESET_UNAVAILABLE"
    assert "automod_presets" in error["message"]
    metadata = {"presets": [1], "allow_list": ["oh bother"]}
    assert (await make(api, {**rule, "trigger_metadata": metadata}))["trigger_metadata"] == metadata
    api.bus.take()
    assert error_of(await send(api, "Dratted")) == BLOCKED
    deed = api.bus.take("AUTO_MODERATION_ACTION_EXECUTION")[0][1]
    assert (deed["rule_trigger_type"], deed["matched_keyword"], deed["matched_content"]) == (4, "drat*", "Drat")
    assert error_of(await send(api, "bother")) == BLOCKED
    assert (await send(api, "oh bother")).status_code == 200
    assert (await send(api, "what one does not say")).status_code == 200
    # Without the lists the rule is kept and does nothing.
    without = await make_api(Settings(global_rate_limit=0, message_rate_limit=0, data=str(tmp_path)))
    assert (await send(without, "bother")).status_code == 200


async def test_a_rule_that_is_off_or_deleted_does_nothing(api: Api) -> None:
    rule = await make(api, keyword("bad", enabled=False))
    assert (await send(api, "bad")).status_code == 200
    await api.patch(f"{RULES}/{rule['id']}", "ada", {"enabled": True})
    assert error_of(await send(api, "bad")) == BLOCKED
    await api.delete(f"{RULES}/{rule['id']}", "ada")
    assert (await send(api, "bad")).status_code == 200


async def test_rules_go_with_their_guild(api: Api) -> None:
    await make(api, keyword("bad"))
    assert (await api.delete(f"/guilds/{LAB}", "ada")).status_code == 204
    assert await api.services.automod._rules(LAB) == []


def profile(*words: str, actions: tuple[dict[str, Any], ...] = (HOLD,), **more: Any) -> dict[str, Any]:
    return {**keyword(*words, actions=actions), "name": "names", "event_type": 2, "trigger_type": 6, **more}


async def test_who_joins_with_a_wrong_name_is_quarantined_until_it_is_another(api: Api) -> None:
    rule = await make(api, profile("*badger*", actions=(HOLD, ALERT)))
    assert rule["trigger_metadata"] == {"keyword_filter": ["*badger*"], "regex_patterns": [], "allow_list": []}
    await api.patch("/users/@me", "dora", {"global_name": "The Badger"})
    message = (await send(api, "hello", "ada")).json()
    reaction = f"/channels/{GENERAL}/messages/{message['id']}/reactions/🔥/@me"
    assert (await api.put(reaction, "ada")).status_code == 204
    code = (await api.post(f"/channels/{GENERAL}/invites", "ada", {})).json()["code"]
    api.bus.take()
    assert (await api.post(f"/invites/{code}", "dora")).status_code == 200
    told = {event.name: body for event, body in api.bus.take()}
    assert told["GUILD_MEMBER_ADD"]["flags"] == QUARANTINED
    deed = told["AUTO_MODERATION_ACTION_EXECUTION"]
    assert (deed["user_id"], deed["content"], deed["matched_content"]) == (str(DORA), "The Badger", "Badger")
    assert "channel_id" not in deed
    assert told["MESSAGE_CREATE"]["type"] == 24
    # They see what they saw and do nothing there, but for their nick.
    assert (await api.get(f"/channels/{GENERAL}/messages", "dora")).status_code == 200
    assert error_of(await send(api, "hello", "dora")) == (403, 50013)
    assert error_of(await api.put(reaction, "dora")) == (403, 50013)
    assert error_of(await api.post(f"/channels/{GENERAL}/typing", "dora")) == (403, 50013)
    own = f"/guilds/{LAB}/members/@me"
    assert (await api.patch(own, "dora", {"nick": "fine"})).json()["flags"] == QUARANTINED
    api.bus.take()
    await api.patch("/users/@me", "dora", {"global_name": "fine too"})
    [(_, member)] = api.bus.take("GUILD_MEMBER_UPDATE")
    assert member["flags"] == 0
    assert (await send(api, "hello", "dora")).status_code == 200
    assert (await api.put(reaction, "dora")).status_code == 204


async def test_a_nick_is_looked_at_when_it_changes_and_told_of_once(api: Api) -> None:
    await make(api, profile("bad"))
    own = f"/guilds/{LAB}/members/@me"
    for nick, held in (("so bad", True), ("worse", False), ("bad", True)):
        api.bus.take()
        assert (await api.patch(own, "carl", {"nick": nick})).json()["flags"] == (QUARANTINED if held else 0)
        deeds = [event for event, _ in api.bus.take() if event.name == "AUTO_MODERATION_ACTION_EXECUTION"]
        assert len(deeds) == held
    api.bus.take()
    # What exempts is looked at too, and nobody is told twice of the same name.
    await api.patch("/users/@me", "carl", {"global_name": "Carl the Great"})
    assert api.bus.take("AUTO_MODERATION_ACTION_EXECUTION") == []


async def test_roles_bots_and_managers_are_exempt_and_a_rule_that_goes_lets_go(api: Api) -> None:
    rule = await make(api, profile("bad", exempt_roles=[str(STAFF_ROLE)]))
    path, own = f"{RULES}/{rule['id']}", f"/guilds/{LAB}/members/@me"
    for who in ("ada", "bell"):
        assert (await api.patch(own, who, {"nick": "bad"})).json()["flags"] == 0
    assert (await api.patch(own, "carl", {"nick": "bad"})).json()["flags"] == QUARANTINED
    role = f"/guilds/{LAB}/members/{CARL}/roles/{STAFF_ROLE}"
    await api.put(role, "ada")
    assert (await send(api, "hello")).status_code == 200
    await api.delete(role, "ada")
    assert error_of(await send(api, "hello")) == (403, 50013)
    # A manager who has no MANAGE_GUILD by roles no more is judged at the next change only.
    for change in ({"enabled": False}, {"enabled": True}):
        await api.patch(path, "ada", change)
        assert (await send(api, "hello")).status_code == 200
    assert (await api.patch(own, "carl", {"nick": "very bad"})).json()["flags"] == QUARANTINED
    await api.delete(path, "ada")
    assert (await send(api, "hello")).status_code == 200


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"event_type": 1}, "event_type"),
        ({"actions": [BLOCK]}, "actions"),
        ({"actions": [TIMEOUT]}, "actions"),
        ({"trigger_metadata": {}}, "trigger_metadata"),
        ({"trigger_type": 1, "event_type": 1}, "actions"),
    ],
)
async def test_a_rule_for_profiles_has_its_own_event_and_actions(api: Api, changes: dict[str, Any], path: str) -> None:
    response = await api.post(RULES, "ada", {**profile("bad"), **changes})
    assert error_of(response) == (400, 50035), response.text
    assert list(response.json()["errors"]) == [path]
