"""`tocsin token`: tokens of users that exist. Only a token's digest is kept, so it is shown once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import click
import msgspec

from tocsin.cli.options import settings_from, settings_options
from tocsin.errors import TocsinError

if TYPE_CHECKING:
    from tocsin.config import Settings
    from tocsin.store.base import Store

T = TypeVar("T")


@click.group()
def token() -> None:
    """Make and revoke tokens."""


@token.command()
@click.argument("user")
@settings_options("data", "database")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def create(user: str, config: str | None, as_json: bool, **flags: str | None) -> None:
    """Make a token for USER (a name or an id) and print it. Other tokens of the user stay good."""
    made, user_id, name = asyncio.run(_with_store(settings_from(config, flags), lambda store: _create(store, user)))
    if as_json:
        click.echo(msgspec.json.encode({"token": made, "user_id": str(user_id), "username": name}))
    else:
        click.echo(made)


@token.command()
@click.argument("value", metavar="TOKEN")
@settings_options("data", "database", "bus", "bus_prefix", "bus_partitions")
def revoke(value: str, config: str | None, **flags: str | int | None) -> None:
    """Revoke TOKEN: from now on it is refused, by running nodes too: one that runs on --data, or all over --bus.

    Exits 1 when it was not known, or when the nodes could not be told.
    """
    from tocsin.cli.running import ask, running_node

    settings = settings_from(config, flags)
    node = running_node(settings.data)
    if node is None:
        known = _revoke_without_node(settings, value)
    else:
        known = ask(node, "/_tocsin/revoke", msgspec.json.encode({"token": value}))["known"]
    if not known:
        raise TocsinError("no such token")
    click.echo("revoked")


async def _with_store(settings: Settings, work: Callable[[Store], Awaitable[T]]) -> T:
    from tocsin.store import open_store

    store = open_store(settings, _clock)
    await store.open()
    try:
        return await work(store)
    finally:
        await store.close()


def _clock() -> int:
    return time.time_ns() // 1_000_000


async def _create(store: Store, name: str) -> tuple[str, int, str]:
    from tocsin.service.auth import digest_of, new_token
    from tocsin.store import rows

    user = await store.user_by_name(name)
    if user is None and name.isascii() and name.isdigit() and len(name) < 20:
        user = await store.user(int(name))
    if user is None:
        raise TocsinError(f"no user called {name!r}; `tocsin seed` makes users")
    made = new_token(user.id, _clock())
    await store.commit(rows.token_ops(digest_of(made), user.id, _clock()))
    return made, user.id, user.username


def _revoke_without_node(settings: Settings, value: str) -> bool:
    from tocsin.service.auth import digest_of, strip_scheme

    digest = digest_of(strip_scheme(value))
    user_id = asyncio.run(_with_store(settings, lambda store: _revoke(store, digest)))
    if user_id is None:
        return False
    if settings.bus != "local:":
        from tocsin.gateway.word import Word

        try:
            with Word(settings) as word:
                word.revoked(user_id, digest)
        except TocsinError as error:
            raise TocsinError(
                f"the token is revoked in the database, but the nodes were not told: {error}. Their APIs refuse it "
                "within 10 s; its sessions go on until their node finds a Redis again that it had lost"
            ) from None
    return True


async def _revoke(store: Store, digest: bytes) -> int | None:
    """Return whose the token was."""
    from tocsin.store.base import Delete

    user = await store.user_by_token(digest)
    await store.commit([Delete("tokens", {"digest": digest})])
    return None if user is None else user.id
