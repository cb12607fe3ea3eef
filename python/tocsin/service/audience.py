"""Audience: commits of what is told to the people of a channel, to whoever they are when it is written.

The people of a group DM change while something is on its way to them, and a thread is archived or opened. What they are
told is committed on the state that was read; if that has passed, nothing is written, and it is told to those who are
there now.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from tocsin.errors import Conflict, StoreUnavailable
from tocsin.model.entities import Channel, ChannelType, Thread
from tocsin.model.event import Event
from tocsin.store import rows
from tocsin.store.base import Op

if TYPE_CHECKING:
    from tocsin.service.context import Context

ATTEMPTS = 5
Draft = tuple[Sequence[Op], Sequence[Event]]


async def commit_to(
    context: Context, actor_id: int, channel: Channel, draft: Callable[[Channel], Draft | Awaitable[Draft]]
) -> None:
    """Commit what `draft` makes for a channel; again while those who are told change under it.

    Raises:
        errors.Conflict: something else of it did not hold.
        errors.ApiError: 10003 or 50001, the group is gone or the actor no more in it.
        errors.StoreUnavailable: its people changed `ATTEMPTS` times over.
    """
    for _ in range(ATTEMPTS):
        made = draft(channel)
        ops, told = made if isinstance(made, tuple) else await made
        try:
            await context.store.commit([*rows.audience_ops(channel), *ops], told)
        except Conflict:
            if isinstance(channel, Thread):
                now = await context.world.channel(channel.id)
            elif channel.type == ChannelType.GROUP_DM:
                now = (await context.world.channel_access(channel.id, actor_id)).channel
            else:
                raise
            if now is None or _version(now) == _version(channel):
                raise
            channel = now
        else:
            return
    raise StoreUnavailable("those who are to be told changed too often")


def _version(channel: Channel) -> tuple[int, bool]:
    return channel.recipients_version, isinstance(channel, Thread) and channel.archived
