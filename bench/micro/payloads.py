"""Payloads: the documents that are encoded and compressed: a message as clients get it, and a stream of such."""

from __future__ import annotations

import copy
import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest

FIXTURES: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "tests" / "vectors" / "fixtures.json").read_text("utf-8")
)
MESSAGE: dict[str, Any] = FIXTURES["MESSAGE_CREATE"]
"""About 1.4 KB as compact JSON."""
MESSAGE_JSON = json.dumps(MESSAGE, separators=(",", ":")).encode()


def library(name: str) -> Any:
    """A library that only `make bench` installs; without it the case is skipped, and says so."""
    return pytest.importorskip(name, reason=f"{name} is not installed: `make bench` installs it")


def vocabulary(rng: random.Random) -> list[str]:
    """3,000 words that no two seeds share; frequent ones are short, as in a language."""
    syllables = ["".join(pair) for pair in itertools.product("bcdfghklmnprstvw", "aeiou")]
    return ["".join(rng.choices(syllables, k=1 + n // 200 % 5)) for n in range(3_000)]


def messages(count: int) -> list[dict[str, Any]]:
    """Messages of one busy channel: 50 authors, texts of 3 to 40 words, an attachment, embed or reaction now and then.

    Words come as often as in a language (the n-th one 1/n times as often as the first), so that compression finds what
    it finds in chat: little in the texts, most of the rest.
    """
    rng = random.Random(7)
    words = vocabulary(rng)
    often = [1 / n for n in range(1, len(words) + 1)]
    people = [
        {
            "id": str(10**18 + rng.getrandbits(58)),
            "username": rng.choice(words) + str(n),
            "avatar": rng.randbytes(16).hex(),
        }
        for n in range(50)
    ]
    found = []
    for n in range(count):
        d = copy.deepcopy(MESSAGE)
        for rare in ("attachments", "embeds", "reactions"):
            if rng.random() < 0.9:
                d[rare] = []
        d["id"], d["nonce"] = str(4 * 10**18 + n * 977_123_457), str(rng.getrandbits(60))
        d["timestamp"] = (
            f"2024-01-01T{n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02}.{rng.randrange(1000):03}000+00:00"
        )
        d["content"] = " ".join(rng.choices(words, often, k=rng.randint(3, 40)))
        d["author"] |= rng.choice(people)
        d["member"]["roles"] = [str(5 * 10**18 + 7_919 * rng.randrange(20)) for _ in range(rng.randrange(4))]
        found.append(d)
    return found


def bodies(count: int) -> list[bytes]:
    """What all sessions share of the dispatches of such messages: all that follows `{"s":N,`."""
    return [
        json.dumps({"t": "MESSAGE_CREATE", "op": 0, "d": d}, separators=(",", ":")).encode()[1:]
        for d in messages(count)
    ]
