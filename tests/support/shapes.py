"""The objects that libraries were measured to take (shared/clients), and how to compare what we emit with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FIXTURES: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "fixtures.json").read_text())
# In the fixture the bot is its guild's first member, shown as it sees itself; in members we show users as others do.
FIXTURES["GUILD_CREATE"]["members"] = [
    {key: value for key, value in FIXTURES["GUILD_MEMBER_ADD"].items() if key != "guild_id"}
]
ABSENT_WHEN_EMPTY = {"reactions", "nonce", "not_found", "timestamps", "desktop"}
"""Absent keys mean "none" here, in the documentation too (protocol.md §4.4)."""
for extra in ("owner", "approximate_member_count", "approximate_presence_count"):
    # Only of REST answers (protocol.md §4.3).
    FIXTURES["GUILD_UPDATE"].pop(extra, None)


def differences(fixture: Any, found: Any, path: str = "") -> list[str]:
    """Return where `found` lacks a key of `fixture`, or has it with another type; null fits everything."""
    if fixture is None or found is None:
        return []
    if isinstance(fixture, dict) and isinstance(found, dict):
        missing = [f"{path}.{key} is missing" for key in fixture if key not in found and key not in ABSENT_WHEN_EMPTY]
        common = [key for key in fixture if key in found]
        return missing + [line for key in common for line in differences(fixture[key], found[key], f"{path}.{key}")]
    if isinstance(fixture, list) and isinstance(found, list):
        return [line for each in found for line in (differences(fixture[0], each, f"{path}[]") if fixture else [])]
    if type(fixture) is not type(found):
        return [f"{path} is {type(found).__name__}, not {type(fixture).__name__}"]
    return []
