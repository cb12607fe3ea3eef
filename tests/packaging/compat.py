"""Compat: docs/compat.md as rendered from docs/compat.toml. `python -m tests.packaging.compat` writes it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "docs/compat.toml"
PAGE = ROOT / "docs/compat.md"
WORKS = ("yes", "partly", "no")
TITLES = {
    "libraries": "Libraries, unmodified",
    "connection": "Connection",
    "sessions": "Sessions",
    "opcodes": "Opcodes",
    "close_codes": "Close codes",
    "intents": "Intents",
    "events": "Events",
    "routes": "Routes of /api/v10",
    "limits": "Limits",
}
HEAD = """# What of Discord works

Rendered from [compat.toml](compat.toml) by `python -m tests.packaging.compat`; do not edit it here.
`tests/packaging/test_compat.py` compares the rows with the routes, opcodes, close codes, intents, events and settings
of the code; whatever says yes names the test that shows it.
What of Discord is not named here does not exist: its routes answer 404, its opcodes close with 4001.
"""

Row = dict[str, Any]


def load() -> dict[str, dict[str, Row]]:
    """Return the rows by section and by what they are about."""
    return tomllib.loads(SOURCE.read_text())


def render(sections: dict[str, dict[str, Row]]) -> str:
    """Return the page."""
    parts = [HEAD]
    for section, rows in sections.items():
        counts = ", ".join(f"{count} {word}" for word in WORKS if (count := _count(rows, word)))
        parts += [f"\n## {TITLES[section]}\n{counts}\n\n| what | works | notes | shown by |\n|---|---|---|---|\n"]
        parts += [_line(section, what, row) for what, row in rows.items()]
    return "".join(parts)


def _count(rows: dict[str, Row], word: str) -> int:
    return sum(row["works"] == word for row in rows.values())


def _line(section: str, what: str, row: Row) -> str:
    notes = [row["note"]] if "note" in row else []
    if "setting" in row:
        notes.insert(0, f"{row['value']} (`{row['setting']}`).")
    name = f"`{what}`" if section in ("routes", "events", "intents") else what
    shown = ""
    if "test" in row:
        path, _, test = row["test"].partition("::")
        shown = f"[{test.removeprefix('test_').replace('_', ' ')}](../{path})"
    return f"| {name} | {row['works']} | {' '.join(notes)} | {shown} |\n"


if __name__ == "__main__":
    PAGE.write_text(render(load()))
