"""The documented examples for bot authors run as they stand."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.bot_tests import ROOT, environment, run_pytest

EXAMPLES = ROOT / "docs/examples"
pytestmark = pytest.mark.timeout(240)


def test_the_discord_py_bot_keeps_its_promises() -> None:
    result = run_pytest(EXAMPLES / "testing_discord_py", plugins=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "6 passed" in result.stdout


def test_the_discord_js_bot_keeps_its_promises(tmp_path: Path) -> None:
    # Beside its node_modules, as in the project of whoever copies it.
    folder = shutil.copytree(EXAMPLES / "testing_discord_js", tmp_path / "bot")
    (folder / "node_modules").symlink_to(ROOT / "tests/clients/js/node_modules")
    result = subprocess.run(
        ["node", "--test", "pong.test.cjs"],
        cwd=folder,
        env=environment() | {"TOCSIN": f"{sys.executable} -m tocsin"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "# pass 7" in result.stdout or "ℹ pass 7" in result.stdout, result.stdout
