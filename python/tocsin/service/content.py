"""Content: the rules of what a message may hold (protocol.md §4.4, §8.3)."""

from __future__ import annotations

from typing import Any

from tocsin.errors import BadRequest
from tocsin.service import embeds as embed_rules
from tocsin.service import mentions
from tocsin.service.drafts import MessageDraft
from tocsin.service.embeds import Embed
from tocsin.service.forms import Form

MAX_CONTENT = 2000
MAX_NONCE = 25
MAX_COMPONENTS = 40
MAX_DEPTH = 8

SUPPRESS_EMBEDS = 1 << 2
SUPPRESS_NOTIFICATIONS = 1 << 12
IS_COMPONENTS_V2 = 1 << 15
SETTABLE_FLAGS = SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS | IS_COMPONENTS_V2

EMPTY = (50006, "Cannot send an empty message")


class Checked:
    """A draft's content after the rules: trimmed, normalized, never empty."""

    __slots__ = ("components", "content", "embeds", "flags")

    def __init__(
        self, content: str, embeds: list[dict[str, Any]], components: list[dict[str, Any]], flags: int
    ) -> None:
        self.content = content
        self.embeds = embeds
        self.components = components
        self.flags = flags


def check_draft(draft: MessageDraft) -> Checked:
    """Apply every rule that needs nothing but the draft.

    Raises:
        errors.InvalidForm: 50035, with all that is wrong.
        errors.BadRequest: 50006, there is nothing in it.
    """
    form = Form()
    checked = check_parts(draft.content, draft.embeds, draft.components, draft.flags & SETTABLE_FLAGS, form)
    if draft.nonce is not None:
        check_nonce(draft.nonce, form)
    mentions.check(draft.allowed_mentions, form)
    if draft.reference is not None and draft.reference.type:
        form.add(("message_reference", "type"), "BASE_TYPE_CHOICES", "Value must be one of (0,).")
    form.check()
    if draft.sticker_ids:
        raise BadRequest(10060, "Unknown Sticker", status=404)
    if not (checked.content or checked.embeds or checked.components or draft.files):
        raise BadRequest(*EMPTY)
    return checked


def check_parts(content: str, embeds: list[Embed], components: list[dict[str, Any]], flags: int, form: Form) -> Checked:
    """Trim and normalize the parts of a message, noting in `form` what is wrong with them."""
    content = content.strip()
    if len(content) > MAX_CONTENT:
        form.too_long(("content",), MAX_CONTENT)
    rendered = embed_rules.normalize(embeds, form) if embeds else []
    if components:
        _check_components(components, form)
    if flags & IS_COMPONENTS_V2 and (content or embeds):
        message = "The 'content' and 'embeds' fields cannot be used when using MessageFlags.IS_COMPONENTS_V2"
        form.add(("content" if content else "embeds",), "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", message)
    return Checked(content, rendered, components, flags)


def check_nonce(nonce: int | str, form: Form) -> None:
    """A nonce is a 64-bit number or a short text."""
    if isinstance(nonce, str):
        if len(nonce) > MAX_NONCE:
            form.too_long(("nonce",), MAX_NONCE)
    elif not -(2**63) <= nonce < 2**63:
        form.add(("nonce",), "NUMBER_TYPE_MAX", f"int value should be less than or equal to {2**63 - 1}.")


def _check_components(components: list[dict[str, Any]], form: Form) -> None:
    """Components are kept as they are: each an object with a numeric `type`, of bounded number and depth."""
    count = 0

    def walk(value: Any, path: tuple[str | int, ...], depth: int) -> None:
        nonlocal count
        if depth > MAX_DEPTH:
            form.add(path, "COMPONENT_MAX_DEPTH", "Components are nested too deeply.")
            return
        for index, item in enumerate(value):
            here = (*path, index)
            kind = item.get("type") if isinstance(item, dict) else None
            if not isinstance(kind, int) or isinstance(kind, bool):
                form.add((*here, "type"), "BASE_TYPE_REQUIRED", "This field is required")
                continue
            count += 1
            if isinstance(item.get("components"), list):
                walk(item["components"], (*here, "components"), depth + 1)

    walk(components, ("components",), 0)
    if count > MAX_COMPONENTS:
        form.too_long(("components",), MAX_COMPONENTS)
    if not _encodable(components, 0):
        form.add(("components",), "BASE_TYPE_INVALID", "Components hold a value that cannot be kept.")


def _encodable(value: Any, depth: int) -> bool:
    """Whether a decoded value is of bounded depth and all its numbers fit JSON's 64 bits."""
    if depth > 2 * MAX_DEPTH + 4:
        return False
    if isinstance(value, dict):
        return all(_encodable(item, depth + 1) for item in value.values())
    if isinstance(value, list):
        return all(_encodable(item, depth + 1) for item in value)
    return not isinstance(value, int) or -(2**63) <= value < 2**63
