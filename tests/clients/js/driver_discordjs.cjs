// Drives an unmodified discord.js over stdin/stdout, one JSON object a line.
// in:  {"id":1,"do":"send","channel":"..","content":".."}   out: {"reply":1,"ok":true,"value":..} and {"event":"messageCreate",..}
'use strict';
const readline = require('node:readline');
const { Client, GatewayIntentBits, Partials, Events } = require('discord.js');

const I = GatewayIntentBits;
const client = new Client({
  intents: [I.Guilds, I.GuildMembers, I.GuildMessages, I.GuildMessageTyping, I.GuildPresences, I.MessageContent, I.DirectMessages],
  partials: [Partials.Channel, Partials.Message],
  rest: { api: process.env.BASE_URL + '/api', version: '10', cdn: process.env.BASE_URL, mediaProxy: process.env.BASE_URL },
});
const say = (object) => process.stdout.write(JSON.stringify(object) + '\n');
const brief = (m) => ({ id: m.id, channel: m.channelId, author: m.author && m.author.id, content: m.content, reference: m.reference && m.reference.messageId });

let ready = false;

// Ready for the tests once the members of every guild were fetched too (op 8).
async function sayReady(event) {
  const guilds = [];
  for (const guild of client.guilds.cache.values()) {
    const members = [...(await guild.members.fetch()).keys()].sort();
    const channels = [...guild.channels.cache.values()].map((channel) => channel.name).sort();
    guilds.push({ id: guild.id, name: guild.name, channels, members });
  }
  say({ event, user: client.user.id, guilds });
}

client.on(Events.ClientReady, () => sayReady('ready').catch((error) => say({ event: 'error', message: error.message })));
client.on(Events.ShardReady, () => {
  if (ready) say({ event: 'readyAgain', user: client.user.id });
  ready = true;
});
client.on(Events.Raw, (packet) => {
  const d = packet.d || {};
  say({ event: 'raw', t: packet.t, s: packet.s, id: d.id ?? null, session: d.session_id ?? null });
});
client.on(Events.ShardResume, (shard, replayed) => say({ event: 'resumed', shard, replayed }));
client.on(Events.ShardReconnecting, (shard) => say({ event: 'reconnecting', shard }));
client.on(Events.ShardDisconnect, (e, shard) => say({ event: 'disconnect', shard, code: e.code }));
client.on(Events.Invalidated, () => say({ event: 'invalidated' }));
client.on(Events.MessageCreate, (m) => say({ event: 'messageCreate', ...brief(m) }));
client.on(Events.MessageUpdate, (_, m) => say({ event: 'messageUpdate', ...brief(m) }));
client.on(Events.MessageDelete, (m) => say({ event: 'messageDelete', id: m.id }));
client.on(Events.MessageBulkDelete, (ms) => say({ event: 'messageDeleteBulk', ids: [...ms.keys()].sort() }));
client.on(Events.TypingStart, (t) => say({ event: 'typingStart', user: t.user && t.user.id, channel: t.channel.id }));
client.on(Events.ChannelCreate, (c) => say({ event: 'channelCreate', id: c.id, name: c.name }));
client.on(Events.ChannelDelete, (c) => say({ event: 'channelDelete', id: c.id }));
client.on(Events.ShardError, (e) => say({ event: 'shardError', message: e.message }));
client.on(Events.Error, (e) => say({ event: 'error', message: e.message }));
client.on(Events.Debug, (line) => { if (process.env.DEBUG) process.stderr.write(line + '\n'); });

const actions = {
  async send({ channel, content }) { return brief(await (await client.channels.fetch(channel)).send(content)); },
  async reply({ channel, message, content }) {
    return brief(await (await (await client.channels.fetch(channel)).messages.fetch(message)).reply(content));
  },
  async edit({ channel, message, content }) {
    return brief(await (await (await client.channels.fetch(channel)).messages.fetch(message)).edit(content));
  },
  async delete({ channel, message }) { await (await client.channels.fetch(channel)).messages.delete(message); },
  async bulkDelete({ channel, messages }) { await (await client.channels.fetch(channel)).bulkDelete(messages); },
  async type({ channel }) { await (await client.channels.fetch(channel)).sendTyping(); },
  async history({ channel, limit, before, after, around }) {
    const page = await (await client.channels.fetch(channel)).messages.fetch({ limit, before, after, around, cache: false });
    return [...page.values()].map(brief);
  },
  async status() { return { ws: client.ws.status, ping: client.ws.ping }; },
  async dm({ user, content }) { return brief(await (await client.users.fetch(user)).send(content)); },
  async find({ guild, prefix }) {
    const found = await (await client.guilds.fetch(guild)).members.fetch({ query: prefix, limit: 100 });
    return [...found.values()].map((member) => member.user.username);
  },
  async quit() { await client.destroy(); process.exit(0); },
};

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const command = JSON.parse(line);
  try {
    say({ reply: command.id, ok: true, value: (await actions[command.do](command)) ?? null });
  } catch (error) {
    say({ reply: command.id, ok: false, error: String(error && error.message), code: error && error.code });
  }
}).on('close', () => process.exit(0));

client.login(process.env.TOKEN).catch((error) => say({ event: 'loginFailed', code: error.code, message: error.message }));
