// The bot under test: answers `!ping` with `pong`. `api` is where the server is, without a version.
'use strict';
const { Client, Events, GatewayIntentBits: Intents } = require('discord.js');

module.exports = function pong(api) {
  const client = new Client({
    intents: [Intents.Guilds, Intents.GuildMessages, Intents.MessageContent],
    rest: { api, version: '10' },
  });
  client.on(Events.MessageCreate, async (message) => {
    if (message.content === '!ping') await message.channel.send('pong');
  });
  return client;
};
