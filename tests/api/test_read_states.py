"""Read states: what mentions a person counts for them alone, until they have read it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api_world import ADA, BELL, CARL, DORA, GENERAL, LAB, STAFF_ONLY, Api, error_of
from tocsin.model.entities import ReadState
from tocsin.model.event import ScopeKind
from tocsin.model.snowflake import snowflake_ms
from tocsin.service.read_states import MENTION_WINDOW_MS, asked


async def states(api: Api, user_id: int) -> dict[int, ReadState]:
    return {each.channel_id: each for each in await api.store.find(asked(user_id))}


async def mentions(api: Api, user_id: int, channel: int = GENERAL) -> int:
    found = (await states(api, user_id)).get(channel)
    return 0 if found is None else found.mention_count


async def open_dm(api: Api, who: str, recipient: int) -> int:
    return int((await api.post("/users/@me/channels", who, {"recipient_id": recipient})).json()["id"])


async def test_mentions_count_for_people_who_may_see_them(api: Api) -> None:
    await api.say(f"<@{CARL}> <@{CARL}> <@{BELL}> <@{DORA}> hello")
    await api.say(f"<@{CARL}> again")
    await api.say(f"<@{CARL}> in secret", channel=STAFF_ONLY)
    assert await mentions(api, CARL) == 2
    assert STAFF_ONLY not in await states(api, CARL)
    assert await states(api, BELL) == await states(api, DORA) == {}


async def test_one_s_own_message_reads_the_channel_and_a_bot_s_keeps_nothing(api: Api) -> None:
    await api.say(f"<@{CARL}> <@{ADA}>")
    assert (await mentions(api, CARL), await mentions(api, ADA)) == (1, 0)
    own = await api.say("here", "carl")
    state = (await states(api, CARL))[GENERAL]
    assert (state.last_message_id, state.mention_count) == (int(own["id"]), 0)
    await api.say("beep", "bell")
    assert await states(api, BELL) == {}


async def test_a_dm_counts_each_message_and_a_reply_whom_it_answers(api: Api) -> None:
    channel = await open_dm(api, "ada", CARL)
    await api.say("psst", channel=channel)
    await api.say("psst", channel=channel)
    assert (await mentions(api, CARL, channel), await mentions(api, ADA, channel)) == (2, 0)
    asked = await api.say("why?", "carl")
    body = {"content": "because", "message_reference": {"message_id": asked["id"]}}
    assert (await api.post(f"/channels/{GENERAL}/messages", "ada", body)).status_code == 200
    assert await mentions(api, CARL) == 1


async def test_an_ack_is_told_to_the_reader_alone_and_never_moves_back_by_itself(api: Api) -> None:
    first, second = await api.say(f"<@{CARL}>"), await api.say(f"<@{CARL}>")
    api.bus.take()
    path = f"/channels/{GENERAL}/messages/"
    answer = await api.post(f"{path}{second['id']}/ack", "carl", {"token": None})
    assert (answer.status_code, answer.json()) == (200, {"token": None})
    [(event, body)] = api.bus.take()
    assert (event.name, event.users, event.scope) == ("MESSAGE_ACK", (CARL,), (ScopeKind.USER, CARL))
    assert (body["channel_id"], body["message_id"]) == (str(GENERAL), second["id"])
    assert "manual" not in body
    await api.post(f"{path}{first['id']}/ack", "carl", {"token": None})
    state = (await states(api, CARL))[GENERAL]
    assert (state.last_message_id, state.mention_count) == (int(second["id"]), 0)
    assert state.version > body["version"]


async def test_a_manual_ack_moves_back_and_sets_the_count(api: Api) -> None:
    first, second = await api.say("one"), await api.say("two")
    path = f"/channels/{GENERAL}/messages/"
    await api.post(f"{path}{second['id']}/ack", "carl", {})
    api.bus.take()
    await api.post(f"{path}{first['id']}/ack", "carl", {"manual": True, "mention_count": 3})
    [(_, body)] = api.bus.take()
    assert (body["message_id"], body["manual"], body["mention_count"]) == (first["id"], True, 3)
    assert await mentions(api, CARL) == 3
    bad = await api.post(f"{path}{first['id']}/ack", "carl", {"manual": True, "mention_count": -1})
    assert error_of(bad) == (400, 50035)


async def test_many_are_read_at_once_but_for_those_one_does_not_see(api: Api) -> None:
    dm = await open_dm(api, "carl", ADA)
    api.bus.take()
    listed = [{"channel_id": str(each), "message_id": "9", "read_state_type": 0} for each in (GENERAL, STAFF_ONLY, dm)]
    listed.append({"channel_id": "77", "message_id": "9", "read_state_type": 1})
    assert (await api.post("/read-states/ack-bulk", "carl", {"read_states": listed})).status_code == 204
    assert [body["channel_id"] for _, body in api.bus.take()] == [str(GENERAL), str(dm)]
    assert set(await states(api, CARL)) == {GENERAL, dm}
    full = {"read_states": listed[:1] * 101}
    assert error_of(await api.post("/read-states/ack-bulk", "carl", full)) == (400, 50035)


async def test_pins_are_seen_and_a_state_is_forgotten(api: Api) -> None:
    message = await api.say("keep this")
    assert (await api.put(f"/channels/{GENERAL}/pins/{message['id']}", "ada")).status_code == 204
    api.bus.take()
    assert (await api.post(f"/channels/{GENERAL}/pins/ack", "carl")).status_code == 204
    [(event, body)] = api.bus.take()
    assert (event.name, event.users, body["channel_id"]) == ("CHANNEL_PINS_ACK", (CARL,), str(GENERAL))
    assert (await states(api, CARL))[GENERAL].last_pin_timestamp > 0
    assert (await api.delete(f"/channels/{GENERAL}/messages/ack", "carl")).status_code == 204
    assert await states(api, CARL) == {}
    assert api.bus.take() == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", f"/channels/{STAFF_ONLY}/messages/9/ack", {}),
        ("DELETE", f"/channels/{STAFF_ONLY}/messages/ack", None),
        ("POST", f"/channels/{STAFF_ONLY}/pins/ack", None),
    ],
)
async def test_who_may_not_view_a_channel_and_bots_have_no_read_state(
    api: Api, method: str, path: str, body: Any
) -> None:
    more = {} if body is None else {"json": body}
    assert error_of(await api.call(method, path, "carl", **more)) == (403, 50001)
    assert error_of(await api.call(method, path, "bell", **more)) == (403, 20001)


async def test_mentions_of_everyone_are_forgotten_after_their_window_and_with_their_channel(api: Api) -> None:
    service = api.services.read_states
    sent = await api.say("@everyone")
    assert [str(each.message_id) for each in await service.role_mentions(CARL, [LAB])] == [sent["id"]]
    assert await service.role_mentions(ADA, [LAB]) == []  # who wrote it has read it
    await service.prune(snowflake_ms(int(sent["id"])) + MENTION_WINDOW_MS)
    assert len(await service.role_mentions(CARL, [LAB])) == 1
    await service.prune(snowflake_ms(int(sent["id"])) + MENTION_WINDOW_MS + 1)
    assert await service.role_mentions(CARL, [LAB]) == []
    await api.say("@everyone")
    assert (await api.delete(f"/channels/{GENERAL}", "ada")).status_code == 200
    assert await service.role_mentions(CARL, [LAB]) == []


async def test_a_channel_takes_its_read_states_with_it(api: Api) -> None:
    await api.say(f"<@{CARL}>")
    assert (await api.delete(f"/channels/{GENERAL}", "ada")).status_code == 200
    assert await states(api, CARL) == {}
