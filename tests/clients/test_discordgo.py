"""An unmodified discordgo bot lives on tocsin: the scenarios, and what is its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.clients.compiled_bot import CompiledBot, refusal, running_bot
from tests.clients.scenarios import Scenarios
from tests.clients.stage import CLERK, TOKENS, Stage

pytestmark = pytest.mark.compiled

LIBRARY = "discordgo"
COMPLAINTS = (
    "error reading from gateway",
    "unknown event: Op: 0,",
    # It takes the first replayed event of a resumed session, which comes before RESUMED, for a mistake.
    "Expected READY/RESUMED",
)


@pytest.fixture
async def bot(stage: Stage) -> AsyncIterator[CompiledBot]:
    async with running_bot(stage, LIBRARY, complaints=COMPLAINTS) as bot:
        yield bot


class TestDiscordgo(Scenarios):
    """The scenarios as discordgo lives them, over version 9. It identifies anew after any op 9."""

    resumes_after_op_9 = False

    async def test_all_it_does_not_know_is_one_event(self, stage: Stage, bot: CompiledBot) -> None:
        await self.test_it_reacts_and_hears_of_reactions(stage, bot)
        unknown = [
            e["message"] for e in bot.events if e.get("message", "") and e["message"].startswith("unknown event")
        ]
        assert [text.split("Type: ")[1].split(",")[0] for text in unknown] == ["MESSAGE_REACTION_REMOVE_EMOJI"]


async def test_an_unknown_token_fails_the_login(stage: Stage) -> None:
    assert "4004" in await refusal(stage, LIBRARY, "MTAwMg.not.known")


async def test_privileged_intents_must_be_allowed(stage: Stage) -> None:
    assert "4014" in await refusal(stage, LIBRARY, TOKENS[CLERK])
