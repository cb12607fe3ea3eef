"""The disk under the database is full: writes are refused in words, sessions live on, and nothing answered is lost."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.stage import Scale, Stage, guild_id, open_channel


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tocsin-test", str(folder)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no file system may be mounted here: {made.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path) -> None:
    """Write a file until the disk is full."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass


@pytest.mark.timeout(180)
async def test_a_full_disk_refuses_writes_and_loses_nothing(tmp_path: Path, small_disk: Path) -> None:
    scale = Scale(nodes=2, sessions=20, rate=50)
    async with Stage(tmp_path, scale, database=small_disk / "shared.db") as stage:
        for _ in range(50):
            assert await stage.post(0, open_channel(guild_id(0)))
        fill(small_disk / "filler")
        # What the write-ahead log has room for is still written.
        for _ in range(5000):
            if not await stage.post(0, open_channel(guild_id(0))):
                break
        refused, answered = dict(stage.refused), len(stage.acknowledged)
        assert set(refused) == {503}, refused
        assert sum(refused.values()) == 1
        assert stage.unanswered == 0
        assert all(each.up for each in stage.observers)
        (small_disk / "filler").unlink()
        for _ in range(50):
            assert await stage.post(0, open_channel(guild_id(0)))
        assert len(stage.acknowledged) == answered + 50
        await stage.settle()
        verdict = stage.judge()
    assert verdict.right, verdict.summary()
    assert verdict.deliveries >= (answered + 50) * scale.sessions
