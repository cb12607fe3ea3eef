"""WebhookAvatars: the pictures under which webhooks write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tocsin.service.pictures import PictureFields
from tocsin.store.base import Select, Store

if TYPE_CHECKING:
    from tocsin.service.context import Context


class Pictured(msgspec.Struct, frozen=True, kw_only=True):
    """As much of a webhook as tells its picture."""

    id: int
    avatar: str | None = None


class WebhookAvatars(PictureFields):
    """Pictures, served while a webhook has them. A message shows the one its webhook has now, as a user's does."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, {"avatar": "webhookavatars"})
        self._store = context.store

    async def image(self, webhook_id: int, name: str) -> bytes | None:
        """Return the picture of that name if it is the avatar that a webhook has."""
        found = await pictured(self._store, id=webhook_id)
        return await self.given(found[0] if found else None, "avatar", name)

    async def of(self, **where: int) -> list[Pictured]:
        """Return the webhooks of a channel or guild, which is about to be deleted."""
        return await pictured(self._store, **where)

    async def drop_all(self, webhooks: list[Pictured]) -> None:
        """Forget the pictures of webhooks that are gone."""
        for webhook in webhooks:
            await self.drop(webhook)


async def pictured(store: Store, **where: int | list[int]) -> list[Pictured]:
    """Return the webhooks with these columns."""
    return await store.find(Select(entity=Pictured, table="webhooks", where=where))
