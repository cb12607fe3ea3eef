"""Reading: entities come back as they went in, pages are what the protocol says, snapshots are of one moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.support.api_world import Clock
from tests.support.store_world import (
    ADA,
    BELL,
    CARL,
    CHANNEL,
    DM,
    GUILD,
    HIDDEN,
    OTHER_GUILD,
    ROLE,
    SCOPE,
    event,
    message,
    world_ops,
)
from tocsin.errors import Conflict
from tocsin.model.entities import (
    Application,
    Ban,
    Channel,
    Emoji,
    EmojiRef,
    Guild,
    Member,
    Message,
    Overwrite,
    Reaction,
    ReadState,
    Role,
    RoleMention,
    User,
)
from tocsin.model.event import Event, Scope, ScopeKind
from tocsin.store import Store, rows
from tocsin.store.base import Delete, Insert, Select

# -- entities


async def test_a_user_comes_back_whole(store: Store) -> None:
    user = User(
        id=(1 << 63) - 1,
        username="zoë",
        discriminator="1234",
        global_name="Zoë 🦊",
        avatar="a",
        banner="b",
        accent_color=0xFFFFFF,
        bot=True,
        system=True,
        email="z@example.org",
        verified=False,
        locale="cs",
        flags=1 << 33,
        public_flags=1 << 40,
    )
    await store.commit(rows.user_ops(user))
    assert await store.user(user.id) == user
    assert await store.user_by_name("zoë") == user
    assert await store.user(1) is None
    assert await store.user_by_name("Zoë") is None
    renamed = msgspec.structs.replace(user, username="zoe", bot=False, email=None)
    await store.commit(rows.user_update_ops(renamed))
    assert await store.user(user.id) == renamed


async def test_several_users_are_read_at_once_and_missing_ones_left_out(store: Store) -> None:
    await store.commit(world_ops())
    assert {each.username for each in await store.users([ADA, CARL, 7])} == {"ada", "carl"}
    assert await store.users([]) == []
    assert await store.users(range(100_000, 140_000)) == []


async def test_a_token_leads_to_its_user(store: Store) -> None:
    await store.commit(world_ops())
    await store.commit(rows.token_ops(b"\x00digest", BELL, 1))
    found = await store.user_by_token(b"\x00digest")
    assert found is not None
    assert found.id == BELL
    assert await store.user_by_token(b"other") is None
    assert await store.bearer(b"\x00digest") == (found, None)
    assert await store.bearer(b"other") is None
    assert await store.token_digests([BELL, ADA]) == {b"\x00digest"}
    assert await store.token_digests([ADA]) == await store.token_digests([]) == set()


async def test_passwords_and_applications_come_back(store: Store) -> None:
    await store.commit(rows.password_ops(ADA, "$argon2id$x"))
    application = Application(
        id=9, bot_user_id=BELL, name="b", owner_id=ADA, flags=1 << 18, intents=1 << 15, public=False
    )
    await store.commit(rows.application_ops(application))
    assert await store.password_hash(ADA) == "$argon2id$x"
    assert await store.password_hash(BELL) is None
    assert await store.application_of_bot(BELL) == application
    assert await store.application_of_bot(ADA) is None
    await store.commit(world_ops())
    await store.commit(rows.token_ops(b"\x00digest", BELL, 1))
    bell = await store.user(BELL)
    assert await store.bearer(b"\x00digest") == (bell, application)


async def test_accounts_are_found_by_id_by_name_and_by_token_at_once(store: Store) -> None:
    application = Application(id=9, bot_user_id=BELL, name="b", owner_id=ADA)
    await store.commit([*world_ops(), *rows.token_ops(b"\x00digest", ADA, 1), *rows.application_ops(application)])
    found = await store.accounts([BELL, 7], ["carl", "nobody"], [b"\x00digest", b"other"])
    assert set(found.by_id) == {BELL, CARL}
    assert found.by_name["carl"].id == CARL
    assert {digest: user.id for digest, user in found.holders.items()} == {b"\x00digest": ADA}
    assert found.applications == {BELL: application}
    assert await store.accounts([], [], []) == ({}, {}, {}, {})


async def test_a_channel_comes_back_with_overwrites_or_recipients(store: Store) -> None:
    overwrites = (Overwrite(id=1, type=0, allow=(1 << 53) - 1), Overwrite(id=2, type=1, deny=1 << 52))
    voice = Channel(
        id=40,
        type=2,
        guild_id=GUILD,
        name="v",
        position=3,
        topic="t",
        nsfw=True,
        parent_id=4,
        last_message_id=5,
        last_pin_timestamp=6,
        rate_limit_per_user=7,
        bitrate=96000,
        user_limit=9,
        rtc_region="r",
        video_quality_mode=2,
        default_auto_archive_duration=60,
        flags=1,
        overwrites=overwrites,
    )
    dm = Channel(id=41, type=1, recipients=(ADA, BELL))
    await store.commit([*rows.channel_ops(voice), *rows.channel_ops(dm)])
    assert await store.channel(40) == voice
    assert await store.channel(41) == dm
    assert await store.channel(42) is None
    changed = msgspec.structs.replace(voice, name="w", overwrites=overwrites[:1], last_message_id=None)
    await store.commit(rows.channel_update_ops(changed))
    assert await store.channel(40) == msgspec.structs.replace(changed, last_message_id=5)
    await store.commit(rows.channel_delete_ops(40))
    assert await store.channel(40) is None


async def test_dms_are_found_by_their_two(store: Store) -> None:
    await store.commit(world_ops())
    await store.commit(rows.channel_ops(Channel(id=3901, type=3, name="us", recipients=(ADA, BELL, CARL))))
    for a, b in ((ADA, BELL), (BELL, ADA)):
        found = await store.dm_between(a, b)
        assert found is not None
        assert (found.id, found.recipients) == (DM, (ADA, BELL))
    assert await store.dm_between(ADA, CARL) is None
    assert [each.id for each in await store.dms_of(ADA)] == [DM, 3901]
    assert [each.id for each in await store.dms_of(CARL)] == [3901]


async def test_a_message_comes_back_whole(store: Store) -> None:
    await store.commit(world_ops())
    full = Message(
        id=77,
        channel_id=CHANNEL,
        author_id=ADA,
        guild_id=GUILD,
        content="a\u0000b 🦊",
        type=19,
        edited_at=5,
        tts=True,
        pinned=True,
        flags=4,
        mention_everyone=True,
        mentions=(ADA, (1 << 63) - 1),
        mention_roles=(ROLE,),
        embeds=[{"title": "t", "fields": [{"name": "n", "value": "v", "inline": True}]}],
        attachments=[{"id": "1"}],
        components=[{"type": 1}],
        sticker_ids=(3,),
        reference={"message_id": "5"},
        webhook_id=6,
        application_id=7,
    )
    await store.commit(rows.message_ops(full))
    assert await store.message(CHANNEL, 77) == full
    assert await store.message(HIDDEN, 77) is None
    assert await store.messages_by_ids(CHANNEL, [77, 78]) == [full]
    assert await store.messages_by_ids(HIDDEN, [77]) == []


async def test_mentions_of_roles_are_found_until_they_are_read_and_go_with_their_message(store: Store) -> None:
    await store.commit(world_ops())

    async def found(user_id: int = ADA, *roles: int, limit: int = 9) -> list[int]:
        return [each.message_id for each in await store.role_mentions(user_id, roles or (ROLE, GUILD), limit)]

    for message_id, role_ids, everyone in ((70, (ROLE,), False), (71, (), True), (72, (ROLE,), True)):
        message = Message(id=message_id, channel_id=CHANNEL, author_id=BELL, guild_id=GUILD, content="")
        message = msgspec.structs.replace(message, mention_roles=role_ids, mention_everyone=everyone)
        await store.commit([*rows.message_ops(message), *rows.role_mention_ops(message, [CARL])])
    [first] = await store.role_mentions(ADA, [ROLE], 1)
    kept = RoleMention(role_id=ROLE, message_id=72, channel_id=CHANNEL, guild_id=GUILD, passes_by=(BELL, CARL))
    assert first == kept
    assert await found() == [72, 72, 71, 70]
    assert (await found(limit=3), await found(ADA, 5), await store.role_mentions(ADA, [], 9)) == ([72, 72, 71], [], [])
    read = ReadState(user_id=ADA, channel_id=CHANNEL, last_message_id=70)
    await store.commit(rows.read_state_ops(None, read))
    assert (await found(), await found(BELL)) == ([72, 72, 71], [72, 72, 71, 70])
    counted = msgspec.structs.replace(read, version=1, counted_to=71)
    await store.commit(rows.read_state_ops(read, counted))
    assert await found() == [72, 72]
    await store.commit(rows.message_delete_ops(CHANNEL, [72], Channel(id=CHANNEL, guild_id=GUILD, type=0)))
    assert (await found(), await found(BELL)) == ([], [71, 70])
    await store.commit(rows.role_delete_ops(GUILD, ROLE))
    assert await found(BELL) == [71]


async def test_members_bans_and_guilds_of_a_user(store: Store) -> None:
    await store.commit(world_ops())
    bell = Member(guild_id=GUILD, user_id=BELL, joined_at=6, roles=(ROLE,), nick="Belle")
    assert await store.member(GUILD, BELL) == bell
    assert await store.member(GUILD, CARL) is None
    quiet = msgspec.structs.replace(bell, roles=(), timeout_until=99, nick=None, pending=True)
    await store.commit(rows.member_update_ops(quiet))
    assert await store.member(GUILD, BELL) == quiet
    assert await store.guild_ids_of(BELL) == [GUILD]
    await store.commit([*rows.member_delete_ops(GUILD, BELL), *rows.ban_ops(Ban(guild_id=GUILD, user_id=BELL))])
    assert await store.member(GUILD, BELL) is None
    assert await store.guild_ids_of(BELL) == []
    assert await store.ban(GUILD, BELL) == Ban(guild_id=GUILD, user_id=BELL)
    assert await store.ban(GUILD, ADA) is None
    await store.commit(rows.ban_ops(Ban(guild_id=GUILD, user_id=BELL, reason="again")))
    assert [(ban.reason, user.username) for ban, user in await store.bans(GUILD)] == [("again", "bell")]


async def test_a_deleted_role_is_gone_from_members_and_overwrites(store: Store) -> None:
    await store.commit(world_ops())
    await store.commit(rows.overwrite_ops(CHANNEL, Overwrite(id=ROLE, type=0, deny=1)))
    await store.commit(rows.role_delete_ops(GUILD, ROLE))
    snapshot = await store.guild(GUILD, with_members=True)
    assert snapshot is not None
    assert [each.id for each in snapshot.roles] == [GUILD]
    assert {each.user_id: each.roles for each in snapshot.members} == {ADA: (), BELL: ()}
    channel = await store.channel(CHANNEL)
    assert channel is not None
    assert channel.overwrites == ()


async def test_a_deleted_guild_takes_everything_in_it_along(store: Store) -> None:
    await store.commit(world_ops())
    await store.commit(rows.message_ops(message(10)))
    await store.commit(rows.guild_delete_ops(GUILD, [CHANNEL, HIDDEN]))
    assert await store.guild(GUILD, with_members=True) is None
    assert await store.channel(CHANNEL) is None
    assert await store.channel(HIDDEN) is None
    assert await store.message(CHANNEL, 10) is None
    assert await store.guild_ids_of(ADA) == []
    assert await store.dm_between(ADA, BELL) is not None


# -- pages


@pytest.fixture
async def thirty(store: Store) -> Store:
    """Messages 10, 20, ... 300 in the channel, and others elsewhere between them."""
    await store.commit(world_ops())
    for number in range(10, 310, 10):
        await store.commit(rows.message_ops(message(number)))
        await store.commit(rows.message_ops(message(number + 1, channel_id=HIDDEN)))
    return store


PAGES: list[tuple[dict[str, int], list[int]]] = [
    ({"limit": 3}, [300, 290, 280]),
    ({"before": 100, "limit": 3}, [90, 80, 70]),
    ({"before": 95, "limit": 2}, [90, 80]),
    ({"before": 20, "limit": 5}, [10]),
    ({"before": 10, "limit": 5}, []),
    ({"after": 100, "limit": 3}, [130, 120, 110]),
    ({"after": 105, "limit": 2}, [120, 110]),
    ({"after": 290, "limit": 5}, [300]),
    ({"after": 300, "limit": 5}, []),
    ({"around": 100, "limit": 4}, [110, 100, 90, 80]),
    ({"around": 100, "limit": 5}, [120, 110, 100, 90, 80]),
    ({"around": 100, "limit": 1}, [100]),
    ({"around": 105, "limit": 4}, [120, 110, 100, 90]),
    ({"around": 10, "limit": 4}, [20, 10]),
    ({"around": 300, "limit": 4}, [300, 290, 280]),
    ({"around": 5, "limit": 3}, [20, 10]),
]


@pytest.mark.parametrize(("page", "expected"), PAGES, ids=str)
async def test_messages_come_in_pages_newest_first(thirty: Store, page: dict[str, int], expected: list[int]) -> None:
    found = await thirty.messages(CHANNEL, **page)
    assert [each.id for each in found] == expected


async def test_walking_back_in_pages_meets_every_message_once(thirty: Store) -> None:
    met: list[int] = []
    before = 0
    while page := await thirty.messages(CHANNEL, before=before, limit=7):
        met += [each.id for each in page]
        before = page[-1].id
    assert met == list(range(300, 0, -10))


async def test_messages_of_an_author_are_found_in_a_guilds_channels(thirty: Store) -> None:
    await thirty.commit(rows.message_ops(message(295, author_id=BELL)))
    await thirty.commit(rows.message_ops(message(296, channel_id=DM, author_id=BELL)))
    assert await thirty.messages_by_author(GUILD, BELL, 0) == [(CHANNEL, 295)]
    assert await thirty.messages_by_author(GUILD, ADA, 295) == [(CHANNEL, 300), (HIDDEN, 301)]


async def test_members_come_in_pages_by_id(store: Store) -> None:
    await store.commit(world_ops())
    for number in range(5000, 5010):
        ops = rows.user_ops(User(id=number, username=f"user{number}"))
        ops += rows.member_ops(Member(guild_id=GUILD, user_id=number, joined_at=1, roles=(ROLE,) * (number % 2)))
        await store.commit(ops)
    first = await store.members(GUILD, limit=4)
    assert [user.id for _, user in first] == [ADA, BELL, 5000, 5001]
    rest = await store.members(GUILD, after=5001, limit=1000)
    assert [user.id for _, user in rest] == list(range(5002, 5010))
    assert all(member.user_id == user.id for member, user in first + rest)
    assert [member.roles for member, _ in rest[:2]] == [(), (ROLE,)]
    assert await store.members(GUILD, after=5009) == []
    assert await store.members(OTHER_GUILD) == []


async def test_members_are_searched_by_the_beginning_of_name_or_nick(store: Store) -> None:
    await store.commit(world_ops())
    await store.commit(
        rows.user_ops(User(id=60, username="b%l")) + rows.member_ops(Member(guild_id=GUILD, user_id=60, joined_at=1))
    )

    async def search(prefix: str, limit: int = 10) -> list[int]:
        return [user.id for _, user in await store.search_members(GUILD, prefix, limit)]

    assert await search("BEL") == [BELL]
    assert await search("belle") == [BELL]
    assert await search("b%") == [60]
    assert await search("_") == []
    assert await search("ell") == []
    assert await search("", 2) == [60, ADA]


async def test_bans_come_in_pages_by_user(store: Store) -> None:
    for number in range(1, 8):
        ops = rows.user_ops(User(id=number, username=f"u{number}"))
        await store.commit(ops + rows.ban_ops(Ban(guild_id=GUILD, user_id=number)))

    async def page(**query: int) -> list[int]:
        return [user.id for _, user in await store.bans(GUILD, **query)]

    assert await page() == list(range(1, 8))
    assert await page(after=2, limit=3) == [3, 4, 5]
    assert await page(before=6, limit=3) == [3, 4, 5]
    assert await page(before=1) == []


# -- snapshots


async def test_a_snapshot_is_the_guild_as_committed(store: Store) -> None:
    await store.commit(world_ops(), [event(), event()])
    bare = await store.guild(GUILD, with_members=False)
    full = await store.guild(GUILD, with_members=True)
    assert bare is not None
    assert full is not None
    assert (bare.seq, bare.member_count, bare.members, bare.users) == (2, 2, [], [])
    assert bare.guild == Guild(id=GUILD, name="lab", owner_id=ADA, features=("COMMUNITY",))
    assert [each.id for each in bare.channels] == [HIDDEN, CHANNEL]
    assert bare.channels[0].overwrites == (
        Overwrite(id=BELL, type=1, allow=1024),
        Overwrite(id=GUILD, type=0, deny=1024),
    )
    assert bare.roles[1] == Role(id=ROLE, guild_id=GUILD, name="staff", permissions=(1 << 53) - 1, position=1)
    assert {each.user_id: (each.nick, each.roles) for each in full.members} == {
        ADA: (None, ()),
        BELL: ("Belle", (ROLE,)),
    }
    assert {each.username for each in full.users} == {"ada", "bell"}
    assert await store.guild(OTHER_GUILD, with_members=False) is None


async def test_a_snapshot_never_mixes_two_moments(store: Store) -> None:
    await store.commit(world_ops())
    done = asyncio.Event()

    async def write() -> None:
        for number in range(1, 151):
            # One commit renames the guild and a role, adds a channel and a member: a torn read would differ.
            ops = rows.guild_update_ops(Guild(id=GUILD, name=str(number), owner_id=ADA))
            ops += rows.role_ops(Role(id=ROLE, guild_id=GUILD, name=str(number)))
            ops += rows.channel_ops(Channel(id=10_000 + number, type=0, guild_id=GUILD, name="c"))
            ops += rows.user_ops(User(id=20_000 + number, username=f"n{number}"))
            ops += rows.member_ops(Member(guild_id=GUILD, user_id=20_000 + number, joined_at=1, roles=(ROLE,)))
            await store.commit(ops, [event("GUILD_UPDATE")])
        done.set()

    async def read() -> None:
        while not done.is_set():
            found = await store.guild(GUILD, with_members=True)
            assert found is not None
            number = found.seq
            if number:
                assert found.guild.name == str(number)
                assert {each.id: each.name for each in found.roles}[ROLE] == str(number)
            assert len(found.channels) == 2 + number
            assert found.member_count == len(found.members) == len(found.users) == 2 + number
            assert sum(bool(each.roles) for each in found.members) == 1 + number

    await asyncio.gather(write(), read(), read())


# -- nonces and the log


async def test_a_nonce_leads_to_its_message_until_it_is_old(store: Store, clock: Clock) -> None:
    await store.commit(world_ops())
    row = {"author_id": ADA, "channel_id": CHANNEL, "nonce": "n", "message_id": 10, "created_at": clock()}
    await store.commit([*rows.message_ops(message(10)), Insert("nonces", row)])
    found = await store.message_by_nonce(ADA, CHANNEL, "n")
    assert found is not None
    assert found.id == 10
    assert await store.message_by_nonce(BELL, CHANNEL, "n") is None
    assert await store.message_by_nonce(ADA, HIDDEN, "n") is None
    assert await store.message_by_nonce(ADA, CHANNEL, "m") is None
    clock.advance(300_000)
    assert await store.message_by_nonce(ADA, CHANNEL, "n") is not None
    clock.advance(1)
    assert await store.message_by_nonce(ADA, CHANNEL, "n") is None


async def test_the_outbox_gives_back_whole_events_after_a_place(store: Store) -> None:
    full = Event(
        name="MESSAGE_CREATE",
        scope=Scope(ScopeKind.GUILD, GUILD),
        body=b'{"content":"\xc3\xab"}',
        guild_id=GUILD,
        channel_id=CHANNEL,
        users=(ADA, (1 << 63) - 1),
        exclude_user=BELL,
        author_id=ADA,
        mentions=(BELL,),
        gated=True,
    )
    await store.commit([], [full, full, full, full])
    kept = await store.outbox_after(SCOPE, 1, limit=2)
    assert kept == [msgspec.structs.replace(full, seq=2), msgspec.structs.replace(full, seq=3)]
    assert await store.outbox_after(SCOPE, 4) == []


async def test_pruning_drops_what_is_old_and_keeps_the_count(store: Store, clock: Clock) -> None:
    await store.commit(world_ops(), [event(), event()])
    row = {"author_id": ADA, "channel_id": CHANNEL, "nonce": "n", "message_id": 10, "created_at": clock()}
    await store.commit([*rows.message_ops(message(10)), Insert("nonces", row)])
    clock.advance(599_999)
    await store.commit([], [event()])
    await store.prune(clock())
    assert [each.seq for each in await store.outbox_after(SCOPE, 0)] == [1, 2, 3]
    clock.advance(2)
    await store.prune(clock())
    assert [each.seq for each in await store.outbox_after(SCOPE, 0)] == [3]
    await store.commit([Insert("nonces", row)])
    clock.advance(600_000)
    await store.prune(clock())
    [after] = await store.commit([], [event()])
    assert after.seq == 4


async def test_the_highest_id_is_known_even_when_its_message_is_gone(store: Store) -> None:
    assert await store.highest_snowflake() == 0
    await store.commit(world_ops())
    assert await store.highest_snowflake() == DM
    await store.commit(rows.message_ops(message(99_999)))
    await store.commit([*rows.user_ops(User(id=4000, username="u"))])
    assert await store.highest_snowflake() == 99_999
    await store.commit([Delete("messages", {"id": 99_999}, must_match=True)])
    assert await store.highest_snowflake() == 99_999


async def test_all_is_there_after_reopening(make_store: Callable[[], Store]) -> None:
    first = make_store()
    await first.open()
    await first.commit(world_ops(), [event()])
    await first.commit(rows.message_ops(message(10)), [event()])
    await first.close()
    second = make_store()
    await second.open()
    assert await second.message(CHANNEL, 10) == message(10)
    snapshot = await second.guild(GUILD, with_members=True)
    assert snapshot is not None
    assert (snapshot.seq, snapshot.member_count) == (2, 2)
    [event_three] = await second.commit([], [event()])
    assert event_three.seq == 3
    await second.close()


# -- questions, reactions


def emoji(emoji_id: int, name: str = "party") -> Emoji:
    return Emoji(id=emoji_id, guild_id=GUILD, name=name, user_id=ADA, animated=bool(emoji_id % 2), roles=(ROLE,))


async def test_a_question_narrows_orders_and_limits(store: Store) -> None:
    made = [emoji(number) for number in range(1, 6)]
    for each in (*made, msgspec.structs.replace(emoji(9), guild_id=OTHER_GUILD)):
        await store.commit(rows.emoji_ops(each))

    async def asked(**more: Any) -> list[Emoji]:
        return await store.find(Select(entity=Emoji, table="emojis", where={"guild_id": GUILD}, **more))

    assert await asked(order="id") == made
    assert await asked(order="-id", limit=2) == [made[4], made[3]]
    assert await asked(above={"id": 2}, below={"id": 5}, order="id") == made[2:4]
    assert await store.find_one(Select(entity=Emoji, table="emojis", where={"id": [7, 8]})) is None
    assert await store.highest_snowflake() == 9


async def test_reactions_are_counted_in_the_order_of_their_first_and_go_with_their_message(store: Store) -> None:
    await store.commit([*world_ops(), *rows.message_ops(message(50)), *rows.message_ops(message(51))])

    def reaction(number: int, name: str, user_id: int, message_id: int = 50, emoji_id: int | None = None) -> Reaction:
        key = EmojiRef(id=emoji_id, name=name).key
        return Reaction(
            message_id=message_id,
            emoji=key,
            user_id=user_id,
            id=number,
            channel_id=CHANNEL,
            emoji_id=emoji_id,
            name=name,
        )

    first = [reaction(101, "z", ADA), reaction(102, "a", ADA), reaction(103, "a", BELL), reaction(104, "z", CARL)]
    for each in (*first, reaction(105, "party", BELL, emoji_id=7), reaction(106, "a", ADA, message_id=51)):
        await store.commit(rows.reaction_ops(each))
    found = [(each.emoji.key, each.count, each.me) for each in await store.reactions([50], ADA)]
    assert found == [("z", 2, True), ("a", 2, True), ("7", 1, False)]
    assert {each.message_id for each in await store.reactions([50, 51], ADA)} == {50, 51}
    with pytest.raises(Conflict):
        await store.commit(rows.reaction_ops(first[0]))
    await store.commit(rows.message_delete_ops(CHANNEL, [50], must_match=True))
    assert await store.reactions([50], ADA) == []
    with pytest.raises(Conflict):
        await store.commit(rows.reaction_ops(reaction(200, "z", ADA)))
