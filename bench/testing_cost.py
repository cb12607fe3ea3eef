"""Testing cost: what a test server costs to start, and a test's own bot and guild to make and to remove."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "python"))

from tocsin.testing.server import TestServer, running

WARM = 20


def cpu_ms(pid: int) -> float:
    """CPU milliseconds that all threads of a process have used."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(each.read_text().split()[0]) for each in tasks) / 1e6


def reset_ms(server: TestServer) -> float:
    """Make a bot and a guild as the fixtures do, and remove both; how long that took."""
    began = time.perf_counter()
    bot = server.make_bot()
    server.make_guild(bot).close()
    server.revoke(bot.token)
    return (time.perf_counter() - began) * 1e3


def spread(figures: list[float]) -> dict[str, float]:
    """The median, the lowest and the highest, and the 99th percentile."""
    ordered = sorted(figures)
    return {
        "low": round(ordered[0], 2),
        "median": round(statistics.median(ordered), 2),
        "p99": round(ordered[int(len(ordered) * 0.99)], 2),
        "high": round(ordered[-1], 2),
    }


def measure(starts: int, resets: int) -> dict[str, Any]:
    """Start servers one after the other; of each measure the start, and of the last the resets."""
    cpu, wall, reset, used = [], [], [], []
    for turn in range(starts):
        with running() as server:
            cpu.append(cpu_ms(server.process.pid))
            wall.append(server.start_s * 1e3)
            if turn == starts - 1:
                for _ in range(WARM):
                    reset_ms(server)
                for _ in range(resets):
                    before = cpu_ms(server.process.pid)
                    reset.append(reset_ms(server))
                    used.append(cpu_ms(server.process.pid) - before)
    return {
        "start_cpu_ms": spread(cpu),
        "start_ms": spread(wall),
        "reset_ms": spread(reset),
        "reset_cpu_ms": spread(used),
    }


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=10)
    parser.add_argument("--resets", type=int, default=400)
    parser.add_argument("--out", type=Path, help="a file for the JSON")
    given = parser.parse_args()
    # The first start compiles what has no bytecode yet.
    with running():
        pass
    said = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    result = {
        "bench": "testing_cost",
        "starts": given.starts,
        "resets": given.resets,
        "commit": said.stdout.strip(),
        "figures": measure(given.starts, given.resets),
    }
    text = json.dumps(result, indent=2)
    if given.out is not None:
        given.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
