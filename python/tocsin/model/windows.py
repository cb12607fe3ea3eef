"""Windows of rate limits: what one process counted in one, and what processes tell each other of it (ADR 0023)."""

from __future__ import annotations

import msgspec


class Window:
    """What one identity did under one limit since `start_ms`, and until `end_ms` may do; Unix ms of this process.

    `own` was counted here. The rest is of what is shared: what `others` had counted when this process last asked, how
    many of `own` were `told`, the end by Redis' clock (`agreed_ms`, 0 before its first answer), and whether there is
    something to tell (`due`).
    """

    __slots__ = ("agreed_ms", "due", "end_ms", "key", "others", "own", "start_ms", "told")

    def __init__(self, key: str, start_ms: int, end_ms: int) -> None:
        self.key = key
        self.start_ms = start_ms
        self.end_ms = end_ms
        self.own = self.others = self.told = self.agreed_ms = 0
        self.due = False


class Report(msgspec.Struct, frozen=True, array_like=True):
    """What a process counted in a window of `window_ms` in all, `age_ms` after it had begun there."""

    key: str
    own: int
    window_ms: int
    age_ms: int
    agreed_ms: int


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What all counted, for how long it counts yet, and the end by Redis' clock: 0 when the window is over.

    An end other than the report's is that of a later window, in which the report was not counted.
    """

    total: int
    left_ms: int
    agreed_ms: int
