"""Orders: what the control plane decided in this loop turn, handed to Rust as one ordered batch.

Invariant: batches are submitted in the order they were filled, and a synchronous section lands in one batch.
"""

# ruff: noqa: D102 - `_core.pyi` documents the commands, once

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from tocsin.bus.local import Inbox


class Fragment(Protocol):
    """Members of a JSON object that many bodies share (`_core.Fragment`)."""

    def __bytes__(self) -> bytes: ...


Body = tuple[bytes, Sequence[Any]]
"""An object as JSON: its own members without braces, at least one, and the `Fragment`s of the others."""


class Batch(Inbox, Protocol):
    """The commands of `_core.Batch` (`_core.pyi` says what each means); `publish` is the inbox's."""

    def __len__(self) -> int: ...
    def accept(
        self,
        session: int,
        *,
        user_id: int,
        bot: bool,
        intents: int,
        shard: tuple[int, int] | None,
        token_digest: bytes,
        compress: bool,
        ready: bytes,
        guilds: Sequence[tuple[int, int, Body | None]],
    ) -> None: ...
    def adopt(
        self,
        session: int,
        *,
        user_id: int,
        bot: bool,
        intents: int,
        shard: tuple[int, int] | None,
        token_digest: bytes,
        compress: bool,
        memo: bytes,
        seq: int,
        guilds: Sequence[tuple[int, int]],
        powerless: Sequence[int],
    ) -> None: ...
    def disown(self, session: int) -> None: ...
    def memo(self, session: int, memo: bytes) -> None: ...
    def reject(self, session: int, close_code: int) -> None: ...
    def invalid_session(self, session: int) -> None: ...
    def set_channel(self, guild: int, channel: int, cohorts: Sequence[int]) -> None: ...
    def remove_channel(self, guild: int, channel: int) -> None: ...
    def remove_guild(self, guild: int) -> None: ...
    def assign(self, session: int, guild: int, cohort: int) -> None: ...
    def set_passive(self, session: int, guild: int, passive: bool) -> None: ...
    def unassign(self, session: int, guild: int) -> None: ...
    def dispatch(
        self,
        name: str,
        body: bytes,
        *,
        sessions: Sequence[int] = (),
        users: Sequence[int] = (),
        cohorts: Sequence[int] = (),
        guild: int = 0,
        channel: int = 0,
        exclude_user: int = 0,
        author: int = 0,
        mentions: Sequence[int] = (),
        gated: bool = False,
        ungated: bool = False,
        bots_only: bool = False,
    ) -> None: ...
    def decide(self, ticket: int) -> None: ...
    def resolve(
        self,
        ticket: int,
        *,
        certain: bool = False,
        users: Sequence[int] = (),
        by_cohort: bool = False,
        cohorts: Sequence[int] = (),
    ) -> None: ...
    def end_session(self, session: int, close_code: int) -> None: ...
    def reconnect(self, session: int) -> None: ...
    def invalidate(self, session: int, resumable: bool) -> None: ...
    def drop_connection(self, session: int, close_code: int) -> None: ...
    def break_frame(self, session: int, event: str | None = None) -> None: ...
    def stall(self, session: int, for_ms: int) -> None: ...


class Effect(NamedTuple):
    """What is certain of a state event, so that a session of another node that comes later can be told (ADR 0019).

    Whoever is in the guild, here or not, sees what they saw, and is told by guild, channel or cohort, but for some.

    Args:
        users: whose sight may change, or who are told apart.
        by_cohort: cohorts were chosen, those too that had nobody here; cohorts made later are none of them.
        cohorts: those whose sight changed.
    """

    users: Sequence[int] = ()
    by_cohort: bool = False
    cohorts: Sequence[int] = ()


class Orders:
    """Hands out the batch of the current loop turn and submits it at the turn's end.

    Before `attach` and after `detach` nothing is submitted; what was filled before `attach` goes first.

    Args:
        batch: reused; `submit` empties it.
        call_soon: the loop's, to run at the end of the turn.
    """

    def __init__(self, batch: Batch, call_soon: Callable[[Callable[[], None]], object]) -> None:
        self._batch = batch
        self._call_soon = call_soon
        self._submit: Callable[[], None] | None = None
        self._scheduled = False

    def __call__(self) -> Batch:
        """Return the batch to append to. Do not keep it over an await."""
        if not self._scheduled:
            self._scheduled = True
            self._call_soon(self.flush)
        return self._batch

    def attach(self, submit: Callable[[], None]) -> None:
        """Begin to submit; `submit` moves the batch's commands out."""
        self._submit = submit
        self.flush()

    def detach(self) -> None:
        """Submit what waits, and nothing after."""
        self.flush()
        self._submit = None

    def flush(self) -> None:
        """Submit now what the turn has gathered."""
        self._scheduled = False
        if self._submit is not None and len(self._batch):
            self._submit()
