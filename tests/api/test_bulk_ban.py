"""Bans of many at once: who goes, who stays, and what is told (protocol.md §8.7)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api_world import ADA, CARL, DORA, LAB, Api, error_of
from tests.support.guild_world import FRANK, HANK, IVAN, MOD_ROLE, guild_ops
from tocsin.model.permissions import Permission

BULK = f"/guilds/{LAB}/bulk-ban"


@pytest.fixture
async def guild_api(api: Api) -> Api:
    await api.store.commit(guild_ops(api.clock()))
    api.bus.take()
    return api


async def test_all_who_can_be_are_banned_in_one_commit_and_the_others_named(guild_api: Api) -> None:
    api = guild_api
    said = [(await api.say(text, who="carl"))["id"] for text in ("one", "two")]
    api.bus.take()
    ids = [CARL, DORA, HANK, FRANK, ADA, IVAN, 999, CARL]
    body = {"user_ids": [str(each) for each in ids], "delete_message_seconds": 3600}
    response = await api.post(BULK, "gina", body, headers={"X-Audit-Log-Reason": "raid"})
    assert response.status_code == 200, response.text
    assert response.json() == {
        "banned_users": [str(each) for each in (CARL, DORA, HANK)],
        "failed_users": [str(each) for each in (FRANK, ADA, IVAN, 999)],
    }
    told = api.bus.take()
    names = [event.name for event, _ in told]
    assert names == [
        *("GUILD_BAN_ADD", "GUILD_MEMBER_REMOVE", "MESSAGE_DELETE_BULK"),
        *("GUILD_BAN_ADD", "GUILD_BAN_ADD", "GUILD_MEMBER_REMOVE"),
    ]
    assert told[2][1]["ids"] == said
    seqs = [event.seq for event, _ in told]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    bans = (await api.get(f"/guilds/{LAB}/bans", "gina")).json()
    assert {int(each["user"]["id"]): each["reason"] for each in bans} == {
        IVAN: "noise",
        **dict.fromkeys((CARL, DORA, HANK), "raid"),
    }
    entries = (await api.get(f"/guilds/{LAB}/audit-logs", "ada")).json()["audit_log_entries"]
    assert [(each["action_type"], each["target_id"], each["reason"]) for each in entries] == [
        (22, str(each), "raid") for each in (HANK, DORA, CARL)
    ]


async def test_a_bulk_ban_of_nobody_is_an_error_and_changes_nothing(guild_api: Api) -> None:
    response = await guild_api.post(BULK, "gina", {"user_ids": [str(FRANK), str(IVAN), "999"]})
    assert error_of(response) == (400, 500000)
    assert guild_api.bus.take() == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"user_ids": []}, (400, 50035)),
        ({"user_ids": list(range(1, 202))}, (400, 50035)),
        ({}, (400, 50035)),
        ({"user_ids": ["x"]}, (400, 50035)),
        ({"user_ids": [CARL], "delete_message_seconds": 604_801}, (400, 50035)),
    ],
)
async def test_a_wrong_form_is_refused(guild_api: Api, body: dict[str, Any], code: tuple[int, int]) -> None:
    assert error_of(await guild_api.post(BULK, "ada", body)) == code
    assert guild_api.bus.take() == []


async def test_ban_members_and_manage_guild_are_both_needed(guild_api: Api) -> None:
    body = {"user_ids": [str(CARL)]}
    assert error_of(await guild_api.post(BULK, "dora", body)) == (403, 50001)
    assert error_of(await guild_api.post(BULK, "hank", body)) == (403, 50013)
    for held in (Permission.BAN_MEMBERS, Permission.MANAGE_GUILD):
        await guild_api.patch(f"/guilds/{LAB}/roles/{MOD_ROLE}", "ada", {"permissions": str(int(held))})
        assert error_of(await guild_api.post(BULK, "gina", body)) == (403, 50013)
