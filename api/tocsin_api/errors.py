"""Errors: the one mapping from exceptions to HTTP bodies in Discord's shape (protocol.md §8.1)."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from tocsin.errors import ApiError, FieldErrors, InvalidForm, RateLimited, StoreUnavailable

_log = logging.getLogger("tocsin.api")
_JSON = "application/json"
_REASONS = {
    400: "400: Bad Request",
    401: "401: Unauthorized",
    403: "403: Forbidden",
    404: "404: Not Found",
    405: "405: Method Not Allowed",
    500: "500: Internal Server Error",
}

VIA = "1.1 tocsin"
"""Present on every 429: some client libraries take one without `Via` for a ban by a proxy (clients/README.md §1.2)."""


def render(error: ApiError) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of an `ApiError`."""
    if isinstance(error, RateLimited):
        return 429, rate_limit_headers(error), rate_limit_body(error)
    body: dict[str, Any] = {"message": error.message, "code": error.code}
    if isinstance(error, InvalidForm):
        body["errors"] = error.errors
    return error.status, {}, msgspec.json.encode(body)


def rate_limit_body(error: RateLimited) -> bytes:
    """Return the body of a 429; `code` only when there is one (slowmode)."""
    shared = error.scope == "shared"
    body: dict[str, Any] = {
        "message": "The resource is being rate limited." if shared else error.message,
        "retry_after": round(error.retry_after, 3),
        "global": error.scope == "global",
    }
    if error.code:
        body["code"] = error.code
    return msgspec.json.encode(body)


def rate_limit_headers(error: RateLimited) -> dict[str, str]:
    """Return the headers of a 429 apart from those of its bucket; `Retry-After` is a whole number of seconds."""
    headers = {
        "Retry-After": str(max(1, math.ceil(error.retry_after))),
        "X-RateLimit-Scope": error.scope,
        "Via": VIA,
    }
    if error.scope == "global":
        headers["X-RateLimit-Global"] = "true"
    return headers


def _respond(error: ApiError) -> Response[bytes]:
    status, headers, body = render(error)
    return Response(body, status_code=status, headers=headers, media_type=_JSON)


def refusal_of(error: Exception, what: str) -> ApiError:
    """Return what the client is told of an error; log what the operator should know of it. `what` names the request."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, msgspec.ValidationError):
        return InvalidForm(form_errors(str(error)))
    if isinstance(error, StoreUnavailable):
        _log.error("store unavailable: %s", error)
        return ApiError(130000, "API resource is currently overloaded. Try again a little later", status=503)
    _log.error("unexpected error in %s", what, exc_info=error)
    return ApiError(0, _REASONS[500], status=500)


def too_large() -> ApiError:
    """The body is over `body_max_bytes`."""
    return ApiError(40005, "Request entity too large", status=413)


def on_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Whatever a route or a service raised."""
    return _respond(refusal_of(error, f"{request.method} {request.url.path}"))


def on_http_error(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Litestar's own refusals: no such route or method, a body too large, a form that does not parse."""
    status = error.status_code
    if status == 413:
        return _respond(too_large())
    if status == 400:
        return _respond(InvalidForm({"_errors": [{"code": "FORM_INVALID", "message": "The form cannot be read."}]}))
    if status >= 500:
        _log.error("request failed", exc_info=error)
    return _respond(ApiError(0, _REASONS.get(status, f"{status}: Error"), status=status))


HANDLERS: dict[int | type[Exception], Callable[..., Response[Any]]] = {
    HTTPException: on_http_error,
    Exception: on_error,
}

# -- msgspec's sentences, as the form errors of protocol.md §8.1

_PLACE = re.compile(r" - at `(?:key in )?\$(.*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_SENTENCES: list[tuple[re.Pattern[str], str, str]] = [
    (re.compile(r"^Expected `\w+` of length >= (\d+)"), "BASE_TYPE_MIN_LENGTH", "Must be {0} or more in length."),
    (re.compile(r"^Expected `\w+` of length <= (\d+)"), "BASE_TYPE_MAX_LENGTH", "Must be {0} or fewer in length."),
    (
        re.compile(r"^Expected `(?:int|float)` >= (-?\d+)"),
        "NUMBER_TYPE_MIN",
        "int value should be greater than or equal to {0}.",
    ),
    (
        re.compile(r"^Expected `(?:int|float)` <= (-?\d+)"),
        "NUMBER_TYPE_MAX",
        "int value should be less than or equal to {0}.",
    ),
    (re.compile(r"^(Value \".*\" is not (?:snowflake|int)\.)"), "NUMBER_TYPE_COERCE", "{0}"),
    (re.compile(r"^Invalid enum value (.*)"), "BASE_TYPE_CHOICES", "Value {0} is not one of the choices."),
    (re.compile(r"^Expected `str"), "STRING_TYPE_CONVERT", "Could not interpret the value as string."),
    (re.compile(r"^Expected `int"), "NUMBER_TYPE_COERCE", "Value is not int."),
    (re.compile(r"^Expected `float"), "NUMBER_TYPE_COERCE", "Value is not float."),
    (re.compile(r"^Expected `bool"), "BOOLEAN_TYPE_CONVERT", "Must be either true or false."),
    (re.compile(r"^Expected `object"), "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType."),
    (re.compile(r"^Expected `array"), "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType."),
]
_MISSING = re.compile(r"^Object missing required field `([^`]+)`")


def form_errors(sentence: str) -> FieldErrors:
    """Turn msgspec's "Expected `str`, got `int` - at `$.a[0].b`" into the tree `{"a": {"0": {"b": {"_errors": ...`."""
    place = _PLACE.search(sentence)
    path = [name or index for name, index in _STEP.findall(place[1])] if place else []
    text = sentence[: place.start()] if place else sentence
    missing = _MISSING.match(text)
    if missing:
        path.append(missing[1])
        code, message = "BASE_TYPE_REQUIRED", "This field is required"
    else:
        code, message = "BASE_TYPE_INVALID", text
        for pattern, item_code, template in _SENTENCES:
            found = pattern.match(text)
            if found:
                code, message = item_code, template.format(*found.groups())
                break
    tree: FieldErrors = {"_errors": [{"code": code, "message": message}]}
    for part in reversed(path):
        tree = {part: tree}
    return tree
