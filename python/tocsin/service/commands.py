"""CommandService: the commands an application offers, everywhere or in a guild (protocol.md §8.9)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tocsin.errors import BadRequest, Forbidden, MissingAccess, unknown
from tocsin.model.entities import Application
from tocsin.model.interactions import Command, command_body
from tocsin.service import command_form
from tocsin.service.auth import Principal
from tocsin.store import rows
from tocsin.store.base import Delete, Op, Select

if TYPE_CHECKING:
    from tocsin.service.context import Context

MAX_COMMANDS = {1: 100, 2: 5, 3: 5}
"""Of each type, everywhere and in each guild."""

Body = dict[str, Any]


class CommandService:
    """Lists, registers, changes and removes commands. `guild_id` 0 is everywhere."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store

    async def list_of(self, actor: Principal, application_id: int, guild_id: int) -> list[Body]:
        """Return the application's commands. Raises 20012 for another's, 50001 for a guild it is not in."""
        await self._own(actor, application_id, guild_id)
        return [command_body(each) for each in await self._find(application_id, guild_id)]

    async def get(self, actor: Principal, application_id: int, guild_id: int, command_id: int) -> Body:
        """Return one command. Raises `errors.NotFound` (10063)."""
        await self._own(actor, application_id, guild_id)
        return command_body(await self._one(application_id, guild_id, command_id))

    async def register(self, actor: Principal, application_id: int, guild_id: int, raw: Body) -> tuple[Body, bool]:
        """Register a command, in the place of one of its type and name; return it and whether it is new.

        Raises:
            errors.InvalidForm: 50035.
            errors.BadRequest: 30032, there are too many.
        """
        await self._own(actor, application_id, guild_id)
        fields = command_form.checked(raw)
        async with self._context.locks.hold(("commands", application_id)):
            known = await self._find(application_id, guild_id)
            same = next((each for each in known if _key(each) == (fields["type"], fields["name"])), None)
            if same is None:
                _need_room(sum(each.type == fields["type"] for each in known) + 1, fields["type"])
            command = self._made(application_id, guild_id, fields, 0 if same is None else same.id)
            await self._store.commit(rows.command_ops(command))
            return command_body(command), same is None

    async def replace(self, actor: Principal, application_id: int, guild_id: int, raws: Sequence[Body]) -> list[Body]:
        """Have exactly these commands; those that were there keep their ids. Raises as `register`."""
        await self._own(actor, application_id, guild_id)
        wanted: dict[tuple[int, str], Body] = {}
        for raw in raws:
            fields = command_form.checked(raw)
            wanted[fields["type"], fields["name"]] = fields
        for kind in MAX_COMMANDS:
            _need_room(sum(key[0] == kind for key in wanted), kind)
        async with self._context.locks.hold(("commands", application_id)):
            known = {_key(each): each for each in await self._find(application_id, guild_id)}
            made = [
                self._made(application_id, guild_id, fields, known[key].id if key in known else 0)
                for key, fields in wanted.items()
            ]
            gone = [each.id for key, each in known.items() if key not in wanted]
            ops: list[Op] = [op for command in made for op in rows.command_ops(command)]
            if gone:
                ops.append(Delete("application_commands", {"id": gone}))
            if ops:
                await self._store.commit(ops)
            return [command_body(each) for each in made]

    async def update(self, actor: Principal, application_id: int, guild_id: int, command_id: int, raw: Body) -> Body:
        """Change a command. Raises as `register` and `get`."""
        await self._own(actor, application_id, guild_id)
        async with self._context.locks.hold(("commands", application_id)):
            former = await self._one(application_id, guild_id, command_id)
            old = {"type": former.type, "name": former.name, "description": former.description, **former.more}
            command = self._made(application_id, guild_id, command_form.checked(raw, old), former.id)
            await self._store.commit(rows.command_ops(command))
            return command_body(command)

    async def delete(self, actor: Principal, application_id: int, guild_id: int, command_id: int) -> None:
        """Remove a command. Raises as `get`."""
        await self._own(actor, application_id, guild_id)
        await self._one(application_id, guild_id, command_id)
        await self._store.commit([Delete("application_commands", {"id": command_id})])

    async def index(self, actor: Principal, guild_id: int) -> Body:
        """Return what a person may choose from in a guild: the commands of the bots that are in it."""
        world = self._context.world
        await world.guild_access(guild_id, actor.id)
        where = {"guild_id": [guild_id, 0]}
        commands = await self._store.find(Select(entity=Command, table="application_commands", where=where, order="id"))
        ids = sorted({each.application_id for each in commands})
        found = Select(entity=Application, table="applications", where={"id": ids}, order="id")
        there = [
            each
            for each in (await self._store.find(found) if ids else [])
            if await world.member(guild_id, each.bot_user_id) is not None
        ]
        shown = {each.id for each in there}
        applications = [{"id": str(each.id), "name": each.name, "bot_id": str(each.bot_user_id)} for each in there]
        kept = [command_body(each) for each in commands if each.application_id in shown]
        return {"applications": applications, "application_commands": kept}

    async def find(self, application_id: int, guild_id: int, kind: int, command_id: int, name: str) -> Command:
        """Return the command that somebody in a guild (0 for a DM) names by id or name. Raises 10063."""
        for place in dict.fromkeys((guild_id, 0)):
            for command in await self._find(application_id, place):
                if command.id == command_id or (not command_id and _key(command) == (kind, name)):
                    return command
        raise unknown("application command")

    async def _own(self, actor: Principal, application_id: int, guild_id: int) -> None:
        if actor.application is None or actor.application.id != application_id:
            raise Forbidden(20012, "You are not authorized to perform this action on this application")
        if guild_id and await self._context.world.member(guild_id, actor.id) is None:
            raise MissingAccess

    async def _find(self, application_id: int, guild_id: int) -> list[Command]:
        where = {"application_id": application_id, "guild_id": guild_id}
        return await self._store.find(Select(entity=Command, table="application_commands", where=where, order="id"))

    async def _one(self, application_id: int, guild_id: int, command_id: int) -> Command:
        where = {"id": command_id, "application_id": application_id, "guild_id": guild_id}
        found = await self._store.find_one(Select(entity=Command, table="application_commands", where=where))
        if found is None:
            raise unknown("application command")
        return found

    def _made(self, application_id: int, guild_id: int, fields: Body, command_id: int) -> Command:
        version = self._context.snowflakes.next()
        return Command(
            id=command_id or self._context.snowflakes.next(),
            application_id=application_id,
            guild_id=guild_id,
            version=version,
            **fields,
        )


def _key(command: Command) -> tuple[int, str]:
    return command.type, command.name


def _need_room(count: int, kind: int) -> None:
    limit = MAX_COMMANDS[kind]
    if count > limit:
        raise BadRequest(30032, f"Maximum number of application commands reached ({limit})")
