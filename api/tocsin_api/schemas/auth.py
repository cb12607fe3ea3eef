"""Schemas of /auth: people's registration and login."""

from __future__ import annotations

from msgspec import Struct

from tocsin.errors import InvalidForm


class RegisterIn(Struct):
    """Body of POST /auth/register."""

    username: str
    password: str
    global_name: str | None = None


class LoginIn(Struct):
    """Body of POST /auth/login. `login` and `username` are the same."""

    password: str
    login: str | None = None
    username: str | None = None

    def name(self) -> str:
        """Return the name to log in as. Raises `errors.InvalidForm` when there is none."""
        name = self.login if self.login is not None else self.username
        if name is None:
            raise InvalidForm.field("login", "BASE_TYPE_REQUIRED", "This field is required")
        return name
