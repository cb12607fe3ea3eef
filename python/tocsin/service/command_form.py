"""CommandForm: what an application command may be (protocol.md §8.9), from the JSON a bot sends."""

from __future__ import annotations

import re
from typing import Any

from tocsin.model.interactions import CommandType
from tocsin.service.forms import Form

MAX_OPTIONS, MAX_CHOICES = 25, 25
SUB_COMMAND, SUB_COMMAND_GROUP = 1, 2
OPTION_TYPES = range(1, 12)
_NAME = re.compile(r"[-_'\w]{1,32}")
_KEPT = (
    "name_localizations",
    "description_localizations",
    "options",
    "default_member_permissions",
    "dm_permission",
    "nsfw",
    "contexts",
    "integration_types",
)
Body = dict[str, Any]


def checked(raw: Body, former: Body | None = None) -> Body:
    """Return a command's fields: `type`, `name`, `description`, `more`. `former` is what a PATCH changes.

    Raises:
        errors.InvalidForm: 50035, with all that is wrong.
    """
    form = Form()
    given = {**(former or {}), **raw}
    kind = given.get("type", 1)
    if kind not in tuple(CommandType):
        form.add(("type",), "BASE_TYPE_CHOICES", "Value must be one of (1, 2, 3).")
        kind = 1
    name, description = given.get("name"), given.get("description") or ""
    _check_name(name, kind, form, ("name",))
    if kind == CommandType.CHAT_INPUT:
        _check_description(description, form, ("description",))
        _check_options(given.get("options") or [], form, ("options",), 0)
    else:
        if description:
            form.add(("description",), "APPLICATION_COMMAND_DESCRIPTION_INVALID", "Description must be empty.")
        if given.get("options"):
            form.add(("options",), "APPLICATION_COMMAND_OPTIONS_INVALID", "This type of command has no options.")
    bits = given.get("default_member_permissions")
    if bits is not None and not str(bits).isdigit():
        form.add(("default_member_permissions",), "NUMBER_TYPE_COERCE", f'Value "{str(bits)[:64]}" is not int.')
    form.check()
    more = {key: given[key] for key in _KEPT if given.get(key) is not None}
    if bits is not None:
        more["default_member_permissions"] = str(bits)
    return {"type": kind, "name": name, "description": description, "more": more}


def _check_name(name: Any, kind: int, form: Form, path: tuple[str | int, ...]) -> None:
    if not isinstance(name, str) or not 1 <= len(name) <= 32:
        form.add(path, "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 32 in length.")
    elif kind == CommandType.CHAT_INPUT and (not _NAME.fullmatch(name) or name != name.lower()):
        form.add(path, "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")


def _check_description(description: Any, form: Form, path: tuple[str | int, ...]) -> None:
    if not isinstance(description, str) or not 1 <= len(description) <= 100:
        form.add(path, "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")


def _check_options(options: Any, form: Form, path: tuple[str | int, ...], depth: int) -> None:
    if not isinstance(options, list) or not all(isinstance(each, dict) for each in options):
        form.add(path, "LIST_TYPE_CONVERT", "Only lists of objects are valid.")
        return
    if len(options) > MAX_OPTIONS:
        form.too_long(path, MAX_OPTIONS)
        return
    optional, names = False, set()
    for index, option in enumerate(options):
        here = (*path, index)
        kind = option.get("type")
        if kind not in OPTION_TYPES or (kind <= SUB_COMMAND_GROUP and depth > 2 - kind):
            form.add((*here, "type"), "BASE_TYPE_CHOICES", "Value must be a type of option that fits here.")
            continue
        _check_name(option.get("name"), CommandType.CHAT_INPUT, form, (*here, "name"))
        _check_description(option.get("description"), form, (*here, "description"))
        if option.get("name") in names:
            form.add((*here, "name"), "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS", "Option name already exists")
        names.add(option.get("name"))
        if kind <= SUB_COMMAND_GROUP:
            _check_options(option.get("options") or [], form, (*here, "options"), depth + 1)
            continue
        if option.get("required"):
            if optional:
                message = "Required options must be placed before non-required options"
                form.add(here, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", message)
        else:
            optional = True
        choices = option.get("choices") or []
        if not isinstance(choices, list) or len(choices) > MAX_CHOICES:
            form.too_long((*here, "choices"), MAX_CHOICES)
