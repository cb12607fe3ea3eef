"""A discord.py bot that answers `!ping` with `pong`, on a tocsin instead of Discord.

Run: pip install discord.py && python pong.py http://127.0.0.1:8080 ws://127.0.0.1:8081 bell-token
"""

import sys

import discord
import yarl

API, GATEWAY, TOKEN = sys.argv[1:]
# The two lines that are not in every other bot: where the server is.
discord.http.Route.BASE = f"{API}/api/v10"
discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(GATEWAY)

intents = discord.Intents.default()
intents.message_content = True
bot = discord.Client(intents=intents)


@bot.event
async def on_ready() -> None:
    """Say that the bot is there."""
    print(f"{bot.user} is ready in {[guild.name for guild in bot.guilds]}", flush=True)


@bot.event
async def on_message(message: discord.Message) -> None:
    """Answer."""
    if message.content == "!ping":
        await message.channel.send("pong")


bot.run(TOKEN)
