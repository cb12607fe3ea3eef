"""Payloads: the documents that are encoded and compressed: a message as clients get it, and a stream of such."""

from __future__ import annotations

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
TEXT = "the of and to in is you that it he was for on are as with his they at be this have from or one had by"
WORDS = TEXT.split()


def library(name: str) -> Any:
    """A library that only `make bench` installs; without it the case is skipped, and says so."""
    return pytest.importorskip(name, reason=f"{name} is not installed: `make bench` installs it")


def messages(count: int) -> list[dict[str, Any]]:
    """Messages that differ in id, author and content."""
    rng = random.Random(7)
    found = []
    for n in range(count):
        content = " ".join(rng.choices(WORDS, k=rng.randint(3, 40)))
        author = {**MESSAGE["author"], "id": str(10**18 + rng.randrange(50)), "username": rng.choice(WORDS)}
        found.append({**MESSAGE, "id": str(4 * 10**18 + n * 977), "content": content, "author": author})
    return found


def bodies(count: int) -> list[bytes]:
    """What all sessions share of the dispatches of such messages: all that follows `{"s":N,`."""
    return [
        json.dumps({"t": "MESSAGE_CREATE", "op": 0, "d": d}, separators=(",", ":")).encode()[1:]
        for d in messages(count)
    ]
