"""Threads: how they are made, found, changed, archived and left, and who may (protocol.md §8.9)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api_world import ADA, BELL, CARL, EVERYONE, GENERAL, LAB, STAFF_ONLY, VOICE, Api, error_of
from tests.support.rules import word_rule
from tests.support.shapes import FIXTURES, differences
from tocsin.model.permissions import Permission
from tocsin.service.threads import CREATED, STARTER
from tocsin.store.base import ThreadQuery

THREAD_BITS = int(
    Permission.CREATE_PUBLIC_THREADS | Permission.CREATE_PRIVATE_THREADS | Permission.SEND_MESSAGES_IN_THREADS
)
MANAGE = int(Permission.MANAGE_THREADS)
MINUTE = 60_000


@pytest.fixture
async def api(api: Api) -> Api:
    """The small world, whose @everyone may make threads and write in them."""
    await grant(api, 0)
    api.bus.take()
    return api


async def grant(api: Api, more: int, less: int = 0) -> None:
    body = {"permissions": str((EVERYONE | THREAD_BITS | more) & ~less)}
    assert (await api.patch(f"/guilds/{LAB}/roles/{LAB}", "ada", body)).status_code == 200


async def start(api: Api, who: str = "carl", *, channel: int = GENERAL, **body: Any) -> Any:
    """Make a thread; a public one unless `type` says otherwise."""
    response = await api.post(f"/channels/{channel}/threads", who, {"name": "a thread", "type": 11, **body})
    assert response.status_code == 201, response.text
    return response.json()


async def start_from(api: Api, message_id: str, who: str = "carl") -> Any:
    response = await api.post(f"/channels/{GENERAL}/messages/{message_id}/threads", who, {"name": "about it"})
    assert response.status_code == 201, response.text
    return response.json()


def names(api: Api) -> list[str]:
    return [event.name for event, _ in api.bus.take()]


# -- making


async def test_a_thread_from_a_message_has_its_id_and_begins_with_it(api: Api) -> None:
    message = await api.say("let us talk")
    api.bus.take()
    thread = await start_from(api, message["id"])
    assert (thread["id"], thread["type"], thread["parent_id"]) == (message["id"], 11, str(GENERAL))
    assert (thread["owner_id"], thread["member_count"], thread["message_count"]) == (str(CARL), 1, 0)
    (create, made), (update, changed), (first, starter) = api.bus.take()
    assert [each.name for each in (create, update, first)] == ["THREAD_CREATE", "MESSAGE_UPDATE", "MESSAGE_CREATE"]
    assert made["newly_created"] is True
    assert changed["flags"] & 32
    assert changed["thread"]["id"] == thread["id"]
    assert (starter["type"], starter["channel_id"]) == (STARTER, thread["id"])
    assert starter["referenced_message"]["content"] == "let us talk"
    [listed] = (await api.get(f"/channels/{GENERAL}/messages", "ada")).json()
    assert listed["thread"]["name"] == "about it"
    [held] = (await api.get(f"/channels/{thread['id']}/messages", "ada")).json()
    assert held["referenced_message"]["id"] == message["id"]
    again = await api.post(f"/channels/{GENERAL}/messages/{message['id']}/threads", "ada", {"name": "again"})
    assert error_of(again) == (400, 160004)


async def test_a_thread_without_a_message_is_announced_unless_it_is_private(api: Api) -> None:
    thread = await start(api)
    (create, _), (said, notice) = api.bus.take()
    assert [create.name, said.name] == ["THREAD_CREATE", "MESSAGE_CREATE"]
    assert (notice["type"], notice["content"], notice["channel_id"]) == (CREATED, "a thread", str(GENERAL))
    assert notice["message_reference"]["channel_id"] == thread["id"]
    private = (await api.post(f"/channels/{GENERAL}/threads", "carl", {"name": "psst"})).json()
    assert private["type"] == 12
    assert names(api) == ["THREAD_CREATE"]


async def test_a_thread_has_every_key_that_libraries_read(api: Api) -> None:
    thread = await start(api)
    assert differences(FIXTURES["THREAD_UPDATE"], thread) == []
    assert differences(FIXTURES["THREAD_UPDATE"], (await api.get(f"/channels/{thread['id']}", "carl")).json()) == []
    own = (await api.get(f"/channels/{thread['id']}/thread-members/@me", "carl")).json()
    assert differences(FIXTURES["THREAD_UPDATE"]["member"], own) == []


@pytest.mark.parametrize(
    ("channel", "body", "code"),
    [
        (GENERAL, {"name": ""}, (400, 50035)),
        (GENERAL, {"type": 11}, (400, 50035)),
        (GENERAL, {"name": "x", "type": 10}, (400, 50035)),
        (GENERAL, {"name": "x", "auto_archive_duration": 61}, (400, 50035)),
        (VOICE, {"name": "x"}, (400, 50024)),
        (STAFF_ONLY, {"name": "x"}, (403, 50001)),
        (1, {"name": "x"}, (404, 10003)),
    ],
)
async def test_what_cannot_be_a_thread_is_refused(
    api: Api, channel: int, body: dict[str, Any], code: tuple[int, int]
) -> None:
    assert error_of(await api.post(f"/channels/{channel}/threads", "carl", body)) == code
    assert names(api) == []


async def test_each_kind_of_thread_needs_its_permission(api: Api) -> None:
    message = await api.say("hi")
    await grant(api, 0, less=int(Permission.CREATE_PUBLIC_THREADS))
    from_message = f"/channels/{GENERAL}/messages/{message['id']}/threads"
    assert error_of(await api.post(from_message, "carl", {"name": "x"})) == (403, 50013)
    path = f"/channels/{GENERAL}/threads"
    assert error_of(await api.post(path, "carl", {"name": "x", "type": 11})) == (403, 50013)
    assert (await api.post(path, "carl", {"name": "x"})).status_code == 201
    await grant(api, 0, less=int(Permission.CREATE_PRIVATE_THREADS))
    assert error_of(await api.post(path, "carl", {"name": "x"})) == (403, 50013)
    thread = await start(api)
    assert error_of(await api.post(f"/channels/{thread['id']}/threads", "carl", {"name": "x"})) == (400, 50024)


# -- writing


async def test_who_writes_in_a_thread_joins_it_and_the_thread_counts(api: Api) -> None:
    thread = await start(api)
    api.bus.take()
    first = await api.say("hello", who="ada", channel=int(thread["id"]))
    (update, joined), (create, _) = api.bus.take()
    assert [update.name, create.name] == ["THREAD_MEMBERS_UPDATE", "MESSAGE_CREATE"]
    assert [each["user_id"] for each in joined["added_members"]] == [str(ADA)]
    assert joined["added_members"][0]["member"]["user"]["username"] == "ada"
    assert joined["member_count"] == 2
    second = await api.say("again", who="ada", channel=int(thread["id"]))
    assert names(api) == ["MESSAGE_CREATE"]
    await api.delete(f"/channels/{thread['id']}/messages/{first['id']}", "ada")
    now = (await api.get(f"/channels/{thread['id']}", "ada")).json()
    assert (now["message_count"], now["total_message_sent"], now["member_count"]) == (1, 2, 2)
    assert now["last_message_id"] == second["id"]
    assert (await api.get(f"/channels/{GENERAL}/messages", "ada")).json()[0]["type"] == CREATED


async def test_writing_in_a_thread_needs_its_own_permission_and_not_the_channels(api: Api) -> None:
    thread = await start(api)
    path = f"/channels/{thread['id']}/messages"
    await grant(api, 0, less=int(Permission.SEND_MESSAGES_IN_THREADS))
    assert error_of(await api.post(path, "carl", {"content": "x"})) == (403, 50013)
    await grant(api, 0, less=int(Permission.SEND_MESSAGES))
    assert (await api.post(path, "carl", {"content": "x"})).status_code == 200
    assert error_of(await api.post(f"/channels/{GENERAL}/messages", "carl", {"content": "x"})) == (403, 50013)


async def test_messages_reactions_pins_and_typing_work_in_a_thread(api: Api) -> None:
    thread = await start(api)
    base = f"/channels/{thread['id']}"
    message = await api.say("hello", who="carl", channel=int(thread["id"]))
    assert (await api.patch(f"{base}/messages/{message['id']}", "carl", {"content": "hallo"})).status_code == 200
    assert (await api.put(f"{base}/messages/{message['id']}/reactions/🔥/@me", "carl")).status_code == 204
    assert (await api.put(f"{base}/messages/pins/{message['id']}", "bell")).status_code == 204
    assert (await api.post(f"{base}/typing", "carl")).status_code == 204
    assert {event.channel_id for event in api.bus.ephemeral} == {int(thread["id"])}
    [pin] = (await api.get(f"{base}/messages/pins", "ada")).json()["items"]
    assert pin["message"]["content"] == "hallo"
    assert (await api.get(base, "ada")).json()["last_pin_timestamp"] == pin["pinned_at"]


# -- members


async def test_people_come_into_a_thread_and_leave_it(api: Api) -> None:
    thread = await start(api)
    base = f"/channels/{thread['id']}/thread-members"
    api.bus.take()
    for _ in range(2):
        assert (await api.put(f"{base}/@me", "ada")).status_code == 204
        assert (await api.put(f"{base}/{BELL}", "carl")).status_code == 204
    assert names(api) == ["THREAD_MEMBERS_UPDATE", "THREAD_MEMBERS_UPDATE"]
    assert [each["user_id"] for each in (await api.get(base, "bell")).json()] == [str(ADA), str(BELL), str(CARL)]
    page = (await api.get(base, "ada", params={"with_member": "true", "after": ADA, "limit": 1})).json()
    assert [each["member"]["user"]["username"] for each in page] == ["bell"]
    assert (await api.get(f"{base}/{BELL}", "ada")).json()["user_id"] == str(BELL)
    assert error_of(await api.delete(f"{base}/{BELL}", "carl")) == (403, 50013)
    api.bus.take()
    for _ in range(2):
        assert (await api.delete(f"{base}/@me", "bell")).status_code == 204
        assert (await api.delete(f"{base}/{CARL}", "ada")).status_code == 204
    assert [d["member_count"] for _, d in api.bus.take("THREAD_MEMBERS_UPDATE")] == [2, 1]
    assert error_of(await api.get(f"{base}/@me", "bell")) == (404, 10007)
    assert error_of(await api.put(f"{base}/@me", "dora")) == (403, 50001)
    assert error_of(await api.put(f"{base}/1004", "ada")) == (404, 10007)
    assert error_of(await api.get(base, "eddy")) == (403, 50001)
    assert error_of(await api.get(f"/channels/{GENERAL}/thread-members", "ada")) == (400, 50024)


async def test_who_leaves_the_guild_leaves_its_threads(api: Api) -> None:
    thread = await start(api, type=12)
    assert (await api.delete(f"/guilds/{LAB}/members/{CARL}", "ada")).status_code == 204
    assert (await api.get(f"/channels/{thread['id']}", "ada")).json()["member_count"] == 0
    await api.put(f"/guilds/{LAB}/members/{CARL}", "ada", {})
    assert error_of(await api.get(f"/channels/{thread['id']}", "carl")) == (403, 50001)


async def test_lists_show_each_reader_what_they_may_view(api: Api) -> None:
    public, private = await start(api), await start(api, type=12)
    hidden = await start(api, who="ada", channel=STAFF_ONLY)

    async def active(who: str) -> tuple[set[str], set[str]]:
        found = (await api.get(f"/guilds/{LAB}/threads/active", who)).json()
        return {each["id"] for each in found["threads"]}, {each["id"] for each in found["members"]}

    assert await active("carl") == ({public["id"], private["id"]}, {public["id"], private["id"]})
    assert await active("eddy") == ({public["id"]}, set())
    assert await active("ada") == ({public["id"], private["id"], hidden["id"]}, {hidden["id"]})
    for each in (public, private):
        assert (await api.patch(f"/channels/{each['id']}", "carl", {"archived": True})).status_code == 200
    base = f"/channels/{GENERAL}"
    assert await active("carl") == (set(), set())
    assert error_of(await api.get(f"{base}/threads/archived/private", "carl")) == (403, 50013)
    [every] = (await api.get(f"{base}/threads/archived/private", "ada")).json()["threads"]
    assert every["id"] == private["id"]
    joined = (await api.get(f"{base}/users/@me/threads/archived/private", "carl")).json()
    assert [each["id"] for each in joined["threads"]] == [private["id"]]
    assert (await api.get(f"{base}/users/@me/threads/archived/private", "eddy")).json()["threads"] == []
    assert error_of(await api.get(f"/channels/{STAFF_ONLY}/threads/archived/public", "carl")) == (403, 50001)


async def test_archived_threads_come_latest_first_in_pages(api: Api) -> None:
    ids = []
    for _ in range(3):
        ids.append((await start(api))["id"])
        api.clock.advance(MINUTE)
        await api.patch(f"/channels/{ids[-1]}", "carl", {"archived": True})
    path = f"/channels/{GENERAL}/threads/archived/public"
    page = (await api.get(path, "ada", params={"limit": 2})).json()
    assert ([each["id"] for each in page["threads"]], page["has_more"]) == ([ids[2], ids[1]], True)
    before = page["threads"][-1]["thread_metadata"]["archive_timestamp"]
    rest = (await api.get(path, "ada", params={"before": before})).json()
    assert ([each["id"] for each in rest["threads"]], rest["has_more"]) == ([ids[0]], False)


# -- changing and archiving


@pytest.mark.parametrize(
    ("who", "changes", "code"),
    [
        ("carl", {"name": "renamed", "auto_archive_duration": 60, "invitable": False}, 200),
        ("carl", {"locked": True}, 403),
        ("carl", {"rate_limit_per_user": 5}, 403),
        ("eddy", {"name": "renamed"}, 403),
        ("eddy", {"archived": True}, 403),
        ("ada", {"locked": True, "rate_limit_per_user": 5, "name": "renamed"}, 200),
        ("dora", {"name": "renamed"}, 403),
    ],
)
async def test_its_creator_may_change_a_thread_and_who_manages_threads_more(
    api: Api, who: str, changes: dict[str, Any], code: int
) -> None:
    thread = await start(api)
    api.bus.take()
    response = await api.patch(f"/channels/{thread['id']}", who, changes)
    assert response.status_code == code, response.text
    if code != 200:
        assert names(api) == []
        return
    [(update, body)] = api.bus.take()
    assert update.name == "THREAD_UPDATE"
    for shown in (body, response.json(), (await api.get(f"/channels/{thread['id']}", "ada")).json()):
        found = {**shown, **shown["thread_metadata"]}
        assert {name: found[name] for name in changes} == changes


async def test_the_audit_log_tells_what_of_a_thread_was_changed(api: Api) -> None:
    thread = await start(api)
    await api.patch(f"/channels/{thread['id']}", "ada", {"name": "renamed", "locked": True})
    await api.delete(f"/channels/{thread['id']}", "ada")
    page = (await api.get(f"/guilds/{LAB}/audit-logs", "ada")).json()["audit_log_entries"]
    gone, changed, made = page[:3]
    assert [each["action_type"] for each in (gone, changed, made)] == [112, 111, 110]
    assert {each["target_id"] for each in (gone, changed, made)} == {thread["id"]}
    assert changed["changes"] == [
        {"key": "name", "old_value": "a thread", "new_value": "renamed"},
        {"key": "locked", "old_value": False, "new_value": True},
    ]


async def test_an_archived_thread_rejects_all_but_deletions_until_somebody_writes(api: Api) -> None:
    thread = await start(api)
    base = f"/channels/{thread['id']}"
    message = await api.say("hello", who="carl", channel=int(thread["id"]))
    other = await api.say("hello", who="carl", channel=int(thread["id"]))
    await api.patch(base, "carl", {"archived": True})
    on = f"{base}/messages/{message['id']}"
    refused = [
        await api.patch(on, "carl", {"content": "x"}),
        await api.put(f"{on}/reactions/🔥/@me", "carl"),
        await api.put(f"{base}/messages/pins/{message['id']}", "ada"),
        await api.put(f"{base}/thread-members/@me", "ada"),
        await api.put(f"{base}/thread-members/{BELL}", "carl"),
        await api.delete(f"{base}/thread-members/@me", "carl"),
        await api.patch(base, "ada", {"name": "renamed"}),
    ]
    assert [error_of(each) for each in refused] == [(400, 50083)] * len(refused)
    api.bus.take()
    assert (await api.delete(on, "carl")).status_code == 204
    [(gone, body)] = api.bus.take()
    # The gateway knows no archived threads: those who view the parent are told.
    assert (gone.name, gone.channel_id, body["channel_id"]) == ("MESSAGE_DELETE", GENERAL, thread["id"])
    api.clock.advance(MINUTE)
    await api.say("anybody?", who="ada", channel=int(thread["id"]))
    told = api.bus.take()
    assert [event.name for event, _ in told] == ["THREAD_UPDATE", "THREAD_MEMBERS_UPDATE", "MESSAGE_CREATE"]
    assert told[-1][0].channel_id == int(thread["id"])
    now = (await api.get(base, "ada")).json()
    assert now["thread_metadata"]["archived"] is False
    assert (now["message_count"], now["total_message_sent"]) == (2, 3)
    assert (await api.get(f"/channels/{GENERAL}", "ada")).json()["last_message_id"] != now["last_message_id"]
    assert (await api.delete(f"{base}/messages/{other['id']}", "carl")).status_code == 204


async def test_a_deletion_that_archiving_overtook_is_told_as_one_in_an_archived_thread(api: Api) -> None:
    thread = await start(api, type=12)
    thread_id = int(thread["id"])
    messages = [await api.say("hello", who="carl", channel=thread_id) for _ in range(2)]
    carl = await api.services.auth.authenticate("carl-token")
    found = await api.services.context.world.channel_access(thread_id, CARL)
    await api.patch(f"/channels/{thread_id}", "carl", {"archived": True})
    api.bus.take()
    await api.services.messages.delete(carl, thread_id, int(messages[0]["id"]), found)
    [(gone, body)] = api.bus.take()
    # No session holds the thread: the gateway's policy finds who may view it.
    assert (gone.name, gone.state, body["id"]) == ("MESSAGE_DELETE", True, messages[0]["id"])
    assert [each["user_id"] for each in body["thread"]["thread_members"]] == [str(CARL)]
    [stored] = await api.store.threads(ThreadQuery(id=thread_id))
    assert stored.message_count == 1


async def test_a_locked_thread_is_for_those_who_manage_threads(api: Api) -> None:
    thread = await start(api)
    base = f"/channels/{thread['id']}"
    await api.patch(base, "ada", {"locked": True})
    assert error_of(await api.post(f"{base}/messages", "carl", {"content": "x"})) == (400, 160005)
    await api.patch(base, "ada", {"archived": True})
    assert error_of(await api.post(f"{base}/messages", "carl", {"content": "x"})) == (400, 50083)
    assert error_of(await api.patch(base, "carl", {"archived": False})) == (403, 50013)
    await api.say("mine", who="ada", channel=int(thread["id"]))
    assert (await api.get(base, "ada")).json()["thread_metadata"]["archived"] is False
    assert error_of(await api.patch(base, "carl", {"name": "renamed"})) == (403, 50013)


async def test_a_thread_archives_itself_when_nobody_wrote_for_its_duration(api: Api) -> None:
    thread = await start(api, auto_archive_duration=60)
    sweep = api.services.threads.archive_stale
    api.clock.advance(59 * MINUTE)
    await api.say("still here", who="carl", channel=int(thread["id"]))
    api.clock.advance(59 * MINUTE)
    api.bus.take()
    await sweep()
    assert names(api) == []
    await api.patch(f"/channels/{thread['id']}", "carl", {"auto_archive_duration": 1440})
    api.clock.advance(MINUTE)
    await sweep()
    assert names(api) == ["THREAD_UPDATE"]
    api.clock.advance((1440 - 60) * MINUTE)
    await sweep()
    [(_, body)] = api.bus.take()
    assert body["thread_metadata"]["archived"] is True
    assert [each["id"] for each in (await api.get(f"/guilds/{LAB}/threads/active", "ada")).json()["threads"]] == []
    await sweep()
    assert names(api) == []


async def test_the_list_of_active_threads_archives_those_whose_time_has_come(api: Api) -> None:
    thread = await start(api, auto_archive_duration=60)
    api.clock.advance(60 * MINUTE)
    assert (await api.get(f"/guilds/{LAB}/threads/active", "ada")).json()["threads"] == []
    assert (await api.get(f"/channels/{thread['id']}", "ada")).json()["thread_metadata"]["archived"] is True


# -- private threads


async def test_a_private_thread_is_there_for_its_members_and_managers_only(api: Api) -> None:
    thread = await start(api, type=12)
    base = f"/channels/{thread['id']}"
    await api.say("psst", who="carl", channel=int(thread["id"]))
    for path in (base, f"{base}/messages", f"{base}/thread-members", f"{base}/messages/pins"):
        assert error_of(await api.get(path, "bell")) == (403, 50001)
        assert (await api.get(path, "ada")).status_code == 200
    assert error_of(await api.put(f"{base}/thread-members/@me", "bell")) == (403, 50001)
    assert error_of(await api.post(f"{base}/typing", "bell")) == (403, 50001)
    await grant(api, MANAGE)
    assert (await api.get(base, "bell")).status_code == 200
    await grant(api, 0)
    assert (await api.put(f"{base}/thread-members/{BELL}", "carl")).status_code == 204
    assert (await api.get(f"{base}/messages", "bell")).json()[0]["content"] == "psst"
    assert (await api.delete(f"{base}/thread-members/{BELL}", "carl")).status_code == 204
    assert error_of(await api.get(base, "bell")) == (403, 50001)


async def test_only_who_may_invite_brings_people_into_a_private_thread(api: Api) -> None:
    thread = await start(api, type=12)
    base = f"/channels/{thread['id']}"
    await api.put(f"{base}/thread-members/{BELL}", "carl")
    await api.patch(base, "carl", {"invitable": False})
    assert error_of(await api.put(f"{base}/thread-members/1005", "bell")) == (403, 50013)
    assert (await api.put(f"{base}/thread-members/1005", "carl")).status_code == 204
    hidden = await start(api, who="ada", channel=STAFF_ONLY)
    assert error_of(await api.put(f"/channels/{hidden['id']}/thread-members/{CARL}", "ada")) == (403, 50001)


# -- the end of a thread


async def test_a_thread_is_deleted_by_who_manages_threads_and_with_its_parent(api: Api) -> None:
    message = await api.say("let us talk")
    thread, other = await start_from(api, message["id"]), await start(api)
    assert error_of(await api.delete(f"/channels/{thread['id']}", "carl")) == (403, 50013)
    api.bus.take()
    assert (await api.delete(f"/channels/{thread['id']}", "ada")).json()["id"] == thread["id"]
    [(gone, body)] = api.bus.take()
    body.pop("thread_members")
    assert (gone.name, differences(FIXTURES["THREAD_DELETE"], body)) == ("THREAD_DELETE", [])
    assert error_of(await api.get(f"/channels/{thread['id']}", "ada")) == (404, 10003)
    assert "thread" not in (await api.get(f"/channels/{GENERAL}/messages/{message['id']}", "ada")).json()
    again = await start_from(api, message["id"])
    await api.say("hello", channel=int(other["id"]))
    assert (await api.delete(f"/channels/{GENERAL}", "ada")).status_code == 200
    for each in (again, other):
        assert error_of(await api.get(f"/channels/{each['id']}", "ada")) == (404, 10003)
        assert await api.store.messages(int(each["id"])) == []
    assert (await api.get(f"/guilds/{LAB}/threads/active", "ada")).json() == {"threads": [], "members": []}


async def test_a_deleted_guild_takes_its_threads(api: Api) -> None:
    thread = await start(api)
    await api.say("hello", channel=int(thread["id"]))
    assert (await api.delete(f"/guilds/{LAB}", "ada")).status_code == 204
    assert error_of(await api.get(f"/channels/{thread['id']}", "ada")) == (404, 10003)
    assert await api.store.messages(int(thread["id"])) == []


async def test_what_a_thread_has_not_is_refused(api: Api) -> None:
    thread = await start(api)
    base = f"/channels/{thread['id']}"
    refused = [
        await api.put(f"{base}/permissions/{CARL}", "ada", {"type": 1}),
        await api.post(f"{base}/invites", "ada", {}),
        await api.post(f"{base}/webhooks", "ada", {"name": "hook"}),
        await api.get(f"{base}/webhooks", "ada"),
    ]
    assert [error_of(each) for each in refused] == [(400, 50024)] * len(refused)
    assert thread["id"] not in [each["id"] for each in (await api.get(f"/guilds/{LAB}/channels", "ada")).json()]


async def test_an_announcement_channel_has_announcement_threads(api: Api) -> None:
    channel = (await api.post(f"/guilds/{LAB}/channels", "ada", {"name": "loud", "type": 5})).json()
    assert (await start(api, channel=int(channel["id"]), type=10))["type"] == 10
    refused = await api.post(f"/channels/{channel['id']}/threads", "carl", {"name": "x", "type": 12})
    assert error_of(refused) == (400, 50035)


# -- what else works there


async def test_a_webhook_writes_in_a_thread_of_its_channel_and_opens_it(api: Api) -> None:
    thread, elsewhere = await start(api), await start(api, who="ada", channel=STAFF_ONLY)
    hook = (await api.post(f"/channels/{GENERAL}/webhooks", "ada", {"name": "hook"})).json()
    path = f"/webhooks/{hook['id']}/{hook['token']}"
    await api.patch(f"/channels/{thread['id']}", "carl", {"archived": True})
    api.bus.take()
    sent = await api.post(f"{path}?wait=true&thread_id={thread['id']}", None, {"content": "beep"})
    assert sent.json()["channel_id"] == thread["id"]
    assert names(api) == ["THREAD_UPDATE", "MESSAGE_CREATE"]
    wrong = await api.post(f"{path}?wait=true&thread_id={elsewhere['id']}", None, {"content": "beep"})
    assert error_of(wrong) == (404, 10003)


async def test_automatic_moderation_reads_threads_and_spares_those_of_exempt_channels(api: Api) -> None:
    rule = word_rule()
    made = (await api.post(f"/guilds/{LAB}/auto-moderation/rules", "ada", rule)).json()
    thread = await start(api)
    path = f"/channels/{thread['id']}/messages"
    assert error_of(await api.post(path, "carl", {"content": "bad"}))[1] == 200000
    exempt = {"exempt_channels": [str(GENERAL)]}
    await api.patch(f"/guilds/{LAB}/auto-moderation/rules/{made['id']}", "ada", exempt)
    assert (await api.post(path, "carl", {"content": "bad"})).status_code == 200


async def test_a_ban_takes_messages_in_threads_too(api: Api) -> None:
    thread = await start(api)
    message = await api.say("spam", who="carl", channel=int(thread["id"]))
    api.bus.take()
    assert (await api.put(f"/guilds/{LAB}/bans/{CARL}", "ada", {"delete_message_seconds": 3600})).status_code == 204
    [body] = [d for event, d in api.bus.take("MESSAGE_DELETE_BULK") if event.channel_id == int(thread["id"])]
    assert body["ids"] == [message["id"]]
    assert (await api.get(f"/channels/{thread['id']}", "ada")).json()["message_count"] == 0
