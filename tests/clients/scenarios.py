"""Scenarios: what every library must live through, as a class of tests that each library's module inherits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import quote

import pytest

from tests.clients.recorder import Bot, Refused
from tests.clients.stage import (
    ADA,
    BELL,
    CLERK,
    DORA,
    ECHO,
    FINN,
    GENERAL,
    GUEST,
    LAB,
    SEND,
    STAFF_ONLY,
    VIEW,
    Listener,
    Stage,
)

MISSING_ACCESS, MISSING_PERMISSIONS = 50001, 50013
"""Discord's JSON codes: of a channel that is out of sight, and of one where this may not be done."""


async def check_delivery(stage: Stage, bot: Bot, expected: list[str]) -> None:
    """Check that the bot saw ada's messages in general exactly so, each once: on the wire and as dispatched."""
    last = await stage.say("the end")
    await bot.wait_for("messageCreate", id=last)
    assert bot.said(ADA, GENERAL) == [*expected, "the end"]
    ids = bot.raw_ids("MESSAGE_CREATE")
    assert len(ids) == len(set(ids))
    number = 0
    for event in bot.events:
        if event["event"] == "raw" and event.get("s") is not None:
            # Only a new session starts anew. hikari does not tell the number.
            number = 1 if event["t"] == "READY" else number + 1
            assert event["s"] == number


async def say_across(stage: Stage, bot: Bot, break_off: Callable[[], Awaitable[None]]) -> None:
    """Speak before, while and after the bot is away, and check that it saw everything once and in order.

    Args:
        stage: where.
        bot: a ready bot, bell.
        break_off: makes the bot break off and come back.
    """
    mark = len(bot.events)
    texts = [f"message {n}" for n in range(30)]
    for text in texts[:10]:
        await stage.say(text)
    # The bot may still be reading the first ten.
    stage.proxy.hold()
    await break_off()
    for text in texts[10:20]:
        await stage.say(text)
    stage.proxy.release()
    await bot.wait_for("resumed", since=mark)
    for text in texts[20:]:
        await stage.say(text)
    await check_delivery(stage, bot, texts)


async def check_anew(stage: Stage, bot: Bot, *, resumable: bool) -> None:
    """Check that op 9 makes the bot identify, and that all is well in its second session."""
    await stage.say("before")
    await bot.wait_for("messageCreate", content="before")
    mark = len(bot.events)
    await stage.fault("invalid_session", bot.session_id, resumable=resumable)
    second = await bot.wait_for("raw", since=mark, t="READY")
    first = await bot.wait_for("raw", t="READY")
    assert second["session"] != first["session"]
    await bot.wait_for("raw", since=mark, t="GUILD_CREATE", id=LAB)
    await bot.wait_for("readyAgain", since=mark)
    await check_delivery(stage, bot, ["before"])


BACKLOG = 200
"""How far people may run ahead of a bot that is away: well within what a session replays (`replay_max_events`)."""


