// Drives an unmodified oceanic.js, which speaks ETF where erlpack is installed, over stdin/stdout as driver_discordjs.cjs.
'use strict';
const readline = require('node:readline');
// oceanic.js falls back to JSON silently; this test is about ETF.
require('erlpack');
const { Client, Intents } = require('oceanic.js');

const client = new Client({
  auth: 'Bot ' + process.env.TOKEN,
  rest: { baseURL: process.env.BASE_URL + '/api/v10' },
  gateway: {
    intents: Object.values(Intents).filter((bit) => typeof bit === 'number'),
    compress: process.env.COMPRESS || false,
    compressLibrary: process.env.COMPRESS_LIBRARY || undefined,
  },
});
const say = (object) => process.stdout.write(JSON.stringify(object) + '\n');
const brief = (m) => ({
  id: m.id, channel: m.channelID, author: m.author && m.author.id, content: m.content,
  reference: m.messageReference && m.messageReference.messageID,
});

const briefMember = (m) => ({ user: m.id, nick: m.nick, roles: [...m.roles].sort() });

let ready = false;

// Ready for the tests once the members of every guild were fetched too (op 8).
async function sayReady(event) {
  const guilds = [];
  for (const guild of client.guilds.values()) {
    const members = (await guild.fetchMembers()).map((member) => member.id).sort();
    const channels = [...guild.channels.values()].map((channel) => channel.name).sort();
    guilds.push({ id: guild.id, name: guild.name, channels, members });
  }
  say({ event, user: client.user.id, guilds, url: client.shards.get(0).resumeURL });
}

// After the first READY of a shard, another session tells itself only by another READY.
client.on('shardPreReady', () => {
  if (ready) say({ event: 'readyAgain', user: client.user.id });
});
client.once('shardReady', () => {
  ready = true;
  sayReady('ready').catch((error) => say({ event: 'error', message: error.message }));
});
client.on('packet', (packet) => {
  const d = packet.d || {};
  say({ event: 'raw', t: packet.t, s: packet.s, id: d.id ?? null, session: d.session_id ?? null });
});
client.on('shardResume', (shard) => say({ event: 'resumed', shard }));
client.on('shardDisconnect', (error, shard) => say({ event: 'disconnect', shard, code: error && error.code, message: error && error.message }));
client.on('messageCreate', (m) => say({ event: 'messageCreate', ...brief(m) }));
client.on('messageUpdate', (m) => say({ event: 'messageUpdate', ...brief(m) }));
client.on('messageDelete', (m) => say({ event: 'messageDelete', id: m.id }));
client.on('messageDeleteBulk', (ms) => say({ event: 'messageDeleteBulk', ids: ms.map((m) => m.id).sort() }));
client.on('typingStart', (channel, who) => say({ event: 'typingStart', user: who.id, channel: channel.id }));
client.on('messageReactionAdd', (m, who, r) => say({ event: 'reactionAdd', message: m.id, emoji: r.emoji.name, user: who.id }));
client.on('messageReactionRemove', (m, who, r) => say({ event: 'reactionRemove', message: m.id, emoji: r.emoji.name, user: who.id }));
client.on('messageReactionRemoveEmoji', (m, emoji) => say({ event: 'reactionRemoveEmoji', message: m.id, emoji: emoji.name }));
client.on('messageReactionRemoveAll', (m) => say({ event: 'reactionRemoveAll', message: m.id }));
client.on('guildMemberAdd', (m) => say({ event: 'memberAdd', ...briefMember(m) }));
client.on('guildMemberUpdate', (m) => say({ event: 'memberUpdate', ...briefMember(m) }));
client.on('guildMemberRemove', (who) => say({ event: 'memberRemove', user: who.id }));
client.on('channelUpdate', (c) => say({ event: 'channelUpdate', id: c.id }));
client.on('channelCreate', (c) => say({ event: 'channelCreate', id: c.id, name: c.name }));
client.on('channelDelete', (c) => say({ event: 'channelDelete', id: c.id }));
client.on('error', (error, shard) => say({ event: 'error', shard, message: String(error && error.message) }));
client.on('warn', (line) => say({ event: 'warning', message: String(line) }));
client.on('debug', (line) => { if (process.env.DEBUG) process.stderr.write(line + '\n'); });

const { channels, guilds } = client.rest;
const actions = {
  async send({ channel, content }) { return brief(await channels.createMessage(channel, { content })); },
  async reply({ channel, message, content }) {
    return brief(await channels.createMessage(channel, { content, messageReference: { messageID: message } }));
  },
  async edit({ channel, message, content }) { return brief(await channels.editMessage(channel, message, { content })); },
  async delete({ channel, message }) { await channels.deleteMessage(channel, message); },
  async bulkDelete({ channel, messages }) { await channels.deleteMessages(channel, messages); },
  async type({ channel }) { await channels.sendTyping(channel); },
  async history({ channel, limit, before, after, around }) {
    return (await channels.getMessages(channel, { limit, before, after, around })).map(brief);
  },
  async dm({ user, content }) { return brief(await (await channels.createDM(user)).createMessage({ content })); },
  async find({ guild, prefix }) {
    return (await client.guilds.get(guild).fetchMembers({ query: prefix, limit: 100 })).map((member) => member.user.username);
  },
  async react({ channel, message, emoji }) { await channels.createReaction(channel, message, emoji); },
  async unreact({ channel, message, emoji }) { await channels.deleteReaction(channel, message, emoji); },
  async reactors({ channel, message, emoji }) {
    return (await channels.getReactions(channel, message, emoji)).map((user) => user.id).sort();
  },
  async clearReaction({ channel, message, emoji }) { await channels.deleteReactions(channel, message, emoji); },
  async clearReactions({ channel, message }) { await channels.deleteReactions(channel, message); },
  async nick({ guild, user, nick }) { await guilds.editMember(guild, user, { nick }); },
  async addRole({ guild, user, role }) { await guilds.addMemberRole(guild, user, role); },
  async removeRole({ guild, user, role }) { await guilds.removeMemberRole(guild, user, role); },
  async kick({ guild, user }) { await guilds.removeMember(guild, user); },
  async quit() { client.disconnect(false); process.exit(0); },
};

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const command = JSON.parse(line);
  try {
    say({ reply: command.id, ok: true, value: (await actions[command.do](command)) ?? null });
  } catch (error) {
    say({ reply: command.id, ok: false, error: String(error && error.message), code: error && error.code });
  }
}).on('close', () => process.exit(0));

client.connect().catch((error) => say({ event: 'loginFailed', code: error.code, message: error.message }));
