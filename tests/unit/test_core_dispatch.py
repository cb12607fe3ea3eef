"""`tocsin._core.EncodedDispatch`: heads and shared octets make the payloads that a whole encoding makes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tocsin._core import EncodedDispatch, etf_to_json, json_to_etf

FIXTURES: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "fixtures.json").read_text())
MESSAGE: dict[str, Any] = FIXTURES["MESSAGE_CREATE"]
BODY = json.dumps(MESSAGE, separators=(",", ":"), ensure_ascii=False).encode()
SEQUENCES = [1, 9, 10, 255, 256, 99_999, 2**31, 2**64 - 1]
AUTHOR, MENTIONED, STRANGER = int(MESSAGE["author"]["id"]), 77, 78


def test_a_payload_is_a_head_and_the_shared_octets() -> None:
    event = EncodedDispatch("MESSAGE_CREATE", BODY)
    for s, payload in zip(SEQUENCES, event.payloads(SEQUENCES), strict=True):
        assert payload == event.head(s) + event.shared()
        assert payload == b'{"s":%d,"t":"MESSAGE_CREATE","op":0,"d":%b}' % (s, BODY)


def test_a_term_is_the_one_of_the_whole_payload() -> None:
    event = EncodedDispatch("MESSAGE_CREATE", BODY)
    for s, term in zip(SEQUENCES, event.payloads(SEQUENCES, etf=True), strict=True):
        assert term == event.head(s, etf=True) + event.shared(etf=True)
        assert term == json_to_etf(b'{"s":%d,"t":"MESSAGE_CREATE","op":0,"d":%b}' % (s, BODY), payload=True)
        assert json.loads(etf_to_json(term))["s"] == s


def test_only_author_and_mentioned_see_gated_content() -> None:
    event = EncodedDispatch("MESSAGE_CREATE", BODY, gate=(AUTHOR, [MENTIONED]))
    for user_id in (AUTHOR, MENTIONED):
        assert event.shows_all(user_id=user_id, sees_content=False)
        assert event.shared(user_id=user_id, sees_content=False) == event.shared()
    assert event.shows_all(user_id=STRANGER, sees_content=True)
    assert not event.shows_all(user_id=STRANGER, sees_content=False)
    (stripped,) = event.payloads([1], user_id=STRANGER, sees_content=False)
    d = json.loads(stripped)["d"]
    assert (d["content"], d["id"]) == ("", MESSAGE["id"])


def test_a_name_that_no_atom_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="255"):
        EncodedDispatch("x" * 256, b"{}")


def test_a_body_that_is_no_json_is_nil_in_a_term() -> None:
    for body in (b"{", b"[" * 200 + b"]" * 200):
        (term,) = EncodedDispatch("X", body).payloads([1], etf=True)
        assert json.loads(etf_to_json(term)) == {"s": 1, "t": "X", "op": 0, "d": None}
