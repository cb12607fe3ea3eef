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
from bench.plan import BEATS_PER_S, FULL, QUICK, TINY, Scenario, scenarios
from bench.servers import CLIENT_CPU, GO_BIN, PEERS, ROOT, Skipped, Started, pinned

RESULTS = ROOT / "bench" / "results"
STUCK_S = 400
MICRO_S = 240
CROWD_S = 900
BUDGET_S = 29 * 60
"""After so long no scenario of a second or later round begins: api and micro still follow, and all ends in 35 min."""
EXTRAS = ("api", "testing", "flapping", "large", "tracing", "bus", "takeover", "restart", "micro")
"""Groups that are no scenarios of the load generator."""
PACKAGES = (
    "litestar", "granian", "uvloop", "msgspec", "websockets", "picows", "python-socketio", "uvicorn", "orjson",
    "erlpack", "zstandard",
)  # fmt: skip


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


def first_in_line() -> None:
    """What the live sessions' generator does first: run on the generators' cpu, but whenever it wants to.

    As root under SCHED_FIFO, so that the storm's generator never holds it up; else as nice as it may be.
    """
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {CLIENT_CPU})
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        return
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -20)


@contextlib.contextmanager
def beating(scenario: Scenario, server: Started, load: Path) -> Iterator[dict[str, Any]]:
    """Let the scenario's live sessions beat during the block; what they saw is in the dict when it is over.

    Raises:
        RuntimeError: they failed.
    """
    seen: dict[str, Any] = {}
    if not scenario.live:
        yield seen
        return
    command = [str(load), "gateway", "--port", str(server.port), "--connections", str(scenario.live), *scenario.flags]
    command += ["--intents", "1", "--steps", f"connect,identify,beats:{BEATS_PER_S}"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, preexec_fn=first_in_line
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stderr.readline()
        if line != "live\n":
            raise RuntimeError(f"the live sessions failed: {line}")
        policy = os.sched_getscheduler(process.pid) == os.SCHED_FIFO
        try:
            yield seen
        finally:
            process.stdin.close()
        said_, failed = process.stdout.read(), process.stderr.read()
    if process.returncode:
        raise RuntimeError(f"the live sessions failed: {failed}")
    step = json.loads(said_)["steps"][-1]
    seen |= {"beats": step["beats"], "own_wait_us": step["own_wait_us"], "sessions": scenario.live, "fifo": policy}


def measure(scenario: Scenario, load: Path) -> dict[str, Any]:
    """Run a scenario once; a failure and a peer that is not here are results too, kept with their reason."""
    report: dict[str, Any] = {}
    live: dict[str, Any] = {}
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
    except Skipped as why:
        return {"skipped": str(why)}
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        report = {"error": str(error)[-600:]}
    wall = time.monotonic() - began
    steps = report.get("steps", [])
    if live:
        join_live(steps, live)
        report["live"] = {key: live[key] for key in ("own_wait_us", "sessions", "fifo")}
    own = sum(step["server_cpu"]["total_s"] + step["client_cpu_share"] * step["wall_s"] for step in steps)
    report["others_cpus"] = max(0.0, busy_s() - busy - own) / wall
    return report


def join_live(steps: list[dict[str, Any]], live: dict[str, Any]) -> None:
    """Give each step the latencies of the live heartbeats that were out during it."""
    for step in steps:
        step["live_ms"] = [
            round(ms, 3)
            for due, ms in live["beats"]
            if due < step["ended_unix"] and due + ms / 1e3 > step["began_unix"]
        ]


def script(name: str, *flags: str) -> dict[str, Any]:
    """Run a bench of its own, such as bench/api_cost.py; its figures, or why there are none."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out.json")
        command = [sys.executable, "-m", f"bench.{name}", *flags, "--out", str(out)]
        path = [str(ROOT), str(ROOT / "python"), *filter(None, [os.environ.get("PYTHONPATH")])]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env, check=False, timeout=CROWD_S)
        if done.returncode:
            return {"error": done.stderr.strip()[-600:]}
        found: dict[str, Any] = json.loads(out.read_text())
    return found


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
        command += ["--benchmark-max-time=0.3" if quick else "--benchmark-max-time=0.6", "--benchmark-min-rounds=3"]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "python")])}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, cwd=ROOT, env=env, check=False, timeout=MICRO_S
            )
        except subprocess.TimeoutExpired:
            return [{"error": f"bench/micro took more than {MICRO_S} s"}]
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


def said(*command: str, line: str = "") -> str:
    """The first line a command prints that begins with `line`, or nothing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    except OSError:
        return ""
    return next((each for each in done.stdout.split("\n") if each.startswith(line)), "")


def versions() -> dict[str, str]:
    """What was measured."""
    found = {
        "python": platform.python_version(),
        "rustc": said("rustc", "--version").removeprefix("rustc "),
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
    found["go"] = said("go", "env", "GOVERSION").removeprefix("go") or "not installed"
    built = said("go", "version", "-m", str(GO_BIN / "centrifugo"), line="\tmod\t").split("\t")
    found["centrifugo"] = built[3].removeprefix("v") if len(built) > 3 else "not installed"
    return found


def merged(result: dict[str, Any], out: Path, groups: set[str]) -> dict[str, Any]:
    """A result with the groups of `result` in place of the same groups of the file `out`, all others kept.

    Every group says in `groups` when, of which commit and how it was measured.
    """
    stamp = {key: result[key] for key in ("began", "commit", "command", "note")}
    kept = json.loads(out.read_text()) if groups and out.exists() else {"runs": [], "groups": {}}
    ran = {run["group"] for run in result["runs"]} | (set(EXTRAS) & result.keys())
    old = {key: kept[key] for key in ("began", "commit", "command", "note") if key in kept}
    of = {run["group"]: old for run in kept["runs"]} | kept.get("groups", {})
    whole = {**kept, **result} if not old else {**kept, **{k: result[k] for k in EXTRAS if k in result}}
    whole["runs"] = [run for run in kept["runs"] if run["group"] not in ran] + result["runs"]
    whole["groups"] = of | dict.fromkeys(sorted(ran), stamp)
    whole["versions"] = kept.get("versions", {}) | result["versions"]
    return whole


def laid_out(result: dict[str, Any]) -> str:
    """A result as JSON with one run a line: thousands of latencies in a column would be no use to a reader."""
    runs = ",\n".join(f"  {json.dumps(run)}" for run in result["runs"])
    return json.dumps(result | {"runs": []}, indent=1).replace('"runs": []', f'"runs": [\n{runs}\n ]', 1) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller and shorter: some minutes")
    parser.add_argument("--tiny", action="store_true", help="proves that all of it runs; its figures mean nothing")
    parser.add_argument(
        "--only",
        default="",
        help="only these groups, merged into the newest file: "
        "fanout,resume,storm,post,gil,cycles,churn,idle,api,testing,flapping,large,tracing,"
        "bus,takeover,restart,micro",
    )
    parser.add_argument("--no-micro", action="store_true", help="leave bench/micro out")
    parser.add_argument("--note", default="", help="a sentence that the page shows, such as who shared the machine")
    parser.add_argument("--target", type=Path, default=ROOT / "target" / "bench", help="where the generator is built")
    parser.add_argument("--load", type=Path, help="a generator that is built already")
    parser.add_argument("--out", type=Path, help="the JSON file, instead of bench/results/<date>-<machine>.json")
    parser.add_argument("--page", type=Path, default=render.PAGE, help="the page to render, instead of %(default)s")
    options = parser.parse_args()

    load = options.load or build(options.target)
    scale, words = (TINY, " --tiny") if options.tiny else (QUICK, " --quick") if options.quick else (FULL, "")
    groups = {group for group in options.only.split(",") if group}
    plan = [pair for pair in scenarios(scale, load) if not groups or pair[1].group in groups]
    extras = [name for name in EXTRAS if not groups or name in groups]
    if options.no_micro or not scale.micro:
        extras = [name for name in extras if name != "micro"]
    if groups - {pair[1].group for pair in plan} - set(extras):
        parser.error(f"no such groups: {options.only}")
    began = datetime.datetime.now(datetime.UTC)
    result: dict[str, Any] = {
        "began": began.isoformat(timespec="seconds"),
        "command": "python -m bench.run" + words + (f" --only {options.only}" if groups else ""),
        "commit": said("git", "describe", "--always", "--dirty"),
        "note": options.note,
        "machine": machine(),
        "versions": versions(),
        "runs": [],
        "left_out": 0,
    }
    opened = time.monotonic()
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # Ctrl-C ends the measuring; what was measured until then is kept and rendered.
    with (
        contextlib.suppress(KeyboardInterrupt),
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
    ):
        task = progress.add_task("", total=len(plan) + len(extras))
        for turn, scenario in plan:
            progress.update(task, description=scenario.name)
            started = time.monotonic()
            if turn and started - opened > BUDGET_S:
                result["left_out"] += 1
                progress.advance(task)
                continue
            report = measure(scenario, load)
            result["runs"].append(
                {
                    "group": scenario.group,
                    "server": scenario.server,
                    "connections": scenario.connections,
                    "round": turn,
                    "took_s": round(time.monotonic() - started, 2),
                    **report,
                }
            )
            progress.advance(task)
        for name, flags in (
            ("api", ("api_cost", "--posts", str(scale.posts))),
            ("testing", ("testing_cost", "--starts", str(scale.starts), "--resets", str(scale.starts * 40))),
            ("flapping", ("flapping", "--load", str(load), *scale.flapping)),
            ("large", ("large_guild", "--load", str(load), *scale.large)),
            ("tracing", ("tracing_cost", *scale.tracing)),
            ("bus", ("bus", "--load", str(load), *scale.bus)),
            ("takeover", ("takeover", "--load", str(load), *scale.takeover)),
            ("restart", ("restart", "--load", str(load), *scale.restart)),
        ):
            if name in extras:
                progress.update(task, description=name)
                result[name] = script(*flags)
                progress.advance(task)
        if "micro" in extras:
            progress.update(task, description="micro")
            result["micro"] = micro(options.quick)
            progress.advance(task)
    took = datetime.datetime.now(datetime.UTC) - began
    result["took_s"] = round(took.total_seconds())
    out: Path = options.out or RESULTS / f"{began:%Y-%m-%d}-{platform.node()}.json"
    if groups and not options.out:
        out = max(RESULTS.glob("20*.json"), default=out)
    out.parent.mkdir(parents=True, exist_ok=True)
    whole = merged(result, out, groups)
    out.write_text(laid_out(whole))
    print(out)
    print(render.write(out, options.page))
    errors = Counter(run["error"] for run in result["runs"] if "error" in run)
    errors.update(result[name]["error"] for name in EXTRAS[:-1] if "error" in result.get(name, {}))
    for error, count in errors.items():
        console.print(f"failed ({count}): {error}", style="red", markup=False)
    if options.tiny and errors:
        sys.exit(1)


if __name__ == "__main__":
    main()
