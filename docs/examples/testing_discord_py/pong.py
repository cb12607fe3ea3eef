"""The bot under test: answers `!ping`, and keeps a tidy channel."""

from typing import Any

import discord


class Pong(discord.Client):
    """Answers `!ping` with `pong`; welcomes who joins; deletes what is all capitals."""

    def __init__(self, **options: Any) -> None:
        intents = discord.Intents.default()
        intents.members = intents.message_content = True
        super().__init__(intents=intents, **options)

    async def on_message(self, message: discord.Message) -> None:
        """Answer, or delete."""
        if message.author == self.user:
            return
        if message.content == "!ping":
            await message.channel.send("pong")
        elif message.content.isupper():
            await message.delete()

    async def on_member_join(self, member: discord.Member) -> None:
        """Welcome."""
        channel = discord.utils.get(member.guild.text_channels, name="general")
        assert channel is not None
        await channel.send(f"Welcome, {member.display_name}!")
