"""Payloads: the documents that are encoded and compressed: a message as clients get it, and a stream of such."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

FIXTURES: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "tests" / "vectors" / "fixtures.json").read_text("utf-8")
)
MESSAGE: dict[str, Any] = FIXTURES["MESSAGE_CREATE"]
"""About 1.4 KB as compact JSON."""
MESSAGE_JSON = json.dumps(MESSAGE, separators=(",", ":")).encode()
TEXT = "the of and to in is you that it he was for on are as with his they at be this have from or one had by"
WORDS = TEXT.split()


def stream(count: int) -> list[bytes]:
    """Dispatches of messages that differ in id, author and content."""
    rng = random.Random(7)
    found = []
    for n in range(count):
        content = " ".join(rng.choices(WORDS, k=rng.randint(3, 40)))
        author = {**MESSAGE["author"], "id": str(10**18 + rng.randrange(50)), "username": rng.choice(WORDS)}
        d = {**MESSAGE, "id": str(4 * 10**18 + n * 977), "content": content, "author": author}
        found.append(json.dumps({"s": n + 1, "t": "MESSAGE_CREATE", "op": 0, "d": d}, separators=(",", ":")).encode())
    return found
