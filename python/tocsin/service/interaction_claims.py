"""Claim: the right to be an interaction's answer, which one commit of all nodes gets.

Whatever an answer writes, it writes together with what its interaction waits for from then on, provided that the
interaction still waits for it. So an answer, another one elsewhere and the end of the time for it exclude each other.
"""

from __future__ import annotations

from tocsin.errors import BadRequest, Conflict, unknown
from tocsin.model.interactions import Interaction, Waiting
from tocsin.store.base import Op, Select, Store, Update

ANSWERED = (40060, "Interaction has already been acknowledged.")


class Claim:
    """That of one answer. `held` is what the interaction waits for before it."""

    def __init__(self, store: Store, interaction: Interaction, held: Waiting, then: Waiting) -> None:
        self._store = store
        self._id = interaction.id
        self._held = held
        self._then = then

    def ops(self, message_id: int = 0) -> list[Op]:
        """Return what to commit with the answer; `message_id` is the answer where that is a message."""
        changes = {"waiting": int(self._then), **({"message_id": message_id} if message_id else {})}
        where = {"id": self._id, "waiting": int(self._held)}
        return [Update("interactions", where, changes, must_match=True)]

    async def commit(self) -> None:
        """Commit an answer that writes nothing else. Raises as `check`."""
        try:
            await self._store.commit(self.ops())
        except Conflict:
            await self.check()
            raise

    async def check(self) -> None:
        """After a conflict: whether it was the claim's.

        Raises:
            errors.NotFound: 10062, the interaction is gone, or its time was over.
            errors.BadRequest: 40060, another answered it.
        """
        select = Select(entity=Interaction, table="interactions", where={"id": self._id})
        found = await self._store.find_one(select)
        if found is None or found.waiting == Waiting.LATE:
            raise unknown("interaction")
        if found.waiting != self._held:
            raise BadRequest(*ANSWERED)
