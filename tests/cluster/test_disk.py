"""Disks that are full: writes are refused in words, sessions live on, and nothing answered is lost."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cluster.stage import Scale, Stage, guild_id, open_channel
from tests.support.full_disk import FullDisk

STORE_FULL = 'tocsin_store_refused_total{reason="full"}'


class Disk(NamedTuple):
    """A folder whose disk can be filled, and given room again; and what its processes are to be started with."""

    folder: Path
    fill: Callable[[], None]
    free: Callable[[], None]
    library: FullDisk | None = None


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Disk]:
    """A file system of 24 MiB, of the kernel's."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tocsin-test", str(folder)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no file system may be mounted here: {made.stderr.decode().strip()}")
    try:
        yield Disk(folder, lambda: fill(folder / "filler"), (folder / "filler").unlink)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def library(tmp_path: Path) -> Disk:
    """A disk that is full for those processes that are told so."""
    disk = FullDisk()
    return Disk(tmp_path, lambda: disk.fill(tmp_path / "shared.db"), disk.free, disk)


@pytest.fixture(params=["mounted", "library"])
def small_disk(request: pytest.FixtureRequest) -> Disk:
    disk: Disk = request.getfixturevalue(request.param)
    return disk


def fill(path: Path) -> None:
    """Write a file until the disk is full."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass


@pytest.mark.timeout(180)
@pytest.mark.parametrize("nodes", [1, 2])
async def test_a_full_disk_refuses_writes_and_loses_nothing(tmp_path: Path, small_disk: Disk, nodes: int) -> None:
    scale = Scale(nodes=nodes, sessions=20, rate=50)
    async with Stage(tmp_path, scale, database=small_disk.folder / "shared.db", disk=small_disk.library) as stage:
        for _ in range(50):
            assert await stage.post(0, open_channel(guild_id(0)))
        small_disk.fill()
        # What the write-ahead log has room for is still written.
        for _ in range(5000):
            if not await stage.post(0, open_channel(guild_id(0))):
                break
        refused, answered = dict(stage.refused), len(stage.acknowledged)
        assert set(refused) == {503}, refused
        assert sum(refused.values()) == 1
        assert stage.unanswered == 0
        assert stage.disturbed == {}
        assert all(each.up for each in stage.observers)
        assert sum([await node.counter(STORE_FULL) for node in stage.nodes]) == 1
        small_disk.free()
        for _ in range(50):
            assert await stage.post(0, open_channel(guild_id(0)))
        assert len(stage.acknowledged) == answered + 50
        await stage.settle()
        verdict = stage.judge()
    assert verdict.right, verdict.summary()
    assert verdict.deliveries >= (answered + 50) * scale.sessions


@pytest.mark.timeout(180)
async def test_a_node_lives_on_whose_database_files_and_log_are_all_on_a_full_disk(tmp_path: Path) -> None:
    disk = FullDisk()
    scale = Scale(nodes=1, sessions=20, rate=50)
    file = bytes(1_000_000)
    async with Stage(tmp_path, scale, disk=disk) as stage:
        [node] = stage.nodes
        channel = open_channel(guild_id(0))
        assert await stage.post(0, channel, file=file)
        log = tmp_path / "node-1" / "server.log"
        disk.fill(tmp_path)
        for _ in range(200):
            await stage.post(0, channel, body={"content": "x" * 2000})
            await stage.post(0, channel, file=file)
        logged = log.stat().st_size
        assert set(stage.refused) == {503}, stage.refused
        assert stage.refused[503] > 200
        assert stage.disturbed == {}
        assert await node.counter("tocsin_log_failures_total") > 0
        assert await node.ready()
        assert all(each.up for each in stage.observers)
        disk.free()
        assert await stage.post(0, channel)
        assert await stage.post(0, channel, file=file)
        assert log.stat().st_size >= logged
        assert [*node.content.rglob("*.part")] == []
        await stage.settle()
        verdict = stage.judge()
    assert verdict.right, verdict.summary()
