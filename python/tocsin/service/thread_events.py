"""Events of threads: what the replicas hold of them, and what those who may view them are told (protocol.md §3.3).

Bodies carry `thread_members` for the replicas besides what clients get; the gateway's policy takes it off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tocsin.model import wire
from tocsin.model.entities import Member, Thread, ThreadMember, User
from tocsin.model.event import Event
from tocsin.service.guild_events import state_event

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def _event(name: str, thread: Thread, body: dict[str, Any], members: Sequence[ThreadMember] | None = None) -> Event:
    if members is not None:
        body = {**body, "thread_members": [wire.thread_member(each) for each in members]}
    return state_event(name, thread.guild_id, body, thread.id)


def thread_create(thread: Thread, members: Sequence[ThreadMember]) -> Event:
    """THREAD_CREATE of a new thread."""
    return _event("THREAD_CREATE", thread, {**wire.thread(thread), "newly_created": True}, members)


def thread_update(thread: Thread, members: Sequence[ThreadMember]) -> Event:
    """THREAD_UPDATE: changed, archived or opened again."""
    return _event("THREAD_UPDATE", thread, wire.thread(thread), members)


def thread_delete(thread: Thread, members: Sequence[ThreadMember]) -> Event:
    """THREAD_DELETE."""
    return _event("THREAD_DELETE", thread, wire.thread_ref(thread), members)


def members_update(
    thread: Thread, count: int, added: Sequence[tuple[ThreadMember, Member, User]] = (), removed: Sequence[int] = ()
) -> Event:
    """THREAD_MEMBERS_UPDATE; `count` is how many there are then."""
    body = {
        "id": str(thread.id),
        "guild_id": str(thread.guild_id),
        "member_count": min(count, 50),
        "added_members": [wire.thread_member(*each) for each in added],
        "removed_member_ids": [str(user_id) for user_id in removed],
    }
    return _event("THREAD_MEMBERS_UPDATE", thread, body)


def of_archived(event: Event, thread: Thread, members: Sequence[ThreadMember]) -> Event:
    """Return an event of messages in an archived private thread, with what finds its audience: no replica holds it."""
    places = [wire.thread_member(each) for each in members]
    body = {**_decode(event.body), "thread": {**wire.thread_ref(thread), "thread_members": places}}
    return msgspec.structs.replace(event, body=_encode(body), state=True)
