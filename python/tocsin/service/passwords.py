"""PasswordService: people's accounts by name and password.

argon2 takes tens of milliseconds and 64 MiB: it runs in threads, two at a time, and a bounded number may wait.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from tocsin.errors import ApiError, Conflict, Forbidden, InvalidForm
from tocsin.model.entities import User
from tocsin.service.auth import digest_of, new_token
from tocsin.service.forms import Form
from tocsin.store import rows
from tocsin.store.base import Op

if TYPE_CHECKING:
    from tocsin.service.context import Context

AT_ONCE = 2
MAX_WAITING = 128
MIN_PASSWORD = 8
MAX_PASSWORD = 1024
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f@#:\u200b-\u200f\u2028-\u202e\u2060\ufeff]|```")
_RESERVED = frozenset({"everyone", "here", "discord"})
T = TypeVar("T")


class Login(NamedTuple):
    """Who logged in, and the token that stands for them."""

    user_id: int
    token: str


class PasswordService:
    """Registers people and logs them in. `hasher` is argon2's, with its recommended cost unless told otherwise."""

    def __init__(self, context: Context, hasher: PasswordHasher | None = None) -> None:
        self._context = context
        self._hasher = hasher or PasswordHasher()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._nobody: str | None = None

    async def register(self, username: str, password: str, global_name: str | None = None) -> Login:
        """Make a person's account and its first token.

        Raises:
            errors.Forbidden: 40006, registration is closed.
            errors.InvalidForm: 50035, a bad or taken username, or a short password.
            errors.ApiError: 130000/503, too many are waiting.
        """
        if not self._context.settings.registration:
            raise Forbidden(40006, "Registration is closed.")
        username = username.strip()
        global_name = (global_name or "").strip() or None
        _check(username, password, global_name)
        if await self._context.store.user_by_name(username) is not None:
            raise _taken()
        hashed = await self._in_thread(lambda: self._hasher.hash(password))
        user = User(id=self._context.snowflakes.next(), username=username, global_name=global_name)
        token = self._token(user.id)
        ops: list[Op] = [
            *rows.user_ops(user),
            *rows.password_ops(user.id, hashed),
            *rows.token_ops(digest_of(token), user.id, self._context.clock()),
        ]
        try:
            await self._context.store.commit(ops)
        except Conflict:
            raise _taken() from None
        return Login(user.id, token)

    async def login(self, username: str, password: str) -> Login:
        """Return a new token for the name and password.

        A name that nobody has costs the same work as a wrong password, and fails with the same words.

        Raises:
            errors.InvalidForm: 50035 on `login` and `password`.
            errors.ApiError: 130000/503, too many are waiting.
        """
        store = self._context.store
        user = await store.user_by_name(username.strip())
        known = await store.password_hash(user.id) if user is not None else None
        if len(password) > MAX_PASSWORD:
            raise _refused()
        right = await self._in_thread(lambda: self._verify(known, password))
        if user is None or not right:
            raise _refused()
        token = self._token(user.id)
        ops = list(rows.token_ops(digest_of(token), user.id, self._context.clock()))
        if known is not None and self._hasher.check_needs_rehash(known):
            ops += rows.password_ops(user.id, await self._in_thread(lambda: self._hasher.hash(password)))
        await store.commit(ops)
        return Login(user.id, token)

    def _token(self, user_id: int) -> str:
        return new_token(user_id, self._context.clock())

    def _verify(self, known: str | None, password: str) -> bool:
        if known is None:
            if self._nobody is None:
                self._nobody = self._hasher.hash("the password of nobody")
            known, password = self._nobody, ""
        try:
            return self._hasher.verify(known, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING:
            raise ApiError(130000, "API resource is currently overloaded. Try again a little later", status=503)
        self._waiting += 1
        try:
            async with self._slots:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1


def _check(username: str, password: str, global_name: str | None) -> None:
    form = Form()
    form.length(("username",), username, 2, 32)
    if _FORBIDDEN.search(username) or username.lower() in _RESERVED:
        form.add(("username",), "USERNAME_INVALID_CONTAINS", "Username cannot be this.")
    form.length(("password",), password, MIN_PASSWORD, MAX_PASSWORD)
    form.length(("global_name",), global_name, 1, 32)
    form.check()


def _taken() -> InvalidForm:
    return InvalidForm.field("username", "USERNAME_ALREADY_TAKEN", "Username is unavailable.")


def _refused() -> InvalidForm:
    item = {"code": "INVALID_LOGIN", "message": "Login or password is invalid."}
    return InvalidForm({"login": {"_errors": [item]}, "password": {"_errors": [item]}})
