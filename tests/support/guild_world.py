"""The small world with a hierarchy: who may do what in Lab, and someone to do it to.

By falling rank: ada (owner), frank (ADMINISTRATOR), gina (every permission that these routes need, but not
ADMINISTRATOR), hank (a low role), carl (none), dora (not in the guild). ivan is banned.
"""

from __future__ import annotations

from tests.support.api_world import CATEGORY, LAB
from tocsin.model.entities import Ban, Channel, ChannelType, Member, Overwrite, Role, User
from tocsin.model.permissions import Permission
from tocsin.service.auth import digest_of
from tocsin.store import rows
from tocsin.store.base import Op

FRANK, GINA, HANK, IVAN, JUDY = 1006, 1007, 1008, 1009, 1010
ADMIN_ROLE, MOD_ROLE, LOW_ROLE, MANAGED_ROLE, TOP_ROLE = 2110, 2105, 2103, 2104, 2120
HIDDEN, CHILD, LOOSE_CHILD, LOCKED_CATEGORY = 3010, 3011, 3012, 3013
VIEW = int(Permission.VIEW_CHANNEL)
MOD = int(
    Permission.CREATE_INSTANT_INVITE
    | Permission.KICK_MEMBERS
    | Permission.BAN_MEMBERS
    | Permission.MANAGE_CHANNELS
    | Permission.MANAGE_GUILD
    | Permission.MANAGE_NICKNAMES
    | Permission.MANAGE_ROLES
    | Permission.MODERATE_MEMBERS
    | Permission.MUTE_MEMBERS
    | Permission.DEAFEN_MEMBERS
    | Permission.MOVE_MEMBERS
)


def guild_ops(now: int) -> list[Op]:
    """The rows to add to `api_world.world_ops`."""
    ops: list[Op] = []
    for user_id, name in ((FRANK, "frank"), (GINA, "gina"), (HANK, "hank"), (IVAN, "ivan"), (JUDY, "judy")):
        ops += rows.user_ops(User(id=user_id, username=name))
        ops += rows.token_ops(digest_of(f"{name}-token"), user_id, now)
    administrator = int(Permission.ADMINISTRATOR)
    for role_id, name, permissions, position in (
        (TOP_ROLE, "top", 0, 20),
        (ADMIN_ROLE, "admin", administrator, 10),
        (MOD_ROLE, "mod", MOD, 8),
        (LOW_ROLE, "low", 0, 3),
    ):
        ops += rows.role_ops(Role(id=role_id, guild_id=LAB, name=name, permissions=permissions, position=position))
    ops += rows.role_ops(Role(id=MANAGED_ROLE, guild_id=LAB, name="bot", position=4, managed=True, bot_id=1002))
    for user_id, role_id in ((FRANK, ADMIN_ROLE), (GINA, MOD_ROLE), (HANK, LOW_ROLE)):
        ops += rows.member_ops(Member(guild_id=LAB, user_id=user_id, joined_at=now, roles=(role_id,)))
    ops += rows.ban_ops(Ban(guild_id=LAB, user_id=IVAN, reason="noise"))
    hidden = (Overwrite(id=LAB, type=0, deny=VIEW),)
    for channel_id, kind, name, parent, overwrites in (
        (HIDDEN, ChannelType.GUILD_TEXT, "hidden", None, hidden),
        (CHILD, ChannelType.GUILD_TEXT, "child", CATEGORY, ()),
        (LOOSE_CHILD, ChannelType.GUILD_TEXT, "loose", CATEGORY, (Overwrite(id=LOW_ROLE, type=0, deny=VIEW),)),
        (LOCKED_CATEGORY, ChannelType.GUILD_CATEGORY, "locked", None, (Overwrite(id=LOW_ROLE, type=0, allow=VIEW),)),
    ):
        ops += rows.channel_ops(
            Channel(id=channel_id, guild_id=LAB, type=kind, name=name, parent_id=parent, overwrites=overwrites)
        )
    return ops
