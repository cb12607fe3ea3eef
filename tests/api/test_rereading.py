"""Changes of a person's own made at several processes at once: each is kept, since none is written over unread."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tests.support.api_world import CARL, GENERAL, LAB, Api
from tocsin.service.client_settings import ClientSettings
from tocsin.service.context import Context
from tocsin.service.guild_settings import GuildSettingsService
from tocsin.service.locks import KeyedLocks
from tocsin.service.read_states import Ack, ReadStateService, asked

PROCESSES = 8


def contexts(api: Api) -> list[Context]:
    """One of each process: the store is everybody's, locks are not."""
    return [replace(api.services.context, locks=KeyedLocks()) for _ in range(PROCESSES)]


async def test_client_settings_named_at_several_processes_are_all_kept(api: Api) -> None:
    carl = await api.services.auth.authenticate("carl-token")
    names = ["gif_auto_play", "render_embeds", "render_reactions", "animate_emoji", "enable_tts_command"]
    names += ["convert_emoticons", "show_current_game", "view_nsfw_guilds"]
    services = [ClientSettings(context) for context in contexts(api)]
    for value in (False, True):
        changes = (each.update(carl, {name: value}) for each, name in zip(services, names, strict=True))
        await asyncio.gather(*changes)
        kept = await services[0].get(CARL)
        assert [kept[name] for name in names] == [value] * PROCESSES
        assert {name for _, body in api.bus.take() for name in body} == set(names)


async def test_guild_settings_named_at_several_processes_are_all_kept(api: Api) -> None:
    carl = await api.services.auth.authenticate("carl-token")
    names = ["muted", "suppress_everyone", "suppress_roles", "hide_muted_channels", "mute_scheduled_events"]
    services = [GuildSettingsService(context) for context in contexts(api)]
    await asyncio.gather(*(each.update(carl, LAB, {name: True}) for each, name in zip(services, names, strict=False)))
    kept = await services[0].get(carl, LAB)
    assert [kept[name] for name in names] == [True] * len(names)
    assert kept["version"] == len(names)
    assert sorted(body["version"] for _, body in api.bus.take()) == [*range(1, len(names) + 1)]


async def test_acks_at_several_processes_never_move_a_read_state_back(api: Api) -> None:
    carl = await api.services.auth.authenticate("carl-token")
    services = [ReadStateService(context) for context in contexts(api)]
    for first in (100, 200):
        acks = (each.ack(carl, Ack(GENERAL, first + at)) for at, each in enumerate(reversed(services)))
        await asyncio.gather(*acks)
        [state] = await api.store.find(asked(CARL))
        assert state.last_message_id == first + PROCESSES - 1
    assert state.version == 2 * PROCESSES
