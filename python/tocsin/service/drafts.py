"""Drafts: what a caller wants a message to be, before any rule was applied."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from tocsin.service.embeds import Embed
from tocsin.service.mentions import AllowedMentions


class ReferenceDraft(msgspec.Struct, frozen=True, kw_only=True):
    """The message to reply to. 0 for ids that were not given."""

    message_id: int = 0
    channel_id: int = 0
    guild_id: int = 0
    type: int = 0
    fail_if_not_exists: bool = True


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A file that came with a form; `index` is the n of `files[n]`."""

    index: int
    filename: str
    content_type: str
    data: bytes


class FileNote(msgspec.Struct, frozen=True, kw_only=True):
    """What a form says of a file: `id` is an upload's index, or that of an attachment to keep."""

    id: int
    filename: str | None = None
    title: str | None = None
    description: str | None = None


class MessageDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A message to create (protocol.md §8.3)."""

    content: str = ""
    nonce: int | str | None = None
    enforce_nonce: bool = False
    tts: bool = False
    flags: int = 0
    embeds: list[Embed] = []
    components: list[dict[str, Any]] = []
    sticker_ids: tuple[int, ...] = ()
    allowed_mentions: AllowedMentions | None = None
    reference: ReferenceDraft | None = None
    files: tuple[Upload, ...] = ()
    notes: tuple[FileNote, ...] = ()


class MessagePatch(msgspec.Struct, frozen=True, kw_only=True):
    """Changes to a message; UNSET leaves a thing as it is, None empties it."""

    content: str | UnsetType | None = UNSET
    flags: int | UnsetType | None = UNSET
    embeds: list[Embed] | UnsetType | None = UNSET
    components: list[dict[str, Any]] | UnsetType | None = UNSET
    attachments: tuple[FileNote, ...] | UnsetType | None = UNSET
    allowed_mentions: AllowedMentions | UnsetType | None = UNSET
    files: tuple[Upload, ...] = ()

    def touches_more_than_flags(self) -> bool:
        """Whether anything but `flags` would change."""
        return bool(self.files) or any(
            part is not UNSET
            for part in (self.content, self.embeds, self.components, self.attachments, self.allowed_mentions)
        )
