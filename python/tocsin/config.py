"""Settings: every knob of a node, read once from flags, `TOCSIN_*` variables and a file, then frozen.

Names here are the names everywhere: `heartbeat_interval_ms` is `--heartbeat-interval-ms`,
`TOCSIN_HEARTBEAT_INTERVAL_MS` and the key `heartbeat_interval_ms` of a TOML file.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import urlsplit

import msgspec

from tocsin.errors import ConfigError


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """A node's settings. Durations in ms, sizes in bytes. Defaults make a single node that needs nothing else."""

    # -- addresses
    host: str = "127.0.0.1"
    http_port: int = 8080
    gateway_port: int = 8081
    public_gateway_url: str = ""  # "" = ws://host:gateway_port as bound
    public_http_url: str = ""
    # -- data
    data: str = "tocsin-data"
    content: str = ""  # "" = {data}/content; a folder that all nodes see where there are several
    database: str = ""  # "" = sqlite:///{data}/tocsin.db; or postgresql://USER:PASSWORD@HOST:PORT/NAME
    database_pool_size: int = 8  # PostgreSQL: connections that read; one more writes
    database_timeout_ms: int = 5000  # PostgreSQL: the longest a read, or a group of commits, may take
    bus: str = "local:"
    bus_prefix: str = "tocsin"  # what all keys of the bus in Redis begin with
    bus_partitions: int = 1  # the same on every node
    bus_inbox_ttl_ms: int = 90000
    bus_queue_max_bytes: int = 67108864
    bus_away_ms: int = 10000
    node_id: str = "node-1"
    node_number: int = 0  # 0-1023: the worker and process bits of snowflakes
    seed: str = ""
    ready_file: str = ""
    # -- gateway
    workers: int = 0  # 0 = one per core
    heartbeat_interval_ms: int = 41250
    identify_timeout_ms: int = 15000
    handshake_timeout_ms: int = 10000
    resume_window_ms: int = 120000
    replay_max_events: int = 1000
    replay_max_bytes: int = 4194304
    outbound_max_bytes: int = 4194304
    payload_max_bytes: int = 15360
    send_limit: int = 120
    send_window_ms: int = 60000
    host_queue_max: int = 65536
    max_connections: int = 1000000
    compression: str = "shared"  # matches searched once per event, or a context per connection
    debug_inflate: bool = False  # decode what compressed streams emit, close with 4000 where it differs
    identify_max_concurrency: int = 16
    identify_window_ms: int = 5000
    session_start_limit: int = 1000
    max_guilds_per_shard: int = 2500
    large_threshold: int = 250
    presence_guild_limit: int = 2500
    presence_coalesce_ms: int = 1000  # a user's changes within it are told once
    idle_after_ms: int = 300000  # people who do nothing for so long are idle; 0 = never
    passive_from_members: int = 75000  # people who do not look at so large a guild are passive in it; 0 = never
    passive_update_ms: int = 10000  # what they missed is told once in so long
    voice_endpoint: str = ""  # host:port of a voice server; "" = VOICE_SERVER_UPDATE is not sent
    drain_spread_ms: int = 5000
    # -- API
    global_rate_limit: int = 50  # requests per second and identity; 0 = none
    message_rate_limit: int = 5  # messages per window, channel and user; 0 = none
    message_rate_window_ms: int = 5000
    body_max_bytes: int = 26214400
    attachment_max_bytes: int = 10485760
    typing_throttle_ms: int = 3000
    nonce_window_ms: int = 300000
    outbox_window_ms: int = 600000
    interaction_timeout_ms: int = 3000  # a bot's first answer
    audit_window_ms: int = 3888000000  # 45 days
    automod_presets: str = ""  # folder with the word lists of automatic moderation's presets; "" = there are none
    trusted_proxies: str = ""  # networks whose X-Forwarded-For is believed, such as 10.0.0.0/8,127.0.0.1
    registration: bool = True  # POST /auth/register is open
    # -- logs and traces
    log_level: str = "info"
    log_format: str = "auto"  # auto = console on a terminal, json otherwise
    trace_endpoint: str = ""  # OTLP over HTTP; "" = no traces
    trace_per_mille: int = 5  # in how many slots of 100 ms messages are traced, by their reach


Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PREFIX = "TOCSIN_"
CONFIG_VARIABLE = "TOCSIN_CONFIG"
"""Names the settings file, as `--config` does."""

