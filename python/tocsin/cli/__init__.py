"""The `tocsin` command: one file a verb. Verbs import what they need when they run, so that `--help` is quick."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from tocsin import __version__
from tocsin.errors import ConfigError, TocsinError

COMMANDS = {
    "serve": ("tocsin.cli.serve:serve", "Run one node: gateway and message API in one process."),
    "seed": ("tocsin.cli.seed:seed", "Load a world file into a stopped or running server."),
    "tail": ("tocsin.cli.tail:tail", "Follow the events that a token may see."),
    "token": ("tocsin.cli.token:token", "Make and revoke tokens."),
    "db": ("tocsin.cli.db:db", "Look after the database's schema."),
    "doctor": ("tocsin.cli.doctor:doctor", "Say what is wrong with this machine and how to mend it."),
    "gateway": ("tocsin.cli.gateway:gateway", "Run a gateway without the message API."),
    "api": ("tocsin.cli.api:api", "Run the message API without a gateway, in several processes."),
}
"""Verb: where it lives, and its line in the help."""


class _Verbs(click.Group):
    """A group whose members are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, name = entry[0].partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="tocsin")
def root() -> None:
    """A self-hosted real-time gateway that speaks Discord's wire protocol."""


def main(argv: list[str] | None = None) -> Any:
    """Run the command. Exit codes: 0 done, 1 it failed, 2 a flag or a setting is wrong."""
    try:
        return root.main(args=argv, prog_name="tocsin")
    except TocsinError as error:
        click.echo(f"tocsin: {error}", err=True)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
