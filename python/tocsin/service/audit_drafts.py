"""Audit drafts: what a commit's events say was done, told from what was there before (protocol.md §8.7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from tocsin.model import wire
from tocsin.model.audit import AuditAction
from tocsin.model.entities import Member, Thread, User
from tocsin.model.event import Event
from tocsin.model.guild_state import GuildState

_decode = msgspec.json.Decoder().decode
Body = dict[str, Any]
T = TypeVar("T")


class Draft(msgspec.Struct, frozen=True):
    """An entry before it is known who did it and why."""

    action: AuditAction
    target_id: int | None
    changes: list[Body] = []
    options: Body = {}


class Before(msgspec.Struct, frozen=True):
    """A guild as it was before the commit, its members and its threads."""

    guild: GuildState | None
    member: Callable[[int], Member | None]
    thread: Callable[[int], Thread | None]


_UNTOLD = frozenset(
    {"id", "guild_id", "emojis", "roles", "stickers", "features", "permission_overwrites", "version", "tags", "colors"}
    | {"last_message_id", "last_pin_timestamp", "user", "joined_at", "thread_metadata", "member_count", "message_count"}
    | {"total_message_sent", "newly_created", "member", "thread_members"}
)
"""Keys that have entries of their own, or that nobody sets."""

_CHANNELS = {
    "CHANNEL_CREATE": AuditAction.CHANNEL_CREATE,
    "CHANNEL_DELETE": AuditAction.CHANNEL_DELETE,
    "THREAD_CREATE": AuditAction.THREAD_CREATE,
    "THREAD_DELETE": AuditAction.THREAD_DELETE,
}
# Of what was made, changed, deleted.
_Actions = tuple[AuditAction, AuditAction, AuditAction]
_OVERWRITE_ACTIONS: _Actions = (
    AuditAction.CHANNEL_OVERWRITE_CREATE,
    AuditAction.CHANNEL_OVERWRITE_UPDATE,
    AuditAction.CHANNEL_OVERWRITE_DELETE,
)
_EMOJI_ACTIONS: _Actions = (AuditAction.EMOJI_CREATE, AuditAction.EMOJI_UPDATE, AuditAction.EMOJI_DELETE)
_INVITE_KEYS = ("code", "channel_id", "max_age", "max_uses", "temporary")
_THREAD_KEYS = ("archived", "locked", "invitable", "auto_archive_duration")
_MEMBER_KEYS = ("nick", "mute", "deaf", "communication_disabled_until")


def changes_between(old: Body, new: Body) -> list[Body]:
    """Return the `changes` from one wire object to another; an empty one was not there, or is gone."""
    changes = []
    for key in dict.fromkeys([*old, *new]):
        if key in _UNTOLD:
            continue
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        change: Body = {"key": key}
        if after is not None:
            change["new_value"] = after
        if before is not None:
            change["old_value"] = before
        changes.append(change)
    return changes


def _whole(body: Body, *, gone: bool) -> list[Body]:
    """Return all of an object as `changes`: it was made, or is gone."""
    return changes_between(body, {}) if gone else changes_between({}, body)


def _differences(
    former: dict[str, T], latter: dict[str, T], actions: _Actions
) -> Iterator[tuple[AuditAction, str, T | None, T | None]]:
    """Return what was done to each thing that was made, changed or deleted: its key, what it was and what it is."""
    made, changed, deleted = actions
    for key in dict.fromkeys([*former, *latter]):
        was, now = former.get(key), latter.get(key)
        if was != now:
            yield made if was is None else deleted if now is None else changed, key, was, now


def drafts_of(events: Sequence[Event], before: Before) -> Iterator[Draft]:
    """Return what the events of one commit say was done."""
    names = {event.name for event in events}
    for event in events:
        if not event.guild_id:
            continue
        # What goes along with something else is not told by itself: a ban's kick, a category's children.
        if event.name == "GUILD_MEMBER_REMOVE" and "GUILD_BAN_ADD" in names:
            continue
        if event.name in ("CHANNEL_UPDATE", "GUILD_UPDATE") and "CHANNEL_DELETE" in names:
            continue
        if event.name == "MESSAGE_DELETE_BULK" and "GUILD_BAN_ADD" in names:
            continue
        yield from _drafts(event, before)


def _settings(thread: Body) -> Body:
    """Return what of a thread somebody sets."""
    metadata = thread["thread_metadata"]
    own = {key: metadata[key] for key in _THREAD_KEYS}
    return {"name": thread["name"], "rate_limit_per_user": thread["rate_limit_per_user"], **own}


def _drafts(event: Event, before: Before) -> Iterable[Draft]:
    body: Body = _decode(event.body)
    name, state = event.name, before.guild
    if name in _CHANNELS:
        gone = name.endswith("_DELETE")
        return [Draft(_CHANNELS[name], int(body["id"]), _whole(body, gone=gone))]
    if name == "CHANNEL_UPDATE":
        return _channel_update(body, state)
    if name == "THREAD_UPDATE":
        thread = before.thread(int(body["id"]))
        old = {} if thread is None else _settings(wire.thread(thread))
        changes = changes_between(old, _settings(body))
        return [Draft(AuditAction.THREAD_UPDATE, int(body["id"]), changes)] if changes else []
    if name == "GUILD_UPDATE":
        old = {} if state is None else wire.guild(state.guild, [])
        return [Draft(AuditAction.GUILD_UPDATE, event.guild_id, changes_between(old, body))]
    if name.startswith("GUILD_ROLE_"):
        return [_role(name, body, state)]
    if name == "GUILD_MEMBER_UPDATE":
        return _member_update(body, before)
    if name == "GUILD_MEMBER_REMOVE":
        return [Draft(AuditAction.MEMBER_KICK, int(body["user"]["id"]))]
    if name in ("GUILD_BAN_ADD", "GUILD_BAN_REMOVE"):
        lifted = name.endswith("REMOVE")
        action = AuditAction.MEMBER_BAN_REMOVE if lifted else AuditAction.MEMBER_BAN_ADD
        return [Draft(action, int(body["user"]["id"]))]
    if name in ("INVITE_CREATE", "INVITE_DELETE"):
        gone = name.endswith("DELETE")
        told: Body = {key: body[key] for key in _INVITE_KEYS if key in body}
        return [Draft(AuditAction.INVITE_DELETE if gone else AuditAction.INVITE_CREATE, None, _whole(told, gone=gone))]
    if name == "GUILD_EMOJIS_UPDATE":
        return _emojis(body, state)
    if name == "MESSAGE_DELETE_BULK":
        options = {"count": str(len(body["ids"]))}
        return [Draft(AuditAction.MESSAGE_BULK_DELETE, int(body["channel_id"]), options=options)]
    return []


def _channel_update(body: Body, state: GuildState | None) -> Iterator[Draft]:
    channel_id = int(body["id"])
    channel = None if state is None else state.channels.get(channel_id)
    old = {} if channel is None else wire.channel(channel)
    changes = changes_between(old, body)
    if changes:
        yield Draft(AuditAction.CHANNEL_UPDATE, channel_id, changes)
    former = {each["id"]: each for each in old.get("permission_overwrites", [])}
    latter = {each["id"]: each for each in body["permission_overwrites"]}
    for action, target, was, now in _differences(former, latter, _OVERWRITE_ACTIONS):
        shown = now or was or {}
        options = {"id": target, "type": str(shown["type"])}
        role = None if state is None else state.roles.get(int(target))
        if role is not None:
            options["role_name"] = role.name
        told = [{key: each[key] for key in ("allow", "deny")} if each else {} for each in (was, now)]
        yield Draft(action, channel_id, changes_between(*told), options)


def _role(name: str, body: Body, state: GuildState | None) -> Draft:
    role_id = int(body["role_id"]) if name == "GUILD_ROLE_DELETE" else int(body["role"]["id"])
    role = None if state is None else state.roles.get(role_id)
    old = {} if role is None or name == "GUILD_ROLE_CREATE" else wire.role(role)
    new = body.get("role", {})
    action = {"GUILD_ROLE_CREATE": AuditAction.ROLE_CREATE, "GUILD_ROLE_DELETE": AuditAction.ROLE_DELETE}
    return Draft(action.get(name, AuditAction.ROLE_UPDATE), role_id, changes_between(old, new))


def _member_update(body: Body, before: Before) -> Iterator[Draft]:
    user_id = int(body["user"]["id"])
    member = before.member(user_id)
    old: Body = {} if member is None else wire.member(member, User(id=user_id, username=""))
    changes = changes_between(*({key: each.get(key) for key in _MEMBER_KEYS} for each in (old, body)))
    if changes:
        yield Draft(AuditAction.MEMBER_UPDATE, user_id, changes)
    held, holds = old.get("roles", []), body["roles"]
    roles = []
    for key, ids in (("$add", [r for r in holds if r not in held]), ("$remove", [r for r in held if r not in holds])):
        named = [{"id": each, "name": _name_of(int(each), before.guild)} for each in ids]
        if named:
            roles.append({"key": key, "new_value": named})
    if roles and member is not None:
        yield Draft(AuditAction.MEMBER_ROLE_UPDATE, user_id, roles)


def _name_of(role_id: int, state: GuildState | None) -> str:
    role = None if state is None else state.roles.get(role_id)
    return "" if role is None else role.name


def _emojis(body: Body, state: GuildState | None) -> Iterator[Draft]:
    former = {} if state is None else {str(each.id): each.name for each in state.emojis.values()}
    latter = {each["id"]: each["name"] for each in body["emojis"]}
    for action, emoji_id, was, now in _differences(former, latter, _EMOJI_ACTIONS):
        yield Draft(action, int(emoji_id), changes_between({"name": was}, {"name": now}))
