"""Attachments: files of messages, how they are named, limited, served and let go of (protocol.md §8.3)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.api_world import GENERAL, LAB, Api, MakeApi, error_of
from tests.support.shapes import FIXTURES, differences
from tocsin.config import Settings
from tocsin.service.attachments import SWEEP_AFTER_MS, safe_name, type_of

MESSAGES = f"/channels/{GENERAL}/messages"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (32).to_bytes(4, "big") + (48).to_bytes(4, "big") + b"\x08\x06\0\0\0"
TEXT = ("a.txt", b"abc", "text/plain")
File = tuple[str, bytes, str]


def form(payload: Any, *files: File) -> dict[str, Any]:
    parts: dict[str, Any] = {f"files[{index}]": file for index, file in enumerate(files)}
    return {"payload_json": (None, json.dumps(payload), "application/json"), **parts}


async def send(api: Api, payload: Any, *files: File, who: str = "carl") -> Any:
    response = await api.post(MESSAGES, who, files=form(payload, *files))
    assert response.status_code == 200, response.text
    return response.json()


async def fetch(api: Api, attachment: Any) -> Any:
    assert attachment["url"] == attachment["proxy_url"]
    return await api.client.get(attachment["url"])


async def test_files_are_kept_told_and_served(api: Api) -> None:
    note = {"id": 1, "filename": "renamed.png", "description": "a picture"}
    sent = await send(api, {"content": "look", "attachments": [note]}, TEXT, ("x.png", PNG, "image/png"))
    [(event, body)] = api.bus.take()
    assert event.name == "MESSAGE_CREATE"
    assert body["attachments"] == sent["attachments"]
    assert differences(FIXTURES["MESSAGE_CREATE"]["attachments"], sent["attachments"]) == []
    text, picture = sent["attachments"]
    assert (text["filename"], text["size"], text["content_type"]) == ("a.txt", 3, "text/plain")
    assert (picture["filename"], picture["width"], picture["height"]) == ("renamed.png", 32, 48)
    assert picture["description"] == "a picture"
    served = await fetch(api, picture)
    assert (served.content, served.headers["content-type"]) == (PNG, "image/png")
    assert served.headers["content-disposition"].startswith("inline")
    read = (await api.get(f"{MESSAGES}/{sent['id']}", "ada")).json()
    assert read["attachments"] == sent["attachments"]


@pytest.mark.parametrize("name", ["page.html", "picture.svg", "script.js", "unknown", "a.txt"])
async def test_what_could_be_a_page_is_a_download_without_rights(api: Api, name: str) -> None:
    sent = await send(api, {}, (name, b"<script>alert(1)</script>", "text/html"))
    served = await fetch(api, sent["attachments"][0])
    assert served.headers["content-type"] == "application/octet-stream"
    assert served.headers["content-disposition"].startswith("attachment")
    assert served.headers["x-content-type-options"] == "nosniff"
    assert served.headers["content-security-policy"] == "default-src 'none'; sandbox"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\windows\\a b.txt", "a_b.txt"),
        (".bashrc", "bashrc"),
        ("..", "unknown"),
        ('x";\r\nSet-Cookie: a=b.txt', "x_Set-Cookie_a_b.txt"),
        ("grüße.txt", "grüße.txt"),
        ("a" * 200 + ".tar", "a" * 96 + ".tar"),
    ],
)
def test_names_are_made_safe(given: str, kept: str) -> None:
    assert safe_name(given) == kept


def test_a_type_is_guessed_from_the_name_or_taken_when_it_is_one() -> None:
    assert type_of("a.png", "text/html") == "image/png"
    assert type_of("a.zzz", "application/x-own; q=1") == "application/x-own"
    assert type_of("a.zzz", "not a type\r\n") == "application/octet-stream"


async def test_only_the_whole_url_opens_a_file(api: Api) -> None:
    attachment = (await send(api, {}, TEXT))["attachments"][0]
    url = attachment["url"]
    bare, _, key = url.partition("?key=")
    for wrong in (bare, f"{bare}?key={key[:-1]}", url.replace("a.txt", "b.txt"), url.replace(str(GENERAL), "3002")):
        assert (await api.client.get(wrong)).status_code == 404, wrong


async def test_there_are_limits_of_size_and_number(make_api: MakeApi, tmp_path: Any) -> None:
    settings = Settings(global_rate_limit=0, message_rate_limit=0, data=str(tmp_path), attachment_max_bytes=10)
    api = await make_api(settings)
    response = await api.post(MESSAGES, "ada", files=form({}, ("a.txt", b"x" * 11, "text/plain")))
    assert error_of(response) == (413, 40005)
    assert error_of(await api.post(MESSAGES, "ada", files=form({}, *[TEXT] * 11))) == (400, 30015)
    assert len((await send(api, {}, *[TEXT] * 10))["attachments"]) == 10
    note = {"id": 0, "description": "x" * 1025}
    assert error_of(await api.post(MESSAGES, "ada", files=form({"attachments": [note]}, TEXT))) == (400, 50035)
    assert [event.name for event, _ in api.bus.take()] == ["MESSAGE_CREATE"]


async def test_files_need_the_permission_and_a_message_needs_no_more_than_a_file(api: Api) -> None:
    sent = await send(api, {}, TEXT)
    assert sent["content"] == ""
    await api.patch(f"/guilds/{LAB}/roles/{LAB}", "ada", {"permissions": str(1024 | 2048)})
    assert error_of(await api.post(MESSAGES, "carl", files=form({"content": "x"}, TEXT))) == (403, 50013)
    await api.say("words alone", "carl")


async def test_an_embed_links_the_file_it_names(api: Api) -> None:
    embed = {
        "title": "t",
        "image": {"url": "attachment://x.png"},
        "footer": {"text": "f", "icon_url": "attachment://x.png"},
    }
    sent = await send(api, {"embeds": [embed]}, ("x.png", PNG, "image/png"), TEXT)
    assert [each["filename"] for each in sent["attachments"]] == ["a.txt"]
    url = sent["embeds"][0]["image"]["url"]
    assert sent["embeds"][0]["footer"]["icon_url"] == url
    assert (await api.client.get(url)).content == PNG


async def test_an_edit_keeps_what_it_lists_and_adds_files(api: Api) -> None:
    first, second = (await send(api, {"content": "x"}, TEXT, ("b.txt", b"b", "text/plain")))["attachments"]
    message = (await api.get(MESSAGES, "carl")).json()[0]["id"]
    keep = {"attachments": [{"id": second["id"]}, {"id": 0, "description": "new"}]}
    edited = await api.patch(f"{MESSAGES}/{message}", "carl", files=form(keep, ("c.txt", b"c", "text/plain")))
    assert edited.status_code == 200, edited.text
    assert [each["filename"] for each in edited.json()["attachments"]] == ["b.txt", "c.txt"]
    assert edited.json()["attachments"][1]["description"] == "new"
    assert [(await fetch(api, each)).status_code for each in (first, second)] == [404, 200]
    assert (await fetch(api, edited.json()["attachments"][1])).content == b"c"
    untouched = await api.patch(f"{MESSAGES}/{message}", "carl", {"content": "y"})
    assert len(untouched.json()["attachments"]) == 2
    emptied = await api.patch(f"{MESSAGES}/{message}", "carl", {"attachments": []})
    assert emptied.json()["attachments"] == []


async def test_a_deleted_messages_file_is_gone_at_once_and_swept_later(api: Api, tmp_path: Any) -> None:
    sent = await send(api, {}, TEXT)
    kept = (await send(api, {}, TEXT))["attachments"][0]
    attachment = sent["attachments"][0]
    file = tmp_path / "content" / "attachments" / attachment["id"]
    assert file.read_bytes() == b"abc"
    await api.delete(f"{MESSAGES}/{sent['id']}", "carl")
    assert (await fetch(api, attachment)).status_code == 404
    assert await api.services.attachments.sweep() == 0
    api.clock.advance(SWEEP_AFTER_MS + 1)
    assert await api.services.attachments.sweep() == 1
    assert not file.exists()
    assert (await fetch(api, kept)).status_code == 200


async def test_a_deleted_channel_lets_go_of_its_files(api: Api) -> None:
    attachment = (await send(api, {}, TEXT))["attachments"][0]
    assert (await api.delete(f"/channels/{GENERAL}", "ada")).status_code == 200
    assert (await fetch(api, attachment)).status_code == 404


async def test_a_bot_without_message_content_gets_no_file_of_others(api: Api) -> None:
    sent = await send(api, {"content": "x"}, TEXT)
    assert (await api.get(f"{MESSAGES}/{sent['id']}", "eddy")).json()["attachments"] == []
