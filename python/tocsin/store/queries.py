"""The questions that need more than one statement, for both databases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tocsin.model.entities import (
    THREAD_TYPES,
    Application,
    Ban,
    Channel,
    Emoji,
    EmojiRef,
    Guild,
    Member,
    Message,
    Overwrite,
    ReactionCount,
    Role,
    RoleMention,
    Thread,
    ThreadMember,
    User,
)
from tocsin.model.event import ScopeKind
from tocsin.store import sql
from tocsin.store.base import Accounts, GuildSnapshot, Select, T, ThreadQuery

USERS = sql.Reader(User)
APPLICATIONS = sql.Reader(Application)
GUILDS = sql.Reader(Guild)
ROLES = sql.Reader(Role)
EMOJIS = sql.Reader(Emoji)
CHANNELS = sql.Reader(Channel, "overwrites", "recipients")
MEMBERS = sql.Reader(Member, "roles")
BANS = sql.Reader(Ban)
MESSAGES = sql.Reader(Message)
ROLE_MENTIONS = sql.Reader(RoleMention)
# A thread's columns are those of its channel, then those of its own table: the order of the entity's fields.
THREADS = sql.Reader(Thread, "overwrites", "recipients", "member_count")
THREAD_MEMBERS = sql.Reader(ThreadMember)
_THREAD_COLUMNS = sql.Reader(Thread, *Channel.__struct_fields__, "member_count").columns("t.")
_THREAD_TYPES = f"({', '.join(str(int(each)) for each in sorted(THREAD_TYPES))})"


def member_roles(guild_id: int, user_ids: list[int] | None = None) -> sql.Question[dict[int, tuple[int, ...]]]:
    """Return the role ids of members, by id; of the whole guild without `user_ids`."""
    inside, parameters = sql.where({"guild_id": guild_id} if user_ids is None else _members_key(guild_id, user_ids))
    text = f"SELECT user_id, role_id FROM member_roles WHERE {inside} ORDER BY user_id, role_id"
    roles: dict[int, tuple[int, ...]] = {}
    for user_id, role_id in (yield text, parameters):
        roles[user_id] = (*roles.get(user_id, ()), role_id)
    return roles


def _members_key(guild_id: int, user_ids: list[int]) -> dict[str, Any]:
    return {"guild_id": guild_id, "user_id": user_ids if len(user_ids) != 1 else user_ids[0]}


def member(guild_id: int, user_id: int) -> sql.Question[Member | None]:
    """Return a member with their roles."""
    text = f"SELECT {MEMBERS.columns()} FROM members WHERE guild_id = ? AND user_id = ?"
    rows = yield text, [guild_id, user_id]
    if not rows:
        return None
    roles = yield from member_roles(guild_id, [user_id])
    return MEMBERS.entity(rows[0], roles=roles.get(user_id, ()))


def members(guild_id: int, condition: str, *parameters: object) -> sql.Question[list[tuple[Member, User]]]:
    """Return the members `m` of a guild, with their users `u`, for which the condition holds."""
    rows = yield from _member_rows(guild_id, condition, *parameters)
    roles = yield from member_roles(guild_id, [row[MEMBERS.width] for row in rows])
    return [_member_and_user(row, roles) for row in rows]


def _member_rows(guild_id: int, condition: str, *parameters: object) -> sql.Question[list[Any]]:
    text = (
        f"SELECT {MEMBERS.columns('m.')}, {USERS.columns('u.')} FROM members m JOIN users u ON u.id = m.user_id "
        f"WHERE m.guild_id = ? AND {condition}"
    )
    return (yield text, [guild_id, *parameters])


def _member_and_user(row: Sequence[Any], roles: dict[int, tuple[int, ...]]) -> tuple[Member, User]:
    user = USERS.entity(row[MEMBERS.width :])
    return MEMBERS.entity(row, roles=roles.get(user.id, ())), user


def found(selects: Sequence[Select[Any]]) -> sql.Question[list[list[Any]]]:
    """Return what each of several questions asks for."""
    answers = []
    for select in selects:
        answers.append((yield from _rows(select)))
    return answers


def _rows(select: Select[T]) -> sql.Question[list[T]]:
    reader = sql.reader_of(select.entity)
    rows = yield sql.select(select, reader.columns())
    return [reader.entity(row) for row in rows]


def accounts(ids: list[int], names: list[str], digests: list[bytes]) -> sql.Question[Accounts]:
    """Return the users with these ids or names, who holds which token, and the bots' applications."""
    found = Accounts({}, {}, {}, {})
    for condition in ({"id": ids}, {"username": names}):
        if not any(condition.values()):
            continue
        inside, parameters = sql.where(condition)
        for row in (yield f"SELECT {USERS.columns()} FROM users WHERE {inside}", parameters):
            user = USERS.entity(row)
            found.by_id[user.id] = found.by_name[user.username] = user
    for digest in digests:  # SQLite takes no list of bytes
        text = f"SELECT {USERS.columns()} FROM users WHERE id = (SELECT user_id FROM tokens WHERE digest = ?)"
        for row in (yield text, [digest]):
            found.holders[digest] = USERS.entity(row)
    bots = [user.id for user in found.by_id.values() if user.bot]
    if bots:
        inside, parameters = sql.where({"bot_user_id": bots})
        for row in (yield f"SELECT {APPLICATIONS.columns()} FROM applications WHERE {inside}", parameters):
            application = APPLICATIONS.entity(row)
            found.applications[application.bot_user_id] = application
    return found


