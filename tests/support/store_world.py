"""Rows for the tests of stores: a guild, a channel, people, and events to commit with them."""

from __future__ import annotations

from tocsin.model.entities import Channel, Guild, Member, Message, Overwrite, Role, User
from tocsin.model.event import Event, Scope, ScopeKind
from tocsin.store import rows
from tocsin.store.base import Op

GUILD, OTHER_GUILD, ROLE, CHANNEL, HIDDEN, DM = 2001, 2002, 2101, 3001, 3002, 3900
ADA, BELL, CARL = 1001, 1002, 1003
SCOPE = Scope(ScopeKind.GUILD, GUILD)


def world_ops() -> list[Op]:
    """A guild with two roles, two channels and two members, and a DM of the two."""
    hidden = (Overwrite(id=GUILD, type=0, deny=1024), Overwrite(id=BELL, type=1, allow=1024))
    ops: list[Op] = []
    for user_id, name in ((ADA, "ada"), (BELL, "bell"), (CARL, "carl")):
        ops += rows.user_ops(User(id=user_id, username=name, bot=name == "bell"))
    ops += rows.guild_ops(Guild(id=GUILD, name="lab", owner_id=ADA, features=("COMMUNITY",)))
    ops += rows.role_ops(Role(id=GUILD, guild_id=GUILD, name="@everyone", permissions=1024))
    ops += rows.role_ops(Role(id=ROLE, guild_id=GUILD, name="staff", permissions=(1 << 53) - 1, position=1))
    ops += rows.channel_ops(Channel(id=CHANNEL, type=0, guild_id=GUILD, name="general", position=1))
    ops += rows.channel_ops(Channel(id=HIDDEN, type=0, guild_id=GUILD, name="hidden", overwrites=hidden))
    ops += rows.channel_ops(Channel(id=DM, type=1, recipients=(ADA, BELL)))
    ops += rows.member_ops(Member(guild_id=GUILD, user_id=ADA, joined_at=5))
    ops += rows.member_ops(Member(guild_id=GUILD, user_id=BELL, joined_at=6, roles=(ROLE,), nick="Belle"))
    return ops


def message(message_id: int, *, channel_id: int = CHANNEL, author_id: int = ADA, content: str = "hi") -> Message:
    """A message of the guild's first channel, unless told otherwise."""
    guild_id = GUILD if channel_id in (CHANNEL, HIDDEN) else 0
    return Message(id=message_id, channel_id=channel_id, author_id=author_id, guild_id=guild_id, content=content)


def event(name: str = "MESSAGE_CREATE", *, scope: Scope = SCOPE, body: bytes = b"{}") -> Event:
    """An event without its place in the log."""
    return Event(name=name, scope=scope, body=body, guild_id=scope.id if scope.kind == ScopeKind.GUILD else 0)
