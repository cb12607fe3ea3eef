"""An unmodified JDA bot lives on tocsin: the scenarios, and what is its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.clients.compiled_bot import CompiledBot, refusal, running_bot
from tests.clients.scenarios import Scenarios
from tests.clients.stage import CLERK, TOKENS, Stage

pytestmark = pytest.mark.compiled

LIBRARY = "jda"
COMPLAINTS = (
    # Of op 9 false, and of 4000.
    "Got disconnected from WebSocket (Code 1000). Appending to reconnect queue",
    "WebSocket connection closed due to server error! 4000",
)


@pytest.fixture
async def bot(stage: Stage) -> AsyncIterator[CompiledBot]:
    async with running_bot(stage, LIBRARY, complaints=COMPLAINTS) as bot:
        yield bot


class TestJda(Scenarios):
    """The scenarios as JDA lives them, in a zlib stream."""

    async def test_its_own_permissions_say_what_the_server_says(self, stage: Stage, bot: CompiledBot) -> None:
        await self.test_a_message_it_may_not_send_is_refused(stage, bot)
        refused = [event["permission"] for event in bot.events if event["event"] == "knewBetter"]
        assert refused == ["MESSAGE_SEND"]


async def test_an_unknown_token_fails_the_login(stage: Stage) -> None:
    assert "InvalidTokenException" in await refusal(stage, LIBRARY, "MTAwMg.not.known")


async def test_privileged_intents_must_be_allowed(stage: Stage) -> None:
    assert "4014" in await refusal(stage, LIBRARY, TOKENS[CLERK])
