"""InteractionService: a person uses a command or a component, and the bot answers (protocol.md §3.6, §8.9).

The first answer is due within `interaction_timeout_ms`; its token then works for `TOKEN_MS`.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from msgspec import UNSET

from tocsin.errors import (
    ApiError,
    BadRequest,
    Conflict,
    InvalidForm,
    MissingPermissions,
    StoreUnavailable,
    unknown,
)
from tocsin.model import wire
from tocsin.model.entities import Application, Message
from tocsin.model.event import Event
from tocsin.model.interactions import (
    CallbackType,
    Command,
    CommandType,
    HiddenMessage,
    Interaction,
    InteractionType,
    Waiting,
)
from tocsin.model.permissions import Permission
from tocsin.service import interaction_data
from tocsin.service.auth import Principal, same_secret
from tocsin.service.commands import CommandService
from tocsin.service.drafts import MessageDraft, MessagePatch
from tocsin.service.interaction_claims import ANSWERED, Claim
from tocsin.service.interaction_events import to_bot, to_invoker
from tocsin.service.interaction_messages import HIDDEN, InteractionMessages
from tocsin.service.message_view import MessageView
from tocsin.service.world import ChannelAccess
from tocsin.store import rows
from tocsin.store.base import Delete, Select, Update

if TYPE_CHECKING:
    from tocsin.service.context import Context

TOKEN_MS = 15 * 60_000
TOKEN_MARK = "aW50ZXJhY3Rpb246"
"""What tokens of interactions begin with, as Discord's do: `interaction:` in base64. No webhook's is looked up."""

CHAT_COMMAND, CONTEXT_COMMAND = 20, 23
"""The types of the messages that answer commands."""
UNANSWERED = (Waiting.ANSWER, Waiting.LATE)
_USE = int(Permission.USE_APPLICATION_COMMANDS)
_COMPONENT_KEYS = ("custom_id", "component_type", "components", "values")
_OF_COMPONENTS = (InteractionType.COMPONENT, InteractionType.MODAL)
_ADMINISTRATOR = int(Permission.ADMINISTRATOR)
Body = dict[str, Any]

log = structlog.get_logger("tocsin.interactions")


class InteractionService:
    """Takes what people do, hands it to the bot, and its answers back."""

    def __init__(self, context: Context, commands: CommandService, messages: InteractionMessages) -> None:
        self._context = context
        self._store = context.store
        self._world = context.world
        self._commands = commands
        self._messages = messages
        self._view = MessageView(context.store, context.world)
        self._due: dict[int, asyncio.TimerHandle | asyncio.Task[None]] = {}

    # -- what a person does

    async def invoke(
        self,
        actor: Principal,
        kind: int,
        application_id: int,
        channel_id: int,
        data: Body,
        *,
        message_id: int = 0,
        nonce: str = "",
    ) -> int:
        """Use a command (2, or 4 for its autocompletion), a component of a message (3), or submit a modal (5).

        Raises:
            errors.ApiError: 10003, 50001, 50013, 10002, 10063, 10008 or 50035.
        """
        access = await self._world.channel_access(channel_id, actor.id)
        application = await self._application(application_id)
        bot_access = await self._bot_there(application, access)
        command: Command | None = None
        message: Message | None = None
        if kind in (InteractionType.COMMAND, InteractionType.AUTOCOMPLETE):
            command = await self._command(access, application, data)
            if kind == InteractionType.COMMAND:
                interaction_data.check(command.more.get("options", []), data.get("options", []))
        elif kind == InteractionType.COMPONENT:
            message = await self._with_component(actor, application, channel_id, message_id, data)
        elif kind != InteractionType.MODAL:
            raise InvalidForm.field("type", "BASE_TYPE_CHOICES", "Value must be one of (2, 3, 4, 5).")
        interaction = Interaction(
            id=self._context.snowflakes.next(),
            token=TOKEN_MARK + secrets.token_urlsafe(48),
            application_id=application.id,
            bot_id=application.bot_user_id,
            user_id=actor.id,
            guild_id=access.channel.guild_id,
            channel_id=channel_id,
            type=kind,
            created_at=self._context.clock(),
            message_id=0 if message is None else message.id,
            message_type=_message_type(kind, command),
            nonce=nonce,
        )
        interaction = msgspec.structs.replace(interaction, origin=_origin(interaction, actor, command))
        body = await self._body(interaction, actor, access, bot_access, command, message, data)
        await self._store.commit(rows.interaction_ops(interaction))
        publish = self._context.bus.publish_ephemeral
        publish(to_invoker(interaction, "INTERACTION_CREATE"))
        publish(to_bot(interaction, body))
        wait_s = self._context.settings.interaction_timeout_ms / 1000
        loop = asyncio.get_running_loop()
        self._due[interaction.id] = loop.call_later(wait_s, self._expire, interaction)
        return interaction.id

    def stop(self) -> None:
        """Tell nobody any more that a bot did not answer in time."""
        for due in self._due.values():
            due.cancel()
        self._due.clear()

    def _expire(self, interaction: Interaction) -> None:
        self._due[interaction.id] = asyncio.create_task(self._end(interaction))

    async def _end(self, interaction: Interaction) -> None:
        """Tell the person that nobody answered, unless somebody did, at whichever node."""
        try:
            await Claim(self._store, interaction, Waiting.ANSWER, Waiting.LATE).commit()
        except (ApiError, Conflict):
            return
        except StoreUnavailable:
            log.warning("not known whether an interaction was answered", interaction=interaction.id)
            return
        finally:
            self._due.pop(interaction.id, None)
        self._context.bus.publish_ephemeral(to_invoker(interaction, "INTERACTION_FAILURE", reason_code=2))

    async def _application(self, application_id: int) -> Application:
        select = Select(entity=Application, table="applications", where={"id": application_id})
        found = await self._store.find_one(select)
        if found is None:
            raise unknown("application")
        return found

    async def _bot_there(self, application: Application, access: ChannelAccess) -> int:
        """Return the bot's permissions in the channel. Raises 10002 where it is not."""
        channel = access.channel
        if access.guild is None:
            if application.bot_user_id not in channel.recipients:
                raise unknown("application")
            return access.permissions
        member = await self._world.member(channel.guild_id, application.bot_user_id)
        if member is None:
            raise unknown("application")
        return int(access.guild.permissions(member, channel, self._context.clock()))

    async def _command(self, access: ChannelAccess, application: Application, data: Body) -> Command:
        guild_id = access.channel.guild_id
        kind, given = data.get("type", 1), str(data.get("id") or "0")
        command_id = int(given) if given.isdigit() else 0
        command = await self._commands.find(application.id, guild_id, kind, command_id, str(data.get("name", "")))
        if access.guild is None or access.member is None:
            if command.more.get("dm_permission") is False:
                raise unknown("application command")
            return command
        access.need(_USE)
        wanted = command.more.get("default_member_permissions")
        if wanted is not None:
            held = int(access.guild.permissions(access.member, None, self._context.clock()))
            bits = int(wanted) or _ADMINISTRATOR
            if held & bits != bits:
                raise MissingPermissions
        return command

    async def _with_component(
        self, actor: Principal, application: Application, channel_id: int, message_id: int, data: Body
    ) -> Message:
        """Return the message that has the component. Raises 10008, or 50035 if it has no such component."""
        message = await self._messages.seen_by(actor.id, channel_id, message_id)
        if message.author_id != application.bot_user_id:
            raise unknown("message")
        found = interaction_data.component(message.components, str(data.get("custom_id", "")))
        if found is None or found.get("disabled"):
            raise InvalidForm.field("data.custom_id", "COMPONENT_VALIDATION_FAILED", "Component validation failed")
        return message

    async def _body(
        self,
        interaction: Interaction,
        actor: Principal,
        access: ChannelAccess,
        bot_permissions: int,
        command: Command | None,
        message: Message | None,
        data: Body,
    ) -> Body:
        """Render the interaction as its bot gets it."""
        body: Body = {
            "id": str(interaction.id),
            "application_id": str(interaction.application_id),
            "type": interaction.type,
            "channel_id": str(interaction.channel_id),
            "channel": {**wire.channel(access.channel), "permissions": str(access.permissions)},
            "token": interaction.token,
            "version": 1,
            "app_permissions": str(bot_permissions),
            "locale": "en-US",
            "entitlements": [],
            "authorizing_integration_owners": {"0": str(interaction.guild_id)},
            "attachment_size_limit": self._context.settings.attachment_max_bytes,
        }
        if access.guild is not None and access.member is not None:
            features = list(access.guild.guild.features)
            guild = {"id": str(interaction.guild_id), "locale": "en-US", "features": features}
            member = {**wire.member(access.member, actor.user), "permissions": str(access.permissions)}
            body |= {"guild_id": str(interaction.guild_id), "guild": guild, "guild_locale": "en-US"}
            body |= {"member": member, "context": 0}
        else:
            body |= {"user": wire.user(actor.user), "context": 1}
        if command is not None:
            body["data"] = await self._command_data(access, command, data)
        else:
            body["data"] = {key: data[key] for key in _COMPONENT_KEYS if key in data}
        if message is not None:
            body["message"] = await self._shown(message)
        return body

    async def _command_data(self, access: ChannelAccess, command: Command, data: Body) -> Body:
        told: Body = {"id": str(command.id), "name": command.name, "type": command.type}
        if command.guild_id:
            told["guild_id"] = str(command.guild_id)
        options = data.get("options", [])
        if command.type == CommandType.CHAT_INPUT:
            told["options"] = options
        else:
            told["target_id"] = str(data.get("target_id", "0"))
        names = interaction_data.Named.of(command.type, told.get("target_id"), options)
        resolved = await self._resolved(access, names)
        if resolved:
            told["resolved"] = resolved
        return told

    async def _resolved(self, access: ChannelAccess, named: interaction_data.Named) -> Body:
        guild, found = access.guild, {}
        users = await self._world.users(named.users)
        if users:
            found["users"] = {str(each.id): wire.user(each) for each in users.values()}
        if guild is not None:
            members = {each: await self._world.member(guild.guild.id, each) for each in users}
            shown = {str(each): wire.member(member) for each, member in members.items() if member is not None}
            if shown:
                found["members"] = shown
            roles = {str(each): wire.role(guild.roles[each]) for each in named.roles if each in guild.roles}
            if roles:
                found["roles"] = roles
            assert access.member is not None
            channels = [guild.channels[each] for each in named.channels if each in guild.channels]
            seen = [each for each in channels if guild.can_view(access.member, each)]
            if seen:
                found["channels"] = {str(each.id): wire.channel(each) for each in seen}
        if named.message:
            message = await self._world.message(access.channel.id, named.message)
            found["messages"] = {str(message.id): await self._shown(message)}
        return found

    async def _shown(self, message: Message) -> Body:
        """Render a message that is part of an interaction."""
        return await self._view.updated(message, await self._view.quoted(message))

    # -- what the bot answers

    async def of_token(self, application_id: int, token: str) -> Interaction | None:
        """Return the interaction whose token this is, if it still works."""
        if not token.startswith(TOKEN_MARK):
            return None
        where = {"application_id": application_id, "token": token}
        found = await self._store.find_one(Select(entity=Interaction, table="interactions", where=where))
        if found is None or self._context.clock() - found.created_at >= TOKEN_MS:
            return None
        return found

    async def answer(
        self, interaction_id: int, token: str, kind: int, data: Body, draft: MessageDraft, patch: MessagePatch
    ) -> Body:
        """Take the first answer; return the callback's resource.

        Raises:
            errors.NotFound: 10062, there is no such interaction, or it was due.
            errors.BadRequest: 40060, it was answered.
            errors.ApiError: as a message's create and edit.
        """
        async with self._context.locks.hold(("interaction", interaction_id)):
            interaction = await self._open(interaction_id, token)
            resource: Body = {"type": kind}
            if kind in (CallbackType.MESSAGE, CallbackType.DEFERRED_MESSAGE):
                loading = kind == CallbackType.DEFERRED_MESSAGE
                if loading:
                    draft = MessageDraft(flags=draft.flags & HIDDEN)
                claim = self._claim(interaction, Waiting.MESSAGE if loading else Waiting.NOTHING)
                resource["message"] = await self._messages.send(interaction, draft, claim, loading=loading)
            elif kind in (CallbackType.DEFERRED_UPDATE, CallbackType.UPDATE):
                if interaction.type not in _OF_COMPONENTS or not interaction.message_id:
                    raise _wrong_type()
                claim = self._claim(interaction)
                if kind == CallbackType.UPDATE:
                    resource["message"] = await self._messages.edit(interaction, interaction.message_id, patch, claim)
                else:
                    await claim.commit()
            elif kind in (CallbackType.AUTOCOMPLETE, CallbackType.MODAL):
                event = _for_invoker(interaction, kind, data)
                await self._claim(interaction).commit()
                self._context.bus.publish_ephemeral(event)
            else:
                raise _wrong_type()
        due = self._due.pop(interaction.id, None)
        if due is not None:
            due.cancel()
        self._context.bus.publish_ephemeral(to_invoker(interaction, "INTERACTION_SUCCESS"))
        told = {"id": str(interaction.id), "type": interaction.type}
        if interaction.message_id or "message" in resource:
            message_id = resource["message"]["id"] if "message" in resource else str(interaction.message_id)
            told["response_message_id"] = message_id
        return {"interaction": told, "resource": resource}

    async def _open(self, interaction_id: int, token: str) -> Interaction:
        where = {"id": interaction_id}
        found = await self._store.find_one(Select(entity=Interaction, table="interactions", where=where))
        oldest = self._context.clock() - self._context.settings.interaction_timeout_ms
        if found is None or not same_secret(found.token, token):
            raise unknown("interaction")
        if found.waiting not in UNANSWERED:
            raise BadRequest(*ANSWERED)
        if found.waiting == Waiting.LATE or found.created_at < oldest:
            raise unknown("interaction")
        return found

    def _claim(self, interaction: Interaction, then: Waiting = Waiting.NOTHING) -> Claim:
        return Claim(self._store, interaction, Waiting.ANSWER, then)

    async def _settle(self, interaction: Interaction) -> None:
        await self._store.commit([Update("interactions", {"id": interaction.id}, {"waiting": int(Waiting.NOTHING)})])

    # -- messages after the first answer

    async def follow_up(self, interaction: Interaction, draft: MessageDraft) -> Body:
        """Send another message; the first one after a deferral takes its place. Raises as a message's create."""
        if interaction.waiting in UNANSWERED:
            raise unknown("webhook")
        if interaction.waiting == Waiting.MESSAGE:
            claim = Claim(self._store, interaction, Waiting.MESSAGE, Waiting.NOTHING)
            try:
                return await self._messages.edit(interaction, interaction.message_id, _patch(draft), claim)
            except BadRequest as error:
                if error.code != ANSWERED[0]:
                    raise
        return await self._messages.send(interaction, draft)

    async def get(self, interaction: Interaction, message_id: int) -> Body:
        """Return one of the interaction's messages, 0 for the original response. Raises 10008."""
        return await self._messages.get(interaction, self._message_id(interaction, message_id))

    async def edit(self, interaction: Interaction, message_id: int, patch: MessagePatch) -> Body:
        """Change one of the interaction's messages. Raises 10008, and as a message's edit."""
        edited = await self._messages.edit(interaction, self._message_id(interaction, message_id), patch)
        if interaction.waiting == Waiting.MESSAGE:
            await self._settle(interaction)
        return edited

    async def delete(self, interaction: Interaction, message_id: int) -> None:
        """Delete one of the interaction's messages. Raises 10008."""
        await self._messages.delete(interaction, self._message_id(interaction, message_id))

    @staticmethod
    def _message_id(interaction: Interaction, message_id: int) -> int:
        if not message_id and not interaction.message_id:
            raise unknown("message")
        return message_id or interaction.message_id

    async def prune(self, now_ms: int) -> None:
        """Forget interactions whose tokens have ended, with the messages that only one person saw."""
        oldest = now_ms - TOKEN_MS
        first = Select(entity=Interaction, table="interactions", where={}, below={"created_at": oldest}, limit=1000)
        ended = [each.id for each in await self._store.find(first)]
        if ended:
            hidden = Select(entity=HiddenMessage, table="hidden_messages", where={"interaction_id": ended})
            messages = [each.id for each in await self._store.find(hidden)]
            ops = rows.hidden_delete_ops(messages) if messages else []
            await self._store.commit([*ops, Delete("interactions", {"id": ended})])


