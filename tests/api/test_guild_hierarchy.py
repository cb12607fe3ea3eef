"""Who stands above whom: roles and members strictly below, grants only of what one has (protocol.md §7.2)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api_world import ADA, BELL, CARL, GENERAL, LAB, STAFF_ONLY, STAFF_ROLE, START_MS, Api, error_of
from tests.support.guild_world import (
    ADMIN_ROLE,
    CHILD,
    FRANK,
    GINA,
    HANK,
    LOW_ROLE,
    MANAGED_ROLE,
    MOD,
    MOD_ROLE,
    TOP_ROLE,
    VIEW,
    guild_ops,
)
from tocsin.model import wire
from tocsin.model.entities import Role
from tocsin.model.permissions import Permission
from tocsin.store import rows

G = f"/guilds/{LAB}"
OK, FORBIDDEN, INVALID_ROLE = (200, 0), (403, 50013), (400, 50028)
UNTIL = wire.timestamp(START_MS + 60_000)
ADMINISTRATOR = str(int(Permission.ADMINISTRATOR))


@pytest.fixture
async def guild_api(api: Api) -> Api:
    await api.store.commit(guild_ops(api.clock()))
    return api


def verdict(response: Any) -> tuple[int, int]:
    return OK if response.status_code < 300 else error_of(response)


TABLE: list[tuple[str, str, str, Any, tuple[int, int]]] = [
    # kick, ban, time out and rename: only those strictly below; nobody the owner
    ("gina", "DELETE", f"{G}/members/{FRANK}", None, FORBIDDEN),
    ("gina", "DELETE", f"{G}/members/{GINA}", None, FORBIDDEN),
    ("gina", "DELETE", f"{G}/members/{ADA}", None, FORBIDDEN),
    ("frank", "DELETE", f"{G}/members/{ADA}", None, FORBIDDEN),
    ("frank", "DELETE", f"{G}/members/{GINA}", None, OK),
    ("gina", "PUT", f"{G}/bans/{FRANK}", {}, FORBIDDEN),
    ("frank", "PUT", f"{G}/bans/{ADA}", {}, FORBIDDEN),
    ("ada", "PUT", f"{G}/bans/{ADA}", {}, FORBIDDEN),
    ("gina", "PATCH", f"{G}/members/{FRANK}", {"nick": "f"}, FORBIDDEN),
    ("frank", "PATCH", f"{G}/members/{ADA}", {"nick": "a"}, FORBIDDEN),
    ("gina", "PATCH", f"{G}/members/{GINA}", {"nick": "g"}, OK),
    ("ada", "PATCH", f"{G}/members/{ADA}", {"nick": "a"}, OK),
    ("carl", "PATCH", f"{G}/members/{CARL}", {"nick": "c"}, OK),
    ("gina", "PATCH", f"{G}/members/{FRANK}", {"communication_disabled_until": UNTIL}, FORBIDDEN),
    ("gina", "PATCH", f"{G}/members/{GINA}", {"communication_disabled_until": UNTIL}, FORBIDDEN),
    ("ada", "PATCH", f"{G}/members/{FRANK}", {"communication_disabled_until": UNTIL}, FORBIDDEN),
    ("ada", "PATCH", f"{G}/members/{ADA}", {"communication_disabled_until": UNTIL}, FORBIDDEN),
    ("gina", "PATCH", f"{G}/members/{BELL}", {"communication_disabled_until": UNTIL}, OK),
    # roles strictly below one's own may be given, to whomever
    ("gina", "PUT", f"{G}/members/{CARL}/roles/{MOD_ROLE}", None, FORBIDDEN),
    ("gina", "PUT", f"{G}/members/{CARL}/roles/{ADMIN_ROLE}", None, FORBIDDEN),
    ("gina", "PUT", f"{G}/members/{ADA}/roles/{LOW_ROLE}", None, OK),
    ("gina", "DELETE", f"{G}/members/{FRANK}/roles/{ADMIN_ROLE}", None, FORBIDDEN),
    ("gina", "DELETE", f"{G}/members/{GINA}/roles/{MOD_ROLE}", None, FORBIDDEN),
    ("frank", "PUT", f"{G}/members/{CARL}/roles/{TOP_ROLE}", None, FORBIDDEN),
    ("ada", "PUT", f"{G}/members/{CARL}/roles/{TOP_ROLE}", None, OK),
    ("ada", "PUT", f"{G}/members/{CARL}/roles/{MANAGED_ROLE}", None, INVALID_ROLE),
    ("ada", "PUT", f"{G}/members/{CARL}/roles/{LAB}", None, INVALID_ROLE),
    ("ada", "PUT", f"{G}/members/{CARL}/roles/77", None, (404, 10011)),
    ("ada", "PUT", f"{G}/members/1004/roles/{LOW_ROLE}", None, (404, 10007)),
    ("ada", "PUT", f"{G}/members/77/roles/{LOW_ROLE}", None, (404, 10013)),
    ("gina", "PATCH", f"{G}/members/{CARL}", {"roles": [LOW_ROLE, STAFF_ROLE]}, OK),
    ("gina", "PATCH", f"{G}/members/{CARL}", {"roles": [LOW_ROLE, TOP_ROLE]}, FORBIDDEN),
    ("gina", "PATCH", f"{G}/members/{FRANK}", {"roles": []}, FORBIDDEN),
    ("gina", "PATCH", f"{G}/members/{FRANK}", {"roles": [ADMIN_ROLE, LOW_ROLE]}, OK),
    ("ada", "PATCH", f"{G}/members/{CARL}", {"roles": [MANAGED_ROLE]}, INVALID_ROLE),
    ("ada", "PATCH", f"{G}/members/{CARL}", {"roles": [LAB]}, OK),
    # roles strictly below one's own may be changed, with bits one has
    ("gina", "PATCH", f"{G}/roles/{MOD_ROLE}", {"name": "m"}, FORBIDDEN),
    ("gina", "PATCH", f"{G}/roles/{TOP_ROLE}", {"name": "t"}, FORBIDDEN),
    ("frank", "PATCH", f"{G}/roles/{TOP_ROLE}", {"name": "t"}, FORBIDDEN),
    ("gina", "PATCH", f"{G}/roles/{LOW_ROLE}", {"permissions": str(MOD)}, OK),
    ("gina", "PATCH", f"{G}/roles/{LOW_ROLE}", {"permissions": ADMINISTRATOR}, FORBIDDEN),
    ("gina", "PATCH", f"{G}/roles/{STAFF_ROLE}", {"permissions": "0"}, FORBIDDEN),
    ("gina", "PATCH", f"{G}/roles/{LAB}", {"permissions": str(VIEW)}, OK),
    ("frank", "PATCH", f"{G}/roles/{LOW_ROLE}", {"permissions": ADMINISTRATOR}, OK),
    ("gina", "POST", f"{G}/roles", {"permissions": ADMINISTRATOR}, FORBIDDEN),
    ("gina", "POST", f"{G}/roles", {"permissions": int(Permission.KICK_MEMBERS)}, OK),
    ("gina", "DELETE", f"{G}/roles/{ADMIN_ROLE}", None, FORBIDDEN),
    ("gina", "DELETE", f"{G}/roles/{MOD_ROLE}", None, FORBIDDEN),
    ("ada", "DELETE", f"{G}/roles/{MANAGED_ROLE}", None, INVALID_ROLE),
    ("ada", "DELETE", f"{G}/roles/{LAB}", None, INVALID_ROLE),
    ("ada", "DELETE", f"{G}/roles/77", None, (404, 10011)),
    # moving: below before, and below after
    ("gina", "PATCH", f"{G}/roles", [{"id": LOW_ROLE, "position": 7}], OK),
    ("gina", "PATCH", f"{G}/roles", [{"id": LOW_ROLE, "position": 9}], FORBIDDEN),
    ("gina", "PATCH", f"{G}/roles", [{"id": LOW_ROLE, "position": 8}], FORBIDDEN),
    ("gina", "PATCH", f"{G}/roles", [{"id": TOP_ROLE, "position": 1}], FORBIDDEN),
    ("gina", "PATCH", f"{G}/roles", [{"id": MOD_ROLE, "position": 9}], FORBIDDEN),
    ("ada", "PATCH", f"{G}/roles", [{"id": LAB, "position": 9}], OK),
    ("ada", "PATCH", f"{G}/roles", [{"id": 77, "position": 9}], (404, 10011)),
    # the owner and the guild
    ("frank", "PATCH", G, {"owner_id": str(FRANK)}, FORBIDDEN),
    ("ada", "PATCH", G, {"owner_id": str(CARL)}, OK),
    ("ada", "PATCH", G, {"owner_id": str(BELL)}, (400, 50035)),
    ("ada", "PATCH", G, {"owner_id": "1004"}, (400, 50035)),
    ("frank", "DELETE", G, None, FORBIDDEN),
    ("ada", "DELETE", f"/users/@me{G}", None, (400, 50055)),
    ("carl", "DELETE", f"/users/@me{G}", None, OK),
    ("dora", "DELETE", f"/users/@me{G}", None, (403, 50001)),
    # overwrites: bits one has in the guild or the parent, all for administrators
    ("gina", "PUT", f"/channels/{GENERAL}/permissions/{LOW_ROLE}", {"type": 0, "allow": str(VIEW)}, OK),
    ("gina", "PUT", f"/channels/{GENERAL}/permissions/{LOW_ROLE}", {"type": 0, "allow": "8192"}, FORBIDDEN),
    ("gina", "PUT", f"/channels/{GENERAL}/permissions/{LOW_ROLE}", {"type": 0, "deny": "8192"}, FORBIDDEN),
    ("frank", "PUT", f"/channels/{GENERAL}/permissions/{LOW_ROLE}", {"type": 0, "allow": "8192"}, OK),
    ("gina", "PUT", f"/channels/{GENERAL}/permissions/{CARL}", {"type": 1, "deny": str(VIEW)}, OK),
    ("gina", "PUT", f"/channels/{GENERAL}/permissions/1004", {"type": 1}, (404, 10009)),
    ("gina", "PUT", f"/channels/{GENERAL}/permissions/77", {"type": 0}, (404, 10009)),
    ("gina", "DELETE", f"/channels/{GENERAL}/permissions/{LOW_ROLE}", None, (404, 10009)),
    ("bell", "PUT", f"/channels/{STAFF_ONLY}/permissions/{LAB}", {"type": 0, "allow": str(VIEW)}, FORBIDDEN),
    (
        "gina",
        "POST",
        f"{G}/channels",
        {"name": "x", "permission_overwrites": [{"id": LAB, "type": 0, "deny": 1024}]},
        OK,
    ),
    (
        "gina",
        "POST",
        f"{G}/channels",
        {"name": "x", "permission_overwrites": [{"id": LAB, "type": 0, "allow": str(int(Permission.MANAGE_ROLES))}]},
        FORBIDDEN,
    ),
    (
        "gina",
        "PATCH",
        f"/channels/{CHILD}",
        {"permission_overwrites": [{"id": LAB, "type": 0, "allow": "8192"}]},
        FORBIDDEN,
    ),
]
TABLE = [(who, m, p, b, (OK if w == OK else w)) for who, m, p, b, w in TABLE]


@pytest.mark.parametrize(
    ("who", "method", "path", "body", "expected"), TABLE, ids=[f"{w} {m} {p} {b or ''}" for w, m, p, b, _ in TABLE]
)
async def test_the_hierarchy_holds(
    guild_api: Api, who: str, method: str, path: str, body: Any, expected: tuple[int, int]
) -> None:
    response = await guild_api.call(method, path, who, **({} if body is None else {"json": body}))
    assert verdict(response) == expected, response.text
    if expected != OK:
        assert guild_api.bus.events == []


async def test_on_equal_positions_the_lower_id_stands_higher(guild_api: Api) -> None:
    twin = Role(id=MOD_ROLE - 1000, guild_id=LAB, name="elder twin", position=8)
    younger = Role(id=MOD_ROLE + 1000, guild_id=LAB, name="younger twin", position=8)
    await guild_api.store.commit([*rows.role_ops(twin), *rows.role_ops(younger)])
    assert verdict(await guild_api.patch(f"{G}/roles/{twin.id}", "gina", {"name": "x"})) == FORBIDDEN
    assert verdict(await guild_api.patch(f"{G}/roles/{younger.id}", "gina", {"name": "x"})) == OK


async def test_a_member_whose_roles_lost_their_power_may_no_longer_act(guild_api: Api) -> None:
    assert verdict(await guild_api.patch(f"{G}/members/{HANK}", "gina", {"nick": "h"})) == OK
    await guild_api.delete(f"{G}/members/{GINA}/roles/{MOD_ROLE}", "ada")
    assert verdict(await guild_api.patch(f"{G}/members/{HANK}", "gina", {"nick": "i"})) == FORBIDDEN


async def test_one_in_timeout_may_change_nothing(guild_api: Api) -> None:
    until = wire.timestamp(guild_api.clock() + 60_000)
    await guild_api.patch(f"{G}/members/{GINA}", "ada", {"communication_disabled_until": until})
    assert verdict(await guild_api.post(f"{G}/roles", "gina", {})) == FORBIDDEN
    assert verdict(await guild_api.patch(f"{G}/members/@me", "gina", {"nick": "g"})) == FORBIDDEN
    guild_api.clock.advance(60_001)
    assert verdict(await guild_api.post(f"{G}/roles", "gina", {})) == OK


async def test_manage_roles_by_an_overwrite_of_the_channel_lets_one_set_any_bit_there(guild_api: Api) -> None:
    manage = str(int(Permission.MANAGE_ROLES))
    path = f"/channels/{GENERAL}/permissions"
    assert verdict(await guild_api.put(f"{path}/{CARL}", "carl", {"type": 1, "allow": "8"})) == FORBIDDEN
    await guild_api.put(f"{path}/{CARL}", "ada", {"type": 1, "allow": manage})
    assert verdict(await guild_api.put(f"{path}/{LOW_ROLE}", "carl", {"type": 0, "allow": "8192"})) == OK
    elsewhere = f"/channels/{CHILD}/permissions/{LOW_ROLE}"
    assert verdict(await guild_api.put(elsewhere, "carl", {"type": 0})) == FORBIDDEN


async def test_a_new_owner_is_above_all_and_the_old_one_is_not(guild_api: Api) -> None:
    assert verdict(await guild_api.patch(G, "ada", {"owner_id": str(CARL)})) == OK
    assert verdict(await guild_api.delete(f"{G}/members/{ADA}", "carl")) == OK
    assert verdict(await guild_api.delete(G, "carl")) == OK
    assert error_of(await guild_api.get(G, "carl")) == (404, 10004)
    assert error_of(await guild_api.get(f"/channels/{GENERAL}", "carl")) == (404, 10003)
