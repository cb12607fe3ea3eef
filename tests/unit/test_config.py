"""Settings come from flags, variables and a file, in that order, and a wrong one is named."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest

from tocsin import _core
from tocsin.config import CHOICES, RANGES, Settings, load_settings
from tocsin.errors import ConfigError


def load(flags: dict[str, Any] | None = None, env: dict[str, str] | None = None, file: Path | None = None) -> Settings:
    return load_settings(flags, file=file, environ=env or {})


def test_nothing_given_is_the_defaults() -> None:
    assert load() == Settings()


def test_a_flag_wins_over_a_variable_and_a_variable_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "tocsin.toml"
    file.write_text('http_port = 1\ngateway_port = 2\nworkers = 3\nhost = "0.0.0.0"\nregistration = false\n')
    env = {"TOCSIN_HTTP_PORT": "11", "TOCSIN_GATEWAY_PORT": "12"}
    settings = load({"http_port": 21, "workers": None}, env, file)
    assert (settings.http_port, settings.gateway_port, settings.workers) == (21, 12, 3)
    assert settings.host == "0.0.0.0"
    assert settings.registration is False


def test_a_variable_may_name_the_file(tmp_path: Path) -> None:
    file = tmp_path / "tocsin.toml"
    file.write_text("send_limit = 7\n")
    assert load(env={"TOCSIN_CONFIG": str(file)}).send_limit == 7


@pytest.mark.parametrize(("text", "value"), [("1", True), ("TRUE", True), ("yes", True), ("off", False), ("0", False)])
def test_a_switch_is_read_from_a_variable(text: str, value: bool) -> None:
    assert load(env={"TOCSIN_REGISTRATION": text}).registration is value


WRONG: list[tuple[dict[str, Any], dict[str, str], str]] = [
    ({"http_port": 70000}, {}, "http_port: must be between 0 and 65535, not 70000 (from --http-port)"),
    ({}, {"TOCSIN_WORKERS": "many"}, "workers: must be a whole number, not 'many' (from TOCSIN_WORKERS)"),
    ({}, {"TOCSIN_REGISTRATION": "perhaps"}, "registration: must be true or false, not 'perhaps'"),
    ({}, {"TOCSIN_LOG_LEVEL": "loud"}, "log_level: must be one of debug, info, warning, error, not 'loud'"),
    ({"host": ""}, {}, "host: must not be empty (from --host)"),
    ({"public_gateway_url": "http://a"}, {}, "public_gateway_url: must begin with ws:// or wss://"),
    ({"bus": "nats://127.0.0.1"}, {}, "bus: must be local: or begin with redis:// or redis+unix://"),
    ({"trusted_proxies": "10.0.0.1/8"}, {}, "trusted_proxies: must be addresses or networks such as 10.0.0.0/8"),
    ({}, {"TOCSIN_TRUSTED_PROXIES": "haproxy"}, "trusted_proxies: must be addresses or networks"),
    ({"bus_prefix": "{a}"}, {}, "bus_prefix: must be letters, digits, - and _, not '{a}'"),
    ({"bus_partitions": 0}, {}, "bus_partitions: must be between 1 and 64, not 0"),
    ({"database": "mysql://u:hidden@a/b"}, {}, "database: must be sqlite:///PATH or postgresql://"),
    ({"database": "postgresql://u:hidden@a"}, {}, "database: must name a database: postgresql://USER"),
    ({"database": "postgresql://u:hidden@a:none/b"}, {}, "database: must be postgresql://USER"),
    ({"database_pool_size": 0}, {}, "database_pool_size: must be between 1 and 1000, not 0"),
    ({}, {"TOCSIN_DATABASE_TIMEOUT_MS": "5"}, "database_timeout_ms: must be between 100 and 3600000, not 5"),
    ({"data": "a\0b"}, {}, "data: must not hold a NUL"),
]


@pytest.mark.parametrize(("flags", "env", "message"), WRONG, ids=[message.split(":")[0] for _, _, message in WRONG])
def test_a_wrong_setting_is_named_with_its_source(flags: dict[str, Any], env: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(flags, env)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http_prot = 1\n", "http_prot: no such setting (in "),
        ('http_port = "1"\n', "http_port: must be a whole number, not '1' (in "),
        ("http_port = true\n", "http_port: must be a whole number, not True (in "),
        ("host = 1\n", "host: must be a text, not 1 (in "),
        ("= 1\n", "config: "),
    ],
)
def test_a_wrong_file_is_named_with_the_setting(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "tocsin.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file=file)
    assert str(caught.value).startswith(message)


def test_a_missing_file_is_an_error_not_a_default(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config: cannot read .*nowhere\.toml"):
        load(file=tmp_path / "nowhere.toml")


def test_every_setting_has_a_range_or_is_a_text_or_switch_and_every_default_is_inside() -> None:
    hints = get_type_hints(Settings)
    assert {name for name, kind in hints.items() if kind is int} == set(RANGES)
    assert set(CHOICES) <= set(hints)
    flags = {name: value for name, value in msgspec.structs.asdict(Settings()).items() if value != ""}
    assert load(flags) == Settings()


SHARED_WITH_THE_CORE = sorted(
    name for name in RANGES if name in inspect.signature(_core.GatewayConfig).parameters and name != "workers"
)


@pytest.mark.parametrize("name", SHARED_WITH_THE_CORE)
def test_the_core_takes_the_lowest_and_the_highest_value(name: str) -> None:
    values: dict[str, Any]
    for value in RANGES[name]:
        values = {"workers": 1, name: value}
        core = _core.Gateway(_core.GatewayConfig(**values))
        core.start()
        core.stop()


def test_the_core_shares_these_settings() -> None:
    assert {"send_limit", "payload_max_bytes", "replay_max_events"} <= set(SHARED_WITH_THE_CORE)
