"""Whom a text pings, without a server."""

from __future__ import annotations

import pytest

from tocsin.service import mentions
from tocsin.service.forms import Form
from tocsin.service.mentions import AllowedMentions, Found


@pytest.mark.parametrize(
    ("text", "users", "roles", "everyone"),
    [
        ("nothing", (), (), False),
        ("mail@example.org", (), (), False),
        ("<@1> <@!2> <@1>", (1, 2), (), False),
        ("<@&3><@&4>", (), (3, 4), False),
        ("hi @everyone", (), (), True),
        ("hi @here", (), (), True),
        ("`@everyone` <@5>", (5,), (), True),
        ("<@> <@x> <@&> <@ 1> <#1> < @1>", (), (), False),
        ("<@123456789012345678901> <@99999999999999999999> <@&9223372036854775808>", (), (), False),
        ("<@9223372036854775807>", (9223372036854775807,), (), False),
    ],
)
def test_a_text_names_users_roles_and_everyone(
    text: str, users: tuple[int, ...], roles: tuple[int, ...], everyone: bool
) -> None:
    found = mentions.scan(text)
    assert (found.users, found.roles, found.everyone) == (users, roles, everyone)


def test_a_text_of_many_mentions_pings_a_hundred() -> None:
    found = mentions.scan("".join(f"<@{n}>" for n in range(1, 400)))
    assert len(mentions.allow(found, None, lambda _: True, True).users) == 100


def test_roles_ping_only_if_they_may() -> None:
    found = Found((), (1, 2, 3), True)
    assert mentions.allow(found, None, lambda role: role == 2, False) == Found((), (2,), False)


def test_what_is_both_parsed_and_listed_is_noted_with_everything_else_that_is_wrong() -> None:
    form = Form()
    mentions.check(AllowedMentions(parse=("users", "x"), users=(1,), roles=tuple(range(101))), form)
    tree = form.errors["allowed_mentions"]
    assert tree["_errors"]
    assert tree["parse"]["1"]["_errors"][0]["code"] == "BASE_TYPE_CHOICES"
    assert tree["roles"]["_errors"][0]["code"] == "BASE_TYPE_MAX_LENGTH"