_HOUR_MS = 3_600_000
_GIB = 1 << 30
RANGES: dict[str, tuple[int, int]] = {
    "http_port": (0, 65535),
    "gateway_port": (0, 65535),
    "database_pool_size": (1, 1000),
    "database_timeout_ms": (100, _HOUR_MS),
    "node_number": (0, 1023),
    "bus_partitions": (1, 64),
    "bus_inbox_ttl_ms": (1000, _HOUR_MS),
    "bus_queue_max_bytes": (65536, _GIB),
    "bus_away_ms": (0, _HOUR_MS),
    "workers": (0, 255),
    "heartbeat_interval_ms": (100, _HOUR_MS),
    "identify_timeout_ms": (10, _HOUR_MS),
    "handshake_timeout_ms": (10, _HOUR_MS),
    "resume_window_ms": (0, 24 * _HOUR_MS),
    "replay_max_events": (1, 1_000_000),
    "replay_max_bytes": (1024, _GIB),
    "outbound_max_bytes": (1024, _GIB),
    "payload_max_bytes": (1024, 1 << 24),
    "send_limit": (1, 1_000_000),
    "send_window_ms": (1, _HOUR_MS),
    "host_queue_max": (1, 1 << 24),
    "max_connections": (1, 1 << 24),
    "identify_max_concurrency": (1, 1_000_000),
    "identify_window_ms": (1, _HOUR_MS),
    "session_start_limit": (1, 1 << 31),
    "max_guilds_per_shard": (0, 1_000_000),
    "large_threshold": (50, 250),
    "presence_guild_limit": (0, 1 << 31),
    "presence_coalesce_ms": (0, 60_000),
    "idle_after_ms": (0, 24 * _HOUR_MS),
    "passive_from_members": (0, 1 << 31),
    "passive_update_ms": (0, _HOUR_MS),
    "drain_spread_ms": (0, _HOUR_MS),
    "global_rate_limit": (0, 1_000_000),
    "message_rate_limit": (0, 1_000_000),
    "message_rate_window_ms": (1, _HOUR_MS),
    "body_max_bytes": (1024, _GIB),
    "attachment_max_bytes": (1, _GIB),
    "typing_throttle_ms": (0, _HOUR_MS),
    "nonce_window_ms": (0, 24 * _HOUR_MS),
    "interaction_timeout_ms": (100, _HOUR_MS),
    "audit_window_ms": (60_000, 3650 * 24 * _HOUR_MS),
    "outbox_window_ms": (1000, 30 * 24 * _HOUR_MS),
    "trace_per_mille": (0, 1000),
}
"""Lowest and highest value of each whole number, both included."""

CHOICES: dict[str, tuple[str, ...]] = {
    "compression": ("shared", "connection"),
    "log_level": ("debug", "info", "warning", "error"),
    "log_format": ("auto", "console", "json"),
}
_SCHEMES: dict[str, tuple[str, ...]] = {
    "public_gateway_url": ("ws://", "wss://"),
    "public_http_url": ("http://", "https://"),
    "trace_endpoint": ("http://", "https://"),
}
_POSTGRES = ("postgresql://", "postgres://")
_REDIS = ("redis://", "redis+unix://")
_PREFIX = re.compile(r"[A-Za-z0-9_-]{1,64}")
_WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_TYPES: dict[str, type] = get_type_hints(Settings)


