"""The house's rules that a machine can check: first lines, file sizes, layers of the crates, links of the docs."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = ["proto", "codec", "compress", "fanout", "members", "session", "bus", "redis", "gateway", "py"]
MAY_USE = {
    "proto": set(),
    "codec": {"proto"},
    "compress": set(),
    "fanout": {"proto"},
    "members": set(),
    "session": {"proto", "codec"},
    "bus": {"proto", "codec"},
    "redis": {"bus"},
    "gateway": {"proto", "codec", "compress", "fanout", "session", "bus"},
    "py": {"gateway", "members", "redis"},
}
"""house.md §2: what each crate may depend on."""
HARD_LIMIT = 600


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


@pytest.mark.parametrize("name", LAYERS)
def test_a_crate_depends_on_lower_layers_only(name: str) -> None:
    manifest = tomllib.loads((ROOT / "core" / f"tocsin-{name}" / "Cargo.toml").read_text())
    used = {key.removeprefix("tocsin-") for key in manifest.get("dependencies", {}) if key.startswith("tocsin-")}
    assert used <= MAY_USE[name]
    if name in ("proto", "codec", "compress", "fanout", "members", "session"):
        assert not {"tokio", "mio", "pyo3"} & manifest.get("dependencies", {}).keys()


def test_there_is_no_crate_without_a_layer() -> None:
    assert {path.name for path in (ROOT / "core").iterdir() if path.is_dir()} == {f"tocsin-{name}" for name in LAYERS}


def test_every_file_says_first_what_it_owns() -> None:
    paths = tracked("python/tocsin/**.py", "api/**.py", "python/tocsin/**.pyi")
    silent = [path for path in paths if not path.read_text().startswith('"""')]
    silent += [path for path in tracked("core/**/src/**.rs") if not path.read_text().startswith("//!")]
    assert [str(path.relative_to(ROOT)) for path in silent] == []


def test_no_file_is_longer_than_the_limit() -> None:
    paths = tracked("core/**.rs", "python/**.py", "api/**.py", "tests/**.py")
    long = {
        str(path.relative_to(ROOT)): count for path in paths if (count := path.read_text().count("\n")) > HARD_LIMIT
    }
    assert long == {}


def test_nothing_is_left_for_later() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|todo!\(|unimplemented!\(")
    own = Path(__file__)
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked("core/**.rs", "python/**.py", "api/**.py", "tests/**.py", "*.md", "docs/**.md")
        if path != own
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if marks.search(line)
    ]
    assert found == []


def test_links_between_the_docs_lead_somewhere() -> None:
    broken = []
    for path in tracked("*.md", "docs/**.md", "core/*.md", "bench/*.md"):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
            if not (path.parent / target).exists():
                broken.append(f"{path.relative_to(ROOT)} -> {target}")
    assert broken == []


def test_only_the_gateway_touches_the_core() -> None:
    importers = {
        str(path.relative_to(ROOT))
        for path in tracked("python/tocsin/**.py", "api/**.py")
        if re.search(r"from tocsin import _core|(from|import) tocsin\._core", path.read_text())
    }
    assert {path for path in importers if not path.startswith("python/tocsin/gateway/")} == set()
    assert importers


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        str(path.relative_to(ROOT))
        for path in tracked("python/tocsin/**.py", "api/**.py")
        if re.search(r"os\.environ|os\.getenv", path.read_text())
    }
    # The second keeps what is set for other nodes from the server it starts.
    assert readers == {"python/tocsin/config.py", "python/tocsin/testing/server.py"}
