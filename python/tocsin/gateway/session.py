"""Session: what the control plane knows of one session, and the table of all on this node."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from tocsin.model.entities import User
from tocsin.model.presence import SessionPresence
from tocsin.service.auth import Principal


class Session:
    """A session that was accepted. `key` is Rust's handle; `guilds` are those it is seated in."""

    __slots__ = (
        "bot",
        "guilds",
        "id",
        "intents",
        "key",
        "large_threshold",
        "member_requests",
        "presence",
        "presence_changes",
        "principal",
        "shard",
        "system",
        "user_id",
    )

    def __init__(
        self,
        key: int,
        session_id: str,
        principal: Principal,
        *,
        intents: int,
        shard: tuple[int, int] | None,
        large_threshold: int,
        presence: SessionPresence,
        system: str = "unknown",
    ) -> None:
        self.key = key
        self.id = session_id
        self.principal = principal
        self.user_id = principal.user.id
        self.bot = principal.is_bot
        self.intents = intents
        self.shard = shard
        self.large_threshold = large_threshold
        self.presence = presence
        self.system = system
        self.guilds: list[int] = []
        self.presence_changes: Sequence[int] = ()  # times of the latest op 3, Unix ms
        self.member_requests: dict[int, int] = {}  # guild -> time of the latest request for all members, Unix ms

    def covers(self, guild_id: int) -> bool:
        """Return whether the guild belongs to the session's shard (protocol.md §6)."""
        return covers(self.shard, guild_id)


def covers(shard: tuple[int, int] | None, guild_id: int) -> bool:
    """Return whether the guild belongs to the shard; without shards, every guild does."""
    return shard is None or (guild_id >> 22) % shard[1] == shard[0]


MISSED_KEPT = 256
"""Events of a person's own that an identify keeps; after more, it reads what they are about again."""


class Pending:
    """An identify under way: what happens to its user meanwhile is noted here, so that nothing is missed."""

    __slots__ = ("gone", "joined", "missed", "read_again", "revoked", "token_digest", "user", "user_id")

    def __init__(self) -> None:
        self.token_digest = b""
        self.revoked = False  # its token is good no more
        self.user_id = 0
        self.joined: set[int] = set()  # guilds the user joined since the list of guilds was read
        self.missed: list[tuple[str, bytes]] = []  # events of what is the person's own since that began to be read
        self.read_again = False  # there were too many, or some may have been lost
        self.user: User | None = None  # the account as it was changed since
        self.gone = False  # the connection ended

    def begin_reading(self) -> None:
        """Note that what is the person's own is read from now on."""
        self.missed.clear()
        self.read_again = False

    def note(self, name: str, body: bytes) -> None:
        """Keep an event of the person's own, to be told after READY."""
        if len(self.missed) >= MISSED_KEPT:
            self.missed.clear()
            self.read_again = True
        else:
            self.missed.append((name, body))


class Sessions:
    """All sessions of the node, by key and by user, and the identifies under way.

    `changed` is called with a session whose presence or guilds are others than before.
    """

    def __init__(self) -> None:
        self.changed: Callable[[Session], None] = _ignore
        self._by_key: dict[int, Session] = {}
        self._by_user: dict[int, dict[int, Session]] = {}
        self._pending: dict[int, Pending] = {}
        self._pending_by_user: dict[int, set[Pending]] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._by_key.values()))

    def get(self, key: int) -> Session | None:
        """Return the session, or None."""
        return self._by_key.get(key)

    def of_user(self, user_id: int) -> list[Session]:
        """Return the user's sessions, the oldest first."""
        return list(self._by_user.get(user_id, {}).values())

    def add(self, session: Session) -> None:
        """Take in a session that was accepted."""
        self._by_key[session.key] = session
        self._by_user.setdefault(session.user_id, {})[session.key] = session

    def remove(self, key: int) -> Session | None:
        """Forget a session and return it."""
        session = self._by_key.pop(key, None)
        if session is not None:
            own = self._by_user[session.user_id]
            del own[key]
            if not own:
                del self._by_user[session.user_id]
        return session

    # -- identifies under way

    def begin(self, key: int) -> Pending:
        """Note that an identify is under way."""
        pending = self._pending[key] = Pending()
        return pending

    def claim(self, pending: Pending, user_id: int) -> None:
        """Note whose identify it is; from now on `pending_of` finds it."""
        pending.user_id = user_id
        self._pending_by_user.setdefault(user_id, set()).add(pending)

    def finish(self, key: int) -> None:
        """Forget an identify."""
        pending = self._pending.pop(key, None)
        if pending is not None and pending.user_id:
            own = self._pending_by_user.get(pending.user_id, set())
            own.discard(pending)
            if not own:
                self._pending_by_user.pop(pending.user_id, None)

    def pending(self, key: int) -> Pending | None:
        """Return the identify under way of this key."""
        return self._pending.get(key)

    def revoke(self, user_id: int, token_digest: bytes) -> list[Session]:
        """Spoil the identifies under way with a token and return the sessions that were begun with it."""
        for pending in self._pending.values():
            if pending.token_digest == token_digest:
                pending.revoked = True
        return [each for each in self.of_user(user_id) if each.principal.token_digest == token_digest]

    def pending_of(self, user_id: int) -> Iterator[Pending]:
        """Iterate over the user's identifies under way."""
        return iter(self._pending_by_user.get(user_id, ()))

    def missed(self, user_id: int, name: str, body: bytes) -> None:
        """Let the user's identifies under way have an event that only goes to sessions that are there."""
        for pending in self.pending_of(user_id):
            pending.note(name, body)

    def read_again(self) -> None:
        """Have all identifies under way read again what is their people's own: events of it may have been lost."""
        for pending in self._pending.values():
            pending.read_again = True

    def concerns(self, user_id: int) -> bool:
        """Return whether the user has a session here."""
        return user_id in self._by_user


def _ignore(session: Session) -> None:
    pass
