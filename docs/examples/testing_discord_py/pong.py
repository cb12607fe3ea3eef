"""The bot under test: answers `!ping` and `/greet`, and keeps a tidy channel."""

from typing import Any

import discord


class Again(discord.ui.View):
    """A button under a greeting."""

    @discord.ui.button(label="Again", custom_id="again")
    async def again(self, interaction: discord.Interaction, _: discord.ui.Button[Any]) -> None:
        """Greet whoever clicks, so that only they see it."""
        await interaction.response.send_message(f"Hello again, {interaction.user.mention}", ephemeral=True)


class Pong(discord.Client):
    """Answers `!ping` with `pong`; welcomes who joins; deletes what is all capitals."""

    def __init__(self, **options: Any) -> None:
        intents = discord.Intents.default()
        intents.members = intents.message_content = True
        super().__init__(intents=intents, **options)
        self.tree = discord.app_commands.CommandTree(self)
        self.tree.command(name="greet", description="Greet somebody")(greet)

    async def setup_hook(self) -> None:
        """Register the commands."""
        await self.tree.sync()

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


async def greet(interaction: discord.Interaction, who: discord.Member) -> None:
    """Greet somebody."""
    await interaction.response.send_message(f"Hello, {who.display_name}!", view=Again())
