"""Fields: from a body's optional fields to checked `changes` of an entity, with every error named at once."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from msgspec import UNSET

from tocsin.model import wire
from tocsin.service.forms import Form
from tocsin_api.request import Bits, Snowflake


class Fields:
    """Collects changes. Each method takes the body's field name and value; UNSET changes nothing.

    A null where the entity has none is as if it were absent.
    """

    def __init__(self) -> None:
        self.form = Form()
        self.changes: dict[str, Any] = {}

    def done(self) -> dict[str, Any]:
        """Return the changes. Raises `errors.InvalidForm` (50035) if any was wrong."""
        self.form.check()
        return self.changes

    def text(self, name: str, value: Any, low: int, high: int, *, null: bool = False) -> None:
        """Take a text of `low` to `high` code points; with `null`, an empty one is null."""
        if value is UNSET:
            return
        if null:
            value = value or None
        elif value is None:
            self.form.required((name,))
        self.form.length((name,), value, low, high)
        self.changes[name] = value

    def number(self, name: str, value: Any, low: int, high: int) -> None:
        """Take a whole number from `low` to `high`."""
        if value is UNSET or value is None:
            return
        if value < low:
            self.form.add((name,), "NUMBER_TYPE_MIN", f"int value should be greater than or equal to {low}.")
        elif value > high:
            self.form.add((name,), "NUMBER_TYPE_MAX", f"int value should be less than or equal to {high}.")
        self.changes[name] = value

    def choice(self, name: str, value: Any, choices: Collection[int]) -> None:
        """Take one of `choices`."""
        if value is UNSET or value is None:
            return
        if value not in choices:
            listed = ", ".join(str(choice) for choice in choices)
            self.form.add((name,), "BASE_TYPE_CHOICES", f"Value must be one of ({listed}).")
        self.changes[name] = value

    def plain(self, name: str, value: Any, *, null: bool = False) -> None:
        """Take a value that its type has checked: a switch, an id, a permission set."""
        if value is UNSET or (value is None and not null):
            return
        self.changes[name] = int(value) if isinstance(value, (Snowflake, Bits)) else value

    def time(self, name: str, value: Any, change: str) -> None:
        """Take an ISO 8601 time as Unix ms, or null; the entity calls it `change`."""
        if value is UNSET:
            return
        try:
            self.changes[change] = None if value is None else wire.parse_timestamp(value)
        except (ValueError, OverflowError):
            self.form.add((name,), "DATE_TIME_TYPE_PARSE", f'Could not parse "{value[:64]}". Should be ISO8601.')

    def picture(self, name: str, value: Any) -> None:
        """Take a data URI, which the service reads, or null."""
        if value is not UNSET:
            self.changes[name] = value or None

    def image(self, name: str, value: Any) -> None:
        """Take an image away; this server keeps none of those."""
        if value is UNSET:
            return
        if value:
            self.form.add((name,), "IMAGE_INVALID", "This server takes no image uploads.")
        self.changes[name] = None
