"""Settings: every knob of a node, read once from flags, `TOCSIN_*` variables and a file, then frozen.

Names here are the names everywhere: `heartbeat_interval_ms` is `--heartbeat-interval-ms`, `TOCSIN_HEARTBEAT_INTERVAL_MS`
and the key `heartbeat_interval_ms` of a TOML file.
"""

from __future__ import annotations

import msgspec


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
    database: str = ""  # "" = sqlite:///{data}/tocsin.db
    bus: str = "local:"
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
    identify_max_concurrency: int = 16
    identify_window_ms: int = 5000
    session_start_limit: int = 1000
    max_guilds_per_shard: int = 2500
    large_threshold: int = 250
    presence_guild_limit: int = 2500
    drain_spread_ms: int = 5000
    # -- API
    global_rate_limit: int = 50  # requests per second and identity; 0 = none
    message_rate_limit: int = 5  # messages per window, channel and user; 0 = none
    message_rate_window_ms: int = 5000
    body_max_bytes: int = 26214400
    typing_throttle_ms: int = 3000
    nonce_window_ms: int = 300000
    outbox_window_ms: int = 600000
    registration: bool = True  # POST /auth/register is open
    # -- logs
    log_level: str = "info"
    log_format: str = "auto"  # auto = console on a terminal, json otherwise
