"""Auth: from the Authorization header to a principal, and the guards that tell bots from people."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Scope

from tocsin.errors import Forbidden, Unauthorized
from tocsin.service.auth import AuthService, Principal

NO_AUTH: dict[str, Any] = {"auth": False}
"""`opt` of a route that is open to everyone."""


async def principal_of(scope: Scope, auth: AuthService) -> Principal:
    """Return who sent the request.

    Raises:
        errors.Unauthorized: no Authorization header, or a token that is not known.
    """
    for name, value in scope["headers"]:
        if name == b"authorization":
            return await auth.authenticate(value.decode("latin-1"))
    raise Unauthorized


def bots_only(connection: ASGIConnection[Any, Principal, Any, Any], _: BaseRouteHandler) -> None:
    """Guard: 403/20002 for people."""
    if not connection.user.is_bot:
        raise Forbidden(20002, "Only bots can use this endpoint")


def people_only(connection: ASGIConnection[Any, Principal, Any, Any], _: BaseRouteHandler) -> None:
    """Guard: 403/20001 for bots."""
    if connection.user.is_bot:
        raise Forbidden(20001, "Bots cannot use this endpoint")
