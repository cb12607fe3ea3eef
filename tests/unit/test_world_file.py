"""A world file is checked whole, and what is wrong is named by its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tocsin.errors import WorldFileError
from tocsin.model.intents import PRIVILEGED, Intents
from tocsin.service.world_file import WorldFile, parse_world_file, read_world_file

DESIGN: dict[str, Any] = {
    "users": [
        {"id": "1001", "username": "ada", "token": "ada-token"},
        {"id": "1002", "username": "bell", "token": "bell-token", "bot": True, "intents": "all"},
    ],
    "guilds": [
        {
            "id": "2001",
            "name": "Lab",
            "owner": "ada",
            "roles": [{"id": "2101", "name": "staff", "permissions": "8192", "position": 1}],
            "channels": [
                {"id": "3001", "name": "general", "type": 0},
                {
                    "id": "3002",
                    "name": "staff-only",
                    "type": 0,
                    "overwrites": [{"role": "@everyone", "deny": "1024"}, {"role": "staff", "allow": "1024"}],
                },
            ],
            "members": [{"user": "bell", "roles": ["staff"]}],
        }
    ],
    "generate": [
        {
            "users": 3,
            "username": "load-{n}",
            "token": "load-token-{n}",
            "first_id": "500001",
            "join": ["Lab"],
        }
    ],
}
"""The example of design §8, with a smaller crowd."""


def parse(world: dict[str, Any]) -> WorldFile:
    return parse_world_file(json.dumps(world).encode())


def test_the_example_of_the_design_is_read() -> None:
    world = parse(DESIGN)
    assert world.user_count == 5
    crowd = [user for place, user in world.each_user() if place == "generate[0]"]
    assert [(user.username, user.token, user.id) for user in crowd] == [
        ("load-1", "load-token-1", 500001),
        ("load-2", "load-token-2", 500002),
        ("load-3", "load-token-3", 500003),
    ]


def test_intents_are_a_word_a_number_or_names() -> None:
    users = [
        {"username": "a", "bot": True, "intents": "all"},
        {"username": "b", "bot": True, "intents": 1 << 15},
        {"username": "c", "bot": True, "intents": ["GUILD_MEMBERS", "GUILDS"]},
        {"username": "d", "bot": True},
    ]
    world = parse({"users": users})
    assert [user.privileged for user in world.users] == [PRIVILEGED, 1 << 15, Intents.GUILD_MEMBERS, 0]


def test_toml_says_the_same_as_json(tmp_path: Path) -> None:
    file = tmp_path / "world.toml"
    file.write_text(
        """
        [[users]]
        id = 1001
        username = "ada"
        [[guilds]]
        name = "Lab"
        owner = "ada"
        [[guilds.channels]]
        name = "general"
        overwrites = [{ role = "@everyone", deny = 1024 }, { member = "ada", allow = "1024" }]
        """
    )
    world = read_world_file(file)
    assert world.guilds[0].channels[0].overwrites is not None
    assert world.guilds[0].channels[0].overwrites[1].member == "ada"


def change(path: str, value: Any) -> dict[str, Any]:
    """The example with the value at a dotted path replaced or added."""
    world: Any = json.loads(json.dumps(DESIGN))
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    at = world
    for part in way:
        at = at[part]
    if isinstance(at, list) and last == len(at):
        at.append(value)
    else:
        at[last] = value
    return world  # type: ignore[no-any-return]


WRONG: list[tuple[str, Any, str]] = [
    ("usres", [], "file: Object contains unknown field `usres`"),
    ("users.0.nmae", "x", "users[0]: Object contains unknown field `nmae`"),
    ("users.0.username", "", "users[0].username: must have 1 to 32 characters"),
    ("users.1.username", "ada", "users[1].username: there are two users called 'ada'"),
    ("users.1.id", "1001", "users[1].id: 1001 is the id of users[0] already"),
    ("users.1.id", "x1", "users[1].id: must be a whole number, not 'x1'"),
    ("users.1.id", 1 << 63, "users[1].id: must be between 1 and 9223372036854775807, not 9223372036854775808"),
    ("users.1.token", "ada-token", "users[1].token: another user has the same"),
    ("users.1.token", " ", "users[1].token: must have 1 to 512 characters"),
    ("users.1.intents", ["GUILD_MEMBRES"], "users[1].intents[0]: no intent is called 'GUILD_MEMBRES'"),
    ("users.0.intents", "all", "users[0].intents: only a bot's application has intents"),
    ("guilds.0.owner", "adda", "guilds[0].owner: no user called 'adda' in the file"),
    ("guilds.1", {"name": "Lab", "owner": "ada"}, "guilds[1].name: there are two guilds called 'Lab'"),
    ("guilds.0.roles.0.permissions", "-1", "guilds[0].roles[0].permissions: must be a whole number, not '-1'"),
    ("guilds.0.roles.0.id", "2001", "guilds[0].roles[0].id: the guild's id is that of @everyone"),
    ("guilds.0.roles.1", {"name": "staff"}, "guilds[0].roles[1].name: there are two roles called 'staff'"),
    ("guilds.0.roles.1", {"name": "@everyone", "id": 7}, "guilds[0].roles[1].id: the id of @everyone is the guild's"),
    ("guilds.0.channels.0.type", 1, "guilds[0].channels[0].type: 1 is no type of a guild channel"),
    ("guilds.0.channels.0.name", "staff-only", "guilds[0].channels[1].name: there are two channels called"),
    ("guilds.0.channels.0.parent", "x", "guilds[0].channels[0].parent: no category called 'x' in guild 'Lab'"),
    (
        "guilds.0.channels.1.overwrites.0.role",
        "staf",
        "guilds[0].channels[1].overwrites[0].role: no role called 'staf' in guild 'Lab'",
    ),
    (
        "guilds.0.channels.1.overwrites.0.member",
        "ada",
        "guilds[0].channels[1].overwrites[0]: must name either a role or a member",
    ),
    ("guilds.0.members.0.user", "bel", "guilds[0].members[0].user: no user called 'bel' in the file"),
    ("guilds.0.members.1", {"user": "bell"}, "guilds[0].members[1].user: 'bell' is listed twice"),
    ("guilds.0.members.0.roles", ["boss"], "guilds[0].members[0].roles[0]: no role called 'boss' in guild 'Lab'"),
    ("generate.0.users", 2_000_000, "generate[0].users: must be between 0 and 1000000, not 2000000"),
    ("generate.0.token", "same", "generate[0].token: must hold {n}, or all users get the same"),
    ("generate.0.join", ["Lob"], "generate[0].join[0]: no guild called 'Lob' in the file"),
    ("generate.0.first_id", "1000", "generate[0].id: 1001 is the id of users[0] already"),
]


@pytest.mark.parametrize(("path", "value", "message"), WRONG, ids=[f"{path}={value}"[:60] for path, value, _ in WRONG])
def test_what_is_wrong_is_named_by_its_place(path: str, value: Any, message: str) -> None:
    with pytest.raises(WorldFileError) as caught:
        parse(change(path, value))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("toml", [False, True])
@pytest.mark.parametrize("raw", [b"[1]", b"{", b"\xff", b"[" * 100_000], ids=["list", "cut", "octets", "deep"])
def test_what_is_no_world_file_is_refused(raw: bytes, toml: bool) -> None:
    with pytest.raises(WorldFileError):
        parse_world_file(raw, toml=toml)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorldFileError, match=r"nowhere\.json: cannot read it: No such file"):
        read_world_file(tmp_path / "nowhere.json")
