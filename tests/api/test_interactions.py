"""Application commands and interactions: registered by a bot, used by a person, answered by the bot."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.api.test_attachments import TEXT, form
from tests.support.api_world import (
    ADA,
    BELL,
    CARL,
    DORA,
    GENERAL,
    LAB,
    STAFF_ONLY,
    STAFF_ROLE,
    Api,
    MakeApi,
    error_of,
)
from tocsin.config import Settings
from tocsin.service.attachments import SWEEP_AFTER_MS

APP = 1002
GLOBAL = f"/applications/{APP}/commands"
LOCAL = f"/applications/{APP}/guilds/{LAB}/commands"
PING: dict[str, Any] = {"name": "ping", "description": "Answer"}
BUTTON = [{"type": 1, "components": [{"type": 2, "style": 1, "label": "go", "custom_id": "go"}]}]


def told(api: Api, name: str) -> list[tuple[tuple[int, ...], Any]]:
    """The ephemeral events of a name: for whom, and what."""
    return [(event.users, msgspec.json.decode(event.body)) for event in api.bus.ephemeral if event.name == name]


async def register(api: Api, where: str = GLOBAL, **fields: Any) -> Any:
    response = await api.post(where, "bell", {**PING, **fields})
    assert response.status_code in (200, 201), response.text
    return response.json()


async def use(api: Api, who: str = "carl", *, channel: int = GENERAL, kind: int = 2, **data: Any) -> Any:
    """Use a command or a component; return what the bot got."""
    message_id = data.pop("message_id", None)
    body: dict[str, Any] = {"type": kind, "application_id": str(APP), "channel_id": str(channel), "data": data}
    body |= {"nonce": "n", **({} if message_id is None else {"message_id": message_id})}
    response = await api.post("/interactions", who, body)
    assert response.status_code == 204, response.text
    seen = [body for users, body in told(api, "INTERACTION_CREATE") if users == (BELL,)]
    return seen[-1]


async def answer(api: Api, got: Any, kind: int = 4, **data: Any) -> Any:
    path = f"/interactions/{got['id']}/{got['token']}/callback?with_response=true"
    return await api.post(path, None, {"type": kind, "data": data})


async def contents(api: Api, who: str = "carl") -> list[str]:
    return [each["content"] for each in (await api.get(f"/channels/{GENERAL}/messages", who)).json()]


# -- registering


async def test_a_command_is_registered_listed_changed_and_removed(api: Api) -> None:
    made = await api.post(GLOBAL, "bell", {**PING, "options": [{"type": 3, "name": "who", "description": "w"}]})
    assert made.status_code == 201
    command = made.json()
    assert command["name"] == "ping"
    assert (command["type"], command["application_id"], command["options"][0]["name"]) == (1, str(APP), "who")
    again = await api.post(GLOBAL, "bell", {**PING, "description": "Anew"})
    assert (again.status_code, again.json()["id"], again.json()["description"]) == (200, command["id"], "Anew")
    assert [each["id"] for each in (await api.get(GLOBAL, "bell")).json()] == [command["id"]]
    one = f"{GLOBAL}/{command['id']}"
    changed = (await api.patch(one, "bell", {"description": "Other"})).json()
    assert (changed["name"], changed["description"]) == ("ping", "Other")
    assert changed["version"] != command["version"]
    assert (await api.get(one, "bell")).json() == changed
    assert (await api.delete(one, "bell")).status_code == 204
    assert error_of(await api.get(one, "bell")) == (404, 10063)


async def test_all_commands_are_replaced_at_once_and_keep_their_ids(api: Api) -> None:
    first = await register(api, LOCAL)
    await register(api, LOCAL, name="gone")
    response = await api.put(LOCAL, "bell", [PING, {"type": 3, "name": "Read It"}])
    assert [(each["name"], each["type"], each["guild_id"]) for each in response.json()] == [
        ("ping", 1, str(LAB)),
        ("Read It", 3, str(LAB)),
    ]
    assert response.json()[0]["id"] == first["id"]
    assert len((await api.get(LOCAL, "bell")).json()) == 2
    assert (await api.get(GLOBAL, "bell")).json() == []


@pytest.mark.parametrize(
    "body",
    [
        {"name": "Ping", "description": "x"},
        {"name": "a b", "description": "x"},
        {"name": "x" * 33, "description": "x"},
        {"name": "x", "description": ""},
        {"name": "x", "type": 2, "description": "x"},
        {"name": "x", "type": 9, "description": "x"},
        {"name": "x", "description": "x", "options": [{"type": 99, "name": "a", "description": "b"}]},
        {"name": "x", "description": "x", "options": [{"type": 3, "name": "a", "description": "b"}] * 2},
        {"name": "x", "description": "x", "options": "none"},
        {"name": "x", "description": "x", "default_member_permissions": "all"},
        {
            "name": "x",
            "description": "x",
            "options": [
                {"type": 3, "name": "a", "description": "b"},
                {"type": 3, "name": "c", "description": "d", "required": True},
            ],
        },
    ],
)
async def test_a_command_that_cannot_be_is_refused(api: Api, body: dict[str, Any]) -> None:
    assert error_of(await api.post(GLOBAL, "bell", body)) == (400, 50035)
    assert (await api.get(GLOBAL, "bell")).json() == []


async def test_there_are_limits_and_nobody_registers_for_another(api: Api) -> None:
    many = [{**PING, "name": f"c{number}"} for number in range(101)]
    assert error_of(await api.put(GLOBAL, "bell", many)) == (400, 30032)
    assert error_of(await api.post(GLOBAL, "eddy", PING)) == (403, 20012)
    assert error_of(await api.post(GLOBAL, "ada", PING)) == (403, 20012)
    assert error_of(await api.post(f"/applications/{APP}/guilds/99/commands", "bell", PING)) == (403, 50001)


async def test_a_person_finds_the_commands_of_the_bots_that_are_there(api: Api) -> None:
    everywhere = await register(api)
    here = await register(api, LOCAL, name="here")
    index = f"/guilds/{LAB}/application-command-index"
    found = (await api.get(index, "carl")).json()
    assert [each["id"] for each in found["application_commands"]] == [everywhere["id"], here["id"]]
    assert found["applications"] == [{"id": str(APP), "name": "bell", "bot_id": str(BELL)}]
    assert error_of(await api.get(index, "dora")) == (403, 50001)
    await api.delete(f"/guilds/{LAB}/members/{BELL}", "ada")
    assert (await api.get(index, "carl")).json() == {"applications": [], "application_commands": []}


# -- using


async def test_the_bot_gets_the_whole_interaction_and_the_person_only_its_id(api: Api) -> None:
    options = [
        {"type": 6, "name": "who", "description": "w", "required": True},
        {"type": 8, "name": "role", "description": "r"},
        {"type": 7, "name": "room", "description": "c"},
    ]
    command = await register(api, options=options)
    got = await use(
        api,
        id=command["id"],
        name="ping",
        options=[
            {"type": 6, "name": "who", "value": str(ADA)},
            {"type": 8, "name": "role", "value": str(STAFF_ROLE)},
            {"type": 7, "name": "room", "value": str(STAFF_ONLY)},
        ],
    )
    assert (got["type"], got["application_id"], got["channel_id"], got["guild_id"]) == (
        2,
        str(APP),
        str(GENERAL),
        str(LAB),
    )
    assert (got["member"]["user"]["id"], got["context"], got["version"]) == (str(CARL), 0, 1)
    assert int(got["member"]["permissions"])
    assert int(got["app_permissions"])
    resolved = got["data"]["resolved"]
    assert list(resolved["users"]) == list(resolved["members"]) == [str(ADA)]
    assert list(resolved["roles"]) == [str(STAFF_ROLE)]
    assert "channels" not in resolved, "the person does not see that one"
    own = [body for users, body in told(api, "INTERACTION_CREATE") if users == (CARL,)]
    assert own == [{"id": got["id"], "nonce": "n"}]


async def test_options_are_checked_against_the_command(api: Api) -> None:
    choices = [{"name": "A", "value": "a"}]
    await register(api, options=[{"type": 3, "name": "what", "description": "w", "required": True, "choices": choices}])
    body = {"type": 2, "application_id": str(APP), "channel_id": str(GENERAL)}
    for options in (
        [],
        [{"type": 3, "name": "other", "value": "a"}],
        [{"type": 4, "name": "what", "value": 1}],
        [{"type": 3, "name": "what", "value": 1}],
        [{"type": 3, "name": "what", "value": "b"}],
        "none",
    ):
        response = await api.post("/interactions", "carl", {**body, "data": {"name": "ping", "options": options}})
        assert error_of(response) == (400, 50035), options
    got = await use(api, name="ping", options=[{"type": 3, "name": "what", "value": "a"}])
    assert got["data"]["options"] == [{"type": 3, "name": "what", "value": "a"}]


async def test_only_who_may_use_a_command_uses_it(api: Api) -> None:
    await register(api, name="mods", default_member_permissions="8192")
    await register(api, name="admins", default_member_permissions="0")
    body: dict[str, Any] = {"type": 2, "application_id": str(APP), "channel_id": str(GENERAL)}
    for name in ("mods", "admins"):
        response = await api.post("/interactions", "carl", {**body, "data": {"name": name}})
        assert error_of(response) == (403, 50013)
        assert (await use(api, "ada", name=name))["data"]["name"] == name
    unseen = {**body, "channel_id": str(STAFF_ONLY), "data": {"name": "mods"}}
    assert error_of(await api.post("/interactions", "carl", unseen)) == (403, 50001)
    assert error_of(await api.post("/interactions", "dora", {**body, "data": {"name": "mods"}})) == (403, 50001)
    assert error_of(await api.post("/interactions", "bell", {**body, "data": {"name": "mods"}})) == (403, 20001)
    assert error_of(await api.post("/interactions", "ada", {**body, "data": {"name": "none"}})) == (404, 10063)
    other = {**body, "application_id": "77", "data": {"name": "mods"}}
    assert error_of(await api.post("/interactions", "ada", other)) == (404, 10002)


async def test_a_bot_that_left_is_not_asked(api: Api) -> None:
    await register(api)
    await api.delete(f"/guilds/{LAB}/members/{BELL}", "ada")
    body = {"type": 2, "application_id": str(APP), "channel_id": str(GENERAL), "data": {"name": "ping"}}
    assert error_of(await api.post("/interactions", "carl", body)) == (404, 10002)


# -- answering


async def test_a_message_answers_and_says_whom(api: Api) -> None:
    await register(api)
    got = await use(api, name="ping")
    api.bus.take()
    response = await answer(api, got, content="pong <@1004>")
    assert response.status_code == 200, response.text
    sent = response.json()["resource"]["message"]
    assert (sent["author"]["id"], sent["type"], sent["content"]) == (str(BELL), 20, "pong <@1004>")
    assert (sent["application_id"], sent["webhook_id"]) == (str(APP), str(APP))
    assert sent["interaction_metadata"]["id"] == got["id"]
    assert sent["interaction_metadata"]["user"]["id"] == str(CARL)
    assert sent["interaction"]["name"] == "ping"
    ((event, created),) = api.bus.take("MESSAGE_CREATE")
    assert event.users == ()
    assert created["interaction_metadata"] == sent["interaction_metadata"]
    (listed,) = (await api.get(f"/channels/{GENERAL}/messages", "ada")).json()
    assert listed["interaction_metadata"] == sent["interaction_metadata"]
    assert told(api, "INTERACTION_SUCCESS") == [((CARL,), {"id": got["id"], "nonce": "n"})]
    assert error_of(await answer(api, got, content="again")) == (400, 40060)


async def test_an_answer_needs_its_token_and_comes_in_time(api: Api) -> None:
    await register(api)
    got = await use(api, name="ping")
    assert error_of(await answer(api, {**got, "token": "guess"}, content="x")) == (404, 10062)
    assert error_of(await answer(api, {**got, "id": "99"}, content="x")) == (404, 10062)
    api.clock.advance(3_001)
    assert error_of(await answer(api, got, content="late")) == (404, 10062)
    assert await contents(api) == []


@pytest.fixture
async def apis(make_api: MakeApi, tmp_path: Path) -> list[Api]:
    """Two nodes over one database, at which answers are due in a tenth of a second."""
    settings = Settings(global_rate_limit=0, message_rate_limit=0, data=str(tmp_path), interaction_timeout_ms=100)
    return [await make_api(settings), await make_api(settings)]


async def failures(api: Api) -> list[Any]:
    """What is told of interactions that nobody answered, once anything is."""
    while not told(api, "INTERACTION_FAILURE"):
        api.bus.heard.clear()
        await api.bus.heard.wait()
    return [body["id"] for _, body in told(api, "INTERACTION_FAILURE")]


@pytest.mark.parametrize(("kind", "data"), [(4, {"content": "x"}), (4, {"content": "x", "flags": 64}), (5, {})])
async def test_what_another_node_answered_is_no_failure(apis: list[Api], kind: int, data: Any) -> None:
    here, there = apis
    await register(here)
    answered = await use(here, name="ping")
    assert (await answer(there, answered, kind, **data)).status_code == 200
    assert told(there, "INTERACTION_SUCCESS") == [((CARL,), {"id": answered["id"], "nonce": "n"})]
    forgotten = await use(here, name="ping")
    assert await failures(here) == [forgotten["id"]]


async def test_after_the_failure_is_told_no_node_takes_an_answer(apis: list[Api]) -> None:
    here, there = apis
    await register(here)
    got = await use(here, name="ping")
    assert await failures(here) == [got["id"]]
    # The other node's clock is behind: what is stored decides.
    for each in (here, there):
        assert error_of(await answer(each, got, content="late")) == (404, 10062)
    hook = f"/webhooks/{APP}/{got['token']}"
    assert error_of(await there.post(hook, None, {"content": "late"})) == (404, 10015)
    assert await contents(here) == []


async def test_of_two_answers_at_two_nodes_one_is_taken(apis: list[Api]) -> None:
    here = apis[0]
    await register(here)
    for number, flags in enumerate((0, 64)):
        got = await use(here, name="ping")
        tries = await asyncio.gather(*(answer(each, got, content=str(number), flags=flags) for each in apis))
        assert sorted(each.status_code for each in tries) == [200, 400]
        assert [error_of(each) for each in tries if each.status_code == 400] == [(400, 40060)]
    assert await contents(here) == ["0"]


async def test_of_two_messages_after_a_deferral_one_takes_its_place(apis: list[Api]) -> None:
    here, there = apis
    await register(here)
    got = await use(here, name="ping")
    await answer(there, got, 5)
    hook = f"/webhooks/{APP}/{got['token']}"
    sent = await asyncio.gather(*(each.post(hook, None, {"content": "done"}) for each in apis))
    assert [each.status_code for each in sent] == [200, 200]
    assert await contents(here) == ["done", "done"]


async def test_a_deferred_message_loads_until_it_is_edited(api: Api) -> None:
    await register(api)
    got = await use(api, name="ping")
    assert (await answer(api, got, 5)).status_code == 200
    (loading,) = (await api.get(f"/channels/{GENERAL}/messages", "carl")).json()
    assert (loading["content"], loading["flags"]) == ("", 128)
    hook = f"/webhooks/{APP}/{got['token']}"
    api.clock.advance(60_000)
    done = await api.patch(f"{hook}/messages/@original", None, {"content": "done"})
    assert done.status_code == 200, done.text
    assert (done.json()["content"], done.json()["flags"], done.json()["edited_timestamp"]) == ("done", 0, None)
    assert (await api.get(f"{hook}/messages/@original")).json()["id"] == loading["id"]
    more = (await api.post(hook, None, {"content": "more"})).json()
    assert await contents(api) == ["more", "done"]
    assert (await api.patch(f"{hook}/messages/{more['id']}", None, {"content": "most"})).json()["content"] == "most"
    assert (await api.delete(f"{hook}/messages/{more['id']}")).status_code == 204
    assert (await api.delete(f"{hook}/messages/@original")).status_code == 204
    assert await contents(api) == []
    api.clock.advance(15 * 60_000)
    assert error_of(await api.post(hook, None, {"content": "late"})) == (404, 10015)


async def test_the_first_message_after_a_deferral_takes_its_place(api: Api) -> None:
    await register(api)
    got = await use(api, name="ping")
    await answer(api, got, 5)
    sent = await api.post(f"/webhooks/{APP}/{got['token']}", None, {"content": "done"})
    assert (sent.status_code, sent.json()["flags"]) == (200, 0)
    assert await contents(api) == ["done"]


async def test_a_hidden_answer_is_for_the_person_alone(api: Api) -> None:
    await register(api)
    got = await use(api, name="ping")
    api.bus.take()
    sent = (await answer(api, got, content="psst", flags=64)).json()["resource"]["message"]
    assert (sent["content"], sent["flags"]) == ("psst", 64)
    assert api.bus.take("MESSAGE_CREATE") == []
    assert [users for users, body in told(api, "MESSAGE_CREATE")] == [(CARL, BELL)]
    for who in ("ada", "carl", "bell"):
        assert await contents(api, who) == []
        assert error_of(await api.get(f"/channels/{GENERAL}/messages/{sent['id']}", who)) == (404, 10008)
    channel = (await api.get(f"/channels/{GENERAL}", "ada")).json()
    assert channel["last_message_id"] is None
    hook = f"/webhooks/{APP}/{got['token']}/messages/@original"
    assert (await api.patch(hook, None, {"content": "hush"})).json()["content"] == "hush"
    assert (await api.get(hook)).json()["content"] == "hush"
    assert [body["content"] for _, body in told(api, "MESSAGE_UPDATE")] == ["hush"]
    assert (await api.delete(hook)).status_code == 204
    assert [(users, body["id"]) for users, body in told(api, "MESSAGE_DELETE")] == [((CARL, BELL), sent["id"])]
    assert error_of(await api.get(hook)) == (404, 10008)


async def test_a_hidden_answer_has_files_that_go_with_it(api: Api) -> None:
    await register(api)
    got = await use(api, name="ping")
    callback = f"/interactions/{got['id']}/{got['token']}/callback?with_response=true"
    data = {"flags": 64, "attachments": [{"id": 0, "description": "a secret"}]}
    response = await api.post(callback, None, files=form({"type": 4, "data": data}, TEXT))
    assert response.status_code == 200, response.text
    [file] = response.json()["resource"]["message"]["attachments"]
    assert (file["filename"], file["description"], file["ephemeral"]) == ("a.txt", "a secret", True)
    [(users, created)] = told(api, "MESSAGE_CREATE")
    assert (users, created["attachments"]) == ((CARL, BELL), [file])
    assert (await api.client.get(file["url"])).content == b"abc"
    hook = f"/webhooks/{APP}/{got['token']}"
    edit = form({"content": "more", "attachments": [{"id": file["id"]}, {"id": 0}]}, ("b.txt", b"b", "text/plain"))
    edited = await api.patch(f"{hook}/messages/@original", None, files=edit)
    first, second = edited.json()["attachments"]
    assert (first, second["filename"], second["ephemeral"]) == (file, "b.txt", True)
    only = await api.patch(f"{hook}/messages/@original", None, {"attachments": [{"id": second["id"]}]})
    assert only.json()["attachments"] == [second]
    assert [(await api.client.get(each["url"])).status_code for each in (first, second)] == [404, 200]
    assert error_of(await api.patch(f"{hook}/messages/@original", None, {"content": "", "attachments": []})) == (
        400,
        50006,
    )
    more = await api.post(hook, None, files=form({"flags": 64}, TEXT))
    [third] = more.json()["attachments"]
    assert (await api.delete(f"{hook}/messages/{more.json()['id']}")).status_code == 204
    assert [(await api.client.get(each["url"])).status_code for each in (second, third)] == [200, 404]
    assert await contents(api) == []


async def test_the_files_of_a_hidden_answer_are_swept_when_its_interaction_is_over(api: Api, tmp_path: Path) -> None:
    await register(api)
    got = await use(api, name="ping")
    await answer(api, got, 5, flags=64)
    sent = await api.post(f"/webhooks/{APP}/{got['token']}", None, files=form({"content": "done"}, TEXT))
    [file] = sent.json()["attachments"]
    assert (sent.json()["flags"], (await api.client.get(file["url"])).status_code) == (64, 200)
    api.clock.advance(15 * 60_000 + 1)
    await api.services.interactions.prune(api.clock())
    assert (await api.client.get(file["url"])).status_code == 404
    api.clock.advance(SWEEP_AFTER_MS)
    assert await api.services.attachments.sweep() == 1
    assert not (tmp_path / "content" / "attachments" / file["id"]).exists()


async def test_another_bot_neither_reads_nor_changes_a_hidden_answer(api: Api) -> None:
    await register(api)
    got = await use(api, name="ping")
    sent = (await answer(api, got, content="psst", flags=64)).json()["resource"]["message"]
    assert (await api.post("/applications/1005/commands", "eddy", PING)).status_code == 201
    body = {"type": 2, "application_id": "1005", "channel_id": str(GENERAL), "data": {"name": "ping"}}
    assert (await api.post("/interactions", "carl", body)).status_code == 204
    (theirs,) = [body for users, body in told(api, "INTERACTION_CREATE") if users == (1005,)]
    await answer(api, theirs, content="mine", flags=64)
    path = f"/webhooks/1005/{theirs['token']}/messages/{sent['id']}"
    assert error_of(await api.get(path)) == (404, 10008)
    assert error_of(await api.patch(path, None, {"content": "taken over"})) == (404, 10008)
    assert error_of(await api.delete(path)) == (404, 10008)


async def test_a_component_is_used_and_its_message_updated(api: Api) -> None:
    await register(api)
    got = await use(api, name="ping")
    sent = (await answer(api, got, content="click", components=BUTTON)).json()["resource"]["message"]
    click = await use(api, "ada", kind=3, message_id=sent["id"], custom_id="go", component_type=2)
    assert (click["type"], click["data"]["custom_id"], click["message"]["id"]) == (3, "go", sent["id"])
    assert click["member"]["user"]["id"] == str(ADA)
    updated = await answer(api, click, 7, content="clicked", components=[])
    assert updated.json()["resource"]["message"]["content"] == "clicked"
    assert await contents(api) == ["clicked"]
    gone = {"type": 3, "application_id": str(APP), "channel_id": str(GENERAL), "message_id": sent["id"]}
    response = await api.post("/interactions", "ada", {**gone, "data": {"custom_id": "go", "component_type": 2}})
    assert error_of(response) == (400, 50035)


async def test_a_hidden_messages_component_is_its_readers_alone(api: Api) -> None:
    await register(api)
    got = await use(api, name="ping")
    sent = (await answer(api, got, content="click", components=BUTTON, flags=64)).json()["resource"]["message"]
    body = {"type": 3, "application_id": str(APP), "channel_id": str(GENERAL), "message_id": sent["id"]}
    body["data"] = {"custom_id": "go", "component_type": 2}
    assert error_of(await api.post("/interactions", "ada", body)) == (404, 10008)
    click = await use(api, kind=3, message_id=sent["id"], custom_id="go", component_type=2)
    assert (await answer(api, click, 6)).status_code == 200
    edited = await api.patch(f"/webhooks/{APP}/{click['token']}/messages/@original", None, {"content": "clicked"})
    assert edited.json()["content"] == "clicked"


async def test_choices_and_modals_go_to_the_person(api: Api) -> None:
    await register(api, options=[{"type": 3, "name": "what", "description": "w", "autocomplete": True}])
    typing = await use(api, kind=4, name="ping", options=[{"type": 3, "name": "what", "value": "a", "focused": True}])
    assert (await answer(api, typing, 8, choices=[{"name": "A", "value": "a"}])).status_code == 200
    ((users, body),) = told(api, "APPLICATION_COMMAND_AUTOCOMPLETE_RESPONSE")
    assert (users, body["choices"]) == ((CARL,), [{"name": "A", "value": "a"}])
    got = await use(api, name="ping")
    assert (await answer(api, got, 9, custom_id="form", title="Form", components=[])).status_code == 200
    ((users, body),) = told(api, "INTERACTION_MODAL_CREATE")
    assert (users, body["custom_id"], body["title"]) == ((CARL,), "form", "Form")
    submitted = await use(api, kind=5, custom_id="form", components=[])
    assert (await answer(api, submitted, 4, content="thanks")).status_code == 200
    assert await contents(api) == ["thanks"]


async def test_an_answer_that_does_not_fit_is_refused_and_another_may_come(api: Api) -> None:
    await register(api)
    got = await use(api, name="ping")
    for kind in (1, 6, 7, 8, 99):
        assert error_of(await answer(api, got, kind, content="x")) == (400, 50035), kind
    assert error_of(await answer(api, got, 4)) == (400, 50006)
    assert (await answer(api, got, 4, content="pong")).status_code == 200


async def test_a_command_in_a_dm_names_the_user(api: Api) -> None:
    await register(api)
    await register(api, name="guilds", dm_permission=False)
    dm = int((await api.post("/users/@me/channels", "dora", {"recipient_id": str(BELL)})).json()["id"])
    got = await use(api, "dora", channel=dm, name="ping")
    assert (got["user"]["id"], got["context"]) == (str(DORA), 1)
    assert {"guild_id", "member"}.isdisjoint(got)
    assert (await answer(api, got, content="pong")).status_code == 200
    body = {"type": 2, "application_id": str(APP), "channel_id": str(dm), "data": {"name": "guilds"}}
    assert error_of(await api.post("/interactions", "dora", body)) == (404, 10063)


async def test_interactions_that_are_over_are_forgotten(api: Api) -> None:
    await register(api)
    got = await use(api, name="ping")
    await answer(api, got, content="psst", flags=64)
    api.clock.advance(15 * 60_000 + 1)
    await api.services.interactions.prune(api.clock())
    assert await api.services.interactions.of_token(APP, got["token"]) is None
    assert error_of(await answer(api, got, content="x")) == (404, 10062)
