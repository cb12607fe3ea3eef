"""An unmodified oceanic.js bot with erlpack lives on tocsin over ETF: the scenarios, and what is its own."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator

import pytest

from tests.clients.node_bot import DIRECTORY, NodeBot, require_node
from tests.clients.scenarios import Scenarios
from tests.clients.stage import ADA, BELL, GENERAL, TOKENS, Stage

DRIVER = "driver_oceanic.cjs"


@pytest.fixture(autouse=True, scope="module")
def oceanic_js() -> None:
    require_node("oceanic.js")
    loads = subprocess.run(["node", "-e", "require('erlpack')"], cwd=DIRECTORY, capture_output=True, check=False)
    if loads.returncode != 0:
        # It is C++ for V8 and an optional dependency, so npm goes on where it cannot be built.
        pytest.skip("erlpack did not build here: `npm rebuild erlpack --prefix tests/clients/js` tells why")


@pytest.fixture
async def bot(stage: Stage) -> AsyncIterator[NodeBot]:
    bot = await NodeBot.start(DRIVER, base_url=stage.url, token=TOKENS[BELL])
    try:
        await bot.wait_for("ready")
        yield bot
    finally:
        await bot.stop()
    errors = [event["message"] for event in bot.events if event["event"] == "error"]
    # oceanic.js resumes after 4000, and calls it an error all the same.
    assert set(errors) <= {"Unknown close: 4000: Unknown error."}


class TestOceanicOverEtf(Scenarios):
    """The scenarios as oceanic.js lives them."""

    async def test_it_does_speak_etf(self, bot: NodeBot) -> None:
        assert "encoding=etf" in (await bot.wait_for("ready"))["url"]


async def test_it_speaks_etf_in_a_zlib_stream_too(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPRESS", "zlib-stream")
    bot = await NodeBot.start(DRIVER, base_url=stage.url, token=TOKENS[BELL])
    try:
        url = (await bot.wait_for("ready"))["url"]
        assert "encoding=etf&compress=zlib-stream" in url
        texts = [f"message {n} " + "packed " * n for n in range(40)]
        for text in texts:
            await stage.say(text)
        await bot.wait_for("messageCreate", content=texts[-1].strip())
        assert bot.said(ADA, GENERAL) == [text.strip() for text in texts]
    finally:
        await bot.stop()
    assert [event for event in bot.events if event["event"] == "error"] == []
