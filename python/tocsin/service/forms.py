"""Forms: the collector of field errors, for rules that a type cannot state (protocol.md §8.1)."""

from __future__ import annotations

from tocsin.errors import FieldErrors, InvalidForm


class Form:
    """Gathers errors by path, so that a caller learns all of them at once."""

    def __init__(self) -> None:
        self.errors: FieldErrors = {}

    def add(self, path: tuple[str | int, ...], code: str, message: str) -> None:
        """Note an error at a path of object keys and array indexes; the empty path is the whole body."""
        node = self.errors
        for part in path:
            node = node.setdefault(str(part), {})
        node.setdefault("_errors", []).append({"code": code, "message": message})

    def length(self, path: tuple[str | int, ...], text: str | None, low: int, high: int) -> None:
        """Check a text's length in code points; None passes."""
        if text is None or low <= len(text) <= high:
            return
        if low:
            self.add(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {low} and {high} in length.")
        else:
            self.too_long(path, high)

    def too_long(self, path: tuple[str | int, ...], high: int) -> None:
        """Note that a text or list is longer than `high`."""
        self.add(path, "BASE_TYPE_MAX_LENGTH", f"Must be {high} or fewer in length.")

    def required(self, path: tuple[str | int, ...]) -> None:
        """Note that a field is missing."""
        self.add(path, "BASE_TYPE_REQUIRED", "This field is required")

    def check(self) -> None:
        """Raise `InvalidForm` (50035) if anything was noted."""
        if self.errors:
            raise InvalidForm(self.errors)
