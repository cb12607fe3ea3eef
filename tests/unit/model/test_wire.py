"""Wire objects: every key that libraries need, exact types, and what is rendered can be read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.model import wire
from tocsin.model.entities import Application, Channel, ChannelType, Guild, Member, Message, Overwrite, Role, User

FIXTURES: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "fixtures.json").read_text())
CREATED = FIXTURES["GUILD_CREATE"]
NOW = 1_704_067_200_000
ALICE = User(id=1000000000000000003, username="alice")
BOT = User(id=1000000000000000001, username="tocsinbot", bot=True)
GUILD_ID = 2000000000000000001
ROLE_ID = 5000000000000000001
MEMBER = Member(guild_id=GUILD_ID, user_id=ALICE.id, joined_at=NOW, roles=(ROLE_ID,))


def same_type(wanted: Any, found: Any) -> bool:
    return wanted is None or found is None or type(wanted) is type(found)


def assert_has(fixture: dict[str, Any], found: dict[str, Any], *, without: tuple[str, ...] = ()) -> None:
    assert [key for key in fixture if key not in found and key not in without] == []
    assert [key for key in fixture if key in found and not same_type(fixture[key], found[key])] == []


def test_a_user_is_exactly_the_fixture() -> None:
    assert wire.user(ALICE) == FIXTURES["MESSAGE_CREATE"]["author"]


def test_an_own_user_is_exactly_the_fixture_and_a_bot_has_no_email() -> None:
    assert wire.own_user(BOT) == FIXTURES["READY"]["user"]
    person = User(id=1, username="p", email="p@example.org")
    assert wire.own_user(person)["email"] == "p@example.org"
    assert "email" not in wire.user(person)


def test_a_member_is_exactly_the_fixture_with_and_without_its_user() -> None:
    added = dict(FIXTURES["GUILD_MEMBER_UPDATE"])
    del added["guild_id"]
    assert wire.member(MEMBER, ALICE) == added
    assert wire.member(MEMBER) == FIXTURES["MESSAGE_CREATE"]["member"]


def test_a_role_is_exactly_the_fixture() -> None:
    role = Role(id=ROLE_ID, guild_id=GUILD_ID, name="mod", permissions=2248473465835073, position=1)
    assert wire.role(role) == FIXTURES["GUILD_ROLE_UPDATE"]["role"]


def test_a_bots_own_role_says_whose_it_is() -> None:
    role = Role(id=1, guild_id=2, name="bot", managed=True, bot_id=3)
    assert wire.role(role)["tags"] == {"bot_id": "3"}
    assert "tags" not in wire.role(Role(id=1, guild_id=2, name="n"))


@pytest.mark.parametrize("fixture", CREATED["channels"], ids=lambda each: ChannelType(each["type"]).name)
def test_a_channel_has_every_key_of_its_type(fixture: dict[str, Any]) -> None:
    channel = Channel(id=1, guild_id=2, type=fixture["type"], name="c")
    found = wire.channel(channel)
    assert_has(fixture, found)
    assert found["guild_id"] == "2"


def test_a_channel_event_is_the_fixture() -> None:
    overwrite = Overwrite(id=GUILD_ID, type=0, allow=1024)
    channel = Channel(
        id=3000000000000000001,
        type=0,
        guild_id=GUILD_ID,
        name="general",
        overwrites=(overwrite,),
        default_auto_archive_duration=1440,
    )
    found = wire.channel(channel)
    assert found | FIXTURES["CHANNEL_CREATE"] == found


def test_a_dm_has_its_recipients_and_no_guild() -> None:
    found = wire.channel(Channel(id=3000000000000000009, type=1, recipients=(ALICE.id, BOT.id)), [ALICE])
    assert found | FIXTURES["_DM"] == found
    assert "guild_id" not in found
    assert "permission_overwrites" not in found


def test_a_group_dm_also_has_name_icon_and_owner() -> None:
    found = wire.channel(Channel(id=1, type=3, name="us", owner_id=ALICE.id), [ALICE])
    assert (found["name"], found["icon"], found["owner_id"]) == ("us", None, str(ALICE.id))


def test_a_guild_has_every_key_of_guild_update() -> None:
    guild = Guild(id=GUILD_ID, name="tocsin", owner_id=ALICE.id)
    found = wire.guild(guild, [Role(id=GUILD_ID, guild_id=GUILD_ID, name="@everyone")])
    per_reader = ("owner", "approximate_member_count", "approximate_presence_count")  # only where HTTP says so
    assert_has(FIXTURES["GUILD_UPDATE"], found, without=per_reader)
    assert found["id"] == str(GUILD_ID)
    assert [each["id"] for each in found["roles"]] == [str(GUILD_ID)]
    assert wire.unavailable_guild(GUILD_ID) == FIXTURES["READY"]["guilds"][0]


def test_an_application_has_every_key() -> None:
    application = Application(id=1, bot_user_id=BOT.id, name="a", owner_id=ALICE.id, flags=1 << 18)
    found = wire.application(application, ALICE, BOT)
    assert_has(FIXTURES["_APPLICATION"], found)
    assert found["owner"]["id"] == str(ALICE.id)
    assert found["bot"]["id"] == str(BOT.id)


def test_a_guild_message_has_every_key() -> None:
    message = Message(
        id=1,
        channel_id=2,
        guild_id=GUILD_ID,
        author_id=ALICE.id,
        content="hello",
        mentions=(BOT.id,),
        mention_roles=(9,),
    )
    bot_member = Member(guild_id=GUILD_ID, user_id=BOT.id, joined_at=NOW)
    found = wire.message(message, ALICE, [(BOT, bot_member)], MEMBER)
    assert_has(FIXTURES["MESSAGE_CREATE"], found, without=("reactions", "nonce"))
    assert found["guild_id"] == str(GUILD_ID)
    assert "user" not in found["member"]
    assert found["mentions"][0]["id"] == str(BOT.id)
    assert "user" not in found["mentions"][0]["member"]
    assert found["mention_roles"] == ["9"]
    assert found["timestamp"] == "2015-01-01T00:00:00.000000+00:00"
    assert found["edited_timestamp"] is None


def test_a_dm_message_has_neither_guild_nor_member() -> None:
    found = wire.message(Message(id=1, channel_id=2, author_id=ALICE.id, content="hi"), ALICE)
    assert not {"guild_id", "member", "webhook_id", "message_reference", "referenced_message"} & set(found)


def test_a_reply_shows_what_it_answers_or_null_when_that_is_gone() -> None:
    reference = {"type": 0, "message_id": "5", "channel_id": "2"}
    reply = Message(id=6, channel_id=2, author_id=ALICE.id, content="yes", type=19, reference=reference)
    asked = wire.message(Message(id=5, channel_id=2, author_id=BOT.id, content="?"), BOT)
    assert wire.message(reply, ALICE, referenced=asked)["referenced_message"] == asked
    gone = wire.message(reply, ALICE)
    assert gone["referenced_message"] is None
    assert gone["message_reference"] == reference


# -- times


def test_times_have_microseconds_and_an_offset() -> None:
    assert wire.timestamp(NOW) == "2024-01-01T00:00:00.000000+00:00"
    assert wire.timestamp(NOW + 7) == "2024-01-01T00:00:00.007000+00:00"


@given(st.integers(0, 4_000_000_000_000))
def test_times_read_back(ms: int) -> None:
    assert wire.parse_timestamp(wire.timestamp(ms)) == ms


@pytest.mark.parametrize(
    "text",
    ["2024-01-01T00:00:00Z", "2024-01-01T01:00:00+01:00", "2024-01-01T00:00:00", "2024-01-01T00:00:00.000+00:00"],
)
def test_other_ways_to_write_a_time_are_read(text: str) -> None:
    assert wire.parse_timestamp(text) == NOW


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="not-a-time"):
        wire.parse_timestamp("not-a-time")


# -- there and back

_ids = st.integers(1, (1 << 63) - 1)
_maybe_id = st.none() | _ids
_text = st.text(max_size=20)
_maybe_text = st.none() | _text
_sets = st.integers(0, (1 << 53) - 1)
_times = st.integers(0, 4_000_000_000_000)
_roles = st.builds(
    Role,
    id=_ids,
    guild_id=st.just(GUILD_ID),
    name=_text,
    permissions=_sets,
    icon=_maybe_text,
    unicode_emoji=_maybe_text,
    bot_id=_maybe_id,
)
_users = st.builds(
    User,
    id=_ids,
    username=_text,
    global_name=_maybe_text,
    avatar=_maybe_text,
    banner=_maybe_text,
    accent_color=st.none() | st.integers(0, 0xFFFFFF),
    email=_maybe_text,
    bot=st.just(False),
)
_members = st.builds(
    Member,
    guild_id=st.just(GUILD_ID),
    user_id=_ids,
    joined_at=_times,
    roles=st.lists(_ids, max_size=4).map(tuple),
    nick=_maybe_text,
    avatar=_maybe_text,
    banner=_maybe_text,
    timeout_until=st.none() | _times,
)
_overwrites = st.builds(Overwrite, id=_ids, type=st.integers(0, 1), allow=_sets, deny=_sets)
_channel_basics = {
    "id": _ids,
    "guild_id": _ids,
    "name": _maybe_text,
    "topic": _maybe_text,
    "parent_id": _maybe_id,
    "overwrites": st.lists(_overwrites, max_size=3).map(tuple),
}
_spoken = {"last_message_id": _maybe_id, "last_pin_timestamp": st.none() | _times}
_channels = (
    st.builds(Channel, type=st.just(4), **_channel_basics)
    | st.builds(
        Channel,
        type=st.sampled_from([2, 13]),
        bitrate=st.integers(8000, 384000),
        user_limit=st.integers(0, 99),
        rtc_region=_maybe_text,
        **_channel_basics,
        **_spoken,
    )
    | st.builds(
        Channel,
        type=st.sampled_from([0, 5, 15, 16]),
        default_auto_archive_duration=st.sampled_from([60, 1440, 4320, 10080]),
        rate_limit_per_user=st.integers(0, 21600),
        **_channel_basics,
        **_spoken,
    )
)
_guilds = st.builds(
    Guild,
    id=_ids,
    name=_text,
    owner_id=_ids,
    afk_channel_id=_maybe_id,
    system_channel_id=_maybe_id,
    rules_channel_id=_maybe_id,
    description=_maybe_text,
    features=st.lists(_text, max_size=3).map(tuple),
    widget_channel_id=_maybe_id,
)


def through_json(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(body))
    return found


@given(_roles)
def test_roles_read_back(role: Role) -> None:
    assert wire.parse_role(through_json(wire.role(role)), GUILD_ID) == role


@given(_users)
def test_users_read_back(user: User) -> None:
    assert wire.parse_user(through_json(wire.own_user(user))) == user


@given(_members)
def test_members_read_back(member: Member) -> None:
    assert wire.parse_member(through_json(wire.member(member)), GUILD_ID, member.user_id) == member


@given(_channels)
def test_channels_read_back(channel: Channel) -> None:
    assert wire.parse_channel(through_json(wire.channel(channel))) == channel


@given(_guilds)
def test_guilds_read_back(guild: Guild) -> None:
    assert wire.parse_guild(through_json(wire.guild(guild, []))) == guild
