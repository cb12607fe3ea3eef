"""What the policy does with threads: who may view one is settled before anybody is told of it (protocol.md §3.3).

A replica holds the threads that are not archived. For a change of an archived one its viewers are found anew.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from tocsin.gateway.batch import Batch
from tocsin.gateway.guilds import LiveGuild
from tocsin.gateway.sight import Shift
from tocsin.model import wire
from tocsin.model.entities import Thread
from tocsin.model.event import Event
from tocsin.model.intents import Intents

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_GUILDS = int(Intents.GUILDS)
_MEMBERS = int(Intents.GUILD_MEMBERS)
Body = dict[str, Any]


def _read(event: Event) -> tuple[Body, int]:
    """Return the body for clients, and the thread's id."""
    body: Body = _decode(event.body)
    body.pop("thread_members", None)
    return body, int(body["id"])


def _members(body: Body) -> set[int]:
    return {int(each["user_id"]) for each in body.get("thread_members", ())}


def _settle(guild: LiveGuild, event: Event, thread_id: int, batch: Batch, *, told: bool = True) -> None:
    """Apply the event and let the index know who may view the thread; `told`: nobody hears of it by this."""
    shift = Shift(guild)
    if told:
        shift.tell_apart((thread_id,))
    guild.state.apply(event)
    guild.bodies.thread_changed(thread_id)
    renamed = guild.cohorts.note_channel(thread_id)
    guild.cohorts.recompute_channels((thread_id,))
    shift.rekey(renamed)
    shift.emit(batch)


def _own(guild: LiveGuild, thread_id: int) -> list[tuple[int, list[int]]]:
    """Return the members of a thread that may view it, with their sessions: a place alone gives no sight."""
    seats = ((user_id, guild.seats.get(user_id)) for user_id in guild.state.thread_members.get(thread_id, ()))
    return [
        (user_id, seat.session_keys()) for user_id, seat in seats if seat is not None and thread_id in seat.cohort.view
    ]


def thread_create(guild: LiveGuild, event: Event, batch: Batch) -> None:
    """THREAD_CREATE: with `member` for those who are in it from the start."""
    body, thread_id = _read(event)
    _settle(guild, event, thread_id, batch)
    own = _own(guild, thread_id)
    members = guild.state.thread_members[thread_id]
    for user_id, sessions in own:
        place = wire.thread_member(members[user_id])
        batch.dispatch(event.name, _encode({**body, "member": place}), sessions=sessions, guild=guild.id)
    others = _viewers(guild, thread_id, {user_id for user_id, _ in own})
    if others:
        batch.dispatch(event.name, _encode(body), sessions=others, guild=guild.id)


def _viewers(guild: LiveGuild, thread_id: int, without: Collection[int] = ()) -> list[int]:
    """Return the sessions of those who may view a thread of the replica."""
    return guild.sessions_of(
        user_id for cohort in guild.cohorts.viewers(thread_id) for user_id in cohort.users if user_id not in without
    )


def thread_update(guild: LiveGuild, event: Event, batch: Batch) -> None:
    """THREAD_UPDATE; who is in a thread that is opened again gets their place by THREAD_MEMBER_UPDATE."""
    body, thread_id = _read(event)
    known = thread_id in guild.state.threads
    archived = body["thread_metadata"]["archived"]
    if not known and archived:
        _tell_of_archived(guild, event, wire.parse_thread(body), _members(_decode(event.body)), body, batch)
        return
    if known:
        batch.dispatch(event.name, _encode(body), guild=guild.id, channel=thread_id)
        _settle(guild, event, thread_id, batch)
        return
    _settle(guild, event, thread_id, batch)
    batch.dispatch(event.name, _encode(body), guild=guild.id, channel=thread_id)
    for user_id, sessions in _own(guild, thread_id):
        place = {**wire.thread_member(guild.state.thread_members[thread_id][user_id]), "guild_id": str(guild.id)}
        batch.dispatch("THREAD_MEMBER_UPDATE", _encode(place), sessions=sessions, guild=guild.id)


