"""Messages on the wire (protocol.md §4.4)."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.model.entities import Member, Message, User
from tocsin.model.snowflake import snowflake_ms
from tocsin.model.wire.times import Body, optional_timestamp, timestamp
from tocsin.model.wire.users import member as render_member
from tocsin.model.wire.users import user

_WITH_REFERENCED = frozenset({19, 21, 23})


def message(
    m: Message,
    author: User,
    mentions: Sequence[tuple[User, Member | None]] = (),
    member: Member | None = None,
    *,
    referenced: Body | None = None,
) -> Body:
    """Render a message as MESSAGE_CREATE carries it.

    `member` is the author's membership, shown without its user; `mentions` are users with their memberships.
    `referenced` is the rendered message this one answers; for a reply whose target is gone it is null.
    """
    body: Body = {
        "id": str(m.id),
        "channel_id": str(m.channel_id),
        "author": user(author),
        "content": m.content,
        "timestamp": timestamp(snowflake_ms(m.id)),
        "edited_timestamp": optional_timestamp(m.edited_at),
        "tts": m.tts,
        "mention_everyone": m.mention_everyone,
        "mentions": [_mention(u, each) for u, each in mentions],
        "mention_roles": [str(role_id) for role_id in m.mention_roles],
        "mention_channels": [],
        "attachments": m.attachments,
        "embeds": m.embeds,
        "pinned": m.pinned,
        "type": m.type,
        "flags": m.flags,
        "components": m.components,
        "sticker_items": [],
    }
    if m.guild_id:
        body["guild_id"] = str(m.guild_id)
    if member is not None:
        body["member"] = render_member(member)
    if m.webhook_id is not None:
        body["webhook_id"] = str(m.webhook_id)
    if m.application_id is not None:
        body["application_id"] = str(m.application_id)
    if m.reference is not None:
        body["message_reference"] = m.reference
        if m.type in _WITH_REFERENCED:
            body["referenced_message"] = referenced
    return body


def _mention(u: User, member: Member | None) -> Body:
    body = user(u)
    if member is not None:
        body["member"] = render_member(member)
    return body
