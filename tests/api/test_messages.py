"""Messages over HTTP: sending, reading, editing, deleting, who may, and what events come of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.api_world import (
    ADA,
    BELL,
    CARL,
    CATEGORY,
    GENERAL,
    LAB,
    MENTIONABLE_ROLE,
    READ_ONLY,
    STAFF_ONLY,
    STAFF_ROLE,
    VOICE,
    Api,
    error_of,
)
from tocsin.model.event import ScopeKind
from tocsin.model.snowflake import snowflake_at
from tocsin.store.base import Update

MESSAGES = f"/channels/{GENERAL}/messages"
DAY_MS = 86_400_000


async def test_a_message_is_answered_with_the_object_that_its_event_carries(api: Api) -> None:
    sent = await api.say("  hello  ", nonce="n1")
    [(event, body)] = api.bus.take()
    assert sent == body
    assert body["content"] == "hello"
    assert body["author"]["id"] == str(ADA)
    assert body["guild_id"] == str(LAB)
    assert "user" not in body["member"]
    assert body["nonce"] == "n1"
    assert (event.name, event.scope, event.channel_id) == ("MESSAGE_CREATE", (ScopeKind.GUILD, LAB), GENERAL)
    assert event.gated
    assert event.author_id == ADA
    assert event.seq > 0


async def test_a_sent_message_is_read_back_without_guild_member_and_nonce(api: Api) -> None:
    sent = await api.say("hello", nonce=7)
    read = (await api.get(f"{MESSAGES}/{sent['id']}", "carl")).json()
    assert read == {key: value for key, value in sent.items() if key not in ("guild_id", "member", "nonce")}


async def test_a_message_moves_the_channels_last_message(api: Api) -> None:
    sent = await api.say("hello")
    channel = await api.services.context.world.channel(GENERAL)
    assert channel is not None
    assert channel.last_message_id == int(sent["id"])
    stored = await api.store.channel(GENERAL)
    assert stored is not None
    assert stored.last_message_id == int(sent["id"])


@pytest.mark.parametrize("nonce", [5, "5", -(2**63), 2**63 - 1, "x" * 25, ""])
async def test_a_nonce_comes_back_with_its_type_and_is_not_stored(api: Api, nonce: int | str) -> None:
    sent = await api.say("hello", nonce=nonce)
    assert sent["nonce"] == nonce
    assert type(sent["nonce"]) is type(nonce)
    assert "nonce" not in (await api.get(f"{MESSAGES}/{sent['id']}", "ada")).json()


@pytest.mark.parametrize(
    ("nonce", "code"),
    [("x" * 26, "BASE_TYPE_MAX_LENGTH"), (2**63, "NUMBER_TYPE_MAX"), (1.5, "STRING_TYPE_CONVERT"), ([], None)],
)
async def test_a_bad_nonce_is_a_form_error(api: Api, nonce: Any, code: str | None) -> None:
    response = await api.post(MESSAGES, "ada", {"content": "x", "nonce": nonce})
    assert error_of(response) == (400, 50035)
    if code:
        assert response.json()["errors"]["nonce"]["_errors"][0]["code"] in (code, "NUMBER_TYPE_COERCE")


async def test_an_enforced_nonce_returns_the_first_message_and_makes_no_second(api: Api) -> None:
    first = await api.say("one", nonce="same", enforce_nonce=True)
    again = await api.say("two", nonce="same", enforce_nonce=True)
    assert again == first
    assert len(api.bus.take("MESSAGE_CREATE")) == 1


async def test_an_enforced_nonce_also_finds_one_that_was_not_enforced(api: Api) -> None:
    first = await api.say("one", nonce="same")
    assert (await api.say("two", nonce="same", enforce_nonce=True))["id"] == first["id"]


async def test_concurrent_posts_with_one_enforced_nonce_make_one_message(api: Api) -> None:
    sent = await asyncio.gather(*(api.say("x", nonce="same", enforce_nonce=True) for _ in range(8)))
    assert len({body["id"] for body in sent}) == 1
    assert len(api.bus.take("MESSAGE_CREATE")) == 1


@pytest.mark.parametrize("case", ["not enforced", "another channel", "another author", "five minutes later", "deleted"])
async def test_a_nonce_makes_a_second_message_when(api: Api, case: str) -> None:
    first = await api.say("one", nonce="same", enforce_nonce=True)
    more: dict[str, Any] = {"nonce": "same", "enforce_nonce": True}
    who, channel = "ada", GENERAL
    if case == "not enforced":
        more["enforce_nonce"] = False
    elif case == "another channel":
        channel = STAFF_ONLY
    elif case == "another author":
        who = "carl"
    elif case == "five minutes later":
        api.clock.advance(300_001)
    else:
        assert (await api.delete(f"{MESSAGES}/{first['id']}", "ada")).status_code == 204
    second = await api.say("two", who, channel, **more)
    assert second["id"] != first["id"]
    assert second["content"] == "two"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, 50006),
        ({"content": ""}, 400, 50006),
        ({"content": " \n\t "}, 400, 50006),
        ({"content": None, "embeds": []}, 400, 50006),
        ({"content": "x" * 2001}, 400, 50035),
        ({"content": 5}, 400, 50035),
        ({"embeds": [{}] * 11}, 400, 50035),
        ({"embeds": [{}]}, 400, 50035),
        ({"content": "x", "embeds": [{"title": "x" * 257}]}, 400, 50035),
        ({"content": "x", "embeds": [{"description": "x" * 4000}, {"description": "y" * 2001}]}, 400, 50035),
        ({"content": "x", "embeds": [{"title": "x", "url": "javascript:alert(1)"}]}, 400, 50035),
        ({"content": "x", "embeds": [{"title": "x", "timestamp": "yesterday"}]}, 400, 50035),
        ({"content": "x", "embeds": [{"fields": [{"name": "x"}]}]}, 400, 50035),
        ({"content": "x", "embeds": [{"fields": [{"name": "x", "value": "y"}] * 26}]}, 400, 50035),
        ({"content": "x", "components": [{}]}, 400, 50035),
        ({"content": "x", "flags": -1}, 400, 50035),
        ({"content": "x", "flags": 1 << 15}, 400, 50035),
        ({"content": "x", "sticker_ids": ["1"]}, 404, 10060),
        ({"content": "x", "message_reference": {"message_id": "1"}}, 400, 50035),
        ({"content": "x", "message_reference": {}}, 400, 50035),
        ({"content": "x", "message_reference": {"message_id": "1", "type": 1}}, 400, 50035),
        ({"content": "x", "message_reference": {"message_id": "one"}}, 400, 50035),
        ({"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}}, 400, 50035),
        ({"content": "x", "allowed_mentions": {"parse": ["roles"], "roles": ["1"]}}, 400, 50035),
        ({"content": "x", "allowed_mentions": {"parse": ["nobody"]}}, 400, 50035),
        ({"content": "x", "allowed_mentions": {"users": [str(n) for n in range(101)]}}, 400, 50035),
        ([], 400, 50035),
    ],
)
async def test_a_bad_message_is_refused(api: Api, body: Any, status: int, code: int) -> None:
    assert error_of(await api.post(MESSAGES, "ada", body)) == (status, code)
    assert api.bus.take() == []


async def test_two_thousand_code_points_are_let_in_whatever_their_size(api: Api) -> None:
    assert (await api.say("\N{BELL}" * 2000))["content"] == "\N{BELL}" * 2000


async def test_embeds_are_echoed_as_rich_and_trimmed(api: Api) -> None:
    embed = {
        "title": " t ",
        "description": "d",
        "url": "https://example.org",
        "timestamp": "2024-01-01T00:00:00Z",
        "color": 255,
        "footer": {"text": "f", "icon_url": "https://example.org/i"},
        "image": {"url": "https://example.org/i"},
        "thumbnail": {"url": "https://example.org/t"},
        "author": {"name": "a"},
        "fields": [{"name": "n", "value": "v", "inline": True}],
        "type": "video",
    }
    sent = await api.say("", embeds=[embed])
    [stored] = (await api.get(f"{MESSAGES}/{sent['id']}", "ada")).json()["embeds"]
    assert stored == sent["embeds"][0]
    assert stored["type"] == "rich"
    assert stored["title"] == "t"
    assert stored["timestamp"].startswith("2024-01-01T00:00:00")
    assert stored["timestamp"].endswith("+00:00")
    assert stored["fields"] == [{"name": "n", "value": "v", "inline": True}]


async def test_components_are_stored_and_echoed(api: Api) -> None:
    row = {"type": 1, "components": [{"type": 2, "style": 1, "label": "press", "custom_id": "c"}]}
    sent = await api.say("x", "bell", components=[row])
    assert sent["components"] == [row]
    assert (await api.get(f"{MESSAGES}/{sent['id']}", "ada")).json()["components"] == [row]


async def test_flags_that_a_client_may_not_set_are_dropped(api: Api) -> None:
    assert (await api.say("x", flags=(1 << 12) | (1 << 2) | (1 << 6) | 1))["flags"] == (1 << 12) | (1 << 2)


# -- replies


async def test_a_reply_carries_what_it_answers_and_pings_its_author(api: Api) -> None:
    first = await api.say("question", "carl")
    reply = await api.say("answer", message_reference={"message_id": int(first["id"])})
    assert reply["type"] == 19
    assert reply["message_reference"]["message_id"] == first["id"]
    assert reply["message_reference"]["channel_id"] == str(GENERAL)
    assert reply["message_reference"]["guild_id"] == str(LAB)
    assert reply["referenced_message"]["content"] == "question"
    assert [user["id"] for user in reply["mentions"]] == [str(CARL)]
    read = (await api.get(f"{MESSAGES}/{reply['id']}", "ada")).json()
    assert read["referenced_message"]["id"] == first["id"]
    assert (await api.delete(f"{MESSAGES}/{first['id']}", "carl")).status_code == 204
    read = (await api.get(f"{MESSAGES}/{reply['id']}", "ada")).json()
    assert read["referenced_message"] is None


async def test_a_reply_to_nothing_becomes_a_plain_message_when_it_may(api: Api) -> None:
    sent = await api.say("x", message_reference={"message_id": "1", "fail_if_not_exists": False})
    assert sent["type"] == 0
    assert "message_reference" not in sent or sent["message_reference"] is None


async def test_a_message_of_another_channel_cannot_be_replied_to(api: Api) -> None:
    elsewhere = await api.say("x", channel=STAFF_ONLY)
    for reference in ({"message_id": elsewhere["id"]}, {"message_id": elsewhere["id"], "channel_id": str(STAFF_ONLY)}):
        response = await api.post(MESSAGES, "ada", {"content": "x", "message_reference": reference})
        assert error_of(response) == (400, 50035)
        assert "message_reference" in response.json()["errors"]


# -- mentions (protocol.md §8.3)

_TEXT = f"<@{CARL}> <@!{BELL}> <@99999> <@&{STAFF_ROLE}> <@&{MENTIONABLE_ROLE}> @everyone"


@pytest.mark.parametrize(
    ("who", "allowed", "users", "roles", "everyone"),
    [
        ("ada", None, [CARL, BELL], [STAFF_ROLE, MENTIONABLE_ROLE], True),
        ("bell", None, [CARL, BELL], [STAFF_ROLE, MENTIONABLE_ROLE], True),
        ("carl", None, [CARL, BELL], [MENTIONABLE_ROLE], False),
        ("ada", {}, [], [], False),
        ("ada", {"parse": []}, [], [], False),
        ("ada", {"parse": ["users"]}, [CARL, BELL], [], False),
        ("ada", {"parse": ["roles"]}, [], [STAFF_ROLE, MENTIONABLE_ROLE], False),
        ("carl", {"parse": ["roles"]}, [], [MENTIONABLE_ROLE], False),
        ("ada", {"parse": ["everyone"]}, [], [], True),
        ("carl", {"parse": ["everyone"]}, [], [], False),
        ("ada", {"users": [str(CARL)]}, [CARL], [], False),
        ("ada", {"users": [CARL, 77]}, [CARL], [], False),
        ("ada", {"parse": ["roles"], "users": [str(CARL)]}, [CARL], [STAFF_ROLE, MENTIONABLE_ROLE], False),
        ("ada", {"roles": [str(STAFF_ROLE)]}, [], [STAFF_ROLE], False),
        ("carl", {"roles": [str(STAFF_ROLE)]}, [], [], False),
        ("ada", {"parse": ["users"], "users": []}, [CARL, BELL], [], False),
        ("ada", {"parse": ["users"], "users": None}, [CARL, BELL], [], False),
        ("ada", {"users": [ADA]}, [], [], False),
    ],
)
async def test_a_message_pings_whom_its_author_may_and_allows(
    api: Api, who: str, allowed: Any, users: list[int], roles: list[int], everyone: bool
) -> None:
    more = {} if allowed is None else {"allowed_mentions": allowed}
    sent = await api.say(_TEXT, who, **more)
    assert [int(user["id"]) for user in sent["mentions"]] == users
    assert [int(role) for role in sent["mention_roles"]] == roles
    assert sent["mention_everyone"] is everyone
    assert all("roles" in user["member"] for user in sent["mentions"])
    [(event, _)] = api.bus.take()
    # The guild's own id is its role @everyone.
    assert list(event.mentions) == [*users, *roles, *([LAB] if everyone else [])]


@pytest.mark.parametrize(
    ("allowed", "pinged"),
    [(None, True), ({}, False), ({"replied_user": True}, True), ({"parse": ["users"]}, False)],
)
async def test_a_reply_pings_the_replied_to_author_only_if_allowed(api: Api, allowed: Any, pinged: bool) -> None:
    first = await api.say("x", "carl")
    more = {} if allowed is None else {"allowed_mentions": allowed}
    reply = await api.say("y", message_reference={"message_id": first["id"]}, **more)
    assert bool(reply["mentions"]) is pinged


async def test_an_edit_pings_anew(api: Api) -> None:
    sent = await api.say(f"<@{CARL}>")
    path = f"{MESSAGES}/{sent['id']}"
    edited = (await api.patch(path, "ada", {"content": f"<@{BELL}>"})).json()
    assert [user["id"] for user in edited["mentions"]] == [str(BELL)]
    edited = (await api.patch(path, "ada", {"content": f"<@{CARL}>", "allowed_mentions": {}})).json()
    assert edited["mentions"] == []


# -- lists


async def test_pages_are_newest_first_around_any_id(api: Api) -> None:
    ids = []
    for index in range(10):
        api.clock.advance(1)
        ids.append(int((await api.say(str(index)))["id"]))

    async def page(query: str) -> list[int]:
        response = await api.get(f"{MESSAGES}?{query}", "carl")
        assert response.status_code == 200
        return [int(message["id"]) for message in response.json()]

    newest = ids[::-1]
    assert await page("") == newest
    assert await page("limit=3") == newest[:3]
    assert await page(f"before={ids[5]}&limit=3") == [ids[4], ids[3], ids[2]]
    assert await page(f"after={ids[5]}&limit=3") == [ids[8], ids[7], ids[6]]
    assert await page(f"after={ids[5]}") == newest[:4]
    around = await page(f"around={ids[5]}&limit=5")
    assert around == [ids[7], ids[6], ids[5], ids[4], ids[3]]
    assert await page(f"before={ids[0]}") == []
    assert await page(f"before={ids[5] - 1}&limit=1") == [ids[4]]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "before=x", "after=-1", f"around={2**63}"])
async def test_a_bad_page_is_a_form_error(api: Api, query: str) -> None:
    response = await api.get(f"{MESSAGES}?{query}", "ada")
    assert error_of(response) == (400, 50035)
    assert query.partition("=")[0] in response.json()["errors"]


async def test_without_history_a_list_is_empty_and_a_message_is_refused(api: Api) -> None:
    sent = await api.say("x")
    await api.store.commit([Update("roles", {"id": LAB}, {"permissions": 1024 | 2048})])
    api.services.context.world._guilds.drop(LAB)
    assert (await api.get(MESSAGES, "carl")).json() == []
    assert error_of(await api.get(f"{MESSAGES}/{sent['id']}", "carl")) == (403, 50013)
    reply = {"content": "x", "message_reference": {"message_id": sent["id"]}}
    assert error_of(await api.post(MESSAGES, "carl", reply)) == (403, 160002)


async def test_a_bot_without_message_content_reads_only_what_concerns_it(api: Api) -> None:
    plain = await api.say("secret", embeds=[{"title": "t"}])
    own = await api.say("mine", "eddy")
    to_it = await api.say(f"<@{1005}> hi")
    read = {message["id"]: message for message in (await api.get(MESSAGES, "eddy")).json()}
    assert read[plain["id"]]["content"] == ""
    assert read[plain["id"]]["embeds"] == []
    assert read[own["id"]]["content"] == "mine"
    assert read[to_it["id"]]["content"].endswith("hi")
    assert (await api.get(f"{MESSAGES}/{plain['id']}", "bell")).json()["content"] == "secret"


async def test_a_bot_without_message_content_does_not_read_by_replying(api: Api) -> None:
    plain = await api.say("secret")
    api.bus.take()
    reply = await api.say("what?", "eddy", message_reference={"message_id": plain["id"]})
    assert reply["content"] == "what?"
    assert reply["referenced_message"]["content"] == ""
    [(_, body)] = api.bus.take()
    assert body["referenced_message"]["content"] == "secret"
    read = (await api.get(f"{MESSAGES}/{reply['id']}", "eddy")).json()
    assert read["referenced_message"]["content"] == ""


# -- edits


async def test_an_edit_changes_what_it_names_and_sends_a_whole_message(api: Api) -> None:
    sent = await api.say("one", embeds=[{"title": "t"}])
    api.bus.take()
    api.clock.advance(5)
    response = await api.patch(f"{MESSAGES}/{sent['id']}", "ada", {"content": "two"})
    assert response.status_code == 200
    [(event, body)] = api.bus.take()
    assert event.name == "MESSAGE_UPDATE"
    assert body == response.json()
    assert body["content"] == "two"
    assert body["embeds"] == sent["embeds"]
    assert body["edited_timestamp"] is not None
    assert body["timestamp"] == sent["timestamp"]
    assert body["tts"] is False
    assert body["member"]
    assert "nonce" not in body
    emptied = await api.patch(f"{MESSAGES}/{sent['id']}", "ada", {"embeds": None})
    assert emptied.json()["embeds"] == []


async def test_an_edit_that_empties_the_message_is_refused(api: Api) -> None:
    sent = await api.say("one")
    assert error_of(await api.patch(f"{MESSAGES}/{sent['id']}", "ada", {"content": ""})) == (400, 50006)


async def test_an_edit_that_changes_nothing_sends_nothing(api: Api) -> None:
    sent = await api.say("one")
    api.bus.take()
    assert (await api.patch(f"{MESSAGES}/{sent['id']}", "ada", {})).status_code == 200
    assert api.bus.take() == []


async def test_only_the_author_edits_but_a_moderator_may_suppress_embeds(api: Api) -> None:
    sent = await api.say("one", "carl", embeds=[{"title": "t"}])
    path = f"{MESSAGES}/{sent['id']}"
    assert error_of(await api.patch(path, "bell", {"content": "mine"})) == (403, 50005)
    other = await api.say("two")
    assert error_of(await api.patch(f"{MESSAGES}/{other['id']}", "carl", {"flags": 4})) == (403, 50013)
    suppressed = await api.patch(path, "bell", {"flags": 4})
    assert suppressed.status_code == 200
    assert suppressed.json()["flags"] == 4
    assert suppressed.json()["edited_timestamp"] is None
    assert suppressed.json()["author"]["id"] == str(CARL)


# -- deletes


async def test_a_deleted_message_is_gone_and_told(api: Api) -> None:
    sent = await api.say("x")
    api.bus.take()
    path = f"{MESSAGES}/{sent['id']}"
    response = await api.delete(path, "ada")
    assert (response.status_code, response.content) == (204, b"")
    [(event, body)] = api.bus.take()
    assert event.name == "MESSAGE_DELETE"
    assert body == {"id": sent["id"], "channel_id": str(GENERAL), "guild_id": str(LAB)}
    assert error_of(await api.get(path, "ada")) == (404, 10008)
    assert error_of(await api.delete(path, "ada")) == (404, 10008)
    assert error_of(await api.patch(path, "ada", {"content": "y"})) == (404, 10008)


async def test_two_deletes_at_once_send_one_event(api: Api) -> None:
    sent = await api.say("x")
    api.bus.take()
    replies = await asyncio.gather(*(api.delete(f"{MESSAGES}/{sent['id']}", "ada") for _ in range(4)))
    assert sorted(reply.status_code for reply in replies) == [204, 404, 404, 404]
    assert len(api.bus.take()) == 1


async def test_bulk_delete_takes_what_is_there_in_one_event(api: Api) -> None:
    sent = [int((await api.say(str(index)))["id"]) for index in range(3)]
    kept = await api.say("kept")
    unknown = snowflake_at(api.clock()) + 4000
    api.bus.take()
    response = await api.post(f"{MESSAGES}/bulk-delete", "bell", {"messages": [*sent, unknown]})
    assert (response.status_code, response.content) == (204, b"")
    [(event, body)] = api.bus.take()
    assert event.name == "MESSAGE_DELETE_BULK"
    assert sorted(body["ids"]) == sorted(str(each) for each in sent)
    assert body["channel_id"] == str(GENERAL)
    assert body["guild_id"] == str(LAB)
    assert [message["id"] for message in (await api.get(MESSAGES, "ada")).json()] == [kept["id"]]


async def test_bulk_delete_has_its_limits(api: Api) -> None:
    fresh = [snowflake_at(api.clock()) + index for index in range(101)]
    path = f"{MESSAGES}/bulk-delete"
    assert error_of(await api.post(path, "bell", {"messages": fresh[:1]})) == (400, 50016)
    assert error_of(await api.post(path, "bell", {"messages": fresh})) == (400, 50016)
    assert error_of(await api.post(path, "bell", {"messages": [fresh[0], fresh[0]]})) == (400, 50035)
    old = snowflake_at(api.clock() - 15 * DAY_MS)
    assert error_of(await api.post(path, "bell", {"messages": [fresh[0], str(old)]})) == (400, 50034)
    assert error_of(await api.post(path, "ada", {"messages": fresh[:2]})) == (403, 20002)
    assert error_of(await api.post(path, "eddy", {"messages": fresh[:2]})) == (403, 50013)
    assert error_of(await api.post(path, "bell", {})) == (400, 50035)


# -- who may


@pytest.mark.parametrize(
    ("who", "channel", "expected"),
    [
        (None, GENERAL, (401, 0)),
        ("nobody", GENERAL, (401, 0)),
        ("dora", GENERAL, (403, 50001)),
        ("carl", STAFF_ONLY, (403, 50001)),
        ("carl", 999, (404, 10003)),
        ("dora", 999, (404, 10003)),
    ],
)
async def test_a_channel_that_one_may_not_view_answers_alike_on_every_route(
    api: Api, who: str | None, channel: int, expected: tuple[int, int]
) -> None:
    sent = await api.say("secret", channel=STAFF_ONLY if channel == STAFF_ONLY else GENERAL)
    path = f"/channels/{channel}/messages"
    replies = [
        await api.get(path, who),
        await api.get(f"{path}/{sent['id']}", who),
        await api.get(f"{path}/1", who),
        await api.post(path, who, {"content": "x"}),
        await api.patch(f"{path}/{sent['id']}", who, {"content": "x"}),
        await api.delete(f"{path}/{sent['id']}", who),
        await api.post(f"/channels/{channel}/typing", who),
    ]
    assert [error_of(reply) for reply in replies] == [expected] * len(replies)


@pytest.mark.parametrize(
    ("who", "channel", "body", "expected"),
    [
        ("ada", READ_ONLY, {"content": "x"}, None),
        ("carl", READ_ONLY, {"content": "x"}, (403, 50013)),
        ("carl", GENERAL, {"content": "x", "tts": True}, (403, 50013)),
        ("ada", GENERAL, {"content": "x", "tts": True}, None),
        ("ada", CATEGORY, {"content": "x"}, (400, 50008)),
        ("carl", VOICE, {"content": "x"}, None),
        ("bell", STAFF_ONLY, {"content": "x"}, None),
    ],
)
async def test_sending_needs_its_permissions(
    api: Api, who: str, channel: int, body: Any, expected: tuple[int, int] | None
) -> None:
    response = await api.post(f"/channels/{channel}/messages", who, body)
    if expected is None:
        assert response.status_code == 200, response.text
    else:
        assert error_of(response) == expected


async def test_deleting_anothers_message_needs_manage_messages(api: Api) -> None:
    sent = await api.say("x")
    assert error_of(await api.delete(f"{MESSAGES}/{sent['id']}", "carl")) == (403, 50013)
    assert (await api.delete(f"{MESSAGES}/{sent['id']}", "bell")).status_code == 204


async def test_a_member_in_timeout_reads_but_does_not_speak(api: Api) -> None:
    until = {"timeout_until": api.clock() + 60_000}
    await api.store.commit([Update("members", {"guild_id": LAB, "user_id": CARL}, until)])
    assert error_of(await api.post(MESSAGES, "carl", {"content": "x"})) == (403, 50013)
    assert error_of(await api.post(f"/channels/{GENERAL}/typing", "carl")) == (403, 50013)
    assert (await api.get(MESSAGES, "carl")).status_code == 200
    api.clock.advance(60_001)
    assert (await api.post(MESSAGES, "carl", {"content": "x"})).status_code == 200


async def test_ids_may_be_numbers_or_strings_and_anything_else_is_a_form_error(api: Api) -> None:
    response = await api.get("/channels/abc/messages", "ada")
    assert error_of(response) == (400, 50035)
    assert response.json()["errors"]["channel_id"]["_errors"][0]["code"] == "NUMBER_TYPE_COERCE"
    assert error_of(await api.get(f"/channels/{2**63}/messages", "ada")) == (400, 50035)


async def test_slowmode_makes_people_wait_but_not_bots(api: Api) -> None:
    await api.store.commit([Update("channels", {"id": GENERAL}, {"rate_limit_per_user": 10})])
    await api.say("one", "carl")
    api.clock.advance(4000)
    refused = await api.post(MESSAGES, "carl", {"content": "two"})
    assert error_of(refused) == (429, 20016)
    assert refused.json()["retry_after"] == 6.0
    assert refused.json()["global"] is False
    assert refused.headers["retry-after"] == "6"
    await api.say("one", "eddy")
    await api.say("two", "eddy")
    api.clock.advance(6000)
    await api.say("three", "carl")