def thread_delete(guild: LiveGuild, event: Event, batch: Batch) -> None:
    """THREAD_DELETE."""
    body, thread_id = _read(event)
    if thread_id not in guild.state.threads:
        _tell_of_archived(guild, event, _named(body), _members(_decode(event.body)), body, batch)
        return
    batch.dispatch(event.name, _encode(body), guild=guild.id, channel=thread_id)
    _settle(guild, event, thread_id, batch)


def _named(ref: Body) -> Thread:
    return Thread(id=int(ref["id"]), type=ref["type"], parent_id=int(ref["parent_id"]))


def messages_gone(guild: LiveGuild, event: Event, batch: Batch) -> None:
    """MESSAGE_DELETE and _BULK in a private thread that was archived when they were written."""
    body: Body = _decode(event.body)
    ref: Body = body.pop("thread")
    _tell_of_archived(guild, event, _named(ref), _members(ref), body, batch)


def _tell_of_archived(
    guild: LiveGuild, event: Event, thread: Thread, members: Collection[int], body: Body, batch: Batch
) -> None:
    guild.state.apply(event)
    users: set[int] = set()
    public = msgspec.structs.replace(thread, type=11)
    for cohort in guild.cohorts.by_id.values():
        if guild.cohorts.sees_thread(cohort.key, thread):
            users |= cohort.users
        elif (inside := cohort.users.intersection(members)) and guild.cohorts.sees_thread(cohort.key, public):
            users |= inside
    sessions = guild.sessions_of(users)
    if sessions:
        batch.dispatch(event.name, _encode(body), sessions=sessions, guild=guild.id)


def members_update(guild: LiveGuild, event: Event, batch: Batch) -> None:
    """THREAD_MEMBERS_UPDATE: whole with GUILD_MEMBERS, else of oneself only (§2)."""
    body, thread_id = _read(event)
    if thread_id not in guild.state.threads:
        guild.state.apply(event)
        return
    removed = {int(each) for each in body["removed_member_ids"]}
    if removed:
        # Before a private thread is taken from them.
        _tell_members(guild, event, body, removed, batch)
        _settle(guild, event, thread_id, batch, told=False)
        return
    _settle(guild, event, thread_id, batch)
    added = {int(each["user_id"]) for each in body["added_members"]}
    thread, members = guild.state.threads[thread_id], guild.state.thread_members[thread_id]
    for user_id in added:
        sessions = guild.sessions_of((user_id,))
        if sessions and thread_id in guild.seats[user_id].cohort.view:
            create = _encode(wire.thread(thread, members[user_id]))
            batch.dispatch("THREAD_CREATE", create, sessions=sessions, guild=guild.id)
    _tell_members(guild, event, body, added, batch)


def _tell_members(guild: LiveGuild, event: Event, body: Body, changed: Collection[int], batch: Batch) -> None:
    whole: list[int] = []
    for cohort in guild.cohorts.viewers(int(body["id"])):
        for user_id in cohort.users:
            own: list[int] = []
            for session in guild.seats[user_id].sessions:
                if session.intents & _MEMBERS:
                    whole.append(session.key)
                elif user_id in changed and session.intents & _GUILDS:
                    own.append(session.key)
            if own:
                batch.dispatch(event.name, _encode(_of_self(body, str(user_id))), sessions=own, guild=guild.id)
    if whole:
        batch.dispatch(event.name, _encode(body), sessions=whole, guild=guild.id)


def _of_self(body: Body, user_id: str) -> Body:
    return {
        **body,
        "added_members": [each for each in body["added_members"] if each["user_id"] == user_id],
        "removed_member_ids": [each for each in body["removed_member_ids"] if each == user_id],
    }


HANDLERS = {
    "THREAD_CREATE": thread_create,
    "THREAD_UPDATE": thread_update,
    "THREAD_DELETE": thread_delete,
    "THREAD_MEMBERS_UPDATE": members_update,
    "MESSAGE_DELETE": messages_gone,
    "MESSAGE_DELETE_BULK": messages_gone,
}
"""What the policy does with each event."""
