"""MessageService: create, read, edit and delete messages (protocol.md §8.3).

Invariant: a message's id is made in the same loop turn that hands its commit to the store, so ids rise in commit order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import UNSET

from tocsin.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    InvalidForm,
    StoreUnavailable,
    unknown,
)
from tocsin.model.audit import AuditAction
from tocsin.model.entities import Channel, ChannelType, Message, WebhookAuthor
from tocsin.model.permissions import Permission
from tocsin.model.snowflake import snowflake_at, snowflake_ms
from tocsin.service import events, mentions, read_states, tracing
from tocsin.service.attachments import NOTHING_KEPT, AttachmentService, Kept, renewed_ops
from tocsin.service.audience import ATTEMPTS, Draft, commit_to
from tocsin.service.audit import note
from tocsin.service.auth import Principal
from tocsin.service.automod import AutoModService, need_to_delete
from tocsin.service.content import (
    EMPTY,
    IS_COMPONENTS_V2,
    MAX_CONTENT,
    SUPPRESS_EMBEDS,
    Checked,
    check_draft,
    check_parts,
)
from tocsin.service.drafts import MessageDraft, MessagePatch
from tocsin.service.forms import Form
from tocsin.service.interaction_claims import Claim
from tocsin.service.locks import KeyedLocks
from tocsin.service.mentions import AllowedMentions, Found
from tocsin.service.message_view import REPLY, MessageView, for_event, veil
from tocsin.service.slowmode import Slowmode
from tocsin.service.thread_members import ThreadMemberService, need_unlocked
from tocsin.service.world import ChannelAccess
from tocsin.store import rows
from tocsin.store.base import Insert, Op, Update, Upsert

if TYPE_CHECKING:
    from tocsin.service.context import Context

SEND = int(Permission.SEND_MESSAGES)
SEND_TTS = int(Permission.SEND_TTS_MESSAGES)
ATTACH_FILES = int(Permission.ATTACH_FILES)
EMBED_LINKS = int(Permission.EMBED_LINKS)
HISTORY = int(Permission.READ_MESSAGE_HISTORY)
MANAGE = int(Permission.MANAGE_MESSAGES)
MENTION_EVERYONE = int(Permission.MENTION_EVERYONE)

USER_TYPES = frozenset({0, REPLY, 20, 23})
NOT_DELETABLE = frozenset({1, 2, 3, 4, 5, 21})
BULK_AGE_MS = 14 * 24 * 3600 * 1000
_encode = msgspec.json.Encoder().encode


class Origin(NamedTuple):
    """What makes a message an answer to an interaction. `empty`: it says nothing yet. `claim`: it is the first."""

    type: int
    application_id: int
    flags: int
    body: dict[str, Any]
    empty: bool
    claim: Claim | None = None

    def mark(self, message: Message) -> Message:
        """Return the message as the interaction's."""
        application = self.application_id
        return msgspec.structs.replace(
            message,
            type=self.type,
            flags=message.flags | self.flags,
            webhook_id=application,
            application_id=application,
        )


