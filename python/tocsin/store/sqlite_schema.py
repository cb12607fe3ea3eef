"""The schema of a SQLite file without Alembic, whose import is half of a start: new files and current ones need none.

A new file is made from `migrations/sqlite.sql`, which is what the revisions make: `python -m tests.packaging.schema`
writes it, and a test compares the two. It names the revisions' digest, and is left alone if it is not of these.
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

_VERSIONS = Path(__file__).parent / "migrations" / "versions"
TEMPLATE = Path(__file__).parent / "migrations" / "sqlite.sql"
BREAK = ";\n\n"
"""What ends a statement of the template."""

BUSY_TIMEOUT_S = 5.0


def _revisions() -> list[Path]:
    return sorted(_VERSIONS.glob("r[0-9]*.py"))


def head() -> str:
    """Return the revision this version of tocsin needs: files of revisions are named `r<revision>_<what>.py`."""
    return _revisions()[-1].name[1:].partition("_")[0]


def digest() -> str:
    """Return the SHA-256 of all revisions."""
    found = hashlib.sha256()
    for path in _revisions():
        found.update(path.read_bytes())
    return found.hexdigest()


def first_line() -> str:
    """Return the template's first line: which revisions it is the sum of."""
    return f"-- Made by `python -m tests.packaging.schema` of {digest()}\n\n"


def make_current(path: Path) -> bool:
    """Make a new file current; return whether the file is. False: see `migrate.upgrade`.

    Raises:
        sqlite3.Error: it cannot be opened, or is not a database.
    """
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
            _make(connection)
        if not _has(connection, "alembic_version"):
            return False
        return connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(head(),)]


def _has(connection: sqlite3.Connection, table: str) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,))
    return found.fetchone() is not None


def _make(connection: sqlite3.Connection) -> None:
    """Make what the template says, in one transaction, unless another process has begun or it is of other revisions."""
    text = TEMPLATE.read_text(encoding="utf-8")
    first = first_line()
    if not text.startswith(first):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
            for statement in text.removeprefix(first).removesuffix("\n").split(BREAK):
                connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
