"""CompiledBot: an unmodified library for Go, Java or Rust, driven by what `make test-clients` built."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import pytest

from tests.clients.process_bot import ProcessBot
from tests.clients.stage import BELL, TOKENS, Stage

ROOT = Path(__file__).parents[2]
BUILT = ROOT / ".build" / "clients"
COMMANDS = {
    "discordgo": (str(BUILT / "discordgo"),),
    "jda": ("java", "-cp", f"{BUILT / 'jda' / 'classes'}:{BUILT / 'jda' / 'lib'}/*", "Driver"),
    "twilight": (str(BUILT / "twilight"),),
}


class CompiledBot(ProcessBot):
    """One bot process of a compiled library."""

    @classmethod
    async def start(cls, library: str, *, base_url: str, token: str) -> Self:
        """Start a library's driver against a server; wait for "ready"."""
        if not (BUILT / library).exists():
            pytest.fail(f"the driver of {library} is not built: `make test-clients` builds it")
        return await cls.launch(COMMANDS[library], directory=ROOT, base_url=base_url, token=token)


@asynccontextmanager
async def running_bot(stage: Stage, library: str, *, complaints: Collection[str] = ()) -> AsyncIterator[CompiledBot]:
    """The library's bot, bell, ready on a stage; at the end it must have found nothing wrong with the server.

    Args:
        stage: where.
        library: one of COMMANDS.
        complaints: the beginnings of what the library says of any server, whatever it does.
    """
    bot = await CompiledBot.start(library, base_url=stage.url, token=TOKENS[BELL])
    try:
        await bot.wait_for("ready")
        yield bot
    finally:
        await bot.stop()
    said = [event["message"] for event in bot.events if event["event"] in ("error", "warning")]
    assert [text for text in said if not text.startswith(tuple(complaints))] == []


async def refusal(stage: Stage, library: str, token: str) -> str:
    """Return the message of a login that fails."""
    bot = await CompiledBot.start(library, base_url=stage.url, token=token)
    try:
        message: str = (await bot.wait_for("loginFailed"))["message"]
        return message
    finally:
        await bot.stop()
