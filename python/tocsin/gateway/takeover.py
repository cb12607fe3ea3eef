"""Takeover: a resume of a session that another node had, from the core's question to its place here (ADR 0019).

The core knows what a session was given; here is decided whether it may go on, and what it may see from now on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import msgspec
import structlog

from tocsin.errors import Unauthorized
from tocsin.gateway.batch import Orders
from tocsin.gateway.cohorts import POWERS
from tocsin.gateway.guilds import GuildRegistry
from tocsin.gateway.own_sessions import OwnSessions
from tocsin.gateway.presence import PresenceBook
from tocsin.gateway.session import Session, Sessions, covers
from tocsin.model.event import Scope, ScopeKind
from tocsin.model.presence import SessionPresence
from tocsin.service.services import Services

FIND_S = 5.0
"""How long the other node's journal may take to be read."""
TAKE_S = 5.0
"""How long a session may wait for its place; its client begins anew then."""

Found = tuple[int, int, bool, tuple[int, int] | None, bytes]
"""User, intents, compress, shard and memo of a session."""

log = structlog.get_logger("tocsin.gateway")


class Memo(msgspec.Struct, frozen=True, array_like=True):
    """What Python knows of a session and READY does not say again. `guilds` is a sum over those it is in."""

    guilds: int
    large_threshold: int
    presence: SessionPresence


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Memo).decode


def memo_of(session: Session) -> bytes:
    """Return what is kept with a session for whoever takes it over."""
    return _encode(Memo(_sum(session.guilds), session.large_threshold, session.presence))


def _sum(guild_ids: list[int]) -> int:
    # Equal sums of other guilds take intent: ids are Snowflakes.
    return sum(guild_ids) & 0xFFFF_FFFF_FFFF_FFFF


class Takeover:
    """Answers every claim with exactly one of adopt and invalid_session, and sees to it that what was adopted goes on.

    Args:
        find: asks for a session of another node; the answer goes to `on_found`.
        take: takes over what was found; `on_attached` or `on_not_taken` follow.
        count: is told how each takeover ended, in a word.
    """

    def __init__(
        self,
        services: Services,
        orders: Orders,
        sessions: Sessions,
        guilds: GuildRegistry,
        presences: PresenceBook,
        own_sessions: OwnSessions,
        find: Callable[[int, str, bytes, int], None],
        take: Callable[[int, int], None],
        count: Callable[[str], None],
    ) -> None:
        self._services = services
        self._orders = orders
        self._sessions = sessions
        self._guilds = guilds
        self._presences = presences
        self._own_sessions = own_sessions
        self._find = find
        self._take = take
        self._count = count
        self._finding: dict[int, asyncio.Future[Found | str]] = {}
        self._last_ticket = 0
        self._waiting: dict[int, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def claim(self, key: int, session_id: str, token_digest: bytes, seq: int) -> None:
        """Begin to answer a claim."""
        task = asyncio.create_task(self._claim(key, session_id, token_digest, seq))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def on_found(self, ticket: int, found: Found | str) -> None:
        """The core has looked: what it found, or why there is nothing."""
        future = self._finding.pop(ticket, None)
        if future is not None and not future.done():
            future.set_result(found)

    def on_attached(self, key: int) -> None:
        """A session has its connection: one that was adopted goes on."""
        timer = self._waiting.pop(key, None)
        if timer is not None:
            timer.cancel()
            self._count("inherited")

    def on_not_taken(self, key: int, why: str) -> None:
        """A session cannot be had: its client begins anew."""
        self._refuse(key, why)

    async def stop(self) -> None:
        """End what is under way."""
        for timer in self._waiting.values():
            timer.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _claim(self, key: int, session_id: str, token_digest: bytes, seq: int) -> None:
        self._sessions.begin(key)
        refusal: str | None = "failed"
        try:
            refusal = await self._adopt(key, session_id, token_digest, seq)
        except Unauthorized:
            refusal = "token"
        except Exception:
            log.exception("takeover failed")
        finally:
            self._sessions.finish(key)
            if refusal is not None:
                self._refuse(key, refusal)

    async def _adopt(self, key: int, session_id: str, token_digest: bytes, seq: int) -> str | None:
        """Give a session its place here; return why it has none, or None."""
        self._last_ticket += 1
        ticket = self._last_ticket
        future = self._finding[ticket] = asyncio.get_running_loop().create_future()
        self._find(ticket, session_id, token_digest, seq)
        found: Found | str = "slow"
        with contextlib.suppress(TimeoutError):
            found = await asyncio.wait_for(future, FIND_S)
        self._finding.pop(ticket, None)
        pending = self._sessions.pending(key)
        if isinstance(found, str):
            return found
        if pending is None:
            return "left"
        user_id, intents, compress, shard, raw = found
        memo = _decode(raw)
        pending.token_digest = token_digest
        principal = await self._services.auth.authenticate_digest(token_digest)
        if principal.id != user_id:
            return "token"
        self._sessions.claim(pending, user_id)
        await self._services.context.interest.follow(Scope(ScopeKind.USER, user_id))
        stored = await self._services.context.store.guild_ids_of(user_id)
        guild_ids = [each for each in stored if covers(shard, each)]
        if _sum(guild_ids) != memo.guilds:
            # It joined or left a guild meanwhile: what it should have been told of that is not known.
            return "guilds"
        await self._guilds.load_all([each for each in guild_ids if self._guilds.get(each) is None])
        if pending.gone or pending.revoked:
            return "left"
        if pending.joined:
            return "guilds"
        loaded = [guild for guild in map(self._guilds.get, guild_ids) if guild is not None]
        members = [(guild, guild.state.members.get(user_id)) for guild in loaded]
        seats = [(guild, member) for guild, member in members if member is not None]
        if _sum([guild.id for guild, _ in seats]) != memo.guilds:
            return "guilds"
        session = Session(
            key,
            session_id,
            msgspec.structs.replace(principal, user=pending.user or principal.user),
            intents=intents,
            shard=shard,
            large_threshold=memo.large_threshold,
            presence=msgspec.structs.replace(memo.presence, order=self._presences.next_order()),
        )
        batch = self._orders()
        cohorts = [(guild, guild.seat(session, member, batch)) for guild, member in seats]
        batch.adopt(
            key,
            user_id=user_id,
            bot=session.bot,
            intents=intents,
            shard=shard,
            token_digest=token_digest,
            compress=compress,
            memo=raw,
            seq=seq,
            guilds=[(guild.id, cohort.id) for guild, cohort in cohorts],
            powerless=[guild.id for guild, cohort in cohorts if not guild.cohorts.base(cohort.key) & POWERS],
        )
        self._guilds.seat_lookers(session, batch)
        self._sessions.add(session)
        self._own_sessions.changed(session)
        self._presences.touch(user_id, session.guilds)
        loop = asyncio.get_running_loop()
        self._waiting[key] = loop.call_later(TAKE_S, self._give_up, key)
        # Its place in the inbox comes after its place in the index.
        self._orders.flush()
        self._take(ticket, key)
        return None

    def _give_up(self, key: int) -> None:
        self._waiting.pop(key, None)
        if self._sessions.get(key) is not None:
            self._refuse(key, "slow")

    def _refuse(self, key: int, why: str) -> None:
        log.info("takeover refused", reason=why)
        self._count(why)
        self._orders().disown(key)
