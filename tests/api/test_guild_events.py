"""What each change of a guild tells the gateway: names, scope, order and bodies, in one commit."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.api_world import BELL, CARL, CATEGORY, DORA, GENERAL, LAB, STAFF_ONLY, STAFF_ROLE, Api
from tests.support.guild_world import CHILD, HANK, IVAN, LOCKED_CATEGORY, LOOSE_CHILD, LOW_ROLE, guild_ops
from tocsin.model.event import Event, Scope, ScopeKind
from tocsin.model.guild_state import GuildState

G = f"/guilds/{LAB}"


@pytest.fixture
async def commits(api: Api) -> list[list[Event]]:
    """The events of each commit from here on."""
    await api.store.commit(guild_ops(api.clock()))
    found: list[list[Event]] = []
    api.store.on_commit.append(lambda events: found.append(list(events)))
    return found


AUDITED = "GUILD_AUDIT_LOG_ENTRY_CREATE"
EVENTS: list[tuple[str, str, Any, list[str]]] = [
    ("PATCH", G, {"name": "Lab 2"}, ["GUILD_UPDATE"]),
    ("PATCH", G, {"name": "Lab"}, []),
    ("DELETE", G, None, ["GUILD_DELETE"]),
    ("POST", f"{G}/channels", {"name": "new"}, ["CHANNEL_CREATE"]),
    ("PATCH", f"/channels/{GENERAL}", {"topic": "x"}, ["CHANNEL_UPDATE"]),
    ("PATCH", f"/channels/{GENERAL}", {"name": "general"}, []),
    ("DELETE", f"/channels/{GENERAL}", None, ["CHANNEL_DELETE"]),
    ("DELETE", f"/channels/{CATEGORY}", None, ["CHANNEL_DELETE", "CHANNEL_UPDATE", "CHANNEL_UPDATE"]),
    (
        "PATCH",
        f"{G}/channels",
        [{"id": GENERAL, "position": 8}, {"id": STAFF_ONLY, "position": 9}, {"id": CHILD, "position": 0}],
        ["CHANNEL_UPDATE", "CHANNEL_UPDATE"],
    ),
    ("PUT", f"/channels/{GENERAL}/permissions/{LOW_ROLE}", {"type": 0, "deny": "1024"}, ["CHANNEL_UPDATE"]),
    ("PUT", f"/channels/{CATEGORY}/permissions/{LOW_ROLE}", {"type": 0, "deny": "1024"}, ["CHANNEL_UPDATE"] * 2),
    ("DELETE", f"/channels/{STAFF_ONLY}/permissions/{STAFF_ROLE}", None, ["CHANNEL_UPDATE"]),
    ("POST", f"{G}/roles", {}, ["GUILD_ROLE_CREATE"]),
    ("PATCH", f"{G}/roles/{LOW_ROLE}", {"permissions": "8192"}, ["GUILD_ROLE_UPDATE"]),
    ("PATCH", f"{G}/roles/{LOW_ROLE}", {"name": "low"}, []),
    (
        "PATCH",
        f"{G}/roles",
        [{"id": LOW_ROLE, "position": 5}, {"id": STAFF_ROLE, "position": 1}],
        ["GUILD_ROLE_UPDATE"],
    ),
    ("DELETE", f"{G}/roles/{LOW_ROLE}", None, ["GUILD_ROLE_DELETE"]),
    ("PUT", f"{G}/members/{DORA}", {}, ["GUILD_MEMBER_ADD"]),
    ("PUT", f"{G}/members/{CARL}", {}, []),
    ("PATCH", f"{G}/members/{CARL}", {"nick": "c", "roles": [LOW_ROLE]}, ["GUILD_MEMBER_UPDATE"]),
    ("PATCH", f"{G}/members/{CARL}", {"nick": None}, []),
    ("PUT", f"{G}/members/{CARL}/roles/{LOW_ROLE}", None, ["GUILD_MEMBER_UPDATE"]),
    ("PUT", f"{G}/members/{HANK}/roles/{LOW_ROLE}", None, []),
    ("DELETE", f"{G}/members/{HANK}/roles/{LOW_ROLE}", None, ["GUILD_MEMBER_UPDATE"]),
    ("DELETE", f"{G}/members/{CARL}", None, ["GUILD_MEMBER_REMOVE"]),
    ("PUT", f"{G}/bans/{CARL}", {}, ["GUILD_BAN_ADD", "GUILD_MEMBER_REMOVE"]),
    ("PUT", f"{G}/bans/{DORA}", {}, ["GUILD_BAN_ADD"]),
    ("PUT", f"{G}/bans/{IVAN}", {}, []),
    ("DELETE", f"{G}/bans/{IVAN}", None, ["GUILD_BAN_REMOVE"]),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "names"), EVENTS, ids=[f"{m} {p} {b or ''}" for m, p, b, _ in EVENTS]
)
async def test_a_change_tells_what_it_did_in_one_commit(
    api: Api, commits: list[list[Event]], method: str, path: str, body: Any, names: list[str]
) -> None:
    response = await api.call(method, path, "ada", **({} if body is None else {"json": body}))
    assert response.status_code < 300, response.text
    told = [events for events in commits if events]
    assert len(told) == (1 if names else 0)
    changes = [event.name for events in told for event in events if event.name != AUDITED]
    assert changes == names
    # Who did it is told last, and by the same commit; a guild that is gone has no log, and who comes makes no entry.
    entries = [event.name for events in told for event in events][len(names) :]
    assert entries == [AUDITED] * len(entries)
    assert bool(entries) == bool(names and names[0] not in ("GUILD_DELETE", "GUILD_MEMBER_ADD"))
    for event in (event for events in told for event in events):
        assert event.scope == Scope(ScopeKind.GUILD, LAB)
        assert event.guild_id == LAB
        assert event.state
        assert event.seq


REPLICATED = [(m, p, b) for m, p, b, names in EVENTS if names and names != ["GUILD_DELETE"]]


@pytest.mark.parametrize(("method", "path", "body"), REPLICATED, ids=[f"{m} {p} {b or ''}" for m, p, b in REPLICATED])
async def test_a_replica_that_applies_the_events_equals_the_store(
    api: Api, commits: list[list[Event]], method: str, path: str, body: Any
) -> None:
    before = await api.store.guild(LAB, with_members=True)
    assert before is not None
    replica = GuildState.from_snapshot(before)
    await api.call(method, path, "ada", **({} if body is None else {"json": body}))
    for event in (event for events in commits for event in events):
        replica.apply(event)
    after = await api.store.guild(LAB, with_members=True)
    assert after is not None
    truth = GuildState.from_snapshot(after)
    assert replica.guild == truth.guild
    assert replica.roles == truth.roles
    for channels in (replica.channels, truth.channels):
        for channel in channels.values():
            assert channel.guild_id == LAB
    assert {c.id: (c.name, c.position, c.parent_id, set(c.overwrites)) for c in replica.channels.values()} == {
        c.id: (c.name, c.position, c.parent_id, set(c.overwrites)) for c in truth.channels.values()
    }
    assert {m.user_id: (m.nick, sorted(m.roles), m.timeout_until) for m in replica.members.values()} == {
        m.user_id: (m.nick, sorted(m.roles), m.timeout_until) for m in truth.members.values()
    }
    assert replica.member_count == truth.member_count
    assert replica.seq == truth.seq


async def test_a_new_guild_is_told_whole(api: Api) -> None:
    made = (await api.post("/guilds", "carl", {"name": "Den"})).json()
    ((event, body),) = api.bus.take()
    assert event.name == "GUILD_CREATE"
    assert event.scope == Scope(ScopeKind.GUILD, int(made["id"]))
    assert event.state
    assert [role["id"] for role in body["roles"]] == [made["id"]]
    assert [channel["name"] for channel in body["channels"]] == ["general"]
    assert [member["user"]["id"] for member in body["members"]] == [str(CARL)]
    assert body["member_count"] == 1
    assert (await api.get(f"/guilds/{made['id']}", "carl")).json() == made
    assert (await api.get(f"/guilds/{made['id']}/channels", "carl")).json() == body["channels"]


async def test_a_bot_makes_a_guild_too(api: Api) -> None:
    response = await api.post("/guilds", "bell", {"name": "Bots"})
    assert response.status_code == 201
    assert response.json()["owner_id"] == str(BELL)


async def test_a_change_shows_in_every_read_after_its_reply(api: Api, commits: list[list[Event]]) -> None:
    await api.get(f"{G}/roles", "ada")
    role = (await api.post(f"{G}/roles", "ada", {"name": "x", "permissions": "1024"})).json()
    assert (await api.get(f"{G}/roles/{role['id']}", "carl")).json() == role
    await api.put(f"{G}/members/{CARL}/roles/{role['id']}", "ada")
    assert (await api.get(f"{G}/members/{CARL}", "ada")).json()["roles"] == [role["id"]]
    await api.put(f"/channels/{STAFF_ONLY}/permissions/{role['id']}", "ada", {"type": 0, "allow": "1024"})
    assert (await api.get(f"/channels/{STAFF_ONLY}", "carl")).status_code == 200
    await api.delete(f"{G}/roles/{role['id']}", "ada")
    assert (await api.get(f"{G}/members/{CARL}", "ada")).json()["roles"] == []
    assert (await api.get(f"/channels/{STAFF_ONLY}", "carl")).status_code == 403
    overwrites = (await api.get(f"/channels/{STAFF_ONLY}", "ada")).json()["permission_overwrites"]
    assert role["id"] not in {each["id"] for each in overwrites}


async def test_children_in_step_with_their_category_follow_it_and_others_do_not(
    api: Api, commits: list[list[Event]]
) -> None:
    path = f"/channels/{CATEGORY}"
    body = {"permission_overwrites": [{"id": LOW_ROLE, "type": 0, "allow": "0", "deny": "2048"}]}
    assert (await api.patch(path, "ada", body)).status_code == 200
    told = [body["id"] for _, body in api.bus.take("CHANNEL_UPDATE")]
    assert told == [str(CATEGORY), str(CHILD)]
    child = (await api.get(f"/channels/{CHILD}", "ada")).json()["permission_overwrites"]
    assert child == [{"id": str(LOW_ROLE), "type": 0, "allow": "0", "deny": "2048"}]
    loose = (await api.get(f"/channels/{LOOSE_CHILD}", "ada")).json()["permission_overwrites"]
    assert loose == [{"id": str(LOW_ROLE), "type": 0, "allow": "0", "deny": "1024"}]


async def test_lock_permissions_takes_the_new_categorys_overwrites(api: Api, commits: list[list[Event]]) -> None:
    move = {"id": GENERAL, "parent_id": LOCKED_CATEGORY, "lock_permissions": True}
    assert (await api.patch(f"{G}/channels", "ada", [move])).status_code == 204
    ((_, body),) = api.bus.take("CHANNEL_UPDATE")
    assert body["parent_id"] == str(LOCKED_CATEGORY)
    assert body["permission_overwrites"] == [{"id": str(LOW_ROLE), "type": 0, "allow": "1024", "deny": "0"}]


async def test_deleting_a_channel_that_the_guild_names_clears_the_name(api: Api) -> None:
    guild = (await api.post("/guilds", "ada", {"name": "Den"})).json()
    api.bus.take()
    assert guild["system_channel_id"] is not None
    await api.delete(f"/channels/{guild['system_channel_id']}", "ada")
    taken = api.bus.take()
    assert [event.name for event, _ in taken] == ["CHANNEL_DELETE", "GUILD_UPDATE"]
    assert taken[1][1]["system_channel_id"] is None
    assert (await api.get(f"/guilds/{guild['id']}", "ada")).json()["system_channel_id"] is None


async def test_a_ban_purges_what_was_written_lately_channel_by_channel(api: Api) -> None:
    await api.say("old", "carl")
    api.clock.advance(3_700_000)
    lately = [await api.say(f"new {n}", "carl") for n in range(3)]
    kept = await api.say("another's", "ada")
    api.bus.take()
    response = await api.put(f"{G}/bans/{CARL}?delete_message_seconds=3600", "ada", {})
    assert response.status_code == 204
    taken = api.bus.take()
    assert [event.name for event, _ in taken] == ["GUILD_BAN_ADD", "GUILD_MEMBER_REMOVE", "MESSAGE_DELETE_BULK"]
    bulk, body = taken[2]
    assert body == {"ids": [each["id"] for each in lately], "channel_id": str(GENERAL), "guild_id": str(LAB)}
    assert (bulk.state, bulk.channel_id) == (False, GENERAL)
    left = (await api.get(f"/channels/{GENERAL}/messages", "ada")).json()
    assert [each["content"] for each in left] == [kept["content"], "old"]


@pytest.mark.parametrize("body", [{"delete_message_seconds": 3600}, {"delete_message_days": 1}])
async def test_a_ban_takes_the_purge_from_its_body_too(api: Api, body: Any) -> None:
    await api.say("x", "carl")
    await api.put(f"{G}/bans/{CARL}", "ada", body)
    assert (await api.get(f"/channels/{GENERAL}/messages", "ada")).json() == []


async def test_closing_a_dm_tells_only_the_one_who_closed_it(api: Api) -> None:
    channel = (await api.post("/users/@me/channels", "ada", {"recipient_id": CARL})).json()
    api.bus.take()
    response = await api.delete(f"/channels/{channel['id']}", "ada")
    assert response.json() == channel
    ((event, body),) = api.bus.take()
    assert (event.name, event.users, event.state) == ("CHANNEL_DELETE", (1001,), False)
    assert body == channel
    assert (await api.get(f"/channels/{channel['id']}", "carl")).status_code == 200
    for method, body in (("PATCH", {"name": "x"}), ("PUT", None)):
        path = f"/channels/{channel['id']}" + ("/permissions/1" if method == "PUT" else "")
        refused = await api.call(method, path, "ada", json=body or {"type": 0})
        assert refused.json()["code"] == 50003
    assert (await api.delete(f"/channels/{channel['id']}", "dora")).json()["code"] == 50001


async def test_a_new_name_and_a_new_role_at_once_leave_the_replica_with_both(
    api: Api, commits: list[list[Event]]
) -> None:
    snapshot = await api.store.guild(LAB, with_members=True)
    assert snapshot is not None
    replica = GuildState.from_snapshot(snapshot)
    changes = [api.patch("/users/@me", "carl", {"global_name": f"Carl {number}"}) for number in range(4)]
    changes += [api.put(f"{G}/members/{CARL}/roles/{role}", "ada") for role in (LOW_ROLE, STAFF_ROLE)]
    await asyncio.gather(*changes)
    for event in (event for events in commits for event in events):
        if event.guild_id == LAB:
            replica.apply(event)
    assert set(replica.members[CARL].roles) == {LOW_ROLE, STAFF_ROLE}
