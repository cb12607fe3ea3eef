"""The exception tree of the control plane.

    TocsinError
    |-- ApiError                 has a Discord numeric code and an HTTP status
    |   |-- Unauthorized         401
    |   |-- Forbidden            403  (MissingAccess 50001, MissingPermissions 50013, ...)
    |   |-- NotFound             404  (10003 unknown channel, ...)
    |   |-- InvalidForm          400/50035 with the tree of field errors
    |   |-- BadRequest           400 with another numeric code
    |   `-- RateLimited          429
    |-- Conflict                 a unique key or an expected row did not hold; nothing was written
    |-- StoreUnavailable         the database refused; nothing was written
    |   `-- StoreFull            its disk is full; so is that of the files, where they are concerned
    |-- ConfigError              names the setting
    `-- WorldFileError           a seed file is wrong; names the place

`tocsin_api.errors` is the one place that turns these into HTTP bodies.
"""

from __future__ import annotations

from typing import Any, ClassVar

FieldErrors = dict[str, Any]
"""`{"content": {"_errors": [{"code": ..., "message": ...}]}}`, nested as the body is (protocol.md §8.1)."""


class TocsinError(Exception):
    """Root of every error that tocsin raises on purpose."""


class ApiError(TocsinError):
    """An error a caller of the HTTP API can act on.

    Args:
        code: Discord's numeric code (protocol.md §8.1).
        message: shown to the caller.
        status: HTTP status; the class's default when not given.
    """

    default_status: ClassVar[int] = 400

    def __init__(self, code: int, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = self.default_status if status is None else status


class BadRequest(ApiError):
    """400 with a numeric code other than 50035."""


class Unauthorized(ApiError):
    """401: no token, or one that is not known."""

    default_status = 401

    def __init__(self, code: int = 0, message: str = "401: Unauthorized") -> None:
        super().__init__(code, message)


class Forbidden(ApiError):
    """403."""

    default_status = 403


class MissingAccess(Forbidden):
    """403/50001: not in the guild, or may not view the channel."""

    def __init__(self) -> None:
        super().__init__(50001, "Missing Access")


class MissingPermissions(Forbidden):
    """403/50013: a permission or the role hierarchy forbids it."""

    def __init__(self) -> None:
        super().__init__(50013, "Missing Permissions")


class NotFound(ApiError):
    """404, or the place where an id leads nowhere."""

    default_status = 404


UNKNOWN = {
    "application": (10002, "Unknown Application"),
    "channel": (10003, "Unknown Channel"),
    "guild": (10004, "Unknown Guild"),
    "invite": (10006, "Unknown Invite"),
    "member": (10007, "Unknown Member"),
    "message": (10008, "Unknown Message"),
    "overwrite": (10009, "Unknown Overwrite"),
    "role": (10011, "Unknown Role"),
    "user": (10013, "Unknown User"),
    "emoji": (10014, "Unknown Emoji"),
    "webhook": (10015, "Unknown Webhook"),
    "ban": (10026, "Unknown Ban"),
    "interaction": (10062, "Unknown interaction"),
    "application command": (10063, "Unknown application command"),
    "voice state": (10065, "Unknown Voice State"),
}


def unknown(noun: str) -> NotFound:
    """The 404 for a missing `noun`, a key of `UNKNOWN`."""
    code, message = UNKNOWN[noun]
    return NotFound(code, message)


class InvalidForm(ApiError):
    """400/50035 with the tree of field errors."""

    def __init__(self, errors: FieldErrors, message: str = "Invalid Form Body") -> None:
        super().__init__(50035, message)
        self.errors = errors

    @classmethod
    def field(cls, path: str, code: str, message: str) -> InvalidForm:
        """One error at a dotted path, such as `embeds.0.title`."""
        tree: FieldErrors = {"_errors": [{"code": code, "message": message}]}
        for part in reversed(path.split(".")):
            tree = {part: tree}
        return cls(tree)


class RateLimited(ApiError):
    """429. `scope` is user, global or shared; `retry_after` in seconds."""

    default_status = 429

    def __init__(self, retry_after: float, *, scope: str = "user", code: int = 0) -> None:
        super().__init__(code, "You are being rate limited.")
        self.retry_after = retry_after
        self.scope = scope


class Conflict(TocsinError):
    """A unique key or an expected row did not hold; nothing was written."""


class StoreUnavailable(TocsinError):
    """The database refused the work; nothing was written."""


class StoreFull(StoreUnavailable):
    """There is no room on the disk of the database, or of people's files; nothing was written."""


class ConfigError(TocsinError):
    """A setting is missing or wrong; the message names it."""


class WorldFileError(TocsinError):
    """A world file is wrong; the message names the place in it."""
