"""Registration, login and logout of people."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import sqlite3
from pathlib import Path

import pytest

from tests.support.api_world import Api, MakeApi, error_of
from tocsin.config import Settings
from tocsin.service.passwords import MAX_WAITING

PASSWORD = "correct horse"
NEW = {"username": "zoe", "password": PASSWORD}


async def test_a_person_registers_and_the_token_works_at_once(api: Api) -> None:
    made = await api.post("/auth/register", None, {**NEW, "global_name": "Zoe"})
    assert made.status_code == 201
    body = made.json()
    assert set(body) == {"user_id", "token"}
    me = (await api.get("/users/@me", headers={"Authorization": body["token"]})).json()
    assert (me["id"], me["username"], me["global_name"]) == (body["user_id"], "zoe", "Zoe")
    assert not me.get("bot")


async def test_a_token_has_the_shape_that_client_libraries_insist_on(api: Api) -> None:
    body = (await api.post("/auth/register", None, NEW)).json()
    first, second, third = body["token"].split(".")
    assert base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)).decode() == body["user_id"]
    assert second
    assert len(third) >= 32


@pytest.mark.skipif(os.environ.get("TOCSIN_TEST_DATABASE") == "postgresql", reason="looks into SQLite's file")
async def test_only_digests_of_tokens_and_passwords_are_stored(api: Api, tmp_path: Path) -> None:
    body = (await api.post("/auth/register", None, NEW)).json()
    connection = sqlite3.connect(tmp_path / "tocsin.db")
    try:
        digest = hashlib.sha256(body["token"].encode()).digest()
        assert connection.execute("SELECT user_id FROM tokens WHERE digest = ?", (digest,)).fetchall() == [
            (int(body["user_id"]),)
        ]
        dump = "\n".join(connection.iterdump())
    finally:
        connection.close()
    assert body["token"] not in dump
    assert PASSWORD not in dump
    assert "$argon2id$" in dump


async def test_a_person_logs_in_by_name_and_password_and_gets_another_token(api: Api) -> None:
    first = (await api.post("/auth/register", None, NEW)).json()
    for key in ("login", "username"):
        again = await api.post("/auth/login", None, {key: "zoe", "password": PASSWORD})
        assert again.status_code == 200
        assert again.json()["user_id"] == first["user_id"]
        assert again.json()["token"] != first["token"]
        for token in (first["token"], again.json()["token"]):
            assert (await api.get("/users/@me", headers={"Authorization": token})).status_code == 200


async def test_a_failed_login_says_the_same_whatever_was_wrong(api: Api) -> None:
    await api.post("/auth/register", None, NEW)
    failures = [
        await api.post("/auth/login", None, body)
        for body in (
            {"login": "zoe", "password": "wrong"},
            {"login": "zoe", "password": "x" * 5000},
            {"login": "nobody", "password": PASSWORD},
            {"login": "ada", "password": ""},  # has no password at all
            {"login": "bell", "password": PASSWORD},  # is a bot
        )
    ]
    item = {"_errors": [{"code": "INVALID_LOGIN", "message": "Login or password is invalid."}]}
    for failure in failures:
        assert failure.status_code == 400
        assert failure.json() == {
            "code": 50035,
            "message": "Invalid Form Body",
            "errors": {"login": item, "password": item},
        }


async def test_logging_out_ends_the_token_and_no_other(api: Api) -> None:
    first = (await api.post("/auth/register", None, NEW)).json()["token"]
    other = (await api.post("/auth/login", None, {"login": "zoe", "password": PASSWORD})).json()["token"]
    assert (await api.post("/auth/logout", headers={"Authorization": first})).status_code == 204
    assert error_of(await api.get("/users/@me", headers={"Authorization": first})) == (401, 0)
    assert (await api.get("/users/@me", headers={"Authorization": other})).status_code == 200


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"username": "z", "password": PASSWORD}, "username", "BASE_TYPE_BAD_LENGTH"),
        ({"username": "z" * 33, "password": PASSWORD}, "username", "BASE_TYPE_BAD_LENGTH"),
        ({"username": " z ", "password": PASSWORD}, "username", "BASE_TYPE_BAD_LENGTH"),
        ({"username": "zo\u202ee", "password": PASSWORD}, "username", "USERNAME_INVALID_CONTAINS"),
        ({"username": "zo@e", "password": PASSWORD}, "username", "USERNAME_INVALID_CONTAINS"),
        ({"username": "Everyone", "password": PASSWORD}, "username", "USERNAME_INVALID_CONTAINS"),
        ({"username": "ada", "password": PASSWORD}, "username", "USERNAME_ALREADY_TAKEN"),
        ({"username": "zoe", "password": "short67"}, "password", "BASE_TYPE_BAD_LENGTH"),
        ({"username": "zoe"}, "password", "BASE_TYPE_REQUIRED"),
        ({"password": PASSWORD}, "username", "BASE_TYPE_REQUIRED"),
    ],
)
async def test_a_registration_with_a_bad_field_is_refused(
    api: Api, body: dict[str, str], field: str, code: str
) -> None:
    response = await api.post("/auth/register", None, body)
    assert error_of(response) == (400, 50035)
    assert response.json()["errors"][field]["_errors"][0]["code"] == code


async def test_of_two_who_register_one_name_at_once_one_gets_it(api: Api) -> None:
    replies = await asyncio.gather(*(api.post("/auth/register", None, NEW) for _ in range(2)))
    assert sorted(reply.status_code for reply in replies) == [201, 400]


async def test_registration_can_be_closed(make_api: MakeApi) -> None:
    api = await make_api(Settings(registration=False, global_rate_limit=0))
    assert error_of(await api.post("/auth/register", None, NEW)) == (403, 40006)


async def test_more_logins_than_may_wait_are_turned_away_with_503(api: Api) -> None:
    api.services.passwords._waiting = MAX_WAITING
    response = await api.post("/auth/login", None, {"login": "zoe", "password": PASSWORD})
    assert error_of(response) == (503, 130000)
