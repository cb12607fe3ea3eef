"""Webhooks: managing them, and writing by the token alone (protocol.md §8.8)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api_world import ADA, CARL, GENERAL, LAB, READ_ONLY, STAFF_ONLY, STAFF_ROLE, Api, error_of
from tests.support.shapes import FIXTURES, differences
from tocsin.service.webhooks import MAX_WEBHOOKS

HOOKS = f"/channels/{GENERAL}/webhooks"


async def make(api: Api, name: str = "hook", channel: int = GENERAL) -> Any:
    response = await api.post(f"/channels/{channel}/webhooks", "ada", {"name": name})
    assert response.status_code == 200, response.text
    return response.json()


def by_token(hook: Any) -> str:
    return f"/webhooks/{hook['id']}/{hook['token']}"


async def execute(api: Api, hook: Any, **body: Any) -> Any:
    response = await api.post(f"{by_token(hook)}?wait=true", None, body)
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_webhook_is_made_listed_moved_and_deleted(api: Api) -> None:
    hook = await make(api)
    assert differences(FIXTURES["_WEBHOOK"], hook) == []
    assert hook["user"]["id"] == str(ADA)
    [(event, body)] = api.bus.take()
    assert (event.name, event.state) == ("WEBHOOKS_UPDATE", True)
    assert body == {"guild_id": str(LAB), "channel_id": str(GENERAL)}
    one = f"/webhooks/{hook['id']}"
    assert (await api.get(HOOKS, "ada")).json() == (await api.get(f"/guilds/{LAB}/webhooks", "ada")).json() == [hook]
    assert (await api.get(one, "ada")).json() == hook
    moved = await api.patch(one, "ada", {"name": "renamed", "channel_id": str(READ_ONLY)})
    assert (moved.json()["name"], moved.json()["channel_id"]) == ("renamed", str(READ_ONLY))
    assert [body["channel_id"] for _, body in api.bus.take()] == [str(GENERAL), str(READ_ONLY)]
    assert (await api.delete(one, "ada")).status_code == 204
    assert error_of(await api.get(one, "ada")) == (404, 10015)
    assert error_of(await api.post(by_token(hook), None, {"content": "x"})) == (404, 10015)


async def test_whoever_has_the_token_may_read_rename_and_delete(api: Api) -> None:
    hook = await make(api)
    assert (await api.get(by_token(hook))).json() == {key: value for key, value in hook.items() if key != "user"}
    assert (await api.patch(by_token(hook), None, {"name": "mine", "channel_id": "3005"})).json()["name"] == "mine"
    assert (await api.get(by_token(hook))).json()["channel_id"] == str(GENERAL)
    for method in ("GET", "PATCH", "DELETE", "POST"):
        response = await api.call(method, f"/webhooks/{hook['id']}/wrong", json={"content": "x", "name": "x"})
        assert error_of(response) == (401, 50027), method
    assert (await api.delete(by_token(hook))).status_code == 204


async def test_a_webhooks_message_is_its_own(api: Api) -> None:
    hook = await make(api)
    api.bus.take()
    sent = await execute(api, hook, content=f"<@{CARL}> <@&{STAFF_ROLE}> @everyone", username="Alert")
    [(event, body)] = api.bus.take()
    assert (event.name, body) == ("MESSAGE_CREATE", sent)
    author = sent["author"]
    assert (author["id"], author["username"], author["bot"], author["discriminator"]) == (
        hook["id"],
        "Alert",
        True,
        "0000",
    )
    assert sent["webhook_id"] == hook["id"]
    assert "member" not in sent
    assert [each["id"] for each in sent["mentions"]] == [str(CARL)]
    assert (sent["mention_everyone"], sent["mention_roles"]) == (False, [])
    read = (await api.get(f"/channels/{GENERAL}/messages/{sent['id']}", "carl")).json()
    assert (read["author"], read["webhook_id"]) == (author, hook["id"])
    path = f"{by_token(hook)}/messages/{sent['id']}"
    assert (await api.get(path)).json()["author"] == author
    edited = await api.patch(path, None, {"content": "calm @everyone"})
    assert (edited.json()["content"], edited.json()["author"]) == ("calm @everyone", author)
    assert edited.json()["mention_everyone"] is False
    reply = await api.say("answer", "carl", message_reference={"message_id": sent["id"]})
    assert reply["referenced_message"]["author"]["username"] == "Alert"
    foreign = await api.say("mine")
    assert error_of(await api.delete(f"{by_token(hook)}/messages/{foreign['id']}")) == (404, 10008)
    assert error_of(await api.patch(f"/channels/{GENERAL}/messages/{sent['id']}", "carl", {"content": "x"})) == (
        403,
        50005,
    )
    assert (await api.delete(path)).status_code == 204
    assert error_of(await api.get(path)) == (404, 10008)


async def test_without_wait_there_is_no_answer_and_empty_is_refused(api: Api) -> None:
    hook = await make(api)
    assert (await api.post(by_token(hook), None, {"content": "x"})).status_code == 204
    assert error_of(await api.post(by_token(hook), None, {})) == (400, 50006)
    assert error_of(await api.post(f"{by_token(hook)}?thread_id=1", None, {"content": "x"})) == (404, 10003)
    assert error_of(await api.post(f"{by_token(hook)}?thread_id={STAFF_ONLY}", None, {"content": "x"})) == (404, 10003)
    files = {"file": ("a.txt", b"abc", "text/plain"), "payload_json": (None, '{"content":"with a file"}')}
    sent = await api.post(f"{by_token(hook)}?wait=1", None, files=files)
    assert [each["filename"] for each in sent.json()["attachments"]] == ["a.txt"]


async def test_a_webhook_does_not_reply_and_so_reads_nobodys_message(api: Api) -> None:
    hook = await make(api)
    said = await api.say("for members only")
    sent = await execute(api, hook, content="x", message_reference={"message_id": said["id"]})
    assert (sent["type"], "referenced_message" in sent) == (0, False)


@pytest.mark.parametrize("name", ["", " ", "x" * 81, "Clyde", "my discord"])
async def test_some_names_are_not_taken(api: Api, name: str) -> None:
    assert error_of(await api.post(HOOKS, "ada", {"name": name})) == (400, 50035)
    hook = await make(api)
    if name.strip():
        assert error_of(await api.post(by_token(hook), None, {"content": "x", "username": name})) == (400, 50035)


async def test_a_channel_has_only_so_many(api: Api) -> None:
    for _ in range(MAX_WEBHOOKS):
        await make(api)
    assert error_of(await api.post(HOOKS, "ada", {"name": "more"})) == (400, 30007)


async def test_who_may_not_manage_them_never_sees_a_token(api: Api) -> None:
    hook = await make(api)
    one = f"/webhooks/{hook['id']}"
    calls = [
        ("GET", HOOKS),
        ("POST", HOOKS),
        ("GET", f"/guilds/{LAB}/webhooks"),
        ("GET", one),
        ("PATCH", one),
        ("DELETE", one),
    ]
    for method, path in calls:
        for who, code in (("carl", (403, 50013)), ("dora", (403, 50001))):
            response = await api.call(method, path, who, json={"name": "x"})
            assert error_of(response) == code, (method, path, who)
            assert hook["token"] not in response.text
    hidden = await make(api, channel=STAFF_ONLY)
    await api.patch(f"/guilds/{LAB}/roles/{LAB}", "ada", {"permissions": str(1024 | 1 << 29)})
    assert [each["id"] for each in (await api.get(f"/guilds/{LAB}/webhooks", "carl")).json()] == [hook["id"]]
    assert error_of(await api.get(f"/webhooks/{hidden['id']}", "carl")) == (403, 50001)


async def test_a_deleted_channel_takes_its_webhooks_along(api: Api) -> None:
    hook = await make(api)
    await api.delete(f"/channels/{GENERAL}", "ada")
    assert error_of(await api.post(by_token(hook), None, {"content": "x"})) == (404, 10015)
