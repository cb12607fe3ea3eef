"""WorldFile: users, guilds and generated crowds as a JSON or TOML file says them (design §8).

Names refer to names in the file. Ids are optional, and are texts or numbers; permission sets likewise.
Reading checks everything that can be known without a store, and names the place of what is wrong.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from tocsin.errors import WorldFileError
from tocsin.model.entities import ChannelType
from tocsin.model.intents import PRIVILEGED, Intents
from tocsin.model.permissions import ALL
from tocsin.model.snowflake import MAX_SNOWFLAKE

MAX_GENERATED = 1_000_000
EVERYONE = "@everyone"
GUILD_CHANNELS = frozenset(
    {
        ChannelType.GUILD_TEXT,
        ChannelType.GUILD_VOICE,
        ChannelType.GUILD_CATEGORY,
        ChannelType.GUILD_ANNOUNCEMENT,
        ChannelType.GUILD_STAGE_VOICE,
        ChannelType.GUILD_FORUM,
        ChannelType.GUILD_MEDIA,
    }
)
Number = str | int


class _Entry(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What all entries share: a key that is not of the format is an error."""


class UserEntry(_Entry):
    """A person or a bot. `intents`: the privileged intents its application may ask for."""

    username: str
    id: Number | None = None
    token: str | None = None
    bot: bool = False
    intents: Literal["all"] | int | list[str] = 0
    global_name: str | None = None

    @property
    def privileged(self) -> int:
        """The privileged intents as bits."""
        if self.intents == "all":
            return int(PRIVILEGED)
        if isinstance(self.intents, int):
            return self.intents & int(PRIVILEGED)
        return sum({int(Intents[name]) for name in self.intents}) & int(PRIVILEGED)


class RoleEntry(_Entry):
    """A role. The one called `@everyone` sets what everyone may do. What is not given is left as it is."""

    name: str
    id: Number | None = None
    permissions: Number | None = None
    position: int | None = None
    color: int | None = None
    hoist: bool | None = None
    mentionable: bool | None = None


class OverwriteEntry(_Entry):
    """A channel's exception for a role or for a member (by username)."""

    role: str | None = None
    user: str | None = None
    member: str | None = None
    allow: Number = 0
    deny: Number = 0


class ChannelEntry(_Entry):
    """A guild channel. `parent` names a category of the guild. What is not given is left as it is."""

    name: str
    id: Number | None = None
    type: int = 0
    topic: str | None = None
    position: int | None = None
    nsfw: bool | None = None
    rate_limit_per_user: int | None = None
    parent: str | None = None
    overwrites: list[OverwriteEntry] | None = None


class MemberEntry(_Entry):
    """A user's membership. Without `roles`, those they have are left."""

    user: str
    roles: list[str] | None = None
    nick: str | None = None


class GuildEntry(_Entry):
    """A guild. Its owner is a member without being listed."""

    name: str
    owner: str
    id: Number | None = None
    roles: list[RoleEntry] = []
    channels: list[ChannelEntry] = []
    members: list[MemberEntry] = []


class GenerateEntry(_Entry):
    """A crowd: `{n}` runs from 1 to `users`, and the first id is that of n = 1."""

    users: int
    username: str
    token: str | None = None
    first_id: Number | None = None
    bot: bool = False
    intents: Literal["all"] | int | list[str] = 0
    join: list[str] = []

    def each(self) -> Iterator[UserEntry]:
        """Yield the users of the crowd."""
        first = None if self.first_id is None else int(self.first_id)
        for n in range(1, self.users + 1):
            yield UserEntry(
                username=self.username.replace("{n}", str(n)),
                id=None if first is None else first + n - 1,
                token=None if self.token is None else self.token.replace("{n}", str(n)),
                bot=self.bot,
                intents=self.intents,
            )


class WorldFile(_Entry):
    """A whole file, checked."""

    users: list[UserEntry] = []
    guilds: list[GuildEntry] = []
    generate: list[GenerateEntry] = []

    def each_user(self) -> Iterator[tuple[str, UserEntry]]:
        """Yield all users with their place in the file, the generated ones last."""
        for index, user in enumerate(self.users):
            yield f"users[{index}]", user
        for index, crowd in enumerate(self.generate):
            for user in crowd.each():
                yield f"generate[{index}]", user

    @property
    def user_count(self) -> int:
        """How many users there are, generated ones too."""
        return len(self.users) + sum(crowd.users for crowd in self.generate)


