"""Departures: tells the service when a person's last session here ended, and who did not come back after a start."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from tocsin.gateway.session import Sessions
from tocsin.service.temporary_members import TemporaryMembers

RETURN_S = 60.0
"""How long after a start people may take to come back: their sessions ended with the process before."""

log = structlog.get_logger("tocsin.gateway")


class Departures:
    """Watches this node's sessions: whoever has none here, and none that is known of elsewhere, counts as gone.

    Args:
        members: what is told.
        sessions: the node's.
        call_later: the loop's.
        elsewhere: whether a user has a session at another node.
    """

    def __init__(
        self,
        members: TemporaryMembers,
        sessions: Sessions,
        call_later: Callable[[float, Callable[[], None]], asyncio.TimerHandle],
        elsewhere: Callable[[int], bool],
    ) -> None:
        self._elsewhere = elsewhere
        self._members = members
        self._sessions = sessions
        self._call_later = call_later
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False
        members.has_session = self._present

    def _present(self, user_id: int) -> bool:
        return self._sessions.concerns(user_id) or any(self._sessions.pending_of(user_id)) or self._elsewhere(user_id)

    def expect(self) -> None:
        """Give those who were here before the start their time to come back."""
        self._timer = self._call_later(RETURN_S, lambda: self._run(self._members.sweep()))

    def ended(self, user_id: int) -> None:
        """Hear that a session of a user ended."""
        if not self._stopped and not self._present(user_id):
            self._run(self._members.disconnected(user_id))

    def cease(self) -> None:
        """From now on sessions end because the node does, not because people leave."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    async def stop(self) -> None:
        """Hear nothing more, and wait for what is under way."""
        self.cease()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._logged(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @staticmethod
    async def _logged(work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            log.exception("temporary members not removed")
