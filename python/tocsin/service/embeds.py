"""Embeds: the rules of rich embeds, and their stored form (protocol.md §4.4)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from tocsin.model import wire
from tocsin.service.forms import Form

MAX_EMBEDS = 10
MAX_TOTAL = 6000
MAX_FIELDS = 25
_SCHEMES = ("http://", "https://", "attachment://")


class EmbedFooter(msgspec.Struct, omit_defaults=True):
    """The line at the bottom."""

    text: str | None = None
    icon_url: str | None = None


class EmbedMedia(msgspec.Struct, omit_defaults=True):
    """An image or thumbnail."""

    url: str | None = None


class EmbedAuthor(msgspec.Struct, omit_defaults=True):
    """The line at the top."""

    name: str | None = None
    url: str | None = None
    icon_url: str | None = None


class EmbedField(msgspec.Struct):
    """A name and a value."""

    name: str | None = None
    value: str | None = None
    inline: bool | None = False


class Embed(msgspec.Struct, omit_defaults=True):
    """A rich embed as a client sends it. Keys that a client may not set are ignored."""

    title: str | None = None
    description: str | None = None
    url: str | None = None
    timestamp: str | None = None
    color: int | None = None
    footer: EmbedFooter | None = None
    image: EmbedMedia | None = None
    thumbnail: EmbedMedia | None = None
    author: EmbedAuthor | None = None
    fields: list[EmbedField] | None = None


def normalize(embeds: list[Embed], form: Form) -> list[dict[str, Any]]:
    """Check `embeds`, noting errors under `embeds` in `form`, and return them as they are stored and sent."""
    if len(embeds) > MAX_EMBEDS:
        form.too_long(("embeds",), MAX_EMBEDS)
        return []
    total = 0
    stored = []
    for index, embed in enumerate(embeds):
        body, size = _one(embed, ("embeds", index), form)
        total += size
        stored.append(body)
    if total > MAX_TOTAL:
        message = f"Embed size exceeds maximum size of {MAX_TOTAL}"
        form.add(("embeds",), "MAX_EMBED_SIZE_EXCEEDED", message)
    return stored


def _one(embed: Embed, path: tuple[str | int, ...], form: Form) -> tuple[dict[str, Any], int]:
    body: dict[str, Any] = {"type": "rich"}
    size = 0

    def text(value: str | None, limit: int, *where: str | int, required: bool = False) -> str | None:
        nonlocal size
        value = value.strip() if value is not None else None
        if not value:
            if required:
                form.required((*path, *where))
            return None
        form.length((*path, *where), value, 0, limit)
        size += len(value)
        return value

    def put(into: dict[str, Any], key: str, value: Any) -> None:
        if value is not None:
            into[key] = value

    put(body, "title", text(embed.title, 256, "title"))
    put(body, "description", text(embed.description, 4096, "description"))
    put(body, "url", _url(embed.url, (*path, "url"), form))
    if embed.timestamp is not None:
        put(body, "timestamp", _timestamp(embed.timestamp, (*path, "timestamp"), form))
    if embed.color is not None:
        if 0 <= embed.color <= 0xFFFFFF:
            body["color"] = embed.color
        else:
            form.add((*path, "color"), "NUMBER_TYPE_MAX", "int value should be less than or equal to 16777215.")
    if embed.footer is not None:
        footer: dict[str, Any] = {}
        put(footer, "text", text(embed.footer.text, 2048, "footer", "text"))
        put(footer, "icon_url", _url(embed.footer.icon_url, (*path, "footer", "icon_url"), form))
        if footer:
            body["footer"] = {"text": "", **footer}
    for key, media in (("image", embed.image), ("thumbnail", embed.thumbnail)):
        if media is not None and (url := _url(media.url, (*path, key, "url"), form)):
            body[key] = {"url": url}
    if embed.author is not None:
        author: dict[str, Any] = {}
        put(author, "name", text(embed.author.name, 256, "author", "name"))
        put(author, "url", _url(embed.author.url, (*path, "author", "url"), form))
        put(author, "icon_url", _url(embed.author.icon_url, (*path, "author", "icon_url"), form))
        if author:
            body["author"] = {"name": "", **author}
    fields = embed.fields or []
    if len(fields) > MAX_FIELDS:
        form.too_long((*path, "fields"), MAX_FIELDS)
    elif fields:
        body["fields"] = [
            {
                "name": text(field.name, 256, "fields", index, "name", required=True),
                "value": text(field.value, 1024, "fields", index, "value", required=True),
                "inline": bool(field.inline),
            }
            for index, field in enumerate(fields)
        ]
    if len(body) == 1:
        form.required((*path, "description"))
    return body, size


def _url(value: str | None, path: tuple[str | int, ...], form: Form) -> str | None:
    value = value.strip() if value else None
    if not value:
        return None
    if len(value) > 2048:
        form.too_long(path, 2048)
    elif not value.lower().startswith(_SCHEMES):
        scheme = value.partition(":")[0][:32]
        message = f"Scheme \"{scheme}\" is not supported. Scheme must be one of ('http', 'https')."
        form.add(path, "URL_TYPE_INVALID_SCHEME", message)
    return value


def _timestamp(value: str, path: tuple[str | int, ...], form: Form) -> str | None:
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return wire.timestamp(int(moment.timestamp() * 1000))
    except (ValueError, OverflowError, OSError):
        form.add(path, "DATE_TIME_TYPE_PARSE", f"Could not parse {value[:64]}. Should be ISO8601.")
        return None
