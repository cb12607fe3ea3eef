"""The benches of the bus run: clusters of their own, the load generator, the page. Figures mean nothing here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.servers import ROOT

BUILD_S, RUN_S = 280, 280


@pytest.fixture(scope="module")
def load() -> Path:
    """The load generator, as fast as it compiles."""
    if shutil.which("cargo") is None:
        pytest.skip("no cargo here")
    target = ROOT / "target" / "bench"
    manifest = str(ROOT / "bench" / "load" / "Cargo.toml")
    command = ["cargo", "build", "--locked", "--quiet", "--manifest-path", manifest, "--target-dir", str(target)]
    subprocess.run(command, check=True, timeout=BUILD_S)
    return target / "debug" / "tocsin-load"


@pytest.mark.timeout(BUILD_S + RUN_S)
@pytest.mark.parametrize(
    ("group", "title"),
    [("bus", "The bus"), ("takeover", "A node that is killed"), ("restart", "A rolling restart")],
)
def test_a_bench_of_the_bus_runs(group: str, title: str, load: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "result.json", tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    command = [sys.executable, "-m", "bench.run", "--tiny", "--only", group, "--load", str(load)]
    path = [str(ROOT), str(ROOT / "python"), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [*command, "--out", str(out), "--page", str(page)], cwd=ROOT, capture_output=True, text=True, timeout=RUN_S,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path)}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    assert "figures" in json.loads(out.read_text())[group]
    assert f"## {title}\n" in page.read_text()