def read_world_file(path: str | Path) -> WorldFile:
    """Read and check a file; `.toml` is TOML, all else JSON.

    Raises:
        errors.WorldFileError: it cannot be read, or it is wrong; the message names the place.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise WorldFileError(f"{path}: cannot read it: {error.strerror}") from None
    try:
        return parse_world_file(raw, toml=path.suffix.lower() == ".toml")
    except WorldFileError as error:
        raise WorldFileError(f"{path}: {error}") from None


def parse_world_file(raw: bytes, *, toml: bool = False) -> WorldFile:
    """Decode and check a file's bytes.

    Raises:
        errors.WorldFileError: the message names the place, such as `guilds[0].channels[1].name`.
    """
    try:
        data: Any = tomllib.loads(raw.decode()) if toml else msgspec.json.decode(raw)
    except (msgspec.DecodeError, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WorldFileError(f"not {'TOML' if toml else 'JSON'}: {error}") from None
    try:
        world = msgspec.convert(data, WorldFile)
    except msgspec.ValidationError as error:
        raise WorldFileError(_place_first(str(error))) from None
    _Check(world).all()
    return world


def _place_first(sentence: str) -> str:
    """Turn msgspec's "what - at `$.where`" into "where: what"."""
    what, found, where = sentence.rpartition(" - at `$")
    return f"{where.removesuffix('`').lstrip('.') or 'file'}: {what}" if found else f"file: {sentence}"


def number(value: Number, place: str, high: int = MAX_SNOWFLAKE, low: int = 0) -> int:
    """Return a text or number of the file as an int from `low` to `high`.

    Raises:
        errors.WorldFileError: it is none, naming `place`.
    """
    if isinstance(value, str):
        if not (value.isascii() and value.isdigit() and len(value) <= 20):
            raise WorldFileError(f"{place}: must be a whole number, not {value!r}")
        value = int(value)
    if not low <= value <= high:
        raise WorldFileError(f"{place}: must be between {low} and {high}, not {value}")
    return value


