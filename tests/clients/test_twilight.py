"""An unmodified twilight bot lives on tocsin: the scenarios, and what is its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.clients.compiled_bot import CompiledBot, refusal, running_bot
from tests.clients.scenarios import Scenarios
from tests.clients.stage import ADA, BELL, CLERK, FINN, GENERAL, LAB, STAFF, TOKENS, Stage
from tests.support.event_walk import ADMINISTRATOR, PIXEL

pytestmark = pytest.mark.compiled

LIBRARY = "twilight"


@pytest.fixture
async def bot(stage: Stage) -> AsyncIterator[CompiledBot]:
    async with running_bot(stage, LIBRARY) as bot:
        yield bot


class TestTwilight(Scenarios):
    """The scenarios as twilight lives them, in a zstd stream. Its models are as strict as serde."""


async def test_an_unknown_token_fails_the_login(stage: Stage) -> None:
    assert "4004" in await refusal(stage, LIBRARY, "MTAwMg.not.known")


async def test_privileged_intents_must_be_allowed(stage: Stage) -> None:
    assert "4014" in await refusal(stage, LIBRARY, TOKENS[CLERK])


async def furnish(stage: Stage) -> dict[str, str]:
    """Make one of everything in Lab, whose staff may do all from now on; return the ids, and an invite's code."""
    guild, general = f"/guilds/{LAB}", f"/channels/{GENERAL}"

    async def make(method: str, path: str, body: Any = None) -> str:
        made = await stage.call(method, path, ADA, body)
        return "" if made is None else str(made.get("id", made.get("code")))

    await make("PATCH", f"{guild}/roles/{STAFF}", {"permissions": ADMINISTRATOR, "hoist": True, "color": 0xFF0000})
    await make("PUT", f"{guild}/bans/{FINN}", {})
    for kind in (0, 2, 4, 5, 13, 15):
        await make("POST", f"{guild}/channels", {"name": f"of-kind-{kind}", "type": kind})
    embed = {"title": "a", "description": "b", "fields": [{"name": "c", "value": "d"}], "color": 1}
    first = await stage.say("the first")
    reply = {"content": f"<@{BELL}> <@&{STAFF}>", "embeds": [embed], "message_reference": {"message_id": first}}
    message = await make("POST", f"{general}/messages", reply)
    await make("PUT", f"{general}/messages/{message}/reactions/{quote('🔥')}/@me")
    await make("PUT", f"{general}/messages/pins/{message}")
    rule = {"name": "no", "event_type": 1, "trigger_type": 1, "actions": [{"type": 1}], "enabled": True}
    thread = await make("POST", f"{general}/messages/{first}/threads", {"name": "a thread"})
    await make("PUT", f"/channels/{thread}/thread-members/{BELL}")
    archived = await make("POST", f"{general}/threads", {"name": "an old thread", "type": 11})
    await make("PATCH", f"/channels/{archived}", {"archived": True})
    return {
        **{"guild": LAB, "user": BELL, "channel": GENERAL, "message": message, "thread": thread, "role": STAFF},
        "rule": await make(
            "POST", f"{guild}/auto-moderation/rules", {**rule, "trigger_metadata": {"keyword_filter": ["no"]}}
        ),
        "emoji": await make("POST", f"{guild}/emojis", {"name": "pixel", "image": PIXEL}),
        "webhook": await make("POST", f"{general}/webhooks", {"name": "hook"}),
        "invite": await make("POST", f"{general}/invites", {"unique": True}),
    }


async def test_it_reads_one_of_every_answer(own_stage: Stage) -> None:
    async with running_bot(own_stage, LIBRARY) as bot:
        assert await bot.do("readAll", **await furnish(own_stage)) == []
