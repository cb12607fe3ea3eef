"""A message that one library's bot posts over HTTP reaches the other library's bot over WebSocket, both ways."""

from __future__ import annotations

from tests.clients.discordpy_bot import DiscordPyBot, pointed_at
from tests.clients.node_bot import NodeBot, require_node
from tests.clients.recorder import Bot
from tests.clients.stage import BELL, ECHO, GENERAL, STAFF_ONLY, TOKENS, Stage


async def check_one_way(speaker: Bot, speaker_id: str, hearer: Bot) -> None:
    """Check that the hearer learns all that the speaker does to a message, and to whom it replies."""
    sent = await speaker.do("send", channel=GENERAL, content="ping")
    heard = await hearer.wait_for("messageCreate", id=sent["id"])
    assert (heard["author"], heard["channel"], heard["content"]) == (speaker_id, GENERAL, "ping")
    reply = await hearer.do("reply", channel=GENERAL, message=sent["id"], content="pong")
    assert (await speaker.wait_for("messageCreate", id=reply["id"]))["reference"] == sent["id"]
    await speaker.do("edit", channel=GENERAL, message=sent["id"], content="ping!")
    await hearer.wait_for("messageUpdate", id=sent["id"], content="ping!")
    await speaker.do("type", channel=GENERAL)
    await hearer.wait_for("typingStart", user=speaker_id, channel=GENERAL)
    await speaker.do("delete", channel=GENERAL, message=sent["id"])
    await hearer.wait_for("messageDelete", id=sent["id"])


async def test_discord_py_and_discord_js_talk_to_each_other(stage: Stage) -> None:
    require_node("discord.js")
    with pointed_at(stage, "zlib-stream"):
        python = DiscordPyBot()
        node = await NodeBot.start("driver_discordjs.cjs", base_url=stage.url, token=TOKENS[ECHO])
        try:
            python.start(TOKENS[BELL])
            await python.wait_for("ready")
            await node.wait_for("ready")
            await check_one_way(python, BELL, node)
            await check_one_way(node, ECHO, python)
            # echo may not see the staff's channel: the next thing it hears is the next thing said in general.
            mark = len(node.events)
            await python.do("send", channel=STAFF_ONLY, content="a secret")
            open_word = await python.do("send", channel=GENERAL, content="an open word")
            await node.wait_for("messageCreate", id=open_word["id"])
            created = [event for event in node.events[mark:] if event["event"] == "messageCreate"]
            assert [event["content"] for event in created] == ["an open word"]
        finally:
            await node.stop()
            await python.stop()