def load_settings(
    flags: Mapping[str, Any] | None = None,
    *,
    file: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Read the settings: a flag wins over a variable, a variable over the file, the file over the default.

    Args:
        flags: by setting name; None means that the flag was not given.
        file: a TOML file; without it, the one that `TOCSIN_CONFIG` names, if any.
        environ: the process's environment, unless given.

    Raises:
        errors.ConfigError: names the setting, its source and what is wrong.
    """
    env = os.environ if environ is None else environ
    path = file or env.get(CONFIG_VARIABLE) or None
    values: dict[str, Any] = {}
    if path is not None:
        for name, value in _read_file(Path(path)).items():
            if name not in _TYPES:
                raise ConfigError(f"{name}: no such setting (in {path})")
            values[name] = _check(name, value, f"in {path}")
    for name in _TYPES:
        text = env.get(PREFIX + name.upper())
        if text is not None:
            values[name] = _check(name, _from_text(name, text, PREFIX + name.upper()), f"from {PREFIX}{name.upper()}")
    for name, value in (flags or {}).items():
        if value is not None:
            values[name] = _check(name, value, f"from --{name.replace('_', '-')}")
    return Settings(**values)


def check_half(settings: Settings, verb: str) -> None:
    """Refuse settings with which half a node has no other half: `verb` is `gateway` or `api`.

    Raises:
        errors.ConfigError: names the setting.
    """
    if settings.bus == "local:":
        raise ConfigError(
            f"bus: `tocsin {verb}` meets the other half over a bus, such as --bus redis://HOST:6379; "
            "local: stays within the one process of `tocsin serve`"
        )
    if not settings.database:
        raise ConfigError(f"database: `tocsin {verb}` shares one with the other half; name it, such as sqlite:///PATH")
    if verb == "api" and not settings.public_gateway_url:
        raise ConfigError(
            "public_gateway_url: `tocsin api` has no gateway of its own to name; give the one for clients"
        )


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"config: cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"config: {path} is not TOML: {error}") from None


def _from_text(name: str, text: str, variable: str) -> Any:
    kind = _TYPES[name]
    if kind is bool:
        word = _WORDS.get(text.strip().lower())
        if word is None:
            raise ConfigError(f"{name}: must be true or false, not {text!r} (from {variable})")
        return word
    if kind is int:
        try:
            return int(text.strip().replace("_", ""))
        except ValueError:
            raise ConfigError(f"{name}: must be a whole number, not {text!r} (from {variable})") from None
    return text


def _check(name: str, value: Any, source: str) -> Any:
    kind = _TYPES[name]
    found: type = type(value)
    if found is not kind:
        noun = {int: "a whole number", bool: "true or false", str: "a text"}[kind]
        raise ConfigError(f"{name}: must be {noun}, not {value!r} ({source})")
    problem = _problem(name, value)
    if problem:
        raise ConfigError(f"{name}: {problem} ({source})")
    return value


def _problem(name: str, value: str | int | bool) -> str:
    if isinstance(value, str):
        return _text_problem(name, value)
    if name in RANGES:
        low, high = RANGES[name]
        if not low <= value <= high:
            return f"must be between {low} and {high}, not {value}"
    return ""


def _text_problem(name: str, value: str) -> str:
    if "\0" in value:
        return "must not hold a NUL"
    if name in CHOICES and value not in CHOICES[name]:
        return f"must be one of {', '.join(CHOICES[name])}, not {value!r}"
    if name in ("host", "data", "node_id") and not value:
        return "must not be empty"
    if value and name in _SCHEMES and not value.startswith(_SCHEMES[name]):
        return f"must begin with {' or '.join(_SCHEMES[name])}, not {value!r}"
    if name == "bus" and value != "local:" and not value.startswith(_REDIS):
        return f"must be local: or begin with {' or '.join(_REDIS)}"
    if name == "bus_prefix" and not _PREFIX.fullmatch(value):
        return f"must be letters, digits, - and _, not {value!r}"
    if name == "trusted_proxies":
        return _networks_problem(value)
    return _database_problem(value) if value and name == "database" else ""


def networks_of(text: str) -> tuple[Network, ...]:
    """Return the networks of `trusted_proxies`. Raises ValueError."""
    return tuple(ipaddress.ip_network(each.strip()) for each in text.split(",") if each.strip())


def _networks_problem(value: str) -> str:
    try:
        networks_of(value)
    except ValueError as error:
        return f"must be addresses or networks such as 10.0.0.0/8, with commas between them: {error}"
    return ""


def _database_problem(value: str) -> str:
    # Nothing of the value is said: it may hold a password.
    if value.startswith("sqlite:///") and len(value) > len("sqlite:///"):
        return ""
    if not is_postgres(value):
        return "must be sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/NAME"
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 - it raises
    except ValueError:
        return "must be postgresql://USER:PASSWORD@HOST:PORT/NAME; what is given has no such form"
    return "" if len(parts.path) > 1 else "must name a database: postgresql://USER:PASSWORD@HOST:PORT/NAME"


def is_postgres(url: str) -> bool:
    """Return whether the `database` setting names a PostgreSQL."""
    return url.startswith(_POSTGRES)
