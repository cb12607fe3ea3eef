"""How a running node is found, and how a dead one is not."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tocsin.errors import ConfigError
from tocsin.service.node_file import (
    NAME,
    NodeFile,
    hold_data,
    read_node_file,
    remove_node_file,
    write_node_file,
    write_ready_file,
)


def node(pid: int | None = None) -> NodeFile:
    return NodeFile(
        pid=os.getpid() if pid is None else pid, http="http://a", gateway="ws://a", node="n", control_token="secret"
    )


def test_the_file_is_for_its_owner_only_and_goes_with_its_process(tmp_path: Path) -> None:
    write_node_file(tmp_path, node())
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600
    assert read_node_file(tmp_path) == node()
    remove_node_file(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_ready_file_holds_no_secret(tmp_path: Path) -> None:
    write_ready_file(tmp_path / "deep" / "ready.json", node())
    said = json.loads((tmp_path / "deep" / "ready.json").read_text())
    assert said == {"pid": os.getpid(), "http": "http://a", "gateway": "ws://a", "node": "n"}


def test_a_dead_process_is_no_node(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    write_node_file(tmp_path, node(gone.pid))
    assert read_node_file(tmp_path) is None


def test_a_pid_that_is_another_process_by_now_is_no_node(tmp_path: Path) -> None:
    with hold_data(tmp_path):
        write_node_file(tmp_path, node())
        assert read_node_file(tmp_path) == node()
    assert read_node_file(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{}", "[", '{"pid":"x"}'])
def test_a_broken_file_is_no_node(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)
    assert read_node_file(tmp_path) is None


def test_a_data_folder_is_held_by_one_process(tmp_path: Path) -> None:
    script = "import sys; from tocsin.service.node_file import hold_data\nwith hold_data(sys.argv[1]): pass"
    command = [sys.executable, "-c", script, str(tmp_path)]
    with hold_data(tmp_path):
        refused = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "data: another node runs on" in refused.stderr
    subprocess.run(command, check=True)


def test_a_data_folder_that_cannot_be_made_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="data: cannot use"), hold_data(tmp_path / "file"):
        pass
