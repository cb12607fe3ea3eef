"""Interaction data: what a person gave with a command, and which component they touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from tocsin.errors import InvalidForm
from tocsin.model.interactions import CommandType
from tocsin.service.forms import Form

STRING, INTEGER, BOOLEAN, USER, CHANNEL, ROLE, MENTIONABLE, NUMBER, ATTACHMENT = range(3, 12)
_KINDS: dict[int, tuple[type, ...]] = {
    STRING: (str,),
    INTEGER: (int,),
    BOOLEAN: (bool,),
    USER: (str,),
    CHANNEL: (str,),
    ROLE: (str,),
    MENTIONABLE: (str,),
    NUMBER: (int, float),
    ATTACHMENT: (str,),
}
Body = dict[str, Any]


def check(wanted: Sequence[Body], given: Any, path: tuple[str | int, ...] = ("data", "options")) -> None:
    """Check options against a command's. Raises `errors.InvalidForm` (50035)."""
    form = Form()
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise InvalidForm.field(".".join(map(str, path)), "LIST_TYPE_CONVERT", "Only lists of objects are valid.")
    known = {each["name"]: each for each in wanted}
    for index, option in enumerate(given):
        here = (*path, index)
        found = known.get(option.get("name"))
        if found is None or found["type"] != option.get("type"):
            form.add(here, "APPLICATION_COMMAND_OPTION_UNKNOWN", "The command has no such option.")
        elif found["type"] < STRING:
            check(found.get("options") or [], option.get("options") or [], (*here, "options"))
        else:
            _check_value(found, option.get("value"), form, (*here, "value"))
    names = {each.get("name") for each in given}
    for option in wanted:
        if option.get("required") and option["name"] not in names:
            form.add((*path, option["name"]), "BASE_TYPE_REQUIRED", "This field is required")
    form.check()


def _check_value(option: Body, value: Any, form: Form, path: tuple[str | int, ...]) -> None:
    kinds = _KINDS[option["type"]]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        form.add(path, "BASE_TYPE_INVALID", "The value is not of the option's type.")
        return
    choices = option.get("choices")
    if choices and value not in [each.get("value") for each in choices]:
        form.add(path, "BASE_TYPE_CHOICES", "Value must be one of the option's choices.")


def component(components: Iterable[Body], custom_id: str) -> Body | None:
    """Return the component with this `custom_id`, wherever it is among them."""
    for each in components:
        if each.get("custom_id") == custom_id and custom_id:
            return each
        inner = [*(each.get("components") or []), *([each["accessory"]] if each.get("accessory") else [])]
        found = component(inner, custom_id)
        if found is not None:
            return found
    return None


class Named(NamedTuple):
    """The ids that options name, by what they are of."""

    users: list[int]
    roles: list[int]
    channels: list[int]
    message: int

    @classmethod
    def of(cls, kind: int, target: str | None, options: Any) -> Named:
        """Return those of a command's target and options."""
        named = cls([], [], [], int(target) if target and kind == CommandType.MESSAGE and target.isdigit() else 0)
        if target and kind == CommandType.USER and target.isdigit():
            named.users.append(int(target))
        for option in _leaves(options):
            value = option.get("value")
            if not isinstance(value, str) or not value.isdigit():
                continue
            if option["type"] in (USER, MENTIONABLE):
                named.users.append(int(value))
            if option["type"] in (ROLE, MENTIONABLE):
                named.roles.append(int(value))
            if option["type"] == CHANNEL:
                named.channels.append(int(value))
        return named


def _leaves(options: Any) -> Iterator[Body]:
    if not isinstance(options, list):
        return
    for option in options:
        if option.get("type", 0) < STRING:
            yield from _leaves(option.get("options") or [])
        else:
            yield option
