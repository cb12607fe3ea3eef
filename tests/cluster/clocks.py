"""Clocks that jump: a node's wall clock moved by minutes while it runs, as by a wrong NTP answer. Nothing ends by it.

By libfaketime, which reads how far it is off from a file. The monotonic clock goes on as it should.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster.observer import all_up, created_s

if TYPE_CHECKING:
    from tests.cluster.stage import Node, Stage

NOTICED_S = 10.0
BACK_S = 60.0


def library() -> str | None:
    """Return where libfaketime is; None where it is not."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    return str(found[0]) if found else None


def environment(file: Path, base: Mapping[str, str] = os.environ) -> Mapping[str, str]:
    """What a process needs whose wall clock is as far off as a file says."""
    found = library()
    assert found is not None, "no libfaketime on this machine: `make .build/faketime`"
    if not file.exists():
        file.write_text("+0")
    return {
        **base,
        "LD_PRELOAD": f"{found}:{base.get('LD_PRELOAD', '')}".rstrip(":"),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }


async def clock_ahead(stage: Stage) -> None:
    """A node's clock jumps ahead by minutes, and stays there."""
    node = stage.dice.choice(stage.alive())
    await _move(stage, [node], stage.dice.uniform(120, 900))
    # Its ids say that it has noticed.
    until = time.monotonic() + NOTICED_S
    while time.monotonic() < until:
        made = await stage.post(0, stage.guilds[0] + 1, at=node)
        if made and created_s(made) > time.time() + 60:
            return
        await asyncio.sleep(0.1)
    stage.disturbed["a clock did not move"] += 1


async def clock_back(stage: Stage) -> None:
    """A node's clock jumps back by minutes, and stays there."""
    node = stage.dice.choice(stage.alive())
    await _move(stage, [node], -stage.dice.uniform(120, 900))


async def clock_right(stage: Stage) -> None:
    """All clocks are right again."""
    await _move(stage, stage.nodes, 0)


async def _move(stage: Stage, nodes: Sequence[Node], offset_s: float) -> None:
    """Move clocks; neither its sessions nor others' may end while some heartbeats go by."""
    await all_up(stage.observers, BACK_S)
    before = len(stage.record.outages)
    stage.record.clocks_moved = True
    for node in nodes:
        node.set_clock(offset_s)
    # A second until it is noticed, and more than a heartbeat.
    await asyncio.sleep(1 + 1.5 * stage.scale.heartbeat_ms / 1000)
    lost = len(stage.record.outages) - before + sum(not each.up for each in stage.observers)
    if lost:
        stage.disturbed["outages by a clock"] += lost
