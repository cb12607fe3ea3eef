"""Pictures of users and guilds: told, kept and served while somebody has them."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from tests.support.api_world import ADA, CARL, GENERAL, LAB, Api, error_of

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (32).to_bytes(4, "big") + (48).to_bytes(4, "big") + b"\x08\x06\0\0\0"
GIF = b"GIF89a" + (8).to_bytes(2, "little") + (9).to_bytes(2, "little") + b"\0\0\0"
WRONG = ("http://example.org/a.png", "data:image/png;base64,***")


def uri(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def kept(api: Api, folder: str) -> int:
    path = Path(api.services.context.settings.data) / "content" / folder
    return len([*path.iterdir()]) if path.exists() else 0


@pytest.mark.parametrize("field", ["avatar", "banner"])
async def test_an_avatar_is_told_kept_and_served_while_the_user_has_it(api: Api, field: str) -> None:
    name = (await api.patch("/users/@me", "carl", {field: uri(PNG)})).json()[field]
    assert re.fullmatch("[0-9a-f]{32}", name)
    (own, own_body), (member, member_body) = api.bus.take()
    assert (own.name, own_body[field]) == ("USER_UPDATE", name)
    assert (member.name, member_body["user"][field]) == ("GUILD_MEMBER_UPDATE", name)
    assert (await api.get(f"/users/{CARL}", "ada")).json()[field] == name
    assert (await api.say("hello", "carl"))["author"][field] == name
    path = f"/content/{field}s/{CARL}"
    served = await api.client.get(f"{path}/{name}.png")
    assert (served.status_code, served.content, served.headers["content-type"]) == (200, PNG, "image/png")
    assert served.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in served.headers["content-security-policy"]
    for other in (f"{path}/{'0' * 32}.png", f"/content/{field}s/{ADA}/{name}.png", f"{path}/a_{name}.png"):
        assert error_of(await api.client.get(other)) == (404, 10013)
    moving = (await api.patch("/users/@me", "carl", {field: uri(GIF)})).json()[field]
    assert moving.startswith("a_")
    assert (await api.client.get(f"{path}/{name}.png")).status_code == 404
    assert (await api.client.get(f"{path}/{moving}.gif")).headers["content-type"] == "image/gif"
    assert kept(api, f"{field}s") == 1
    assert (await api.patch("/users/@me", "carl", {field: None})).json()[field] is None
    assert (await api.client.get(f"{path}/{moving}.gif")).status_code == 404
    assert kept(api, f"{field}s") == 0


async def test_what_is_no_picture_changes_nothing_and_leaves_nothing(api: Api) -> None:
    for wrong in (*WRONG, uri(b"<svg onload=alert(1)>"), uri(PNG + bytes(1024 * 1024))):
        for path, field in (("/users/@me", "avatar"), (f"/guilds/{LAB}", "icon")):
            response = await api.patch(path, "ada", {field: wrong})
            assert (error_of(response), [*response.json()["errors"]]) == ((400, 50035), [field])
    both = {"avatar": uri(PNG), "banner": uri(b"nothing")}
    assert error_of(await api.patch("/users/@me", "ada", both)) == (400, 50035)
    assert error_of(await api.patch("/users/@me", "ada", {"avatar": uri(PNG), "username": "carl"})) == (400, 50035)
    assert error_of(await api.patch(f"/guilds/{LAB}", "carl", {"icon": uri(PNG)})) == (403, 50013)
    assert api.bus.take() == []
    assert [kept(api, folder) for folder in ("avatars", "banners", "icons")] == [0, 0, 0]


@pytest.mark.parametrize(
    ("field", "served_as", "folder"),
    [
        ("splash", "splashes", "splashes"),
        ("discovery_splash", "discovery-splashes", "discoverysplashes"),
        ("banner", "banners", "guildbanners"),
    ],
)
async def test_a_guild_s_other_pictures_are_told_kept_and_served_as_its_icon(
    api: Api, field: str, served_as: str, folder: str
) -> None:
    name = (await api.patch(f"/guilds/{LAB}", "ada", {field: uri(PNG)})).json()[field]
    [(event, body)] = api.bus.take()
    assert (event.name, body[field]) == ("GUILD_UPDATE", name)
    path = f"/content/{served_as}/{LAB}"
    served = await api.client.get(f"{path}/{name}.png")
    assert (served.status_code, served.content) == (200, PNG)
    assert (await api.client.get(f"{path}/{'0' * 32}.png")).status_code == 404
    assert (await api.client.get(f"/content/icons/{LAB}/{name}.png")).status_code == 404
    both = {"icon": uri(PNG), field: uri(b"nothing")}
    assert error_of(await api.patch(f"/guilds/{LAB}", "ada", both)) == (400, 50035)
    assert (kept(api, "icons"), kept(api, folder)) == (0, 1)
    assert (await api.client.get(f"{path}/{name}.png")).status_code == 200
    assert (await api.patch(f"/guilds/{LAB}", "ada", {field: uri(GIF)})).json()[field].startswith("a_")
    assert kept(api, folder) == 1
    assert (await api.patch(f"/guilds/{LAB}", "ada", {field: None})).json()[field] is None
    assert kept(api, folder) == 0
    made = (await api.post("/guilds", "carl", {"name": "New", field: uri(PNG)})).json()
    assert (await api.client.get(f"/content/{served_as}/{made['id']}/{made[field]}.png")).content == PNG
    assert (await api.delete(f"/guilds/{made['id']}", "carl")).status_code == 204
    assert kept(api, folder) == 0


async def test_a_guild_s_icon_is_told_kept_and_served_while_the_guild_has_it(api: Api) -> None:
    name = (await api.patch(f"/guilds/{LAB}", "ada", {"icon": uri(PNG)})).json()["icon"]
    [(event, body)] = api.bus.take()
    assert (event.name, body["icon"]) == ("GUILD_UPDATE", name)
    [mine] = (await api.get("/users/@me/guilds", "carl")).json()
    assert (mine["icon"], (await api.get(f"/guilds/{LAB}", "carl")).json()["icon"]) == (name, name)
    path = f"/content/icons/{LAB}"
    served = await api.client.get(f"{path}/{name}.webp")
    assert (served.status_code, served.content, served.headers["content-type"]) == (200, PNG, "image/png")
    assert error_of(await api.client.get(f"{path}/{'0' * 32}.png")) == (404, 10004)
    assert (await api.patch(f"/guilds/{LAB}", "ada", {"name": "Laboratory"})).json()["icon"] == name
    assert (await api.client.get(f"{path}/{name}.png")).status_code == 200
    other = (await api.patch(f"/guilds/{LAB}", "ada", {"icon": uri(GIF)})).json()["icon"]
    assert kept(api, "icons") == 1
    made = (await api.post("/guilds", "carl", {"name": "New", "icon": uri(PNG)})).json()
    assert (await api.client.get(f"/content/icons/{made['id']}/{made['icon']}.png")).content == PNG
    assert (await api.delete(f"/guilds/{LAB}", "ada")).status_code == 204
    assert (await api.client.get(f"{path}/{other}.gif")).status_code == 404
    assert kept(api, "icons") == 1


async def test_a_webhooks_avatar_is_shown_with_what_it_writes_and_served_while_it_has_it(api: Api) -> None:
    made = (await api.post(f"/channels/{GENERAL}/webhooks", "ada", {"name": "hook", "avatar": uri(PNG)})).json()
    name, by_token = made["avatar"], f"/webhooks/{made['id']}/{made['token']}"
    assert re.fullmatch("[0-9a-f]{32}", name)
    sent = (await api.post(f"{by_token}?wait=true", None, {"content": "x"})).json()
    assert (sent["author"]["avatar"], api.bus.take()[-1][1]["author"]["avatar"]) == (name, name)
    path = f"/content/avatars/{made['id']}"
    served = await api.client.get(f"{path}/{name}.png")
    assert (served.status_code, served.content) == (200, PNG)
    assert error_of(await api.client.get(f"{path}/{'0' * 32}.png")) == (404, 10013)
    moving = (await api.patch(by_token, None, {"avatar": uri(GIF)})).json()["avatar"]
    assert moving.startswith("a_")
    read = (await api.get(f"/channels/{GENERAL}/messages/{sent['id']}", "ada")).json()
    assert read["author"]["avatar"] == moving
    assert (await api.patch(f"/webhooks/{made['id']}", "ada", {"name": "other"})).json()["avatar"] == moving
    for wrong in (*WRONG, uri(PNG + bytes(1024 * 1024))):
        refused = await api.patch(by_token, None, {"avatar": wrong, "name": "third"})
        assert (error_of(refused), [*refused.json()["errors"]]) == ((400, 50035), ["avatar"])
    assert (await api.get(by_token)).json()["name"] == "other"
    assert kept(api, "webhookavatars") == 1
    assert (await api.patch(by_token, None, {"avatar": None})).json()["avatar"] is None
    assert kept(api, "webhookavatars") == 0


@pytest.mark.parametrize("gone", ["webhook", "channel", "guild"])
async def test_a_webhooks_avatar_goes_with_all_that_held_it(api: Api, gone: str) -> None:
    made = (await api.post(f"/channels/{GENERAL}/webhooks", "ada", {"name": "hook", "avatar": uri(PNG)})).json()
    assert kept(api, "webhookavatars") == 1
    path = {"webhook": f"/webhooks/{made['id']}", "channel": f"/channels/{GENERAL}", "guild": f"/guilds/{LAB}"}[gone]
    assert (await api.delete(path, "ada")).status_code in (200, 204)
    assert kept(api, "webhookavatars") == 0
    assert (await api.client.get(f"/content/avatars/{made['id']}/{made['avatar']}.png")).status_code == 404
