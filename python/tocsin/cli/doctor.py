"""`tocsin doctor`: what would keep a node from running well on this machine, and how to mend it."""

from __future__ import annotations

import errno
import importlib
import resource
import shutil
import socket
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
import msgspec

from tocsin.cli.options import settings_from, settings_options
from tocsin.errors import ConfigError

if TYPE_CHECKING:
    from tocsin.config import Settings

FILES_WANTED = 65536
DISK_WANTED_BYTES = 1 << 30
SQLITE_WANTED = (3, 35, 0)  # RETURNING
BUILT_MS = 1_790_000_000_000
"""A clock before this moment (September 2026) is wrong."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at. `mend` says what to do unless `verdict` is ok."""

    name: str
    verdict: Literal["ok", "warning", "wrong"]
    what: str
    mend: str = ""


@click.command()
@settings_options()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(config: str | None, as_json: bool, **flags: Any) -> None:
    """Say what is wrong with this machine for a node, and how to mend it. Exits 1 if anything is wrong."""
    findings = examine(config, flags)
    wrong = any(finding.verdict == "wrong" for finding in findings)
    if as_json:
        click.echo(msgspec.json.encode({"ok": not wrong, "findings": findings}))
    else:
        for finding in findings:
            mark = {"ok": "ok     ", "warning": "warning", "wrong": "WRONG  "}[finding.verdict]
            click.echo(f"{mark}  {finding.name:11} {finding.what}")
            if finding.mend:
                click.echo(f"{'':21}mend: {finding.mend}")
    sys.exit(1 if wrong else 0)


def examine(config: str | None, flags: dict[str, Any]) -> list[Finding]:
    """Look at everything; stop after the settings if they are wrong."""
    try:
        settings = settings_from(config, flags)
    except ConfigError as error:
        return [Finding("settings", "wrong", str(error), "change the setting where the message says it comes from")]
    checks: list[Callable[[Settings], Finding]] = [_core, _sqlite, _open_files, _data, _schema, _clock]
    found = [Finding("settings", "ok", "all within their ranges"), *(check(settings) for check in checks)]
    return [*found, *_redis(settings), *_ports(settings)]


def _core(_: Settings) -> Finding:
    try:
        importlib.import_module("tocsin._core")
    except ImportError as error:
        return Finding("core", "wrong", f"the Rust core is missing: {error}", "install the wheel, or `make serve`")
    return Finding("core", "ok", "the Rust core is there")


def _sqlite(_: Settings) -> Finding:
    if sqlite3.sqlite_version_info < SQLITE_WANTED:
        return Finding(
            "sqlite", "wrong", f"version {sqlite3.sqlite_version} is too old", "use a Python with SQLite 3.35 or newer"
        )
    return Finding("sqlite", "ok", f"version {sqlite3.sqlite_version}")


def _open_files(_: Settings) -> Finding:
    # A node raises its own soft limit to the hard one.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY or hard >= FILES_WANTED:
        return Finding("open files", "ok", "unlimited" if hard == resource.RLIM_INFINITY else str(hard))
    how = f"`ulimit -Hn {FILES_WANTED}` as root before starting, or LimitNOFILE={FILES_WANTED} in the unit"
    return Finding("open files", "warning", f"{hard}, and every connection takes one", how)


def _data(settings: Settings) -> Finding:
    folder = Path(settings.data)
    at = folder
    while not at.exists() and at != at.parent:
        at = at.parent
    try:
        with tempfile.TemporaryFile(dir=at):
            pass
    except OSError as error:
        how = "give --data a folder that this user may write in"
        return Finding("data", "wrong", f"{folder}: cannot write in {at}: {error.strerror}", how)
    free = shutil.disk_usage(at).free
    if free < DISK_WANTED_BYTES:
        return Finding("data", "warning", f"{folder}: {free >> 20} MiB are free", "make room, or move --data")
    return Finding("data", "ok", f"{folder}: writable, {free >> 30} GiB free")


def _schema(settings: Settings) -> Finding:
    from tocsin.config import is_postgres
    from tocsin.store import database_url, migrate
    from tocsin.store.postgres_link import shown

    url = database_url(settings)
    where = shown(url).removeprefix("sqlite:///")
    if not is_postgres(url) and not Path(where).exists():
        return Finding("schema", "ok", f"{where}: not there yet; the first start makes it")
    try:
        at, wanted = migrate.current(url), migrate.head()
    except Exception as error:  # whatever the database library says, the person shall read it
        mend = "restore it from a copy, or move it away"
        if is_postgres(url):
            mend = "start PostgreSQL, make the database and its user, or change --database"
        return Finding("schema", "wrong", f"{where}: cannot be read: {error or type(error).__name__}", mend)
    if at == wanted:
        return Finding("schema", "ok", f"{where}: at {at}")
    if at is None or at in migrate.known():
        return Finding("schema", "warning", f"{where}: at {at or 'nothing'}, not {wanted}", "`tocsin db upgrade`")
    return Finding("schema", "wrong", f"{where}: at {at}, which a newer tocsin wrote", "use that tocsin")


def _clock(settings: Settings) -> Finding:
    from tocsin.model.snowflake import snowflake_ms

    now = time.time_ns() // 1_000_000
    sync = "set the clock, and let chrony or systemd-timesyncd keep it"
    if now < BUILT_MS:
        return Finding("clock", "wrong", f"it says {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC", sync)
    newest = _newest_id(settings)
    ahead_ms = snowflake_ms(newest) - now if newest else 0
    if ahead_ms > 1000:
        what = f"the newest id is from {ahead_ms / 1000:.0f} s in the future; new ids go on from there"
        return Finding("clock", "warning", what, sync)
    return Finding("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))


def _newest_id(settings: Settings) -> int:
    """Return the newest message's id; 0 when it cannot be told, which `_schema` says more of."""
    from tocsin.config import is_postgres
    from tocsin.store import database_url, migrate

    url = database_url(settings)
    if not is_postgres(url) and not Path(url.removeprefix("sqlite:///")).exists():
        return 0
    try:
        return migrate.newest_message(url)
    except Exception:
        return 0


def _redis(settings: Settings) -> list[Finding]:
    from tocsin.cli.doctor_redis import look_at

    if settings.bus == "local:":
        return []
    return [Finding("redis", *look) for look in look_at(settings.bus, settings.bus_prefix, settings.bus_partitions)]


def _ports(settings: Settings) -> list[Finding]:
    from tocsin.cli.running import running_node

    node = running_node(settings.data)
    if node is not None:
        return [Finding("ports", "ok", f"node {node.node} (pid {node.pid}) listens at {node.http} and {node.gateway}")]
    return [
        _port(settings.host, settings.http_port, "--http-port"),
        _port(settings.host, settings.gateway_port, "--gateway-port"),
    ]


def _port(host: str, port: int, flag: str) -> Finding:
    where = f"{host}:{port}"
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            how = f"stop what listens there (`ss -ltnp`), or choose another {flag}"
            return Finding("ports", "wrong", f"{where} is in use", how)
        return Finding("ports", "wrong", f"{where} cannot be bound: {error}", f"choose another --host or {flag}")
    return Finding("ports", "ok", f"{where} is free")
