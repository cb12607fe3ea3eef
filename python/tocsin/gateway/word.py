"""Word: tells the nodes over Redis what a tool did to the database, from a process that is no node."""

from __future__ import annotations

import secrets
import time

from tocsin import _core
from tocsin.bus.local import LocalBus
from tocsin.config import Settings
from tocsin.errors import TocsinError
from tocsin.gateway.node import bus_of, config_of, deaf
from tocsin.gateway.peers import last_word

PATIENCE_S = 5.0
POLL_S = 0.005
GRACE_MS = 1000


class Word:
    """A connection to the bus, for a `with` block. It never is a peer of the nodes.

    Raises:
        errors.TocsinError: Redis cannot be reached.
    """

    def __init__(self, settings: Settings) -> None:
        tag = secrets.token_bytes(4)
        self._name = f"word-{tag.hex()}"
        # The bus brings what it hears to a gateway; nobody speaks to this one.
        self._core = _core.Gateway(config_of(deaf(settings), tag))
        self._core.start()
        self._core.begin_drain(0)
        try:
            self._link = bus_of(self._core, settings, self._name, tag)
        except ConnectionError as error:
            self._core.stop()
            raise TocsinError(f"bus: {error}") from None

    def __enter__(self) -> Word:
        return self

    def __exit__(self, *_: object) -> None:
        self._link.stop(GRACE_MS)
        self._core.stop()

    def revoked(self, user_id: int, token_digest: bytes) -> None:
        """Have all nodes refuse a token that is in the database no more, and end its sessions.

        Raises:
            errors.TocsinError: Redis did not take it.
        """
        batch = _core.Batch()
        LocalBus(lambda: batch).publish_ephemeral(last_word(self._name, user_id, token_digest))
        self._link.publish(batch)
        until = time.monotonic() + PATIENCE_S
        while not self._figure("published"):
            if self._figure("dropped") or time.monotonic() > until:
                raise TocsinError("bus: Redis did not take it")
            time.sleep(POLL_S)

    def _figure(self, name: str) -> int:
        return self._link.figures()[name][1]
