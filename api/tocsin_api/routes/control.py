"""Control routes of a node's own tools: loopback only, with the token of `DATA/node.json`. Not Discord's."""

from __future__ import annotations

import hmac
import ipaddress
from typing import Annotated, Any, Literal, Protocol

import msgspec
from litestar import Request, Response, post

from tocsin.errors import ApiError, BadRequest, NotFound, WorldFileError
from tocsin.service.world_file import parse_world_file
from tocsin.service.world_seed import seed_world
from tocsin_api.request import answer_json, decode, services

SCHEME = "Tocsin "
OPEN = {"auth": False, "rate_limit": False}


def _check(request: Request[Any, Any, Any]) -> None:
    """Answer 404 to everyone but the node's own tools, as if there were no such route."""
    expected = request.app.state.get("control_token")
    given = request.headers.get("authorization", "")
    client = request.client
    if (
        not expected
        or client is None
        or not _is_loopback(client.host)
        or not hmac.compare_digest(given.encode(), (SCHEME + expected).encode())
    ):
        raise NotFound(0, "404: Not Found")


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


@post("/_tocsin/world", status_code=200, opt=OPEN, summary="Seed a world file into the running node")
async def post_world(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Seed a world file into the running node; live sessions hear of it. `?format=toml` for TOML."""
    _check(request)
    context = services(request).context
    try:
        world = parse_world_file(await request.body(), toml=request.query_params.get("format") == "toml")
        report = await seed_world(
            world, store=context.store, snowflakes=context.snowflakes, clock=context.clock, locks=context.locks
        )
    except WorldFileError as error:
        raise _refused(error) from None
    return answer_json(report)


def _refused(error: WorldFileError) -> ApiError:
    return BadRequest(0, str(error))


class RevokeForm(msgspec.Struct):
    """Which token."""

    token: str


@post("/_tocsin/revoke", status_code=200, opt=OPEN, summary="Revoke a token at once")
async def post_revoke(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Answer whether the token was known; from now on it is refused, and its sessions are closed with 4004."""
    _check(request)
    token = decode(await request.body(), RevokeForm).token
    return answer_json({"known": await services(request).auth.revoke_token(token)})


class Faults(Protocol):
    """What the node can do to live sessions on purpose; each answers how many sessions it met."""

    def reconnect(self, who: int | str) -> int:
        """Send op 7."""
        ...

    def invalid_session(self, who: int | str, *, resumable: bool) -> int:
        """Send op 9."""
        ...

    def close(self, who: int | str, code: int) -> int:
        """Close the sockets, keep the sessions."""
        ...

    def cut(self, who: int | str) -> int:
        """Cut the sockets without a word, keep the sessions."""
        ...


class FaultForm(msgspec.Struct):
    """Which sessions, by user or by session id, and what befalls them. `code` is of a close."""

    fault: Literal["reconnect", "invalid_session", "close", "cut"]
    user_id: int | str | None = None
    session_id: str | None = None
    resumable: bool = False
    code: Annotated[int, msgspec.Meta(ge=1000, le=4999)] = 4000


@post("/_tocsin/faults", status_code=200, opt=OPEN, summary="Do something to live sessions on purpose")
async def post_fault(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Answer how many sessions were met."""
    _check(request)
    form = decode(await request.body(), FaultForm)
    faults: Faults | None = request.app.state.get("faults")
    if faults is None:
        raise BadRequest(0, "This node has no gateway")
    who = _whom(form)
    match form.fault:
        case "reconnect":
            met = faults.reconnect(who)
        case "invalid_session":
            met = faults.invalid_session(who, resumable=form.resumable)
        case "close":
            met = faults.close(who, form.code)
        case "cut":
            met = faults.cut(who)
    return answer_json({"sessions": met})


def _whom(form: FaultForm) -> int | str:
    if (form.user_id is None) == (form.session_id is None):
        raise BadRequest(0, "Exactly one of user_id and session_id must be given")
    if form.session_id is not None:
        return form.session_id
    try:
        return int(form.user_id or 0)
    except ValueError:
        raise BadRequest(0, "user_id is not a snowflake") from None


HANDLERS = [post_world, post_revoke, post_fault]