class MessageService:
    """Messages of guild channels and DMs. Bodies are returned as JSON, as the wire has them."""

    def __init__(
        self,
        context: Context,
        attachments: AttachmentService,
        automod: AutoModService,
        thread_members: ThreadMemberService,
    ) -> None:
        self._context = context
        self._attachments = attachments
        self._automod = automod
        self._thread_members = thread_members
        self._store = context.store
        self._world = context.world
        self._view = MessageView(context.store, context.world)
        self._edits = KeyedLocks()
        self._slowmode = Slowmode(context.store)

    # -- create

    async def create(
        self,
        actor: Principal,
        channel_id: int,
        draft: MessageDraft,
        webhook: ChannelAccess | None = None,
        origin: Origin | None = None,
    ) -> bytes:
        """Send a message and return its body, the same bytes that MESSAGE_CREATE carries.

        `webhook` is the channel as a webhook finds it, which then is the actor; or a bot that answers an interaction,
        with its `origin`.
        With `enforce_nonce`, a nonce that the actor used in this channel within `nonce_window_ms` returns that message.

        Raises:
            errors.ApiError: 10003, 50001, 50008, 50013, 160002, 160005, 20016, 50006, 50083, 10060 or 50035.
        """
        access = webhook or await self._world.channel_access(channel_id, actor.id)
        access.need_text()
        access.need(SEND)
        need_unlocked(access)
        checked = Checked("", [], [], 0) if origin is not None and origin.empty else check_draft(draft)
        if draft.tts:
            access.need(SEND_TTS)
        if checked.embeds:
            access.need(EMBED_LINKS)
        slow = (access.channel, actor.id, actor.is_bot, access.permissions)
        await self._slowmode.check(*slow, self._context.clock())
        replied = await self._replied(access, draft)
        hits = await self._automod.judge(actor, access, checked.content)
        if hits:
            await self._automod.refuse(actor, access, checked.content, hits)
        found = await self._pings(access, checked.content, draft.allowed_mentions, replied)
        more = await self._view.resolve(access.channel.guild_id, found.users, replied)
        called: Sequence[int] = ()
        if found.users or not access.channel.guild_id:
            called = await read_states.whom_it_calls(self._world, access.channel, actor.id, found.users)
        kept = NOTHING_KEPT
        if draft.files:
            access.need(ATTACH_FILES)
            kept = await self._attachments.keep(channel_id, draft.files, draft.notes, checked.embeds)
        tracing.mark("policy")
        for attempt in range(ATTEMPTS):
            access = await self._thread_members.enter(actor, access)
            message = self._build(actor, access.channel, draft, checked, found, replied, kept.bodies)
            if origin is not None:
                message = origin.mark(message)
            elif webhook is not None:
                message = msgspec.structs.replace(message, webhook_id=actor.id)
            body = for_event(message, actor.user, access.member, more)
            if origin is not None:
                body |= origin.body
            if draft.nonce is not None:
                body["nonce"] = draft.nonce
            event = events.message_event("MESSAGE_CREATE", access.channel, message, body)
            ops = self._create_ops(actor, access.channel, message, draft, kept.ids, replace=attempt > 0)
            by_person = webhook is None and not actor.is_bot
            if called or by_person or found.roles or found.everyone:
                ops += read_states.message_ops(message, called, by_person=by_person)
            if origin is not None:
                ops += rows.interaction_message_ops(message, origin.body)
                ops += origin.claim.ops(message.id) if origin.claim is not None else []
            try:
                await self._store.commit(ops, [event])
            except Conflict:
                if origin is not None and origin.claim is not None:
                    await origin.claim.check()
                earlier = await self._earlier(actor, channel_id, draft)
                if earlier is not None:
                    return earlier
                access = webhook or await self._world.require(channel_id, actor.id, SEND)
                if access.channel.type == ChannelType.GROUP_DM:
                    called = await read_states.whom_it_calls(self._world, access.channel, actor.id, found.users)
                continue
            tracing.mark("store")
            members = len(access.channel.recipients) if access.guild is None else access.guild.member_count
            tracing.concerns(message.id, members)
            self._slowmode.note(*slow, self._context.clock())
            if hits:
                await self._automod.act(actor, access, checked.content, hits, message.id)
            return _encode(body) if veil(actor, message, replied, body) else event.body
        raise StoreUnavailable("a message conflicted too often")

    def _build(
        self,
        actor: Principal,
        channel: Channel,
        draft: MessageDraft,
        checked: Checked,
        found: Found,
        replied: Message | None,
        attachments: list[dict[str, Any]],
    ) -> Message:
        reference: dict[str, Any] | None = None
        if replied is not None:
            reference = {"type": 0, "message_id": str(replied.id), "channel_id": str(channel.id)}
            if channel.guild_id:
                reference["guild_id"] = str(channel.guild_id)
        return Message(
            id=self._context.snowflakes.next(),
            channel_id=channel.id,
            guild_id=channel.guild_id,
            author_id=actor.id,
            content=checked.content,
            type=0 if replied is None else REPLY,
            tts=draft.tts,
            flags=checked.flags,
            mention_everyone=found.everyone,
            mentions=found.users,
            mention_roles=found.roles,
            embeds=checked.embeds,
            attachments=attachments,
            components=checked.components,
            reference=reference,
            application_id=actor.application.id if actor.application is not None else None,
        )

    def _create_ops(
        self,
        actor: Principal,
        channel: Channel,
        message: Message,
        draft: MessageDraft,
        attachments: list[int],
        *,
        replace: bool,
    ) -> list[Op]:
        ops = [*rows.audience_ops(channel), *rows.message_ops(message, channel, self._context.clock())]
        if message.webhook_id == actor.id:
            name = actor.user.username
            ops += rows.webhook_author_ops(
                WebhookAuthor(message_id=message.id, channel_id=message.channel_id, webhook_id=actor.id, name=name)
            )
        if attachments:
            ops += rows.attach_ops(attachments, message.id)
        if draft.nonce is not None:
            key = {"author_id": message.author_id, "channel_id": message.channel_id, "nonce": str(draft.nonce)}
            row = {**key, "message_id": message.id, "created_at": self._context.clock()}
            if draft.enforce_nonce and not replace:
                ops.append(Insert("nonces", row))
            else:
                ops.append(Upsert("nonces", tuple(key), row))
        return ops

    async def _earlier(self, actor: Principal, channel_id: int, draft: MessageDraft) -> bytes | None:
        """Return the message that the draft's nonce already made, if that is recent enough."""
        if draft.nonce is None or not draft.enforce_nonce:
            return None
        message = await self._store.message_by_nonce(actor.id, channel_id, str(draft.nonce))
        if message is None or snowflake_ms(message.id) < self._context.clock() - self._context.settings.nonce_window_ms:
            return None
        member = await self._world.member(message.guild_id, actor.id) if message.guild_id else None
        replied = await self._view.quoted(message)
        more = await self._view.resolve(message.guild_id, message.mentions, replied)
        body = for_event(message, actor.user, member, more)
        body["nonce"] = draft.nonce
        veil(actor, message, replied, body)
        return _encode(body)

    async def _replied(self, access: ChannelAccess, draft: MessageDraft) -> Message | None:
        reference = draft.reference
        if reference is None or not reference.message_id:
            if reference is not None and reference.fail_if_not_exists:
                raise InvalidForm.field("message_reference.message_id", "BASE_TYPE_REQUIRED", "This field is required")
            return None
        if not access.permissions & HISTORY:
            raise Forbidden(160002, "Cannot reply without permission to read message history")
        elsewhere = reference.channel_id not in (0, access.channel.id)
        found = None if elsewhere else await self._store.message(access.channel.id, reference.message_id)
        if found is not None and found.type not in USER_TYPES:
            text = "Cannot reply to a system message"
            raise InvalidForm.field("message_reference", "REPLIES_CANNOT_REPLY_TO_SYSTEM_MESSAGE", text)
        if found is None and reference.fail_if_not_exists:
            raise InvalidForm.field("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
        return found

    async def _pings(
        self, access: ChannelAccess, content: str, allowed: AllowedMentions | None, replied: Message | None
    ) -> Found:
        """Resolve whom the content pings; ids of users that do not exist are left out."""
        found = mentions.scan(content)
        if found is not mentions.NOTHING:
            broad = bool(access.permissions & MENTION_EVERYONE)
            guild = access.guild

            def may_ping_role(role_id: int) -> bool:
                role = None if guild is None else guild.roles.get(role_id)
                return role is not None and role_id != access.channel.guild_id and (role.mentionable or broad)

            found = mentions.allow(found, allowed, may_ping_role, broad)
        users = found.users
        if replied is not None and mentions.pings_replied(allowed) and replied.author_id not in users:
            users = (*users, replied.author_id)
        if users:
            known = await self._world.users(users)
            users = tuple(user_id for user_id in users if user_id in known)
        return found if users == found.users else msgspec.structs.replace(found, users=users)

    # -- read

    async def list_of(
        self,
        actor: Principal,
        channel_id: int,
        *,
        before: int = 0,
        after: int = 0,
        around: int = 0,
        limit: int = 50,
    ) -> bytes:
        """Return a page of a channel's messages, newest first; `[]` without READ_MESSAGE_HISTORY.

        Raises:
            errors.ApiError: 10003, 50001, 50008.
        """
        access = await self._world.text_access(channel_id, actor.id)
        if not access.permissions & HISTORY:
            return b"[]"
        if around:
            before = after = 0
        elif after:
            before = 0
        found = await self._store.messages(channel_id, before=before, after=after, around=around, limit=limit)
        return _encode(await self._view.for_reader(actor, found))

    async def get(self, actor: Principal, channel_id: int, message_id: int) -> bytes:
        """Return one message.

        Raises:
            errors.ApiError: 10003, 50001, 50008, 50013, 10008.
        """
        access = await self._world.text_access(channel_id, actor.id)
        access.need(HISTORY)
        message = await self._world.message(channel_id, message_id)
        return _encode((await self._view.for_reader(actor, [message]))[0])

    # -- edit

    async def edit(
        self,
        actor: Principal,
        channel_id: int,
        message_id: int,
        patch: MessagePatch,
        webhook: ChannelAccess | None = None,
        *,
        settles: int = 0,
        claim: Claim | None = None,
    ) -> bytes:
        """Change a message and return its body. Others' messages: only SUPPRESS_EMBEDS, with MANAGE_MESSAGES.

        `settles` are flags that end with the first edit, which then is none. `claim`: the edit is an interaction's
        answer.

        Raises:
            errors.ApiError: 10003, 50001, 10008, 50005, 50013, 50021, 50006 or 50035.
        """
        access = webhook or await self._world.channel_access(channel_id, actor.id)
        access.need_text()
        access.need_open()
        async with self._edits.hold(message_id):
            message = await self._world.message(channel_id, message_id)
            if message.author_id != actor.id:
                if patch.touches_more_than_flags():
                    raise Forbidden(50005, "Cannot edit a message authored by another user")
                access.need(MANAGE)
            if message.type not in USER_TYPES:
                raise Forbidden(50021, "Cannot execute action on a system message")
            replied = await self._view.quoted(message)
            content = patch.content if isinstance(patch.content, str) and patch.content != message.content else ""
            # A text that is too long is refused by its form.
            hits = await self._automod.judge(actor, access, content) if len(content) <= MAX_CONTENT else ()
            if hits:
                await self._automod.refuse(actor, access, content, hits)
            changed, kept = await self._changed(access, message, patch, replied)
            if message.flags & settles:
                changed = msgspec.structs.replace(changed, flags=changed.flags & ~settles, edited_at=None)
            body = await self._save_edit(actor, access.channel, message, changed, replied, kept, claim)
            if hits:
                await self._automod.act(actor, access, content, hits, message.id)
            return body

    async def _changed(
        self, access: ChannelAccess, message: Message, patch: MessagePatch, replied: Message | None
    ) -> tuple[Message, Kept]:
        form = Form()
        flags = message.flags
        if isinstance(patch.flags, int):
            flags = (flags & ~SUPPRESS_EMBEDS) | (patch.flags & (SUPPRESS_EMBEDS | IS_COMPONENTS_V2))
        allowed = patch.allowed_mentions if isinstance(patch.allowed_mentions, AllowedMentions) else None
        mentions.check(allowed, form)
        content = message.content if patch.content is UNSET else patch.content or ""
        new_embeds = patch.embeds or [] if patch.embeds is not UNSET else []
        new_components = patch.components or [] if patch.components is not UNSET else []
        checked = check_parts(content, new_embeds, new_components, flags, form)
        form.check()
        if new_embeds:
            access.need(EMBED_LINKS)
        if patch.files:
            access.need(ATTACH_FILES)
        attachments, kept = await self._attachments.renew(message, patch, checked.embeds)
        changes: dict[str, Any] = {"flags": flags, "attachments": attachments}
        if patch.content is not UNSET:
            found = await self._pings(access, checked.content, allowed, replied)
            changes |= {
                "content": checked.content,
                "mentions": found.users,
                "mention_roles": found.roles,
                "mention_everyone": found.everyone,
            }
        if patch.embeds is not UNSET:
            changes["embeds"] = checked.embeds
        if patch.components is not UNSET:
            changes["components"] = checked.components
        if patch.touches_more_than_flags():
            changes["edited_at"] = self._context.clock()
        changed = msgspec.structs.replace(message, **changes)
        if not (changed.content or changed.embeds or changed.components or changed.attachments or changed.sticker_ids):
            raise BadRequest(*EMPTY)
        return changed, kept

    async def _save_edit(
        self,
        actor: Principal,
        channel: Channel,
        before: Message,
        after: Message,
        replied: Message | None,
        kept: Kept,
        claim: Claim | None,
    ) -> bytes:
        body = await self._view.updated(after, replied)
        old, new = msgspec.structs.asdict(before), msgspec.structs.asdict(after)
        row = {name: value for name, value in new.items() if value != old[name]}
        if row:
            where = {"id": after.id, "channel_id": after.channel_id}
            ops: list[Op] = [Update("messages", where, row, must_match=True), *renewed_ops(before, after, kept)]
            ops += claim.ops() if claim is not None else []

            def draft(to: Channel) -> Draft:
                return ops, [events.message_event("MESSAGE_UPDATE", to, after, body)]

            try:
                await commit_to(self._context, actor.id, channel, draft)
            except Conflict:
                if claim is not None:
                    await claim.check()
                raise unknown("message") from None
        elif claim is not None:
            await claim.commit()
        veil(actor, after, replied, body)
        return _encode(body)

    # -- delete

    async def delete(
        self, actor: Principal, channel_id: int, message_id: int, webhook: ChannelAccess | None = None
    ) -> None:
        """Delete a message; others' messages need MANAGE_MESSAGES.

        Raises:
            errors.ApiError: 10003, 50001, 10008, 50021, 50013, 50003.
        """
        access = webhook or await self._world.channel_access(channel_id, actor.id)
        access.need_text()
        message = await self._world.message(channel_id, message_id)
        if message.author_id != actor.id:
            if not access.channel.guild_id:
                raise Forbidden(50003, "Cannot execute action on a DM channel")
            access.need(MANAGE)
        need_to_delete(message.type, access)
        if message.type in NOT_DELETABLE:
            raise Forbidden(50021, "Cannot execute action on a system message")
        if message.author_id != actor.id:
            note(AuditAction.MESSAGE_DELETE, message.author_id, channel_id=str(channel_id), count="1")

        async def draft(to: Channel) -> Draft:
            ops = rows.message_delete_ops(channel_id, [message_id], to, must_match=True)
            return ops, [await self._thread_members.told_of(to, events.message_delete(to, message_id))]

        try:
            await commit_to(self._context, actor.id, access.channel, draft)
        except Conflict:
            raise unknown("message") from None

    async def bulk_delete(self, actor: Principal, channel_id: int, message_ids: Sequence[int]) -> None:
        """Delete 2 to 100 messages of a guild channel at once, none older than 14 days.

        Raises:
            errors.ApiError: 10003, 50001, 50003, 50013, 50016, 50034 or 50035 for a duplicate.
        """
        access = await self._world.channel_access(channel_id, actor.id)
        if not access.channel.guild_id:
            raise Forbidden(50003, "Cannot execute action on a DM channel")
        access.need_text()
        access.need(MANAGE)
        if not 2 <= len(message_ids) <= 100:
            message = (
                "Provided too few or too many messages to delete. "
                "Must provide at least 2 and fewer than 100 messages to delete."
            )
            raise BadRequest(50016, message)
        form = Form()
        seen: set[int] = set()
        for index, message_id in enumerate(message_ids):
            if message_id in seen:
                form.add(("messages", index), "SET_TYPE_ALREADY_CONTAINS_VALUE", "The set already contains this value")
            seen.add(message_id)
        form.check()
        if min(seen) < snowflake_at(self._context.clock() - BULK_AGE_MS):
            raise BadRequest(50034, "You can only bulk delete messages that are under 14 days old.")
        found = await self._store.messages_by_ids(channel_id, list(message_ids))
        ids = sorted(message.id for message in found if message.type not in NOT_DELETABLE)
        if not ids:
            return

        async def draft(to: Channel) -> Draft:
            ops = rows.message_delete_ops(channel_id, ids, to, must_match=True)
            return ops, [await self._thread_members.told_of(to, events.message_delete_bulk(to, ids))]

        try:
            await commit_to(self._context, actor.id, access.channel, draft)
        except Conflict:
            raise unknown("channel") from None
