"""Prunes: who is inactive, who is spared, and what is told (protocol.md §8.7)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api_world import ADA, CARL, EVERYONE, GENERAL, LAB, Api, error_of
from tests.support.guild_world import FRANK, HANK, JUDY, LOW_ROLE, MOD_ROLE, TOP_ROLE, guild_ops
from tocsin.model.entities import Member
from tocsin.model.permissions import Permission
from tocsin.store import rows

PRUNE = f"/guilds/{LAB}/prune"
DAY_MS = 86_400_000


@pytest.fixture
async def old_api(api: Api) -> Api:
    """Eight days after everybody joined; judy came just now."""
    await api.store.commit(guild_ops(api.clock()))
    api.clock.advance(8 * DAY_MS)
    await api.store.commit(rows.member_ops(Member(guild_id=LAB, user_id=JUDY, joined_at=api.clock())))
    api.bus.take()
    return api


async def pruned(api: Api, who: str = "ada", **body: Any) -> Any:
    response = await api.post(PRUNE, who, body)
    assert response.status_code == 200, response.text
    return response.json()["pruned"]


def removed(api: Api) -> list[int]:
    return [int(body["user"]["id"]) for event, body in api.bus.take() if event.name == "GUILD_MEMBER_REMOVE"]


async def test_the_inactive_without_roles_go_in_one_commit_and_one_entry_of_the_audit_log(old_api: Api) -> None:
    assert (await old_api.get(PRUNE, "ada")).json() == {"pruned": 1}
    assert removed(old_api) == []
    headers = {"X-Audit-Log-Reason": "quiet"}
    assert (await old_api.post(PRUNE, "ada", {}, headers=headers)).json() == {"pruned": 1}
    assert removed(old_api) == [CARL]
    [entry] = (await old_api.get(f"/guilds/{LAB}/audit-logs", "ada")).json()["audit_log_entries"]
    assert (entry["action_type"], entry["target_id"], entry["user_id"], entry["reason"]) == (
        21,
        None,
        str(ADA),
        "quiet",
    )
    assert entry["options"] == {"delete_member_days": "7", "members_removed": "1"}
    assert await pruned(old_api) == 0
    assert len((await old_api.get(f"/guilds/{LAB}/audit-logs", "ada")).json()["audit_log_entries"]) == 1


async def test_who_wrote_or_has_a_session_is_active(old_api: Api) -> None:
    thread = (await old_api.post(f"/channels/{GENERAL}/threads", "ada", {"name": "t", "type": 11})).json()
    everyone = str(EVERYONE | int(Permission.SEND_MESSAGES_IN_THREADS))
    await old_api.patch(f"/guilds/{LAB}/roles/{LAB}", "ada", {"permissions": everyone})
    old_api.services.prune.has_session = lambda user_id: user_id == CARL
    assert await pruned(old_api) == 0
    old_api.services.prune.has_session = lambda user_id: False
    await old_api.say("still here", who="carl", channel=int(thread["id"]))
    assert await pruned(old_api) == 0
    old_api.clock.advance(2 * DAY_MS)
    assert await pruned(old_api, days=1) == 2
    assert sorted(removed(old_api)) == [CARL, JUDY]


async def test_members_with_roles_go_only_with_all_their_roles_and_below_the_actor(old_api: Api) -> None:
    both = f"{LOW_ROLE},{MOD_ROLE}"
    assert (await old_api.get(PRUNE, "gina", params={"include_roles": str(LOW_ROLE)})).json() == {"pruned": 2}
    assert (await old_api.get(PRUNE, "gina", params={"include_roles": both})).json() == {"pruned": 2}
    await old_api.put(f"/guilds/{LAB}/members/{HANK}/roles/{TOP_ROLE}", "ada")
    assert (await old_api.get(PRUNE, "ada", params={"include_roles": both})).json() == {"pruned": 2}
    await old_api.delete(f"/guilds/{LAB}/members/{HANK}/roles/{TOP_ROLE}", "ada")
    assert await pruned(old_api, "gina", include_roles=[str(LOW_ROLE)], compute_prune_count=False) is None
    assert sorted(removed(old_api)) == [CARL, HANK]


@pytest.mark.parametrize(
    ("who", "body", "code"),
    [
        ("dora", {}, (403, 50001)),
        ("carl", {}, (403, 50013)),
        ("ada", {"days": 0}, (400, 50035)),
        ("ada", {"days": 31}, (400, 50035)),
        ("ada", {"include_roles": [1]}, (404, 10011)),
        ("ada", {"include_roles": "staff"}, (400, 50035)),
    ],
)
async def test_who_may_not_prune_and_what_is_none_is_refused(
    old_api: Api, who: str, body: dict[str, Any], code: tuple[int, int]
) -> None:
    assert error_of(await old_api.post(PRUNE, who, body)) == code
    query = {name: value if isinstance(value, str) else str(value).strip("[]") for name, value in body.items()}
    assert error_of(await old_api.get(PRUNE, who, params=query)) == code
    assert removed(old_api) == []


async def test_the_owner_and_bots_and_those_above_stay(old_api: Api) -> None:
    await old_api.delete(f"/guilds/{LAB}/members/{FRANK}/roles/2110", "ada")
    assert await pruned(old_api, "gina", days=7) == 2
    assert sorted(removed(old_api)) == [CARL, FRANK]
    everyone = (await old_api.get(f"/guilds/{LAB}/members", "ada", params={"limit": 100})).json()
    assert {"ada", "bell", "eddy"} <= {each["user"]["username"] for each in everyone}
