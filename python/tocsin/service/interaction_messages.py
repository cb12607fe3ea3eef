"""InteractionMessages: what a bot answers with, in the channel or for the invoker's eyes only (protocol.md §8.9).

A hidden message is in no channel's history: it is kept for as long as its interaction's token lives, and told to the
invoker and the bot alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from tocsin.errors import BadRequest, Conflict, unknown
from tocsin.model.entities import Channel, Message
from tocsin.model.event import Event
from tocsin.model.interactions import HiddenMessage, Interaction
from tocsin.model.permissions import ALL
from tocsin.service import events
from tocsin.service.attachments import AttachmentService, renewed_ops
from tocsin.service.auth import Principal
from tocsin.service.content import EMPTY, Checked, check_draft, check_parts
from tocsin.service.drafts import MessageDraft, MessagePatch
from tocsin.service.forms import Form
from tocsin.service.interaction_claims import Claim
from tocsin.service.mentions import AllowedMentions
from tocsin.service.message_view import MessageView
from tocsin.service.messages import MessageService, Origin
from tocsin.service.world import ChannelAccess
from tocsin.store import rows
from tocsin.store.base import Op, Select, Update

if TYPE_CHECKING:
    from tocsin.service.context import Context

HIDDEN, LOADING = 1 << 6, 1 << 7
_USERS_ONLY = AllowedMentions(parse=("users",))
_decode = msgspec.json.Decoder().decode
Body = dict[str, Any]


class InteractionMessages:
    """Makes, reads, edits and deletes the messages of interactions."""

    def __init__(self, context: Context, messages: MessageService, attachments: AttachmentService) -> None:
        self._context = context
        self._attachments = attachments
        self._store = context.store
        self._world = context.world
        self._messages = messages
        self._view = MessageView(context.store, context.world)

    async def send(
        self, interaction: Interaction, draft: MessageDraft, claim: Claim | None = None, *, loading: bool = False
    ) -> Body:
        """Send a message of the interaction's bot; `flags` 64 of the draft hides it. Return its body.

        `claim`: it is the first answer.

        Raises:
            errors.ApiError: as a message's create.
        """
        bot, access = await self.speaker(interaction)
        hidden = bool(draft.flags & HIDDEN)
        draft = msgspec.structs.replace(draft, reference=None, allowed_mentions=draft.allowed_mentions or _USERS_ONLY)
        kind = interaction.message_type
        flags = (LOADING if loading else 0) | (HIDDEN if hidden else 0)
        origin = Origin(kind, interaction.application_id, flags, interaction.origin, loading, claim)
        if not hidden:
            sent: Body = _decode(await self._messages.create(bot, interaction.channel_id, draft, access, origin))
            return sent
        checked = Checked("", [], [], 0) if loading else check_draft(draft)
        kept = await self._attachments.keep(interaction.channel_id, draft.files, draft.notes, checked.embeds)
        message = Message(
            id=self._context.snowflakes.next(),
            channel_id=interaction.channel_id,
            guild_id=interaction.guild_id,
            author_id=bot.id,
            content=checked.content,
            type=kind,
            flags=flags | checked.flags,
            embeds=checked.embeds,
            attachments=_hidden_files(kept.bodies),
            components=checked.components,
            webhook_id=interaction.application_id,
            application_id=interaction.application_id,
        )
        ops = [*rows.hidden_message_ops(self._kept(interaction, message)), *rows.attach_ops(kept.ids, message.id)]
        await self._commit([*ops, *(claim.ops(message.id) if claim is not None else [])], claim)
        return await self._tell(interaction, "MESSAGE_CREATE", message)

    async def get(self, interaction: Interaction, message_id: int) -> Body:
        """Return one of the interaction's messages. Raises 10008."""
        hidden = await self._own_hidden(interaction, message_id)
        if hidden is not None:
            return await self._render(interaction, hidden)
        bot, _ = await self.speaker(interaction)
        return (await self._view.for_reader(bot, [await self._stored(interaction, message_id)]))[0]

    async def edit(
        self, interaction: Interaction, message_id: int, patch: MessagePatch, claim: Claim | None = None
    ) -> Body:
        """Change one of the interaction's messages, which then no longer loads. Raises 10008, and as an edit.

        `claim`: the edit is the answer.
        """
        if patch.content is not UNSET and patch.allowed_mentions is UNSET:
            patch = msgspec.structs.replace(patch, allowed_mentions=_USERS_ONLY)
        hidden = await self._own_hidden(interaction, message_id)
        if hidden is not None:
            return await self._edit_hidden(interaction, hidden, patch, claim)
        bot, access = await self.speaker(interaction)
        await self._stored(interaction, message_id)
        edited: Body = _decode(
            await self._messages.edit(
                bot, interaction.channel_id, message_id, patch, access, settles=LOADING, claim=claim
            )
        )
        return edited

    async def delete(self, interaction: Interaction, message_id: int) -> None:
        """Delete one of the interaction's messages. Raises 10008."""
        hidden = await self._own_hidden(interaction, message_id)
        if hidden is None:
            bot, access = await self.speaker(interaction)
            await self._stored(interaction, message_id)
            await self._messages.delete(bot, interaction.channel_id, message_id, access)
            return
        channel = await self._channel(interaction)
        await self._store.commit(rows.hidden_delete_ops([message_id]))
        self._publish(interaction, events.message_delete(channel, message_id))

    async def seen_by(self, user_id: int, channel_id: int, message_id: int) -> Message:
        """Return a message of the channel, or one that only this user sees. Raises 10008."""
        found = await self._hidden(user_id, channel_id, message_id)
        return found or await self._world.message(channel_id, message_id)

    async def speaker(self, interaction: Interaction) -> tuple[Principal, ChannelAccess]:
        """Return the bot, and the channel as its answers find it. Raises 10003 or 10013."""
        channel = await self._channel(interaction)
        user = await self._world.user(interaction.bot_id)
        if user is None:
            raise unknown("user")
        application = await self._store.application_of_bot(user.id)
        guild = await self._world.guild(channel.guild_id) if channel.guild_id else None
        member = await self._world.member(channel.guild_id, user.id) if channel.guild_id else None
        principal = Principal(user=user, application=application, token_digest=b"")
        return principal, ChannelAccess(channel, guild, member, int(ALL))

    async def _channel(self, interaction: Interaction) -> Channel:
        channel = await self._world.channel(interaction.channel_id)
        if channel is None:
            raise unknown("channel")
        return channel

    # -- messages that only one person sees

    async def _hidden(self, user_id: int, channel_id: int, message_id: int) -> Message | None:
        where = {"id": message_id, "user_id": user_id, "channel_id": channel_id}
        found = await self._store.find_one(Select(entity=HiddenMessage, table="hidden_messages", where=where))
        return None if found is None else msgspec.convert(found.message, Message)

    async def _own_hidden(self, interaction: Interaction, message_id: int) -> Message | None:
        """Return the message if only the invoker sees it. Raises 10008 for another bot's."""
        found = await self._hidden(interaction.user_id, interaction.channel_id, message_id)
        if found is not None and found.author_id != interaction.bot_id:
            raise unknown("message")
        return found

    async def _edit_hidden(
        self, interaction: Interaction, message: Message, patch: MessagePatch, claim: Claim | None
    ) -> Body:
        form = Form()
        content = message.content if patch.content is UNSET else patch.content or ""
        given = patch.embeds or [] if patch.embeds is not UNSET else []
        components = patch.components or [] if patch.components is not UNSET else message.components
        checked = check_parts(content, given, components, message.flags & ~LOADING, form)
        form.check()
        attachments, kept = await self._attachments.renew(message, patch, checked.embeds)
        changed = msgspec.structs.replace(
            message,
            content=checked.content,
            embeds=message.embeds if patch.embeds is UNSET else checked.embeds,
            attachments=_hidden_files(attachments),
            components=checked.components,
            flags=message.flags & ~LOADING,
            edited_at=None if message.flags & LOADING else self._context.clock(),
        )
        if not (changed.content or changed.embeds or changed.components or changed.attachments):
            raise BadRequest(*EMPTY)
        row = {"message": self._kept(interaction, changed).message}
        ops: list[Op] = [Update("hidden_messages", {"id": message.id}, row, must_match=True)]
        ops += renewed_ops(message, changed, kept)
        await self._commit([*ops, *(claim.ops() if claim is not None else [])], claim)
        return await self._tell(interaction, "MESSAGE_UPDATE", changed)

    async def _commit(self, ops: list[Op], claim: Claim | None) -> None:
        try:
            await self._store.commit(ops)
        except Conflict:
            if claim is not None:
                await claim.check()
            raise unknown("message") from None

    @staticmethod
    def _kept(interaction: Interaction, message: Message) -> HiddenMessage:
        return HiddenMessage(
            id=message.id,
            interaction_id=interaction.id,
            channel_id=message.channel_id,
            user_id=interaction.user_id,
            message=msgspec.to_builtins(message),
        )

    async def _render(self, interaction: Interaction, message: Message) -> Body:
        return await self._view.updated(message, None, interaction.origin)

    async def _tell(self, interaction: Interaction, name: str, message: Message) -> Body:
        channel, body = await self._channel(interaction), await self._render(interaction, message)
        self._publish(interaction, events.in_channel(name, channel, body, author_id=message.author_id))
        return body

    def _publish(self, interaction: Interaction, event: Event) -> None:
        seen_by = (interaction.user_id, interaction.bot_id)
        self._context.bus.publish_ephemeral(msgspec.structs.replace(event, users=seen_by))

    async def _stored(self, interaction: Interaction, message_id: int) -> Message:
        message = await self._world.message(interaction.channel_id, message_id)
        if message.author_id != interaction.bot_id:
            raise unknown("message")
        return message


def _hidden_files(attachments: list[Body]) -> list[Body]:
    return [{**each, "ephemeral": True} for each in attachments]
