"""GuildSnapshot: a guild at one point of its log, as a store reads it and a replica begins."""

from __future__ import annotations

import msgspec

from tocsin.model.entities import Channel, Emoji, Guild, Member, Role, Thread, ThreadMember, User


class GuildSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A guild at one point of its log: everything committed up to `seq`, nothing after."""

    seq: int
    guild: Guild
    roles: list[Role]
    channels: list[Channel]
    emojis: list[Emoji] = []
    threads: list[Thread] = []  # those not archived; empty unless members are asked for
    thread_members: list[ThreadMember] = []  # of these threads
    members: list[Member]  # empty unless asked for
    users: list[User]  # of the members
    member_count: int
