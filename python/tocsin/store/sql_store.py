"""SqlStore: what the stores of both databases have in common. Each brings its connections, and how it commits."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, Protocol

import msgspec

from tocsin.errors import StoreUnavailable
from tocsin.figures import CommitFigures
from tocsin.model.entities import Application, Ban, Channel, Member, Message, ReactionCount, RoleMention, Thread, User
from tocsin.model.event import Event, Scope
from tocsin.store import queries, sql
from tocsin.store.base import Accounts, Amend, Delete, GuildSnapshot, OnCommit, Op, Select, T, ThreadQuery
from tocsin.store.queries import APPLICATIONS, BANS, MESSAGES, ROLE_MENTIONS, USERS

_decode_event = msgspec.msgpack.Decoder(Event).decode
_BEARER = f"""
SELECT {USERS.columns("users.")}, {APPLICATIONS.columns("applications.")}
FROM tokens JOIN users ON users.id = tokens.user_id LEFT JOIN applications ON applications.bot_user_id = users.id
WHERE tokens.digest = ?
"""
_IDS = {
    "users": "id",
    "guilds": "id",
    "roles": "id",
    "channels": "id",
    "messages": "id",
    "applications": "id",
    "emojis": "id",
    "webhooks": "id",
    "attachments": "id",
    "reactions": "id",
    "pins": "id",
    "channels AS spoken": "last_message_id",  # outlives the message
}


class Writer(Protocol):
    """Commits, in the order they were handed over."""

    def submit(self, ops: Sequence[Op], events: Sequence[Event]) -> asyncio.Future[list[Event]]: ...  # noqa: D102
    async def close(self) -> None: ...  # noqa: D102


class Readers(Protocol):
    """Connections that read."""

    async def read(self, question: sql.Question[sql.Answer]) -> sql.Answer: ...  # noqa: D102
    async def query(self, text: str, *parameters: object) -> list[Any]: ...  # noqa: D102
    async def close(self) -> None: ...  # noqa: D102


class SqlStore(ABC):
    """See `tocsin.store.base.Store`.

    Args:
        clock: gives Unix milliseconds.
        outbox_window_ms: how long the outbox keeps events.
        nonce_window_ms: how long a nonce is remembered.
    """

    def __init__(self, clock: Callable[[], int], outbox_window_ms: int, nonce_window_ms: int) -> None:
        self.on_commit: list[OnCommit] = []
        self.amend: Amend | None = None
        self.figures = CommitFigures()
        self._clock = clock
        self._outbox_window_ms = outbox_window_ms
        self._nonce_window_ms = nonce_window_ms
        self._parts: tuple[Writer, Readers] | None = None  # `open` brings them

    @abstractmethod
    async def open(self) -> None:
        """Bring the database to this version's schema and connect to it."""

    async def close(self) -> None:
        """Finish the queued commits and close every connection."""
        if self._parts is not None:
            writer, readers = self._parts
            self._parts = None
            await writer.close()
            await readers.close()

    def _open(self) -> tuple[Writer, Readers]:
        if self._parts is None:
            raise StoreUnavailable("the store is not open")
        return self._parts

    async def _query(self, text: str, *parameters: object) -> list[Any]:
        return await self._open()[1].query(text, *parameters)

    # -- writing

    def _publish(self, events: list[Event]) -> None:
        for callback in self.on_commit:
            try:
                callback(events)
            except Exception as error:
                # The rows are written: one listener's fault must not keep the events from the others.
                context = {"message": "a listener of the store failed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)

    async def commit(self, ops: Sequence[Op], events: Sequence[Event] = ()) -> list[Event]:
        """Write all in one transaction; see `Store.commit`."""
        if self.amend is not None:
            ops, events = self.amend(ops, events)
        figures, began = self.figures, perf_counter()
        figures.waiting += 1
        try:
            written = await self._open()[0].submit(ops, events)
        except Exception as error:
            figures.refuse(error)
            raise
        finally:
            figures.waiting -= 1
        figures.done.note(perf_counter() - began)
        return written

    async def prune(self, now_ms: int) -> None:
        """Drop outbox rows and nonces past their age."""
        aged = {"outbox": now_ms - self._outbox_window_ms, "nonces": now_ms - self._nonce_window_ms}
        ops = [
            Delete(table, {}, below={"created_at": before})
            for table, before in aged.items()
            if await self._query(f"SELECT 1 FROM {table} WHERE created_at < ? LIMIT 1", before)
        ]
        if ops:
            await self.commit(ops)

    # -- reading

    async def _query_in(self, select: str, conditions: dict[str, Any]) -> list[Any]:
        inside, parameters = sql.where(conditions)
        return await self._query(f"{select} WHERE {inside}", *parameters)

    async def highest_snowflake(self) -> int:
        """Return the greatest id known to have been given out, 0 when there is none."""
        union = " UNION ALL ".join(f"SELECT max({column}) AS id FROM {table}" for table, column in _IDS.items())
        (row,) = await self._query(f"SELECT max(id) FROM ({union}) AS each_table")
        return row[0] or 0

    async def find(self, select: Select[T]) -> list[T]:
        """Return what a question asks for."""
        reader = sql.reader_of(select.entity)
        text, parameters = sql.select(select, reader.columns())
        return [reader.entity(row) for row in await self._query(text, *parameters)]

    async def find_one(self, select: Select[T]) -> T | None:
        """Return the first of what a question asks for."""
        found = await self.find(select)
        return found[0] if found else None

    async def find_each(self, *selects: Select[Any]) -> list[list[Any]]:
        """Return what each of several questions asks for, as of one moment."""
        return await self._open()[1].read(queries.found(selects))

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

    async def bearer(self, digest: bytes) -> tuple[User, Application | None] | None:
        """Return the user a token's digest stands for, and the application of a bot."""
        rows = await self._query(_BEARER, digest)
        if not rows:
            return None
        of_bot = rows[0][USERS.width :]
        return USERS.entity(rows[0]), None if of_bot[0] is None else APPLICATIONS.entity(of_bot)

    async def token_digests(self, user_ids: Sequence[int]) -> set[bytes]:
        """Return the digests of all tokens of these users."""
        rows = await self._query_in("SELECT digest FROM tokens", {"user_id": list(user_ids)})
        return {bytes(row[0]) for row in rows}

    async def _user(self, condition: str, parameter: object) -> User | None:
        rows = await self._query(f"SELECT {USERS.columns()} FROM users WHERE {condition}", parameter)
        return USERS.entity(rows[0]) if rows else None

    async def users(self, user_ids: Sequence[int]) -> list[User]:
        """Return those of the users that exist."""
        rows = await self._query_in(f"SELECT {USERS.columns()} FROM users", {"id": list(user_ids)})
        return [USERS.entity(row) for row in rows]

    async def password_hash(self, user_id: int) -> str | None:
        """Return a person's password hash."""
        rows = await self._query("SELECT hash FROM passwords WHERE user_id = ?", user_id)
        return rows[0][0] if rows else None

    async def application_of_bot(self, bot_user_id: int) -> Application | None:
        """Return the application a bot belongs to."""
        text = f"SELECT {APPLICATIONS.columns()} FROM applications WHERE bot_user_id = ?"
        rows = await self._query(text, bot_user_id)
        return APPLICATIONS.entity(rows[0]) if rows else None

    async def accounts(self, ids: list[int], names: list[str], digests: list[bytes]) -> Accounts:
        """Return users by id and by name, who holds which token, and the bots' applications, as of one moment."""
        if not (ids or names or digests):
            return Accounts({}, {}, {}, {})
        return await self._open()[1].read(queries.accounts(ids, names, digests))

    # -- guilds

    async def guild_ids_of(self, user_id: int) -> list[int]:
        """Return the guilds a user is in, by id."""
        rows = await self._query("SELECT guild_id FROM members WHERE user_id = ? ORDER BY guild_id", user_id)
        return [row[0] for row in rows]

    async def guild(self, guild_id: int, *, with_members: bool) -> GuildSnapshot | None:
        """Return a guild at one point of its log."""
        return await self._open()[1].read(queries.snapshot(guild_id, with_members))

    async def member(self, guild_id: int, user_id: int) -> Member | None:
        """Return a member with their roles."""
        return await self._open()[1].read(queries.member(guild_id, user_id))

    async def members(self, guild_id: int, *, after: int = 0, limit: int = 1000) -> list[tuple[Member, User]]:
        """Return members with ids above `after`, by id."""
        return await self._members(guild_id, "m.user_id > ? ORDER BY m.user_id LIMIT ?", after, limit)

    async def search_members(self, guild_id: int, prefix: str, limit: int) -> list[tuple[Member, User]]:
        """Return members whose name or nick begins with `prefix`, whatever its case."""
        pattern = prefix.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        condition = "(u.username LIKE ? ESCAPE '\\' OR m.nick LIKE ? ESCAPE '\\') ORDER BY m.user_id LIMIT ?"
        return await self._members(guild_id, condition, pattern, pattern, limit)

    async def _members(self, guild_id: int, condition: str, *parameters: object) -> list[tuple[Member, User]]:
        return await self._open()[1].read(queries.members(guild_id, condition, *parameters))

    async def ban(self, guild_id: int, user_id: int) -> Ban | None:
        """Return a user's ban."""
        text = f"SELECT {BANS.columns()} FROM bans WHERE guild_id = ? AND user_id = ?"
        rows = await self._query(text, guild_id, user_id)
        return BANS.entity(rows[0]) if rows else None

    async def bans(
        self, guild_id: int, *, after: int = 0, before: int = 0, limit: int = 1000
    ) -> list[tuple[Ban, User]]:
        """Return bans by user id; with `before`, the page that ends below it."""
        select = (
            f"SELECT {BANS.columns('b.')}, {USERS.columns('u.')} FROM bans b JOIN users u ON u.id = b.user_id "
            "WHERE b.guild_id = ?"
        )
        if before:
            rows = await self._query(
                f"{select} AND b.user_id < ? ORDER BY b.user_id DESC LIMIT ?", guild_id, before, limit
            )
            rows.reverse()
        else:
            rows = await self._query(f"{select} AND b.user_id > ? ORDER BY b.user_id LIMIT ?", guild_id, after, limit)
        return [(BANS.entity(row), USERS.entity(row[BANS.width :])) for row in rows]

    # -- channels and messages

    async def channel(self, channel_id: int) -> Channel | None:
        """Return a channel with its overwrites or recipients."""
        found = await self._channels("id = ?", channel_id)
        return found[0] if found else None

    async def threads(self, query: ThreadQuery) -> list[Thread]:
        """Return the threads that a query asks for."""
        return await self._open()[1].read(queries.threads(query))

    async def dm_between(self, a: int, b: int) -> Channel | None:
        """Return the DM of two users."""
        condition = (
            "type = 1 AND id IN (SELECT channel_id FROM dm_recipients WHERE user_id = ?) "
            "AND id IN (SELECT channel_id FROM dm_recipients WHERE user_id = ?) ORDER BY id LIMIT 1"
        )
        found = await self._channels(condition, a, b)
        return found[0] if found else None

    async def dms_of(self, user_id: int) -> list[Channel]:
        """Return a user's DMs and group DMs."""
        return await self._channels(
            "id IN (SELECT channel_id FROM dm_recipients WHERE user_id = ?) ORDER BY id", user_id
        )

    async def _channels(self, condition: str, *parameters: object) -> list[Channel]:
        return await self._open()[1].read(queries.channels(condition, *parameters))

    async def message(self, channel_id: int, message_id: int) -> Message | None:
        """Return a message."""
        text = f"SELECT {MESSAGES.columns()} FROM messages WHERE id = ? AND channel_id = ?"
        rows = await self._query(text, message_id, channel_id)
        return MESSAGES.entity(rows[0]) if rows else None

    async def messages(
        self, channel_id: int, *, before: int = 0, after: int = 0, around: int = 0, limit: int = 50
    ) -> list[Message]:
        """Return a page, newest first; `around` gives the half before, the message and the half after."""
        return await self._open()[1].read(
            queries.messages_page(channel_id, before=before, after=after, around=around, limit=limit)
        )

    async def messages_by_ids(self, channel_id: int, ids: Sequence[int]) -> list[Message]:
        """Return those of the messages that exist in the channel."""
        # The unary plus keeps SQLite from walking the channel's index: the ids are few, the channel may be long.
        select = f"SELECT {MESSAGES.columns()} FROM messages"
        rows = await self._query_in(select, {"+channel_id": channel_id, "id": list(ids)})
        return [MESSAGES.entity(row) for row in rows]

    async def messages_by_author(self, guild_id: int, author_id: int, since: int) -> list[tuple[int, int]]:
        """Return (channel id, message id) of what an author wrote in a guild's channels with an id from `since` on."""
        # CROSS JOIN keeps SQLite to this order: per channel, only the recent end of its index is read.
        text = (
            "SELECT m.channel_id, m.id FROM channels c CROSS JOIN messages m "
            "WHERE m.channel_id = c.id AND c.guild_id = ? AND m.id >= ? AND m.author_id = ? ORDER BY m.id"
        )
        return [(row[0], row[1]) for row in await self._query(text, guild_id, since, author_id)]

    async def reactions(self, message_ids: Sequence[int], reader_id: int) -> list[ReactionCount]:
        """Return what is on the messages, the emoji that came first to each first."""
        return await self._open()[1].read(queries.reactions(message_ids, reader_id))

    async def role_mentions(self, user_id: int, role_ids: Sequence[int], limit: int) -> list[RoleMention]:
        """Return the mentions of roles that the user's read states have not counted, the newest first."""
        text = (
            f"SELECT {ROLE_MENTIONS.columns('m.')} FROM role_mentions m "
            "LEFT JOIN read_states r ON r.user_id = ? AND r.channel_id = m.channel_id "
            "WHERE m.role_id = ANY (?) AND m.message_id > coalesce(r.last_message_id, 0) "
            "AND m.message_id > coalesce(r.counted_to, 0) ORDER BY m.message_id DESC LIMIT ?"
        )
        return [ROLE_MENTIONS.entity(row) for row in await self._query(text, user_id, list(role_ids), limit)]

    async def message_by_nonce(self, author_id: int, channel_id: int, nonce: str) -> Message | None:
        """Return the message an author sent with a nonce that is still remembered."""
        remembered = "author_id = ? AND channel_id = ? AND nonce = ? AND created_at >= ?"
        message_id = f"SELECT message_id FROM nonces WHERE {remembered}"
        text = f"SELECT {MESSAGES.columns()} FROM messages WHERE id = ({message_id})"
        oldest = self._clock() - self._nonce_window_ms
        rows = await self._query(text, author_id, channel_id, nonce, oldest)
        return MESSAGES.entity(rows[0]) if rows else None

    # -- log

    async def outbox_after(self, scope: Scope, seq: int, limit: int = 1000, *, since_ms: int = 0) -> list[Event]:
        """Return a scope's events above `seq` that the outbox still holds and that were committed since, in order."""
        text = (
            "SELECT event FROM outbox WHERE scope_kind = ? AND scope_id = ? AND seq > ? AND created_at >= ? "
            "ORDER BY seq LIMIT ?"
        )
        rows = await self._query(text, int(scope.kind), scope.id, seq, since_ms, limit)
        return [_decode_event(row[0]) for row in rows]

    async def outbox_since(self, created_ms: int, limit: int = 100_000) -> list[tuple[int, Event]]:
        """Return the events committed since then with their Unix ms, each scope's in order; the newest `limit`."""
        newest = "SELECT * FROM outbox WHERE created_at >= ? ORDER BY created_at DESC LIMIT ?"
        text = f"SELECT created_at, event FROM ({newest}) AS newest ORDER BY scope_kind, scope_id, seq"
        return [(row[0], _decode_event(row[1])) for row in await self._query(text, created_ms, limit)]
