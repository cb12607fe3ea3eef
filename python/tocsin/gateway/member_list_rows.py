"""One member list as its subscribers know it: the rows, what changed since they were told, and the ops that say so.

An op's index is that of its moment; what a change moved into a window from outside comes as SYNC after the ops.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from tocsin.model.member_list import group_name

Ranges = tuple[tuple[int, int], ...]
"""Windows of a list: first and last row, both included; sorted, apart from one another."""

Step = tuple[int, int, int]
DELETE, INSERT_GROUP, INSERT, UPDATE = 0, 1, 2, 3
"""The first three are `_core.MemberList`'s kinds of steps."""

MAX_STEPS = 100
"""Steps told one by one; beyond it every window is sent anew, which is less."""

PAGES_KEPT = 64


class Rows(Protocol):
    """A list by row (`_core.MemberList`)."""

    @property
    def row_count(self) -> int: ...  # noqa: D102
    def fill(self, members: Sequence[tuple[int, int, str]]) -> None: ...  # noqa: D102
    def put(self, id: int, group: int, name: str) -> list[Step]: ...  # noqa: D102
    def remove(self, id: int) -> list[Step]: ...  # noqa: D102
    def row_of(self, id: int) -> int | None: ...  # noqa: D102
    def rows(self, start: int, count: int) -> list[tuple[bool, int, int]]: ...  # noqa: D102
    def groups(self) -> list[tuple[int, int]]: ...  # noqa: D102
    def __contains__(self, id: int, /) -> bool: ...


class _Change(NamedTuple):
    kind: int
    row: int
    item: bytes


