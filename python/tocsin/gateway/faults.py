"""Faults: what an operator, a test or a bot author can do to live sessions on purpose."""

from __future__ import annotations

from collections.abc import Callable

from tocsin.gateway.batch import Batch
from tocsin.gateway.session import Session, Sessions

Who = int | str
"""A user id, for all the user's sessions, or a session id."""

CUT = 0


class Faults:
    """Every method takes whom it meets and returns how many sessions that were."""

    def __init__(self, orders: Callable[[], Batch], sessions: Sessions) -> None:
        self._orders = orders
        self._sessions = sessions

    def reconnect(self, who: Who) -> int:
        """Send op 7; the sessions are kept."""
        found = self._find(who)
        for session in found:
            self._orders().reconnect(session.key)
        return len(found)

    def invalid_session(self, who: Who, *, resumable: bool) -> int:
        """Send op 9. Not resumable also ends the sessions."""
        found = self._find(who)
        for session in found:
            self._orders().invalidate(session.key, resumable)
        return len(found)

    def close(self, who: Who, code: int) -> int:
        """Close the sockets with a code; the sessions are kept, as after any close of the server's."""
        found = self._find(who)
        for session in found:
            self._orders().drop_connection(session.key, code)
        return len(found)

    def end(self, who: Who, code: int) -> int:
        """Close the sockets with a code and forget the sessions."""
        found = self._find(who)
        for session in found:
            self._orders().end_session(session.key, code)
        return len(found)

    def cut(self, who: Who) -> int:
        """Cut the TCP connections without a word; the sessions are kept."""
        return self.close(who, CUT)

    def half_frame(self, who: Who, event: str | None = None) -> int:
        """End the TCP connections in the middle of a dispatch's frame; the sessions are kept.

        Args:
            who: whose.
            event: the next event of this name, `*` for any. Without one at once: the last event again, half of it.
        """
        found = self._find(who)
        for session in found:
            self._orders().break_frame(session.key, event)
        return len(found)

    def stall(self, who: Who, for_ms: int) -> int:
        """Write nothing to the sockets for so many ms, then what waited."""
        found = self._find(who)
        for session in found:
            self._orders().stall(session.key, for_ms)
        return len(found)

    def _find(self, who: Who) -> list[Session]:
        if isinstance(who, int):
            return self._sessions.of_user(who)
        return [session for session in self._sessions if session.id == who]
