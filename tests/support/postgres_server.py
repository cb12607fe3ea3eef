"""PostgresServer: a cluster of one's own, on a Unix socket, that can be killed, frozen and started again."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tocsin.store import migrate

PATIENCE_S = 60.0
_USERS = ("postgres", "nobody")
_QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200", "shared_buffers=64MB")
_CLEAN = """
DO $$ DECLARE each text; BEGIN
  FOR each IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
    EXECUTE 'DELETE FROM ' || each;
  END LOOP;
END $$
"""


def programs() -> Path:
    """Return the folder of the newest PostgreSQL's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    named = shutil.which("initdb")
    if named is not None:
        return Path(named).resolve().parent
    assert found, "no PostgreSQL on this machine: `make .build/postgres`"
    return found[-1].parent


def _other_user() -> int | None:
    """Return whom the server runs as; it refuses root."""
    if os.geteuid() != 0:
        return None
    for name in _USERS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
    raise AssertionError(f"PostgreSQL refuses root, and there is none of {_USERS}")


class PostgresServer:
    """A cluster in a folder of its own. Several databases may be made in it.

    Args:
        settings: `name=value`.
        environment: of the server.
        wal_segment_mb: a power of two; by pieces of that size its log takes room.
    """

    def __init__(self, *settings: str, environment: Mapping[str, str] | None = None, wal_segment_mb: int = 16) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tocsin-pg-"))
        self._programs = programs()
        self._settings = (*_QUICK, *settings)
        self._environment = environment
        self._user = _other_user()
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self._made: set[str] = set()
        self._spare: list[str] = []
        if self._user is not None:
            os.chown(self.folder, self._user, -1)
        ours = ("-U", "tocsin", "-A", "trust", "-N", "-E", "UTF8", "--locale=C.UTF-8")
        self._run("initdb", "-D", str(self.cluster), *ours, f"--wal-segsize={wal_segment_mb}")

    @property
    def cluster(self) -> Path:
        """Its data folder."""
        return self.folder / "cluster"

    def url(self, database: str) -> str:
        """Return what `--database` takes."""
        return f"postgresql://tocsin:secret@/{database}?host={self.folder}"

    @property
    def pid(self) -> int:
        """Of the process whose children do the work."""
        assert self._process is not None
        return self._process.pid

    # -- life

    def start(self) -> None:
        """Start it over what it left on disk, and wait until it answers."""
        until = time.monotonic() + PATIENCE_S
        while not self._started():
            assert time.monotonic() < until, self.log()[-2000:]
            time.sleep(0.02)

    def _started(self) -> bool:
        settings = [f"unix_socket_directories={self.folder}", "listen_addresses=", *self._settings]
        if self._process is None or self._process.poll() is not None:
            # A killed server's children may be about to end: until then a new one refuses.
            with (self.folder / "log").open("ab") as log:
                self._process = subprocess.Popen(
                    [str(self._programs / "postgres"), "-D", str(self.cluster), *(f"-c{each}" for each in settings)],
                    user=self._user,
                    cwd=self.folder,
                    env=self._environment,
                    stdout=log,
                    stderr=log,
                )
        ready = [str(self._programs / "pg_isready"), "-q", "-h", str(self.folder), "-d", "postgres", "-U", "tocsin"]
        return subprocess.run(ready, check=False).returncode == 0

    def kill(self) -> None:
        """SIGKILL to all of it, at once: what was not committed is lost."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def freeze(self) -> None:
        """SIGSTOP to all of it."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT to all of it."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        # Its parent first: it would take a killed child for a crash, and end the others by itself.
        for each in (pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, number)

    def log(self) -> str:
        """What it has logged."""
        return (self.folder / "log").read_text(errors="replace")

    def remove(self) -> None:
        """Kill it and remove its folder."""
        if self._process is not None and self._process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- databases

    def make_empty(self) -> str:
        """Make an empty database, which stays; return its URL."""
        name = f"t{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    @contextlib.contextmanager
    def database(self, *, empty: bool = False) -> Iterator[str]:
        """Make a database for a `with` block, with tocsin's schema unless it is to be empty; give its URL."""
        # Making one takes far longer than emptying its tables, so those with the schema are used again.
        name = self._spare.pop() if self._spare and not empty else f"t{next(self._numbers)}"
        if empty:
            self.execute(f"CREATE DATABASE {name}")
        elif name not in self._made:
            self.execute(f"CREATE DATABASE {name}")
            self._made.add(name)
            migrate.upgrade(self.url(name))
        yield self.url(name)
        self.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        if empty:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")
        else:
            self.execute(_CLEAN, name)
            self._spare.append(name)

    def execute(self, statement: str, database: str = "postgres") -> str:
        """Run a statement; return what it gives, unaligned."""
        where = ("-h", str(self.folder), "-U", "tocsin", "-d", database)
        return self._run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *where, "-c", statement)

    def _run(self, program: str, *arguments: str) -> str:
        command = [str(self._programs / program), *arguments]
        done = subprocess.run(command, cwd=self.folder, user=self._user, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@contextlib.contextmanager
def database_of(request: pytest.FixtureRequest, kind: str, sqlite: str) -> Iterator[str]:
    """A database of a test's own for a `with` block: in the server of all tests for `postgresql`, else this one."""
    if kind != "postgresql":
        yield sqlite
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    with postgres.database() as url:
        yield url


@contextlib.contextmanager
def running_postgres(
    *settings: str, environment: Mapping[str, str] | None = None, wal_segment_mb: int = 16
) -> Iterator[PostgresServer]:
    """A server for a `with` block; see `PostgresServer`."""
    server = PostgresServer(*settings, environment=environment, wal_segment_mb=wal_segment_mb)
    try:
        server.start()
        yield server
    finally:
        server.remove()
