"""ListClient: a member list as a client keeps it, from GUILD_MEMBER_LIST_UPDATE alone (protocol.md §1.11)."""

from __future__ import annotations

from typing import Any


class ListClient:
    """Rows by index; those it was never told, or that were moved in from where it knows nothing, are missing."""

    def __init__(self) -> None:
        self._rows: dict[int, Any] = {}
        self._counts: dict[str, int] = {}

    def take(self, d: dict[str, Any]) -> None:
        """Apply one event."""
        for op in d["ops"]:
            self._apply(op)
        self._counts = {each["id"]: each["count"] for each in d["groups"]}
        end = sum(count + 1 for count in self._counts.values())
        self._rows = {at: row for at, row in self._rows.items() if at < end}

    def known(self, ranges: tuple[tuple[int, int], ...]) -> dict[int, Any]:
        """Return the rows known within some windows, headers with their latest counts."""
        found = {}
        for first, last in ranges:
            for at in range(first, last + 1):
                if at in self._rows:
                    found[at] = self._counted(self._rows[at])
        return found

    def members(self) -> list[str]:
        """Return the rows in order: a header's id, or a member's user id."""
        return [
            row["group"]["id"] if "group" in row else row["member"]["user"]["id"]
            for _, row in sorted(self._rows.items())
        ]

    def _counted(self, row: Any) -> Any:
        if "group" not in row:
            return row
        group = row["group"]["id"]
        return {"group": {"id": group, "count": self._counts[group]}}

    def _apply(self, op: dict[str, Any]) -> None:
        rows = self._rows
        if op["op"] == "SYNC":
            first, last = op["range"]
            for at in range(first, last + 1):
                rows.pop(at, None)
            rows.update({first + at: item for at, item in enumerate(op["items"])})
        elif op["op"] == "INVALIDATE":
            for at in range(op["range"][0], op["range"][1] + 1):
                rows.pop(at, None)
        elif op["op"] == "UPDATE":
            rows[op["index"]] = op["item"]
        elif op["op"] == "INSERT":
            index = op["index"]
            self._rows = {at + (at >= index): row for at, row in rows.items()} | {index: op["item"]}
        else:
            index = op["index"]
            self._rows = {at - (at > index): row for at, row in rows.items() if at != index}
