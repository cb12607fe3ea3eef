"""AttachmentService: the files of messages (protocol.md §8.3).

A file has its row before it is written, of no message; the commit of the message gives it to that. So whatever ends
half-way, and whatever is deleted, is a row of no message, which `sweep` removes with its file an hour later.
"""

from __future__ import annotations

import mimetypes
import re
import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from msgspec import UNSET

from tocsin.errors import ApiError, BadRequest, InvalidForm, NotFound
from tocsin.model.entities import Attachment, Message
from tocsin.model.snowflake import snowflake_at
from tocsin.service.auth import same_secret
from tocsin.service.drafts import FileNote, MessagePatch, Upload
from tocsin.service.images import sniff
from tocsin.store import rows
from tocsin.store.base import Delete, Op, Select

if TYPE_CHECKING:
    from tocsin.service.context import Context

MAX_FILES = 10
MAX_DESCRIPTION = 1024
MAX_NAME = 100
SWEEP_AFTER_MS = 3_600_000
_SWEEP_AT_ONCE = 1000
_UNSAFE = re.compile(r"[^\w.\-]+")
_TYPE = re.compile(r"[\w.+-]{1,64}/[\w.+-]{1,64}", re.ASCII)
_EMBED_MEDIA = (("image", "url"), ("thumbnail", "url"), ("author", "icon_url"), ("footer", "icon_url"))
_SCHEME = "attachment://"
Body = dict[str, Any]


class Kept(NamedTuple):
    """What was made of uploads: the attachments' ids, and those that the message lists."""

    ids: list[int]
    bodies: list[Body]


NOTHING_KEPT = Kept([], [])


def safe_name(name: str) -> str:
    """Return a name without folders, without what shells or URLs would read into it, and not hidden."""
    plain = _UNSAFE.sub("_", re.split(r"[/\\\\]", name)[-1]).lstrip(".")
    stem, dot, extension = plain.rpartition(".")
    if len(plain) > MAX_NAME and dot and len(extension) < MAX_NAME:
        return f"{stem[: MAX_NAME - len(extension) - 1]}.{extension}"
    return plain[:MAX_NAME] or "unknown"


def type_of(name: str, declared: str) -> str:
    """Return a file's type: by its name, else as the sender says."""
    guessed = mimetypes.guess_type(name)[0]
    given = declared.partition(";")[0].strip().lower()
    return guessed or (given if _TYPE.fullmatch(given) else "application/octet-stream")


