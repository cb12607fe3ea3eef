"""UserService: accounts as they and others see them (protocol.md §8.8)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, UnsetType

from tocsin.errors import Conflict, Forbidden, InvalidForm, unknown
from tocsin.model import wire
from tocsin.model.entities import User
from tocsin.model.event import Event
from tocsin.service import events, guild_events
from tocsin.service.auth import Principal
from tocsin.service.automod_profiles import Judged, ProfileRules
from tocsin.service.forms import Form
from tocsin.service.guilds import nobody_online
from tocsin.service.locks import KeyedLocks
from tocsin.service.pictures import PictureFields
from tocsin.store import rows
from tocsin.store.base import Op, Update

if TYPE_CHECKING:
    from tocsin.service.context import Context

MAX_GUILDS_PAGE = 200
PICTURES = ("avatar", "banner")


class UserPatch(msgspec.Struct, frozen=True, kw_only=True):
    """Changes to one's own account; UNSET leaves a thing as it is. Images are data URIs."""

    username: str | UnsetType = UNSET
    global_name: str | UnsetType | None = UNSET
    avatar: str | UnsetType | None = UNSET
    banner: str | UnsetType | None = UNSET


class UserService:
    """Reads and changes users. `online_in` counts who is online in a guild; the gateway sets it."""

    def __init__(self, context: Context, profiles: ProfileRules) -> None:
        self._profiles = profiles
        self.online_in: Callable[[Sequence[int]], Awaitable[dict[int, int]]] = nobody_online
        self._context = context
        self._edits = KeyedLocks()
        self._pictures = PictureFields(context, {field: f"{field}s" for field in PICTURES})

    def me(self, actor: Principal) -> dict[str, Any]:
        """Return the actor's own user, with what only they may see."""
        return wire.own_user(actor.user)

    async def get(self, user_id: int) -> dict[str, Any]:
        """Return a user. Raises `errors.NotFound` (10013)."""
        user = await self._context.world.user(user_id)
        if user is None:
            raise unknown("user")
        return wire.user(user)

    async def update(self, actor: Principal, patch: UserPatch) -> dict[str, Any]:
        """Change the actor's account and return it; tells their sessions, and their guilds if others see the change.

        Raises:
            errors.InvalidForm: 50035, a bad or taken username, or what is no image of at most 1 MiB.
        """
        async with self._edits.hold(actor.id):
            user = await self._context.world.user(actor.id)
            if user is None:
                raise unknown("user")
            changes = await self._changes(user.username, actor, patch)
            async with self._pictures.changing(user, changes) as changes:
                changed = msgspec.structs.replace(user, **changes)
                if changed != user:
                    await self._commit(user, changed, changes)
            return wire.own_user(changed)

    async def picture(self, user_id: int, field: str, name: str) -> bytes:
        """Return the avatar or banner that a user has. Raises `errors.NotFound` (10013) for every other name."""
        user = await self._context.world.user(user_id)
        data = await self._pictures.given(user, field, name)
        if data is None:
            raise unknown("user")
        return data

    async def _commit(self, user: User, changed: User, changes: dict[str, Any]) -> None:
        told: list[Event] = [events.user_update(changed.id, wire.own_user(changed))]
        ops: list[Op] = [Update("users", {"id": changed.id}, changes, must_match=True)]
        known = (user.username, user.global_name)
        found: list[Judged] = []
        async with AsyncExitStack() as held:
            # GUILD_MEMBER_UPDATE carries the roles too: none may change between this read and the commit.
            for guild_id in sorted(await self._context.store.guild_ids_of(changed.id)):
                await held.enter_async_context(self._context.locks.hold(("guild", guild_id)))
                member = await self._context.world.member(guild_id, changed.id)
                if member is not None:
                    judged = await self._profiles.judge(member, changed)
                    if judged.member != member:
                        ops += rows.member_update_ops(judged.member)
                    told.append(guild_events.member_update(judged.member, changed))
                    found.append(judged)
            try:
                await self._context.store.commit(ops, told)
            except Conflict:
                raise _taken() from None
            for judged in found:
                await self._profiles.act(changed, judged, (*known, judged.member.nick))

    async def _changes(self, username: str, actor: Principal, patch: UserPatch) -> dict[str, Any]:
        form = Form()
        changes: dict[str, Any] = {}
        if isinstance(patch.username, str):
            wanted = patch.username.strip()
            form.length(("username",), wanted, 2, 32)
            changes["username"] = wanted
        if patch.global_name is not UNSET:
            name = patch.global_name.strip() if patch.global_name else None
            form.length(("global_name",), name, 1, 32)
            changes["global_name"] = name or None
        for field, value in (("avatar", patch.avatar), ("banner", patch.banner)):
            if value is not UNSET:
                changes[field] = value or None
        form.check()
        wanted = changes.get("username", username)
        if wanted != username:
            holder = await self._context.store.user_by_name(wanted)
            if holder is not None and holder.id != actor.id:
                raise _taken()
        return changes

    async def guilds_of(
        self, actor: Principal, *, before: int = 0, after: int = 0, limit: int = 200, with_counts: bool = False
    ) -> list[dict[str, Any]]:
        """Return a page of the guilds the actor is in, by rising id, each with the actor's permissions there."""
        ids = sorted(await self._context.store.guild_ids_of(actor.id))
        if before:
            ids = [each for each in ids if each < before][-limit:]
        else:
            ids = [each for each in ids if each > after][:limit]
        page = []
        online = await self.online_in(ids) if with_counts else {}
        for guild_id in ids:
            state = await self._context.world.guild(guild_id)
            member = await self._context.world.member(guild_id, actor.id)
            if state is None or member is None:
                continue
            guild = state.guild
            body: dict[str, Any] = {
                "id": str(guild.id),
                "name": guild.name,
                "icon": guild.icon,
                "banner": guild.banner,
                "owner": guild.owner_id == actor.id,
                "permissions": str(int(state.permissions(member, None, self._context.clock()))),
                "features": list(guild.features),
            }
            if with_counts:
                body["approximate_member_count"] = state.member_count
                body["approximate_presence_count"] = online.get(guild_id, 0)
            page.append(body)
        return page

    async def application_of(self, actor: Principal) -> dict[str, Any]:
        """Return the bot's application, with its owner. Raises `errors.Forbidden` (20002) for people."""
        application = actor.application
        if application is None:
            raise Forbidden(20002, "Only bots can use this endpoint")
        owner = await self._context.world.user(application.owner_id) if application.owner_id else None
        body = wire.application(application, owner or actor.user, actor.user)
        body["approximate_guild_count"] = len(await self._context.store.guild_ids_of(actor.id))
        return body


def _taken() -> InvalidForm:
    return InvalidForm.field("username", "USERNAME_ALREADY_TAKEN", "Username is unavailable.")
