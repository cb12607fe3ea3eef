"""GuildService: guilds as wholes (protocol.md §8.7).

`changes` map a `Guild`'s field names to values whose form is checked; what they may be is checked here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tocsin.errors import BadRequest, InvalidForm, MissingPermissions, unknown
from tocsin.model import wire
from tocsin.model.entities import Channel, ChannelType, Guild, Member, Role, ThreadPlace
from tocsin.model.guild_state import GuildState
from tocsin.model.permissions import DEFAULT, Permission
from tocsin.service import guild_events
from tocsin.service.auth import Principal
from tocsin.service.channels import GUILD_REFERENCES
from tocsin.service.emojis import image_key
from tocsin.service.forms import Form
from tocsin.service.pictures import PictureFields
from tocsin.service.roles import sorted_roles
from tocsin.service.webhook_avatars import WebhookAvatars
from tocsin.service.world import GuildAccess
from tocsin.store import rows
from tocsin.store.base import Op, Select

if TYPE_CHECKING:
    from tocsin.service.context import Context

MAX_GUILDS = 200
"""How many guilds a user may be in to make another."""

_MANAGE_GUILD = int(Permission.MANAGE_GUILD)
_VOICE = int(ChannelType.GUILD_VOICE)
Body = dict[str, Any]


class _Shown(msgspec.Struct, frozen=True):
    icon: str | None
    splash: str | None
    discovery_splash: str | None
    banner: str | None


_FOLDERS = {
    "icon": "icons",
    "splash": "splashes",
    "discovery_splash": "discoverysplashes",
    "banner": "guildbanners",
}
"""Where pictures of guilds are kept, by field."""


async def nobody_online(guild_ids: Sequence[int]) -> dict[int, int]:
    """Return what is counted where no gateway runs."""
    return {}


class GuildService:
    """Makes, shows, changes and deletes guilds. `online_in` counts who is online; the gateway sets it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store
        self._world = context.world
        self.online_in: Callable[[Sequence[int]], Awaitable[dict[int, int]]] = nobody_online
        self._pictures = PictureFields(context, _FOLDERS)
        self._webhook_avatars = WebhookAvatars(context)

    async def create(self, actor: Principal, changes: dict[str, Any]) -> Body:
        """Make a guild of the actor's, with @everyone and a text channel `general`.

        Raises:
            errors.BadRequest: 30001, the actor is in `MAX_GUILDS` already.
            errors.InvalidForm: 50035, what is no image of at most 1 MiB.
        """
        if len(await self._store.guild_ids_of(actor.id)) >= MAX_GUILDS:
            raise BadRequest(30001, f"Maximum number of guilds reached ({MAX_GUILDS})")
        guild_id, channel_id = self._context.snowflakes.next(), self._context.snowflakes.next()
        own = {name: value for name, value in changes.items() if name not in GUILD_REFERENCES and name != "owner_id"}
        async with self._pictures.changing(None, own) as own:
            return await self._make(actor, Guild(id=guild_id, owner_id=actor.id, system_channel_id=channel_id, **own))

    async def _make(self, actor: Principal, guild: Guild) -> Body:
        guild_id, channel_id = guild.id, guild.system_channel_id
        assert channel_id is not None
        everyone = Role(id=guild_id, guild_id=guild_id, name="@everyone", permissions=DEFAULT)
        general = Channel(id=channel_id, guild_id=guild_id, type=ChannelType.GUILD_TEXT, name="general")
        owner = Member(guild_id=guild_id, user_id=actor.id, joined_at=self._context.clock())
        ops: list[Op] = [
            *rows.guild_ops(guild),
            *rows.role_ops(everyone),
            *rows.channel_ops(general),
            *rows.member_ops(owner),
        ]
        event = guild_events.guild_create(guild, [everyone], [general], owner, actor.user)
        await self._store.commit(ops, [event])
        return wire.guild(guild, [everyone])

    async def get(self, actor: Principal, guild_id: int, *, with_counts: bool = False) -> Body:
        """Return a guild the actor is in."""
        access = await self._world.guild_access(guild_id, actor.id)
        body = _render(access.guild)
        if with_counts:
            body["approximate_member_count"] = access.guild.member_count
            body["approximate_presence_count"] = (await self.online_in([guild_id])).get(guild_id, 0)
        return body

    async def update(self, actor: Principal, guild_id: int, changes: dict[str, Any]) -> Body:
        """Change a guild; giving it away (`owner_id`) is its owner's alone.

        Raises:
            errors.MissingPermissions: 50013.
            errors.InvalidForm: 50035, an owner who is no person of the guild, a channel that does not fit, or no image.
        """
        async with self._context.locks.hold(("guild", guild_id)):
            access = await self._world.require_guild(guild_id, actor.id, _MANAGE_GUILD)
            state = access.guild
            self._check_references(access, changes)
            if changes.get("owner_id", state.guild.owner_id) != state.guild.owner_id:
                await self._check_new_owner(state, actor, changes["owner_id"])
            roles = sorted_roles(state)
            async with self._pictures.changing(state.guild, changes) as changes:
                changed = msgspec.structs.replace(state.guild, **changes)
                if changed != state.guild:
                    event = guild_events.guild_update(changed, roles, state.emojis.values())
                    await self._store.commit(rows.guild_update_ops(changed), [event])
            return wire.guild(changed, roles, state.emojis.values())

    async def delete(self, actor: Principal, guild_id: int) -> None:
        """Delete a guild with all that is in it. Raises 50013 for anyone but its owner."""
        async with self._context.locks.hold(("guild", guild_id)):
            access = await self._world.guild_access(guild_id, actor.id)
            if access.guild.guild.owner_id != actor.id:
                raise MissingPermissions
            threads = await self._store.find(Select(entity=ThreadPlace, table="threads", where={"guild_id": guild_id}))
            ops = rows.guild_delete_ops(guild_id, [*access.guild.channels, *(each.id for each in threads)])
            webhooks = await self._webhook_avatars.of(guild_id=guild_id)
            await self._store.commit(ops, [guild_events.guild_delete(guild_id)])
            await self._webhook_avatars.drop_all(webhooks)
            for emoji_id in access.guild.emojis:
                await self._context.content.delete(image_key(emoji_id))
            await self._pictures.drop(access.guild.guild)

    async def picture(self, guild_id: int, field: str, name: str) -> bytes:
        """Return the picture that a guild has as this. Raises `errors.NotFound` (10004) for every other name."""
        guild = await self._store.find_one(Select(entity=_Shown, table="guilds", where={"id": guild_id}))
        data = await self._pictures.given(guild, field, name)
        if data is None:
            raise unknown("guild")
        return data

    def _check_references(self, access: GuildAccess, changes: dict[str, Any]) -> None:
        """Check that each field that names a channel names one the actor may view, of the right kind."""
        form = Form()
        now = self._context.clock()
        for name in GUILD_REFERENCES:
            channel_id = changes.get(name)
            if channel_id is None or channel_id == getattr(access.guild.guild, name):
                continue
            channel = access.guild.channels.get(channel_id)
            if channel is None or not access.guild.permissions(access.member, channel, now):
                form.add((name,), "CHANNEL_INVALID", "Channel does not exist in this guild.")
            elif name == "afk_channel_id" and channel.type != _VOICE:
                form.add((name,), "CHANNEL_INVALID_TYPE", "Must be a voice channel.")
            elif name != "afk_channel_id" and channel.type == ChannelType.GUILD_CATEGORY:
                form.add((name,), "CHANNEL_INVALID_TYPE", "Must be a text channel.")
        form.check()

    async def _check_new_owner(self, state: GuildState, actor: Principal, owner_id: int) -> None:
        if state.guild.owner_id != actor.id:
            raise MissingPermissions
        user = await self._world.user(owner_id)
        if user is None or user.bot or await self._world.member(state.guild.id, owner_id) is None:
            raise InvalidForm.field("owner_id", "GUILD_OWNER_INVALID", "The owner must be a person of the guild.")


def _render(state: GuildState) -> Body:
    return wire.guild(state.guild, sorted_roles(state), state.emojis.values())
