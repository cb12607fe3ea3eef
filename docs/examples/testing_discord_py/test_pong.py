"""What the bot promises, and that it keeps it when the network does not."""

from collections.abc import Awaitable, Callable

from pong import Pong

from tocsin.testing import Actor, Guild, TestServer, expect

Actors = Callable[..., Awaitable[Actor]]


async def test_it_answers_a_ping_and_nothing_else(bot: Pong, actor: Actors) -> None:
    ada = await actor("ada")
    await ada.say("hello")
    await ada.say("!ping")
    answer = await ada.sees("MESSAGE_CREATE", content="pong")
    assert answer["author"]["id"] == str(bot.user.id)
    await ada.does_not_see("MESSAGE_CREATE", content="pong")


async def test_who_joins_is_welcomed_by_name(bot: Pong, actor: Actors) -> None:
    ada = await actor("ada")
    await actor("grace")
    await ada.sees("MESSAGE_CREATE", content="Welcome, grace!")


async def test_capitals_are_deleted(bot: Pong, guild: Guild, actor: Actors) -> None:
    await guild.call("PUT", f"/guilds/{guild.id}/members/{guild.bot.id}/roles/{guild.roles['moderator']}")
    ada = await actor("ada")
    async with expect(ada, "MESSAGE_DELETE"):
        await ada.say("WHY IS NOBODY ANSWERING")


async def test_a_ping_during_a_cut_is_answered_after_the_resume(
    bot: Pong, actor: Actors, tocsin_server: TestServer
) -> None:
    ada = await actor("ada")
    tocsin_server.cut(bot.user)
    await ada.say("!ping")
    await ada.sees("MESSAGE_CREATE", content="pong", timeout=20)


async def test_an_answer_survives_a_429(bot: Pong, guild: Guild, actor: Actors, tocsin_server: TestServer) -> None:
    ada = await actor("ada")
    tocsin_server.rate_limit(bot.user, "POST /channels/{channel_id}/messages", retry_after=0.2)
    await ada.say("!ping")
    await ada.sees("MESSAGE_CREATE", content="pong")


async def test_a_greeting_can_be_asked_for_again(bot: Pong, actor: Actors) -> None:
    ada, grace = await actor("ada"), await actor("grace")
    await ada.invoke("greet", who=grace)
    greeting = await grace.sees("MESSAGE_CREATE", content="Hello, grace!")
    await grace.click(greeting, "again")
    await grace.sees("MESSAGE_CREATE", content=f"Hello again, {grace.mention}", flags=64)
    await ada.does_not_see("MESSAGE_CREATE", content=f"Hello again, {grace.mention}")
