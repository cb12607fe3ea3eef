"""MemberRequests: op 8, answered by GUILD_MEMBERS_CHUNK to the session that asked (protocol.md §1.9).

One request of a session runs at a time, and chunks are spaced, so that a large guild neither holds the loop nor floods
the client's queue.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from tocsin.gateway.batch import Batch
from tocsin.gateway.forms import MAX_QUERY_LIMIT, MembersForm, read_members, snowflake
from tocsin.gateway.guilds import GuildRegistry, LiveGuild
from tocsin.gateway.session import Session, Sessions
from tocsin.model import wire
from tocsin.model.intents import Intents
from tocsin.model.permissions import Permission

CHUNK = 1000
WAITING_MAX = 120
"""Requests of one session that may wait; the send limit allows no more in its window."""

ALL_MEMBERS_WINDOW_MS = 30_000
"""A session may ask for all members of one guild once in this time (§1.8)."""

CHUNKS_AT_ONCE = 4
CHUNK_PAUSE_S = 0.05
_MAY_LIST = int(Permission.MANAGE_ROLES | Permission.KICK_MEMBERS | Permission.BAN_MEMBERS)

_encode = msgspec.json.Encoder().encode
log = structlog.get_logger("tocsin.gateway")


class MemberRequests:
    """Queues and answers op 8."""

    def __init__(
        self, orders: Callable[[], Batch], sessions: Sessions, guilds: GuildRegistry, clock: Callable[[], int]
    ) -> None:
        self._orders = orders
        self._sessions = sessions
        self._guilds = guilds
        self._clock = clock
        self._waiting: dict[int, deque[MembersForm]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """Give up on what is under way."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def request(self, session: Session, d: object) -> None:
        """Take an op 8. Guilds the session is not in, and what it may not ask, are met with silence.

        Raises:
            ValueError: a field is missing or of a wrong type.
        """
        form = read_members(d)
        waiting = self._waiting.get(session.key)
        if waiting is None:
            self._waiting[session.key] = deque([form])
            task = asyncio.create_task(self._serve(session))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif len(waiting) < WAITING_MAX:
            waiting.append(form)

    async def _serve(self, session: Session) -> None:
        waiting = self._waiting[session.key]
        try:
            while waiting and self._sessions.get(session.key) is session:
                await self._answer(session, waiting.popleft())
        except Exception:
            log.exception("member request failed", session=session.id)
        finally:
            del self._waiting[session.key]

    async def _answer(self, session: Session, form: MembersForm) -> None:
        guild = self._guilds.get(form.guild_id)
        if guild is None or guild.id not in session.guilds:
            return
        not_found: list[object] = []
        if form.query is None:
            found, not_found = _by_ids(guild, form.user_ids)
        elif form.wants_all:
            if not self._may_list(session, guild) or self._is_limited(session, form):
                return
            found = list(guild.state.members)
        else:
            found = _by_prefix(guild, form.query, min(form.limit or MAX_QUERY_LIMIT, MAX_QUERY_LIMIT))
        await self._send(session, guild, form, found, not_found)

    def _may_list(self, session: Session, guild: LiveGuild) -> bool:
        if session.bot:
            return bool(session.intents & Intents.GUILD_MEMBERS)
        seat = guild.seats.get(session.user_id)
        return seat is not None and bool(guild.cohorts.base(seat.cohort.key) & _MAY_LIST)

    def _is_limited(self, session: Session, form: MembersForm) -> bool:
        now = self._clock()
        requests = session.member_requests
        for guild_id in [each for each, at in requests.items() if not 0 <= now - at < ALL_MEMBERS_WINDOW_MS]:
            del requests[guild_id]
        last = requests.get(form.guild_id)
        if last is None:
            requests[form.guild_id] = now
            return False
        meta: dict[str, Any] = {"guild_id": str(form.guild_id)}
        if form.nonce is not None:
            meta["nonce"] = form.nonce
        retry_after = (last + ALL_MEMBERS_WINDOW_MS - now) / 1000
        body = _encode({"opcode": 8, "retry_after": retry_after, "meta": meta})
        self._orders().dispatch("RATE_LIMITED", body, sessions=[session.key], ungated=True)
        return True

    async def _send(
        self, session: Session, guild: LiveGuild, form: MembersForm, found: list[int], not_found: list[object]
    ) -> None:
        chunks = [found[start : start + CHUNK] for start in range(0, len(found), CHUNK)] or [[]]
        with_presences = form.presences and bool(session.intents & Intents.GUILD_PRESENCES)
        for index, user_ids in enumerate(chunks):
            if index:
                await asyncio.sleep(0 if index < CHUNKS_AT_ONCE else CHUNK_PAUSE_S)
                if guild.id not in session.guilds or self._guilds.get(guild.id) is not guild:
                    return
            state = guild.state
            here = [each for each in user_ids if each in state.members]
            chunk: dict[str, Any] = {
                "guild_id": str(guild.id),
                "members": [wire.member(state.members[each], state.users[each]) for each in here],
                "chunk_index": index,
                "chunk_count": len(chunks),
            }
            if form.query is None and index == 0:
                chunk["not_found"] = not_found
            if with_presences:
                shown = guild.bodies.shown
                chunk["presences"] = [msgspec.Raw(shown[each]) for each in here if each in shown]
            if form.nonce is not None:
                chunk["nonce"] = form.nonce
            self._orders().dispatch(
                "GUILD_MEMBERS_CHUNK", _encode(chunk), sessions=[session.key], guild=guild.id, ungated=True
            )


def _by_ids(guild: LiveGuild, user_ids: tuple[object, ...]) -> tuple[list[int], list[object]]:
    """Return the members among the ids, and the rest as `not_found` shows them (§1.9)."""
    found: dict[int, None] = {}
    not_found: list[object] = []
    for raw in user_ids:
        try:
            user_id = snowflake(raw)
        except ValueError:
            not_found.append(raw if isinstance(raw, str) else str(raw))
            continue
        if user_id in guild.state.members:
            found[user_id] = None
        else:
            # An id too small to be a snowflake comes back as a number.
            not_found.append(str(user_id) if user_id >> 22 else user_id)
    return list(found), not_found


def _by_prefix(guild: LiveGuild, query: str, limit: int) -> list[int]:
    prefix = query.casefold()
    found: list[int] = []
    for user_id, member in guild.state.members.items():
        if len(found) == limit:
            break
        user = guild.state.users[user_id]
        if any(name is not None and name.casefold().startswith(prefix) for name in _names(member.nick, user)):
            found.append(user_id)
    return found


def _names(nick: str | None, user: Any) -> tuple[str | None, ...]:
    return (user.username, user.global_name, nick)
