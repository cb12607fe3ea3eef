"""Rows: which row operations write an entity. Child rows (overwrites, recipients, roles) come along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tocsin.model.audit import AuditEntry
from tocsin.model.automod import AutoModRule
from tocsin.model.entities import (
    Application,
    Attachment,
    Ban,
    Channel,
    ChannelType,
    ClosedDm,
    Emoji,
    Guild,
    Invite,
    Member,
    Message,
    Overwrite,
    Pin,
    Reaction,
    ReadState,
    Role,
    RoleMention,
    TemporaryMember,
    Thread,
    ThreadMember,
    User,
    Webhook,
    WebhookAuthor,
)
from tocsin.model.interactions import Command, HiddenMessage, Interaction, InteractionMessage
from tocsin.store.base import Delete, Insert, Op, Row, Update, Upsert

IN_CHANNEL = (
    *("messages", "interaction_messages", "hidden_messages", "reactions", "pins"),
    *("webhooks", "webhook_authors", "invites", "read_states", "role_mentions"),
)
"""The tables whose rows go with their channel."""

_OF_THREADS = tuple(
    name for name in Thread.__struct_fields__ if name not in (*Channel.__struct_fields__, "member_count")
)


def _row(entity: msgspec.Struct, *without: str) -> Row:
    row = msgspec.structs.asdict(entity)
    for name in without:
        del row[name]
    return row


def swap_ops(table: str, key: Row, was: Row | None, row: Row) -> list[Op]:
    """Write a row over what was read of it; `errors.Conflict` when that is not so any more.

    Args:
        table: whose row.
        key: names it.
        was: columns that tell whether it changed; None where there was none.
        row: the other columns from now on.
    """
    if was is None:
        return [Insert(table, key | row)]
    return [Update(table, key | was, row, must_match=True)]


def user_ops(user: User) -> list[Op]:
    """Insert a user; `errors.Conflict` when the id or the name is taken."""
    return [Insert("users", _row(user))]


def user_update_ops(user: User) -> list[Op]:
    """Rewrite a user's row."""
    row = _row(user)
    return [Update("users", {"id": row.pop("id")}, row, must_match=True)]


def token_ops(digest: bytes, user_id: int, now_ms: int) -> list[Op]:
    """Let a token (by its SHA-256) stand for a user."""
    return [Upsert("tokens", ("digest",), {"digest": digest, "user_id": user_id, "created_at": now_ms})]


def password_ops(user_id: int, password_hash: str) -> list[Op]:
    """Set a person's password hash."""
    return [Upsert("passwords", ("user_id",), {"user_id": user_id, "hash": password_hash})]


def application_ops(application: Application) -> list[Op]:
    """Write a bot's application."""
    return [Upsert("applications", ("id",), _row(application))]


def guild_ops(guild: Guild) -> list[Op]:
    """Insert a guild, without its roles, channels and members."""
    return [Insert("guilds", _row(guild))]


def guild_update_ops(guild: Guild) -> list[Op]:
    """Rewrite a guild's row."""
    row = _row(guild)
    return [Update("guilds", {"id": row.pop("id")}, row, must_match=True)]


def guild_delete_ops(guild_id: int, channel_ids: list[int]) -> list[Op]:
    """Delete a guild with all that is in it."""
    return [
        Delete("guilds", {"id": guild_id}, must_match=True),
        Delete("roles", {"guild_id": guild_id}),
        Delete("members", {"guild_id": guild_id}),
        Delete("member_roles", {"guild_id": guild_id}),
        Delete("temporary_members", {"guild_id": guild_id}),
        Delete("bans", {"guild_id": guild_id}),
        Delete("emojis", {"guild_id": guild_id}),
        Delete("threads", {"guild_id": guild_id}),
        Delete("thread_members", {"guild_id": guild_id}),
        Delete("auto_moderation_rules", {"guild_id": guild_id}),
        Delete("audit_log", {"guild_id": guild_id}),
        Delete("user_guild_settings", {"guild_id": guild_id}),
        Delete("application_commands", {"guild_id": guild_id}),
        *([Delete("overwrites", {"channel_id": channel_ids})] if channel_ids else []),
        *([Delete(table, {"channel_id": channel_ids}) for table in IN_CHANNEL] if channel_ids else []),
        *([Update("attachments", {"channel_id": channel_ids}, {"message_id": 0})] if channel_ids else []),
        Delete("channels", {"guild_id": guild_id}),
    ]


