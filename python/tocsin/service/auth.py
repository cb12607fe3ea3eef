"""AuthService: tokens, and who stands behind them.

A token is `base64(user id).time.random`, the shape that some client libraries insist on; only its SHA-256 is stored.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from tocsin.errors import Unauthorized
from tocsin.model.entities import Application, User
from tocsin.store.base import Delete
from tocsin.store.rows import token_ops

if TYPE_CHECKING:
    from tocsin.service.context import Context

PRINCIPALS_KEPT = 16384
PRINCIPAL_AGE_MS = 10_000
"""How long a token revoked by another process may still be taken for good."""

_MAX_TOKEN_CHARS = 512


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """An authenticated user or bot. `application` only for bots."""

    user: User
    application: Application | None
    token_digest: bytes

    @property
    def id(self) -> int:
        """The user's id."""
        return self.user.id

    @property
    def is_bot(self) -> bool:
        """Whether the user is a bot."""
        return self.user.bot


def strip_scheme(authorization: str) -> str:
    """Return the token of an Authorization value or an Identify: `Bot x`, `Bearer x` and `x` are the same."""
    value = authorization.strip()
    for scheme in ("Bot ", "Bearer "):
        if value[: len(scheme)].lower() == scheme.lower():
            return value[len(scheme) :].strip()
    return value


def digest_of(token: str) -> bytes:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def same_secret(kept: str, given: str) -> bool:
    """Compare a secret with what a caller gives, in a time that tells nothing of where they differ."""
    return hmac.compare_digest(kept.encode(), given.encode("utf-8", "replace"))


def new_token(user_id: int, now_ms: int) -> str:
    """Make a token for the user, 27 random bytes strong."""

    def text(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    stamp = (now_ms // 1000).to_bytes(6, "big")
    return f"{text(str(user_id).encode())}.{text(stamp)}.{text(secrets.token_bytes(27))}"


class AuthService:
    """Turns tokens into principals, and makes and revokes them.

    `on_revoked` is told the user and the digest of each token that is revoked, before the revoking call returns.
    """

    def __init__(self, context: Context) -> None:
        self.on_revoked: list[Callable[[int, bytes], None]] = []
        self._context = context
        self._known: OrderedDict[bytes, tuple[int, Principal]] = OrderedDict()
        self._changes = 0  # a read that a change overtook is not kept
        context.world.on_user_change.append(self._forget_user)

    async def authenticate(self, token: str) -> Principal:
        """Return who `token` belongs to, with or without `Bot ` or `Bearer ` before it.

        Raises:
            errors.Unauthorized: the token is empty or not known.
        """
        token = strip_scheme(token)
        if not token or len(token) > _MAX_TOKEN_CHARS:
            raise Unauthorized
        return await self.authenticate_digest(digest_of(token))

    async def authenticate_digest(self, digest: bytes) -> Principal:
        """As `authenticate`, by what is stored of the token.

        Raises:
            errors.Unauthorized: the token is not known.
        """
        now = self._context.clock()
        known = self._known.get(digest)
        if known is not None and 0 <= now - known[0] < PRINCIPAL_AGE_MS:
            self._known.move_to_end(digest)
            return known[1]
        changes = self._changes
        found = await self._context.store.bearer(digest)
        if found is None:
            self._known.pop(digest, None)
            raise Unauthorized
        user, application = found
        principal = Principal(user=user, application=application, token_digest=digest)
        if changes != self._changes:
            return principal
        self._known[digest] = (now, principal)
        self._known.move_to_end(digest)
        if len(self._known) > PRINCIPALS_KEPT:
            self._known.popitem(last=False)
        return principal

    async def issue_token(self, user_id: int) -> str:
        """Make, store and return a new token for an existing user."""
        now = self._context.clock()
        token = new_token(user_id, now)
        await self._context.store.commit(token_ops(digest_of(token), user_id, now))
        return token

    async def revoke_token(self, token: str) -> bool:
        """Forget a token and end its sessions; later calls with it fail. Return whether it was known."""
        return await self.revoke_digest(digest_of(strip_scheme(token)))

    async def revoke_digest(self, digest: bytes) -> bool:
        """As `revoke_token`, for a principal's `token_digest`."""
        store = self._context.store
        user = await store.user_by_token(digest)
        await store.commit([Delete("tokens", {"digest": digest})])
        self._changes += 1
        self._known.pop(digest, None)
        if user is None:
            return False
        for told in self.on_revoked:
            told(user.id, digest)
        return True

    def forget_token(self, token_digest: bytes) -> None:
        """Read a token anew before it is taken again: another node has revoked it."""
        self._changes += 1
        self._known.pop(token_digest, None)

    async def good(self, user_ids: Sequence[int]) -> set[bytes]:
        """Return the digests of all tokens of these users that the store knows."""
        return await self._context.store.token_digests(user_ids)

    def _forget_user(self, user_id: int) -> None:
        self._changes += 1
        for digest in [digest for digest, (_, who) in self._known.items() if who.user.id == user_id]:
            del self._known[digest]
