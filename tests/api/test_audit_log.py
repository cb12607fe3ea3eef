"""The audit log: who did what, to what, from what, and why; for those who may view it and nobody else."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from tests.support.api_world import ADA, BELL, CARL, DORA, GENERAL, LAB, STAFF_ONLY, STAFF_ROLE, Api, error_of
from tests.support.rules import word_rule

LOG = f"/guilds/{LAB}/audit-logs"
WHY = {"X-Audit-Log-Reason": quote("because ünicode")}
PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs="


async def entries(api: Api, **query: Any) -> list[dict[str, Any]]:
    response = await api.get(LOG, "ada", params=query)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["audit_log_entries"]
    return found


def change(key: str, old: Any = None, new: Any = None) -> dict[str, Any]:
    told = {"key": key}
    if new is not None:
        told["new_value"] = new
    if old is not None:
        told["old_value"] = old
    return told


OVERWRITE = {"id": str(CARL), "type": "1"}
CASES: list[tuple[str, str, Any, list[dict[str, Any]]]] = [
    (
        "PATCH",
        f"/guilds/{LAB}",
        {"name": "Lab 2"},
        [{"action_type": 1, "target_id": str(LAB), "changes": [change("name", "Lab", "Lab 2")]}],
    ),
    (
        "PATCH",
        f"/channels/{GENERAL}",
        {"topic": "x"},
        [{"action_type": 11, "target_id": str(GENERAL), "changes": [change("topic", None, "x")]}],
    ),
    (
        "PUT",
        f"/channels/{GENERAL}/permissions/{CARL}",
        {"type": 1, "deny": "1024", "allow": "0"},
        [
            {
                "action_type": 13,
                "target_id": str(GENERAL),
                "changes": [change("allow", None, "0"), change("deny", None, "1024")],
                "options": OVERWRITE,
            }
        ],
    ),
    (
        "DELETE",
        f"/channels/{STAFF_ONLY}/permissions/{STAFF_ROLE}",
        None,
        [
            {
                "action_type": 15,
                "target_id": str(STAFF_ONLY),
                "changes": [change("allow", "1024"), change("deny", "0")],
                "options": {"id": str(STAFF_ROLE), "type": "0", "role_name": "staff"},
            }
        ],
    ),
    (
        "PATCH",
        f"/guilds/{LAB}/roles/{STAFF_ROLE}",
        {"name": "crew"},
        [{"action_type": 31, "target_id": str(STAFF_ROLE), "changes": [change("name", "staff", "crew")]}],
    ),
    (
        "PATCH",
        f"/guilds/{LAB}/members/{CARL}",
        {"nick": "c", "roles": [str(STAFF_ROLE)]},
        [
            {"action_type": 24, "target_id": str(CARL), "changes": [change("nick", None, "c")]},
            {
                "action_type": 25,
                "target_id": str(CARL),
                "changes": [change("$add", None, [{"id": str(STAFF_ROLE), "name": "staff"}])],
            },
        ],
    ),
    (
        "DELETE",
        f"/guilds/{LAB}/members/{BELL}/roles/{STAFF_ROLE}",
        None,
        [
            {
                "action_type": 25,
                "target_id": str(BELL),
                "changes": [change("$remove", None, [{"id": str(STAFF_ROLE), "name": "staff"}])],
            }
        ],
    ),
    ("DELETE", f"/guilds/{LAB}/members/{CARL}", None, [{"action_type": 20, "target_id": str(CARL)}]),
    ("PUT", f"/guilds/{LAB}/bans/{CARL}", {}, [{"action_type": 22, "target_id": str(CARL)}]),
]


@pytest.mark.parametrize(("method", "path", "body", "expected"), CASES, ids=[f"{m} {p}" for m, p, _, _ in CASES])
async def test_each_change_is_told_with_what_it_was_and_why(
    api: Api, method: str, path: str, body: Any, expected: list[dict[str, Any]]
) -> None:
    # What is compared with is at hand, as it is when a guild is in use.
    await api.get(f"/guilds/{LAB}/members/{CARL}", "ada")
    response = await api.call(method, path, "ada", headers=WHY, **({} if body is None else {"json": body}))
    assert response.status_code < 300, response.text
    found = await entries(api, after=1)
    told = [{key: value for key, value in each.items() if key not in ("id", "user_id", "reason")} for each in found]
    assert told == expected
    assert {(each["user_id"], each["reason"]) for each in found} == {(str(ADA), "because ünicode")}
    events = [msgspec.json.decode(event.body) for event in api.bus.audit]
    assert events == [{**each, "guild_id": str(LAB)} for each in found]


async def test_what_is_made_and_deleted_is_told_whole(api: Api) -> None:
    made = [
        ("POST", f"/guilds/{LAB}/channels", {"name": "new", "topic": "t"}, "/channels/{}", (10, 12)),
        ("POST", f"/guilds/{LAB}/roles", {"name": "new"}, f"/guilds/{LAB}/roles/{{}}", (30, 32)),
        ("POST", f"/channels/{GENERAL}/webhooks", {"name": "new"}, "/webhooks/{}", (50, 52)),
        ("POST", f"/guilds/{LAB}/emojis", {"name": "new", "image": PIXEL}, f"/guilds/{LAB}/emojis/{{}}", (60, 62)),
        ("POST", f"/channels/{GENERAL}/threads", {"name": "new", "type": 11}, "/channels/{}", (110, 112)),
    ]
    for method, path, body, one, actions in made:
        response = await api.call(method, path, "ada", json=body)
        assert response.status_code < 300, response.text
        target = response.json()["id"]
        assert (await api.delete(one.format(target), "ada")).status_code < 300
        gone, came = (await entries(api))[:2]
        assert (came["action_type"], gone["action_type"]) == actions
        assert came["target_id"] == gone["target_id"] == target
        assert change("name", None, "new") in came["changes"]
        # A thread's end tells only where it was.
        assert (
            change("parent_id" if actions[0] == 110 else "name", str(GENERAL) if actions[0] == 110 else "new")
            in (gone["changes"])
        )


async def test_an_invite_and_a_webhook_are_told_without_what_lets_others_in(api: Api) -> None:
    invite = (await api.post(f"/channels/{GENERAL}/invites", "ada", {})).json()
    hook = (await api.post(f"/channels/{GENERAL}/webhooks", "ada", {"name": "hook"})).json()
    await api.patch(f"/webhooks/{hook['id']}", "ada", {"name": "other"})
    page = (await api.get(LOG, "ada")).json()
    renamed, made, invited = page["audit_log_entries"]
    assert (invited["action_type"], invited["target_id"]) == (40, None)
    assert change("code", None, invite["code"]) in invited["changes"]
    assert renamed["changes"] == [change("name", "hook", "other")]
    assert made["target_id"] == hook["id"]
    assert [each["id"] for each in page["webhooks"]] == [hook["id"]]
    assert hook["token"] not in str(page)


async def test_others_messages_are_told_by_their_authors_and_own_ones_not_at_all(api: Api) -> None:
    own = await api.say("own")
    theirs = await api.say("theirs", "carl")
    pinned = await api.say("pinned", "carl")
    await api.put(f"/channels/{GENERAL}/pins/{pinned['id']}", "ada")
    await api.delete(f"/channels/{GENERAL}/pins/{pinned['id']}", "ada")
    assert (await api.delete(f"/channels/{GENERAL}/messages/{own['id']}", "ada")).status_code == 204
    assert (await api.delete(f"/channels/{GENERAL}/messages/{theirs['id']}", "ada")).status_code == 204
    found = [(each["action_type"], each["target_id"], each["options"]) for each in await entries(api)]
    where = {"channel_id": str(GENERAL)}
    assert found == [
        (72, str(CARL), {**where, "count": "1"}),
        (75, str(CARL), {**where, "message_id": pinned["id"]}),
        (74, str(CARL), {**where, "message_id": pinned["id"]}),
    ]
    bulk = [(await api.say(text, "carl"))["id"] for text in ("a", "b", "c")]
    deleted = await api.post(f"/channels/{GENERAL}/messages/bulk-delete", "bell", {"messages": bulk})
    assert deleted.status_code == 204
    (last, *_) = await entries(api)
    assert (last["action_type"], last["user_id"], last["target_id"]) == (73, str(BELL), str(GENERAL))
    assert last["options"] == {"count": "3"}


async def test_a_page_is_filtered_and_names_the_users(api: Api) -> None:
    for name in ("a", "b", "c"):
        await api.patch(f"/guilds/{LAB}", "ada", {"name": f"Lab {name}"})
    await api.put(f"/guilds/{LAB}/bans/{DORA}", "ada", {})
    every = await entries(api)
    ids = [each["id"] for each in every]
    assert [each["action_type"] for each in every] == [22, 1, 1, 1]
    assert [each["id"] for each in await entries(api, limit=2)] == ids[:2]
    assert [each["id"] for each in await entries(api, before=ids[1])] == ids[2:]
    assert [each["id"] for each in await entries(api, after=ids[2])] == [ids[1], ids[0]]
    assert [each["id"] for each in await entries(api, action_type=1, limit=1)] == [ids[1]]
    assert await entries(api, user_id=CARL) == []
    page = (await api.get(LOG, "ada")).json()
    assert {each["id"] for each in page["users"]} == {str(ADA), str(DORA)}


async def test_it_is_for_those_who_may_view_it(api: Api) -> None:
    await api.patch(f"/guilds/{LAB}", "ada", {"name": "Lab 2"})
    assert error_of(await api.get(LOG, "carl")) == (403, 50013)
    assert error_of(await api.get(LOG, "dora")) == (403, 50001)
    assert error_of(await api.get("/guilds/99/audit-logs", "ada")) == (404, 10004)
    await api.patch(f"/guilds/{LAB}/roles/{STAFF_ROLE}", "ada", {"permissions": str(1 << 7)})
    assert (await api.get(LOG, "bell")).status_code == 200


async def test_what_changes_nothing_and_what_one_does_to_oneself_is_not_told(api: Api) -> None:
    await api.patch(f"/guilds/{LAB}", "ada", {"name": "Lab"})
    await api.say("hello", "carl")
    await api.delete(f"/users/@me/guilds/{LAB}", "carl")
    assert await entries(api) == []


async def test_a_reason_too_long_is_refused_and_nothing_is_done(api: Api) -> None:
    headers = {"X-Audit-Log-Reason": "x" * 513}
    response = await api.patch(f"/guilds/{LAB}", "ada", {"name": "Lab 2"}, headers=headers)
    assert error_of(response) == (400, 50035)
    assert await entries(api) == []


async def test_an_automatic_block_is_told(api: Api) -> None:
    rule = word_rule(name="no bad words")
    made = await api.post(f"/guilds/{LAB}/auto-moderation/rules", "ada", rule)
    assert made.status_code == 200, made.text
    await api.post(f"/channels/{GENERAL}/messages", "carl", {"content": "bad"})
    page = (await api.get(LOG, "ada")).json()
    blocked, created = page["audit_log_entries"]
    options = {"auto_moderation_rule_name": "no bad words", "auto_moderation_rule_trigger_type": "1"}
    assert (created["action_type"], created["options"]) == (140, options)
    assert (blocked["action_type"], blocked["target_id"]) == (143, str(CARL))
    assert blocked["options"] == {**options, "channel_id": str(GENERAL)}
    assert [each["id"] for each in page["auto_moderation_rules"]] == [made.json()["id"]]


async def test_a_rule_is_told_with_what_changed_of_it_alone(api: Api) -> None:
    base = f"/guilds/{LAB}/auto-moderation/rules"
    rule = {"name": "spam", "event_type": 1, "trigger_type": 3, "actions": [{"type": 1}]}
    made = (await api.post(base, "ada", rule)).json()
    assert (await api.patch(f"{base}/{made['id']}", "ada", {"name": "noise", "enabled": True})).status_code == 200
    assert (await api.delete(f"{base}/{made['id']}", "ada")).status_code == 204
    deleted, changed, created = await entries(api)
    assert [each["action_type"] for each in (created, changed, deleted)] == [140, 141, 142]
    assert changed["changes"] == [change("name", "spam", "noise"), change("enabled", False, True)]
    assert change("name", None, "spam") in created["changes"]
    assert change("name", "noise") in deleted["changes"]


async def test_a_thread_is_told_with_what_changed_of_it_and_only_when_it_was_changed_by_hand(api: Api) -> None:
    thread = (await api.post(f"/channels/{GENERAL}/threads", "ada", {"name": "old", "type": 11})).json()
    message = await api.say("hi", channel=int(thread["id"]))
    await api.patch(f"/channels/{thread['id']}", "ada", {"name": "new", "locked": True})
    (told,) = await entries(api, action_type=111)
    assert told["target_id"] == thread["id"]
    assert sorted(told["changes"], key=lambda each: str(each["key"])) == [
        change("locked", False, True),
        change("name", "old", "new"),
    ]
    assert (await api.delete(f"/channels/{thread['id']}/messages/{message['id']}", "ada")).status_code == 204
    await api.patch(f"/channels/{thread['id']}", "ada", {"name": "new"})
    assert len(await entries(api, action_type=111)) == 1


async def test_what_is_older_than_the_window_is_forgotten(api: Api) -> None:
    await api.patch(f"/guilds/{LAB}", "ada", {"name": "Lab 2"})
    api.clock.advance(44 * 24 * 3_600_000)
    await api.patch(f"/guilds/{LAB}", "ada", {"name": "Lab 3"})
    api.clock.advance(2 * 24 * 3_600_000)
    await api.services.audit.prune(api.clock())
    (left,) = await entries(api)
    assert left["changes"] == [change("name", "Lab 2", "Lab 3")]


async def test_a_guild_that_is_deleted_takes_its_log_along(api: Api) -> None:
    await api.patch(f"/guilds/{LAB}", "ada", {"name": "Lab 2"})
    assert (await api.delete(f"/guilds/{LAB}", "ada")).status_code == 204
    assert error_of(await api.get(LOG, "ada")) == (404, 10004)
