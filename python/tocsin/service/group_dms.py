"""GroupDmService: private channels of up to ten people (protocol.md §8.6, §8.8).

Each change of the people bumps the channel's `recipients_version`, on which everything is committed that is told to
them (`tocsin.service.audience`): who was put out is told nothing that is written after it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tocsin.errors import BadRequest, Conflict, Forbidden, MissingPermissions, StoreUnavailable, TocsinError, unknown
from tocsin.model.entities import Channel, ChannelType, Message, User
from tocsin.model.event import Event
from tocsin.service import dms, events, guild_events, read_states
from tocsin.service.audience import ATTEMPTS
from tocsin.service.auth import Principal
from tocsin.service.group_icons import GroupIcons
from tocsin.service.message_view import Resolved, for_event
from tocsin.store import rows
from tocsin.store.base import Op

if TYPE_CHECKING:
    from tocsin.service.context import Context

MAX_RECIPIENTS = 10
"""People of a group, its owner among them."""

ADDED, REMOVED, RENAMED, NEW_ICON = 1, 2, 4, 5
"""The types of messages that say what changed (protocol.md §4.4)."""

Body = dict[str, Any]


class _Change(NamedTuple):
    """What a group becomes, and what is written and told for it."""

    after: Channel
    ops: Sequence[Op]
    told: Sequence[Event]


class GroupDmService:
    """Makes groups, takes people in and out, renames. People only."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._world = context.world
        self.icons = GroupIcons(context)

    async def has(self, channel_id: int) -> bool:
        """Whether the channel is a group DM, of whomever."""
        channel = await self._world.channel(channel_id)
        return channel is not None and channel.type == ChannelType.GROUP_DM

    async def create(self, actor: Principal, recipient_ids: Sequence[int]) -> Body:
        """Make a group of the actor, who owns it, and two or more others; always a new one.

        Raises:
            errors.ApiError: 20001 for bots, 50033 for fewer than two others, 30004 for more than `MAX_RECIPIENTS`,
                10013, 50007 for a bot among them.
        """
        if actor.is_bot:
            raise Forbidden(20001, "Bots cannot use this endpoint")
        others = [each for each in dict.fromkeys(recipient_ids) if each != actor.id]
        if len(others) < 2:
            raise BadRequest(50033, "Invalid Recipient(s)")
        if len(others) >= MAX_RECIPIENTS:
            raise _full()
        users = await self._world.users(others)
        for each in others:
            _check_person(users.get(each))
        users[actor.id] = actor.user
        channel = Channel(
            id=self._context.snowflakes.next(),
            type=ChannelType.GROUP_DM,
            owner_id=actor.id,
            recipients=tuple(sorted(users)),
        )
        told = [events.dm_create(channel, each, dms.render(channel, each, users)) for each in channel.recipients]
        await self._context.store.commit(rows.channel_ops(channel), told)
        return dms.render(channel, actor.id, users)

    async def bring(self, actor: Principal, channel_id: int, user_id: int) -> Body | None:
        """Take somebody into a group; to a DM, which stays as it is, by a new group of the three, which is returned.

        Raises:
            errors.ApiError: as `add`, and 50033 for who is in the DM already.
        """
        channel = (await self._world.channel_access(channel_id, actor.id)).channel
        if channel.type == ChannelType.DM:
            return await self.create(actor, [*channel.recipients, user_id])
        await self.add(actor, channel_id, user_id)
        return None

    async def add(self, actor: Principal, channel_id: int, user_id: int) -> None:
        """Take somebody in; whoever is in the group may. One who is there already is no change.

        Raises:
            errors.ApiError: 10003, 50001, 50024 for another channel than a group, 10013, 50007 for a bot, 30004.
        """

        async def change(channel: Channel) -> _Change | None:
            if user_id in channel.recipients:
                return None
            if len(channel.recipients) >= MAX_RECIPIENTS:
                raise _full()
            added = await self._world.user(user_id)
            after = msgspec.structs.replace(
                channel,
                recipients=tuple(sorted((*channel.recipients, user_id))),
                recipients_version=channel.recipients_version + 1,
            )
            users = await self._world.users(after.recipients)
            told = [
                events.recipient_add(channel, _check_person(added)),
                events.dm_create(after, user_id, dms.render(after, user_id, users)),
            ]
            said = await self._say(actor, after, ADDED, mentions={user_id: users[user_id]})
            ops = rows.recipient_add_ops(channel.id, user_id)
            return _Change(after, [*ops, *said.ops], [*told, *said.told])

        await self._change(actor, channel_id, change)

    async def remove(self, actor: Principal, channel_id: int, user_id: int) -> None:
        """Put somebody out, which only the owner may, or leave.

        Raises:
            errors.ApiError: 10003, 50001, 50024 for another channel than a group, 50013, 10013 for who is not in it.
        """

        async def change(channel: Channel) -> _Change:
            if user_id != actor.id and channel.owner_id != actor.id:
                raise MissingPermissions
            if user_id not in channel.recipients:
                raise unknown("user")
            return await self._without(actor, channel, user_id)

        await self._change(actor, channel_id, change)

    async def leave(self, actor: Principal, channel_id: int) -> Body:
        """Leave a group, and return it as it was. Raises 10003, 50001."""

        async def change(channel: Channel) -> _Change:
            return await self._without(actor, channel, actor.id)

        before, _ = await self._change(actor, channel_id, change)
        return dms.render(before, actor.id, await self._world.users(before.recipients))

    async def update(self, actor: Principal, channel_id: int, changes: dict[str, Any]) -> Body:
        """Change the name or the icon, a data URI, which all may, or the owner, which the owner may.

        Raises:
            errors.ApiError: 10003, 50001, 50024, 50013, 50033 for an owner who is not in the group, 50035.
        """
        if changes.get("icon"):
            await self._world.channel_access(channel_id, actor.id)
            changes = {**changes, "icon": await self.icons.keep("icon", changes["icon"])}
        elif "icon" in changes:
            changes = {**changes, "icon": None}

        async def change(channel: Channel) -> _Change | None:
            owner_id = changes.get("owner_id", channel.owner_id)
            if owner_id != channel.owner_id:
                if channel.owner_id != actor.id:
                    raise MissingPermissions
                if owner_id not in channel.recipients:
                    raise BadRequest(50033, "Invalid Recipient(s)")
            after = msgspec.structs.replace(channel, **changes)
            if after == channel:
                return None
            ops: list[Op] = [*rows.group_update_ops(after)]
            told = await self._updates(after)
            for kind, differs, content in (
                (RENAMED, after.name != channel.name, after.name or ""),
                (NEW_ICON, after.icon != channel.icon, ""),
            ):
                if differs:
                    said = await self._say(actor, after, kind, content)
                    ops += said.ops
                    told += said.told
            return _Change(after, ops, told)

        try:
            before, after = await self._change(actor, channel_id, change)
        except TocsinError:
            await self.icons.drop(changes.get("icon"))
            raise
        if before.icon != after.icon:
            await self.icons.drop(before.icon)
        return dms.render(after, actor.id, await self._world.users(after.recipients))

    # -- helpers

    async def _change(
        self, actor: Principal, channel_id: int, change: Callable[[Channel], Awaitable[_Change | None]]
    ) -> tuple[Channel, Channel]:
        """Commit a change of the group as it is now; again when another process changed its people meanwhile.

        Return it as it was and as it is.
        """
        async with self._context.locks.hold(("group", channel_id)):
            for _ in range(ATTEMPTS):
                channel = (await self._world.channel_access(channel_id, actor.id)).channel
                if channel.type != ChannelType.GROUP_DM:
                    raise BadRequest(50024, "Cannot execute action on this channel type")
                made = await change(channel)
                if made is None:
                    return channel, channel
                try:
                    await self._context.store.commit([*rows.audience_ops(channel), *made.ops], made.told)
                except Conflict:
                    continue
                if not made.after.recipients:
                    await self.icons.drop(channel.icon)
                return channel, made.after
        raise StoreUnavailable("the people of a group changed too often")

    async def _without(self, actor: Principal, channel: Channel, user_id: int) -> _Change:
        """The group without one of its people; after the last one there is none."""
        users = await self._world.users(channel.recipients)
        gone = guild_events.dm_delete(channel, user_id, dms.render(channel, user_id, users))
        left = tuple(each for each in channel.recipients if each != user_id)
        if not left:
            after = msgspec.structs.replace(channel, recipients=())
            return _Change(after, rows.channel_delete_ops(channel.id), [gone])
        after = msgspec.structs.replace(
            channel,
            recipients=left,
            recipients_version=channel.recipients_version + 1,
            # Nobody knows who of them came first; the oldest account is the same to all.
            owner_id=min(left) if channel.owner_id == user_id else channel.owner_id,
        )
        removed = users[user_id]
        told = [gone, events.recipient_remove(after, removed)]
        if after.owner_id != channel.owner_id:
            told += await self._updates(after)
        said = await self._say(actor, after, REMOVED, mentions={user_id: removed})
        ops = rows.recipient_remove_ops(channel.id, user_id)
        return _Change(after, [*ops, *rows.group_update_ops(after), *said.ops], [*told, *said.told])

    async def _updates(self, channel: Channel) -> list[Event]:
        users = await self._world.users(channel.recipients)
        return [
            events.private_channel("CHANNEL_UPDATE", channel, each, dms.render(channel, each, users))
            for each in channel.recipients
        ]

    async def _say(
        self, actor: Principal, channel: Channel, kind: int, content: str = "", mentions: dict[int, User] | None = None
    ) -> _Change:
        """A message that says what changed. The last thing before the commit: its id is made here."""
        called = await read_states.whom_it_calls(self._world, channel, actor.id, ())
        named = mentions or {}
        message = Message(
            id=self._context.snowflakes.next(),
            channel_id=channel.id,
            author_id=actor.id,
            content=content,
            type=kind,
            mentions=tuple(named),
        )
        body = for_event(message, actor.user, None, Resolved(named, {}, None))
        ops = rows.message_ops(message, channel)
        ops += read_states.message_ops(message, called, by_person=actor.id in channel.recipients)
        return _Change(channel, ops, [events.message_event("MESSAGE_CREATE", channel, message, body)])


def _check_person(user: User | None) -> User:
    if user is None:
        raise unknown("user")
    if user.bot:
        raise Forbidden(50007, "Cannot send messages to this user")
    return user


def _full() -> BadRequest:
    return BadRequest(30004, f"Maximum number of recipients reached ({MAX_RECIPIENTS})")
