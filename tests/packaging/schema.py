"""Writes store/migrations/sqlite.sql, the schema that the revisions make: `python -m tests.packaging.schema`."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from tocsin.store import migrate, sqlite_schema


def dump(path: Path) -> list[str]:
    """All of a database as statements, without the transaction around them."""
    with closing(sqlite3.connect(path)) as connection:
        return [text.removesuffix(";") for text in connection.iterdump()][1:-1]


def render() -> str:
    """The template's text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tocsin.db")
        migrate.upgrade(f"sqlite:///{path}")
        return sqlite_schema.first_line() + sqlite_schema.BREAK.join(dump(path)) + "\n"


if __name__ == "__main__":
    sqlite_schema.TEMPLATE.write_text(render(), encoding="utf-8")
    print(sqlite_schema.TEMPLATE)
