"""Schemas of /users/@me (protocol.md §8.8)."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from tocsin.service.users import UserPatch


class UserEdit(Struct):
    """Body of PATCH /users/@me; a missing key leaves a thing as it is."""

    username: str | UnsetType = UNSET
    global_name: str | UnsetType | None = UNSET
    avatar: str | UnsetType | None = UNSET
    banner: str | UnsetType | None = UNSET

    def patch(self) -> UserPatch:
        """Return it as the service takes it."""
        return UserPatch(username=self.username, global_name=self.global_name, avatar=self.avatar, banner=self.banner)
