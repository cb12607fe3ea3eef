"""`tocsin doctor` finds what is wrong and says how to mend it."""

from __future__ import annotations

import json
import socket
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tocsin.cli import main
from tocsin.cli.doctor import Finding, examine
from tocsin.model.snowflake import snowflake_at
from tocsin.store import migrate

FLAGS: dict[str, Any] = {"http_port": 0, "gateway_port": 0}


def look(data: Path, **flags: Any) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(None, {**FLAGS, "data": str(data), **flags})}


def test_a_good_machine_has_nothing_wrong(tmp_path: Path) -> None:
    found = look(tmp_path)
    assert [name for name, finding in found.items() if finding.verdict == "wrong"] == []
    assert set(found) == {"settings", "core", "sqlite", "open files", "data", "schema", "clock", "ports"}


def test_a_port_in_use_is_wrong(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        finding = look(tmp_path, gateway_port=port)["ports"]
    assert (finding.verdict, finding.what) == ("wrong", f"127.0.0.1:{port} is in use")
    assert "--gateway-port" in finding.mend


def test_a_data_folder_that_cannot_be_made_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    finding = look(tmp_path / "file" / "data")["data"]
    assert finding.verdict == "wrong"
    assert "--data" in finding.mend


def test_a_wrong_setting_is_all_that_is_said(tmp_path: Path) -> None:
    (finding,) = examine(None, {"data": str(tmp_path), "workers": 999})
    assert finding.verdict == "wrong"
    assert finding.what.startswith("workers: must be between")


def test_a_schema_that_is_old_new_or_broken_is_told_apart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/tocsin.db"
    migrate.upgrade(url)
    assert look(tmp_path)["schema"].verdict == "ok"
    with sqlite3.connect(tmp_path / "tocsin.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    newer = look(tmp_path)["schema"]
    assert (newer.verdict, newer.mend) == ("wrong", "use that tocsin")
    with sqlite3.connect(tmp_path / "tocsin.db") as database:
        database.execute("DELETE FROM alembic_version")
    database.close()
    older = look(tmp_path)["schema"]
    assert (older.verdict, older.mend) == ("warning", "`tocsin db upgrade`")
    (tmp_path / "tocsin.db").write_bytes(b"x" * 5000)
    assert look(tmp_path)["schema"].verdict == "wrong"


def test_a_clock_behind_the_newest_id_is_a_warning(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "tocsin.db") as database:
        database.execute("CREATE TABLE messages (id INTEGER)")
        database.execute("INSERT INTO messages VALUES (?)", (snowflake_at(3_000_000_000_000),))
    database.close()
    finding = look(tmp_path)["clock"]
    assert finding.verdict == "warning"
    assert "in the future" in finding.what


def test_json_and_the_exit_code_are_for_scripts(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for flags, code in ([], 0), (["--workers", "999"], 1):
        with pytest.raises(SystemExit) as ended:
            main(["doctor", "--json", "--data", str(tmp_path), "--http-port", "0", "--gateway-port", "0", *flags])
        assert ended.value.code == code
        assert json.loads(capsys.readouterr().out)["ok"] is (code == 0)
