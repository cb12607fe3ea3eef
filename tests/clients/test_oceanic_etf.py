"""An unmodified oceanic.js bot with erlpack lives on tocsin over ETF: the scenarios, and what is its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.clients.node_bot import NodeBot, loads, need_erlpack, require_node
from tests.clients.recorder import Bot
from tests.clients.scenarios import Scenarios, check_delivery
from tests.clients.stage import ADA, BELL, GENERAL, TOKENS, Stage

DRIVER = "driver_oceanic.cjs"


@pytest.fixture(autouse=True, scope="module")
def oceanic_js() -> None:
    require_node("oceanic.js")
    need_erlpack()


@asynccontextmanager
async def running_bot(stage: Stage) -> AsyncIterator[NodeBot]:
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

    @pytest.fixture
    async def bot(self, stage: Stage) -> AsyncIterator[NodeBot]:
        async with running_bot(stage) as bot:
            yield bot

    async def test_it_does_speak_etf(self, bot: NodeBot) -> None:
        assert (await bot.wait_for("ready"))["url"].endswith("encoding=etf")


class TestOceanicOverEtfInAZlibStream(Scenarios):
    """The scenarios once more, compressed; Node's own zlib inflates."""

    @pytest.fixture
    async def bot(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NodeBot]:
        monkeypatch.setenv("COMPRESS", "zlib-stream")
        monkeypatch.setenv("COMPRESS_LIBRARY", "native")
        async with running_bot(stage) as bot:
            yield bot

    async def test_op_7_makes_it_resume(self, stage: Stage, bot: Bot) -> None:
        # With nothing else on its way: what Node's asynchronous zlib still holds of the old socket, oceanic.js
        # dispatches after it asked to resume, and once more when it is replayed.
        await stage.say("before")
        await bot.wait_for("messageCreate", content="before")
        mark = len(bot.events)
        await stage.fault("reconnect", bot.session_id)
        await bot.wait_for("resumed", since=mark)
        await check_delivery(stage, bot, ["before"])
        assert bot.raw_ids("READY") == [None]

    async def test_it_does_speak_etf_in_a_zlib_stream(self, bot: NodeBot) -> None:
        assert (await bot.wait_for("ready"))["url"].endswith("encoding=etf&compress=zlib-stream")


@pytest.mark.parametrize(
    ("compress", "library"), [("zlib-stream", "native"), ("zlib-stream", "zlib-sync"), ("zstd-stream", "zstd-napi")]
)
async def test_long_messages_come_out_of_whatever_it_decompresses_with(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, compress: str, library: str
) -> None:
    if library != "native" and not loads(library):
        pytest.skip(f"{library} did not build here: `npm rebuild {library} --prefix tests/clients/js` tells why")
    monkeypatch.setenv("COMPRESS", compress)
    monkeypatch.setenv("COMPRESS_LIBRARY", library)
    async with running_bot(stage) as bot:
        assert (await bot.wait_for("ready"))["url"].endswith(f"encoding=etf&compress={compress}")
        texts = [f"message {n} " + "packed " * n for n in range(40)]
        for text in texts:
            await stage.say(text)
        await bot.wait_for("messageCreate", content=texts[-1].strip())
        assert bot.said(ADA, GENERAL) == [text.strip() for text in texts]
    assert [event for event in bot.events if event["event"] == "error"] == []
