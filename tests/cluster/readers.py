"""Readers: sessions that read nothing for a while, or come back all at once, remembering nothing."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tests.cluster.observer import Observer, all_up

if TYPE_CHECKING:
    from tests.cluster.stage import Node, Stage

BACK_S = 60.0
FLOOD_S = 30.0
OUTBOUND_BYTES = 131_072
SLACK_BYTES = 48 << 20
"""How much a node may grow for other reasons: what is missed is kept for resumes, once for all sessions."""

LARGE = {"content": "\N{GRINNING FACE}" * 2000, "embeds": [{"description": "\N{GRINNING FACE}" * 4000}]}
"""24 KB in UTF-8: a kernel takes some MB of what nobody reads."""


async def slow_readers(stage: Stage) -> None:
    """A tenth of the sessions read nothing for a while."""
    some = stage.dice.sample(stage.observers, max(1, len(stage.observers) // 10))
    for each in some:
        each.read(False)
    await asyncio.sleep(stage.dice.uniform(0.5, 2))
    for each in some:
        each.read(True)


async def stalled(stage: Stage) -> None:
    """Some of a guild read nothing while much is said: they are closed with 4000, the others hear it, the node's memory
    stays bounded, and who reads again resumes with all of it.
    """
    await all_up(stage.observers, BACK_S)
    number = stage.dice.randrange(stage.scale.guilds)
    guild = stage.guilds[number]
    inside = [each for each in stage.observers if each.guild == guild]
    some = stage.dice.sample(inside, max(1, len(inside) // 5))
    others = [each for each in inside if each not in some]
    slow_before, rss_before = await _slow(stage), _rss(stage)
    closed_before = stage.record.closes[4000]
    for each in some:
        each.read(False)
    until = time.monotonic() + FLOOD_S
    last = 0
    while (slow := await _slow(stage) - slow_before) < len(some) and time.monotonic() < until:
        posted = await asyncio.gather(*(stage.post(number, guild + 1, body=LARGE) for _ in range(20)))
        last = max(*posted, last)
        # Who reads is not to be taken for stalled because this process does not come to it.
        await _have(others, last, until)
    if slow != len(some):
        stage.disturbed["stalled readers that were not closed"] += len(some) - slow
    grown = max(after - before for after, before in zip(_rss(stage), rss_before, strict=True))
    if grown > SLACK_BYTES + len(some) * OUTBOUND_BYTES:
        stage.disturbed["nodes grew by stalled readers"] += 1
    # The others of the guild were never in the way of each other.
    if not await _have(others, last, time.monotonic() + FLOOD_S):
        stage.disturbed["others waited for stalled readers"] += 1
    for each in some:
        each.read(True)
    await all_up(stage.observers, BACK_S)
    stage.stalls += len(some)
    stage.stalls_told += stage.record.closes[4000] - closed_before


async def _have(some: Sequence[Observer], message: int, until: float) -> bool:
    """Wait until all have been told a message, or it is too late."""
    while not all(each.up and each.last_id >= message for each in some):
        if time.monotonic() > until:
            return False
        await asyncio.sleep(0.02)
    return True


async def storm(stage: Stage) -> None:
    """Every connection of every session ends at once."""
    for each in stage.observers:
        each.cut()
    await asyncio.sleep(0)
    await all_up(stage.observers, BACK_S)


async def forgetful(stage: Stage) -> None:
    """The same, and nobody remembers its session: all identify at once."""
    for each in stage.observers:
        each.forget()
    await asyncio.sleep(0)
    await all_up(stage.observers, BACK_S)


async def _slow(stage: Stage) -> int:
    """How many connections the nodes closed over their outbound limit."""

    async def count(node: Node) -> int:
        assert node.server is not None
        async with stage.http.get(f"{node.server.http}/metrics") as reply:
            found = re.search(r"^tocsin_slow_clients_total (\d+)", await reply.text(), re.MULTILINE)
        assert found is not None
        return int(found[1])

    return sum(await asyncio.gather(*(count(node) for node in stage.alive())))


def _rss(stage: Stage) -> list[int]:
    """The resident octets of each node."""
    return [node.resident_bytes() for node in stage.alive()]
