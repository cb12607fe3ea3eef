"""With the GIL held by a hostile extension call, heartbeats are acknowledged, messages flow, and sessions resume."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.raw_client import RawClient, op
from tests.support.server import WORLD

HELD_S = int(os.environ.get("TOCSIN_TEST_GIL_S", "3"))
MESSAGES = 50


class Holder:
    """The node's process. `busy` is true while it holds the GIL."""

    def __init__(self, data: Path) -> None:
        world = data / "world.json"
        world.write_text(json.dumps(WORLD))
        script = Path(__file__).parents[1] / "support" / "gil_holder.py"
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(data), str(world)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
        )
        self.gateway = self._line()

    def _line(self) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(("ws://", "done")):
                return line.strip()
        raise AssertionError("the node ended")

    def hold(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"hold {HELD_S} {MESSAGES}\n")

    def wait(self) -> None:
        assert self._line() == "done"

    def stop(self) -> None:
        with self.process:
            assert self.process.stdin is not None
            self.process.stdin.close()
            assert self.process.wait(30) == 0


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[Holder]:
    started = Holder(tmp_path)
    yield started
    started.stop()


def test_a_held_gil_stops_neither_heartbeats_nor_messages_nor_resumes(holder: Holder) -> None:
    with RawClient(holder.gateway) as client, RawClient(holder.gateway) as other:
        client.open()
        ready = client.identify("bell-token", intents=512)
        other.open()
        holder.hold()
        # The first message can only arrive once the batch is in the core: from here on Python is in the C call.
        received = [client.read_until(0, "MESSAGE_CREATE")["d"]["id"] for _ in range(MESSAGES)]
        assert received == [str(number) for number in range(MESSAGES)]
        started = time.monotonic()
        beats = 0
        while time.monotonic() - started < HELD_S - 1:
            client.send(op(1, MESSAGES + 1))
            assert client.read_until(11)["op"] == 11
            beats += 1
            if beats >= 100:
                break
        client.socket.close()
        other.send(op(6, {"token": "bell-token", "session_id": ready["session_id"], "seq": MESSAGES + 1}))
        assert other.read_until(0, "RESUMED")["d"] == {}
        still_held = time.monotonic() - started < HELD_S
        holder.wait()
        assert beats >= 100
        assert still_held, "the machine was too slow to tell"
