"""The bench's own arithmetic: what a fit of memory says, what a rerun of one group keeps, what a miss shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench import render
from bench.figures import growth, percentile
from bench.run import join_live, laid_out, merged
from bench.servers import EVENT_BYTES, missing


def test_memory_that_rises_all_the_while_grows() -> None:
    found = growth([[n * 1000, 50_000 + n * 100] for n in range(60)])
    assert found is not None
    assert found.grows
    assert round(found.kib) == 2900
    assert found.verdict() == "**grows**"


def test_memory_that_settles_does_not_grow() -> None:
    samples = [[n * 1000, min(50_000 + n * 1000, 60_000) + n % 3 * 40] for n in range(60)]
    found = growth([[float(x), float(y)] for x, y in samples])
    assert found is not None
    assert not found.grows
    assert found.half == 29_000


def test_a_fit_needs_samples() -> None:
    assert growth([[1, 1], [2, 2]]) is None


def test_a_percentile_is_a_value_that_was_there() -> None:
    values = [float(n) for n in range(1, 101)]
    assert percentile(values, 0.99) == 99
    assert percentile(values, 0.5) == 50
    assert percentile([7.0], 0.99) == 7
    assert percentile([], 0.99) is None


def test_a_live_heartbeat_counts_for_each_step_it_was_out_in() -> None:
    steps: list[dict[str, Any]] = [{"began_unix": 10.0, "ended_unix": 11.0}, {"began_unix": 11.0, "ended_unix": 12.0}]
    join_live(steps, {"beats": [[9.0, 1.0], [10.5, 2.0], [10.9, 300.0], [12.5, 4.0]]})
    assert [step["live_ms"] for step in steps] == [[2.0, 300.0], [300.0]]


def result(commit: str, **runs: str) -> dict[str, Any]:
    return {
        "began": f"day of {commit}", "command": "c", "commit": commit, "note": "", "machine": {}, "versions": {},
        "took_s": 1, "runs": [{"group": group, "server": server} for group, server in runs.items()],
    }  # fmt: skip


def test_a_rerun_group_takes_its_place_and_says_when(tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    out.write_text(json.dumps(merged(result("one", fanout="a", storm="b"), out, set())))
    whole = merged(result("two", storm="c") | {"micro": []}, out, {"storm", "micro"})
    assert [(run["group"], run["server"]) for run in whole["runs"]] == [("fanout", "a"), ("storm", "c")]
    assert {name: stamp["commit"] for name, stamp in whole["groups"].items()} == {
        "fanout": "one", "storm": "two", "micro": "two",
    }  # fmt: skip
    assert whole["commit"] == "one"


def test_a_whole_run_keeps_nothing_of_the_file(tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    out.write_text(json.dumps(result("one", fanout="a")))
    assert [run["server"] for run in merged(result("two", storm="c"), out, set())["runs"]] == ["c"]


def test_a_result_is_laid_out_as_the_json_it_is() -> None:
    for data in (result("one", fanout="a", storm="b"), result("none")):
        assert json.loads(laid_out(data)) == data


def test_a_page_of_nothing_measured_says_so(tmp_path: Path) -> None:
    source = tmp_path / "result.json"
    data = result("one") | {"machine": dict.fromkeys(("cpus", "cpu", "memory_gib", "kernel"), "?"), "groups": {}}
    data["runs"] = [
        {"group": "fanout", "server": "floor", "connections": 20, "error": "Error: no port"},
        {"group": "fanout", "server": "bun", "connections": 20, "skipped": "it is not there"},
    ]
    source.write_text(json.dumps(data))
    page = render.write(source, tmp_path / "page.md").read_text()
    assert "not measured" in page
    assert "- Bun (uWebSockets): it is not there" in page
    assert "Error: no port" in page


def test_a_peer_that_is_not_installed_is_skipped_with_its_reason() -> None:
    assert missing("websockets") is None
    assert EVENT_BYTES == 336
