"""Request: what every route uses to read ids, queries and bodies, and to answer in JSON.

Bodies are JSON, or multipart with `payload_json`, or a form (protocol.md §8.1, §8.3). Ids are numbers or strings.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import unquote

import msgspec
from litestar import Request, Response
from litestar.datastructures import State, UploadFile

from tocsin.errors import BadRequest, InvalidForm
from tocsin.model.wire import parse_timestamp
from tocsin.service.audit import acts
from tocsin.service.auth import Principal
from tocsin.service.drafts import Upload

if TYPE_CHECKING:
    from tocsin.service.services import Services

JSON = "application/json"
ApiRequest = Request[Principal, str | None, State]
"""A request of an authenticated route: `request.user` is the `Principal`."""

T = TypeVar("T")
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
_FILE = re.compile(r"files?\[?(\d{0,2})\]?")
MAX_ID = 2**63 - 1
MAX_REASON = 512
_CONTENT_TYPES = "application/json, multipart/form-data, application/x-www-form-urlencoded"


class Snowflake(int):
    """An id in a path, query or body: a decimal string or a number below 2^63."""


class Bits(int):
    """A permission set in a body: a decimal string or a number; bits above the 64th are refused."""


def services(request: Request[Any, Any, Any]) -> Services:
    """Return the services of the node that serves this request."""
    found: Services = request.app.state.services
    return found


def decode_custom(kind: type, value: Any) -> Any:
    """msgspec's `dec_hook` for `Snowflake` and `Bits`. Raises ValueError with the wire's message."""
    if kind is Snowflake or kind is Bits:
        number = _whole(value)
        if number is None or number > MAX_ID:
            noun = "snowflake" if kind is Snowflake else "int"
            raise ValueError(f'Value "{str(value)[:64]}" is not {noun}.')
        return kind(number)
    raise NotImplementedError(f"no decoder for {kind!r}")


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if value >= 0 else None
    if isinstance(value, str) and len(value) <= 20 and value.isascii() and value.isdigit():
        return int(value)
    return None


@lru_cache(maxsize=512)
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, dec_hook=decode_custom)


def decode(raw: bytes, kind: type[T]) -> T:
    """Decode a JSON text.

    Raises:
        errors.BadRequest: 50109, it is not JSON.
        msgspec.ValidationError: it is JSON of another shape; `tocsin_api.errors` makes the 50035 of it.
    """
    decoder: msgspec.json.Decoder[T] = _decoder(cast("Hashable", kind))
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest(50109, "The request body contains invalid JSON.") from None


async def read_body(request: Request[Any, Any, Any], kind: type[T]) -> T:
    """Read the request's body as a `kind`. A request without a body reads as `{}`.

    Raises:
        errors.InvalidForm: 50035, for another content type or for files; see `read_body_and_files`.
        As `decode`.
    """
    content_type = _content_type(request)
    if content_type == JSON:
        return decode(await request.body(), kind)
    if content_type in FORMS:
        return await _read_form(request, kind, None)
    if not content_type:
        raw = await request.body()
        return decode(raw or b"{}", kind)
    if content_type == "application/octet-stream" and not await request.body():
        return decode(b"{}", kind)
    message = f'Expected "Content-Type" header to be one of {{{_CONTENT_TYPES}}}.'
    raise InvalidForm({"_errors": [{"code": "CONTENT_TYPE_INVALID", "message": message}]})


async def read_body_and_files(request: Request[Any, Any, Any], kind: type[T]) -> tuple[T, tuple[Upload, ...]]:
    """As `read_body`, with the files `files[n]` (or `file`) of a multipart form, by n."""
    if _content_type(request) not in FORMS:
        return await read_body(request, kind), ()
    uploads: list[Upload] = []
    body = await _read_form(request, kind, uploads)
    return body, tuple(sorted(uploads, key=lambda each: each.index))


def _content_type(request: Request[Any, Any, Any]) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _read_form(request: Request[Any, Any, Any], kind: type[T], uploads: list[Upload] | None) -> T:
    form = await request.form()
    fields: dict[str, Any] = {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            if name == "payload_json":
                fields[name] = (await value.read()).decode("utf-8", "replace")
                continue
            found = None if uploads is None else _FILE.fullmatch(name)
            if uploads is None or found is None:
                message = "No file is taken here."
                raise InvalidForm({name: {"_errors": [{"code": "ATTACHMENTS_DISABLED", "message": message}]}})
            uploads.append(
                Upload(
                    index=int(found[1] or 0),
                    filename=value.filename,
                    content_type=value.content_type,
                    data=await value.read(),
                )
            )
            continue
        fields[name] = value
    payload = fields.get("payload_json")
    if payload is not None:
        return decode(payload.encode() if isinstance(payload, str) else msgspec.json.encode(payload), kind)
    return msgspec.convert(fields, kind, strict=False, dec_hook=decode_custom)


def answer(body: bytes, status: int = 200) -> Response[bytes]:
    """Answer with a rendered JSON text. The content type is exactly `application/json` (clients/README.md §1)."""
    return Response(body, status_code=status, media_type=JSON)


def answer_json(value: Any, status: int = 200) -> Response[bytes]:
    """Answer with `value` as JSON."""
    return Response(msgspec.json.encode(value), status_code=status, media_type=JSON)


def no_content() -> Response[None]:
    """Answer 204, with no body and no content type."""
    return Response(None, status_code=204)


def audit_reason(request: Request[Any, Any, Any]) -> str | None:
    """Return the decoded `X-Audit-Log-Reason`, or None, and have the audit log tell what the caller does from here on.

    Raises:
        errors.InvalidForm: 50035, it is too long (protocol.md §8.1).
    """
    reason = unquote(request.headers.get("x-audit-log-reason", "")).strip()
    if len(reason) > MAX_REASON:
        raise InvalidForm.field("reason", "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {MAX_REASON} in length.")
    acts(request.user.id, reason or None)
    return reason or None


def query_int(request: Request[Any, Any, Any], name: str, default: int, low: int, high: int) -> int:
    """Read a bounded whole number of the query. Raises `InvalidForm` naming it."""
    raw = request.query_params.get(name)
    if raw is None or raw == "":
        return default
    try:
        value = int(raw)
    except ValueError:
        raise InvalidForm.field(name, "NUMBER_TYPE_COERCE", f'Value "{raw[:64]}" is not int.') from None
    if value < low:
        raise InvalidForm.field(name, "NUMBER_TYPE_MIN", f"int value should be greater than or equal to {low}.")
    if value > high:
        raise InvalidForm.field(name, "NUMBER_TYPE_MAX", f"int value should be less than or equal to {high}.")
    return value


def query_id(request: Request[Any, Any, Any], name: str) -> int:
    """Read an id of the query, 0 when absent. Raises `InvalidForm` naming it."""
    raw = request.query_params.get(name)
    if raw is None or raw == "":
        return 0
    return parse_id(raw, name)


def query_time(request: Request[Any, Any, Any], name: str) -> int:
    """Read an ISO 8601 time of the query as Unix milliseconds, 0 when absent. Raises `InvalidForm` naming it."""
    raw = request.query_params.get(name)
    if not raw:
        return 0
    try:
        # An unescaped plus arrives as a space.
        return parse_timestamp(raw.replace(" ", "+"))
    except (ValueError, OverflowError):
        message = f'Could not parse "{raw[:64]}". Should be ISO8601.'
        raise InvalidForm.field(name, "DATE_TIME_TYPE_PARSE", message) from None


def query_bool(request: Request[Any, Any, Any], name: str, default: bool = False) -> bool:
    """Read a switch of the query: true, True, 1, false, False, 0 (protocol.md §8.1)."""
    raw = request.query_params.get(name)
    if raw is None:
        return default
    if raw in ("true", "True", "1"):
        return True
    if raw in ("false", "False", "0"):
        return False
    raise InvalidForm.field(name, "BOOLEAN_TYPE_CONVERT", "Must be either true or false.")


def path_id(request: Request[Any, Any, Any], name: str) -> int:
    """Read an id of the path. Raises `InvalidForm` naming it."""
    return parse_id(str(request.path_params[name]), name)


def parse_id(raw: str, name: str) -> int:
    """Read an id that a path or a query gives. Raises `InvalidForm` naming it."""
    value = _whole(raw)
    if value is None or value > MAX_ID:
        raise InvalidForm.field(name, "NUMBER_TYPE_COERCE", f'Value "{raw[:64]}" is not snowflake.')
    return value
