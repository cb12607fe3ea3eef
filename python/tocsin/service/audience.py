"""Audience: commits of what is told to the people of a channel, to whoever they are when it is written.

The people of a group DM change while something is on its way to them. What they are told is committed on the version
that they were read at; if that has passed, nothing is written, and it is told to those who are there now.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tocsin.errors import Conflict, StoreUnavailable
from tocsin.model.entities import Channel, ChannelType
from tocsin.model.event import Event
from tocsin.store import rows
from tocsin.store.base import Op

if TYPE_CHECKING:
    from tocsin.service.context import Context

ATTEMPTS = 5
Draft = tuple[Sequence[Op], Sequence[Event]]


async def commit_to(context: Context, actor_id: int, channel: Channel, draft: Callable[[Channel], Draft]) -> None:
    """Commit what `draft` makes for a channel; again while a group's people change under it.

    Raises:
        errors.Conflict: something else of it did not hold.
        errors.ApiError: 10003 or 50001, the group is gone or the actor no more in it.
        errors.StoreUnavailable: its people changed `ATTEMPTS` times over.
    """
    for _ in range(ATTEMPTS):
        ops, told = draft(channel)
        try:
            await context.store.commit([*rows.audience_ops(channel), *ops], told)
        except Conflict:
            if channel.type != ChannelType.GROUP_DM:
                raise
            now = (await context.world.channel_access(channel.id, actor_id)).channel
            if now.recipients_version == channel.recipients_version:
                raise
            channel = now
        else:
            return
    raise StoreUnavailable("the people of a group changed too often")