def _message_type(kind: int, command: Command | None) -> int:
    if command is not None and command.type != CommandType.CHAT_INPUT:
        return CONTEXT_COMMAND
    return CHAT_COMMAND if kind == InteractionType.COMMAND else 0


def _for_invoker(interaction: Interaction, kind: int, data: Body) -> Event:
    """Return what the person gets of an answer that is no message. Raises 50035."""
    if kind == CallbackType.AUTOCOMPLETE:
        if interaction.type != InteractionType.AUTOCOMPLETE:
            raise _wrong_type()
        choices = data.get("choices") or []
        return to_invoker(interaction, "APPLICATION_COMMAND_AUTOCOMPLETE_RESPONSE", choices=choices)
    if interaction.type == InteractionType.MODAL:
        raise _wrong_type()
    modal = {key: data.get(key) for key in ("custom_id", "title", "components")}
    application = {"id": str(interaction.application_id)}
    channel_id = str(interaction.channel_id)
    return to_invoker(interaction, "INTERACTION_MODAL_CREATE", **modal, channel_id=channel_id, application=application)


def _patch(draft: MessageDraft) -> MessagePatch:
    """Return what makes the message that loads into the draft."""
    return MessagePatch(
        content=draft.content,
        embeds=draft.embeds,
        components=draft.components,
        attachments=draft.notes,
        allowed_mentions=UNSET if draft.allowed_mentions is None else draft.allowed_mentions,
        files=draft.files,
    )


def _wrong_type() -> InvalidForm:
    return InvalidForm.field("type", "INTERACTION_CALLBACK_TYPE_INVALID", "This type of answer does not fit here.")


def _origin(interaction: Interaction, actor: Principal, command: Command | None) -> Body:
    """Return what the messages of an interaction say of it."""
    user = wire.user(actor.user)
    metadata: Body = {
        "id": str(interaction.id),
        "type": interaction.type,
        "user": user,
        "authorizing_integration_owners": {"0": str(interaction.guild_id)},
    }
    if interaction.message_id:
        metadata["interacted_message_id"] = str(interaction.message_id)
    origin: Body = {"interaction_metadata": metadata}
    if command is not None:
        origin["interaction"] = {
            "id": str(interaction.id),
            "type": interaction.type,
            "name": command.name,
            "user": user,
        }
    return origin
