"""Large guild: one node with a guild of half a million members, and 5,000 sessions of people who do not look, then of
bots: what seeding, starting, identifying, memory and a message cost. Prints one JSON object."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench.servers import CLIENT_CPU, ROOT, SERVER_CPU, pinned
from bench.testing_cost import cpu_ms
from tocsin.testing.server import launch

LOAD = ROOT / "target" / "bench" / "release" / "tocsin-load"
LIMITS = (
    *("--message-rate-limit=0", "--global-rate-limit=0", "--identify-max-concurrency=1000000"),
    *("--session-start-limit=1000000", "--identify-timeout-ms=600000", "--handshake-timeout-ms=600000"),
)


def world(members: int, sessions: int) -> dict[str, Any]:
    """A guild of ada's with so many members, of whom `sessions` people and bots may log in."""
    crowds = [
        {"users": sessions, "username": "load-{n}", "token": "load-token-{n}", "join": ["Crowd"]},
        {"users": sessions, "username": "bot-{n}", "token": "bot-token-{n}", "bot": True, "join": ["Crowd"]},
        {"users": members - 2 * sessions - 1, "username": "face-{n}", "join": ["Crowd"]},
    ]
    channels = [{"id": str(3001 + number), "name": f"room-{number}", "type": 0} for number in range(20)]
    guild = {"id": "2001", "name": "Crowd", "owner": "ada", "channels": channels}
    ada = {"id": "1001", "username": "ada", "token": "ada-token"}
    return {"users": [ada], "guilds": [guild], "generate": crowds}


def rss_mib(pid: int) -> float:
    """Resident MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


@contextmanager
def sessions(server: Any, ready: dict[str, Any], count: int, token: str, intents: int, steps: str) -> Iterator[Any]:
    """So many sessions of the load generator while the block runs; its process is given."""
    port = ready["gateway"].rpartition(":")[2]
    command = [str(LOAD), "gateway", "--port", port, "--pid", str(server.pid), "--connections", str(count)]
    command += ["--token", token, "--intents", str(intents), "--http", ready["http"].rpartition(":")[2]]
    command += ["--channel", "3001", "--author", "ada-token", "--steps", steps]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=pinned(CLIENT_CPU)
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until_identified(ready: dict[str, Any], count: int) -> None:
    """Wait until the node has so many sessions."""
    while True:
        text = httpx.get(f"{ready['http']}/metrics", timeout=60).text
        live = [float(line.split()[-1]) for line in text.splitlines() if line.startswith("tocsin_identifies_total{")]
        if sum(live) >= count:
            return
        time.sleep(0.1)


def posts(server: Any, ready: dict[str, Any], count: int, rate: float) -> dict[str, float]:
    """POST so many messages at a rate; the node's CPU for each, and how long they took."""
    took = []
    with httpx.Client(base_url=f"{ready['http']}/api/v10", headers={"Authorization": "ada-token"}) as http:
        http.post("/channels/3001/messages", json={"content": "warm"})
        before, began = cpu_ms(server.pid), time.monotonic()
        for number in range(count):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            sent = time.monotonic()
            assert http.post("/channels/3001/messages", json={"content": f"message {number}"}).status_code == 200
            took.append((time.monotonic() - sent) * 1e3)
    took.sort()
    return {
        "cpu_us": round((cpu_ms(server.pid) - before) / count * 1e3, 1),
        "post_p50_ms": round(statistics.median(took), 2),
        "post_p99_ms": round(took[int(count * 0.99)], 2),
    }


def measure(members: int, count: int, messages: int) -> dict[str, Any]:
    """Seed, start, connect and send."""
    found: dict[str, Any] = {"members": members, "sessions": count}
    with tempfile.TemporaryDirectory(prefix="tocsin-large-") as folder:
        data = Path(folder)
        (data / "world.json").write_text(json.dumps(world(members, count)))
        began = time.monotonic()
        server, ready = launch(data, "--http-port=0", "--gateway-port=0", f"--seed={data / 'world.json'}", *LIMITS)
        try:
            if (os.cpu_count() or 1) > 1:
                for task in Path(f"/proc/{server.pid}/task").iterdir():
                    os.sched_setaffinity(int(task.name), {SERVER_CPU})
            found["seed_and_start_s"] = round(time.monotonic() - began, 1)
            found["seed_and_start_cpu_s"] = round(cpu_ms(server.pid) / 1e3, 1)
            found["rss_seeded_mib"] = round(rss_mib(server.pid))
            found["alone"] = posts(server, ready, messages, 20)
            for name, token, intents in (
                ("people", "load-token-{n}", 1 << 9 | 1),
                ("bots", "bot-token-{n}", 1 << 9 | 1),
            ):
                before, began = cpu_ms(server.pid), time.monotonic()
                known = sum(found.get(each, {}).get("sessions", 0) for each in ("people", "bots"))
                with sessions(server, ready, count, token, intents, "connect,identify,idle:3600"):
                    until_identified(ready, known + count)
                    figures: dict[str, Any] = {
                        "sessions": count,
                        "identify_cpu_us": round((cpu_ms(server.pid) - before) / count * 1e3),
                        "identify_s": round(time.monotonic() - began, 1),
                        "rss_mib": round(rss_mib(server.pid)),
                    }
                    time.sleep(1)  # what identifies left to do is not the messages'
                    figures |= posts(server, ready, messages, 20)
                found[name] = figures
        finally:
            server.kill()
            server.wait()
    return found


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=500_000)
    parser.add_argument("--sessions", type=int, default=5_000)
    parser.add_argument("--messages", type=int, default=300)
    parser.add_argument("--out", type=Path, help="a file for the JSON")
    given = parser.parse_args()
    said = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    figures = measure(given.members, given.sessions, given.messages)
    text = json.dumps({"bench": "large_guild", "commit": said.stdout.strip(), "figures": figures}, indent=2)
    if given.out is not None:
        given.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
