"""GuildParts: what other nodes' sessions say of their users in one guild, by user and node (ADR 0018).

Invariant: what is held depends on what was heard and not on the order it came in or how often: of each user and node
the part of the highest version is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from tocsin.model.presence import SessionPresence


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all sessions of a user on one node say. Without sessions: the user has none there any more."""

    user: int
    version: int = 0  # rises with everything the node says
    bot: bool = False
    idle: bool = False  # nothing was done on that node for long
    sessions: tuple[SessionPresence, ...] = ()


class GuildParts:
    """Of one guild. `said` is what this node has told others, by user."""

    __slots__ = ("_ended", "_held", "_swept", "said")

    def __init__(self) -> None:
        self.said: dict[int, Part] = {}
        self._held: dict[int, dict[str, Part]] = {}
        self._ended: set[tuple[int, str]] = set()  # parts without sessions, kept for what may come late
        self._swept: set[tuple[int, str]] = set()

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[int]:
        return iter(list(self._held))

    def of(self, user_id: int) -> list[Part]:
        """Return the parts with sessions, in the order of their nodes' names."""
        held = self._held.get(user_id)
        return [] if held is None else [held[node] for node in sorted(held) if held[node].sessions]

    def take(self, node: str, part: Part) -> bool:
        """Hold a node's part; return whether it is news."""
        former = self._held.get(part.user, {}).get(node)
        if former is not None and former.version >= part.version:
            return False
        self._held.setdefault(part.user, {})[node] = part
        if part.sessions:
            self._ended.discard((part.user, node))
        else:
            self._ended.add((part.user, node))
        return True

    def replace(self, node: str, version: int, parts: Iterable[Part]) -> set[int]:
        """Hold all that a node has as of a version, and nothing older; return whose parts changed."""
        changed = set()
        named = set()
        for part in parts:
            named.add(part.user)
            if self.take(node, part):
                changed.add(part.user)
        for user_id in [each for each, held in self._held.items() if node in held and each not in named]:
            if self._held[user_id][node].version < version:
                self._drop(user_id, node)
                changed.add(user_id)
        return changed

    def drop(self, node: str) -> set[int]:
        """Forget a node; return who had parts there."""
        users = {user_id for user_id, held in self._held.items() if node in held}
        for user_id in users:
            self._drop(user_id, node)
        return users

    def forget(self, user_id: int) -> None:
        """Forget who is no member any more."""
        self.said.pop(user_id, None)
        for node in list(self._held.get(user_id, ())):
            self._drop(user_id, node)

    def sweep(self) -> None:
        """Let go of parts that had ended before the sweep before."""
        for user_id, node in self._swept & self._ended:
            self._drop(user_id, node)
        self._swept = set(self._ended)

    def _drop(self, user_id: int, node: str) -> None:
        held = self._held[user_id]
        del held[node]
        if not held:
            del self._held[user_id]
        self._ended.discard((user_id, node))