def role_ops(role: Role) -> list[Op]:
    """Write a role."""
    return [Upsert("roles", ("id",), _row(role))]


def role_delete_ops(guild_id: int, role_id: int) -> list[Op]:
    """Delete a role, and take it from its members and channels."""
    return [
        Delete("roles", {"id": role_id, "guild_id": guild_id}, must_match=True),
        Delete("member_roles", {"guild_id": guild_id, "role_id": role_id}),
        Delete("overwrites", {"target_id": role_id, "type": 0}),
        Delete("role_mentions", {"role_id": role_id}),
    ]


def overwrite_ops(channel_id: int, overwrite: Overwrite) -> list[Op]:
    """Write one overwrite of a channel."""
    row = {
        "channel_id": channel_id,
        "target_id": overwrite.id,
        "type": overwrite.type,
        "allow": overwrite.allow,
        "deny": overwrite.deny,
    }
    return [Upsert("overwrites", ("channel_id", "target_id"), row)]


def channel_ops(channel: Channel) -> list[Op]:
    """Insert a channel with its overwrites and recipients."""
    ops: list[Op] = [Insert("channels", _row(channel, "overwrites", "recipients"))]
    for overwrite in channel.overwrites:
        ops += overwrite_ops(channel.id, overwrite)
    for user_id in channel.recipients:
        ops.append(Insert("dm_recipients", {"channel_id": channel.id, "user_id": user_id}))
    return ops


def audience_ops(channel: Channel) -> list[Op]:
    """Have a commit hold only while a group DM has the people it was read with; else `errors.Conflict`."""
    if channel.type != ChannelType.GROUP_DM:
        return []
    version = {"recipients_version": channel.recipients_version}
    return [Update("channels", {"id": channel.id, **version}, version, must_match=True)]


def recipient_add_ops(channel_id: int, user_id: int) -> list[Op]:
    """Take a person into a group DM."""
    return [
        Insert("dm_recipients", {"channel_id": channel_id, "user_id": user_id}),
        Update("channels", {"id": channel_id}, {}, must_match=True, add={"recipients_version": 1}),
    ]


def recipient_remove_ops(channel_id: int, user_id: int) -> list[Op]:
    """Take a person out of a group DM, with what is kept of it for them."""
    key = {"channel_id": channel_id, "user_id": user_id}
    return [
        Delete("dm_recipients", key, must_match=True),
        Update("channels", {"id": channel_id}, {}, must_match=True, add={"recipients_version": 1}),
        Delete("read_states", key),
    ]


def group_update_ops(channel: Channel) -> list[Op]:
    """Write a group DM's name, icon and owner."""
    row = {"name": channel.name, "icon": channel.icon, "owner_id": channel.owner_id}
    return [Update("channels", {"id": channel.id}, row, must_match=True)]


def channel_update_ops(channel: Channel) -> list[Op]:
    """Rewrite a channel's row and replace its overwrites. What messages and pins move is left as it is."""
    row = _row(channel, "overwrites", "recipients", "last_message_id", "last_pin_timestamp")
    ops: list[Op] = [
        Update("channels", {"id": row.pop("id")}, row, must_match=True),
        Delete("overwrites", {"channel_id": channel.id}),
    ]
    for overwrite in channel.overwrites:
        ops += overwrite_ops(channel.id, overwrite)
    return ops


