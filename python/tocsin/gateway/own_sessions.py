"""OwnSessions: what people are told of their own sessions: in READY, and by SESSIONS_REPLACE (protocol.md §3.1).

Of this node's sessions only. Nobody else is told; bots are not told either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from tocsin.gateway.batch import Batch
from tocsin.gateway.session import Session, Sessions
from tocsin.model.presence import VISIBLE, aggregate

MAX_SHOWN = 16
"""How many sessions are listed, the newest: the list goes to each of them whenever one changes."""

_SYSTEMS = frozenset({"windows", "osx", "linux", "android", "ios", "playstation", "xbox"})
_encode = msgspec.json.Encoder().encode
Body = dict[str, Any]


class OwnSessions:
    """Lists a person's sessions, and tells those of a person of a change of another."""

    def __init__(self, orders: Callable[[], Batch], sessions: Sessions) -> None:
        self._orders = orders
        self._sessions = sessions

    def ready(self, session: Session) -> list[Body]:
        """Return the list for READY of a session that is not among the others yet."""
        return [] if session.bot else _listed([*self._sessions.of_user(session.user_id), session])

    def changed(self, session: Session) -> None:
        """Tell a person's other sessions that this one opened, ended or changed its presence."""
        if session.bot:
            return
        every = self._sessions.of_user(session.user_id)
        others = [each.key for each in every[-MAX_SHOWN:] if each is not session]
        if others:
            self._orders().dispatch("SESSIONS_REPLACE", _encode(_listed(every)), sessions=others, ungated=True)


def _listed(sessions: list[Session]) -> list[Body]:
    """Render the newest sessions; several with what they make together, under the id `all`, first."""
    shown = sessions[-MAX_SHOWN:]
    listed = [
        {
            "session_id": each.id,
            "client_info": {"client": each.presence.platform, "os": each.system, "version": 0},
            "status": each.presence.status,
            "activities": list(each.presence.activities),
            "hidden_activities": [],
        }
        for each in shown
    ]
    if len(shown) < 2:
        return listed
    together = aggregate((each.presence for each in sessions), bot=False)
    body = {
        "session_id": "all",
        "client_info": {"client": "unknown", "os": "unknown", "version": 0},
        "status": together.status if together.status in VISIBLE else "invisible",
        "activities": together.activities,
        "hidden_activities": [],
    }
    return [body, *listed]


def system_of(properties: dict[str, Any]) -> str:
    """Return the operating system that identify's properties name; `other` for one that clients have no word for."""
    named = properties.get("os", properties.get("$os"))
    if not isinstance(named, str) or not named:
        return "unknown"
    system = {"mac os x": "osx", "macos": "osx", "darwin": "osx"}.get(named.lower(), named.lower())
    return system if system in _SYSTEMS else "other"
