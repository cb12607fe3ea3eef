"""ThreadService: threads of text and announcement channels (protocol.md §8.9). Who is in them: `thread_members`.

A thread archives itself when nobody has written for its duration; `archive_stale` finds those whose time has come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tocsin.errors import BadRequest, Conflict, Forbidden, InvalidForm, MissingPermissions, unknown
from tocsin.model import wire
from tocsin.model.entities import Channel, ChannelType, Message, Thread, ThreadMember, ThreadPlace
from tocsin.model.event import Event
from tocsin.model.permissions import Permission
from tocsin.service import events, thread_events
from tocsin.service.auth import Principal
from tocsin.service.message_view import HAS_THREAD, NOTHING_MORE, MessageView, for_event
from tocsin.service.world import ChannelAccess
from tocsin.store import rows
from tocsin.store.base import Op, Select, ThreadQuery, Update

if TYPE_CHECKING:
    from tocsin.service.context import Context

MAX_ACTIVE = 1000
DAY_MIN = 1440
CREATED, STARTER = 18, 21
"""The types of the message that says that there is a thread, and of the one that a thread begins with."""

SWEPT_AT_ONCE = 500
STARTER_TYPES = frozenset({0, 19, 20, 23})
_SEND = int(Permission.SEND_MESSAGES)
_MANAGE = int(Permission.MANAGE_THREADS)
_PUBLIC = int(Permission.CREATE_PUBLIC_THREADS)
_PRIVATE = int(Permission.CREATE_PRIVATE_THREADS)
_PARENTS = {int(ChannelType.GUILD_TEXT): (11, 12), int(ChannelType.GUILD_ANNOUNCEMENT): (10,)}
_MANAGERS_FIELDS = frozenset({"locked", "rate_limit_per_user"})
_FIELDS = frozenset({"name", "archived", "auto_archive_duration", "locked", "invitable", "rate_limit_per_user"})
Body = dict[str, Any]


class ThreadService:
    """Makes, changes, archives and deletes threads."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store
        self._world = context.world
        self._view = MessageView(context.store, context.world)

    # -- create

    async def create(self, actor: Principal, channel_id: int, changes: Body) -> Body:
        """Make a thread without a message; private unless its type says otherwise. The parent is told of public ones.

        Raises:
            errors.ApiError: 10003, 50001, 50013, 50003 in a DM, 50024, 160006 or 50035.
        """
        access = await self._parent(actor, channel_id)
        async with self._context.locks.hold(("guild", access.channel.guild_id)):
            access = await self._parent(actor, channel_id)
            kinds = _PARENTS[access.channel.type]
            kind = int(changes.get("type", ChannelType.PRIVATE_THREAD))
            if kind not in kinds:
                text = f"Value must be one of ({', '.join(str(each) for each in kinds)},)."
                raise InvalidForm.field("type", "BASE_TYPE_CHOICES", text)
            private = kind == ChannelType.PRIVATE_THREAD
            access.need(_PRIVATE if private else _PUBLIC | _SEND)
            thread = await self._new(actor, access.channel, self._context.snowflakes.next(), kind, changes)
            ops: list[Op] = list(rows.thread_ops(thread))
            told = [self._created(actor, thread, ops)]
            if not private:
                self._announce(actor, access, thread, ops, told)
            await self._store.commit(ops, told)
            return wire.thread(thread, self._first(actor, thread))

    async def create_from_message(self, actor: Principal, channel_id: int, message_id: int, changes: Body) -> Body:
        """Make a public thread that starts from a message, whose id it takes.

        Raises:
            errors.ApiError: as `create`, 10008, 50068 for a system message, 160004 for one that has a thread.
        """
        access = await self._parent(actor, channel_id)
        async with self._context.locks.hold(("guild", access.channel.guild_id)):
            access = await self._parent(actor, channel_id)
            access.need(_PUBLIC | _SEND)
            channel = access.channel
            message = await self._world.message(channel_id, message_id)
            if message.type not in STARTER_TYPES:
                raise BadRequest(50068, "Invalid message type")
            if await self._world.channel(message_id) is not None:
                raise BadRequest(160004, "A thread has already been created for this message")
            kind = 10 if channel.type == ChannelType.GUILD_ANNOUNCEMENT else 11
            thread = await self._new(actor, channel, message_id, kind, changes)
            reference = {"type": 0, "message_id": str(message_id), "channel_id": str(channel.id)}
            starter = Message(
                id=self._context.snowflakes.next(),
                channel_id=thread.id,
                guild_id=channel.guild_id,
                author_id=actor.id,
                content="",
                type=STARTER,
                reference={**reference, "guild_id": str(channel.guild_id)},
            )
            thread = msgspec.structs.replace(thread, last_message_id=starter.id)
            ops: list[Op] = list(rows.thread_ops(thread))
            told = [self._created(actor, thread, ops)]
            flagged = msgspec.structs.replace(message, flags=message.flags | HAS_THREAD)
            body = {
                **await self._view.updated(flagged, await self._view.quoted(message)),
                "thread": wire.thread(thread),
            }
            ops.append(Update("messages", {"id": message.id}, {"flags": flagged.flags}, must_match=True))
            told.append(events.message_event("MESSAGE_UPDATE", channel, flagged, body))
            more = await self._view.resolve(channel.guild_id, (), message)
            ops += rows.message_ops(starter)
            body = for_event(starter, actor.user, access.member, more)
            told.append(events.message_event("MESSAGE_CREATE", thread, starter, body))
            try:
                await self._store.commit(ops, told)
            except Conflict:
                raise unknown("message") from None
            return wire.thread(thread, self._first(actor, thread))

    async def _parent(self, actor: Principal, channel_id: int) -> ChannelAccess:
        access = await self._world.channel_access(channel_id, actor.id)
        if not access.channel.guild_id:
            raise Forbidden(50003, "Cannot execute action on a DM channel")
        if access.channel.type not in _PARENTS:
            raise BadRequest(50024, "Cannot execute action on this channel type")
        return access

    async def _new(self, actor: Principal, parent: Channel, thread_id: int, kind: int, changes: Body) -> Thread:
        where = {"guild_id": parent.guild_id, "archived": False}
        active = await self._store.find(Select(entity=ThreadPlace, table="threads", where=where, limit=MAX_ACTIVE))
        if len(active) >= MAX_ACTIVE:
            raise BadRequest(160006, "Maximum number of active threads reached")
        now = self._context.clock()
        duration = changes.get("auto_archive_duration", parent.default_auto_archive_duration or DAY_MIN)
        return Thread(
            id=thread_id,
            type=kind,
            guild_id=parent.guild_id,
            parent_id=parent.id,
            owner_id=actor.id,
            name=changes["name"],
            rate_limit_per_user=changes.get("rate_limit_per_user", parent.default_thread_rate_limit_per_user),
            auto_archive_duration=duration,
            archive_timestamp=now,
            archive_at=now + duration * 60_000,
            invitable=changes.get("invitable", True),
            member_count=1,
        )

    def _first(self, actor: Principal, thread: Thread) -> ThreadMember:
        return ThreadMember(
            thread_id=thread.id, user_id=actor.id, guild_id=thread.guild_id, joined_at=thread.archive_timestamp
        )

    def _created(self, actor: Principal, thread: Thread, ops: list[Op]) -> Event:
        first = self._first(actor, thread)
        ops += rows.thread_member_ops(first)
        return thread_events.thread_create(thread, [first])

    def _announce(
        self, actor: Principal, access: ChannelAccess, thread: Thread, ops: list[Op], told: list[Event]
    ) -> None:
        """Add the message that tells the parent of a thread without a message."""
        channel = access.channel
        message = Message(
            id=self._context.snowflakes.next(),
            channel_id=channel.id,
            guild_id=channel.guild_id,
            author_id=actor.id,
            content=thread.name or "",
            type=CREATED,
            reference={"type": 0, "channel_id": str(thread.id), "guild_id": str(channel.guild_id)},
        )
        ops += rows.message_ops(message)
        body = for_event(message, actor.user, access.member, NOTHING_MORE)
        told.append(events.message_event("MESSAGE_CREATE", channel, message, body))

    # -- read

    async def active(self, actor: Principal, guild_id: int) -> Body:
        """Return a guild's threads that are not archived and that the actor may view, and the actor's places in them.

        Raises:
            errors.ApiError: 10004, 50001.
        """
        await self._world.guild_access(guild_id, actor.id)
        await self.archive_stale(guild_id)
        found = await self._store.threads(ThreadQuery(guild_id=guild_id, archived=False, by_id=True))
        seen = [each for each in found if await self._sees(actor, each)]
        return {"threads": [wire.thread(each) for each in seen], "members": await self._places(actor, seen)}

    async def archived(
        self,
        actor: Principal,
        channel_id: int,
        *,
        private: bool,
        joined: bool = False,
        before_ms: int = 0,
        before_id: int = 0,
        limit: int = 50,
    ) -> Body:
        """Return archived threads, the latest first; private ones need MANAGE_THREADS, or `joined`, then by falling id.

        Raises:
            errors.ApiError: 10003, 50001, 50003, 50024, 50013 (READ_MESSAGE_HISTORY too).
        """
        access = await self._parent(actor, channel_id)
        access.need(int(Permission.READ_MESSAGE_HISTORY))
        if private and not joined:
            access.need(_MANAGE)
        found = await self._store.threads(
            ThreadQuery(
                parent_id=channel_id,
                archived=True,
                types=(12,) if private else (10, 11),
                member_id=actor.id if joined else 0,
                before_ms=before_ms,
                before_id=before_id,
                by_id=joined,
                limit=limit + 1,
            )
        )
        shown = found[:limit]
        return {
            "threads": [wire.thread(each) for each in shown],
            "members": await self._places(actor, shown),
            "has_more": len(found) > limit,
        }

    async def _sees(self, actor: Principal, thread: Thread) -> bool:
        channel = await self._world.channel(thread.id)
        return channel is not None and bool(await self._world.permissions_in(channel, actor.id))

    async def _places(self, actor: Principal, threads: list[Thread]) -> list[Body]:
        where = {"user_id": actor.id, "thread_id": [each.id for each in threads]}
        found = await self._store.find(Select(entity=ThreadMember, table="thread_members", where=where))
        return [wire.thread_member(each) for each in found]

    async def get(self, actor: Principal, thread: Thread) -> Body:
        """Return a thread that the actor may view, with their place in it."""
        return wire.thread(thread, await self._world.thread_member(thread.id, actor.id))

    # -- change

    async def update(self, actor: Principal, thread_id: int, changes: Body) -> Body:
        """Change a thread, archive it or open it again.

        Whoever may write opens what is not locked; name, archiving and `invitable` are its creator's too; the rest
        needs MANAGE_THREADS. An archived thread is only opened, or locked.

        Raises:
            errors.ApiError: 10003, 50001, 50013, 50083.
        """
        async with self._context.locks.hold(("thread", thread_id)):
            access = await self._world.channel_access(thread_id, actor.id)
            thread = await self._stored(thread_id)
            wanted = {name: value for name, value in changes.items() if name in _FIELDS}
            wanted = {name: value for name, value in wanted.items() if value != getattr(thread, name)}
            _need_to_change(actor, access, thread, wanted)
            if wanted:
                thread = await self._save(thread, wanted)
        return wire.thread(thread, await self._world.thread_member(thread_id, actor.id))

    async def open_again(self, thread: Thread) -> None:
        """Open an archived thread for somebody who may. Call with its lock held."""
        await self._save(await self._stored(thread.id), {"archived": False})

    async def _save(self, thread: Thread, wanted: Body) -> Thread:
        now = self._context.clock()
        changed = msgspec.structs.replace(thread, **wanted)
        more: Body = {}
        if changed.archived != thread.archived:
            more["archive_timestamp"] = now
        if changed.archived != thread.archived or changed.auto_archive_duration != thread.auto_archive_duration:
            since = now if thread.archived else thread.archive_at - thread.auto_archive_duration * 60_000
            more["archive_at"] = since + changed.auto_archive_duration * 60_000
        changed = msgspec.structs.replace(changed, **more)
        event = thread_events.thread_update(changed, await self.members_of(thread.id))
        try:
            await self._store.commit(rows.thread_update_ops(thread, changed), [event])
        except Conflict:
            raise unknown("channel") from None
        return changed

    async def members_of(self, thread_id: int) -> list[ThreadMember]:
        """Return who is in a thread, in the order of their joining."""
        where = {"thread_id": thread_id}
        return await self._store.find(
            Select(entity=ThreadMember, table="thread_members", where=where, order="joined_at")
        )

    async def _stored(self, thread_id: int) -> Thread:
        found = await self._store.threads(ThreadQuery(id=thread_id))
        if not found:
            raise unknown("channel")
        return found[0]

    async def archive_stale(self, guild_id: int = 0) -> None:
        """Archive the threads in which nobody has written for their duration; of all guilds without one."""
        now = self._context.clock()
        query = ThreadQuery(guild_id=guild_id, archived=False, stale_at=now, limit=SWEPT_AT_ONCE)
        for found in await self._store.threads(query):
            async with self._context.locks.hold(("thread", found.id)):
                changed = msgspec.structs.replace(found, archived=True, archive_timestamp=now)
                # Somebody may have written, or archived it, since it was read.
                held = Update(
                    "threads",
                    {"id": found.id, "archived": False, "archive_at": found.archive_at},
                    {"archived": True, "archive_timestamp": now},
                    must_match=True,
                )
                event = thread_events.thread_update(changed, await self.members_of(found.id))
                try:
                    await self._store.commit([held], [event])
                except Conflict:
                    continue

    # -- delete

    async def delete(self, actor: Principal, thread_id: int) -> Body:
        """Delete a thread with its messages. Raises 10003, 50001, 50013 (MANAGE_THREADS)."""
        async with self._context.locks.hold(("thread", thread_id)):
            await self._world.require(thread_id, actor.id, _MANAGE)
            thread = await self._stored(thread_id)
            event = thread_events.thread_delete(thread, await self.members_of(thread_id))
            await self._store.commit(rows.threads_delete_ops([thread_id]), [event])
        return wire.thread(thread)


def _need_to_change(actor: Principal, access: ChannelAccess, thread: Thread, wanted: Body) -> None:
    manages = bool(access.permissions & _MANAGE)
    opens = wanted.get("archived") is False
    if thread.archived and not opens and wanted.keys() - {"locked"}:
        raise BadRequest(50083, "Thread is archived")
    if manages:
        return
    if wanted.keys() & _MANAGERS_FIELDS or (thread.locked and wanted):
        raise MissingPermissions
    if opens:
        access.need(_SEND)
    if (wanted.keys() - {"archived"} or wanted.get("archived")) and thread.owner_id != actor.id:
        raise MissingPermissions
