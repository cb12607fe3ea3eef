"""Mentions: whom a text pings, by what it says, what its author allows and may do (protocol.md §8.3)."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from tocsin.model.snowflake import MAX_SNOWFLAKE
from tocsin.service.forms import Form

MAX_LISTED = 100
_TOKEN = re.compile(r"<@!?(\d{1,20})>|<@&(\d{1,20})>|@(everyone|here)")


class AllowedMentions(msgspec.Struct, frozen=True, kw_only=True):
    """What the author of a message lets it ping. None where the client gave nothing."""

    parse: tuple[str, ...] | None = None
    users: tuple[int, ...] = ()
    roles: tuple[int, ...] = ()
    replied_user: bool = False


class Found(msgspec.Struct, frozen=True):
    """The ids a text names, in order of appearance and once each."""

    users: tuple[int, ...] = ()
    roles: tuple[int, ...] = ()
    everyone: bool = False


NOTHING = Found()


def scan(content: str) -> Found:
    """Find `<@id>`, `<@!id>`, `<@&id>`, `@everyone` and `@here` in a text."""
    if "@" not in content:
        return NOTHING
    users: dict[int, None] = {}
    roles: dict[int, None] = {}
    everyone = False
    for user, role, broad in _TOKEN.findall(content):
        if broad:
            everyone = True
        elif (mentioned := int(user or role)) <= MAX_SNOWFLAKE:
            (users if user else roles)[mentioned] = None
    return Found(tuple(users), tuple(roles), everyone)


def check(allowed: AllowedMentions | None, form: Form) -> None:
    """Note what is wrong with an `allowed_mentions`: unknown kinds, long lists, a kind both parsed and listed."""
    if allowed is None:
        return
    parse = allowed.parse or ()
    for index, kind in enumerate(parse):
        if kind not in ("users", "roles", "everyone"):
            message = "Value must be one of ('users', 'everyone', 'roles')."
            form.add(("allowed_mentions", "parse", index), "BASE_TYPE_CHOICES", message)
    for kind, ids in (("users", allowed.users), ("roles", allowed.roles)):
        if len(ids) > MAX_LISTED:
            form.too_long(("allowed_mentions", kind), MAX_LISTED)
        if ids and kind in parse:
            message = f'parse:["{kind}"] and {kind}: [ids...] are mutually exclusive.'
            form.add(("allowed_mentions",), "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", message)


def allow(found: Found, allowed: AllowedMentions | None, may_ping_role: Callable[[int], bool], broad: bool) -> Found:
    """Keep of `found` what may ping.

    Args:
        found: what the text names.
        allowed: the author's `allowed_mentions`; None lets everything through.
        may_ping_role: whether the role exists and is mentionable, or the author may mention everyone.
        broad: whether the author has MENTION_EVERYONE.
    """
    if found is NOTHING:
        return found
    if allowed is None:
        users, roles, everyone = found.users, found.roles, found.everyone
    else:
        parse = allowed.parse or ()
        listed_users, listed_roles = set(allowed.users), set(allowed.roles)
        users = found.users if "users" in parse else tuple(each for each in found.users if each in listed_users)
        roles = found.roles if "roles" in parse else tuple(each for each in found.roles if each in listed_roles)
        everyone = found.everyone and "everyone" in parse
    pinged = tuple(role for role in roles[:MAX_LISTED] if may_ping_role(role))
    return Found(users[:MAX_LISTED], pinged, everyone and broad)


def pings_replied(allowed: AllowedMentions | None) -> bool:
    """Whether a reply pings whom it answers: yes when no `allowed_mentions` was given, else as it says."""
    return allowed is None or allowed.replied_user
