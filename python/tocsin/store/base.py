"""Store: the protocol both databases implement, and the row operations a commit is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from tocsin.figures import CommitFigures
from tocsin.model.entities import Application, Ban, Channel, Member, Message, ReactionCount, RoleMention, Thread, User
from tocsin.model.event import Event, Scope
from tocsin.model.snapshot import GuildSnapshot as GuildSnapshot

Row = dict[str, Any]
Amend = Callable[[Sequence["Op"], Sequence[Event]], tuple[Sequence["Op"], Sequence[Event]]]
"""Sees each commit before it is written, and returns it with what it adds."""

OnCommit = Callable[[Sequence[Event]], None]
T = TypeVar("T", bound=msgspec.Struct)


class Insert(msgspec.Struct, frozen=True):
    """Insert a row. With `unique`, a duplicate key raises `errors.Conflict` and nothing of the commit is kept."""

    table: str
    row: Row
    unique: bool = True


class Upsert(msgspec.Struct, frozen=True):
    """Insert, or on conflict over `key` update the other columns."""

    table: str
    key: tuple[str, ...]
    row: Row


class Update(msgspec.Struct, frozen=True):
    """Update rows equal to `where`. `must_match` raises `errors.Conflict` when no row matched.

    `add` adds numbers to columns.
    """

    table: str
    where: Row
    set: Row
    must_match: bool = False
    add: Row = {}


class Delete(msgspec.Struct, frozen=True):
    """Delete rows equal to `where`; a list value means `IN`. `must_match` as in `Update`.

    `below` narrows further to rows whose column is less than the value.
    """

    table: str
    where: Row
    must_match: bool = False
    below: Row = {}


Op = Insert | Upsert | Update | Delete


class Select(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """Ask for the rows of a table whose columns are the fields of `entity`.

    `where` as in `Delete`; `above` and `below` narrow to rows whose column is greater or less. `order` is a column,
    with a minus for falling; `limit` 0 is none.
    """

    entity: type[T]
    table: str
    where: Row
    above: Row = {}
    below: Row = {}
    order: str = ""
    limit: int = 0


class Accounts(NamedTuple):
    """Users by id and by name, who holds which token by its digest, and applications by their bot."""

    by_id: dict[int, User]
    by_name: dict[str, User]
    holders: dict[bytes, User]
    applications: dict[int, Application]


class ThreadQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which threads to read; 0, None and () ask nothing. The latest archived first, then the highest id.

    `before_ms` is of the archive timestamp, `stale_at` of when they archive themselves; `member_id` is in them.
    """

    id: int = 0
    guild_id: int = 0
    parent_id: int = 0
    archived: bool | None = None
    types: tuple[int, ...] = ()
    member_id: int = 0
    before_ms: int = 0
    before_id: int = 0
    stale_at: int = 0
    by_id: bool = False
    limit: int = -1


class Store(Protocol):
    """Durable truth. Reads see every commit that was answered before they began."""

    on_commit: list[OnCommit]
    amend: Amend | None
    figures: CommitFigures

    async def open(self) -> None: ...
    async def close(self) -> None: ...
    async def commit(self, ops: Sequence[Op], events: Sequence[Event] = ()) -> list[Event]:
        """Write all `ops` and `events` in one transaction; return the events with their `seq`.

        Raises:
            errors.Conflict: a unique key or `must_match` failed; nothing was written.
            errors.StoreUnavailable: the database refused (disk full, locked, gone); nothing was written.
        """
        ...

    async def highest_snowflake(self) -> int: ...
    async def find(self, select: Select[T]) -> list[T]: ...
    async def find_one(self, select: Select[T]) -> T | None: ...
    async def find_each(self, *selects: Select[Any]) -> list[list[Any]]: ...

    # users and tokens
    async def user(self, user_id: int) -> User | None: ...
    async def users(self, user_ids: Sequence[int]) -> list[User]: ...
    async def user_by_name(self, username: str) -> User | None: ...
    async def user_by_token(self, digest: bytes) -> User | None: ...
    async def bearer(self, digest: bytes) -> tuple[User, Application | None] | None: ...
    async def token_digests(self, user_ids: Sequence[int]) -> set[bytes]: ...
    async def password_hash(self, user_id: int) -> str | None: ...
    async def application_of_bot(self, bot_user_id: int) -> Application | None: ...
    async def accounts(self, ids: list[int], names: list[str], digests: list[bytes]) -> Accounts: ...

    # guilds
    async def guild_ids_of(self, user_id: int) -> list[int]: ...
    async def guild(self, guild_id: int, *, with_members: bool) -> GuildSnapshot | None: ...
    async def member(self, guild_id: int, user_id: int) -> Member | None: ...
    async def members(self, guild_id: int, *, after: int = 0, limit: int = 1000) -> list[tuple[Member, User]]: ...
    async def search_members(self, guild_id: int, prefix: str, limit: int) -> list[tuple[Member, User]]: ...
    async def ban(self, guild_id: int, user_id: int) -> Ban | None: ...
    async def bans(
        self, guild_id: int, *, after: int = 0, before: int = 0, limit: int = 1000
    ) -> list[tuple[Ban, User]]: ...

    # channels and messages
    async def channel(self, channel_id: int) -> Channel | None: ...
    async def threads(self, query: ThreadQuery) -> list[Thread]: ...
    async def dm_between(self, a: int, b: int) -> Channel | None: ...
    async def dms_of(self, user_id: int) -> list[Channel]: ...
    async def message(self, channel_id: int, message_id: int) -> Message | None: ...
    async def messages(
        self, channel_id: int, *, before: int = 0, after: int = 0, around: int = 0, limit: int = 50
    ) -> list[Message]:
        """Newest first. At most one of before, after, around is non-zero."""
        ...

    async def messages_by_ids(self, channel_id: int, ids: Sequence[int]) -> list[Message]: ...
    async def messages_by_author(self, guild_id: int, author_id: int, since: int) -> list[tuple[int, int]]:
        """Return (channel id, message id) of what an author wrote in a guild's channels with an id from `since` on."""
        ...

    async def reactions(self, message_ids: Sequence[int], reader_id: int) -> list[ReactionCount]:
        """Return what is on the messages, the emoji that came first to each first."""
        ...

    async def role_mentions(self, user_id: int, role_ids: Sequence[int], limit: int) -> list[RoleMention]:
        """Return the mentions of roles that the user's read states have not counted, the newest first."""
        ...

    async def message_by_nonce(self, author_id: int, channel_id: int, nonce: str) -> Message | None: ...

    # log
    async def outbox_after(self, scope: Scope, seq: int, limit: int = 1000, *, since_ms: int = 0) -> list[Event]: ...
    async def outbox_since(self, created_ms: int, limit: int = 100_000) -> list[tuple[int, Event]]:
        """Return the events committed since then with their Unix ms, each scope's in order; the newest `limit`."""
        ...

    async def prune(self, now_ms: int) -> None:
        """Drop outbox rows and nonces past their age."""
        ...