def channels(condition: str, *parameters: object) -> sql.Question[list[Channel]]:
    """Return the channels for which the condition holds, with their overwrites and recipients."""
    rows = yield f"SELECT {CHANNELS.columns()} FROM channels WHERE {condition}", [*parameters]
    if not rows:
        return []
    inside, values = sql.where({"channel_id": [row[0] for row in rows]})
    overwrites: dict[int, tuple[Overwrite, ...]] = {}
    text = f"SELECT channel_id, target_id, type, allow, deny FROM overwrites WHERE {inside} ORDER BY target_id"
    for channel_id, target, kind, allow, deny in (yield text, values):
        one = Overwrite(id=target, type=kind, allow=allow, deny=deny)
        overwrites[channel_id] = (*overwrites.get(channel_id, ()), one)
    recipients: dict[int, tuple[int, ...]] = {}
    text = f"SELECT channel_id, user_id FROM dm_recipients WHERE {inside} ORDER BY user_id"
    for channel_id, user_id in (yield text, values):
        recipients[channel_id] = (*recipients.get(channel_id, ()), user_id)
    return [
        CHANNELS.entity(row, overwrites=overwrites.get(row[0], ()), recipients=recipients.get(row[0], ()))
        for row in rows
    ]


def threads(query: ThreadQuery) -> sql.Question[list[Thread]]:
    """Return the threads that a query asks for."""
    asked: list[tuple[str, object]] = [
        ("t.id = ?", query.id or None),
        ("t.guild_id = ?", query.guild_id or None),
        ("t.parent_id = ?", query.parent_id or None),
        ("t.archived = ?", query.archived),
        ("t.archive_timestamp < ?", query.before_ms or None),
        ("t.id < ?", query.before_id or None),
        ("t.archive_at <= ?", query.stale_at or None),
        ("t.id IN (SELECT thread_id FROM thread_members WHERE user_id = ?)", query.member_id or None),
    ]
    terms = [term for term, value in asked if value is not None]
    if query.types:
        terms.append(f"c.type IN ({', '.join(str(int(each)) for each in query.types)})")
    order = "t.id DESC" if query.by_id else "t.archive_timestamp DESC, t.id DESC"
    text = (
        f"SELECT {CHANNELS.columns('c.')}, {_THREAD_COLUMNS}, "
        "(SELECT count(*) FROM thread_members m WHERE m.thread_id = t.id) "
        f"FROM threads t JOIN channels c ON c.id = t.id WHERE {' AND '.join(terms)} ORDER BY {order}"
    )
    values = [value for _, value in asked if value is not None]
    if query.limit >= 0:
        text += " LIMIT ?"
        values.append(query.limit)
    rows = yield text, values
    return [THREADS.entity(row, member_count=row[-1]) for row in rows]


def messages(channel_id: int, condition: str, *parameters: int) -> sql.Question[list[Message]]:
    """Return the messages of a channel for which the condition holds."""
    text = f"SELECT {MESSAGES.columns()} FROM messages WHERE channel_id = ? AND {condition}"
    return [MESSAGES.entity(row) for row in (yield text, [channel_id, *parameters])]


