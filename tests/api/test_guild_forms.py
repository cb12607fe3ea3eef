"""Bodies and queries of the guild routes: what is refused, with which field error, and what is kept as given."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.api_world import (
    ADA,
    BELL,
    CARL,
    CATEGORY,
    DORA,
    EDDY,
    GENERAL,
    LAB,
    STAFF_ONLY,
    STAFF_ROLE,
    START_MS,
    VOICE,
    Api,
    error_of,
)
from tests.support.guild_world import CHILD, FRANK, GINA, HANK, IVAN, LOW_ROLE, guild_ops
from tocsin.model import wire
from tocsin.model.entities import Channel, Overwrite, Role
from tocsin.model.permissions import DEFAULT
from tocsin.store import rows

G, C, V = f"/guilds/{LAB}", f"/channels/{GENERAL}", f"/channels/{VOICE}"
DAY_MS = 24 * 3600 * 1000


@pytest.fixture
async def guild_api(api: Api) -> Api:
    await api.store.commit(guild_ops(api.clock()))
    return api


def codes(tree: Any, path: str = "") -> dict[str, str]:
    """Return the item code of each place that has an error."""
    found: dict[str, str] = {}
    for key, value in tree.items():
        if key == "_errors":
            found[path] = value[0]["code"]
        else:
            found |= codes(value, f"{path}.{key}" if path else key)
    return found


REFUSED: list[tuple[str, str, Any, dict[str, str]]] = [
    ("POST", "/guilds", {}, {"name": "BASE_TYPE_REQUIRED"}),
    ("POST", "/guilds", {"name": "x"}, {"name": "BASE_TYPE_BAD_LENGTH"}),
    ("POST", "/guilds", {"name": "x" * 101}, {"name": "BASE_TYPE_BAD_LENGTH"}),
    ("POST", "/guilds", {"name": 7}, {"name": "STRING_TYPE_CONVERT"}),
    (
        "PATCH",
        G,
        {"verification_level": 5, "afk_timeout": 61},
        {"verification_level": "BASE_TYPE_CHOICES", "afk_timeout": "BASE_TYPE_CHOICES"},
    ),
    ("PATCH", G, {"afk_channel_id": str(GENERAL)}, {"afk_channel_id": "CHANNEL_INVALID_TYPE"}),
    ("PATCH", G, {"system_channel_id": str(CATEGORY)}, {"system_channel_id": "CHANNEL_INVALID_TYPE"}),
    ("PATCH", G, {"rules_channel_id": "77"}, {"rules_channel_id": "CHANNEL_INVALID"}),
    ("PATCH", G, {"icon": "data:image/png;base64,xx"}, {"icon": "IMAGE_INVALID"}),
    ("POST", f"{G}/channels", {}, {"name": "BASE_TYPE_REQUIRED"}),
    ("POST", f"{G}/channels", {"name": ""}, {"name": "BASE_TYPE_BAD_LENGTH"}),
    ("POST", f"{G}/channels", {"name": "x", "type": 1}, {"type": "BASE_TYPE_CHOICES"}),
    ("POST", f"{G}/channels", {"name": "x", "type": 11}, {"type": "BASE_TYPE_CHOICES"}),
    ("POST", f"{G}/channels", {"name": "x", "parent_id": str(GENERAL)}, {"parent_id": "CHANNEL_PARENT_INVALID_TYPE"}),
    ("POST", f"{G}/channels", {"name": "x", "parent_id": "nope"}, {"parent_id": "NUMBER_TYPE_COERCE"}),
    (
        "POST",
        f"{G}/channels",
        {"name": "x", "type": 4, "parent_id": str(CATEGORY)},
        {"parent_id": "CHANNEL_PARENT_INVALID_PARENT"},
    ),
    ("POST", f"{G}/channels", {"name": "x", "type": 2, "user_limit": 100}, {"user_limit": "NUMBER_TYPE_MAX"}),
    ("POST", f"{G}/channels", {"name": "x", "type": 2, "bitrate": 7999}, {"bitrate": "NUMBER_TYPE_MIN"}),
    (
        "POST",
        f"{G}/channels",
        {"name": "x", "permission_overwrites": [{"id": "1"}]},
        {"permission_overwrites.0.type": "BASE_TYPE_REQUIRED"},
    ),
    ("PATCH", C, {"name": None}, {"name": "BASE_TYPE_REQUIRED"}),
    ("PATCH", C, {"topic": "x" * 1025}, {"topic": "BASE_TYPE_MAX_LENGTH"}),
    ("PATCH", C, {"rate_limit_per_user": 21601}, {"rate_limit_per_user": "NUMBER_TYPE_MAX"}),
    ("PATCH", C, {"type": 2}, {"type": "BASE_TYPE_CHOICES"}),
    ("PATCH", C, {"position": -1}, {"position": "NUMBER_TYPE_MIN"}),
    ("PATCH", C, [], {"": "DICT_TYPE_CONVERT"}),
    ("PUT", f"{C}/permissions/{LAB}", {"type": 2}, {"type": "BASE_TYPE_CHOICES"}),
    ("PUT", f"{C}/permissions/{LAB}", {}, {"type": "BASE_TYPE_REQUIRED"}),
    ("PUT", f"{C}/permissions/{LAB}", {"type": 0, "allow": "x"}, {"allow": "NUMBER_TYPE_COERCE"}),
    ("PUT", f"{C}/permissions/{LAB}", {"type": 0, "allow": -1}, {"allow": "NUMBER_TYPE_COERCE"}),
    ("PATCH", f"{G}/channels", [{"position": 1}], {"0.id": "BASE_TYPE_REQUIRED"}),
    ("POST", f"{G}/roles", {"name": "x" * 101}, {"name": "BASE_TYPE_BAD_LENGTH"}),
    ("POST", f"{G}/roles", {"color": 0x1000000}, {"color": "NUMBER_TYPE_MAX"}),
    ("POST", f"{G}/roles", {"permissions": "many"}, {"permissions": "NUMBER_TYPE_COERCE"}),
    ("PATCH", f"{G}/roles", [{"id": LOW_ROLE, "position": -1}], {"position": "NUMBER_TYPE_MIN"}),
    ("PATCH", f"{G}/members/{HANK}", {"nick": "x" * 33}, {"nick": "BASE_TYPE_BAD_LENGTH"}),
    ("PATCH", f"{G}/members/{HANK}", {"roles": ["x"]}, {"roles.0": "NUMBER_TYPE_COERCE"}),
    (
        "PATCH",
        f"{G}/members/{HANK}",
        {"communication_disabled_until": "tomorrow"},
        {"communication_disabled_until": "DATE_TIME_TYPE_PARSE"},
    ),
    (
        "PATCH",
        f"{G}/members/{HANK}",
        {"communication_disabled_until": wire.timestamp(START_MS + 28 * DAY_MS + 1)},
        {"communication_disabled_until": "COMMUNICATION_DISABLED_UNTIL_MAX"},
    ),
    ("PUT", f"{G}/bans/{HANK}", {"delete_message_seconds": 604801}, {"delete_message_seconds": "NUMBER_TYPE_MAX"}),
    ("PUT", f"{G}/bans/{HANK}?delete_message_seconds=-1", {}, {"delete_message_seconds": "NUMBER_TYPE_MIN"}),
    ("GET", f"{G}/members?limit=1001", None, {"limit": "NUMBER_TYPE_MAX"}),
    ("GET", f"{G}/members/search", None, {"query": "BASE_TYPE_REQUIRED"}),
    ("GET", f"{G}/members/@nobody", None, {"user_id": "NUMBER_TYPE_COERCE"}),
]


async def test_a_bad_form_is_refused_at_the_field_and_changes_nothing(guild_api: Api) -> None:
    for method, path, body, expected in REFUSED:
        response = await guild_api.call(method, path, "ada", **({} if body is None else {"json": body}))
        assert error_of(response) == (400, 50035), (method, path, body, response.text)
        assert codes(response.json()["errors"]) == expected, (method, path, body)
    assert guild_api.bus.events == []


async def test_a_channel_keeps_what_it_was_made_with(guild_api: Api) -> None:
    body = {
        "name": "loud",
        "type": 2,
        "bitrate": 96000,
        "user_limit": 12,
        "nsfw": True,
        "rate_limit_per_user": 5,
        "rtc_region": "rotterdam",
        "video_quality_mode": 2,
        "position": 6,
        "parent_id": str(CATEGORY),
        "permission_overwrites": [{"id": str(CARL), "type": 1, "allow": "1024", "deny": "2048"}],
    }
    made = await guild_api.post(f"{G}/channels", "ada", body)
    assert made.status_code == 201
    assert made.json() | body == made.json()
    assert (await guild_api.get(f"/channels/{made.json()['id']}", "ada")).json() == made.json()


async def test_a_new_channel_takes_its_categorys_overwrites_unless_it_is_given_its_own(guild_api: Api) -> None:
    overwrite = {"id": str(LOW_ROLE), "type": 0, "allow": "0", "deny": "2048"}
    await guild_api.put(f"/channels/{CATEGORY}/permissions/{LOW_ROLE}", "ada", {"type": 0, "deny": "2048"})
    under = {"name": "x", "parent_id": str(CATEGORY)}
    nothing: list[dict[str, Any]] = [{}, {"permission_overwrites": []}]
    for given in nothing:
        made = (await guild_api.post(f"{G}/channels", "ada", {**under, **given})).json()
        assert made["permission_overwrites"] == [overwrite]
    own = [{"id": str(LAB), "type": 0, "allow": "0", "deny": "1024"}]
    made = (await guild_api.post(f"{G}/channels", "ada", {**under, "permission_overwrites": own})).json()
    assert made["permission_overwrites"] == own


async def test_a_text_channel_becomes_an_announcement_channel_and_back(guild_api: Api) -> None:
    assert (await guild_api.patch(C, "ada", {"type": 5})).json()["type"] == 5
    assert (await guild_api.patch(C, "ada", {"type": 0})).json()["type"] == 0


async def test_only_one_channel_may_change_its_parent_in_a_request(guild_api: Api) -> None:
    moves = [{"id": each, "parent_id": CATEGORY} for each in (GENERAL, STAFF_ONLY)]
    assert error_of(await guild_api.patch(f"{G}/channels", "ada", moves)) == (400, 40009)
    moves = [{"id": GENERAL, "parent_id": CATEGORY}, {"id": CHILD, "parent_id": CATEGORY}]
    assert (await guild_api.patch(f"{G}/channels", "ada", moves)).status_code == 204


async def test_a_category_holds_fifty_channels(guild_api: Api) -> None:
    ops = []
    for number in range(48):
        ops += rows.channel_ops(Channel(id=5000 + number, guild_id=LAB, type=0, name="c", parent_id=CATEGORY))
    await guild_api.store.commit(ops)
    response = await guild_api.post(f"{G}/channels", "ada", {"name": "x", "parent_id": str(CATEGORY)})
    assert codes(response.json()["errors"]) == {"parent_id": "CHANNEL_PARENT_MAX_CHANNELS"}


async def test_a_guild_holds_250_roles_and_500_channels_and_a_channel_1000_overwrites(guild_api: Api) -> None:
    ops = []
    for number in range(250 - 9):
        ops += rows.role_ops(Role(id=6000 + number, guild_id=LAB, name="r", position=1))
    for number in range(500 - 10):
        ops += rows.channel_ops(Channel(id=7000 + number, guild_id=LAB, type=0, name="c"))
    ops += rows.channel_ops(
        Channel(
            id=8000,
            guild_id=LAB,
            type=0,
            name="many",
            overwrites=tuple(Overwrite(id=9000 + number, type=1) for number in range(999)),
        )
    )
    await guild_api.store.commit(ops)
    await guild_api.delete("/channels/7000", "ada")
    assert (await guild_api.post(f"{G}/roles", "ada", {})).status_code == 200
    assert error_of(await guild_api.post(f"{G}/roles", "ada", {})) == (400, 30005)
    assert (await guild_api.post(f"{G}/channels", "ada", {"name": "x"})).status_code == 201
    assert error_of(await guild_api.post(f"{G}/channels", "ada", {"name": "x"})) == (400, 30013)
    path = "/channels/8000/permissions"
    assert (await guild_api.put(f"{path}/{LAB}", "ada", {"type": 0})).status_code == 204
    assert error_of(await guild_api.put(f"{path}/{LOW_ROLE}", "ada", {"type": 0})) == (400, 30060)


async def test_a_role_has_the_defaults_of_the_wire_and_keeps_what_it_is_given(guild_api: Api) -> None:
    plain = (await guild_api.post(f"{G}/roles", "ada", {})).json()
    everyone = (await guild_api.get(f"{G}/roles/{LAB}", "ada")).json()
    assert (plain["name"], plain["permissions"], plain["position"]) == ("new role", everyone["permissions"], 1)
    body = {"name": "red", "permissions": "8", "color": 0xFF0000, "hoist": True, "mentionable": True}
    made = (await guild_api.post(f"{G}/roles", "ada", body)).json()
    assert made | body == made
    changed = await guild_api.patch(f"{G}/roles/{made['id']}", "ada", {"colors": {"primary_color": 255}})
    assert changed.json()["color"] == 255
    assert changed.json()["colors"]["primary_color"] == 255
    renamed = (await guild_api.patch(f"{G}/roles/{LAB}", "ada", {"name": "all", "hoist": True})).json()
    assert renamed == everyone


async def test_a_guild_has_general_and_the_default_permissions_and_keeps_its_changes(api: Api) -> None:
    made = await api.post("/guilds", "dora", {"name": " Den ", "verification_level": 1})
    assert made.status_code == 201
    guild = made.json()
    assert (guild["name"], guild["owner_id"], guild["verification_level"]) == ("Den", str(DORA), 1)
    assert guild["roles"][0]["permissions"] == str(DEFAULT)
    body = {"description": "d", "system_channel_id": None, "default_message_notifications": 1, "afk_timeout": 60}
    changed = (await api.patch(f"/guilds/{guild['id']}", "dora", body)).json()
    assert changed | body == changed
    counted = (await api.get(f"/guilds/{guild['id']}?with_counts=true", "dora")).json()
    assert counted == {**changed, "approximate_member_count": 1, "approximate_presence_count": 0}


async def test_members_come_in_pages_and_bots_need_the_intent(guild_api: Api) -> None:
    everyone = [ADA, BELL, CARL, EDDY, FRANK, GINA, HANK]
    first = (await guild_api.get(f"{G}/members?limit=3", "bell")).json()
    assert [int(each["user"]["id"]) for each in first] == everyone[:3]
    rest = (await guild_api.get(f"{G}/members?limit=1000&after={CARL}", "bell")).json()
    assert [int(each["user"]["id"]) for each in rest] == everyone[3:]
    assert len((await guild_api.get(f"{G}/members", "bell")).json()) == 1
    assert error_of(await guild_api.get(f"{G}/members", "eddy")) == (403, 50001)


async def test_members_are_found_by_the_beginning_of_name_or_nick(guild_api: Api) -> None:
    await guild_api.patch(f"{G}/members/{CARL}", "ada", {"nick": "Hannah"})
    found = (await guild_api.get(f"{G}/members/search?query=HAN&limit=10", "bell")).json()
    assert {int(each["user"]["id"]) for each in found} == {HANK, CARL}
    assert (await guild_api.get(f"{G}/members/search?query=%25&limit=10", "bell")).json() == []


async def test_an_added_member_has_what_they_were_added_with(guild_api: Api) -> None:
    body = {"nick": "D", "roles": [str(LOW_ROLE)], "mute": True, "access_token": "anything"}
    added = await guild_api.put(f"{G}/members/{DORA}", "bell", body)
    assert error_of(added) == (403, 50013)
    added = await guild_api.put(f"{G}/members/{DORA}", "gina", body)
    assert added.status_code == 201
    member = added.json()
    assert (member["nick"], member["roles"], member["mute"]) == ("D", [str(LOW_ROLE)], True)
    assert (await guild_api.get(f"{G}/members/{DORA}", "dora")).json() == member
    assert (await guild_api.put(f"{G}/members/{DORA}", "gina", body)).status_code == 204


async def test_a_banned_user_cannot_be_added_until_the_ban_is_lifted(guild_api: Api) -> None:
    assert error_of(await guild_api.put(f"{G}/members/{IVAN}", "ada")) == (403, 40007)
    await guild_api.delete(f"{G}/bans/{IVAN}", "ada")
    assert (await guild_api.put(f"{G}/members/{IVAN}", "ada")).status_code == 201
    assert error_of(await guild_api.get(f"{G}/bans/{IVAN}", "ada")) == (404, 10026)
    assert error_of(await guild_api.delete(f"{G}/bans/{IVAN}", "ada")) == (404, 10026)
    assert error_of(await guild_api.put(f"{G}/bans/77", "ada")) == (404, 10013)


async def test_bans_come_in_pages(guild_api: Api) -> None:
    for user_id in (CARL, DORA):
        await guild_api.put(f"{G}/bans/{user_id}", "ada", {})
    for query, expected in (
        ("", [CARL, DORA, IVAN]),
        ("?limit=1", [CARL]),
        (f"?after={CARL}&limit=1", [DORA]),
        (f"?before={IVAN}", [CARL, DORA]),
    ):
        page = (await guild_api.get(f"{G}/bans{query}", "ada")).json()
        assert [int(each["user"]["id"]) for each in page] == expected, query


async def test_a_nick_is_trimmed_and_an_empty_one_is_none(guild_api: Api) -> None:
    assert (await guild_api.patch(f"{G}/members/@me/nick", "carl", {"nick": "  C "})).json() == {"nick": "C"}
    assert (await guild_api.patch(f"{G}/members/@me", "carl", {"nick": ""})).json()["nick"] is None


async def test_a_timeout_is_kept_and_taken_away(guild_api: Api) -> None:
    until = wire.timestamp(START_MS + 28 * DAY_MS)
    path = f"{G}/members/{HANK}"
    changed = (await guild_api.patch(path, "gina", {"communication_disabled_until": until})).json()
    assert changed["communication_disabled_until"] == until
    changed = (await guild_api.patch(path, "gina", {"communication_disabled_until": None})).json()
    assert changed["communication_disabled_until"] is None


async def test_changes_at_the_same_time_do_not_undo_each_other(guild_api: Api) -> None:
    path = f"{G}/members/{CARL}/roles"
    changes = [guild_api.put(f"{path}/{role}", "ada") for role in (LOW_ROLE, STAFF_ROLE)]
    changes += [guild_api.patch(f"{G}/members/{CARL}", "ada", {"nick": "c"})]
    targets = (LOW_ROLE, STAFF_ROLE, CARL)
    changes += [
        guild_api.put(f"{C}/permissions/{target}", "ada", {"type": int(target == CARL), "deny": "64"})
        for target in targets
    ]
    assert {response.status_code for response in await asyncio.gather(*changes)} == {200, 204}
    member = (await guild_api.get(f"{G}/members/{CARL}", "ada")).json()
    assert (set(member["roles"]), member["nick"]) == ({str(LOW_ROLE), str(STAFF_ROLE)}, "c")
    overwrites = (await guild_api.get(C, "ada")).json()["permission_overwrites"]
    assert {int(each["id"]) for each in overwrites} == set(targets)
