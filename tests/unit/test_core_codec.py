"""`tocsin._core`'s ETF beside erlpack and the shared vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin._core import etf_to_json, json_to_etf

VECTORS = Path(__file__).parents[1] / "vectors"
ETF: dict[str, Any] = json.loads((VECTORS / "etf.json").read_text())
FIXTURES: dict[str, Any] = json.loads((VECTORS / "fixtures.json").read_text())

INTEGERS = st.integers(-(2**63), 2**64 - 1)
VALUES = st.recursive(
    # A float without a fraction comes back as an integer.
    st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=30,
)


def octets(value: Any) -> bytes:
    """The compact JSON of a value, as tocsin makes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def value_of(term: bytes) -> Any:
    return json.loads(etf_to_json(term))


def test_no_vector_is_missing() -> None:
    assert {section: len(ETF[section]) for section in ("encode", "decode", "refuse")} == {
        "encode": 86,
        "decode": 36,
        "refuse": 81,
    }


def test_every_value_of_the_vectors_has_its_octets() -> None:
    for vector in ETF["encode"]:
        term = bytes.fromhex(vector["hex"])
        # The vectors' keys are sorted in the file; the octets tell their order.
        ordered = etf_to_json(term) if isinstance(vector["value"], dict | list) else octets(vector["value"])
        assert json_to_etf(ordered) == term, vector["name"]
        assert value_of(term) == vector["value"], vector["name"]


def test_what_erlpack_takes_is_decoded() -> None:
    for vector in ETF["decode"]:
        assert value_of(bytes.fromhex(vector["hex"])) == vector["value"], vector["name"]


def test_what_must_be_refused_is_a_value_error() -> None:
    for vector in ETF["refuse"]:
        with pytest.raises(ValueError, match=r".+"):
            etf_to_json(bytes.fromhex(vector["hex"]))


@pytest.mark.parametrize("bad", [b"", b"{", b"[1,]", b'"\xff"', b'"\\ud800"', b"1 2", b"[" * 128 + b"]" * 128])
def test_what_is_no_json_is_a_value_error(bad: bytes) -> None:
    with pytest.raises(ValueError, match="payload is not valid JSON"):
        json_to_etf(bad)


def test_what_is_no_payload_is_a_value_error() -> None:
    for bad in (b"[]", b"{}", b'{"op":"1"}', b'{"op":1,"d":}'):
        with pytest.raises(ValueError, match=r".+"):
            json_to_etf(bad, payload=True)


@given(VALUES)
def test_a_value_survives_its_term(value: Any) -> None:
    assert value_of(json_to_etf(octets(value))) == value
    # With escapes for all that is not ASCII, and with white space, the octets are the same.
    assert json_to_etf(json.dumps(value, indent=1).encode()) == json_to_etf(octets(value))


@pytest.mark.parametrize("name", [name for name in FIXTURES if not name.startswith("_")])
def test_a_payload_has_the_values_of_its_json(name: str) -> None:
    payload = {"op": 0, "d": FIXTURES[name], "s": 7, "t": name}
    found = value_of(json_to_etf(octets(payload), payload=True))

    def alike(term: Any, plain: Any) -> bool:
        if isinstance(plain, dict):
            return term.keys() == plain.keys() and all(alike(term[key], plain[key]) for key in plain)
        if isinstance(plain, list):
            return len(term) == len(plain) and all(map(alike, term, plain))
        return bool(term == plain or (isinstance(plain, str) and type(term) is int and str(term) == plain))

    assert alike(found, payload)


class TestBesideErlpack:
    """Discord's own encoder for Python, where it is installed (requirements/bench.txt)."""

    @pytest.fixture(autouse=True)
    def erlpack(self) -> None:
        self.library = pytest.importorskip("erlpack")

    @pytest.mark.parametrize("name", FIXTURES)
    def test_a_value_has_its_octets(self, name: str) -> None:
        term = self.library.pack(FIXTURES[name])
        assert json_to_etf(octets(FIXTURES[name])) == term
        assert value_of(term) == FIXTURES[name]

    @pytest.mark.parametrize("name", [name for name in FIXTURES if not name.startswith("_")])
    def test_it_reads_a_payload(self, name: str) -> None:
        term = json_to_etf(octets({"op": 0, "d": FIXTURES[name], "s": 7, "t": name}), payload=True)

        def plain(value: Any) -> Any:
            if isinstance(value, dict):
                return {str(plain(key)): plain(item) for key, item in value.items()}
            if isinstance(value, list | tuple):
                return [plain(item) for item in value]
            if isinstance(value, bytes):
                return value.decode()
            return value if value is None or isinstance(value, bool | int | float | str) else str(value)

        assert plain(self.library.unpack(term)) == value_of(term)
