// Tests of the bot against a tocsin of their own: `node --test pong.test.cjs`. `TOCSIN` names the command, if not `tocsin`.
// The server's control port is HTTP, so nothing here is needed beyond Node and discord.js.
'use strict';
const assert = require('node:assert');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, afterEach, before, beforeEach, test } = require('node:test');
const { Events } = require('discord.js');
const pong = require('./pong.cjs');

let server, folder, node, bot, world;
let tests = 0;

// Control routes take the token of DATA/node.json, from this machine only.
async function control(route, body) {
  const headers = { authorization: `Tocsin ${node.control_token}`, 'content-type': 'application/json' };
  const answer = await fetch(`${node.http}/_tocsin/${route}`, { method: 'POST', headers, body: JSON.stringify(body) });
  assert.equal(answer.status, 200, await answer.clone().text());
  return answer.json();
}

const fault = (name, more = {}) => control('faults', { fault: name, user_id: bot.user.id, ...more });

async function say(content) {
  const channel = bot.guilds.cache.get(world.guild).channels.cache.find((each) => each.name === 'general').id;
  const headers = { authorization: world.ada, 'content-type': 'application/json' };
  const url = `${node.http}/api/v10/channels/${channel}/messages`;
  const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ content }) });
  assert.equal(answer.status, 200, await answer.text());
}

// Resolves with the next message with this content that the bot's library dispatches.
function message(content) {
  return new Promise((resolve) => {
    bot.on(Events.MessageCreate, function listen(each) {
      if (each.content !== content) return;
      bot.off(Events.MessageCreate, listen);
      resolve(each);
    });
  });
}

before(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tocsin-'));
  const ready = new Promise((resolve) => {
    const watcher = fs.watch(folder, (_, name) => {
      if (name !== 'ready.json' || !fs.existsSync(path.join(folder, name))) return;
      watcher.close();
      resolve();
    });
  });
  const [command, ...rest] = (process.env.TOCSIN || 'tocsin').split(' ');
  const flags = ['--data', folder, '--ready-file', path.join(folder, 'ready.json'), '--http-port', '0', '--gateway-port', '0'];
  server = spawn(command, [...rest, 'serve', ...flags, '--drain-spread-ms', '0'], { stdio: 'ignore' });
  await ready;
  node = JSON.parse(fs.readFileSync(path.join(folder, 'node.json')));
});

after(async () => {
  server.kill('SIGTERM');
  await once(server, 'exit');
  fs.rmSync(folder, { recursive: true });
});

// Each test has a guild, a person and a bot of its own, so that none meets what another left.
beforeEach(async () => {
  const n = ++tests;
  const people = [
    { username: `ada${n}`, token: `ada-${n}` },
    { username: `pong${n}`, token: `pong-${n}`, bot: true, intents: 'all' },
  ];
  const guild = { name: 'Lab', owner: `ada${n}`, channels: [{ name: 'general' }], members: [{ user: `pong${n}` }] };
  const made = await control('world', { users: people, guilds: [guild] });
  world = { ada: `ada-${n}`, guild: made.guilds.Lab };
  bot = pong(`${node.http}/api`);
  const ready = once(bot, Events.ClientReady);
  await bot.login(`pong-${n}`);
  await ready;
});

afterEach(() => bot.destroy());

test('it answers a ping', { timeout: 30_000 }, async () => {
  const answer = message('pong');
  await say('!ping');
  assert.equal((await answer).author.id, bot.user.id);
});

for (const [name, more] of [['cut'], ['reconnect'], ['close', { code: 4000 }], ['half_frame'], ['stall', { for_ms: 300 }]]) {
  test(`a ping is answered over a ${name}`, { timeout: 30_000 }, async () => {
    const answer = message('pong');
    const resumed = name === 'stall' ? null : once(bot, Events.ShardResume);
    assert.deepEqual(await fault(name, more), { sessions: 1 });
    await say('!ping');
    await answer;
    await resumed;
  });
}

test('an answer survives a 429', { timeout: 30_000 }, async () => {
  const limited = new Promise((resolve) => {
    bot.rest.on('response', (_, response) => { if (response.status === 429) resolve(); });
  });
  const answer = message('pong');
  await fault('rate_limit', { route: 'POST /channels/{channel_id}/messages', retry_after_ms: 200 });
  await say('!ping');
  await answer;
  await limited;
});
