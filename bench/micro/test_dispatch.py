"""Dispatch: one event as the payloads of 1, 10, 100 and 1,000 sessions, which differ in `s` only."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.micro.payloads import MESSAGE, MESSAGE_JSON, library
from tocsin import _core

NAME = "MESSAGE_CREATE"
Encode = Callable[[list[int]], list[bytes]]
"""From the sequence numbers of the sessions to their payloads."""


def tocsin(sequences: list[int]) -> list[bytes]:
    """The shared part once, a head for each; begins at the event's JSON, as the gateway does."""
    return _core.EncodedDispatch(NAME, MESSAGE_JSON).payloads(sequences)


def f_string(sequences: list[int]) -> list[bytes]:
    """The body once as text, a formatted envelope for each."""
    body = MESSAGE_JSON.decode()
    return [f'{{"s":{s},"t":"{NAME}","op":0,"d":{body}}}'.encode() for s in sequences]


def orjson_each() -> Encode:
    dumps = library("orjson").dumps
    return lambda sequences: [dumps({"s": s, "t": NAME, "op": 0, "d": MESSAGE}) for s in sequences]


def orjson_fragment() -> Encode:
    """The body as a fragment that is copied, the envelope encoded for each."""
    orjson = library("orjson")
    body = orjson.Fragment(MESSAGE_JSON)
    return lambda sequences: [orjson.dumps({"s": s, "t": NAME, "op": 0, "d": body}) for s in sequences]


def msgspec_each() -> Encode:
    encode = msgspec.json.Encoder().encode
    return lambda sequences: [encode({"s": s, "t": NAME, "op": 0, "d": MESSAGE}) for s in sequences]


def msgspec_raw() -> Encode:
    """The body as octets that are copied, the envelope encoded for each."""
    encode, body = msgspec.json.Encoder().encode, msgspec.Raw(MESSAGE_JSON)
    return lambda sequences: [encode({"s": s, "t": NAME, "op": 0, "d": body}) for s in sequences]


def json_each(sequences: list[int]) -> list[bytes]:
    return [
        json.dumps({"s": s, "t": NAME, "op": 0, "d": MESSAGE}, separators=(",", ":"), ensure_ascii=False).encode()
        for s in sequences
    ]


JSON_WAYS: dict[str, Callable[[], Encode]] = {
    "tocsin": lambda: tocsin,
    "f-string": lambda: f_string,
    "orjson": orjson_each,
    "orjson-fragment": orjson_fragment,
    "msgspec": msgspec_each,
    "msgspec-raw": msgspec_raw,
    "json": lambda: json_each,
}
"""A plain name encodes the whole payload for each session, as most gateways in Python do."""

SESSIONS = pytest.mark.parametrize("sessions", [1, 10, 100, 1000])


@pytest.mark.benchmark(group="JSON payloads of one event for each session")
@SESSIONS
@pytest.mark.parametrize("way", JSON_WAYS)
def test_json_payloads_of_an_event(benchmark: BenchmarkFixture, way: str, sessions: int) -> None:
    sequences = list(range(995, 995 + sessions))
    found = benchmark(JSON_WAYS[way](), sequences)
    assert [json.loads(payload) for payload in found] == [{"s": s, "t": NAME, "op": 0, "d": MESSAGE} for s in sequences]
    benchmark.extra_info["sessions"] = sessions


def tocsin_terms(sequences: list[int]) -> list[bytes]:
    return _core.EncodedDispatch(NAME, MESSAGE_JSON).payloads(sequences, etf=True)


def erlpack_each() -> Encode:
    pack = library("erlpack").pack
    return lambda sequences: [pack({"s": s, "t": NAME, "op": 0, "d": MESSAGE}) for s in sequences]


@pytest.mark.benchmark(group="ETF payloads of one event for each session")
@SESSIONS
@pytest.mark.parametrize("way", ["tocsin", "erlpack"])
def test_etf_payloads_of_an_event(benchmark: BenchmarkFixture, way: str, sessions: int) -> None:
    sequences = list(range(995, 995 + sessions))
    found = benchmark(tocsin_terms if way == "tocsin" else erlpack_each(), sequences)
    told = [json.loads(_core.etf_to_json(payload)) for payload in found]
    assert [payload["s"] for payload in told] == sequences
    # Ids are integers in tocsin's terms, as Discord sends them, and texts in erlpack's, as they were given.
    assert all(str(payload["d"]["id"]) == MESSAGE["id"] for payload in told)
    assert all(payload["d"]["content"] == MESSAGE["content"] for payload in told)
    benchmark.extra_info["sessions"] = sessions
