"""ChannelService: the channels of a guild, and closing a DM (protocol.md §8.6).

`changes` map a `Channel`'s field names to values whose form is checked; what they may be is checked here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tocsin.errors import BadRequest, Forbidden, InvalidForm, MissingAccess, MissingPermissions, unknown
from tocsin.model import wire
from tocsin.model.entities import Channel, ChannelType, ClosedDm, Overwrite, Thread, ThreadPlace
from tocsin.model.event import Event
from tocsin.model.guild_state import GuildState
from tocsin.model.permissions import Permission
from tocsin.service import dms, guild_events, overwrites
from tocsin.service.auth import Principal
from tocsin.service.channel_form import check_changes, parent_of, siblings_end
from tocsin.service.group_dms import GroupDmService
from tocsin.service.roles import sorted_roles
from tocsin.service.threads import ThreadService
from tocsin.service.webhook_avatars import WebhookAvatars
from tocsin.service.world import ChannelAccess, GuildAccess
from tocsin.store import rows
from tocsin.store.base import Op, Select, Update

if TYPE_CHECKING:
    from tocsin.service.context import Context

MAX_CHANNELS = 500
GUILD_REFERENCES = (
    "afk_channel_id",
    "system_channel_id",
    "rules_channel_id",
    "public_updates_channel_id",
    "safety_alerts_channel_id",
    "widget_channel_id",
)
"""The fields of a guild that name a channel."""

_CATEGORY = int(ChannelType.GUILD_CATEGORY)
_MANAGE_CHANNELS = int(Permission.MANAGE_CHANNELS)
_MANAGE_ROLES = int(Permission.MANAGE_ROLES)
Body = dict[str, Any]


class ChannelMove(msgspec.Struct, frozen=True, kw_only=True):
    """One channel of a PATCH of all positions. `parent_id` 0 leaves the parent, None takes it away."""

    id: int
    position: int | None = None
    parent_id: int | None = 0
    lock_permissions: bool = False


class ChannelService:
    """Lists, makes, changes, moves and deletes channels, and their overwrites."""

    def __init__(self, context: Context, threads: ThreadService, group_dms: GroupDmService) -> None:
        self._context = context
        self._threads = threads
        self._group_dms = group_dms
        self._webhook_avatars = WebhookAvatars(context)
        self._store = context.store
        self._world = context.world

    # -- read

    async def get(self, actor: Principal, channel_id: int) -> Body:
        """Return a channel or thread the actor may view, or their DM."""
        access = await self._world.channel_access(channel_id, actor.id)
        if isinstance(access.channel, Thread):
            return await self._threads.get(actor, access.channel)
        return await self._render(access.channel, actor.id)

    async def list_of(self, actor: Principal, guild_id: int) -> list[Body]:
        """Return those channels of a guild that the actor may view, by (position, id)."""
        access = await self._world.guild_access(guild_id, actor.id)
        state = access.guild
        visible = [channel for channel in state.channels.values() if state.can_view(access.member, channel)]
        return [wire.channel(channel) for channel in sorted(visible, key=lambda each: (each.position, each.id))]

    # -- create

    async def create(self, actor: Principal, guild_id: int, changes: dict[str, Any]) -> Body:
        """Make a channel. Under a category without overwrites of its own it takes the category's.

        Raises:
            errors.MissingPermissions: 50013, no MANAGE_CHANNELS, or overwrites with bits the actor lacks.
            errors.BadRequest: 30013, there are `MAX_CHANNELS` already.
            errors.InvalidForm: 50035, a value that this type of channel cannot have.
        """
        async with self._context.locks.hold(("guild", guild_id)):
            access = await self._world.require_guild(guild_id, actor.id, _MANAGE_CHANNELS)
            state = access.guild
            if len(state.channels) >= MAX_CHANNELS:
                raise BadRequest(30013, f"Maximum number of server channels reached ({MAX_CHANNELS})")
            given = changes.get("overwrites")
            fields = {"type": int(ChannelType.GUILD_TEXT), **changes}
            check_changes(fields["type"], fields)
            parent = parent_of(access, fields["type"], fields.get("parent_id"), self._now())
            if parent is not None and not state.permissions(access.member, parent, self._now()) & _MANAGE_CHANNELS:
                raise MissingPermissions
            if given:
                await self._check_new_overwrites(access, given, parent)
                fields["overwrites"] = overwrites.normal(given)
            else:
                # Client libraries send an empty list for "none given".
                fields["overwrites"] = parent.overwrites if parent is not None else ()
            fields.setdefault("position", siblings_end(state, fields["type"]))
            channel = Channel(id=self._context.snowflakes.next(), guild_id=guild_id, **fields)
            await self._store.commit(rows.channel_ops(channel), [guild_events.channel_create(channel)])
            return wire.channel(channel)

    async def _check_new_overwrites(
        self, access: GuildAccess, given: Sequence[Overwrite], parent: Channel | None
    ) -> None:
        new = overwrites.normal(given)
        await overwrites.need_targets(self._world, access.guild, parent.overwrites if parent else (), new)
        touched = overwrites.touched_bits((), new)
        overwrites.need_may_touch(access.guild, access.member, self._now(), touched, None, parent)

    # -- change

    async def update(self, actor: Principal, channel_id: int, changes: dict[str, Any]) -> Body:
        """Change a channel or thread. Children in step with a category's overwrites follow them.

        Raises:
            errors.NotFound: 10003.
            errors.Forbidden: 50001, 50013, or 50003 for a DM.
            errors.InvalidForm: 50035.
        """
        if isinstance(await self._world.channel(channel_id), Thread):
            return await self._threads.update(actor, channel_id, changes)
        guild_id = await self._guild_of(actor, channel_id)
        async with self._context.locks.hold(("guild", guild_id)):
            access = await self._world.require(channel_id, actor.id, _MANAGE_CHANNELS)
            channel, state = access.channel, _state(access)
            changes = {name: value for name, value in changes.items() if name in Channel.__struct_fields__}
            kind = int(changes.get("type", channel.type))
            _check_type_change(channel.type, kind)
            check_changes(kind, changes)
            if "parent_id" in changes and changes["parent_id"] != channel.parent_id:
                parent_of(_guild_access(access), kind, changes["parent_id"], self._now())
            if "overwrites" in changes:
                changes["overwrites"] = await self._set_overwrites(access, changes["overwrites"])
            changed = msgspec.structs.replace(channel, **changes)
            await self._commit_changes(state, [(channel, changed)])
            return wire.channel(changed)

    async def put_overwrite(self, actor: Principal, channel_id: int, overwrite: Overwrite) -> None:
        """Set one overwrite of a guild channel.

        Raises:
            errors.NotFound: 10003, or 10009 when the target is no role or member of the guild.
            errors.MissingPermissions: 50013, no MANAGE_ROLES there, or bits the actor may not set.
        """
        await self._edit_overwrites(actor, channel_id, overwrite.id, overwrite)

    async def delete_overwrite(self, actor: Principal, channel_id: int, target_id: int) -> None:
        """Take one overwrite away. Raises as `put_overwrite`; 10009 when there is none."""
        await self._edit_overwrites(actor, channel_id, target_id, None)

    async def _edit_overwrites(
        self, actor: Principal, channel_id: int, target_id: int, overwrite: Overwrite | None
    ) -> None:
        guild_id = await self._guild_of(actor, channel_id)
        async with self._context.locks.hold(("guild", guild_id)):
            access = await self._world.require(channel_id, actor.id, _MANAGE_ROLES)
            channel = access.channel
            kept = tuple(each for each in channel.overwrites if each.id != target_id)
            if overwrite is None and len(kept) == len(channel.overwrites):
                raise unknown("overwrite")
            wanted = kept if overwrite is None else (*kept, overwrite)
            changed = msgspec.structs.replace(channel, overwrites=await self._set_overwrites(access, wanted))
            await self._commit_changes(_state(access), [(channel, changed)])

    async def _set_overwrites(self, access: ChannelAccess, given: Sequence[Overwrite]) -> tuple[Overwrite, ...]:
        """Return `given` as the channel's overwrites, if the actor may set them."""
        channel, state, member = access.channel, _state(access), _guild_access(access).member
        new = overwrites.normal(given)
        touched = overwrites.touched_bits(channel.overwrites, new)
        if set(new) != set(channel.overwrites):
            access.need(_MANAGE_ROLES)
        parent = state.channels.get(channel.parent_id) if channel.parent_id else None
        overwrites.need_may_touch(state, member, self._now(), touched, channel, parent)
        await overwrites.need_targets(self._world, state, channel.overwrites, new)
        return new

    # -- move

    async def move(self, actor: Principal, guild_id: int, moves: Sequence[ChannelMove]) -> None:
        """Set positions, and at most one parent.

        Raises:
            errors.MissingPermissions: 50013.
            errors.BadRequest: 40009, more than one channel would change its parent.
            errors.NotFound: 10003, an id of no channel that the actor may view.
        """
        async with self._context.locks.hold(("guild", guild_id)):
            access = await self._world.require_guild(guild_id, actor.id, _MANAGE_CHANNELS)
            state = access.guild
            changed: list[tuple[Channel, Channel]] = []
            reparented = 0
            for move in moves:
                channel = state.channels.get(move.id)
                if channel is None or not state.can_view(access.member, channel):
                    raise unknown("channel")
                new = channel if move.position is None else msgspec.structs.replace(channel, position=move.position)
                if move.parent_id != 0 and move.parent_id != channel.parent_id:
                    reparented += 1
                    parent_of(access, channel.type, move.parent_id, self._now())
                    new = msgspec.structs.replace(new, parent_id=move.parent_id)
                if move.lock_permissions and new.parent_id is not None:
                    new = self._locked(access, channel, new)
                if new.parent_id != channel.parent_id or new.overwrites != channel.overwrites:
                    _need_in(access, channel, self._now(), _MANAGE_CHANNELS)
                changed.append((channel, new))
            if reparented > 1:
                raise BadRequest(40009, "Only one channel can have its parent_id modified at a time")
            await self._commit_changes(state, changed)

    def _locked(self, access: GuildAccess, channel: Channel, new: Channel) -> Channel:
        """Return `new` with its category's overwrites."""
        state = access.guild
        parent = state.channels.get(new.parent_id or 0)
        if parent is None or overwrites.synced(new, parent):
            return new
        _need_in(access, channel, self._now(), _MANAGE_ROLES)
        touched = overwrites.touched_bits(channel.overwrites, parent.overwrites)
        overwrites.need_may_touch(state, access.member, self._now(), touched, channel, parent)
        return msgspec.structs.replace(new, overwrites=parent.overwrites)

    async def _commit_changes(self, state: GuildState, changed: Sequence[tuple[Channel, Channel]]) -> None:
        """Write what differs, and the overwrites of children that were in step with their category."""
        new = {after.id: after for before, after in changed if after != before}
        for before, after in changed:
            if before.type != _CATEGORY or set(before.overwrites) == set(after.overwrites):
                continue
            for child in state.channels.values():
                if child.parent_id == before.id and overwrites.synced(child, before) and child.id not in new:
                    new[child.id] = msgspec.structs.replace(child, overwrites=after.overwrites)
        if not new:
            return
        ops: list[Op] = []
        for channel in new.values():
            ops += rows.channel_update_ops(channel)
        await self._store.commit(ops, [guild_events.channel_update(channel) for channel in new.values()])

    # -- delete

    async def delete(self, actor: Principal, channel_id: int) -> Body:
        """Delete a guild channel or a thread, close a DM for the actor, or leave a group DM; return it.

        A category's children stay, without a parent; threads go with theirs. What in the guild names the channel
        names none.
        """
        channel = await self._world.channel(channel_id)
        if channel is not None and channel.type == ChannelType.GROUP_DM:
            return await self._group_dms.leave(actor, channel_id)
        if channel is not None and not channel.guild_id:
            return await self._close(actor, channel)
        if isinstance(channel, Thread):
            return await self._threads.delete(actor, channel_id)
        guild_id = await self._guild_of(actor, channel_id)
        async with self._context.locks.hold(("guild", guild_id)):
            access = await self._world.require(channel_id, actor.id, _MANAGE_CHANNELS)
            channel, state = access.channel, _state(access)
            threads = await self._store.find(
                Select(entity=ThreadPlace, table="threads", where={"parent_id": channel.id})
            )
            ops: list[Op] = [*rows.channel_delete_ops(channel.id), *rows.threads_delete_ops([t.id for t in threads])]
            events: list[Event] = [guild_events.channel_delete(channel)]
            for child in state.channels.values():
                if child.parent_id == channel.id:
                    ops.append(Update("channels", {"id": child.id}, {"parent_id": None}))
                    events.append(guild_events.channel_update(msgspec.structs.replace(child, parent_id=None)))
            cleared: dict[str, Any] = {
                name: None for name in GUILD_REFERENCES if getattr(state.guild, name) == channel.id
            }
            if cleared:
                guild = msgspec.structs.replace(state.guild, **cleared)
                ops.append(Update("guilds", {"id": guild.id}, cleared))
                events.append(guild_events.guild_update(guild, sorted_roles(state), state.emojis.values()))
            webhooks = await self._webhook_avatars.of(channel_id=channel.id)
            await self._store.commit(ops, events)
            await self._webhook_avatars.drop_all(webhooks)
            return wire.channel(channel)

    async def _close(self, actor: Principal, channel: Channel) -> Body:
        if actor.id not in channel.recipients:
            raise MissingAccess
        body = await self._render(channel, actor.id)
        if not actor.is_bot:
            last = channel.last_message_id or 0
            closed = ClosedDm(channel_id=channel.id, user_id=actor.id, last_message_id=last)
            await self._store.commit(rows.close_dm_ops(closed), [guild_events.dm_delete(channel, actor.id, body)])
        return body

    # -- helpers

    def _now(self) -> int:
        return self._context.clock()

    async def _guild_of(self, actor: Principal, channel_id: int) -> int:
        """Return the guild of a channel that the actor may view. Raises 50003 for a DM."""
        access = await self._world.channel_access(channel_id, actor.id)
        if not access.channel.guild_id:
            raise Forbidden(50003, "Cannot execute action on a DM channel")
        access.need_no_thread()
        return access.channel.guild_id

    async def _render(self, channel: Channel, reader_id: int) -> Body:
        if channel.guild_id:
            return wire.channel(channel)
        return dms.render(channel, reader_id, await self._world.users(channel.recipients))


def _state(access: ChannelAccess) -> GuildState:
    if access.guild is None:
        raise Forbidden(50003, "Cannot execute action on a DM channel")
    return access.guild


def _guild_access(access: ChannelAccess) -> GuildAccess:
    if access.guild is None or access.member is None:
        raise Forbidden(50003, "Cannot execute action on a DM channel")
    return GuildAccess(access.guild, access.member, access.permissions)


def _need_in(access: GuildAccess, channel: Channel, now_ms: int, permissions: int) -> None:
    if access.guild.permissions(access.member, channel, now_ms) & permissions != permissions:
        raise MissingPermissions


def _check_type_change(old: int, new: int) -> None:
    if old != new and {old, new} != {int(ChannelType.GUILD_TEXT), int(ChannelType.GUILD_ANNOUNCEMENT)}:
        raise InvalidForm.field("type", "BASE_TYPE_CHOICES", f"Value must be one of ({old},).")
