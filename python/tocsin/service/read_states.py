"""ReadStateService: how far people have read, and what mentions them since (protocol.md §3.5, §8.5).

Mentions are counted in the commit of the message, for those it names (users, whom a reply answers, the people of a
DM): O(mentioned). Of a role or @everyone the commit has one row, which is counted when somebody asks (ADR 0022).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tocsin.errors import Forbidden, NotFound
from tocsin.model import wire
from tocsin.model.entities import Channel, Message, ReadState, RoleMention
from tocsin.model.event import Event
from tocsin.model.permissions import Permission
from tocsin.model.snowflake import snowflake_at
from tocsin.service.auth import Principal
from tocsin.service.events import to_user
from tocsin.service.rereading import reread
from tocsin.store import rows
from tocsin.store.base import Delete, Op, Select

if TYPE_CHECKING:
    from tocsin.service.context import Context
    from tocsin.service.world import World

_VIEW = int(Permission.VIEW_CHANNEL)
MAX_MENTIONS = 1000
"""How many mentions of a person's roles are counted at most, the newest."""
MENTION_WINDOW_MS = 30 * 24 * 3600 * 1000
"""How long mentions of roles are kept; this server's own bound."""


class Ack(NamedTuple):
    """A message up to which a channel was read."""

    channel_id: int
    message_id: int


class ReadStateService:
    """Keeps people's read states. All their sessions are told of each change."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store
        self._world = context.world

    async def role_mentions(self, user_id: int, role_ids: Sequence[int]) -> list[RoleMention]:
        """Return the mentions of some roles that a person has not read, the newest first.

        Of whatever channels: what the person may view of them is for the caller to say.
        """
        return await self._store.role_mentions(user_id, role_ids, MAX_MENTIONS) if role_ids else []

    async def prune(self, now_ms: int) -> None:
        """Forget mentions of roles that are older than `MENTION_WINDOW_MS`."""
        oldest = snowflake_at(now_ms - MENTION_WINDOW_MS)
        below = {"message_id": oldest}
        old = Select(entity=RoleMention, table="role_mentions", where={}, below=below, limit=1)
        if await self._store.find(old):
            await self._store.commit([Delete("role_mentions", {}, below=below)])

    async def ack(self, actor: Principal, ack: Ack, *, manual: bool = False, mention_count: int = 0) -> None:
        """Note that a channel was read up to a message, which need not exist.

        It never moves back unless `manual`, which also sets how many mentions are unread.

        Raises:
            errors.ApiError: 10003, 50001.
        """
        await self._world.channel_access(ack.channel_id, actor.id)
        await self._keep(actor, [ack], mention_count=mention_count if manual else 0, manual=manual)

    async def ack_many(self, actor: Principal, acks: Sequence[Ack]) -> None:
        """Note several at once; channels that the actor does not see are passed over, as if there were none."""
        seen = []
        for ack in {each.channel_id: each for each in acks}.values():
            try:
                await self._world.channel_access(ack.channel_id, actor.id)
            except (Forbidden, NotFound):
                continue
            seen.append(ack)
        if seen:
            await self._keep(actor, seen)

    async def forget(self, actor: Principal, channel_id: int) -> None:
        """Drop what is kept of a channel. Raises 10003, 50001."""
        await self._world.channel_access(channel_id, actor.id)
        await self._store.commit([Delete("read_states", {"user_id": actor.id, "channel_id": channel_id})])

    async def ack_pins(self, actor: Principal, channel_id: int) -> None:
        """Note that a channel's pins were looked at. Raises 10003, 50001, 50008."""
        access = await self._world.text_access(channel_id, actor.id)

        async def change() -> None:
            was = (await self._of(actor.id, [channel_id])).get(channel_id)
            before = was or ReadState(user_id=actor.id, channel_id=channel_id)
            state = msgspec.structs.replace(
                before, last_pin_timestamp=access.channel.last_pin_timestamp or 0, version=before.version + 1
            )
            told = to_user(actor.id, "CHANNEL_PINS_ACK", wire.channel_pins_ack(state))
            await self._store.commit(rows.read_state_ops(was, state), [told])

        async with self._context.locks.hold(("read_states", actor.id)):
            await reread(change)

    async def _keep(
        self, actor: Principal, acks: Sequence[Ack], *, mention_count: int = 0, manual: bool = False
    ) -> None:
        async def change() -> None:
            ops: list[Op] = []
            told: list[Event] = []
            kept = await self._of(actor.id, [ack.channel_id for ack in acks])
            for ack in acks:
                was = kept.get(ack.channel_id)
                state = was or ReadState(user_id=actor.id, channel_id=ack.channel_id)
                read = ack.message_id if manual else max(ack.message_id, state.last_message_id)
                state = msgspec.structs.replace(
                    state,
                    last_message_id=read,
                    mention_count=mention_count,
                    version=state.version + 1,
                    # What a client counts has those of its roles up to now.
                    counted_to=snowflake_at(self._context.clock() + 1) if manual else state.counted_to,
                )
                ops += rows.read_state_ops(was, state)
                told.append(to_user(actor.id, "MESSAGE_ACK", wire.message_ack(state, manual=manual)))
            await self._store.commit(ops, told)

        async with self._context.locks.hold(("read_states", actor.id)):
            await reread(change)

    async def _of(self, user_id: int, channel_ids: list[int]) -> dict[int, ReadState]:
        where = {"user_id": user_id, "channel_id": channel_ids}
        found = await self._store.find(Select(entity=ReadState, table="read_states", where=where))
        return {each.channel_id: each for each in found}


async def whom_it_calls(world: World, channel: Channel, author_id: int, mentions: Sequence[int]) -> list[int]:
    """Return the people whose count a message raises: those named who may view the channel, and the others of a DM."""
    called = []
    for user_id in mentions if channel.guild_id else channel.recipients:
        user = None if user_id == author_id else await world.user(user_id)
        if user is not None and not user.bot and await world.permissions_in(channel, user_id) & _VIEW:
            called.append(user_id)
    return called


def message_ops(message: Message, called: Sequence[int], *, by_person: bool) -> list[Op]:
    """Return what a message does to read states: its author has read it, whom it calls has one more mention.

    The roles it mentions are noted, for those who ask later.
    """
    ops = rows.read_state_own_ops(message) if by_person else []
    for user_id in called:
        ops += rows.read_state_mention_ops(user_id, message.channel_id)
    return ops + rows.role_mention_ops(message, called) if message.guild_id else ops


def asked(user_id: int) -> Select[ReadState]:
    """Ask for a person's read states, also of channels that they do not see any more."""
    return Select(entity=ReadState, table="read_states", where={"user_id": user_id})
