"""Cohorts: a guild's sessions grouped by what decides their permissions, and which cohorts may view which channel.

Of guilds with passive sessions the index is told too which cohorts hold which role (ADR 0022).

Permissions are computed once per cohort and channel. Cohort ids are never reused in the life of a node.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from tocsin.gateway.batch import Batch
from tocsin.model import permissions
from tocsin.model.entities import Channel, Member, Thread
from tocsin.model.guild_state import GuildState

View = frozenset[int]
"""The channels and active threads a cohort may view."""

_VIEW = int(permissions.Permission.VIEW_CHANNEL)
_MANAGE_THREADS = int(permissions.Permission.MANAGE_THREADS)
POWERS = int(
    permissions.Permission.BAN_MEMBERS
    | permissions.Permission.VIEW_AUDIT_LOG
    | permissions.Permission.MANAGE_GUILD
    | permissions.Permission.ADMINISTRATOR
)
"""Guild-wide permissions that events of all the guild go by (`policy.py`, `automod.py`)."""

EMPTY_COHORTS_KEPT = 64
"""Cohorts without sessions that a guild keeps for those who come back."""


class CohortKey(NamedTuple):
    """The inputs of a permission computation; `user_id` only if a channel names the user.

    The owner needs no other: their roles are here for messages that mention them.
    """

    owner: bool
    roles: tuple[int, ...]
    user_id: int


class Cohort:
    """One cohort. `users` are those with sessions here."""

    __slots__ = ("id", "key", "users", "view")

    def __init__(self, cohort_id: int, key: CohortKey, view: View) -> None:
        self.id = cohort_id
        self.key = key
        self.view = view
        self.users: set[int] = set()


class CohortTable:
    """The cohorts of one guild, over its replica.

    Changes of sight are gathered and go to the index with `flush`.

    Args:
        tells_roles: returns whether the index has to know who holds which role.
    """

    def __init__(
        self, state: GuildState, allocate: Callable[[], int], tells_roles: Callable[[], bool] = lambda: False
    ) -> None:
        self._state = state
        self._tells_roles = tells_roles
        self._holders: dict[int, set[int]] = {}
        self._dirty_roles: set[int] = set()
        self._allocate = allocate
        self._by_key: dict[CohortKey, Cohort] = {}
        self._viewers: dict[int, set[int]] = {}
        self._dirty: set[int] = set()
        self._named_in: dict[int, frozenset[int]] = {}
        self._named: Counter[int] = Counter()
        self.by_id: dict[int, Cohort] = {}
        for channel_id in (*state.channels, *state.threads):
            self.note_channel(channel_id)

    # -- keys

    def note_channel(self, channel_id: int) -> frozenset[int]:
        """Take in whom the channel's overwrites name now, or who is in the private thread.

        Return those for whom that changed in the guild.
        """
        before = self._named_in.pop(channel_id, frozenset())
        after = self._names(channel_id)
        if after:
            self._named_in[channel_id] = after
        changed = set()
        for user_id in before - after:
            self._named[user_id] -= 1
            if not self._named[user_id]:
                del self._named[user_id]
                changed.add(user_id)
        for user_id in after - before:
            self._named[user_id] += 1
            if self._named[user_id] == 1:
                changed.add(user_id)
        return frozenset(changed)

    def _names(self, channel_id: int) -> frozenset[int]:
        channel, thread = self._state.channels.get(channel_id), self._state.threads.get(channel_id)
        if thread is not None:
            return frozenset(self._state.thread_members[channel_id]) if thread.private else frozenset()
        return frozenset() if channel is None else _named(channel)

    def key_of(self, member: Member) -> CohortKey:
        """Return the inputs of the member's permissions."""
        if member.user_id == self._state.guild.owner_id:
            return CohortKey(True, tuple(sorted(member.roles)), 0)
        named = member.user_id if member.user_id in self._named else 0
        return CohortKey(False, tuple(sorted(member.roles)), named)

    def cohort_for(self, key: CohortKey) -> Cohort:
        """Return the cohort with these inputs, making it if there is none."""
        cohort = self._by_key.get(key)
        if cohort is None:
            cohort = self._by_key[key] = Cohort(self._allocate(), key, frozenset())
            self.by_id[cohort.id] = cohort
            self._hold(cohort, (), key.roles)
            self._see(cohort, self.compute(key))
        return cohort

    def find(self, key: CohortKey) -> Cohort | None:
        """Return the cohort with these inputs, or None."""
        return self._by_key.get(key)

    def rekey(self, cohort: Cohort, key: CohortKey) -> None:
        """Give the cohort other inputs; it keeps its id and its users."""
        del self._by_key[cohort.key]
        self._hold(cohort, cohort.key.roles, key.roles)
        cohort.key = key
        self._by_key[key] = cohort

    def _hold(self, cohort: Cohort, before: Iterable[int], after: Iterable[int]) -> None:
        """Note which roles a cohort holds."""
        for role_id in before:
            self._holders[role_id].discard(cohort.id)
            self._dirty_roles.add(role_id)
        for role_id in after:
            self._holders.setdefault(role_id, set()).add(cohort.id)
            self._dirty_roles.add(role_id)

    # -- sight

    def base(self, key: CohortKey) -> int:
        """Return the cohort's guild-wide permissions, timeouts apart."""
        if key.owner:
            return permissions.ALL
        held = permissions.role_permissions(self._state.guild.id, self._state.roles, key.roles)
        return permissions.ALL if held & permissions.Permission.ADMINISTRATOR else held

    def compute(self, key: CohortKey) -> View:
        """Return the channels that may be viewed with these inputs, from the replica as it is."""
        base = self.base(key)
        channels = self._state.channels
        threads = self._state.threads
        if base == permissions.ALL:
            return frozenset((*channels, *threads))
        seen = [channel.id for channel in channels.values() if self._sees(base, key, channel)]
        return frozenset((*seen, *self._threads_seen(base, key, threads.values())))

    def sees_thread(self, key: CohortKey, thread: Thread) -> bool:
        """Whether a thread may be viewed with these inputs; it need not be one of the replica's."""
        return bool(self._threads_seen(self.base(key), key, (thread,)))

    def _threads_seen(self, base: int, key: CohortKey, threads: Iterable[Thread]) -> list[int]:
        """Return those of the threads that may be viewed: as their parent, private ones not by all (§7.1 rule 5)."""
        state = self._state
        held_in: dict[int | None, int] = {}
        seen = []
        for thread in threads:
            held = held_in.get(thread.parent_id)
            if held is None:
                parent = state.channels.get(thread.parent_id or 0)
                held = held_in[thread.parent_id] = 0 if parent is None else self._held(base, key, parent)
            if held & _VIEW and (
                not thread.private or held & _MANAGE_THREADS or key.user_id in state.thread_members.get(thread.id, ())
            ):
                seen.append(thread.id)
        return seen

    def _sees(self, base: int, key: CohortKey, channel: Channel) -> bool:
        return bool(self._held(base, key, channel) & _VIEW)

    def _held(self, base: int, key: CohortKey, channel: Channel) -> int:
        if base == permissions.ALL or not channel.overwrites:
            return base
        return permissions.apply_overwrites(base, self._state.guild.id, channel.overwrites, key.user_id, key.roles)

    def recompute(self, cohorts: Iterable[Cohort]) -> None:
        """Compute these cohorts' views anew."""
        for cohort in cohorts:
            self._see(cohort, self.compute(cohort.key))

    def recompute_channels(self, channel_ids: Collection[int]) -> None:
        """Compute anew which cohorts may view some channels and threads, of which some may be gone."""
        state, ids = self._state, frozenset(channel_ids)
        channels = [state.channels[each] for each in ids if each in state.channels]
        threads = [state.threads[each] for each in ids if each in state.threads]
        for cohort in self.by_id.values():
            base, key = self.base(cohort.key), cohort.key
            seen = {each.id for each in channels if self._sees(base, key, each)}
            seen.update(self._threads_seen(base, key, threads))
            if seen != cohort.view & ids:
                self._see(cohort, (cohort.view - ids) | seen)
        self._dirty |= ids

    def _see(self, cohort: Cohort, view: View) -> None:
        for channel_id in cohort.view - view:
            self._viewers[channel_id].discard(cohort.id)
            self._dirty.add(channel_id)
        for channel_id in view - cohort.view:
            self._viewers.setdefault(channel_id, set()).add(cohort.id)
            self._dirty.add(channel_id)
        cohort.view = view

    def views(self) -> dict[int, View]:
        """Return every cohort's view as it is now, by cohort id."""
        return {cohort.id: cohort.view for cohort in self.by_id.values()}

    def viewers(self, channel_id: int) -> list[Cohort]:
        """Return the cohorts with users that may view the channel."""
        found = (self.by_id[cohort_id] for cohort_id in sorted(self._viewers.get(channel_id, ())))
        return [cohort for cohort in found if cohort.users]

    def viewers_with(self, channel_id: int, wanted: int) -> list[Cohort]:
        """Return the cohorts, with users or without, that may view the channel and hold any of the permissions."""
        channel = self._state.channels.get(channel_id)
        if channel is None:
            return []
        found = (self.by_id[cohort_id] for cohort_id in sorted(self._viewers.get(channel_id, ())))
        return [each for each in found if self._in(each, channel) & wanted]

    def _in(self, cohort: Cohort, channel: Channel) -> int:
        return self._held(self.base(cohort.key), cohort.key, channel)

    def with_any(self, wanted: int) -> list[Cohort]:
        """Return the cohorts, with users or without, that hold any of the guild-wide permissions."""
        return [each for each in self.by_id.values() if self.base(each.key) & wanted]

    # -- the index

    def flush(self, batch: Batch) -> None:
        """Tell the index which channels changed hands, and roles where that matters."""
        guild_id = self._state.guild.id
        for channel_id in sorted(self._dirty):
            if channel_id in self._state.channels or channel_id in self._state.threads:
                batch.set_channel(guild_id, channel_id, list(self._viewers.get(channel_id, ())))
            else:
                self._viewers.pop(channel_id, None)
                batch.remove_channel(guild_id, channel_id)
        self._dirty.clear()
        if not self._dirty_roles or not self._tells_roles():
            return
        for role_id in sorted(self._dirty_roles):
            holders = self._holders[role_id]
            if holders:
                batch.set_channel(guild_id, role_id, list(holders))
            else:
                del self._holders[role_id]
                batch.remove_channel(guild_id, role_id)
        self._dirty_roles.clear()

    def sweep(self) -> None:
        """Forget cohorts without users when there are many. The index follows with the next `flush`."""
        empty = [cohort for cohort in self.by_id.values() if not cohort.users]
        if len(empty) <= EMPTY_COHORTS_KEPT:
            return
        for cohort in empty:
            self._see(cohort, frozenset())
            self._hold(cohort, cohort.key.roles, ())
            del self._by_key[cohort.key]
            del self.by_id[cohort.id]


def _named(channel: Channel) -> frozenset[int]:
    return frozenset(overwrite.id for overwrite in channel.overwrites if overwrite.type == 1)
