"""A short nemesis: one of every fault, drawn by a seed, on a cluster under load; `make nemesis` is the long one."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import clocks
from tests.cluster.faultproxy import DEAF, FINE, Faults
from tests.cluster.nemesis import run
from tests.cluster.schedules import CLOCK_FAULTS, DISK_FAULTS, FAULTS, POSTGRES_DISK_FAULTS
from tests.cluster.stage import LONG_TTL_MS, Scale, Stage

# Each outage of a frozen node lasts some heartbeats.
QUICK_MS = 1500


def told(found: dict[str, Any]) -> str:
    """All that a run says of itself, and where its evidence is; pytest shortens what is no text."""
    return json.dumps(found, indent=1)


@pytest.mark.timeout(300)
async def test_whatever_befalls_three_nodes_no_session_loses_anything_in_silence(tmp_path: Path) -> None:
    scale = Scale(nodes=3, sessions=100, rate=50, heartbeat_ms=QUICK_MS, seed=20261128)
    found = await run(tmp_path, "all", scale, times=len(FAULTS), pause_s=0.2)
    assert found["faults"] == dict.fromkeys(found["faults"], 1)
    assert {*found["faults"]} == {*FAULTS}
    assert found["right"], told(found)
    assert found["holes_found"] == found["holes_made"], told(found)
    assert found["resumed"] + found["invalidated"] >= scale.sessions, told(found)
    assert found["errors"] == {}, told(found)
    assert found["disturbed"] == {}, told(found)
    assert found["stalls"] > 0, told(found)
    assert found["tail_bytes"] > 0, told(found)


@pytest.mark.timeout(180)
async def test_members_who_come_and_go_and_channels_that_are_taken_beside_kills_are_told_right(tmp_path: Path) -> None:
    scale = Scale(
        nodes=3, sessions=60, members=30, rate=40, changes=20, takings=1, seed=20261128, inbox_ttl_ms=LONG_TTL_MS
    )
    found = await run(tmp_path, "kills", scale, times=4, pause_s=0.3)
    assert found["right"], found
    assert found["resumed_elsewhere"] > 0, found
    assert {*found["changed"]} == {"PUT", "PATCH", "DELETE"}, found
    assert found["errors"] == {}, found["errors"]


@pytest.mark.timeout(180)
@pytest.mark.skipif(clocks.library() is None, reason="there is no libfaketime here")
async def test_a_clock_that_jumps_ends_nothing_and_gives_no_id_twice(tmp_path: Path) -> None:
    scale = Scale(nodes=3, sessions=60, rate=50, heartbeat_ms=QUICK_MS, seed=20261128, postgres=True)
    found = await run(tmp_path, "clocks", scale, times=5, pause_s=0.2)
    assert {*CLOCK_FAULTS, "kill", "redis-empty"} == {*found["faults"]}
    assert found["right"], told(found)
    assert found["disturbed"] == {}, told(found)


@pytest.mark.timeout(180)
async def test_nor_do_sessions_of_nodes_over_a_postgresql_that_is_killed_and_frozen(tmp_path: Path) -> None:
    scale = Scale(nodes=3, sessions=100, rate=50, heartbeat_ms=QUICK_MS, seed=20261128, postgres=True)
    found = await run(tmp_path, "postgres", scale, times=4, pause_s=0.2)
    assert found["faults"] == dict.fromkeys(("postgres-killed", "postgres-frozen", "kill", "redis-empty"), 1)
    assert found["right"], told(found)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("postgres", [False, True], ids=["sqlite", "postgresql"])
async def test_full_disks_refuse_in_words_what_they_cannot_keep_and_end_nothing(tmp_path: Path, postgres: bool) -> None:
    faults = {*DISK_FAULTS, *(POSTGRES_DISK_FAULTS if postgres else ())}
    scale = Scale(nodes=2, sessions=60, rate=50, seed=20261128, postgres=postgres)
    found = await run(tmp_path, "disk", scale, times=len(faults), pause_s=0.2)
    assert found["faults"] == dict.fromkeys(faults, 1)
    assert found["right"], told(found)
    assert found["disturbed"] == {}, told(found)
    assert {*found["refused_posts"]} == {503}, told(found)


@pytest.mark.timeout(60)
async def test_of_the_first_events_of_a_log_none_is_lost_that_another_node_is_quicker_to_follow(tmp_path: Path) -> None:
    async with Stage(tmp_path, Scale(nodes=2, sessions=20)) as stage:
        slow, quick = stage.nodes
        await asyncio.to_thread(slow.proxy.set, Faults(up=DEAF))
        # Committed and answered, and on its way to Redis.
        assert await stage.post(0, stage.guilds[0] + 1, at=slow)
        second = await stage.post(0, stage.guilds[0] + 1, at=quick)
        there = stage.sessions_at(quick)
        while {each.last_id for each in there} != {second}:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await asyncio.to_thread(slow.proxy.set, FINE)
        await stage.settle()
        verdict = stage.judge()
        assert verdict.right, verdict.summary()
        assert there
        assert {len(each.lives[0].ids) for each in stage.observers} == {3}


@pytest.mark.timeout(180)
async def test_what_one_node_takes_no_session_of_another_is_told(tmp_path: Path) -> None:
    scale = Scale(nodes=2, sessions=60, rate=100, seed=20261128)
    found = await run(tmp_path, "revocation", scale, judged=10_000)
    assert found["right"], told(found)
    assert found["operations"] > 0
    assert found["withheld"] > 0
    assert found["effect_ms"]["count"] > 0
    assert found["errors"] == {}, told(found)


@pytest.mark.timeout(180)
async def test_nodes_that_change_the_cohorts_after_the_fan_out_are_found_out(tmp_path: Path) -> None:
    scale = Scale(nodes=2, sessions=60, rate=200, seed=7, settle_s=5)
    found = await run(tmp_path, "revocation", scale, judged=10_000, module="tests.oracle.planted")
    assert found["forbidden"] > 0, told(found)
    assert not found["right"]
    assert found["samples"]
    evidence = Path(found["evidence"])
    sessions = json.loads((evidence / "sessions.json").read_text())
    assert [each["session"] for each in sessions] == found["suspects"][: len(sessions)]
    assert any(life["not_due"] for each in sessions for life in each["lives"])
    assert (evidence / "node-1.log").stat().st_size
    shutil.rmtree(evidence)
