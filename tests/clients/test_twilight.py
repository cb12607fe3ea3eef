"""An unmodified twilight bot lives on tocsin: the scenarios, and what is its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.clients.compiled_bot import CompiledBot, refusal, running_bot
from tests.clients.scenarios import Scenarios
from tests.clients.stage import CLERK, TOKENS, Stage

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