class ListRows:
    """The list with this id. `windows` are its subscribers', by session; `look` changes them.

    Args:
        render: returns a member's row as JSON.
    """

    def __init__(self, list_id: str, rows: Rows, render: Callable[[int], bytes]) -> None:
        self.id = list_id
        self.rows = rows
        self.windows: dict[int, Ranges] = {}
        self._render = render
        self._changes: list[_Change] = []
        self._pages: dict[tuple[int, int], bytes] = {}
        self._anew = False
        self._ends: Counter[int] = Counter()  # how many sessions' last windows end at a row
        self._end = -1  # the last row that is in a window
        self._counts = False  # groups have other counts than subscribers were told

    @property
    def changed(self) -> bool:
        """Whether there is something to tell."""
        return self._counts or self.moved

    @property
    def moved(self) -> bool:
        """Whether there is more to tell than counts."""
        return self._anew or bool(self._changes)

    def look(self, session: int, ranges: Ranges) -> None:
        """Give a session these windows instead of those it had; none for who looks no more."""
        former = self.windows.pop(session, ())
        if former:
            end = former[-1][1]
            self._ends[end] -= 1
            if not self._ends[end]:
                del self._ends[end]
        if ranges:
            self.windows[session] = ranges
            self._ends[ranges[-1][1]] += 1
        self._end = max(self._ends, default=-1)

    def put(self, user_id: int, group: int, name: str) -> None:
        """Note that a member is here, or changed."""
        steps = self.rows.put(user_id, group, name)
        if steps:
            self._note(steps)
        elif (row := self.rows.row_of(user_id)) is not None:
            self._note([(UPDATE, row, user_id)])

    def remove(self, user_id: int) -> None:
        """Note that a member is not here, or no more."""
        self._note(self.rows.remove(user_id))

    def replace(self, rows: Rows, windows: Mapping[int, Ranges]) -> None:
        """Go on with other rows and these subscribers, who get their windows anew."""
        self.rows = rows
        for session in self.windows.keys() | windows.keys():
            self.look(session, windows.get(session, ()))
        self._pages.clear()
        self._anew = True

    def _note(self, steps: Sequence[Step]) -> None:
        if not steps:
            return
        self._pages.clear()
        if not self.windows:
            return
        self._counts = self._counts or steps[0][0] != UPDATE
        # What is below all windows moves nothing in them, and a row there is shown to nobody.
        seen = [] if self._anew else [step for step in steps if step[1] <= self._end]
        if len(self._changes) + len(seen) > MAX_STEPS:
            self._anew = True
            return
        for kind, row, entity_id in seen:
            item = b""
            if kind == INSERT_GROUP:
                item = header(entity_id, 1)
            elif kind != DELETE:
                item = self._render(entity_id)
            self._changes.append(_Change(kind, row, item))

    def told(self) -> None:
        """Forget what changed: everybody was told."""
        self._changes.clear()
        self._anew = False
        self._counts = False

    # -- ops

    def ops(self, ranges: Ranges) -> list[bytes]:
        """Return what changed, for who has these windows. Empty when that is counts at most."""
        if self._anew:
            return [self.sync(first, last) for first, last in ranges]
        last_row = ranges[-1][1] if ranges else -1
        known = list(ranges)
        ops: list[bytes] = []
        for kind, row, item in self._changes:
            if kind == UPDATE:
                if any(first <= row <= last for first, last in known):
                    ops.append(b'{"op":"UPDATE","index":%d,"item":%b}' % (row, item))
            elif row <= last_row:
                if kind == DELETE:
                    ops.append(b'{"op":"DELETE","index":%d}' % row)
                else:
                    ops.append(b'{"op":"INSERT","index":%d,"item":%b}' % (row, item))
                # What went beyond the last window is not followed there, so it is not known if it comes back.
                after = _after(known, row, deleted=kind == DELETE)
                known = [(first, min(last, last_row)) for first, last in after if first <= last_row]
        ops.extend(self.sync(first, last) for first, last in subtract(self._within(ranges), tuple(known)))
        return ops

    def sync(self, first: int, last: int) -> bytes:
        """Return the op that gives rows; fewer than asked for at the end of the list."""
        page = self._pages.get((first, last))
        if page is None:
            items = [
                header(entity_id, count) if is_header else self._render(entity_id)
                for is_header, entity_id, count in self.rows.rows(first, last - first + 1)
            ]
            page = b'{"op":"SYNC","range":[%d,%d],"items":[%b]}' % (first, last, b",".join(items))
            if len(self._pages) < PAGES_KEPT:
                self._pages[first, last] = page
        return page

    def _within(self, ranges: Ranges) -> Ranges:
        end = self.rows.row_count - 1
        return tuple((first, min(last, end)) for first, last in ranges if first <= end)


def header(group: int, count: int) -> bytes:
    """Return a group's row."""
    return b'{"group":{"id":"%b","count":%d}}' % (group_name(group).encode(), count)


def invalidate(first: int, last: int) -> bytes:
    """Return the op that drops rows."""
    return b'{"op":"INVALIDATE","range":[%d,%d]}' % (first, last)


def _after(known: list[tuple[int, int]], row: int, *, deleted: bool) -> list[tuple[int, int]]:
    """Return which rows a client knows after a row went or came; one that came it knows."""
    found: list[tuple[int, int]] = []
    if not deleted:
        found.append((row, row))
    for first, last in known:
        if deleted:
            first, last = first - (first > row), last - (last >= row)
            if first <= last:
                found.append((first, last))
        elif last < row:
            found.append((first, last))
        elif first >= row:
            found.append((first + 1, last + 1))
        else:
            found.extend(((first, row - 1), (row + 1, last + 1)))
    return list(merged(found))


def merged(ranges: Sequence[tuple[int, int]]) -> Ranges:
    """Return the rows of all these ranges; those that only touch stay apart."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return tuple(found)


def subtract(ranges: Ranges, others: Ranges) -> Ranges:
    """Return the rows of `ranges` that are not in `others`."""
    found: list[tuple[int, int]] = []
    for first, last in ranges:
        at = first
        for low, high in others:
            if high < at or low > last:
                continue
            if low > at:
                found.append((at, low - 1))
            at = high + 1
        if at <= last:
            found.append((at, last))
    return tuple(found)
