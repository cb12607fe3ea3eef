"""Options: every setting as a flag, with its help; the settings themselves are `tocsin.config`'s."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

import click
import msgspec

from tocsin.config import CHOICES, PREFIX, RANGES, Settings, load_settings

F = TypeVar("F", bound=Callable[..., Any])

HELP: dict[str, str] = {
    "host": "Address to listen on.",
    "http_port": "Port of the message API; 0 picks a free one.",
    "gateway_port": "Port of the gateway; 0 picks a free one.",
    "public_gateway_url": "What clients are told the gateway's URL is. Default: as bound.",
    "public_http_url": "What clients are told the API's URL is. Default: as bound.",
    "data": "Folder of everything that is kept.",
    "content": "Folder of the files that people give. Default: DATA/content. Several nodes must see the same.",
    "database": "Where rows are kept: sqlite:///PATH or postgresql://... Default: sqlite:///DATA/tocsin.db.",
    "database_pool_size": "Connections to PostgreSQL that read; one more writes.",
    "database_timeout_ms": "How long a read or a group of commits may take in PostgreSQL.",
    "bus": "How events travel between nodes: local: (one node) or redis://... (of a Redis Cluster any member)",
    "bus_prefix": "What all keys of the bus in Redis begin with.",
    "bus_partitions": "Partitions of the bus, the same on every node.",
    "bus_inbox_ttl_ms": "How long a node that is silent keeps its inbox in Redis.",
    "bus_queue_max_bytes": "Bytes of events that may wait while Redis is away.",
    "bus_away_ms": "How long Redis may be away before /readyz says that the node is not ready; 0 is for ever.",
    "node_id": "Name of this node.",
    "node_number": "Number of this node in the ids it makes.",
    "seed": "World file to load before listening.",
    "ready_file": "File to write once both ports accept.",
    "workers": "Gateway threads, of `tocsin api` its processes; 0 is one per core.",
    "heartbeat_interval_ms": "How often clients are asked to heartbeat.",
    "identify_timeout_ms": "How long a connection may take to identify.",
    "handshake_timeout_ms": "How long a connection may take to upgrade.",
    "resume_window_ms": "How long a session without a connection is kept.",
    "replay_max_events": "Events kept per session for resuming.",
    "replay_max_bytes": "Bytes kept per session for resuming.",
    "outbound_max_bytes": "Bytes that may wait for a slow client before it is closed.",
    "payload_max_bytes": "Largest payload a client may send.",
    "send_limit": "Payloads a client may send per window; 0 is no limit.",
    "send_window_ms": "The window of --send-limit.",
    "host_queue_max": "Requests that may wait for Python before new connections are closed.",
    "max_connections": "Connections that are held at once.",
    "compression": "zlib-stream: shared searches an event once for all; connection takes fewer bytes, far more CPU.",
    "debug_inflate": "Inflate what zlib-stream sends and close where it differs. Slow; for tests.",
    "identify_max_concurrency": "Identifies per window and bot that are told to be fine.",
    "identify_window_ms": "The window of --identify-max-concurrency.",
    "session_start_limit": "Session starts a day and bot.",
    "max_guilds_per_shard": "Guilds per shard beyond which sharding is required; 0 is no limit.",
    "large_threshold": "Members beyond which a guild is large, unless a client says so.",
    "presence_guild_limit": "Members beyond which only bots get a guild's presences.",
    "presence_coalesce_ms": "A user's presence is told at most once in this time.",
    "idle_after_ms": "People who do nothing for so long are idle; 0 is never.",
    "passive_from_members": "Members from which on people hear little of a guild they do not look at; 0 is never.",
    "passive_update_ms": "What such people missed is told once in this time.",
    "attachment_max_bytes": "Bytes of a file that comes with a message.",
    "voice_endpoint": "host:port of a voice server, for VOICE_SERVER_UPDATE; empty is none.",
    "drain_spread_ms": "How long a stop spreads its reconnect requests.",
    "global_rate_limit": "Requests a second and identity; 0 is no limit.",
    "message_rate_limit": "Messages per window, channel and user; 0 is no limit.",
    "message_rate_window_ms": "The window of --message-rate-limit.",
    "body_max_bytes": "Largest body of a request.",
    "typing_throttle_ms": "How long a repeated typing notice of one user and channel is held back.",
    "nonce_window_ms": "How long a message's nonce is remembered.",
    "outbox_window_ms": "How long committed events are kept for nodes that lag.",
    "interaction_timeout_ms": "How long a bot may take to answer an interaction first.",
    "audit_window_ms": "How long a guild's audit log is kept.",
    "automod_presets": "Folder with profanity.txt, sexual_content.txt, slurs.txt for presets of rules; empty is none.",
    "trusted_proxies": "Networks, with commas, whose X-Forwarded-For tells a client's address; empty is nobody's.",
    "registration": "Whether POST /auth/register is open.",
    "log_level": "Least severe records that are logged.",
    "trace_endpoint": "Where traces go, such as http://127.0.0.1:4318/v1/traces; empty is nowhere.",
    "trace_per_mille": "In how many of the slots of 100 ms messages are traced, fewer the further they reach.",
    "log_format": "How logs are written; auto is console on a terminal, json otherwise.",
}
_TYPES = get_type_hints(Settings)


def _option(name: str) -> Callable[[F], F]:
    kind = _TYPES[name]
    flag = name.replace("_", "-")
    default = next(field.default for field in msgspec.structs.fields(Settings) if field.name == name)
    shown = "" if default == "" else f" Default: {str(default).lower() if kind is bool else default}."
    text = f"{HELP[name]}{shown}"
    if kind is bool:
        return click.option(f"--{flag}/--no-{flag}", name, default=None, help=text)
    if name in CHOICES:
        return click.option(f"--{flag}", name, metavar=f"[{'|'.join(CHOICES[name])}]", default=None, help=text)
    if kind is int:
        low, high = RANGES[name]
        return click.option(f"--{flag}", name, type=int, metavar="N", default=None, help=f"{text} {low} to {high}.")
    return click.option(f"--{flag}", name, metavar="TEXT", default=None, help=text)


def settings_options(*names: str) -> Callable[[F], F]:
    """Give a command `--config` and the flags of these settings (all, when none is named).

    The command gets them as keyword arguments; `settings_from` makes `Settings` of them.
    """

    def decorate(command: F) -> F:
        for name in reversed(names or tuple(HELP)):
            command = _option(name)(command)
        text = f"TOML file with settings. Also {PREFIX}CONFIG; each flag is also a variable {PREFIX}NAME."
        return click.option("--config", metavar="FILE", default=None, help=text)(command)

    return decorate


def settings_from(config: str | None, flags: dict[str, Any]) -> Settings:
    """Return the settings of a command's flags, the environment and the file.

    Raises:
        errors.ConfigError: a setting is wrong.
    """
    return load_settings(flags, file=config)
