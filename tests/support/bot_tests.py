"""bot_tests: runs pytest in a process of its own, as a bot author does, with tocsin's plugin."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def environment() -> dict[str, str]:
    """The environment in which this tree's tocsin is the one that is found, also by processes that are started."""
    mine = {key: value for key, value in os.environ.items() if not key.startswith(("TOCSIN_", "PYTEST_"))}
    return {**mine, "PYTHONPATH": str(ROOT / "python")}


def run_pytest(folder: Path, *arguments: str, plugins: bool = False) -> subprocess.CompletedProcess[str]:
    """Run the tests of a folder.

    Args:
        folder: where they and their settings are.
        arguments: more of pytest's.
        plugins: load the other plugins that are installed too.
    """
    own = {} if plugins else {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "tocsin.testing.plugin", "-p", "no:cacheprovider", "-v"]
    return subprocess.run(
        [*command, "--rootdir", str(folder), *arguments, str(folder)],
        cwd=folder,
        env=environment() | own,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
