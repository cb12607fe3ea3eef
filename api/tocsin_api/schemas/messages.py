"""Schemas of /channels/{id}/messages (protocol.md §8.3)."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from tocsin.service.drafts import FileNote, MessageDraft, MessagePatch, ReferenceDraft, Upload
from tocsin.service.embeds import Embed
from tocsin.service.mentions import AllowedMentions
from tocsin_api.request import Snowflake

Flags = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class AllowedMentionsIn(Struct):
    """What a message may ping."""

    parse: list[str] | None = None
    users: list[Snowflake] | None = None
    roles: list[Snowflake] | None = None
    replied_user: bool | None = False

    def value(self) -> AllowedMentions:
        """Return it as the service takes it."""
        return AllowedMentions(
            parse=None if self.parse is None else tuple(self.parse),
            users=tuple(self.users or ()),
            roles=tuple(self.roles or ()),
            replied_user=bool(self.replied_user),
        )


class MessageReferenceIn(Struct):
    """The message to reply to."""

    message_id: Snowflake | None = None
    channel_id: Snowflake | None = None
    guild_id: Snowflake | None = None
    type: int | None = 0
    fail_if_not_exists: bool | None = True

    def value(self) -> ReferenceDraft:
        """Return it as the service takes it."""
        return ReferenceDraft(
            message_id=self.message_id or 0,
            channel_id=self.channel_id or 0,
            guild_id=self.guild_id or 0,
            type=self.type or 0,
            fail_if_not_exists=self.fail_if_not_exists is not False,
        )


class AttachmentIn(Struct):
    """An attachment to keep, or what is said of the file `files[id]`."""

    id: Snowflake
    filename: str | None = None
    title: str | None = None
    description: str | None = None

    def note(self) -> FileNote:
        """Return it as the service takes it."""
        return FileNote(id=int(self.id), filename=self.filename, title=self.title, description=self.description)


class MessageCreate(Struct):
    """Body of POST /channels/{id}/messages."""

    content: str | None = None
    nonce: int | str | None = None
    enforce_nonce: bool | None = False
    tts: bool | None = False
    embeds: list[Embed] | None = None
    allowed_mentions: AllowedMentionsIn | None = None
    message_reference: MessageReferenceIn | None = None
    components: list[dict[str, Any]] | None = None
    sticker_ids: Annotated[list[Snowflake], Meta(max_length=3)] | None = None
    flags: Flags | None = 0
    attachments: list[AttachmentIn] | None = None

    def draft(self, files: tuple[Upload, ...] = ()) -> MessageDraft:
        """Return it as the service takes it."""
        return MessageDraft(
            content=self.content or "",
            nonce=self.nonce,
            enforce_nonce=bool(self.enforce_nonce),
            tts=bool(self.tts),
            flags=self.flags or 0,
            embeds=self.embeds or [],
            components=self.components or [],
            sticker_ids=tuple(self.sticker_ids or ()),
            allowed_mentions=None if self.allowed_mentions is None else self.allowed_mentions.value(),
            reference=None if self.message_reference is None else self.message_reference.value(),
            files=files,
            notes=tuple([each.note() for each in self.attachments]) if self.attachments else (),
        )


class MessageEdit(Struct):
    """Body of PATCH /channels/{id}/messages/{id}; a missing key leaves a thing as it is."""

    content: str | UnsetType | None = UNSET
    embeds: list[Embed] | UnsetType | None = UNSET
    flags: Flags | UnsetType | None = UNSET
    allowed_mentions: AllowedMentionsIn | UnsetType | None = UNSET
    components: list[dict[str, Any]] | UnsetType | None = UNSET
    attachments: list[AttachmentIn] | UnsetType | None = UNSET

    def patch(self, files: tuple[Upload, ...] = ()) -> MessagePatch:
        """Return it as the service takes it."""
        allowed, kept = self.allowed_mentions, self.attachments
        return MessagePatch(
            content=self.content,
            embeds=self.embeds,
            flags=self.flags,
            components=self.components,
            allowed_mentions=allowed.value() if isinstance(allowed, AllowedMentionsIn) else allowed,
            attachments=tuple(each.note() for each in kept) if isinstance(kept, list) else kept,
            files=files,
        )


class BulkDelete(Struct):
    """Body of POST /channels/{id}/messages/bulk-delete."""

    messages: list[Snowflake]
