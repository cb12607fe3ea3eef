"""What every route has in common: versions, error bodies, content types, bodies, authorization, health, OpenAPI."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.support.api_world import GENERAL, LAB, Api, MakeApi, error_of
from tocsin.config import Settings
from tocsin.errors import StoreUnavailable
from tocsin_api.errors import form_errors

MESSAGES = f"/channels/{GENERAL}/messages"
_IDS = {"channel_id": str(GENERAL), "guild_id": "2001", "user_id": "1003"}


def routes_of(api: Api) -> list[tuple[str, str]]:
    """Return method and path of every route, with ids of the world (or 1) filled in."""
    found = []
    for route in api.app.routes:
        for handler in getattr(route, "route_handlers", ()):
            parts = []
            for part in route.path.split("/"):
                name = part[1:].partition(":")[0] if part.startswith("{") else ""
                parts.append(_IDS.get(name, "1") if name else part)
            found += [(str(method), "/".join(parts)) for method in handler.http_methods if str(method) != "OPTIONS"]
    return sorted(found)


@pytest.mark.parametrize("who", ["ada", "bell", "dora", None])
async def test_every_route_answers_exactly_application_json(api: Api, who: str | None) -> None:
    routes = [route for route in routes_of(api) if route[1] not in ("/metrics", "/schema/1")]
    assert len(routes) > 15
    for method, path in routes:
        response = await api.client.request(
            method, path, headers={} if who is None else {"Authorization": f"{who}-token"}, json=None
        )
        assert response.status_code < 500, (method, path, response.text)
        if response.status_code == 204:
            assert response.content == b""
            assert "content-type" not in response.headers
        else:
            assert response.headers.get_list("content-type") == ["application/json"], (method, path)
            msgspec.json.decode(response.content)


async def test_every_api_route_refuses_a_caller_without_a_token_unless_it_is_open(api: Api) -> None:
    open_paths = {"/api/v10/gateway", "/api/v10/auth/register", "/api/v10/auth/login"}
    for method, path in routes_of(api):
        if not path.startswith("/api") or path in open_paths:
            continue
        response = await api.client.request(method, path)
        if path.startswith("/api/v10/webhooks/1/1") or (method, path) == ("GET", "/api/v10/invites/1"):
            # Whoever knows the path may; nobody knows this one.
            assert response.json()["code"] in (10015, 10006), (method, path)
            continue
        if path == "/api/v10/interactions/1/1/callback":
            # As a webhook's: whoever has the token answers, and a body without a type is none.
            assert response.json()["code"] == 50035
            continue
        assert response.status_code == 401, (method, path)
        assert response.json() == {"message": "401: Unauthorized", "code": 0}


@pytest.mark.parametrize("prefix", ["/api/v10", "/api/v9", "/api"])
async def test_served_versions_name_the_same_routes(api: Api, prefix: str) -> None:
    assert (await api.get(f"{prefix}/gateway")).json() == {"url": "ws://127.0.0.1:8081"}
    assert (await api.get(f"{prefix}/users/@me", "ada")).json()["id"] == "1001"


@pytest.mark.parametrize("version", ["0", "6", "8", "11", "100"])
async def test_another_version_is_refused(api: Api, version: str) -> None:
    response = await api.get(f"/api/v{version}/gateway")
    assert response.status_code == 400
    assert response.json() == {"message": "Invalid API version", "code": 50041}
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/nowhere", 404, {"message": "404: Not Found", "code": 0}),
        ("GET", "/channels/1/nowhere", 404, {"message": "404: Not Found", "code": 0}),
        ("DELETE", "/gateway", 405, {"message": "405: Method Not Allowed", "code": 0}),
        ("GET", "/users/@me", 401, {"message": "401: Unauthorized", "code": 0}),
    ],
)
async def test_a_request_that_leads_nowhere(api: Api, method: str, path: str, status: int, body: Any) -> None:
    response = await api.call(method, path)
    assert (response.status_code, response.json()) == (status, body)


async def test_an_unknown_id_names_what_is_unknown(api: Api) -> None:
    assert (await api.get("/channels/9/messages", "ada")).json() == {"message": "Unknown Channel", "code": 10003}
    assert (await api.get(f"{MESSAGES}/9", "ada")).json() == {"message": "Unknown Message", "code": 10008}
    assert (await api.get("/users/9", "ada")).json() == {"message": "Unknown User", "code": 10013}
    assert (await api.get("/channels/3002/messages", "carl")).json() == {"message": "Missing Access", "code": 50001}
    reply = await api.post("/channels/3005/messages", "carl", {"content": "x"})
    assert reply.json() == {"message": "Missing Permissions", "code": 50013}
    reply = await api.post(MESSAGES, "carl", {})
    assert reply.json() == {"message": "Cannot send an empty message", "code": 50006}


async def test_a_form_error_is_a_tree_that_mirrors_the_body(api: Api) -> None:
    body = {"content": "x" * 2001, "embeds": [{"title": "ok"}, {"title": "y" * 257}]}
    response = await api.post(MESSAGES, "ada", body)
    assert response.status_code == 400
    assert response.json() == {
        "message": "Invalid Form Body",
        "code": 50035,
        "errors": {
            "content": {"_errors": [{"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 2000 or fewer in length."}]},
            "embeds": {
                "1": {
                    "title": {
                        "_errors": [{"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 256 or fewer in length."}]
                    }
                }
            },
        },
    }


@pytest.mark.parametrize(
    ("sentence", "path", "code", "message"),
    [
        ("Object missing required field `a`", ["a"], "BASE_TYPE_REQUIRED", "This field is required"),
        ("Object missing required field `b` - at `$.a[3]`", ["a", "3", "b"], "BASE_TYPE_REQUIRED", None),
        ("Expected `str`, got `int` - at `$.a`", ["a"], "STRING_TYPE_CONVERT", None),
        ("Expected `int`, got `str` - at `$.a`", ["a"], "NUMBER_TYPE_COERCE", None),
        ("Expected `bool | null`, got `str` - at `$.a`", ["a"], "BOOLEAN_TYPE_CONVERT", None),
        ("Expected `object`, got `array`", [], "DICT_TYPE_CONVERT", None),
        ("Expected `array | null`, got `int` - at `$.a[...]`", ["a", "..."], "LIST_TYPE_CONVERT", None),
        ("Expected `str` of length <= 5 - at `$.a`", ["a"], "BASE_TYPE_MAX_LENGTH", "Must be 5 or fewer in length."),
        ("Expected `array` of length >= 2 - at `$.a`", ["a"], "BASE_TYPE_MIN_LENGTH", "Must be 2 or more in length."),
        ("Expected `int` >= 0 - at `$.a`", ["a"], "NUMBER_TYPE_MIN", None),
        ('Value "x" is not snowflake. - at `$.a`', ["a"], "NUMBER_TYPE_COERCE", 'Value "x" is not snowflake.'),
        ("Something new - at `$.a`", ["a"], "BASE_TYPE_INVALID", "Something new"),
    ],
)
def test_a_shape_error_becomes_an_item_code_at_its_place(
    sentence: str, path: list[str], code: str, message: str | None
) -> None:
    node = form_errors(sentence)
    for part in path:
        node = node[part]
    [item] = node["_errors"]
    assert item["code"] == code
    if message is not None:
        assert item["message"] == message


# -- bodies

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", 50109),
        (b"{", 50109),
        (b'{"content":"x",}', 50109),
        (b"\xff\xfe", 50109),
        (b'{"content":"\xff"}', 50109),
        (b'{"content":"\\ud800"}', 50109),
        (b'{"content":NaN}', 50109),
        (b'{"components":[{"a":' + b"[" * 100_000, 50109),
        (b"null", 50035),
        (b'"text"', 50035),
        (b"[1,2]", 50035),
    ],
)
async def test_a_body_that_is_not_json_is_50109_and_one_of_another_shape_50035(api: Api, raw: bytes, code: int) -> None:
    response = await api.post(MESSAGES, "ada", content=raw, headers=JSON)
    assert error_of(response) == (400, code)


async def test_a_charset_after_the_type_is_let_in(api: Api) -> None:
    headers = {"content-type": "application/json; charset=utf-8"}
    response = await api.post(MESSAGES, "ada", content='{"content":"é"}'.encode(), headers=headers)
    assert response.json()["content"] == "é"


async def test_unknown_fields_are_ignored(api: Api) -> None:
    assert (await api.say("x", colour="red", tts=None))["content"] == "x"


async def test_another_content_type_is_a_form_error(api: Api) -> None:
    response = await api.post(MESSAGES, "ada", content=b"<x/>", headers={"content-type": "text/xml"})
    assert error_of(response) == (400, 50035)
    assert response.json()["errors"]["_errors"][0]["code"] == "CONTENT_TYPE_INVALID"


async def test_multipart_with_only_a_payload_json_is_as_good_as_json(api: Api) -> None:
    parts = {"payload_json": (None, '{"content":"hello","nonce":"1"}', "application/json")}
    response = await api.post(MESSAGES, "ada", files=parts)
    assert response.status_code == 200, response.text
    assert response.json()["content"] == "hello"
    parts = {"payload_json": (None, "123", "application/json")}
    assert error_of(await api.post(MESSAGES, "ada", files=parts)) == (400, 50035)
    parts = {"payload_json": (None, "{", "application/json")}
    assert error_of(await api.post(MESSAGES, "ada", files=parts)) == (400, 50109)


async def test_plain_form_fields_are_as_good_as_json(api: Api) -> None:
    response = await api.post(MESSAGES, "ada", data={"content": "hello", "tts": "false"})
    assert response.json()["content"] == "hello"


async def test_a_file_is_refused_with_its_name_where_none_is_taken(api: Api) -> None:
    parts = {"payload_json": (None, '{"content":"x"}'), "files[0]": ("a.txt", b"abc", "text/plain")}
    response = await api.patch(f"/guilds/{LAB}", "ada", files=parts)
    assert error_of(response) == (400, 50035)
    assert "files[0]" in response.json()["errors"]
    assert api.bus.take() == []


async def test_a_body_over_the_limit_is_413(make_api: MakeApi) -> None:
    api = await make_api(Settings(global_rate_limit=0, message_rate_limit=0, body_max_bytes=1000))
    response = await api.post(MESSAGES, "ada", {"content": "x" * 1000})
    assert error_of(response) == (413, 40005)
    assert (await api.post(MESSAGES, "ada", {"content": "x" * 900})).status_code == 200


# -- authorization


@pytest.mark.parametrize(
    "form", ["bell-token", "Bot bell-token", "bot bell-token", "Bearer bell-token", " Bot  bell-token "]
)
async def test_a_token_counts_with_or_without_its_scheme(api: Api, form: str) -> None:
    response = await api.get("/users/@me", headers={"Authorization": form})
    assert response.json()["id"] == "1002"


@pytest.mark.parametrize("form", ["", "Bot", "Bot ", "Basic bell-token", "nobody", "x" * 5000, "\u00e9"])
async def test_any_other_authorization_is_401(api: Api, form: str) -> None:
    response = await api.get("/users/@me", headers={"Authorization": form.encode("latin-1")})
    assert response.status_code == 401
    assert response.json() == {"message": "401: Unauthorized", "code": 0}


async def test_a_revoked_token_stops_at_once_and_an_issued_one_starts_at_once(api: Api) -> None:
    assert (await api.get("/users/@me", "carl")).status_code == 200
    await api.services.auth.revoke_token("carl-token")
    assert (await api.get("/users/@me", "carl")).status_code == 401
    token = await api.services.auth.issue_token(1003)
    assert (await api.get("/users/@me", headers={"Authorization": token})).json()["id"] == "1003"
    assert token.count(".") == 2


async def test_a_token_revoked_behind_our_back_stops_after_a_while(api: Api) -> None:
    from tocsin.service.auth import PRINCIPAL_AGE_MS, digest_of
    from tocsin.store.base import Delete

    assert (await api.get("/users/@me", "carl")).status_code == 200
    await api.store.commit([Delete("tokens", {"digest": digest_of("carl-token")})])
    api.clock.advance(PRINCIPAL_AGE_MS)
    assert (await api.get("/users/@me", "carl")).status_code == 401


# -- faults, health, schema


async def test_a_store_that_refuses_is_503(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> None:
        raise StoreUnavailable("disk full")

    monkeypatch.setattr(api.store, "commit", refuse)
    response = await api.post(MESSAGES, "ada", {"content": "x"})
    assert error_of(response) == (503, 130000)
    assert response.headers["content-type"] == "application/json"


async def test_a_fault_is_500_and_says_nothing_of_itself(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(api.store, "messages", fail)
    response = await api.get(MESSAGES, "ada")
    assert (response.status_code, response.json()) == (500, {"message": "500: Internal Server Error", "code": 0})


async def test_health_readiness_and_metrics(api: Api) -> None:
    assert (await api.get("/healthz")).status_code == 200
    assert (await api.get("/readyz")).status_code == 200
    api.ready = False
    assert (await api.get("/readyz")).status_code == 503
    metrics = await api.get("/metrics")
    assert metrics.text.startswith("up 1\n")
    assert 'tocsin_http_requests_total{method="GET",status="200"} 2' in metrics.text
    assert metrics.headers["content-type"].startswith("text/plain")


async def test_the_schema_describes_every_route_and_its_body(api: Api) -> None:
    document = (await api.client.get("/schema")).json()
    assert document["openapi"].startswith("3.")
    described = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item if method in _METHODS
    }
    for route in api.app.routes:
        for handler in getattr(route, "route_handlers", ()):
            for method in handler.http_methods:
                if str(method) != "OPTIONS" and not route.path.startswith("/schema"):
                    assert (str(method), route.path_format) in described
    post = document["paths"]["/api/v10/channels/{channel_id}/messages"]["post"]
    assert post["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/MessageCreate")
    assert "content" in document["components"]["schemas"]["MessageCreate"]["properties"]


_METHODS = {"get", "put", "post", "patch", "delete"}
