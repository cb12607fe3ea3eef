"""Voice states on real sockets: joins, moves and ends, and who hears of them (protocol.md §1.10). No media."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.server import UNLIMITED, running_server
from tests.support.town import Listener, Person, Place, Town
from tocsin.model.permissions import Permission

UPDATE = "VOICE_STATE_UPDATE"


def room(town: Town, place: Place, **more: Any) -> str:
    """Make a voice channel."""
    return str(
        town.call(place.owner, "POST", f"/guilds/{place.id}/channels", {"name": "talk", "type": 2, **more})["id"]
    )


def hidden_from_all() -> list[dict[str, Any]]:
    return [{"type": 0, "deny": str(int(Permission.VIEW_CHANNEL))}]


def join(listener: Listener, place: Place, channel: str | None, **flags: bool) -> None:
    d = {"guild_id": place.id, "channel_id": channel, "self_mute": False, "self_deaf": False, **flags}
    listener.send(4, d)


def heard(listener: Listener, who: Person) -> dict[str, Any]:
    """The next voice state of somebody."""
    return listener.until(UPDATE, user_id=who.id)


def test_a_join_is_told_to_those_who_see_the_channel_and_is_in_guild_create(town: Town) -> None:
    owner, friend = town.person(), town.person()
    place = town.place(owner, friend)
    channel = room(town, place)
    watch, other = town.listen(owner), town.listen(friend)
    join(other, place, channel, self_mute=True)
    d = heard(watch, friend)
    assert (d["guild_id"], d["channel_id"], d["session_id"]) == (place.id, channel, other.ready["session_id"])
    assert (d["self_mute"], d["self_deaf"], d["mute"], d["suppress"]) == (True, False, False, False)
    assert d["member"]["user"]["id"] == friend.id
    assert heard(other, friend)["channel_id"] == channel
    later = town.listen(owner)
    [state] = next(d for name, d in later.events if name == "GUILD_CREATE" and d["id"] == place.id)["voice_states"]
    assert (state["user_id"], state["channel_id"], "guild_id" in state) == (friend.id, channel, False)
    join(other, place, None)
    assert heard(watch, friend)["channel_id"] is None


def test_flags_change_in_place_and_a_second_device_takes_the_state_over(town: Town) -> None:
    owner = town.person()
    place = town.place(owner)
    channel = room(town, place)
    first, second = town.listen(owner), town.listen(owner)
    join(first, place, channel)
    heard(first, owner)
    join(first, place, channel, self_deaf=True, self_video=True)
    d = heard(first, owner)
    assert (d["self_deaf"], d["self_video"]) == (True, True)
    join(second, place, channel)
    assert heard(first, owner)["session_id"] == second.ready["session_id"]
    first.leave()
    join(second, place, channel, self_mute=True)
    assert second.until(UPDATE, self_mute=True)["session_id"] == second.ready["session_id"]


def test_the_state_ends_with_its_session(town: Town) -> None:
    owner, friend = town.person(), town.person()
    place = town.place(owner, friend)
    channel = room(town, place)
    watch, other = town.listen(owner), town.listen(friend)
    join(other, place, channel)
    heard(watch, friend)
    other.leave()
    assert heard(watch, friend)["channel_id"] is None


def test_a_move_into_a_hidden_channel_looks_like_leaving_to_those_outside(town: Town) -> None:
    owner, friend = town.person(), town.person()
    place = town.place(owner, friend)
    channel = room(town, place)
    overwrites = [{"id": place.id, **each} for each in hidden_from_all()]
    hidden = room(town, place, permission_overwrites=overwrites)
    watch, other = town.listen(owner), town.listen(friend)
    join(watch, place, channel)
    assert heard(other, owner)["channel_id"] == channel
    join(watch, place, hidden)
    assert heard(other, owner)["channel_id"] is None
    heard(watch, owner)
    assert heard(watch, owner)["channel_id"] == hidden
    later = town.listen(friend)
    guild = next(d for name, d in later.events if name == "GUILD_CREATE" and d["id"] == place.id)
    assert guild["voice_states"] == []
    assert hidden not in str(later.events)


def test_who_comes_to_see_a_channel_learns_who_is_in_it_and_who_loses_it_that_nobody_is(town: Town) -> None:
    owner, friend = town.person(), town.person()
    place = town.place(owner, friend)
    overwrites = [{"id": place.id, **each} for each in hidden_from_all()]
    hidden = room(town, place, permission_overwrites=overwrites)
    watch, other = town.listen(owner), town.listen(friend)
    join(watch, place, hidden)
    heard(watch, owner)
    allowed = {"type": 1, "allow": str(int(Permission.VIEW_CHANNEL))}
    town.call(owner, "PUT", f"/channels/{hidden}/permissions/{friend.id}", allowed)
    other.until("CHANNEL_CREATE", id=hidden)
    assert heard(other, owner)["channel_id"] == hidden
    town.call(owner, "DELETE", f"/channels/{hidden}/permissions/{friend.id}")
    assert heard(other, owner)["channel_id"] is None
    assert other.next()[0] == "CHANNEL_DELETE"


def test_a_join_that_is_not_allowed_is_met_with_silence(town: Town) -> None:
    owner, friend = town.person(), town.person()
    place = town.place(owner, friend)
    deaf_to_all = [{"id": place.id, "type": 0, "deny": str(int(Permission.CONNECT))}]
    closed, full = room(town, place, permission_overwrites=deaf_to_all), room(town, place, user_limit=1)
    watch, other = town.listen(owner), town.listen(friend)
    join(watch, place, full)
    assert heard(other, owner)["channel_id"] == full
    other.flush()
    for channel in (closed, full, place.general, "999"):
        join(other, place, channel)
    join(other, place, None)
    assert UPDATE not in [name for name, _ in other.flush()]
    join(watch, place, None)
    assert heard(other, owner)["channel_id"] is None
    join(other, place, full)
    assert heard(watch, friend)["channel_id"] == full


def test_a_moderator_moves_mutes_and_disconnects(town: Town) -> None:
    owner, friend = town.person(), town.person()
    place = town.place(owner, friend)
    one, two = room(town, place), room(town, place)
    path = f"/guilds/{place.id}/members/{friend.id}"
    watch, other = town.listen(owner), town.listen(friend)
    join(other, place, one)
    heard(watch, friend)
    town.call(owner, "PATCH", path, {"channel_id": two})
    assert heard(watch, friend)["channel_id"] == two
    assert town.call(friend, "GET", f"/guilds/{place.id}/voice-states/@me")["channel_id"] == two
    assert town.call(owner, "GET", f"/guilds/{place.id}/voice-states/{friend.id}")["user_id"] == friend.id
    town.call(owner, "PATCH", path, {"mute": True, "deaf": True})
    d = heard(watch, friend)
    assert (d["mute"], d["deaf"], d["self_mute"]) == (True, True, False)
    town.call(owner, "PATCH", path, {"channel_id": None})
    assert heard(watch, friend)["channel_id"] is None
    refused(town, owner, "PATCH", path, {"channel_id": one}, 400, 40032)
    refused(town, owner, "GET", f"/guilds/{place.id}/voice-states/{friend.id}", None, 404, 10065)


def refused(town: Town, who: Person, method: str, path: str, body: Any, status: int, code: int) -> None:
    with httpx.Client(base_url=town.server.api, headers={"Authorization": who.token}) as client:
        response = client.request(method, path, json=body)
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_moves_need_permission_and_a_voice_channel_that_both_may_use(town: Town) -> None:
    owner, friend, third = town.person(), town.person(), town.person()
    place = town.place(owner, friend, third)
    one, two = room(town, place), room(town, place)
    hidden = room(town, place, permission_overwrites=[{"id": place.id, **each} for each in hidden_from_all()])
    watch, other = town.listen(owner), town.listen(friend)
    join(other, place, one)
    heard(watch, friend)
    path = f"/guilds/{place.id}/members/{friend.id}"
    refused(town, third, "PATCH", path, {"channel_id": two}, 403, 50013)
    refused(town, third, "PATCH", path, {"mute": True}, 403, 50013)
    refused(town, owner, "PATCH", path, {"channel_id": hidden}, 403, 50013)
    refused(town, owner, "PATCH", path, {"channel_id": place.general}, 400, 50024)
    refused(town, owner, "PATCH", path, {"channel_id": "999"}, 404, 10003)
    assert [d["channel_id"] for name, d in other.flush() if name == UPDATE] == [one]


def test_a_hidden_voice_state_is_unknown_over_the_api(town: Town) -> None:
    owner, friend = town.person(), town.person()
    place = town.place(owner, friend)
    hidden = room(town, place, permission_overwrites=[{"id": place.id, **each} for each in hidden_from_all()])
    watch = town.listen(owner)
    join(watch, place, hidden)
    heard(watch, owner)
    refused(town, friend, "GET", f"/guilds/{place.id}/voice-states/{owner.id}", None, 404, 10065)


def test_a_kick_a_deleted_channel_and_a_timeout_end_the_state(town: Town) -> None:
    owner, friend = town.person(), town.person()
    place = town.place(owner, friend)
    watch, other = town.listen(owner), town.listen(friend)
    channel = room(town, place)
    # What a request did is known to the gateway a moment after its answer, and to a client when it hears of it.
    other.until("CHANNEL_CREATE", id=channel)
    join(other, place, channel)
    assert heard(watch, friend)["channel_id"] == channel
    town.call(owner, "DELETE", f"/channels/{channel}")
    assert heard(watch, friend)["channel_id"] is None
    channel = room(town, place)
    other.until("CHANNEL_CREATE", id=channel)
    path = f"/guilds/{place.id}/members/{friend.id}"
    until = datetime.now(UTC) + timedelta(days=1)
    for method, body in (("PATCH", {"communication_disabled_until": until.isoformat()}), ("DELETE", None)):
        join(other, place, channel)
        assert heard(watch, friend)["channel_id"] == channel
        town.call(owner, method, path, body)
        assert heard(watch, friend)["channel_id"] is None
        if method == "PATCH":
            town.call(owner, "PATCH", path, {"communication_disabled_until": None})
            other.until("GUILD_MEMBER_UPDATE", communication_disabled_until=None)
    later = town.listen(owner)
    assert next(d for name, d in later.events if name == "GUILD_CREATE" and d["id"] == place.id)["voice_states"] == []


def test_on_a_stage_one_asks_to_speak_and_moderators_let_one(town: Town) -> None:
    owner, friend, third = town.person(), town.person(), town.person()
    place = town.place(owner, friend, third)
    stage = room(town, place, type=13)
    watch, other, more = town.listen(owner), town.listen(friend), town.listen(third)
    for listener, who in ((other, friend), (more, third)):
        join(listener, place, stage)
        d = heard(watch, who)
        assert (d["suppress"], d["request_to_speak_timestamp"]) == (True, None)
    states = f"/guilds/{place.id}/voice-states"
    asked = "2030-01-02T03:04:05+00:00"
    town.call(friend, "PATCH", f"{states}/@me", {"channel_id": stage, "request_to_speak_timestamp": asked})
    d = heard(watch, friend)
    assert (d["suppress"], d["request_to_speak_timestamp"]) == (True, "2030-01-02T03:04:05.000000+00:00")
    join(other, place, stage, self_mute=True)
    assert heard(watch, friend)["request_to_speak_timestamp"] == "2030-01-02T03:04:05.000000+00:00"
    refused(town, friend, "PATCH", f"{states}/@me", {"suppress": False}, 403, 50013)
    refused(town, friend, "PATCH", f"{states}/{third.id}", {"suppress": False}, 403, 50013)
    town.call(owner, "PATCH", f"{states}/{friend.id}", {"channel_id": stage, "suppress": False})
    d = heard(watch, friend)
    assert d["suppress"] is False
    assert d["request_to_speak_timestamp"] not in (None, "2030-01-02T03:04:05.000000+00:00")
    town.call(friend, "PATCH", f"{states}/@me", {"suppress": True})
    d = heard(watch, friend)
    assert (d["suppress"], d["request_to_speak_timestamp"]) == (True, None)
    watch.flush()
    ban = {"type": 0, "deny": str(int(Permission.REQUEST_TO_SPEAK)), "allow": "0"}
    town.call(owner, "PUT", f"/channels/{stage}/permissions/{place.id}", ban)
    refused(town, friend, "PATCH", f"{states}/@me", {"request_to_speak_timestamp": asked}, 403, 50013)
    town.call(friend, "PATCH", f"{states}/@me", {"request_to_speak_timestamp": None})
    assert UPDATE not in [name for name, _ in watch.flush()]


def test_a_place_on_a_stage_is_only_changed_where_there_is_one(town: Town) -> None:
    owner, friend = town.person(), town.person()
    place = town.place(owner, friend)
    talk = room(town, place)
    stage = room(town, place, type=13, permission_overwrites=[{"id": place.id, **each} for each in hidden_from_all()])
    watch = town.listen(owner)
    states = f"/guilds/{place.id}/voice-states"
    refused(town, owner, "PATCH", f"{states}/@me", {"suppress": True}, 404, 10065)
    join(watch, place, talk)
    heard(watch, owner)
    refused(town, owner, "PATCH", f"{states}/@me", {"suppress": True}, 400, 50024)
    join(watch, place, stage)
    heard(watch, owner)
    refused(town, owner, "PATCH", f"{states}/@me", {"channel_id": talk}, 400, 50024)
    refused(town, owner, "PATCH", f"{states}/@me", {"request_to_speak_timestamp": "soon"}, 400, 50035)
    refused(town, friend, "PATCH", f"{states}/{owner.id}", {"suppress": True}, 404, 10065)


@pytest.fixture
def voiced(tmp_path: Path) -> Iterator[Town]:
    """A server that knows of a voice server."""
    with running_server(tmp_path, *UNLIMITED, "--voice-endpoint", "voice.example:443") as server:
        town = Town(server)
        yield town
        town.close()


def test_a_configured_voice_server_is_named_to_the_session_that_joins_and_no_other(voiced: Town) -> None:
    owner, friend = voiced.person(), voiced.person()
    place = voiced.place(owner, friend)
    channel = room(voiced, place)
    watch, other = voiced.listen(owner), voiced.listen(friend)
    join(other, place, channel)
    d = other.until("VOICE_SERVER_UPDATE")
    assert (d["guild_id"], d["endpoint"], len(d["token"])) == (place.id, "voice.example:443", 32)
    heard(watch, friend)
    assert "VOICE_SERVER_UPDATE" not in [name for name, _ in watch.flush()]


def test_without_a_voice_server_none_is_named(town: Town) -> None:
    owner = town.person()
    place = town.place(owner)
    channel = room(town, place)
    watch = town.listen(owner)
    join(watch, place, channel)
    heard(watch, owner)
    assert "VOICE_SERVER_UPDATE" not in [name for name, _ in watch.flush()]


@pytest.mark.parametrize("d", [[], {"guild_id": "x"}, {"guild_id": "1", "channel_id": [], "self_mute": True}])
def test_a_voice_state_of_the_wrong_shape_closes_with_4001(town: Town, d: Any) -> None:
    person = town.person()
    town.place(person)
    listener = town.listen(person)
    listener.send(4, d)
    assert listener.client.read_close() == 4001