class _Check:
    """Everything about a file that its types do not say."""

    def __init__(self, world: WorldFile) -> None:
        self._world = world
        self._people: dict[str, UserEntry] = {}
        self._ids: dict[str, dict[int, str]] = {}

    def all(self) -> None:
        world = self._world
        for index, crowd in enumerate(world.generate):
            self._crowd(f"generate[{index}]", crowd)
        tokens: set[str] = set()
        for place, user in world.each_user():
            self._user(place, user, tokens)
        names: set[str] = set()
        for index, guild in enumerate(world.guilds):
            place = f"guilds[{index}]"
            if guild.name in names:
                raise WorldFileError(f"{place}.name: there are two guilds called {guild.name!r}")
            names.add(guild.name)
            self._guild(place, guild)
        for index, crowd in enumerate(world.generate):
            for at, name in enumerate(crowd.join):
                if name not in names:
                    raise WorldFileError(f"generate[{index}].join[{at}]: no guild called {name!r} in the file")

    def _crowd(self, place: str, crowd: GenerateEntry) -> None:
        if not 0 <= crowd.users <= MAX_GENERATED:
            raise WorldFileError(f"{place}.users: must be between 0 and {MAX_GENERATED}, not {crowd.users}")
        for key, text in (("username", crowd.username), ("token", crowd.token)):
            if text is not None and "{n}" not in text and crowd.users > 1:
                raise WorldFileError(f"{place}.{key}: must hold {{n}}, or all users get the same")
        if crowd.first_id is not None:
            number(crowd.first_id, f"{place}.first_id", MAX_SNOWFLAKE - crowd.users, 1)

    def _user(self, place: str, user: UserEntry, tokens: set[str]) -> None:
        self._name(f"{place}.username", user.username, 32)
        if user.username in self._people:
            raise WorldFileError(f"{place}.username: there are two users called {user.username!r}")
        self._people[user.username] = user
        self._id("user", place, user.id)
        if user.token is not None:
            if not user.token.strip() or len(user.token) > 512:
                raise WorldFileError(f"{place}.token: must have 1 to 512 characters")
            if user.token in tokens:
                raise WorldFileError(f"{place}.token: another user has the same")
            tokens.add(user.token)
        if isinstance(user.intents, list):
            for index, name in enumerate(user.intents):
                if name not in Intents.__members__:
                    raise WorldFileError(f"{place}.intents[{index}]: no intent is called {name!r}")
        if user.intents and not user.bot:
            raise WorldFileError(f"{place}.intents: only a bot's application has intents")

    def _guild(self, place: str, guild: GuildEntry) -> None:
        self._name(f"{place}.name", guild.name, 100)
        guild_id = self._id("guild", place, guild.id)
        self._person(f"{place}.owner", guild.owner)
        roles: set[str] = {EVERYONE}
        for index, role in enumerate(guild.roles):
            self._role(f"{place}.roles[{index}]", role, roles, guild_id)
        self._channels(place, guild, roles)
        seen: set[str] = set()
        for index, member in enumerate(guild.members):
            at = f"{place}.members[{index}]"
            self._person(f"{at}.user", member.user)
            if member.user in seen:
                raise WorldFileError(f"{at}.user: {member.user!r} is listed twice")
            seen.add(member.user)
            for n, name in enumerate(member.roles or ()):
                if name == EVERYONE or name not in roles:
                    raise WorldFileError(f"{at}.roles[{n}]: no role called {name!r} in guild {guild.name!r}")

    def _role(self, place: str, role: RoleEntry, roles: set[str], guild_id: int) -> None:
        self._name(f"{place}.name", role.name, 100)
        if role.name == EVERYONE:
            if role.id is not None and number(role.id, f"{place}.id") != guild_id:
                raise WorldFileError(f"{place}.id: the id of @everyone is the guild's")
        elif role.name in roles:
            raise WorldFileError(f"{place}.name: there are two roles called {role.name!r}")
        elif self._id("role", place, role.id) == guild_id and guild_id:
            raise WorldFileError(f"{place}.id: the guild's id is that of @everyone")
        roles.add(role.name)
        if role.permissions is not None:
            number(role.permissions, f"{place}.permissions", ALL)
        if role.color is not None:
            number(role.color, f"{place}.color", 0xFFFFFF)
        if role.position is not None:
            number(role.position, f"{place}.position", 1 << 16)

    def _channels(self, place: str, guild: GuildEntry, roles: set[str]) -> None:
        categories = {each.name for each in guild.channels if each.type == ChannelType.GUILD_CATEGORY}
        seen: set[tuple[str, int]] = set()
        for index, channel in enumerate(guild.channels):
            at = f"{place}.channels[{index}]"
            self._name(f"{at}.name", channel.name, 100)
            self._id("channel", at, channel.id)
            if channel.type not in GUILD_CHANNELS:
                raise WorldFileError(f"{at}.type: {channel.type} is no type of a guild channel")
            if (channel.name, channel.type) in seen:
                raise WorldFileError(f"{at}.name: there are two channels called {channel.name!r}")
            seen.add((channel.name, channel.type))
            if channel.parent is not None and channel.parent not in categories:
                raise WorldFileError(f"{at}.parent: no category called {channel.parent!r} in guild {guild.name!r}")
            if channel.rate_limit_per_user is not None:
                number(channel.rate_limit_per_user, f"{at}.rate_limit_per_user", 21600)
            if channel.position is not None:
                number(channel.position, f"{at}.position", 1 << 16)
            for n, overwrite in enumerate(channel.overwrites or ()):
                self._overwrite(f"{at}.overwrites[{n}]", overwrite, roles, guild.name)

    def _overwrite(self, place: str, overwrite: OverwriteEntry, roles: set[str], guild: str) -> None:
        if sum(name is not None for name in (overwrite.role, overwrite.user, overwrite.member)) != 1:
            raise WorldFileError(f"{place}: must name either a role or a member")
        if overwrite.role is not None and overwrite.role not in roles:
            raise WorldFileError(f"{place}.role: no role called {overwrite.role!r} in guild {guild!r}")
        for key, name in (("user", overwrite.user), ("member", overwrite.member)):
            if name is not None:
                self._person(f"{place}.{key}", name)
        number(overwrite.allow, f"{place}.allow", ALL)
        number(overwrite.deny, f"{place}.deny", ALL)

    def _person(self, place: str, name: str) -> None:
        if name not in self._people:
            raise WorldFileError(f"{place}: no user called {name!r} in the file")

    def _id(self, kind: str, place: str, value: Number | None) -> int:
        if value is None:
            return 0
        found = number(value, f"{place}.id", low=1)
        ids = self._ids.setdefault(kind, {})
        if found in ids:
            raise WorldFileError(f"{place}.id: {found} is the id of {ids[found]} already")
        ids[found] = place
        return found

    @staticmethod
    def _name(place: str, name: str, longest: int) -> None:
        if not name.strip() or len(name) > longest:
            raise WorldFileError(f"{place}: must have 1 to {longest} characters")
