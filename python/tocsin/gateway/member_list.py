"""GuildLists: the member lists of one guild that somebody looks at, and who looks at which rows (protocol.md §1.11).

A list has those members who may view its channels, and goes to sessions that may. Whoever is invisible is in no
guild's `shown`, and so is offline here too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from tocsin.gateway.batch import Batch
from tocsin.gateway.cohorts import CohortKey, CohortTable, View
from tocsin.gateway.guild_body import GuildBodies
from tocsin.gateway.member_list_rows import ListRows, Ranges, Rows, invalidate, merged, subtract
from tocsin.model import wire
from tocsin.model.entities import Channel, Member
from tocsin.model.guild_state import GuildState
from tocsin.model.member_list import (
    EVERYONE,
    MAX_WITH_OFFLINE,
    group_name,
    group_of,
    group_order,
    list_id,
    sort_name,
)


def _ignore() -> None:
    """Nobody wants to know."""


_encode = msgspec.json.Encoder().encode

Channels = Mapping[int, Ranges]
"""A session's windows by channel."""


class GuildLists:
    """Follows the replica: `member_changed` or `reshape` come after a change, `flush` soon after them.

    `on_change` is called after each; what the lists say is kept true by then, what sessions were told is not.

    Args:
        view_of: returns what a user with sessions here may view, or None.
        make_rows: makes an empty list with these groups.
    """

    def __init__(
        self,
        state: GuildState,
        cohorts: CohortTable,
        bodies: GuildBodies,
        view_of: Callable[[int], View | None],
        make_rows: Callable[[list[int]], Rows],
    ) -> None:
        self._state = state
        self._cohorts = cohorts
        self._bodies = bodies
        self._view_of = view_of
        self._make_rows = make_rows
        self._lists: dict[str, ListRows] = {}
        self._sight: dict[str, dict[CohortKey, bool]] = {}
        self._channels: dict[str, int] = {}  # list -> one of its channels
        self._subscribed: dict[int, tuple[int, Channels]] = {}  # session -> user, windows
        self._ranks: dict[int, int] = {}
        self._hides_offline = False
        self._stale = False
        self.on_change: Callable[[], None] = _ignore
        self._watchers: dict[int, set[int]] = {}  # user -> sessions that asked for them by id
        self._watched: dict[int, frozenset[int]] = {}  # session -> users

    # -- who looks

    def subscribe(self, session: int, user_id: int, channels: Channels, batch: Batch) -> None:
        """Give a session these windows instead of those it had, and send it what it has not got yet.

        Channels that the user may not view are left out without a word.
        """
        self.flush(batch)
        before = {each.id: each.windows[session] for each in self._lists.values() if session in each.windows}
        view = self._view_of(user_id) or frozenset()
        seen: dict[int, Ranges] = {}
        for channel_id, ranges in channels.items():
            if channel_id in view and ranges:
                thread = self._state.threads.get(channel_id)
                # A thread has its parent's list.
                seen[channel_id if thread is None else thread.parent_id or 0] = ranges
        if seen:
            self._subscribed[session] = (user_id, seen)
        else:
            self._subscribed.pop(session, None)
        after = self._windows(seen)
        for found_id, channel_id, _ in after.values():
            if found_id not in self._lists:
                self._open(found_id, channel_id)
        for found in list(self._lists.values()):
            old, new = before.get(found.id, ()), after[found.id][2] if found.id in after else ()
            found.look(session, new)
            ops = [invalidate(first, last) for first, last in subtract(old, new)]
            ops += [found.sync(*each) for each in new if each not in old]
            if ops:
                self._send(found, ops, [session], batch)

    def forget(self, session: int) -> None:
        """Forget a session that left."""
        if self._subscribed.pop(session, None) is not None:
            for found in self._lists.values():
                found.look(session, ())
        self.watch(session, ())

    def watch(self, session: int, user_ids: Iterable[int]) -> None:
        """Note whose presence a session asks for by id, instead of those it asked for before."""
        for user_id in self._watched.pop(session, ()):
            watchers = self._watchers[user_id]
            watchers.discard(session)
            if not watchers:
                del self._watchers[user_id]
        wanted = frozenset(user_ids)
        if wanted:
            self._watched[session] = wanted
        for user_id in wanted:
            self._watchers.setdefault(user_id, set()).add(session)

    def watchers(self, user_id: int) -> list[int]:
        """Return the sessions that asked for the user by id."""
        return sorted(self._watchers.get(user_id, ()))

    def sweep(self) -> None:
        """Let go of lists that nobody looks at."""
        for found in [each for each in self._lists.values() if not each.windows]:
            self._close(found.id)

    # -- what changed

    def member_changed(self, user_id: int) -> None:
        """A member came, left, or has another presence, name or role."""
        if not self._lists:
            return
        if self._hides_offline != (self._state.member_count > MAX_WITH_OFFLINE):
            self._stale = True
        member = self._state.members.get(user_id)
        for found in self._lists.values():
            place = None if member is None else self._place(found.id, member)
            if place is None:
                found.remove(user_id)
            else:
                found.put(user_id, *place)
        self.on_change()

    def viewer_changed(self, user_id: int) -> None:
        """What somebody may view changed: they get no more of lists whose channels they lost."""
        if any(user == user_id for user, _ in self._subscribed.values()):
            self.reshape()

    def reshape(self) -> None:
        """Roles, overwrites or the owner changed: who sees what and the order of groups are found out anew."""
        if self._lists:
            self._stale = True
            self.on_change()

    def flush(self, batch: Batch) -> None:
        """Tell every subscriber what changed."""
        if self._stale:
            self._stale = False
            self._reshape()
        for found in self._lists.values():
            if not found.changed:
                continue
            sessions: dict[Ranges, list[int]] = {}
            for session, ranges in found.windows.items():
                sessions.setdefault(ranges, []).append(session)
            for ranges, keys in sessions.items():
                self._send(found, found.ops(ranges), keys, batch)
            found.told()

    @property
    def changed(self) -> bool:
        """Whether `flush` has something to do."""
        return self._stale or any(each.changed for each in self._lists.values())

    @property
    def moved(self) -> bool:
        """Whether it has more to do than to tell counts."""
        return self._stale or any(each.moved for each in self._lists.values())

    # -- the rows

    def _windows(self, channels: Channels) -> dict[str, tuple[str, int, Ranges]]:
        """Return a session's windows by list, each with one of the list's channels."""
        found: dict[str, tuple[str, int, Ranges]] = {}
        for channel_id, ranges in channels.items():
            each = list_id(self._state, self._state.channels[channel_id])
            former = found[each][2] if each in found else ()
            found[each] = (each, channel_id, merged([*former, *ranges]))
        return found

    def _open(self, found_id: str, channel_id: int) -> None:
        if not self._lists:
            self._note_shape()
        self._channels[found_id] = channel_id
        self._sight[found_id] = {}
        self._lists[found_id] = ListRows(found_id, self._build(found_id), self._row)

    def _close(self, found_id: str) -> None:
        del self._lists[found_id], self._sight[found_id], self._channels[found_id]

    def _note_shape(self) -> None:
        order = group_order(self._state.roles.values(), self._state.guild.id)
        self._ranks = {group: rank for rank, group in enumerate(order)}
        self._hides_offline = self._state.member_count > MAX_WITH_OFFLINE

    def _build(self, found_id: str) -> Rows:
        rows = self._make_rows(list(self._ranks))
        members, users = self._state.members, self._state.users
        who = self._bodies.shown if self._hides_offline else members
        filled = []
        for user_id in who:
            member = members.get(user_id)
            place = None if member is None else self._place(found_id, member)
            if place is not None and user_id in users:
                filled.append((user_id, *place))
        rows.fill(filled)
        return rows

    def _place(self, found_id: str, member: Member) -> tuple[int, str] | None:
        """Return a member's group and name in the list; None if they are not in it."""
        online = member.user_id in self._bodies.shown
        if not online and self._hides_offline:
            return None
        if found_id != EVERYONE and not self._may_view(found_id, member):
            return None
        user = self._state.users[member.user_id]
        return group_of(member, self._ranks, online=online), sort_name(member, user)

    def _may_view(self, found_id: str, member: Member) -> bool:
        sight = self._sight[found_id]
        key = self._cohorts.key_of(member)
        seen = sight.get(key)
        if seen is None:
            channel: Channel | None = self._state.channels.get(self._channels[found_id])
            seen = sight[key] = channel is not None and self._state.can_view(member, channel)
        return seen

    def _reshape(self) -> None:
        former = self._lists
        self._note_shape()
        kept: dict[str, Ranges] = {}
        windows: dict[str, dict[int, Ranges]] = {}
        self._channels.clear()
        for session, (user_id, channels) in list(self._subscribed.items()):
            view = self._view_of(user_id) or frozenset()
            seen = {each: ranges for each, ranges in channels.items() if each in view}
            if not seen:
                del self._subscribed[session]
                continue
            self._subscribed[session] = (user_id, seen)
            for found_id, channel_id, ranges in self._windows(seen).values():
                self._channels[found_id] = channel_id
                windows.setdefault(found_id, {})[session] = ranges
                kept[found_id] = ranges
        self._lists = {}
        self._sight = {found_id: {} for found_id in windows}
        for found_id, sessions in windows.items():
            found = former.get(found_id)
            if found is None:
                found = ListRows(found_id, self._build(found_id), self._row)
            found.replace(self._build(found_id), sessions)
            self._lists[found_id] = found

    def _row(self, user_id: int) -> bytes:
        member = self._state.members[user_id]
        body = _encode(wire.member(member, self._state.users[user_id]))
        presence = self._bodies.shown.get(user_id)
        if presence is None:
            presence = b'{"user":{"id":"%d"},"status":"offline","activities":[],"client_status":{}}' % user_id
        return b'{"member":%b,"presence":%b}}' % (body[:-1], presence)

    def _send(self, found: ListRows, ops: list[bytes], sessions: list[int], batch: Batch) -> None:
        groups = found.rows.groups()
        online = sum(count for group, count in groups if group_name(group) != "offline")
        body = _encode(
            {
                "guild_id": str(self._state.guild.id),
                "id": found.id,
                "member_count": self._state.member_count,
                "online_count": online,
                "groups": [{"id": group_name(group), "count": count} for group, count in groups],
                "ops": [msgspec.Raw(op) for op in ops],
            }
        )
        batch.dispatch("GUILD_MEMBER_LIST_UPDATE", body, sessions=sessions, guild=self._state.guild.id, ungated=True)
