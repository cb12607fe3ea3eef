"""The schema without Alembic: the template is what the revisions make, and everything else is left to them."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from tests.packaging.schema import dump, render
from tocsin.errors import StoreUnavailable
from tocsin.store import migrate, sqlite_schema


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tocsin.db"


def test_the_template_is_what_the_revisions_make() -> None:
    assert sqlite_schema.TEMPLATE.read_text(encoding="utf-8") == render(), "run python -m tests.packaging.schema"


def test_the_head_read_from_file_names_is_alembics() -> None:
    config = Config()
    config.set_main_option("script_location", str(sqlite_schema.TEMPLATE.parent))
    scripts = ScriptDirectory.from_config(config)
    assert sqlite_schema.head() == scripts.get_current_head() == migrate.head()
    names = {Path(script.path).name: script.revision for script in scripts.walk_revisions()}
    assert {name: name[1:].partition("_")[0] for name in names} == names


def test_a_new_file_is_made_current_and_is_what_a_migrated_one_is(path: Path, tmp_path: Path) -> None:
    assert sqlite_schema.make_current(path)
    assert sqlite_schema.make_current(path), "nor is a current one changed"
    migrated = tmp_path / "migrated.db"
    migrate.upgrade(f"sqlite:///{migrated}")
    assert dump(path) == dump(migrated)
    assert migrate.upgrade(f"sqlite:///{path}") == (migrate.head(), migrate.head())


def test_starts_at_one_moment_make_one_schema(path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: sqlite_schema.make_current(path), range(8)))


def test_a_template_of_other_revisions_is_not_used(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stale = tmp_path / "stale.sql"
    stale.write_text("-- Made by `python -m tests.packaging.schema` of others\n\nCREATE TABLE wrong (id INTEGER)\n")
    monkeypatch.setattr(sqlite_schema, "TEMPLATE", stale)
    assert not sqlite_schema.make_current(path)
    assert dump(path) == []


def test_an_older_or_newer_file_or_one_of_something_else_is_left_alone(path: Path) -> None:
    for version in ("0001", "9999"):
        path.unlink(missing_ok=True)
        sqlite_schema.make_current(path)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
        before = dump(path)
        assert not sqlite_schema.make_current(path)
        assert dump(path) == before
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (id INTEGER)")
    assert not sqlite_schema.make_current(path)
    path.write_bytes(b"x" * 5000)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        sqlite_schema.make_current(path)
    with pytest.raises(StoreUnavailable, match="not a database"):
        migrate.upgrade(f"sqlite:///{path}")
