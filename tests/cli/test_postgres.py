"""The command line over PostgreSQL: every command takes the same URL, and none shows its password."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_running_node import ANNEX, say, tocsin
from tests.support.postgres_server import PostgresServer
from tests.support.server import UNLIMITED, running_server
from tocsin.store import migrate


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    with postgres.database(empty=True) as made:
        yield made


def test_every_command_works_over_postgresql_and_none_shows_the_password(url: str, tmp_path: Path) -> None:
    name = url.partition("@/")[2].partition("?")[0]
    where = ("--data", str(tmp_path / "data"), "--database", url)
    told = []

    def run(*argv: str, code: int = 0) -> str:
        done = tocsin(*argv)
        assert done.returncode == code, done.stdout + done.stderr
        told.append(done.stdout + done.stderr)
        return done.stdout

    assert "`tocsin db upgrade`" in run("doctor", *where, "--http-port=0", "--gateway-port=0")
    assert run("db", "upgrade", *where) == f"postgresql:///{name}: empty -> {migrate.head()}\n"
    assert run("db", "upgrade", *where) == f"postgresql:///{name}: at {migrate.head()} already\n"
    assert f"ok       schema      postgresql:///{name}: at" in run(
        "doctor", *where, "--http-port=0", "--gateway-port=0"
    )
    world = tmp_path / "annex.json"
    world.write_text(json.dumps(ANNEX))
    run("seed", str(world), *where)
    token = run("token", "create", "ada", *where).strip()
    assert token
    with running_server(tmp_path / "data", *UNLIMITED, "--database", url) as node:
        say(node, "kept")
        log = (node.data / "server.log").read_text()
    nowhere = url.replace(f"/{name}?", "/nowhere?")
    refused = tocsin("serve", "--data", str(tmp_path / "other"), "--database", nowhere)
    assert refused.returncode != 0
    assert "cannot open postgresql:///nowhere" in refused.stdout + refused.stderr
    assert "does not exist" in run("doctor", *where[:2], "--database", nowhere, code=1)
    for text in (*told, log, refused.stdout, refused.stderr):
        assert ":secret" not in text
