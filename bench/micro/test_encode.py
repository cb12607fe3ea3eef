"""Encoding and decoding of one message: what JSON and ETF cost in the libraries of Python and in tocsin's core."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.micro.payloads import MESSAGE, MESSAGE_JSON, library
from tocsin import _core

Encode = Callable[[], bytes]
TERM = _core.json_to_etf(MESSAGE_JSON)


def json_of(name: str) -> Encode:
    if name == "orjson":
        dumps = library("orjson").dumps
        return lambda: bytes(dumps(MESSAGE))
    if name == "msgspec":
        encode = msgspec.json.Encoder().encode
        return lambda: encode(MESSAGE)
    return lambda: json.dumps(MESSAGE, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.benchmark(group="JSON of a message")
@pytest.mark.parametrize("name", ["orjson", "msgspec", "json"])
def test_json_encode_of_a_message(benchmark: BenchmarkFixture, name: str) -> None:
    found = benchmark(json_of(name))
    assert json.loads(found) == MESSAGE
    benchmark.extra_info["bytes"] = len(found)


def plain(term: Any) -> Any:
    """A decoded term as JSON has it: texts for binaries and for ids."""
    if isinstance(term, bytes):
        return term.decode()
    if isinstance(term, dict):
        return {plain(key): plain(value) for key, value in term.items()}
    if isinstance(term, list):
        return [plain(each) for each in term]
    return str(term) if isinstance(term, int) and term > 1 << 32 else term


def etf_of(name: str) -> Encode:
    if name == "orjson":
        return json_of("orjson")
    if name == "erlpack":
        pack = library("erlpack").pack
        return lambda: bytes(pack(MESSAGE))
    return lambda: _core.json_to_etf(MESSAGE_JSON)


@pytest.mark.benchmark(group="ETF of a message (orjson: JSON, to compare)")
@pytest.mark.parametrize("name", ["tocsin", "erlpack", "orjson"])
def test_etf_encode_of_a_message(benchmark: BenchmarkFixture, name: str) -> None:
    """tocsin begins at the event's JSON text, the others at a Python dict."""
    found = benchmark(etf_of(name))
    benchmark.extra_info["bytes"] = len(found)
    if name == "orjson":
        assert json.loads(found) == MESSAGE
        return
    assert found[0] == 131
    if importlib.util.find_spec("erlpack"):
        assert plain(library("erlpack").unpack(found)) == plain(MESSAGE)


def value_of(name: str) -> Callable[[], Any]:
    if name == "tocsin":
        return lambda: _core.etf_to_json(TERM)
    if name == "tocsin+msgspec":
        decode = msgspec.json.Decoder().decode
        return lambda: decode(_core.etf_to_json(TERM))
    if name == "erlpack":
        unpack = library("erlpack").unpack
        return lambda: unpack(TERM)
    loads = library("orjson").loads
    return lambda: loads(MESSAGE_JSON)


@pytest.mark.benchmark(group="a message from ETF (orjson: from JSON, to compare)")
@pytest.mark.parametrize("name", ["tocsin", "tocsin+msgspec", "erlpack", "orjson"])
def test_etf_decode_of_a_message(benchmark: BenchmarkFixture, name: str) -> None:
    """tocsin ends at JSON text, as the gateway needs it; with msgspec at a Python dict, as the others."""
    found = benchmark(value_of(name))
    assert plain(json.loads(found) if isinstance(found, bytes) else found) == plain(MESSAGE)
    benchmark.extra_info["bytes"] = len(MESSAGE_JSON if name == "orjson" else TERM)
