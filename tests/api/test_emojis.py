"""Emojis of guilds: making, changing, deleting them, their images, and reacting with them (protocol.md §8.7)."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.support.api_world import ADA, CARL, GENERAL, LAB, Api, error_of
from tocsin.model.permissions import DEFAULT, Permission

EMOJIS = f"/guilds/{LAB}/emojis"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (32).to_bytes(4, "big") + (48).to_bytes(4, "big") + b"\x08\x06\0\0\0"
GIF = b"GIF89a" + (8).to_bytes(2, "little") + (9).to_bytes(2, "little") + b"\0\0\0"


def uri(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


async def make(api: Api, name: str = "party", who: str = "ada", guild: int = LAB, data: bytes = PNG) -> Any:
    response = await api.post(f"/guilds/{guild}/emojis", who, {"name": name, "image": uri(data)})
    assert response.status_code == 201, response.text
    return response.json()


async def test_an_emoji_is_made_told_listed_and_its_image_served(api: Api) -> None:
    made = await make(api)
    assert (made["name"], made["animated"], made["user"]["id"]) == ("party", False, str(ADA))
    [(event, body)] = api.bus.take()
    assert (event.name, event.state) == ("GUILD_EMOJIS_UPDATE", True)
    assert body == {"guild_id": str(LAB), "emojis": [{key: value for key, value in made.items() if key != "user"}]}
    moving = await make(api, "moving", data=GIF)
    assert moving["animated"]
    assert [each["name"] for each in (await api.get(EMOJIS, "ada")).json()] == ["party", "moving"]
    seen = (await api.get(f"{EMOJIS}/{made['id']}", "carl")).json()
    assert "user" not in seen
    assert [each["id"] for each in (await api.get(f"/guilds/{LAB}", "carl")).json()["emojis"]] == [
        made["id"],
        moving["id"],
    ]
    image = await api.client.get(f"/content/emojis/{made['id']}.png")
    assert (image.status_code, image.content, image.headers["content-type"]) == (200, PNG, "image/png")
    assert image.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in image.headers["content-security-policy"]
    assert (await api.client.get(f"/content/emojis/{moving['id']}.gif")).headers["content-type"] == "image/gif"


async def test_an_emoji_is_renamed_and_deleted(api: Api) -> None:
    made = await make(api)
    api.bus.take()
    changed = await api.patch(f"{EMOJIS}/{made['id']}", "ada", {"name": "fiesta", "roles": [str(LAB), "7"]})
    assert (changed.json()["name"], changed.json()["roles"]) == ("fiesta", [str(LAB)])
    [(_, body)] = api.bus.take()
    assert [each["name"] for each in body["emojis"]] == ["fiesta"]
    assert (await api.delete(f"{EMOJIS}/{made['id']}", "ada")).status_code == 204
    assert api.bus.take()[0][1] == {"guild_id": str(LAB), "emojis": []}
    assert (await api.client.get(f"/content/emojis/{made['id']}.png")).status_code == 404
    assert error_of(await api.delete(f"{EMOJIS}/{made['id']}", "ada")) == (404, 10014)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "x", "image": uri(PNG)}, "name"),
        ({"name": "no spaces", "image": uri(PNG)}, "name"),
        ({"name": "fine", "image": "http://example.org/a.png"}, "image"),
        ({"name": "fine", "image": uri(b"<svg onload=alert(1)>")}, "image"),
        ({"name": "fine", "image": uri(PNG + bytes(256 * 1024))}, "image"),
        ({"name": "fine", "image": "data:image/png;base64,***"}, "image"),
        ({"name": "fine"}, "image"),
    ],
)
async def test_a_wrong_form_names_the_field(api: Api, body: Any, field: str) -> None:
    response = await api.post(EMOJIS, "ada", body)
    assert error_of(response) == (400, 50035)
    assert field in response.json()["errors"]
    assert api.bus.events == []


async def test_a_guild_has_fifty_of_each_kind(api: Api) -> None:
    for number in range(50):
        await make(api, f"e{number}")
    response = await api.post(EMOJIS, "ada", {"name": "more", "image": uri(PNG)})
    assert error_of(response) == (400, 30008)
    await make(api, "animated", data=GIF)


async def test_who_may_not_is_refused_and_makers_may_change_only_their_own(api: Api) -> None:
    made = await make(api)
    one = f"{EMOJIS}/{made['id']}"
    for method, path, body in (
        ("POST", EMOJIS, {"name": "mine", "image": uri(PNG)}),
        ("PATCH", one, {}),
        ("DELETE", one, None),
    ):
        assert error_of(await api.call(method, path, "carl", json=body)) == (403, 50013)
        assert error_of(await api.call(method, path, "dora", json=body)) == (403, 50001)
    assert error_of(await api.get(EMOJIS, "dora")) == (403, 50001)
    assert error_of(await api.get(one, "dora")) == (403, 50001)
    maker = str(int(DEFAULT | Permission.CREATE_GUILD_EXPRESSIONS))
    await api.patch(f"/guilds/{LAB}/roles/{LAB}", "ada", {"permissions": maker})
    own = await make(api, "own", who="carl")
    assert error_of(await api.delete(one, "carl")) == (403, 50013)
    assert (await api.delete(f"{EMOJIS}/{own['id']}", "carl")).status_code == 204
    assert error_of(await api.patch(f"/guilds/99/emojis/{made['id']}", "ada", {})) == (404, 10004)


async def test_one_reacts_with_emojis_of_guilds_that_one_is_in(api: Api) -> None:
    made = await make(api)
    message = await api.say("hello")
    path = f"/channels/{GENERAL}/messages/{message['id']}/reactions"
    api.bus.take()
    assert (await api.put(f"{path}/anything:{made['id']}/@me", "carl")).status_code == 204
    assert api.bus.take()[0][1]["emoji"] == {"id": made["id"], "name": "party", "animated": False}
    [user] = (await api.get(f"{path}/party:{made['id']}", "ada")).json()
    assert user["id"] == str(CARL)
    annex = (await api.post("/guilds", "dora", {"name": "Annex"})).json()
    other = await make(api, "foreign", who="dora", guild=int(annex["id"]))
    assert error_of(await api.put(f"{path}/foreign:{other['id']}/@me", "carl")) == (400, 10014)
    await api.put(f"/guilds/{annex['id']}/members/{CARL}", "dora", {})
    assert error_of(await api.put(f"{path}/foreign:{other['id']}/@me", "carl")) == (403, 50013)
    await api.patch(f"/guilds/{LAB}/roles/{LAB}", "ada", {"permissions": str(int(DEFAULT))})
    assert (await api.put(f"{path}/foreign:{other['id']}/@me", "carl")).status_code == 204
    assert (await api.delete(f"/guilds/{annex['id']}", "dora")).status_code == 204
    assert (await api.client.get(f"/content/emojis/{other['id']}.png")).status_code == 404
