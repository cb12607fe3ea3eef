"""`tocsin serve`: one node in this process."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any

import click

from tocsin.cli.holding import run_holding
from tocsin.cli.options import settings_from, settings_options

if TYPE_CHECKING:
    from tocsin.config import Settings


@click.command()
@settings_options()
@click.option("--show-tokens", is_flag=True, help="Print the seed file's tokens and a first thing to try.")
def serve(config: str | None, show_tokens: bool, **flags: Any) -> None:
    """Run one node: gateway and message API in one process. SIGTERM drains it, then it exits 0."""
    gc.disable()  # until `run` is ready: what a start makes stays, so there is nothing to collect
    settings = settings_from(config, flags)
    from tocsin.runtime import run

    def on_ready(node: Any) -> None:
        click.echo(_welcome(settings, node.http_url, node.gateway_url, show_tokens))
        sys.stdout.flush()

    run_holding(settings, lambda: run(settings, on_ready))


def _welcome(settings: Settings, http: str, gateway: str, show_tokens: bool) -> str:
    """Return what a person sees once the node is ready."""
    lines = ["", f"  API      {http}/api/v10", f"  gateway  {gateway}", f"  data     {settings.data}"]
    if show_tokens and settings.seed:
        lines += _first_thing(settings.seed, http, gateway)
    return "\n".join([*lines, ""])


def _first_thing(seed: str, http: str, gateway: str) -> list[str]:
    from tocsin.service.world_file import read_world_file

    world = read_world_file(seed)
    known = [user for user in world.users if user.token is not None]
    lines = ["", "  tokens"]
    for user in known[:8]:
        lines.append(f"    {user.token:24} {'bot' if user.bot else 'person':7} {user.username}")
    bot = next((user for user in known if user.bot), None)
    person = next((user for user in known if not user.bot), None)
    channel = next((each for guild in world.guilds for each in guild.channels if each.type == 0 and each.id), None)
    if person is not None and channel is not None:
        lines += [
            "",
            "  say something, as a person:",
            f"    curl {http}/api/v10/channels/{channel.id}/messages -H 'Authorization: {person.token}' \\",
            "      -H 'Content-Type: application/json' -d '{\"content\":\"!ping\"}'",
        ]
    if person is not None:
        lines += ["  watch it arrive:", f"    tocsin tail --url {http} --token {person.token}"]
    if bot is not None:
        lines += [
            "  and answer it with a bot (discord.py):",
            f"    python docs/examples/pong.py {http} {gateway} {bot.token}",
        ]
    return lines