def thread_ops(thread: Thread) -> list[Op]:
    """Insert a thread."""
    row = _row(thread, "overwrites", "recipients", "member_count")
    own = {name: row.pop(name) for name in _OF_THREADS}
    return [
        Insert("channels", row),
        Insert("threads", {"id": thread.id, "guild_id": thread.guild_id, "parent_id": thread.parent_id, **own}),
    ]


def thread_update_ops(before: Thread, after: Thread) -> list[Op]:
    """Write what differs between two forms of a thread; `errors.Conflict` when it is gone."""
    old, new = msgspec.structs.asdict(before), msgspec.structs.asdict(after)
    changed = {name: value for name, value in new.items() if value != old[name]}
    own = {name: changed[name] for name in _OF_THREADS if name in changed}
    common: Row = {name: changed[name] for name in ("name", "rate_limit_per_user", "flags") if name in changed}
    ops: list[Op] = []
    if own:
        ops.append(Update("threads", {"id": after.id}, own, must_match=True))
    if common:
        ops.append(Update("channels", {"id": after.id}, common, must_match=True))
    return ops


def thread_member_ops(member: ThreadMember) -> list[Op]:
    """Insert a member of a thread; `errors.Conflict` when they are one already, or the thread is gone.

    So it is when they have left the guild meanwhile: a place must not wait for their return.
    """
    in_guild = {"guild_id": member.guild_id, "user_id": member.user_id}
    return [
        Update("members", in_guild, {"guild_id": member.guild_id}, must_match=True),
        Update("threads", {"id": member.thread_id}, {"guild_id": member.guild_id}, must_match=True),
        Insert("thread_members", _row(member)),
    ]


def threads_delete_ops(ids: list[int]) -> list[Op]:
    """Delete threads with all that is in them."""
    if not ids:
        return []
    return [
        Delete("channels", {"id": ids}),
        Delete("threads", {"id": ids}),
        Delete("thread_members", {"thread_id": ids}),
        *(Delete(table, {"channel_id": ids}) for table in IN_CHANNEL),
        Update("attachments", {"channel_id": ids}, {"message_id": 0}),
    ]


def channel_delete_ops(channel_id: int) -> list[Op]:
    """Delete a channel with its messages, overwrites and recipients."""
    return [
        Delete("channels", {"id": channel_id}, must_match=True),
        Delete("overwrites", {"channel_id": channel_id}),
        Delete("dm_recipients", {"channel_id": channel_id}),
        *(Delete(table, {"channel_id": channel_id}) for table in IN_CHANNEL),
        Update("attachments", {"channel_id": channel_id}, {"message_id": 0}),
    ]


def close_dm_ops(closed: ClosedDm) -> list[Op]:
    """Close a DM for one of its people."""
    return [Upsert("closed_dms", ("channel_id", "user_id"), _row(closed))]


def member_ops(member: Member) -> list[Op]:
    """Insert a member with their roles; `errors.Conflict` when they are one already."""
    return [Insert("members", _row(member, "roles")), *_role_rows(member)]


def member_update_ops(member: Member) -> list[Op]:
    """Rewrite a member's row and replace their roles."""
    row = _row(member, "roles")
    where = {"guild_id": row.pop("guild_id"), "user_id": row.pop("user_id")}
    return [Update("members", where, row, must_match=True), Delete("member_roles", where), *_role_rows(member)]


def member_delete_ops(guild_id: int, user_id: int) -> list[Op]:
    """Delete a member with their roles."""
    where = {"guild_id": guild_id, "user_id": user_id}
    return [
        Delete("members", where, must_match=True),
        Delete("member_roles", where),
        Delete("thread_members", where),
        Delete("temporary_members", where),
    ]


def temporary_member_ops(member: TemporaryMember) -> list[Op]:
    """Note that a member is one only while connected."""
    return [Upsert("temporary_members", ("user_id", "guild_id"), _row(member))]


