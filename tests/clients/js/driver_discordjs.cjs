// Drives an unmodified discord.js over stdin/stdout, one JSON object a line.
// in:  {"id":1,"do":"send","channel":"..","content":".."}   out: {"reply":1,"ok":true,"value":..} and {"event":"messageCreate",..}
'use strict';
const readline = require('node:readline');
const { Client, GatewayIntentBits, Partials, Events } = require('discord.js');

const client = new Client({
  intents: Object.values(GatewayIntentBits).filter((bit) => typeof bit === 'number'),
  partials: [Partials.Channel, Partials.Message],
  rest: { api: process.env.BASE_URL + '/api', version: '10', cdn: process.env.BASE_URL, mediaProxy: process.env.BASE_URL },
});
const say = (object) => process.stdout.write(JSON.stringify(object) + '\n');
const brief = (m) => ({ id: m.id, channel: m.channelId, author: m.author && m.author.id, content: m.content, reference: m.reference && m.reference.messageId });

const briefReaction = (r) => ({ message: r.message.id, emoji: r.emoji.name });
const briefMember = (m) => ({
  user: m.id, nick: m.nickname, roles: [...m.roles.cache.keys()].filter((role) => role !== m.guild.id).sort(),
});

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
client.on(Events.MessageReactionAdd, (r, user) => say({ event: 'reactionAdd', ...briefReaction(r), user: user.id }));
client.on(Events.MessageReactionRemove, (r, user) => say({ event: 'reactionRemove', ...briefReaction(r), user: user.id }));
client.on(Events.MessageReactionRemoveEmoji, (r) => say({ event: 'reactionRemoveEmoji', ...briefReaction(r) }));
client.on(Events.MessageReactionRemoveAll, (m) => say({ event: 'reactionRemoveAll', message: m.id }));
client.on(Events.GuildMemberAdd, (m) => say({ event: 'memberAdd', ...briefMember(m) }));
client.on(Events.GuildMemberUpdate, (_, m) => say({ event: 'memberUpdate', ...briefMember(m) }));
client.on(Events.GuildMemberRemove, (m) => say({ event: 'memberRemove', user: m.id }));
client.on(Events.ChannelUpdate, (_, c) => say({ event: 'channelUpdate', id: c.id }));
client.on(Events.ChannelCreate, (c) => say({ event: 'channelCreate', id: c.id, name: c.name }));
client.on(Events.ChannelDelete, (c) => say({ event: 'channelDelete', id: c.id }));
client.on(Events.ThreadCreate, (t, newly) => say({ event: 'threadCreate', id: t.id, parent: t.parentId, newly }));
client.on(Events.ThreadUpdate, (_, t) => say({ event: 'threadUpdate', id: t.id, archived: t.archived }));
client.on(Events.ThreadDelete, (t) => say({ event: 'threadDelete', id: t.id }));
client.on(Events.ThreadMembersUpdate, (added, removed, t) => say({
  event: 'threadMembers', id: t.id, added: [...added.keys()].sort(), removed: [...removed.keys()].sort(),
}));
client.on(Events.ThreadListSync, (threads, guild) => say({ event: 'threadList', guild: guild.id, ids: [...threads.keys()].sort() }));
client.on(Events.ShardError, (e) => say({ event: 'shardError', message: e.message }));
client.on(Events.Warn, (line) => say({ event: 'warning', message: line }));
client.on(Events.Error, (e) => say({ event: 'error', message: e.message }));
client.on(Events.Debug, (line) => { if (process.env.DEBUG) process.stderr.write(line + '\n'); });

const messageIn = async (channel, message) => (await client.channels.fetch(channel)).messages.fetch(message);
const memberIn = async (guild, user) => (await client.guilds.fetch(guild)).members.fetch(user);
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
  async react({ channel, message, emoji }) { await (await messageIn(channel, message)).react(emoji); },
  async unreact({ channel, message, emoji }) {
    await (await messageIn(channel, message)).reactions.resolve(emoji).users.remove(client.user);
  },
  async reactors({ channel, message, emoji }) {
    return [...(await (await messageIn(channel, message)).reactions.resolve(emoji).users.fetch()).keys()].sort();
  },
  async clearReaction({ channel, message, emoji }) {
    await (await messageIn(channel, message)).reactions.resolve(emoji).remove();
  },
  async clearReactions({ channel, message }) { await (await messageIn(channel, message)).reactions.removeAll(); },
  async nick({ guild, user, nick }) { await (await memberIn(guild, user)).setNickname(nick); },
  async addRole({ guild, user, role }) { await (await memberIn(guild, user)).roles.add(role); },
  async removeRole({ guild, user, role }) { await (await memberIn(guild, user)).roles.remove(role); },
  async kick({ guild, user }) { await (await memberIn(guild, user)).kick(); },
  async startThread({ channel, message, name }) { return (await (await messageIn(channel, message)).startThread({ name })).id; },
  async threads({ channel }) {
    const found = await (await client.channels.fetch(channel)).threads.fetchActive();
    return [...found.threads.keys()].sort();
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