def messages_page(channel_id: int, *, before: int, after: int, around: int, limit: int) -> sql.Question[list[Message]]:
    """Return a page, newest first; see `Store.messages`."""
    if around:
        half = limit // 2
        older = yield from messages(channel_id, "id < ? ORDER BY id DESC LIMIT ?", around, half)
        newer = yield from messages(channel_id, "id >= ? ORDER BY id LIMIT ?", around, limit - half)
        return [*reversed(newer), *older]
    if after:
        page = yield from messages(channel_id, "id > ? ORDER BY id LIMIT ?", after, limit)
        page.reverse()
        return page
    if before:
        return (yield from messages(channel_id, "id < ? ORDER BY id DESC LIMIT ?", before, limit))
    return (yield from messages(channel_id, "id > ? ORDER BY id DESC LIMIT ?", 0, limit))


def reactions(message_ids: Sequence[int], reader_id: int) -> sql.Question[list[ReactionCount]]:
    """Return what is on the messages; see `Store.reactions`."""
    inside, values = sql.where({"message_id": list(message_ids)})
    # An emoji's name is the one that its first reaction has.
    groups = (
        "SELECT message_id, emoji, count(*) AS total, min(id) AS first FROM reactions "
        f"WHERE {inside} GROUP BY message_id, emoji"
    )
    text = (
        f"SELECT g.message_id, r.emoji_id, r.name, r.animated, g.total, g.emoji FROM ({groups}) AS g JOIN reactions r "
        "ON r.message_id = g.message_id AND r.emoji = g.emoji AND r.id = g.first ORDER BY g.first"
    )
    counted = yield text, values
    if not counted:
        return []
    text = f"SELECT message_id, emoji FROM reactions WHERE {inside} AND user_id = ?"
    own = {(message_id, emoji) for message_id, emoji in (yield text, [*values, reader_id])}
    return [
        ReactionCount(
            message_id=message_id,
            emoji=EmojiRef(id=emoji_id, name=name, animated=bool(animated)),
            count=count,
            me=(message_id, emoji) in own,
        )
        for message_id, emoji_id, name, animated, count, emoji in counted
    ]


def snapshot(guild_id: int, with_members: bool) -> sql.Question[GuildSnapshot | None]:
    """Return a guild at one point of its log."""
    found = yield f"SELECT {GUILDS.columns()} FROM guilds WHERE id = ?", [guild_id]
    if not found:
        return None
    scope = [int(ScopeKind.GUILD), guild_id]
    seq = yield "SELECT seq FROM scope_seq WHERE scope_kind = ? AND scope_id = ?", scope
    roles = yield (f"SELECT {ROLES.columns()} FROM roles WHERE guild_id = ? ORDER BY id", [guild_id])
    emojis = yield (f"SELECT {EMOJIS.columns()} FROM emojis WHERE guild_id = ? ORDER BY id", [guild_id])
    held: list[tuple[Member, User]] = []
    if with_members:
        everyone = yield from member_roles(guild_id)
        held = [_member_and_user(each, everyone) for each in (yield from _member_rows(guild_id, "1 = 1"))]
    active: list[Thread] = []
    in_threads: list[ThreadMember] = []
    if with_members:
        active = yield from threads(ThreadQuery(guild_id=guild_id, archived=False))
        inside, values = sql.where({"thread_id": [each.id for each in active]})
        text = f"SELECT {THREAD_MEMBERS.columns()} FROM thread_members WHERE {inside} ORDER BY joined_at, user_id"
        in_threads = [THREAD_MEMBERS.entity(each) for each in (yield text, values)]
    condition = f"guild_id = ? AND type NOT IN {_THREAD_TYPES} ORDER BY position, id"
    places = yield from channels(condition, guild_id)
    ((count,),) = yield "SELECT count(*) FROM members WHERE guild_id = ?", [guild_id]
    return GuildSnapshot(
        seq=seq[0][0] if seq else 0,
        guild=GUILDS.entity(found[0]),
        roles=[ROLES.entity(each) for each in roles],
        channels=places,
        emojis=[EMOJIS.entity(each) for each in emojis],
        threads=active,
        thread_members=in_threads,
        members=[each for each, _ in held],
        users=[each for _, each in held],
        member_count=count,
    )
