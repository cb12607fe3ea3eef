"""What was taken away is not told any more, and nothing else is missed: revocation travels in the log (design §2)."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from tests.oracle.judge import Verdict
from tests.oracle.load import SHORT, Town
from tests.oracle.run import FLAGS, PASSIVE, Run
from tests.support.server import running_server


def play(data: Path, seed: int, module: str = "tocsin") -> Verdict:
    town = Town(SHORT, seed)
    with running_server(data, *FLAGS, world=town.world(), module=module) as server:
        return asyncio.run(Run(town, server).play())


def test_under_changing_permissions_every_session_is_told_what_is_due_to_it_and_nothing_else(tmp_path: Path) -> None:
    verdict = play(tmp_path, seed=20261124)
    assert verdict.right, verdict.samples
    assert verdict.deliveries >= SHORT.deliveries
    assert verdict.operations > 50
    assert verdict.late > 0
    assert verdict.resumes > 0
    assert verdict.revoked_ms
    assert verdict.granted_ms


def test_who_does_not_look_at_a_large_guild_is_told_what_is_left_and_loses_sight_in_the_same_order(
    tmp_path: Path,
) -> None:
    town = Town(dataclasses.replace(SHORT, deliveries=6000), seed=20261128, passive=True)
    with running_server(tmp_path, *FLAGS, *PASSIVE, world=town.world()) as server:
        verdict = asyncio.run(Run(town, server).play())
    assert verdict.right, verdict.samples
    assert verdict.operations > 50
    assert verdict.revoked_ms
    assert verdict.granted_ms


@pytest.mark.parametrize("seed", [7])
def test_a_node_that_changes_the_cohorts_after_the_fan_out_is_found_out(tmp_path: Path, seed: int) -> None:
    verdict = play(tmp_path, seed, module="tests.oracle.planted")
    assert verdict.leaks > 0
    assert verdict.missing > 0