class AttachmentService:
    """Keeps uploads and gives them back. `base_url` is where this node is reached; the runtime sets it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store
        self.base_url: Callable[[], str] = lambda: context.settings.public_http_url.rstrip("/")

    async def keep(
        self, channel_id: int, uploads: Sequence[Upload], notes: Sequence[FileNote], embeds: list[Body], held: int = 0
    ) -> Kept:
        """Write uploads to the content store. An image that an embed names by `attachment://` is linked, not listed.

        Args:
            channel_id: where the message is, or will be.
            uploads: the files.
            notes: what the form says of them.
            embeds: the message's embeds; their links are changed in place.
            held: how many attachments the message has already.

        Raises:
            errors.BadRequest: 30015, more than `MAX_FILES`.
            errors.ApiError: 40005, a file is longer than `attachment_max_bytes`.
            errors.InvalidForm: 50035, a description that is too long.
        """
        if held + len(uploads) > MAX_FILES:
            raise BadRequest(30015, f"Maximum number of attachments in a message reached ({MAX_FILES})")
        if any(len(each.data) > self._context.settings.attachment_max_bytes for each in uploads):
            raise ApiError(40005, "Request entity too large", status=413)
        noted = {note.id: note for note in notes}
        for position, each in enumerate(notes):
            if len(each.description or "") > MAX_DESCRIPTION:
                text = f"Must be {MAX_DESCRIPTION} or fewer in length."
                raise InvalidForm.field(f"attachments.{position}.description", "BASE_TYPE_MAX_LENGTH", text)
        kept = Kept([], [])
        for upload in uploads:
            note = noted.get(upload.index)
            name = safe_name((note.filename if note is not None else None) or upload.filename)
            attachment = Attachment(
                id=self._context.snowflakes.next(),
                channel_id=channel_id,
                message_id=0,
                filename=name,
                content_type=type_of(name, upload.content_type),
                size=len(upload.data),
                secret=secrets.token_urlsafe(24),
            )
            await self._store.commit(rows.attachment_ops(attachment))
            await self._context.content.put(_key(attachment.id), upload.data)
            kept.ids.append(attachment.id)
            body = self._render(attachment, upload.data, note)
            if not _link(embeds, name, body["url"]):
                kept.bodies.append(body)
        return kept

    async def renew(self, message: Message, patch: MessagePatch, embeds: list[Body]) -> tuple[list[Body], Kept]:
        """Return the attachments that a message lists after a patch, and what is new. Raises as `keep`.

        `embeds`: those of the patch; their links are changed in place.
        """
        listed = message.attachments
        if patch.attachments is not UNSET:
            wanted = {str(note.id) for note in patch.attachments or ()}
            listed = [each for each in listed if each["id"] in wanted]
        if not patch.files:
            return listed, NOTHING_KEPT
        notes = patch.attachments or () if patch.attachments is not UNSET else ()
        kept = await self.keep(message.channel_id, patch.files, notes, embeds, held=len(listed))
        return [*listed, *kept.bodies], kept

    async def file(self, channel_id: int, attachment_id: int, name: str, secret: str) -> tuple[Attachment, bytes]:
        """Return a message's file to whoever has its whole URL. Raises `errors.NotFound`."""
        where = {"id": attachment_id, "channel_id": channel_id}
        found = await self._store.find_one(Select(entity=Attachment, table="attachments", where=where))
        if found is None or not found.message_id or found.filename != name or not same_secret(found.secret, secret):
            raise NotFound(0, "404: Not Found")
        data = await self._context.content.get(_key(attachment_id))
        if data is None:
            raise NotFound(0, "404: Not Found")
        return found, data

    async def sweep(self) -> int:
        """Remove files of no message that are an hour old; return how many."""
        oldest = snowflake_at(self._context.clock() - SWEEP_AFTER_MS)
        select = Select(
            entity=Attachment,
            table="attachments",
            where={"message_id": 0},
            below={"id": oldest},
            limit=_SWEEP_AT_ONCE,
        )
        found = await self._store.find(select)
        for attachment in found:
            await self._context.content.delete(_key(attachment.id))
        if found:
            await self._store.commit([Delete("attachments", {"id": [each.id for each in found]})])
        return len(found)

    def _render(self, attachment: Attachment, data: bytes, note: FileNote | None) -> Body:
        path = f"/content/attachments/{attachment.channel_id}/{attachment.id}/{quote(attachment.filename)}"
        url = f"{self.base_url()}{path}?key={attachment.secret}"
        body: Body = {
            "id": str(attachment.id),
            "filename": attachment.filename,
            "size": attachment.size,
            "url": url,
            "proxy_url": url,
            "content_type": attachment.content_type,
            "flags": 0,
        }
        image = sniff(data)
        if image is not None:
            body |= {"width": image.width, "height": image.height}
        if note is not None and note.title:
            body["title"] = note.title[:MAX_DESCRIPTION]
        if note is not None and note.description:
            body["description"] = note.description
        return body


def renewed_ops(before: Message, after: Message, kept: Kept) -> list[Op]:
    """Give a message what is new in it, and take from it what it lists no more."""
    gone = {each["id"] for each in before.attachments} - {each["id"] for each in after.attachments}
    return [*rows.attach_ops(kept.ids, after.id), *rows.attach_ops([int(each) for each in gone], 0)]


def _key(attachment_id: int) -> str:
    return f"attachments/{attachment_id}"


def _link(embeds: list[Body], name: str, url: str) -> bool:
    """Put `url` where embeds name the file, and return whether any does."""
    linked = False
    for embed in embeds:
        for part, field in _EMBED_MEDIA:
            media = embed.get(part)
            if media is not None and media.get(field) == _SCHEME + name:
                media[field] = url
                linked = True
    return linked
