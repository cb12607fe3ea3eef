"""WebhookService: writing in a channel by a token alone (protocol.md §8.8).

A message of a webhook has the webhook as its author, under the name of the moment.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from tocsin.errors import ApiError, BadRequest, Forbidden, InvalidForm, Unauthorized, unknown
from tocsin.model import wire
from tocsin.model.audit import AuditAction
from tocsin.model.entities import Message, User, Webhook
from tocsin.model.permissions import ALL, Permission
from tocsin.service import guild_events
from tocsin.service.audit import note
from tocsin.service.audit_drafts import changes_between
from tocsin.service.auth import Principal, same_secret
from tocsin.service.drafts import MessageDraft, MessagePatch
from tocsin.service.mentions import AllowedMentions
from tocsin.service.message_view import MessageView
from tocsin.service.messages import MessageService
from tocsin.service.webhook_avatars import WebhookAvatars
from tocsin.service.world import TEXT_TYPES, ChannelAccess
from tocsin.store import rows
from tocsin.store.base import Delete, Select

if TYPE_CHECKING:
    from tocsin.service.attachments import AttachmentService
    from tocsin.service.context import Context

MAX_WEBHOOKS = 15
"""How many a channel may have."""

_MANAGE = int(Permission.MANAGE_WEBHOOKS)
_FORBIDDEN_WORDS = ("clyde", "discord")
_USERS_ONLY = AllowedMentions(parse=("users",))
Body = dict[str, Any]


class _Caller(NamedTuple):
    """A webhook that acts: as an author, and the channel as it finds it."""

    principal: Principal
    access: ChannelAccess


class WebhookService:
    """Makes, lists, changes, deletes and executes webhooks."""

    def __init__(self, context: Context, messages: MessageService, attachments: AttachmentService) -> None:
        self._context = context
        self._store = context.store
        self._world = context.world
        self._messages = messages
        self._view = MessageView(context.store, context.world)
        self._attachments = attachments
        self.avatars = WebhookAvatars(context)

    # -- for those who manage them

    async def create(self, actor: Principal, channel_id: int, name: str, avatar: str | None = None) -> Body:
        """Make a webhook. `avatar`: a data URI.

        Raises:
            errors.ApiError: 10003, 50001, 50013, 50003 in a DM, 30007, 50035.
        """
        name = _checked_name(name)
        access = await self._manager(actor, channel_id)
        async with self._context.locks.hold(("guild", access.channel.guild_id)):
            access = await self._manager(actor, channel_id)
            if len(await self._find({"channel_id": channel_id})) >= MAX_WEBHOOKS:
                raise BadRequest(30007, f"Maximum number of webhooks reached ({MAX_WEBHOOKS})")
            async with self.avatars.changing(None, {"avatar": avatar or None}) as pictures:
                webhook = Webhook(
                    id=self._context.snowflakes.next(),
                    guild_id=access.channel.guild_id,
                    channel_id=channel_id,
                    user_id=actor.id,
                    name=name,
                    token=secrets.token_urlsafe(51),
                    **pictures,
                )
                event = guild_events.webhooks_update(webhook.guild_id, channel_id)
                note(AuditAction.WEBHOOK_CREATE, webhook.id, changes_between({}, _shown(webhook)))
                await self._store.commit(rows.webhook_ops(webhook), [event])
        return self._render(webhook, actor.user)

    async def list_in_channel(self, actor: Principal, channel_id: int) -> list[Body]:
        """Return a channel's webhooks. Raises as `create`."""
        await self._manager(actor, channel_id)
        return await self._render_all(await self._find({"channel_id": channel_id}))

    async def list_in_guild(self, actor: Principal, guild_id: int) -> list[Body]:
        """Return the webhooks of those of a guild's channels that the actor may view."""
        access = await self._world.require_guild(guild_id, actor.id, _MANAGE)
        channels = access.guild.channels
        seen = {each.id for each in channels.values() if access.guild.can_view(access.member, each)}
        return await self._render_all(
            [each for each in await self._find({"guild_id": guild_id}) if each.channel_id in seen]
        )

    async def get(self, actor: Principal, webhook_id: int) -> Body:
        """Return a webhook. Raises 10015, 50001 or 50013."""
        webhook = await self._managed(actor, webhook_id)
        return self._render(webhook, await self._world.user(webhook.user_id))

    async def update(
        self,
        actor: Principal,
        webhook_id: int,
        name: str | None,
        channel_id: int | None,
        avatar: str | UnsetType | None = UNSET,
    ) -> Body:
        """Change or move a webhook, with the permission in both channels. Raises as `create` and `get`."""
        webhook = await self._managed(actor, webhook_id)
        changes = _changes(name, avatar)
        if channel_id is not None and channel_id != webhook.channel_id:
            access = await self._manager(actor, channel_id)
            if access.channel.guild_id != webhook.guild_id:
                raise unknown("channel")
            changes["channel_id"] = channel_id
        changed = await self._change(webhook, changes)
        return self._render(changed, await self._world.user(changed.user_id))

    async def delete(self, actor: Principal, webhook_id: int) -> None:
        """Delete a webhook; its messages stay. Raises as `get`."""
        await self._remove(await self._managed(actor, webhook_id))

    # -- for those who have the token

    async def get_by_token(self, webhook_id: int, token: str) -> Body:
        """Return a webhook without who made it. Raises 10015 or 50027."""
        return self._render(await self._by_token(webhook_id, token), None)

    async def update_by_token(
        self, webhook_id: int, token: str, name: str | None, avatar: str | UnsetType | None = UNSET
    ) -> Body:
        """Change a webhook's name and avatar. Raises 10015, 50027 or 50035."""
        webhook = await self._by_token(webhook_id, token)
        return self._render(await self._change(webhook, _changes(name, avatar)), None)

    async def delete_by_token(self, webhook_id: int, token: str) -> None:
        """Delete a webhook."""
        await self._remove(await self._by_token(webhook_id, token))

    async def execute(
        self, webhook_id: int, token: str, draft: MessageDraft, *, username: str | None = None, thread_id: int = 0
    ) -> bytes:
        """Send a message as the webhook, and return its body. Without `allowed_mentions` it pings users only.

        Raises:
            errors.ApiError: 10015, 50027, 10003 for a thread that is not the channel's, and as a message's create.
        """
        webhook = await self._by_token(webhook_id, token)
        caller = await self._caller(webhook, _checked_name(username) if username else webhook.name, thread_id)
        # A reply would show the token's holder a message that they may not read.
        draft = msgspec.structs.replace(draft, reference=None, allowed_mentions=draft.allowed_mentions or _USERS_ONLY)
        return await self._messages.create(caller.principal, caller.access.channel.id, draft, caller.access)

    async def get_message(self, webhook_id: int, token: str, message_id: int, *, thread_id: int = 0) -> Body:
        """Return a message of the webhook. Raises 10008."""
        caller = await self._author(webhook_id, token, thread_id)
        message = await self._message(caller, message_id)
        return (await self._view.for_reader(caller.principal, [message]))[0]

    async def edit_message(
        self, webhook_id: int, token: str, message_id: int, patch: MessagePatch, *, thread_id: int = 0
    ) -> bytes:
        """Change a message of the webhook. Raises 10008, and as a message's edit."""
        caller = await self._author(webhook_id, token, thread_id)
        await self._message(caller, message_id)
        if patch.content is not UNSET and patch.allowed_mentions is UNSET:
            patch = msgspec.structs.replace(patch, allowed_mentions=_USERS_ONLY)
        return await self._messages.edit(caller.principal, caller.access.channel.id, message_id, patch, caller.access)

    async def delete_message(self, webhook_id: int, token: str, message_id: int, *, thread_id: int = 0) -> None:
        """Delete a message of the webhook. Raises 10008."""
        caller = await self._author(webhook_id, token, thread_id)
        await self._message(caller, message_id)
        await self._messages.delete(caller.principal, caller.access.channel.id, message_id, caller.access)

    # -- helpers

    async def _manager(self, actor: Principal, channel_id: int) -> ChannelAccess:
        access = await self._world.channel_access(channel_id, actor.id)
        if not access.channel.guild_id:
            raise Forbidden(50003, "Cannot execute action on a DM channel")
        access.need_no_thread()
        access.need(_MANAGE)
        if access.channel.type not in TEXT_TYPES:
            raise BadRequest(50024, "Cannot execute action on this channel type")
        return access

    async def _managed(self, actor: Principal, webhook_id: int) -> Webhook:
        found = await self._find({"id": webhook_id})
        if not found:
            raise unknown("webhook")
        await self._manager(actor, found[0].channel_id)
        return found[0]

    async def _by_token(self, webhook_id: int, token: str) -> Webhook:
        found = await self._find({"id": webhook_id})
        if not found:
            raise unknown("webhook")
        if not same_secret(found[0].token, token):
            raise Unauthorized(50027, "Invalid Webhook Token")
        return found[0]

    async def _author(self, webhook_id: int, token: str, thread_id: int) -> _Caller:
        webhook = await self._by_token(webhook_id, token)
        return await self._caller(webhook, webhook.name, thread_id)

    async def _caller(self, webhook: Webhook, name: str, thread_id: int) -> _Caller:
        channel = await self._world.channel(thread_id or webhook.channel_id)
        guild = await self._world.guild(webhook.guild_id)
        if channel is None or guild is None or (thread_id and channel.parent_id != webhook.channel_id):
            raise unknown("channel")
        user = wire.webhook_user(webhook.id, name, webhook.avatar)
        principal = Principal(user=user, application=None, token_digest=b"")
        return _Caller(principal, ChannelAccess(channel, guild, None, int(ALL)))

    async def _message(self, caller: _Caller, message_id: int) -> Message:
        message = await self._world.message(caller.access.channel.id, message_id)
        if message.webhook_id != caller.principal.id:
            raise unknown("message")
        return message

    async def _find(self, where: dict[str, Any]) -> list[Webhook]:
        return await self._store.find(Select(entity=Webhook, table="webhooks", where=where, order="id"))

    async def _change(self, webhook: Webhook, changes: dict[str, Any]) -> Webhook:
        async with self._context.locks.hold(("guild", webhook.guild_id)):
            found = await self._find({"id": webhook.id})
            if not found:
                raise unknown("webhook")
            async with self.avatars.changing(found[0], changes) as changes:
                changed = msgspec.structs.replace(found[0], **changes)
                await self._save(found[0], changed)
            return changed

    async def _save(self, before: Webhook, after: Webhook) -> None:
        if before == after:
            return
        channels = dict.fromkeys((before.channel_id, after.channel_id))
        told = [guild_events.webhooks_update(after.guild_id, channel_id) for channel_id in channels]
        note(AuditAction.WEBHOOK_UPDATE, after.id, changes_between(_shown(before), _shown(after)))
        await self._store.commit(rows.webhook_ops(after), told)

    async def _remove(self, webhook: Webhook) -> None:
        event = guild_events.webhooks_update(webhook.guild_id, webhook.channel_id)
        note(AuditAction.WEBHOOK_DELETE, webhook.id, changes_between(_shown(webhook), {}))
        await self._store.commit([Delete("webhooks", {"id": webhook.id})], [event])
        await self.avatars.drop(webhook)

    async def _render_all(self, webhooks: list[Webhook]) -> list[Body]:
        makers = await self._world.users(webhook.user_id for webhook in webhooks)
        return [self._render(webhook, makers.get(webhook.user_id)) for webhook in webhooks]

    def _render(self, webhook: Webhook, maker: User | None) -> Body:
        return wire.webhook(webhook, self._attachments.base_url(), maker)


def _changes(name: str | None, avatar: str | UnsetType | None) -> dict[str, Any]:
    changes: dict[str, Any] = {} if name is None else {"name": _checked_name(name)}
    return changes if avatar is UNSET else changes | {"avatar": avatar or None}


def _checked_name(name: str) -> str:
    """Return the name without surrounding space. Raises `errors.InvalidForm`."""
    name = name.strip()
    error: ApiError | None = None
    if not 1 <= len(name) <= 80:
        error = InvalidForm.field("name", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 80 in length.")
    elif word := next((each for each in _FORBIDDEN_WORDS if each in name.lower()), ""):
        error = InvalidForm.field("name", "USERNAME_INVALID_CONTAINS", f'Username cannot contain "{word}"')
    if error is not None:
        raise error
    return name


def _shown(webhook: Webhook) -> Body:
    """Return what the audit log tells of a webhook."""
    shown: Body = {"name": webhook.name, "channel_id": str(webhook.channel_id), "type": 1}
    return shown if webhook.avatar is None else shown | {"avatar_hash": webhook.avatar}
