"""SqliteStore: the store of a single node, on stdlib sqlite3 (WAL, synchronous=FULL)."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tocsin.errors import StoreUnavailable
from tocsin.model.entities import Application, Ban, Channel, Guild, Member, Message, Overwrite, Role, User
from tocsin.model.event import Event, Scope, ScopeKind
from tocsin.store import migrate, sql
from tocsin.store.base import Delete, GuildSnapshot, OnCommit, Op
from tocsin.store.sqlite_writer import SqliteWriter

READERS = 4
T = TypeVar("T")
_USERS = sql.Reader(User)
_APPLICATIONS = sql.Reader(Application)
_GUILDS = sql.Reader(Guild)
_ROLES = sql.Reader(Role)
_CHANNELS = sql.Reader(Channel, "overwrites", "recipients")
_MEMBERS = sql.Reader(Member, "roles")
_BANS = sql.Reader(Ban)
_MESSAGES = sql.Reader(Message)
_decode_event = msgspec.msgpack.Decoder(Event).decode
_IDS = ("users", "guilds", "roles", "channels", "messages", "applications")


class SqliteStore:
    """See `tocsin.store.base.Store`.

    Args:
        path: the database file; its folder is made if need be.
        clock: gives Unix milliseconds.
        outbox_window_ms: how long the outbox keeps events.
        nonce_window_ms: how long a nonce is remembered.
    """

    def __init__(
        self, path: Path, clock: Callable[[], int], *, outbox_window_ms: int = 600_000, nonce_window_ms: int = 300_000
    ) -> None:
        self.path = path
        self.on_commit: list[OnCommit] = []
        self._clock = clock
        self._outbox_window_ms = outbox_window_ms
        self._nonce_window_ms = nonce_window_ms
        self._writer: SqliteWriter | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []

    # -- life

    async def open(self) -> None:
        """Migrate the file to this version's schema and start the threads.

        Raises:
            errors.ConfigError: the file was written by a newer tocsin.
            errors.StoreUnavailable: the file cannot be opened.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            await asyncio.to_thread(migrate.upgrade, f"sqlite:///{self.path}")
            self._connect().close()
        except (OSError, sqlite3.Error) as error:
            raise StoreUnavailable(f"cannot open {self.path}: {error}") from error
        self._readers = ThreadPoolExecutor(READERS, "tocsin-read")
        self._writer = SqliteWriter(self._connect, self._clock, self._publish)

    async def close(self) -> None:
        """Finish the queued commits and close every connection."""
        if self._writer is not None:
            await self._writer.close()
            self._writer = None
        if self._readers is not None:
            await asyncio.to_thread(self._readers.shutdown)
            self._readers = None
        for connection in self._opened:
            connection.close()
        self._opened.clear()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, cached_statements=512)
        connection.execute("PRAGMA busy_timeout = 5000")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def _publish(self, events: list[Event]) -> None:
        for callback in self.on_commit:
            callback(events)

    async def commit(self, ops: Sequence[Op], events: Sequence[Event] = ()) -> list[Event]:
        """Write all in one transaction; see `Store.commit`."""
        if self._writer is None:
            raise StoreUnavailable("the store is not open")
        return await self._writer.submit(ops, events)

    async def prune(self, now_ms: int) -> None:
        """Drop outbox rows and nonces past their age."""
        await self.commit([Delete("outbox", {}, below={"created_at": now_ms - self._outbox_window_ms})])
        await self.commit([Delete("nonces", {}, below={"created_at": now_ms - self._nonce_window_ms})])

    # -- reading

    async def _read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        if self._readers is None:
            raise StoreUnavailable("the store is not open")

        def ask() -> T:
            connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
            if connection is None:
                connection = self._connect()
                connection.execute("PRAGMA query_only = ON")
                self._local.connection = connection
                self._opened.append(connection)
            return question(connection)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, ask)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"SQLite refused: {error}") from error

    async def _query(self, text: str, parameters: Sequence[Any] = ()) -> list[Any]:
        return await self._read(lambda connection: connection.execute(text, parameters).fetchall())

    async def highest_snowflake(self) -> int:
        """Return the greatest id in any table, 0 when there is none."""
        union = " UNION ALL ".join(f"SELECT max(id) AS id FROM {table}" for table in _IDS)
        (row,) = await self._query(f"SELECT max(id) FROM ({union})")
        return row[0] or 0

    # -- users and tokens

    async def user(self, user_id: int) -> User | None:
        """Return a user by id."""
        return await self._user("id = ?", user_id)

    async def user_by_name(self, username: str) -> User | None:
        """Return a user by exact name."""
        return await self._user("username = ?", username)

    async def user_by_token(self, digest: bytes) -> User | None:
        """Return the user a token's digest stands for."""
        return await self._user("id = (SELECT user_id FROM tokens WHERE digest = ?)", digest)

    async def _user(self, condition: str, parameter: object) -> User | None:
        rows = await self._query(f"SELECT {_USERS.columns()} FROM users WHERE {condition}", (parameter,))
        return _USERS.entity(rows[0]) if rows else None

    async def users(self, user_ids: Sequence[int]) -> list[User]:
        """Return those of the users that exist."""
        rows = await self._query(*_select_in(f"SELECT {_USERS.columns()} FROM users WHERE ", "id", user_ids))
        return [_USERS.entity(row) for row in rows]

    async def password_hash(self, user_id: int) -> str | None:
        """Return a person's password hash."""
        rows = await self._query("SELECT hash FROM passwords WHERE user_id = ?", (user_id,))
        return rows[0][0] if rows else None

    async def application_of_bot(self, bot_user_id: int) -> Application | None:
        """Return the application a bot belongs to."""
        text = f"SELECT {_APPLICATIONS.columns()} FROM applications WHERE bot_user_id = ?"
        rows = await self._query(text, (bot_user_id,))
        return _APPLICATIONS.entity(rows[0]) if rows else None

    # -- guilds

    async def guild_ids_of(self, user_id: int) -> list[int]:
        """Return the guilds a user is in, by id."""
        rows = await self._query("SELECT guild_id FROM members WHERE user_id = ? ORDER BY guild_id", (user_id,))
        return [row[0] for row in rows]

    async def guild(self, guild_id: int, *, with_members: bool) -> GuildSnapshot | None:
        """Return a guild at one point of its log."""
        return await self._read(lambda connection: _snapshot(connection, guild_id, with_members))

    async def member(self, guild_id: int, user_id: int) -> Member | None:
        """Return a member with their roles."""

        def ask(connection: sqlite3.Connection) -> Member | None:
            text = f"SELECT {_MEMBERS.columns()} FROM members WHERE guild_id = ? AND user_id = ?"
            row = connection.execute(text, (guild_id, user_id)).fetchone()
            if row is None:
                return None
            return _MEMBERS.entity(row, roles=_roles_of(connection, guild_id, [user_id]).get(user_id, ()))

        return await self._read(ask)

    async def members(self, guild_id: int, *, after: int = 0, limit: int = 1000) -> list[tuple[Member, User]]:
        """Return members with ids above `after`, by id."""
        return await self._members("m.user_id > ? ORDER BY m.user_id LIMIT ?", guild_id, after, limit)

    async def search_members(self, guild_id: int, prefix: str, limit: int) -> list[tuple[Member, User]]:
        """Return members whose name or nick begins with `prefix`, whatever its case."""
        pattern = prefix.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        condition = "(u.username LIKE ? ESCAPE '\\' OR m.nick LIKE ? ESCAPE '\\') ORDER BY m.user_id LIMIT ?"
        return await self._members(condition, guild_id, pattern, pattern, limit)

    async def _members(self, condition: str, guild_id: int, *parameters: object) -> list[tuple[Member, User]]:
        text = (
            f"SELECT {_MEMBERS.columns('m.')}, {_USERS.columns('u.')} FROM members m JOIN users u ON u.id = m.user_id "
            f"WHERE m.guild_id = ? AND {condition}"
        )

        def ask(connection: sqlite3.Connection) -> list[tuple[Member, User]]:
            rows = connection.execute(text, (guild_id, *parameters)).fetchall()
            users = [_USERS.entity(row[_MEMBERS.width :]) for row in rows]
            roles = _roles_of(connection, guild_id, [user.id for user in users])
            return [
                (_MEMBERS.entity(row, roles=roles.get(user.id, ())), user)
                for row, user in zip(rows, users, strict=True)
            ]

        return await self._read(ask)

    async def ban(self, guild_id: int, user_id: int) -> Ban | None:
        """Return a user's ban."""
        text = f"SELECT {_BANS.columns()} FROM bans WHERE guild_id = ? AND user_id = ?"
        rows = await self._query(text, (guild_id, user_id))
        return _BANS.entity(rows[0]) if rows else None

    async def bans(
        self, guild_id: int, *, after: int = 0, before: int = 0, limit: int = 1000
    ) -> list[tuple[Ban, User]]:
        """Return bans by user id; with `before`, the page that ends below it."""
        select = (
            f"SELECT {_BANS.columns('b.')}, {_USERS.columns('u.')} FROM bans b JOIN users u ON u.id = b.user_id "
            "WHERE b.guild_id = ?"
        )
        if before:
            rows = await self._query(
                f"{select} AND b.user_id < ? ORDER BY b.user_id DESC LIMIT ?", (guild_id, before, limit)
            )
            rows.reverse()
        else:
            rows = await self._query(f"{select} AND b.user_id > ? ORDER BY b.user_id LIMIT ?", (guild_id, after, limit))
        return [(_BANS.entity(row), _USERS.entity(row[_BANS.width :])) for row in rows]

    # -- channels and messages

    async def channel(self, channel_id: int) -> Channel | None:
        """Return a channel with its overwrites or recipients."""

        def ask(connection: sqlite3.Connection) -> Channel | None:
            found = _channels(connection, "id = ?", channel_id)
            return found[0] if found else None

        return await self._read(ask)

    async def dm_between(self, a: int, b: int) -> Channel | None:
        """Return the DM of two users."""
        condition = (
            "type = 1 AND id IN (SELECT channel_id FROM dm_recipients WHERE user_id = ?) "
            "AND id IN (SELECT channel_id FROM dm_recipients WHERE user_id = ?) ORDER BY id LIMIT 1"
        )

        def ask(connection: sqlite3.Connection) -> Channel | None:
            found = _channels(connection, condition, a, b)
            return found[0] if found else None

        return await self._read(ask)

    async def dms_of(self, user_id: int) -> list[Channel]:
        """Return a user's DMs and group DMs."""
        condition = "id IN (SELECT channel_id FROM dm_recipients WHERE user_id = ?) ORDER BY id"
        return await self._read(lambda connection: _channels(connection, condition, user_id))

    async def message(self, channel_id: int, message_id: int) -> Message | None:
        """Return a message."""
        found = await self.messages_by_ids(channel_id, [message_id])
        return found[0] if found else None

    async def messages(
        self, channel_id: int, *, before: int = 0, after: int = 0, around: int = 0, limit: int = 50
    ) -> list[Message]:
        """Return a page, newest first; `around` gives the half before, the message and the half after."""
        if around:
            older = await self._page(channel_id, "id <= ? ORDER BY id DESC LIMIT ?", around, limit // 2 + 1)
            newer = await self._page(channel_id, "id > ? ORDER BY id LIMIT ?", around, limit - limit // 2 - 1)
            return [*reversed(newer), *older]
        if after:
            return list(reversed(await self._page(channel_id, "id > ? ORDER BY id LIMIT ?", after, limit)))
        if before:
            return await self._page(channel_id, "id < ? ORDER BY id DESC LIMIT ?", before, limit)
        return await self._page(channel_id, "id > ? ORDER BY id DESC LIMIT ?", 0, limit)

    async def _page(self, channel_id: int, condition: str, *parameters: int) -> list[Message]:
        text = f"SELECT {_MESSAGES.columns()} FROM messages WHERE channel_id = ? AND {condition}"
        return [_MESSAGES.entity(row) for row in await self._query(text, (channel_id, *parameters))]

    async def messages_by_ids(self, channel_id: int, ids: Sequence[int]) -> list[Message]:
        """Return those of the messages that exist in the channel."""
        select = f"SELECT {_MESSAGES.columns()} FROM messages WHERE channel_id = {int(channel_id)} AND "
        return [_MESSAGES.entity(row) for row in await self._query(*_select_in(select, "id", ids))]

    async def messages_by_author(self, guild_id: int, author_id: int, since: int) -> list[tuple[int, int]]:
        """Return (channel id, message id) of what an author wrote in a guild's channels with an id from `since` on."""
        # CROSS JOIN keeps SQLite to this order: per channel, only the recent end of its index is read.
        text = (
            "SELECT m.channel_id, m.id FROM channels c CROSS JOIN messages m ON m.channel_id = c.id "
            "WHERE c.guild_id = ? AND m.id >= ? AND m.author_id = ? ORDER BY m.id"
        )
        return [(row[0], row[1]) for row in await self._query(text, (guild_id, since, author_id))]

    async def message_by_nonce(self, author_id: int, channel_id: int, nonce: str) -> Message | None:
        """Return the message an author sent with a nonce that is still remembered."""
        remembered = "author_id = ? AND channel_id = ? AND nonce = ? AND created_at >= ?"
        message_id = f"SELECT message_id FROM nonces WHERE {remembered}"
        text = f"SELECT {_MESSAGES.columns()} FROM messages WHERE id = ({message_id})"
        oldest = self._clock() - self._nonce_window_ms
        rows = await self._query(text, (author_id, channel_id, nonce, oldest))
        return _MESSAGES.entity(rows[0]) if rows else None

    # -- log

    async def outbox_after(self, scope: Scope, seq: int, limit: int = 1000) -> list[Event]:
        """Return a scope's events above `seq` that the outbox still holds, in order."""
        text = "SELECT event FROM outbox WHERE scope_kind = ? AND scope_id = ? AND seq > ? ORDER BY seq LIMIT ?"
        rows = await self._query(text, (int(scope.kind), scope.id, seq, limit))
        return [_decode_event(row[0]) for row in rows]


def _select_in(select: str, column: str, values: Sequence[int]) -> tuple[str, list[Any]]:
    condition, parameters = sql.where({column: list(values)})
    return select + condition, parameters


def _roles_of(connection: sqlite3.Connection, guild_id: int, user_ids: list[int] | None) -> dict[int, tuple[int, ...]]:
    """Return the role ids of members, in the order they were given; of the whole guild when `user_ids` is None."""
    text = "SELECT user_id, role_id FROM member_roles WHERE guild_id = ?"
    parameters: list[Any] = [guild_id]
    if user_ids is not None:
        condition, more = sql.where({"user_id": user_ids})
        text, parameters = f"{text} AND {condition}", parameters + more
    roles: dict[int, tuple[int, ...]] = {}
    for user_id, role_id in connection.execute(text, parameters):
        roles[user_id] = (*roles.get(user_id, ()), role_id)
    return roles


def _channels(connection: sqlite3.Connection, condition: str, *parameters: object) -> list[Channel]:
    rows = connection.execute(f"SELECT {_CHANNELS.columns()} FROM channels WHERE {condition}", parameters).fetchall()
    ids = [row[0] for row in rows]
    overwrites: dict[int, tuple[Overwrite, ...]] = {}
    recipients: dict[int, tuple[int, ...]] = {}
    if ids:
        inside, values = sql.where({"channel_id": ids})
        text = f"SELECT channel_id, target_id, type, allow, deny FROM overwrites WHERE {inside}"
        for channel_id, target, kind, allow, deny in connection.execute(text, values):
            one = Overwrite(id=target, type=kind, allow=allow, deny=deny)
            overwrites[channel_id] = (*overwrites.get(channel_id, ()), one)
        for channel_id, user_id in connection.execute(
            f"SELECT channel_id, user_id FROM dm_recipients WHERE {inside}", values
        ):
            recipients[channel_id] = (*recipients.get(channel_id, ()), user_id)
    return [
        _CHANNELS.entity(row, overwrites=overwrites.get(row[0], ()), recipients=recipients.get(row[0], ()))
        for row in rows
    ]


def _snapshot(connection: sqlite3.Connection, guild_id: int, with_members: bool) -> GuildSnapshot | None:
    connection.execute("BEGIN")
    try:
        row = connection.execute(f"SELECT {_GUILDS.columns()} FROM guilds WHERE id = ?", (guild_id,)).fetchone()
        if row is None:
            return None
        scope = (int(ScopeKind.GUILD), guild_id)
        seq = connection.execute("SELECT seq FROM scope_seq WHERE scope_kind = ? AND scope_id = ?", scope).fetchone()
        roles = connection.execute(f"SELECT {_ROLES.columns()} FROM roles WHERE guild_id = ? ORDER BY id", (guild_id,))
        members: list[Member] = []
        users: list[User] = []
        if with_members:
            text = (
                f"SELECT {_MEMBERS.columns('m.')}, {_USERS.columns('u.')} FROM members m "
                "JOIN users u ON u.id = m.user_id WHERE m.guild_id = ?"
            )
            held = _roles_of(connection, guild_id, None)
            for each in connection.execute(text, (guild_id,)):
                user = _USERS.entity(each[_MEMBERS.width :])
                users.append(user)
                members.append(_MEMBERS.entity(each, roles=held.get(user.id, ())))
        (count,) = connection.execute("SELECT count(*) FROM members WHERE guild_id = ?", (guild_id,)).fetchone()
        return GuildSnapshot(
            seq=seq[0] if seq else 0,
            guild=_GUILDS.entity(row),
            roles=[_ROLES.entity(each) for each in roles],
            channels=_channels(connection, "guild_id = ? ORDER BY position, id", guild_id),
            members=members,
            users=users,
            member_count=count,
        )
    finally:
        connection.execute("COMMIT")
