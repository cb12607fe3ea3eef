"""The command line: what each verb prints, and what it exits with."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, get_type_hints

import pytest

from tests.unit.test_world_file import DESIGN, change
from tocsin.cli import COMMANDS, main
from tocsin.cli.options import HELP
from tocsin.config import Settings

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"


class Done(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in an empty folder, without `TOCSIN_*` variables."""
    monkeypatch.chdir(tmp_path)

    def call(*argv: str) -> Done:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(argv))
        out, err = capsys.readouterr()
        code = ended.value.code
        return Done(code if isinstance(code, int) else 1 if code else 0, out, err)

    return call


@pytest.fixture
def world(tmp_path: Path) -> Path:
    file = tmp_path / "world.json"
    file.write_text(json.dumps(DESIGN))
    return file


def test_help_names_every_verb_and_imports_nothing_heavy() -> None:
    script = "import sys; from tocsin.cli import main\ntry: main(['--help'])\nfinally: print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    for name, (_, line) in COMMANDS.items():
        assert name in done.stdout
        assert line.split(":")[0] in done.stdout
    for heavy in ("'litestar'", "'sqlalchemy'", "'alembic'", "'granian'", "'rich'", "'tocsin._core'", "'msgspec'"):
        assert heavy not in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_verb_has_help(run: Run, name: str) -> None:
    done = run(name, "--help")
    assert done.code == 0
    assert "Usage: tocsin" in done.out


def test_every_setting_is_a_flag_of_serve_with_its_help(run: Run) -> None:
    assert set(HELP) == set(get_type_hints(Settings))
    shown = run("serve", "--help").out
    for name in HELP:
        assert f"--{name.replace('_', '-')}" in shown


@pytest.mark.parametrize(
    ("verb", "flags", "setting"),
    [
        ("gateway", (), "bus"),
        ("api", (), "bus"),
        ("gateway", ("--bus=redis://127.0.0.1",), "database"),
        ("api", ("--bus=redis://127.0.0.1", "--database=sqlite:///x"), "public_gateway_url"),
    ],
)
def test_half_a_node_names_the_setting_without_which_it_has_no_other_half(
    run: Run, verb: str, flags: tuple[str, ...], setting: str
) -> None:
    done = run(verb, *flags)
    assert done.code == 2
    assert done.err.startswith(f"tocsin: {setting}: ")


def test_more_api_workers_than_numbers_are_refused(run: Run, tmp_path: Path) -> None:
    more = ("--public-gateway-url=ws://127.0.0.1:1", "--node-number=1022", "--workers=3", f"--data={tmp_path}")
    done = run("api", "--bus=redis://127.0.0.1", "--database=sqlite:///x", *more)
    assert done.code == 2
    assert done.err.startswith("tocsin: node_number: 3 workers ")


def test_a_wrong_setting_exits_2_and_is_named(run: Run) -> None:
    done = run("serve", "--http-port", "70000")
    assert (done.code, done.out) == (2, "")
    assert done.err == "tocsin: http_port: must be between 0 and 65535, not 70000 (from --http-port)\n"


def test_an_unknown_verb_exits_2(run: Run) -> None:
    assert run("surve").code == 2


def test_seed_into_a_stopped_server_is_quiet_in_a_pipe_and_idempotent(run: Run, world: Path) -> None:
    first = run("seed", str(world), "--json")
    assert first.code == 0
    assert json.loads(first.out)["users_made"] == 5
    assert first.err == ""
    second = run("seed", str(world))
    assert second.out == ("world.json is in the store: 0 users, 0 guilds and 0 memberships made, 0 things changed\n")


def test_seed_names_what_is_wrong_and_writes_nothing(run: Run, world: Path) -> None:
    world.write_text(json.dumps(change("guilds.0.owner", "nobody")))
    done = run("seed", str(world))
    assert (done.code, done.err) == (
        1,
        f"tocsin: {world}: guilds[0].owner: no user called 'nobody' in the file\n",
    )
    assert not Path("tocsin-data").exists()


def test_the_demo_world_is_a_good_world_file(run: Run) -> None:
    assert run("seed", str(EXAMPLES / "demo-world.json")).code == 0


def test_a_token_is_made_shown_once_and_revoked(run: Run, world: Path) -> None:
    run("seed", str(world))
    token = run("token", "create", "ada").out.strip()
    assert json.loads(run("token", "create", "1001", "--json").out)["username"] == "ada"
    with sqlite3.connect("tocsin-data/tocsin.db") as database:
        kept = database.execute("SELECT count(*) FROM tokens WHERE user_id = 1001").fetchone()
    database.close()
    assert kept == (3,)
    assert token.encode() not in Path("tocsin-data/tocsin.db").read_bytes()
    assert run("token", "revoke", f"Bot {token}").out == "revoked\n"
    again = run("token", "revoke", token)
    assert (again.code, again.err) == (1, "tocsin: no such token\n")
    assert "no user called 'zoe'" in run("token", "create", "zoe").err


def test_db_upgrade_makes_the_schema_and_says_when_there_is_nothing_to_do(run: Run) -> None:
    assert "empty -> " in run("db", "upgrade").out
    assert run("db", "upgrade").out.endswith(" already\n")


def test_db_upgrade_refuses_what_is_no_database(run: Run, tmp_path: Path) -> None:
    (tmp_path / "no.db").write_text("not a database, but long enough to be looked at as one" * 100)
    done = run("db", "upgrade", "--database", f"sqlite:///{tmp_path}/no.db")
    assert done.code == 1
    assert "not a database" in done.err
