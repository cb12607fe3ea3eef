"""A revoked token ends the sessions that were begun with it, and no others (design §2, Revocation)."""

from __future__ import annotations

import httpx
import pytest

from tests.support.raw_client import DroppedError, RawClient, op
from tests.support.town import Person, Town


def _control(town: Town, token: str) -> bool:
    answer = httpx.post(
        f"{town.server.http}/_tocsin/revoke",
        json={"token": token},
        headers={"Authorization": f"Tocsin {town.server.control_token}"},
    )
    known: bool = answer.json()["known"]
    return known


def _another_token(town: Town, name: str) -> str:
    body = {"login": name, "password": "correct horse battery"}
    token: str = httpx.post(f"{town.server.api}/auth/login", json=body).json()["token"]
    return token


def _resume(town: Town, person: Person, session_id: str) -> dict[str, object]:
    with RawClient(town.server.gateway) as client:
        client.open()
        client.send(op(6, {"token": person.token, "session_id": session_id, "seq": 1}))
        return client.read_payload()


def test_logging_out_closes_the_tokens_sessions_with_4004_and_no_others(town: Town) -> None:
    person = town.person()
    place = town.place(person)
    name = town.call(person, "GET", "/users/@me")["username"]
    other = town.listen(Person(person.id, _another_token(town, name)))
    first, second = town.listen(person), town.listen(person)
    town.call(person, "POST", "/auth/logout")
    assert first.client.read_close() == 4004
    assert second.client.read_close() == 4004
    assert _resume(town, person, first.ready["session_id"]) == {"op": 9, "d": False, "s": None, "t": None}
    message = town.call(other.person, "POST", f"/channels/{place.general}/messages", {"content": "still here"})
    other.until("MESSAGE_CREATE", id=message["id"])


def test_a_session_that_waits_for_its_resume_is_ended_too(town: Town) -> None:
    person = town.person()
    town.place(person)
    listener = town.listen(person)
    listener.client.socket.close()
    assert _control(town, person.token)
    assert not _control(town, person.token)
    assert _resume(town, person, listener.ready["session_id"])["d"] is False


def test_a_revoked_token_cannot_identify(town: Town) -> None:
    person = town.person()
    assert _control(town, person.token)
    with RawClient(town.server.gateway) as client:
        client.open()
        client.send(op(2, {"token": person.token, "intents": 0, "properties": {}}))
        assert client.read_close() == 4004


def test_whoever_identifies_while_the_token_is_revoked_ends_up_closed(town: Town) -> None:
    for _ in range(6):  # each costs a password
        person = town.person()
        with RawClient(town.server.gateway) as client:
            client.open()
            client.send(op(2, {"token": person.token, "intents": 0, "properties": {}}))
            assert _control(town, person.token)
            try:
                assert client.read_close() == 4004
            except DroppedError:
                pytest.fail("the socket was dropped without a close")
