"""Threads and their members on the wire (protocol.md §4.5)."""

from __future__ import annotations

from tocsin.model.entities import Member, Thread, ThreadMember, User
from tocsin.model.snowflake import snowflake_ms
from tocsin.model.wire.times import (
    Body,
    optional_id,
    optional_timestamp,
    parse_optional_id,
    parse_optional_timestamp,
    parse_timestamp,
    timestamp,
)
from tocsin.model.wire.users import member as render_member


def thread(t: Thread, member: ThreadMember | None = None) -> Body:
    """Render a thread; `member` is the reader's own place in it."""
    body: Body = {
        "id": str(t.id),
        "type": t.type,
        "guild_id": str(t.guild_id),
        "parent_id": optional_id(t.parent_id),
        "owner_id": optional_id(t.owner_id),
        "name": t.name,
        "last_message_id": optional_id(t.last_message_id),
        "last_pin_timestamp": optional_timestamp(t.last_pin_timestamp),
        "rate_limit_per_user": t.rate_limit_per_user,
        # Clients show 50 for "50 and more" (§4.5).
        "message_count": t.message_count,
        "member_count": min(t.member_count, 50),
        "total_message_sent": t.total_message_sent,
        "flags": t.flags,
        "applied_tags": [],
        "thread_metadata": {
            "archived": t.archived,
            "archive_timestamp": timestamp(t.archive_timestamp),
            "auto_archive_duration": t.auto_archive_duration,
            "locked": t.locked,
            "invitable": t.invitable,
            "create_timestamp": timestamp(snowflake_ms(t.id)),
        },
    }
    if member is not None:
        body["member"] = thread_member(member)
    return body


def thread_member(m: ThreadMember, member: Member | None = None, user: User | None = None) -> Body:
    """Render a place in a thread, with the guild's member where that is asked for."""
    body: Body = {
        "id": str(m.thread_id),
        "user_id": str(m.user_id),
        "join_timestamp": timestamp(m.joined_at),
        "flags": m.flags,
    }
    if member is not None:
        body["member"] = render_member(member, user)
    return body


def thread_ref(t: Thread) -> Body:
    """Render a thread as THREAD_DELETE names it."""
    return {"id": str(t.id), "guild_id": str(t.guild_id), "parent_id": optional_id(t.parent_id), "type": t.type}


def parse_thread(body: Body) -> Thread:
    """Read a thread back."""
    metadata = body["thread_metadata"]
    return Thread(
        id=int(body["id"]),
        type=body["type"],
        guild_id=int(body["guild_id"]),
        parent_id=parse_optional_id(body["parent_id"]),
        owner_id=parse_optional_id(body["owner_id"]),
        name=body["name"],
        last_message_id=parse_optional_id(body["last_message_id"]),
        last_pin_timestamp=parse_optional_timestamp(body["last_pin_timestamp"]),
        rate_limit_per_user=body["rate_limit_per_user"],
        flags=body["flags"],
        message_count=body["message_count"],
        member_count=body["member_count"],
        total_message_sent=body["total_message_sent"],
        archived=metadata["archived"],
        archive_timestamp=parse_timestamp(metadata["archive_timestamp"]),
        auto_archive_duration=metadata["auto_archive_duration"],
        locked=metadata["locked"],
        invitable=metadata["invitable"],
    )


def parse_thread_member(body: Body, guild_id: int) -> ThreadMember:
    """Read a place in a thread back."""
    return ThreadMember(
        thread_id=int(body["id"]),
        user_id=int(body["user_id"]),
        guild_id=guild_id,
        joined_at=parse_timestamp(body["join_timestamp"]),
        flags=body["flags"],
    )