class Scenarios:
    """A subclass's module gives the fixture `bot`: bell, ready, on `stage`.

    Attributes:
        asks_as_told: the library asks the server for as many messages as it is asked for.
        resumes_after_op_9: the library resumes when op 9 says it may.
    """

    asks_as_told = True
    resumes_after_op_9 = True

    async def test_it_is_ready_with_its_guild_and_the_channels_it_may_see(self, stage: Stage, bot: Bot) -> None:
        ready = await bot.wait_for("ready")
        assert ready["user"] == BELL
        assert ready["guilds"] == [
            {
                "id": LAB,
                "name": "Lab",
                "channels": ["general", "staff-only"],
                "members": [ADA, BELL, CLERK, DORA, ECHO],
            }
        ]

    async def test_it_finds_members_by_the_start_of_their_names(self, stage: Stage, bot: Bot) -> None:
        assert await bot.do("find", guild=LAB, prefix="ec") == ["echo"]
        assert await bot.do("find", guild=LAB, prefix="nobody") == []

    async def test_it_hears_what_is_said_over_http_and_answers(self, stage: Stage, bot: Bot) -> None:
        question = await stage.say("hello")
        heard = await bot.wait_for("messageCreate", id=question)
        assert (heard["author"], heard["channel"], heard["content"]) == (ADA, GENERAL, "hello")
        sent = await bot.do("send", channel=GENERAL, content="hi there")
        reply = await bot.do("reply", channel=GENERAL, message=question, content="and welcome")
        assert (reply["reference"], reply["author"]) == (question, BELL)
        assert await stage.contents() == ["hello", "hi there", "and welcome"]
        # It hears itself too, once.
        await bot.wait_for("messageCreate", id=sent["id"])
        assert (await bot.wait_for("messageCreate", id=reply["id"]))["reference"] == question
        assert bot.said(BELL, GENERAL) == ["hi there", "and welcome"]

    async def test_it_edits_and_deletes_and_hears_of_both(self, stage: Stage, bot: Bot) -> None:
        sent = await bot.do("send", channel=STAFF_ONLY, content="frist")
        edited = await bot.do("edit", channel=STAFF_ONLY, message=sent["id"], content="first")
        assert (edited["id"], edited["content"]) == (sent["id"], "first")
        await bot.wait_for("messageUpdate", id=sent["id"], content="first")
        assert await stage.contents(STAFF_ONLY) == ["first"]
        await bot.do("delete", channel=STAFF_ONLY, message=sent["id"])
        await bot.wait_for("messageDelete", id=sent["id"])
        assert await stage.contents(STAFF_ONLY) == []

    async def test_it_hears_of_a_persons_edit_and_delete(self, stage: Stage, bot: Bot) -> None:
        message = await stage.say("draft")
        await bot.wait_for("messageCreate", id=message)
        await stage.call("PATCH", f"/channels/{GENERAL}/messages/{message}", ADA, {"content": "final"})
        await bot.wait_for("messageUpdate", id=message, content="final")
        await stage.call("DELETE", f"/channels/{GENERAL}/messages/{message}", ADA)
        await bot.wait_for("messageDelete", id=message)

    async def test_it_deletes_in_bulk(self, stage: Stage, bot: Bot) -> None:
        messages = [await stage.say(f"spam {n}") for n in range(5)]
        await bot.wait_for("messageCreate", id=messages[-1])
        await bot.do("bulkDelete", channel=GENERAL, messages=messages[1:])
        await bot.wait_for("messageDeleteBulk", ids=sorted(messages[1:]))
        assert await stage.contents() == ["spam 0"]

    async def test_it_types_and_sees_typing(self, stage: Stage, bot: Bot) -> None:
        async with Listener.open(stage, DORA) as dora:
            await bot.do("type", channel=GENERAL)
            typing = await dora.wait_for("TYPING_START", user_id=BELL)
            assert (typing["channel_id"], typing["guild_id"]) == (GENERAL, LAB)
        await stage.call("POST", f"/channels/{GENERAL}/typing", ADA)
        await bot.wait_for("typingStart", user=ADA, channel=GENERAL)

    async def test_it_pages_through_history(self, stage: Stage, bot: Bot) -> None:
        ids = [await stage.say(f"m{n}") for n in range(12)]

        async def page(limit: int, **bounds: str) -> list[str]:
            return [message["id"] for message in await bot.do("history", channel=GENERAL, limit=limit, **bounds)]

        assert await page(5) == ids[:6:-1]
        assert await page(3, before=ids[4]) == ids[3:0:-1]
        assert sorted(await page(100, before=ids[3])) == ids[:3]
        assert sorted(await page(3, after=ids[4])) == ids[5:8]
        assert sorted(await page(100, after=ids[9])) == ids[10:]
        if self.asks_as_told:
            assert sorted(await page(3, around=ids[6])) == ids[5:8]

    async def test_it_talks_in_a_direct_message(self, stage: Stage, bot: Bot) -> None:
        async with Listener.open(stage, DORA) as dora:
            sent = await bot.do("dm", user=DORA, content="psst")
            heard = await dora.wait_for("MESSAGE_CREATE", id=sent["id"])
            assert (heard["content"], heard["author"]["id"], "guild_id" in heard) == ("psst", BELL, False)
        answer = await stage.say("what?", who=DORA, channel=sent["channel"])
        assert (await bot.wait_for("messageCreate", id=answer))["content"] == "what?"
        opened = await stage.call("POST", "/users/@me/channels", DORA, {"recipient_id": BELL})
        assert opened["id"] == sent["channel"]

    async def test_it_reacts_and_hears_of_reactions(self, stage: Stage, bot: Bot) -> None:
        thumb, heart = "\N{THUMBS UP SIGN}", "\N{BLACK HEART SUIT}"
        at: dict[str, str] = {"channel": GENERAL, "message": await stage.say("do you like it?")}
        message = at["message"]
        await bot.wait_for("messageCreate", id=message)

        async def react(who: str, emoji: str) -> None:
            await stage.call("PUT", f"/channels/{GENERAL}/messages/{message}/reactions/{quote(emoji)}/@me", who)
            await bot.wait_for("reactionAdd", message=message, emoji=emoji, user=who)

        await bot.do("react", **at, emoji=thumb)
        await bot.wait_for("reactionAdd", message=message, emoji=thumb, user=BELL)
        await react(ADA, thumb)
        await react(DORA, thumb)
        assert await bot.do("reactors", **at, emoji=thumb) == [ADA, BELL, DORA]
        await bot.do("unreact", **at, emoji=thumb)
        await bot.wait_for("reactionRemove", message=message, emoji=thumb, user=BELL)
        assert await bot.do("reactors", **at, emoji=thumb) == [ADA, DORA]
        await react(ADA, heart)
        await bot.do("clearReaction", **at, emoji=thumb)
        await bot.wait_for("reactionRemoveEmoji", message=message, emoji=thumb)
        await bot.do("clearReactions", **at)
        await bot.wait_for("reactionRemoveAll", message=message)

    async def test_it_sees_a_member_come_change_and_leave(self, stage: Stage, bot: Bot) -> None:
        await stage.join(FINN)
        joined = await bot.wait_for("memberAdd", user=FINN)
        assert (joined["nick"], joined["roles"]) == (None, [])
        who = {"guild": LAB, "user": FINN}
        await bot.do("nick", **who, nick="Huck")
        await bot.wait_for("memberUpdate", user=FINN, nick="Huck", roles=[])
        await bot.do("addRole", **who, role=GUEST)
        await bot.wait_for("memberUpdate", user=FINN, nick="Huck", roles=[GUEST])
        mark = len(bot.events)
        await bot.do("removeRole", **who, role=GUEST)
        await bot.wait_for("memberUpdate", since=mark, user=FINN, nick="Huck", roles=[])
        await stage.call("DELETE", f"/users/@me/guilds/{LAB}", FINN)
        await bot.wait_for("memberRemove", user=FINN)
        mark = len(bot.events)
        await stage.join(FINN)
        assert (await bot.wait_for("memberAdd", since=mark, user=FINN))["nick"] is None
        await bot.do("kick", **who)
        await bot.wait_for("memberRemove", since=mark, user=FINN)

    async def test_it_loses_and_regains_sight_of_a_channel(self, stage: Stage, bot: Bot) -> None:
        await stage.deny(BELL, VIEW)
        await bot.wait_for("channelDelete", id=GENERAL)
        await stage.say("behind its back")
        with pytest.raises(Refused) as refused:
            await bot.do("send", channel=GENERAL, content="into the dark")
        assert refused.value.code == MISSING_ACCESS
        mark = len(bot.events)
        await stage.deny(BELL, 0)
        await bot.wait_for("channelCreate", since=mark, id=GENERAL)
        await check_delivery(stage, bot, [])
        await bot.do("send", channel=GENERAL, content="here again")
        assert await stage.contents() == ["behind its back", "the end", "here again"]

    async def test_a_message_it_may_not_send_is_refused(self, stage: Stage, bot: Bot) -> None:
        await stage.deny(BELL, SEND)
        await bot.wait_for("channelUpdate", id=GENERAL)
        with pytest.raises(Refused) as refused:
            await bot.do("send", channel=GENERAL, content="hush")
        assert refused.value.code == MISSING_PERMISSIONS
        mark = len(bot.events)
        await stage.deny(BELL, 0)
        await bot.wait_for("channelUpdate", since=mark, id=GENERAL)
        await bot.do("send", channel=GENERAL, content="at last")
        assert await stage.contents() == ["at last"]

    async def test_sight_lost_while_it_was_away_is_gone_when_it_resumes(self, stage: Stage, bot: Bot) -> None:
        mark = len(bot.events)
        stage.proxy.hold()
        assert stage.proxy.cut() == 2
        await stage.deny(BELL, VIEW)
        await stage.say("behind its back")
        stage.proxy.release()
        await bot.wait_for("resumed", since=mark)
        await bot.wait_for("channelDelete", since=mark, id=GENERAL)
        await stage.deny(BELL, 0)
        await bot.wait_for("channelCreate", since=mark, id=GENERAL)
        await check_delivery(stage, bot, [])

    async def test_a_cut_socket_is_resumed_with_nothing_lost_and_nothing_twice(self, stage: Stage, bot: Bot) -> None:
        async def cut() -> None:
            assert stage.proxy.cut() == 2

        await say_across(stage, bot, cut)
        assert bot.raw_ids("READY") == [None]

    async def test_it_survives_many_cuts_while_people_speak(self, stage: Stage, bot: Bot) -> None:
        texts: list[str] = []
        enough = asyncio.Event()

        async def speak() -> None:
            while not enough.is_set():
                texts.append(f"message {len(texts)}")
                await stage.say(texts[-1])
                if len(texts) > BACKLOG:
                    await bot.wait_for("messageCreate", content=texts[-BACKLOG])

        async with asyncio.TaskGroup() as group:
            group.create_task(speak())
            for _ in range(3):
                await bot.wait_for("messageCreate", since=len(bot.events))
                mark = len(bot.events)
                stage.proxy.cut()
                await bot.wait_for("resumed", since=mark)
            enough.set()
        await check_delivery(stage, bot, texts)

    async def test_op_7_makes_it_resume(self, stage: Stage, bot: Bot) -> None:
        await say_across(stage, bot, lambda: stage.fault("reconnect", bot.session_id))
        assert bot.raw_ids("READY") == [None]

    async def test_op_9_true_makes_it_resume(self, stage: Stage, bot: Bot) -> None:
        if not self.resumes_after_op_9:
            await check_anew(stage, bot, resumable=True)
            return
        await say_across(stage, bot, lambda: stage.fault("invalid_session", bot.session_id, resumable=True))
        assert bot.raw_ids("READY") == [None]

    async def test_op_9_false_makes_it_identify_anew(self, stage: Stage, bot: Bot) -> None:
        await check_anew(stage, bot, resumable=False)

    async def test_a_resumable_close_makes_it_resume(self, stage: Stage, bot: Bot) -> None:
        await say_across(stage, bot, lambda: stage.fault("close", bot.session_id, code=4000))
        assert bot.raw_ids("READY") == [None]
