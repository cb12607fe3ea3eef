"""Schemas of notes and settings (protocol.md §3.4)."""

from __future__ import annotations

from msgspec import Struct


class NoteEdit(Struct):
    """Body of PUT /users/@me/notes/{id}."""

    note: str | None = None


class SettingsEdit(Struct):
    """Body of PATCH /users/@me/settings-proto/{type}."""

    settings: str