def _role_rows(member: Member) -> list[Op]:
    key = {"guild_id": member.guild_id, "user_id": member.user_id}
    return [Insert("member_roles", {**key, "role_id": role_id}) for role_id in member.roles]


def ban_ops(ban: Ban) -> list[Op]:
    """Write a ban."""
    return [Upsert("bans", ("guild_id", "user_id"), _row(ban))]


def message_ops(message: Message, channel: Channel | None = None, now_ms: int = 0) -> list[Op]:
    """Insert a message and make it its channel's last; `errors.Conflict` when the channel is gone.

    In a thread it counts and puts the archiving off from `now_ms`; an archived one is `errors.Conflict` too.
    """
    ops: list[Op] = [
        Insert("messages", _row(message)),
        Update("channels", {"id": message.channel_id}, {"last_message_id": message.id}, must_match=True),
    ]
    if isinstance(channel, Thread):
        ops.append(
            Update(
                "threads",
                {"id": channel.id, "archived": False},
                {"archive_at": now_ms + channel.auto_archive_duration * 60_000},
                must_match=True,
                add={"message_count": 1, "total_message_sent": 1},
            )
        )
    return ops


def message_delete_ops(
    channel_id: int, message_ids: list[int], channel: Channel | None = None, *, must_match: bool = False
) -> list[Op]:
    """Delete messages of a channel with the reactions to them and their pins; nobody gets their files any more.

    A thread has so many fewer; with `must_match`, one that was archived or opened since it was read is
    `errors.Conflict` too.
    """
    ids: int | list[int] = message_ids[0] if len(message_ids) == 1 else message_ids
    counted: list[Op] = []
    if isinstance(channel, Thread):
        where = {"id": channel_id, **({"archived": channel.archived} if must_match else {})}
        counted = [Update("threads", where, {}, must_match=must_match, add={"message_count": -len(message_ids)})]
    return [
        Delete("messages", {"channel_id": channel_id, "id": ids}, must_match=must_match),
        Delete("reactions", {"message_id": ids}),
        Delete("pins", {"message_id": ids}),
        Delete("webhook_authors", {"message_id": ids}),
        Delete("role_mentions", {"message_id": ids}),
        Update("attachments", {"message_id": ids}, {"message_id": 0}),
        *counted,
    ]


def read_state_ops(was: ReadState | None, state: ReadState) -> list[Op]:
    """Write how far a person has read a channel; `errors.Conflict` when `was` is not so any more."""
    key = {"user_id": state.user_id, "channel_id": state.channel_id}
    # What a person writes moves only how far they have read.
    seen = None if was is None else {"version": was.version, "last_message_id": was.last_message_id}
    return swap_ops("read_states", key, seen, _row(state, *key))


def read_state_mention_ops(user_id: int, channel_id: int) -> list[Op]:
    """Count one more mention of a person in a channel."""
    return [
        Insert("read_states", _row(ReadState(user_id=user_id, channel_id=channel_id)), unique=False),
        Update(
            "read_states",
            {"user_id": user_id, "channel_id": channel_id},
            {},
            add={"mention_count": 1, "version": 1},
        ),
    ]


def read_state_own_ops(message: Message) -> list[Op]:
    """Let a person have read up to what they wrote."""
    key = {"user_id": message.author_id, "channel_id": message.channel_id}
    # One statement, as it comes with each message: the other columns keep what they have, or begin at 0.
    return [Upsert("read_states", tuple(key), {**key, "last_message_id": message.id, "mention_count": 0})]


def role_mention_ops(message: Message, called: Sequence[int]) -> list[Op]:
    """Note which roles a message mentions; @everyone has the guild's id."""
    roles = (*message.mention_roles, message.guild_id) if message.mention_everyone else message.mention_roles
    return [
        Insert(
            "role_mentions",
            _row(
                RoleMention(
                    role_id=role_id,
                    message_id=message.id,
                    channel_id=message.channel_id,
                    guild_id=message.guild_id,
                    passes_by=(message.author_id, *called),
                )
            ),
        )
        for role_id in roles
    ]


