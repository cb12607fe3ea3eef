"""DmService: one-to-one channels, opened once per pair and reused (protocol.md §8.8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tocsin.errors import BadRequest, Forbidden, unknown
from tocsin.model import wire
from tocsin.model.entities import Channel, ChannelType, ClosedDm, User
from tocsin.service import events
from tocsin.service.auth import Principal
from tocsin.service.locks import KeyedLocks
from tocsin.store import rows
from tocsin.store.base import Delete, Select

if TYPE_CHECKING:
    from tocsin.service.context import Context


class DmService:
    """Opens and lists DMs. Bodies leave the reader out of `recipients`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._opening = KeyedLocks()

    async def open(self, actor: Principal, recipient_id: int) -> dict[str, Any]:
        """Return the DM between the actor and the recipient, making it if there is none.

        Raises:
            errors.ApiError: 50033 for oneself, 10013, 50007 between two bots.
        """
        if recipient_id == actor.id:
            raise BadRequest(50033, "Invalid Recipient(s)")
        recipient = await self._context.world.user(recipient_id)
        if recipient is None:
            raise unknown("user")
        if actor.is_bot and recipient.bot:
            raise Forbidden(50007, "Cannot send messages to this user")
        pair = (min(actor.id, recipient_id), max(actor.id, recipient_id))
        async with self._opening.hold(pair):
            channel = await self._context.store.dm_between(*pair)
            if channel is None:
                channel = await self._make(actor.user, recipient)
            elif not actor.is_bot:
                await self._reopen(actor, channel, recipient)
        return render(channel, actor.id, {actor.id: actor.user, recipient_id: recipient})

    async def list_of(self, actor: Principal, known: Sequence[ClosedDm] | None = None) -> list[dict[str, Any]]:
        """Return the actor's DMs, the latest message first, without those they closed; `known`: which, if read."""
        if known is None:
            known = await self._closed({"user_id": actor.id})
        closed = {each.channel_id: each for each in known}
        found = await self._context.store.dms_of(actor.id)
        channels = [each for each in found if not _is_closed(each, closed.get(each.id))]
        users = await self._context.world.users(each for channel in channels for each in channel.recipients)
        channels.sort(key=lambda channel: channel.last_message_id or channel.id, reverse=True)
        return [render(channel, actor.id, users) for channel in channels]

    async def _closed(self, where: dict[str, int]) -> list[ClosedDm]:
        return await self._context.store.find(asked_closed(where))

    async def _reopen(self, actor: Principal, channel: Channel, recipient: User) -> None:
        """Open a DM that the actor closed, as if it were new to them."""
        where = {"channel_id": channel.id, "user_id": actor.id}
        closed = await self._closed(where)
        if closed and _is_closed(channel, closed[0]):
            body = render(channel, actor.id, {actor.id: actor.user, recipient.id: recipient})
            event = events.dm_create(channel, actor.id, body)
            await self._context.store.commit([Delete("closed_dms", dict(where))], [event])

    async def _make(self, actor: User, recipient: User) -> Channel:
        channel = Channel(id=self._context.snowflakes.next(), type=ChannelType.DM, recipients=(actor.id, recipient.id))
        users = {actor.id: actor, recipient.id: recipient}
        created = [
            events.dm_create(channel, user.id, render(channel, user.id, users))
            for user in users.values()
            if not user.bot
        ]
        await self._context.store.commit(rows.channel_ops(channel), created)
        return channel


def asked_closed(where: dict[str, int]) -> Select[ClosedDm]:
    """Ask for DMs that were closed."""
    return Select(entity=ClosedDm, table="closed_dms", where=dict(where))


def _is_closed(channel: Channel, closed: ClosedDm | None) -> bool:
    return closed is not None and (channel.last_message_id or 0) <= closed.last_message_id


def render(channel: Channel, reader_id: int, users: dict[int, User]) -> dict[str, Any]:
    """Render a DM as one of its people sees it: the recipients are the others."""
    others = [users[each] for each in channel.recipients if each != reader_id and each in users]
    return wire.channel(channel, users=others)
