"""Schemas of /guilds/{id}/members (protocol.md §8.7)."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from tocsin_api.request import Snowflake
from tocsin_api.schemas.fields import Fields


class MemberIn(Struct):
    """Body of PUT and PATCH of a member; a missing key leaves a thing as it is.

    `access_token` may be left out or be anything: tocsin has no OAuth2.
    """

    nick: str | UnsetType | None = UNSET
    roles: list[Snowflake] | UnsetType | None = UNSET
    mute: bool | UnsetType | None = UNSET
    deaf: bool | UnsetType | None = UNSET
    channel_id: Snowflake | UnsetType | None = UNSET
    communication_disabled_until: str | UnsetType | None = UNSET
    flags: int | UnsetType | None = UNSET

    def moves(self) -> bool:
        """Return whether it would move the member to, or out of, a voice channel."""
        return self.channel_id is not UNSET

    def voice_channel(self) -> int | None:
        """Return the channel to move the member to; None is out of voice."""
        return None if self.channel_id is UNSET or self.channel_id is None else int(self.channel_id)

    def changes(self) -> dict[str, Any]:
        """Return the checked changes of a `Member`."""
        fields = Fields()
        nick = self.nick.strip() if isinstance(self.nick, str) else self.nick
        fields.text("nick", nick, 1, 32, null=True)
        if self.roles is not UNSET:
            fields.changes["roles"] = tuple(int(role_id) for role_id in self.roles or ())
        fields.plain("mute", self.mute)
        fields.plain("deaf", self.deaf)
        fields.number("flags", self.flags, 0, 2**31 - 1)
        fields.time("communication_disabled_until", self.communication_disabled_until, "timeout_until")
        return fields.done()


class OwnMemberIn(Struct):
    """Body of PATCH /guilds/{id}/members/@me."""

    nick: str | UnsetType | None = UNSET

    def changes(self) -> dict[str, Any]:
        """Return the checked changes of a `Member`."""
        return MemberIn(nick=self.nick).changes()
