"""The pytest plugin: `tocsin_server`, `bot_account`, `guild`, `actor` and `sync_actor`. docs/testing.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tocsin.testing.guild import BotAccount, Guild
    from tocsin.testing.server import TestServer


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini option."""
    parser.addini("tocsin_flags", "Flags of `tocsin serve` for the test server", type="args", default=[])


@pytest.fixture(scope="session")
def tocsin_server(pytestconfig: pytest.Config) -> Iterator[TestServer]:
    """A server of the run's own, in a process of its own, without rate limits; its methods are the faults."""
    from tocsin.testing.server import running

    with running(*pytestconfig.getini("tocsin_flags")) as server:
        yield server


@pytest.fixture
def bot_account(tocsin_server: TestServer) -> Iterator[BotAccount]:
    """An account for the bot under test. Its token is revoked afterwards, which ends what still runs with it."""
    bot = tocsin_server.make_bot()
    yield bot
    tocsin_server.end_rate_limits()
    tocsin_server.revoke(bot.token)


@pytest.fixture
def guild(tocsin_server: TestServer, bot_account: BotAccount) -> Iterator[Guild]:
    """A guild of the test's own with the bot in it. Deleted afterwards."""
    guild = tocsin_server.make_guild(bot_account)
    yield guild
    guild.close()


@pytest.fixture
def actor(guild: Guild) -> Any:
    """Call a person into the guild: `ada = await actor("ada")`."""
    return guild.person


@pytest.fixture
def sync_actor(guild: Guild) -> Any:
    """Call a person into the guild, without asyncio: `ada = sync_actor("ada")`."""
    return guild.sync_person
