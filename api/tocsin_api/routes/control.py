"""Control routes of a node's own tools: loopback only, with the token of `DATA/node.json`. Not Discord's."""

from __future__ import annotations

import hmac
import ipaddress
from typing import Annotated, Any, Literal, Protocol

import msgspec
from litestar import Litestar, Request, Response, post
from litestar.routes import HTTPRoute

from tocsin.errors import ApiError, BadRequest, NotFound, WorldFileError
from tocsin.service.world_file import parse_world_file
from tocsin.service.world_seed import seed_world
from tocsin_api.gate import Gatekeeper, PlannedLimit
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

    def half_frame(self, who: int | str, event: str | None = None) -> int:
        """End the sockets in the middle of a frame, at once or of the next such event; keep the sessions."""
        ...

    def stall(self, who: int | str, for_ms: int) -> int:
        """Write nothing to the sockets for a while."""
        ...


class FaultForm(msgspec.Struct):
    """Which sessions, by user or by session id, and what befalls them.

    `code` is of a close, `for_ms` of a stall, `event` of half a frame. A rate limit has the rest: of a user or of
    anyone, on a route or on any; with neither and 0 `requests` all of them end.
    """

    fault: Literal["reconnect", "invalid_session", "close", "cut", "half_frame", "stall", "rate_limit"]
    user_id: int | str | None = None
    session_id: str | None = None
    resumable: bool = False
    code: Annotated[int, msgspec.Meta(ge=1000, le=4999)] = 4000
    for_ms: Annotated[int, msgspec.Meta(ge=1, le=3_600_000)] = 1000
    event: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    route: str | None = None
    requests: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 1
    retry_after_ms: Annotated[int, msgspec.Meta(ge=1, le=3_600_000)] = 100
    scope: Literal["user", "shared", "global"] = "user"


@post("/_tocsin/faults", status_code=200, opt=OPEN, summary="Do something to live sessions on purpose")
async def post_fault(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Answer how many sessions were met."""
    _check(request)
    form = decode(await request.body(), FaultForm)
    if form.fault == "rate_limit":
        return answer_json({"sessions": _plan_limit(request, form)})
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
        case "half_frame":
            met = faults.half_frame(who, form.event)
        case "stall":
            met = faults.stall(who, form.for_ms)
    return answer_json({"sessions": met})


def _plan_limit(request: Request[Any, Any, Any], form: FaultForm) -> int:
    """Have the next requests refused; no session is met."""
    if form.session_id is not None:
        raise BadRequest(0, "A rate limit takes a user_id, or nobody for anyone")
    who = None if form.user_id is None else _user(form.user_id)
    group = None if form.route is None else _group_of(request.app, form.route)
    if form.route is not None and group is None:
        raise BadRequest(0, f"No such route: {form.route!r}; such as POST /channels/{{channel_id}}/messages")
    keeper: Gatekeeper = request.app.state.keeper
    if who is None and group is None and not form.requests:
        keeper.plan_nothing()
    else:
        keeper.plan(group, who, PlannedLimit(form.requests, form.retry_after_ms, form.scope))
    return 0


def _group_of(app: Litestar, route: str) -> str | None:
    """Return the rate-limit group of `METHOD /path`, the path being a template or a real one without /api/v10."""
    method, _, path = route.partition(" ")
    wanted = path.strip().strip("/").split("/")
    for each in app.routes:
        if not isinstance(each, HTTPRoute) or not each.path_format.startswith("/api/v10/"):
            continue
        parts = each.path_format.removeprefix("/api/v10/").split("/")
        if len(parts) != len(wanted) or not all(map(_same_part, parts, wanted)):
            continue
        for handler in each.route_handlers:
            if method.upper() in handler.http_methods:
                return str(handler.opt.get("bucket") or f"{method.upper()} {each.path_format}")
    return None


def _same_part(part: str, wanted: str) -> bool:
    return part == wanted or (part.startswith("{") and (wanted.isdecimal() or wanted.startswith("{")))


def _whom(form: FaultForm) -> int | str:
    if (form.user_id is None) == (form.session_id is None):
        raise BadRequest(0, "Exactly one of user_id and session_id must be given")
    return _user(form.user_id or 0) if form.session_id is None else form.session_id


def _user(user_id: int | str) -> int:
    try:
        return int(user_id)
    except ValueError:
        raise BadRequest(0, "user_id is not a snowflake") from None


HANDLERS = [post_world, post_revoke, post_fault]
