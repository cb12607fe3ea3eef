"""UserSettingsService: what a person's clients keep for that person alone: settings and notes (protocol.md §3.4)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from tocsin.errors import InvalidForm, unknown
from tocsin.model.entities import UserNote, UserSettings
from tocsin.service import settings_proto
from tocsin.service.auth import Principal
from tocsin.service.events import to_user
from tocsin.service.forms import Form
from tocsin.service.rereading import reread
from tocsin.store.base import Delete, Op, Select, Upsert
from tocsin.store.rows import swap_ops

if TYPE_CHECKING:
    from tocsin.service.context import Context

PRELOADED = 1
"""The type of the settings that READY has."""
VERSIONED = (PRELOADED, 2)
"""Those that say which version of them they are."""
TYPES = (PRELOADED, 2, 3)
MAX_NOTE = 256
MAX_SETTINGS = 100_000
"""Characters of base64; this server's own bound."""


class UserSettingsService:
    """Keeps settings and notes, and tells the sessions of their owner, and nobody else, when they change."""

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._locks = context.locks
        self._world = context.world

    async def notes(self, user_id: int) -> dict[str, str]:
        """Return all notes of a person by the id of whom they are on."""
        return notes_of(await self._store.find(asked_notes(user_id)))

    async def note(self, actor: Principal, target_id: int) -> dict[str, Any]:
        """Return one note. Raises `errors.NotFound` (10013) where there is none."""
        where = {"user_id": actor.id, "target_id": target_id}
        found = await self._store.find_one(Select(entity=UserNote, table="user_notes", where=where))
        if found is None:
            raise unknown("user")
        return {"user_id": str(actor.id), "note_user_id": str(target_id), "note": found.note}

    async def set_note(self, actor: Principal, target_id: int, note: str) -> None:
        """Note something on a user; an empty note is none.

        Raises:
            errors.ApiError: 10013, or 50035 above 256 characters.
        """
        form = Form()
        form.length(("note",), note, 0, MAX_NOTE)
        form.check()
        if await self._world.user(target_id) is None:
            raise unknown("user")
        key = {"user_id": actor.id, "target_id": target_id}
        op: Op = Upsert("user_notes", tuple(key), {**key, "note": note}) if note else Delete("user_notes", {**key})
        await self._store.commit([op], [to_user(actor.id, "USER_NOTE_UPDATE", {"id": str(target_id), "note": note})])

    async def settings(self, user_id: int, kind: int) -> str:
        """Return settings, empty at first. Raises `errors.InvalidForm` for an unknown type."""
        _check(kind)
        found = await self._store.find_one(asked(user_id, kind))
        return "" if found is None else found.settings

    async def set_settings(
        self, actor: Principal, kind: int, patch: str, required_version: int | None = None
    ) -> tuple[str, bool]:
        """Change the fields that a patch has, and keep the others; return all, and whether the patch was out of date.

        Args:
            actor: whose settings.
            kind: their type.
            patch: a protobuf in base64.
            required_version: the version of the data that the patch was made for; over a later one it is dropped.

        Raises:
            errors.InvalidForm: 50035, an unknown type, too long, not base64 or no protobuf.
        """
        _check(kind)
        form = Form()
        form.length(("settings",), patch, 0, MAX_SETTINGS)
        form.check()
        try:
            given = base64.b64decode(patch, validate=True)
            settings_proto.split(given)
        except ValueError:
            raise _invalid() from None

        async def change() -> tuple[str, bool]:
            found = await self._store.find_one(asked(actor.id, kind))
            kept = "" if found is None else found.settings
            before = base64.b64decode(kept)
            versioned = kind in VERSIONED
            if versioned and required_version is not None and settings_proto.data_version(before) > required_version:
                return kept, True
            if not given:
                return kept, False
            try:
                after = base64.b64encode(settings_proto.merge(before, given, versioned=versioned)).decode()
            except ValueError:
                raise _invalid() from None
            form.length(("settings",), after, 0, MAX_SETTINGS)
            form.check()
            key = {"user_id": actor.id, "type": kind}
            body = {"settings": {"type": kind, "proto": after}, "partial": False}
            told = to_user(actor.id, "USER_SETTINGS_PROTO_UPDATE", body)
            was = None if found is None else {"settings": kept}
            await self._store.commit(swap_ops("user_settings", key, was, {"settings": after}), [told])
            return after, False

        async with self._locks.hold(("user_settings", actor.id)):
            return await reread(change)


def asked(user_id: int, kind: int | None = None) -> Select[UserSettings]:
    """Ask for a person's settings of a type, or of all: those of `client_settings` are one."""
    of_type = {} if kind is None else {"type": kind}
    return Select(entity=UserSettings, table="user_settings", where={"user_id": user_id, **of_type})


def asked_notes(user_id: int) -> Select[UserNote]:
    """Ask for a person's notes."""
    return Select(entity=UserNote, table="user_notes", where={"user_id": user_id})


def notes_of(kept: list[UserNote]) -> dict[str, str]:
    """Render notes by the id of whom they are on."""
    return {str(each.target_id): each.note for each in kept}


def _invalid() -> InvalidForm:
    return InvalidForm.field("settings", "INVALID_USER_SETTINGS_DATA", "Invalid user settings data")


def _check(kind: int) -> None:
    if kind not in TYPES:
        raise InvalidForm.field("type", "BASE_TYPE_CHOICES", "Value must be one of (1, 2, 3).")
