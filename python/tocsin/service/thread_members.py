"""ThreadMemberService: who is in a thread (protocol.md §8.9).

Joins and departures of one thread happen one after the other, so that what is told of its members is true.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tocsin.errors import BadRequest, Conflict, MissingAccess, MissingPermissions, unknown
from tocsin.model import wire
from tocsin.model.entities import Channel, Member, Thread, ThreadMember, User
from tocsin.model.event import Event
from tocsin.model.intents import Intents
from tocsin.model.permissions import Permission
from tocsin.service import thread_events
from tocsin.service.auth import Principal
from tocsin.service.threads import ThreadService
from tocsin.service.world import ChannelAccess
from tocsin.store import rows
from tocsin.store.base import Delete, Select

if TYPE_CHECKING:
    from tocsin.service.context import Context

MAX_MEMBERS = 1000
_SEND = int(Permission.SEND_MESSAGES)
_MANAGE = int(Permission.MANAGE_THREADS)
_VIEW = int(Permission.VIEW_CHANNEL)
_MEMBERS = int(Intents.GUILD_MEMBERS)
Body = dict[str, Any]


class ThreadMemberService:
    """Lets people into threads and out of them, and lists them."""

    def __init__(self, context: Context, threads: ThreadService) -> None:
        self._context = context
        self._store = context.store
        self._world = context.world
        self._threads = threads

    # -- in and out

    async def join(self, actor: Principal, thread_id: int) -> None:
        """Join a thread that the actor may view; again is no change. Raises 10003, 50001, 50083 or 30033."""
        async with self._context.locks.hold(("thread", thread_id)):
            access, thread = await self._open(actor, thread_id)
            await self._add(access, thread, actor.user)

    async def add(self, actor: Principal, thread_id: int, user_id: int) -> None:
        """Bring in a member of the guild who may view the parent.

        Raises:
            errors.ApiError: 10003, 50001 (also for one who may not view the parent), 50013, 10007, 50083, 30033.
        """
        async with self._context.locks.hold(("thread", thread_id)):
            access, thread = await self._open(actor, thread_id)
            access.need(_SEND)
            manages = access.permissions & _MANAGE or thread.owner_id == actor.id
            if thread.private and not thread.invitable and not manages:
                raise MissingPermissions
            if thread.locked and not access.permissions & _MANAGE:
                raise MissingPermissions
            user = await self._world.user(user_id)
            if user is None or await self._world.member(thread.guild_id, user_id) is None:
                raise unknown("member")
            parent = await self._world.channel(thread.parent_id or 0)
            if parent is None or not await self._world.permissions_in(parent, user_id) & _VIEW:
                raise MissingAccess
            await self._add(access, thread, user)

    async def leave(self, actor: Principal, thread_id: int) -> None:
        """Leave a thread; who is not in it changes nothing. Raises 10003, 50001, 50083."""
        async with self._context.locks.hold(("thread", thread_id)):
            _, thread = await self._open(actor, thread_id)
            await self._remove(thread, actor.id)

    async def remove(self, actor: Principal, thread_id: int, user_id: int) -> None:
        """Take somebody out: with MANAGE_THREADS, or as the creator of a private thread. Raises as `leave`, 50013."""
        async with self._context.locks.hold(("thread", thread_id)):
            access, thread = await self._open(actor, thread_id)
            if not access.permissions & _MANAGE and not (thread.private and thread.owner_id == actor.id):
                raise MissingPermissions
            await self._remove(thread, user_id)

    async def enter(self, actor: Principal, access: ChannelAccess) -> ChannelAccess:
        """Make a thread ready for the actor's message, opened if it is archived and the actor in it; return it anew.

        Raises:
            errors.ApiError: 50083, it is archived and locked; 160005, it is locked.
        """
        thread = access.channel
        if not isinstance(thread, Thread):
            return access
        need_unlocked(access)
        is_in = access.member is None or await self._world.thread_member(thread.id, actor.id) is not None
        if is_in and not thread.archived:
            return access
        async with self._context.locks.hold(("thread", thread.id)):
            found = await self._world.channel(thread.id)
            if not isinstance(found, Thread):
                raise unknown("channel")
            if found.archived:
                await self._threads.open_again(found)
            if access.member is not None and found.member_count < MAX_MEMBERS:
                await self._add(access, found, actor.user)
        return access._replace(channel=await self._world.channel(thread.id) or thread)

    async def _open(self, actor: Principal, thread_id: int) -> tuple[ChannelAccess, Thread]:
        access = await self._thread(actor, thread_id)
        access.need_open()
        assert isinstance(access.channel, Thread)
        return access, access.channel

    async def _thread(self, actor: Principal, thread_id: int) -> ChannelAccess:
        access = await self._world.channel_access(thread_id, actor.id)
        if not isinstance(access.channel, Thread):
            raise BadRequest(50024, "Cannot execute action on this channel type")
        return access

    async def _add(self, access: ChannelAccess, thread: Thread, user: User) -> None:
        if await self._world.thread_member(thread.id, user.id) is not None:
            return
        if thread.member_count >= MAX_MEMBERS:
            raise BadRequest(30033, f"Maximum number of thread participants has been reached ({MAX_MEMBERS})")
        member = await self._world.member(thread.guild_id, user.id)
        if member is None:
            raise unknown("member")
        now = self._context.clock()
        place = ThreadMember(thread_id=thread.id, user_id=user.id, guild_id=thread.guild_id, joined_at=now)
        event = thread_events.members_update(thread, thread.member_count + 1, [(place, member, user)])
        try:
            await self._store.commit(rows.thread_member_ops(place), [event])
        except Conflict:
            # The thread is gone, or they left the guild, or another node was faster.
            if await self._world.thread_member(thread.id, user.id) is None:
                raise unknown("channel") from None

    async def _remove(self, thread: Thread, user_id: int) -> None:
        if await self._world.thread_member(thread.id, user_id) is None:
            return
        event = thread_events.members_update(thread, thread.member_count - 1, removed=[user_id])
        await self._store.commit([Delete("thread_members", {"thread_id": thread.id, "user_id": user_id})], [event])

    # -- read

    async def told_of(self, channel: Channel, event: Event) -> Event:
        """Return an event of messages as it is to be committed: in an archived private thread it names its members."""
        if not isinstance(channel, Thread) or not channel.archived or not channel.private:
            return event
        return thread_events.of_archived(event, channel, await self._threads.members_of(channel.id))

    async def get(self, actor: Principal, thread_id: int, user_id: int, *, with_member: bool = False) -> Body:
        """Return somebody's place in a thread. Raises 10003, 50001, 10007."""
        access = await self._thread(actor, thread_id)
        place = await self._world.thread_member(thread_id, user_id)
        if place is None:
            raise unknown("member")
        return await self._render(access, place, with_member)

    async def list_of(
        self, actor: Principal, thread_id: int, *, with_member: bool = False, after: int = 0, limit: int = 100
    ) -> list[Body]:
        """Return who is in a thread, by user id; pages only `with_member`. Bots need the GUILD_MEMBERS intent.

        Raises:
            errors.ApiError: 10003, 50001.
        """
        access = await self._thread(actor, thread_id)
        if actor.is_bot and not (actor.application is not None and actor.application.intents & _MEMBERS):
            raise MissingAccess
        places = await self._store.find(
            Select(
                entity=ThreadMember,
                table="thread_members",
                where={"thread_id": thread_id},
                above={"user_id": after} if with_member else {},
                order="user_id",
                limit=limit if with_member else 0,
            )
        )
        return [await self._render(access, each, with_member) for each in places]

    async def _render(self, access: ChannelAccess, place: ThreadMember, with_member: bool) -> Body:
        member: Member | None = None
        user: User | None = None
        if with_member:
            member = await self._world.member(access.channel.guild_id, place.user_id)
            user = await self._world.user(place.user_id)
        return wire.thread_member(place, member, user)


def need_unlocked(access: ChannelAccess) -> None:
    """Raise unless the actor may write in a thread for its lock: 160005, and 50083 where it is archived too."""
    thread = access.channel
    if isinstance(thread, Thread) and thread.locked and not access.permissions & _MANAGE:
        raise BadRequest(50083, "Thread is archived") if thread.archived else BadRequest(160005, "Thread is locked")
