"""A short nemesis: one of every fault, drawn by a seed, on a cluster under load; `make nemesis` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster import clocks
from tests.cluster.nemesis import run
from tests.cluster.schedules import CLOCK_FAULTS, FAULTS
from tests.cluster.stage import Scale

# Each outage of a frozen node lasts some heartbeats.
QUICK_MS = 1500


@pytest.mark.timeout(300)
async def test_whatever_befalls_three_nodes_no_session_loses_anything_in_silence(tmp_path: Path) -> None:
    scale = Scale(nodes=3, sessions=100, rate=50, heartbeat_ms=QUICK_MS, seed=20261128)
    found = await run(tmp_path, "all", scale, times=len(FAULTS), pause_s=0.2)
    assert found["faults"] == dict.fromkeys(found["faults"], 1)
    assert {*found["faults"]} == {*FAULTS}
    assert found["right"], found
    assert found["holes_found"] == found["holes_made"], found
    assert found["resumed"] + found["invalidated"] >= scale.sessions, found
    assert found["errors"] == {}, found["errors"]
    assert found["disturbed"] == {}, found
    assert found["stalls"] > 0, found
    assert found["tail_bytes"] > 0, found


@pytest.mark.timeout(180)
@pytest.mark.skipif(clocks.library() is None, reason="there is no libfaketime here")
async def test_a_clock_that_jumps_ends_nothing_and_gives_no_id_twice(tmp_path: Path) -> None:
    scale = Scale(nodes=3, sessions=60, rate=50, heartbeat_ms=QUICK_MS, seed=20261128, postgres=True)
    found = await run(tmp_path, "clocks", scale, times=5, pause_s=0.2)
    assert {*CLOCK_FAULTS, "kill", "redis-empty"} == {*found["faults"]}
    assert found["right"], found
    assert found["disturbed"] == {}, found


@pytest.mark.timeout(180)
async def test_nor_do_sessions_of_nodes_over_a_postgresql_that_is_killed_and_frozen(tmp_path: Path) -> None:
    scale = Scale(nodes=3, sessions=100, rate=50, heartbeat_ms=QUICK_MS, seed=20261128, postgres=True)
    found = await run(tmp_path, "postgres", scale, times=4, pause_s=0.2)
    assert found["faults"] == dict.fromkeys(("postgres-killed", "postgres-frozen", "kill", "redis-empty"), 1)
    assert found["right"], found


@pytest.mark.timeout(180)
async def test_what_one_node_takes_no_session_of_another_is_told(tmp_path: Path) -> None:
    scale = Scale(nodes=2, sessions=60, rate=100, seed=20261128)
    found = await run(tmp_path, "revocation", scale, judged=10_000)
    assert found["right"], found
    assert found["operations"] > 0
    assert found["withheld"] > 0
    assert found["effect_ms"]["count"] > 0
    assert found["errors"] == {}, found["errors"]


@pytest.mark.timeout(180)
async def test_nodes_that_change_the_cohorts_after_the_fan_out_are_found_out(tmp_path: Path) -> None:
    scale = Scale(nodes=2, sessions=60, rate=200, seed=7, settle_s=5)
    found = await run(tmp_path, "revocation", scale, judged=10_000, module="tests.oracle.planted")
    assert found["forbidden"] > 0, found
    assert not found["right"]
    assert found["samples"]
