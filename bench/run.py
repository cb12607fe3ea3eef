"""Run: measures everything of the plan and keeps it as one JSON file; `bench/render.py` makes the page from it."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import render
from bench.plan import FULL, QUICK, VOLLEYS, Scenario, scenarios
from bench.servers import CLIENT_CPU, PEERS, ROOT, Started, pinned

RESULTS = ROOT / "bench" / "results"
STUCK_S = 600
LIVE_AHEAD_S = 0.7
"""Long enough for the live sessions to identify and send the first volleys."""
PACKAGES = ("litestar", "granian", "uvloop", "msgspec", "websockets", "picows", "orjson", "erlpack", "zstandard")


def build(target: Path) -> Path:
    """Build the load generator in release and return it."""
    manifest = ROOT / "bench" / "load" / "Cargo.toml"
    command = ["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", str(manifest)]
    subprocess.run([*command, "--target-dir", str(target)], check=True)
    return target / "release" / "tocsin-load"


def busy_s() -> float:
    """CPU seconds that anything on this machine has used."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    ticks = [int(word) for word in words]
    # user nice system idle iowait irq softirq steal
    return (sum(ticks[:8]) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def beating(scenario: Scenario, server: Started, load: Path) -> Iterator[list[dict[str, Any]]]:
    """Let the scenario's live sessions beat during the block; their volleys are in the list when it is over.

    Raises:
        RuntimeError: they failed, or were done before the block was.
    """
    volleys: list[dict[str, Any]] = []
    if not scenario.live:
        yield volleys
        return
    steps = ("connect", "identify", *("beat", "idle:0.1") * VOLLEYS)
    command = [str(load), "gateway", "--port", str(server.port), "--connections", str(scenario.live)]
    command += ["--steps", ",".join(steps)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=pinned(CLIENT_CPU)) as process:
        assert process.stdout is not None
        time.sleep(LIVE_AHEAD_S)
        yield volleys
        if process.poll() is not None:
            raise RuntimeError("the live sessions were done before the storm was")
        said_ = process.stdout.read()
    if process.returncode:
        raise RuntimeError("the live sessions failed")
    volleys += [step for step in json.loads(said_)["steps"] if step["step"] == "beat"]


def measure(scenario: Scenario, load: Path) -> dict[str, Any]:
    """Run a scenario once; a failure is a result too and is kept with its reason."""
    report: dict[str, Any] = {}
    live: list[dict[str, Any]] = []
    busy, began = busy_s(), time.monotonic()
    try:
        with scenario.start() as server:
            busy, began = busy_s(), time.monotonic()
            command = [
                str(load), "gateway", "--port", str(server.port), "--pid", str(server.pid), *server.publish,
                "--connections", str(scenario.connections), *scenario.flags, "--steps", ",".join(scenario.steps),
            ]  # fmt: skip
            with beating(scenario, server, load) as live:
                done = subprocess.run(
                    command, capture_output=True, text=True, timeout=STUCK_S, preexec_fn=pinned(CLIENT_CPU), check=False
                )
            report = json.loads(done.stdout) if done.returncode == 0 else {"error": done.stderr.strip()[-600:]}
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        report = {"error": str(error)[-600:]}
    if live:
        report["live"] = live
    wall = time.monotonic() - began
    steps = report.get("steps", [])
    own = sum(step["server_cpu"]["total_s"] + step["client_cpu_share"] * step["wall_s"] for step in steps)
    report["others_cpus"] = max(0.0, busy_s() - busy - own) / wall
    return report


def micro(quick: bool) -> list[dict[str, Any]]:
    """Run bench/micro and return its figures."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "micro.json")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "bench/micro",
            "--benchmark-enable",
            f"--benchmark-json={out}",
            "--timeout=600",
        ]
        command += ["--benchmark-max-time=0.3", "--benchmark-min-rounds=3"] if quick else []
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "python")])}
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env, check=False)
        if not out.exists():
            return [{"error": (done.stdout + done.stderr)[-600:]}]
        found = json.loads(out.read_text())["benchmarks"]
    return [
        {
            "name": each["name"],
            "group": each["group"],
            "extra": each["extra_info"],
            "stats": {key: each["stats"][key] for key in ("min", "median", "iqr", "rounds", "iterations")},
        }
        for each in found
    ]


def machine() -> dict[str, Any]:
    """What this ran on."""
    info = Path("/proc/cpuinfo").read_text()
    model = next((line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")), "")
    memory = next(int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines() if "MemTotal" in line)
    return {
        "name": platform.node(),
        "cpu": model or platform.machine(),
        "cpus": os.cpu_count(),
        "memory_gib": round(memory / (1 << 20), 1),
        "kernel": platform.release(),
    }


def said(*command: str) -> str:
    """The first line a command prints, or nothing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    except OSError:
        return ""
    return done.stdout.strip().split("\n")[0]


def versions() -> dict[str, str]:
    """What was measured."""
    found = {
        "python": platform.python_version(),
        "rustc": said("rustc", "--version"),
        "node": said("node", "--version"),
    }
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    for name in ("ws", "bun"):
        package_json = PEERS / "node_modules" / name / "package.json"
        found[name] = json.loads(package_json.read_text())["version"] if package_json.exists() else "not installed"
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller and shorter: under five minutes")
    parser.add_argument("--only", default="", help="run the scenarios whose name holds this text")
    parser.add_argument("--no-micro", action="store_true", help="leave bench/micro out")
    parser.add_argument("--note", default="", help="a sentence that the page shows, such as who shared the machine")
    parser.add_argument("--target", type=Path, default=ROOT / "target" / "bench", help="where the generator is built")
    parser.add_argument("--load", type=Path, help="a generator that is built already")
    parser.add_argument("--out", type=Path, help="the JSON file, instead of bench/results/<date>-<machine>.json")
    options = parser.parse_args()

    load = options.load or build(options.target)
    plan = [pair for pair in scenarios(QUICK if options.quick else FULL, load) if options.only in pair[1].name]
    began = datetime.datetime.now(datetime.UTC)
    result: dict[str, Any] = {
        "began": began.isoformat(timespec="seconds"),
        "command": "python -m bench.run" + (" --quick" if options.quick else ""),
        "commit": said("git", "describe", "--always", "--dirty"),
        "note": options.note,
        "machine": machine(),
        "versions": versions(),
        "runs": [],
    }
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=len(plan) + (not options.no_micro))
        for turn, scenario in plan:
            progress.update(task, description=scenario.name)
            report = measure(scenario, load)
            result["runs"].append(
                {
                    "group": scenario.group,
                    "server": scenario.server,
                    "connections": scenario.connections,
                    "round": turn,
                    **report,
                }
            )
            progress.advance(task)
        if not options.no_micro:
            progress.update(task, description="micro")
            result["micro"] = micro(options.quick)
            progress.advance(task)
    took = datetime.datetime.now(datetime.UTC) - began
    result["took_s"] = round(took.total_seconds())
    out: Path = options.out or RESULTS / f"{began:%Y-%m-%d}-{platform.node()}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")
    page = render.write(out)
    errors = Counter(run["error"] for run in result["runs"] if "error" in run)
    for error, count in errors.items():
        console.print(f"failed ({count}): {error}", style="red", markup=False)
    print(f"{out}\n{page}")


if __name__ == "__main__":
    main()