def attachment_ops(attachment: Attachment) -> list[Op]:
    """Insert an attachment."""
    return [Insert("attachments", _row(attachment))]


def attach_ops(ids: Sequence[int], message_id: int) -> list[Op]:
    """Give attachments to a message, or with 0 to none."""
    return [Update("attachments", {"id": list(ids)}, {"message_id": message_id})] if ids else []


def invite_ops(invite: Invite) -> list[Op]:
    """Write an invite."""
    return [Upsert("invites", ("code",), _row(invite))]


def invite_use_ops(code: str, uses: int) -> list[Op]:
    """Count a use of an invite; `errors.Conflict` when it is gone."""
    return [Update("invites", {"code": code}, {"uses": uses}, must_match=True)]


def webhook_ops(webhook: Webhook) -> list[Op]:
    """Write a webhook."""
    return [Upsert("webhooks", ("id",), _row(webhook))]


def webhook_author_ops(author: WebhookAuthor) -> list[Op]:
    """Note under which name a webhook wrote a message."""
    return [Insert("webhook_authors", _row(author))]


def emoji_ops(emoji: Emoji) -> list[Op]:
    """Write a guild's emoji."""
    return [Upsert("emojis", ("id",), _row(emoji))]


def reaction_ops(reaction: Reaction) -> list[Op]:
    """Insert a reaction; `errors.Conflict` when the message is gone, or the user has put it there already."""
    channel_id = reaction.channel_id
    where = {"id": reaction.message_id, "channel_id": channel_id}
    # Writes what is there already: only to hold the message in place.
    return [Update("messages", where, {"channel_id": channel_id}, must_match=True), Insert("reactions", _row(reaction))]


def pin_ops(pin: Pin, pinned_at: int) -> list[Op]:
    """Pin a message; `errors.Conflict` when it is gone or pinned already."""
    where = {"id": pin.message_id, "channel_id": pin.channel_id}
    return [
        Update("messages", where, {"pinned": True}, must_match=True),
        Insert("pins", _row(pin)),
        Update("channels", {"id": pin.channel_id}, {"last_pin_timestamp": pinned_at}),
    ]


def unpin_ops(channel_id: int, message_id: int) -> list[Op]:
    """Take a message's pin away; `errors.Conflict` when it is gone."""
    where = {"id": message_id, "channel_id": channel_id}
    return [
        Update("messages", where, {"pinned": False}, must_match=True),
        Delete("pins", {"message_id": message_id}),
    ]


def auto_moderation_rule_ops(rule: AutoModRule) -> list[Op]:
    """Write a rule, new or changed."""
    return [Upsert("auto_moderation_rules", ("id",), _row(rule))]


def audit_entry_ops(entry: AuditEntry) -> list[Op]:
    """Write an entry of the audit log."""
    return [Insert("audit_log", _row(entry))]


def command_ops(command: Command) -> list[Op]:
    """Write an application's command."""
    return [Upsert("application_commands", ("id",), _row(command))]


def interaction_ops(interaction: Interaction) -> list[Op]:
    """Write an interaction."""
    return [Insert("interactions", _row(interaction))]


def interaction_message_ops(message: Message, origin: dict[str, Any]) -> list[Op]:
    """Note which interaction a message came from."""
    made = InteractionMessage(message_id=message.id, channel_id=message.channel_id, origin=origin)
    return [Insert("interaction_messages", _row(made))]


def hidden_message_ops(message: HiddenMessage) -> list[Op]:
    """Write a message that only one person sees."""
    return [Insert("hidden_messages", _row(message))]


def hidden_delete_ops(ids: Sequence[int]) -> list[Op]:
    """Delete messages that only one person sees; nobody gets their files any more."""
    return [
        Delete("hidden_messages", {"id": list(ids)}),
        Update("attachments", {"message_id": list(ids)}, {"message_id": 0}),
    ]
