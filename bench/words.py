"""Words: tables and spreads as the page writes them."""

from __future__ import annotations

from collections.abc import Iterable

from bench.figures import Figure


def table_of(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of Markdown."""
    head = list(head)
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def spread_text(given: dict[str, float], unit: str = "", digits: int = 2, rounds: int = 2) -> str:
    """A spread that a bench of its own made: `8.1 (7.9..8.6) unit`."""
    return Figure(given["median"], given["low"], given["high"], rounds).text(unit, digits)
