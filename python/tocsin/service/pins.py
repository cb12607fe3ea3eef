"""PinService: the messages that a channel keeps at hand (protocol.md §8.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tocsin.errors import BadRequest, Conflict, Forbidden, MissingPermissions, unknown
from tocsin.model import wire
from tocsin.model.audit import AuditAction
from tocsin.model.entities import Channel, Message, Pin
from tocsin.model.permissions import Permission
from tocsin.model.snowflake import snowflake_at, snowflake_ms
from tocsin.service import events
from tocsin.service.audience import Draft, commit_to
from tocsin.service.audit import note
from tocsin.service.auth import Principal
from tocsin.service.message_view import NOTHING_MORE, MessageView, for_event
from tocsin.service.messages import USER_TYPES
from tocsin.service.world import ChannelAccess
from tocsin.store import rows
from tocsin.store.base import Select

if TYPE_CHECKING:
    from tocsin.service.context import Context

MAX_PINS = 250
PINNED = 6
"""The type of the message that says that something was pinned."""

_HISTORY = int(Permission.READ_MESSAGE_HISTORY)
_MAY_PIN = int(Permission.PIN_MESSAGES | Permission.MANAGE_MESSAGES)
"""Either will do: PIN_MESSAGES was part of MANAGE_MESSAGES once, and older bots ask for that."""

Body = dict[str, Any]


class PinService:
    """Lists, makes and lifts pins."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store
        self._world = context.world
        self._view = MessageView(context.store, context.world)

    async def page(self, actor: Principal, channel_id: int, *, before_ms: int = 0, limit: int = 50) -> Body:
        """Return pins, the latest first; none without READ_MESSAGE_HISTORY.

        Raises:
            errors.ApiError: 10003, 50001, 50008.
        """
        access = await self._world.text_access(channel_id, actor.id)
        if not access.permissions & _HISTORY:
            return {"items": [], "has_more": False}
        pins = await self._pins(channel_id, before_ms, limit + 1)
        shown = pins[:limit]
        found = await self._store.messages_by_ids(channel_id, [pin.message_id for pin in shown])
        bodies = dict(zip((each.id for each in found), await self._view.for_reader(actor, found), strict=True))
        items = [
            {"pinned_at": wire.timestamp(snowflake_ms(pin.id)), "message": bodies[pin.message_id]}
            for pin in shown
            if pin.message_id in bodies
        ]
        return {"items": items, "has_more": len(pins) > limit}

    async def list_of(self, actor: Principal, channel_id: int) -> list[Body]:
        """Return the latest 50 pinned messages, as the older route has them."""
        return [item["message"] for item in (await self.page(actor, channel_id))["items"]]

    async def pin(self, actor: Principal, channel_id: int, message_id: int) -> None:
        """Pin a message, and say so in the channel; one that is pinned already stays so.

        Raises:
            errors.ApiError: 10003, 50001, 50008, 50013, 10008, 50021, 30003.
        """
        access = await self._pinner(actor, channel_id)
        async with self._context.locks.hold(("pins", channel_id)):
            message = await self._world.message(channel_id, message_id)
            if message.type not in USER_TYPES:
                raise Forbidden(50021, "Cannot execute action on a system message")
            if message.pinned:
                return
            if len(await self._pins(channel_id, 0, MAX_PINS)) >= MAX_PINS:
                raise BadRequest(30003, f"Maximum number of pins reached ({MAX_PINS})")
            changed = msgspec.structs.replace(message, pinned=True)
            body = await self._view.updated(changed, await self._view.quoted(message))
            pin = Pin(message_id=message_id, channel_id=channel_id, id=self._context.snowflakes.next())
            pinned_at = snowflake_ms(pin.id)

            def draft(to: Channel) -> Draft:
                notice = self._notice(actor, to, message_id)
                said = rows.message_ops(notice, to, self._context.clock())
                shown = for_event(notice, actor.user, access.member, NOTHING_MORE)
                told = [
                    events.message_event("MESSAGE_UPDATE", to, changed, body),
                    events.channel_pins_update(to, pinned_at),
                    events.message_event("MESSAGE_CREATE", to, notice, shown),
                ]
                return [*rows.pin_ops(pin, pinned_at), *said], told

            self._note(AuditAction.MESSAGE_PIN, message)
            try:
                await commit_to(self._context, actor.id, access.channel, draft)
            except Conflict:
                raise unknown("message") from None

    async def unpin(self, actor: Principal, channel_id: int, message_id: int) -> None:
        """Take a pin away; a message without one stays as it is. Raises as `pin`."""
        access = await self._pinner(actor, channel_id)
        async with self._context.locks.hold(("pins", channel_id)):
            message = await self._world.message(channel_id, message_id)
            if not message.pinned:
                return
            changed = msgspec.structs.replace(message, pinned=False)
            body = await self._view.updated(changed, await self._view.quoted(message))

            def draft(to: Channel) -> Draft:
                told = [
                    events.message_event("MESSAGE_UPDATE", to, changed, body),
                    events.channel_pins_update(to, to.last_pin_timestamp),
                ]
                return rows.unpin_ops(channel_id, message_id), told

            self._note(AuditAction.MESSAGE_UNPIN, message)
            try:
                await commit_to(self._context, actor.id, access.channel, draft)
            except Conflict:
                raise unknown("message") from None

    @staticmethod
    def _note(action: AuditAction, message: Message) -> None:
        note(action, message.author_id, channel_id=str(message.channel_id), message_id=str(message.id))

    def _notice(self, actor: Principal, channel: Channel, message_id: int) -> Message:
        reference: Body = {"type": 0, "message_id": str(message_id), "channel_id": str(channel.id)}
        if channel.guild_id:
            reference["guild_id"] = str(channel.guild_id)
        return Message(
            id=self._context.snowflakes.next(),
            channel_id=channel.id,
            guild_id=channel.guild_id,
            author_id=actor.id,
            content="",
            type=PINNED,
            reference=reference,
        )

    async def _pins(self, channel_id: int, before_ms: int, limit: int) -> list[Pin]:
        return await self._store.find(
            Select(
                entity=Pin,
                table="pins",
                where={"channel_id": channel_id},
                below={"id": snowflake_at(before_ms)} if before_ms else {},
                order="-id",
                limit=limit,
            )
        )

    async def _pinner(self, actor: Principal, channel_id: int) -> ChannelAccess:
        access = await self._world.text_access(channel_id, actor.id)
        if not access.permissions & _MAY_PIN:
            raise MissingPermissions
        access.need_open()
        return access
