"""The wheel and the sdist hold all of tocsin and nothing else, and the wheel runs where there is no source tree."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tarfile
import time
import tomllib
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

import tocsin

ROOT = Path(__file__).parents[2]


def sources(*folders: str) -> set[str]:
    """The files of packages that git knows under `folders`, as paths from the root."""
    listed = subprocess.run(["git", "ls-files", *folders], cwd=ROOT, capture_output=True, text=True, check=True)
    return {line for line in listed.stdout.splitlines() if line.endswith((".py", ".pyi", "py.typed", ".sql"))}


def in_wheel(path: str) -> str:
    return path.removeprefix("python/").removeprefix("api/")


@pytest.fixture(scope="session")
def dist() -> Path:
    """The folder of the wheel and the sdist, built from the tree as it is."""
    subprocess.run(["make", "--no-print-directory", "wheel"], cwd=ROOT, check=True)
    return ROOT / "dist"


@pytest.mark.timeout(900)
def test_the_wheel_holds_both_packages_the_core_and_the_migrations_and_nothing_else(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    assert "-abi3-" in wheel.name
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    expected = {in_wheel(path) for path in sources("python/tocsin", "api/tocsin_api")}
    assert {"tocsin/store/migrations/versions/r0001_first_light.py", "tocsin_api/app.py"} <= expected
    rest = names - expected
    assert names >= expected, f"missing: {sorted(expected - names)}"
    core = {name for name in rest if name.startswith("tocsin/_core.") and name.endswith(".so")}
    assert len(core) == 1
    metadata = {name for name in rest if name.split("/")[0].endswith((".dist-info", ".libs"))}
    assert rest == core | metadata
    assert any(name.endswith("/licenses/LICENSE") for name in metadata)


@pytest.mark.timeout(900)
def test_the_sdist_holds_what_a_build_needs_and_nothing_that_was_built(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    names = {member.name.partition("/")[2] for member in members}
    assert not [member.name for member in members if member.issym()]
    python = sources("python/tocsin") | {"python/" + in_wheel(path) for path in sources("api/tocsin_api")}
    assert names >= python, f"missing: {sorted(python - names)}"
    crates = subprocess.run(["git", "ls-files", "core"], cwd=ROOT, capture_output=True, text=True, check=True)
    rust = {line for line in crates.stdout.splitlines() if line.endswith((".rs", "Cargo.toml")) and "/src/" in line}
    assert names >= rust, f"missing: {sorted(rust - names)}"
    assert names >= {"Cargo.toml", "Cargo.lock", "pyproject.toml", "README.md", "LICENSE"}
    assert not [name for name in names if name.endswith((".so", ".pyc", ".db")) or "__pycache__" in name]


@pytest.mark.timeout(900)
def test_the_wheel_serves_in_an_empty_environment_with_no_source_tree(dist: Path, tmp_path: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    pins = ROOT / "requirements" / "dev.txt"
    subprocess.run([home / "bin/pip", "install", "-q", "-c", pins, wheel], cwd=tmp_path, check=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    world = shutil.copy(ROOT / "docs/examples/demo-world.json", elsewhere)
    # No compiler, no cargo, no source tree: a PATH that holds nothing.
    environment = {"PATH": str(tmp_path / "nothing"), "HOME": str(tmp_path)}
    ready = elsewhere / "ready.json"
    ports = ["--http-port", "0", "--gateway-port", "0"]
    command: list[str | Path] = [home / "bin/tocsin", "serve", *ports, "--drain-spread-ms", "0"]
    with (elsewhere / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--seed", world, "--ready-file", ready], cwd=elsewhere, env=environment, stdout=log, stderr=log
        )
    try:
        wait_for(ready, process)
        url = json.loads(ready.read_text())["http"]
        request = urllib.request.Request(f"{url}/api/v10/users/@me", headers={"Authorization": "Bot bell-token"})
        with urllib.request.urlopen(request, timeout=10) as response:
            assert json.load(response)["username"] == "bell"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def wait_for(ready: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not ready.exists():
        assert process.poll() is None, (ready.parent / "log").read_text()
        assert time.monotonic() < deadline, (ready.parent / "log").read_text()
        time.sleep(0.02)


def test_there_is_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    assert tocsin.__version__ == project == workspace


def test_the_api_is_one_link_and_the_only_one() -> None:
    links = subprocess.run(["git", "ls-files", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [line.split("\t")[1] for line in links.splitlines() if line.startswith("120000")] == ["python/tocsin_api"]
    assert os.readlink(ROOT / "python/tocsin_api") == "../api/tocsin_api"
