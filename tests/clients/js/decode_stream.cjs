// Decodes dumped streams with a real decoder and compares every payload: `node decode_stream.cjs DECODER FOLDER LIMIT`.
// The files and what is printed are described in tests/streams/decode.py. Exits with 3 where the decoder is not there.
'use strict';
const fs = require('node:fs');
const path = require('node:path');
const zlib = require('node:zlib');

// How each decoder makes payloads of messages: start() returns a function from a message to what came out of it.
function node(make) {
  return () => {
    const stream = make();
    const out = [];
    let failed = null;
    stream.on('data', (chunk) => out.push(chunk));
    stream.on('error', (error) => { failed = error; });
    return (message) => new Promise((resolve, reject) => {
      stream.once('error', reject);
      stream.write(message, () => {
        stream.off('error', reject);
        if (failed) reject(failed); else resolve(Buffer.concat(out.splice(0)));
      });
    });
  };
}

const decoders = {
  'node-zlib': () => node(() => zlib.createInflate()),
  'node-zstd': () => {
    if (!zlib.createZstdDecompress) throw missing('Node ' + process.version + ' has no zstd, 22.15 was the first');
    return node(() => zlib.createZstdDecompress());
  },
  'zlib-sync': () => {
    const { Inflate, Z_SYNC_FLUSH } = load('zlib-sync');
    return () => {
      const inflate = new Inflate({ chunkSize: 65535 });
      return (message) => {
        inflate.push(message, Z_SYNC_FLUSH);
        if (inflate.err < 0) throw new Error('zlib-sync: ' + inflate.err + ' ' + inflate.msg);
        return inflate.result;
      };
    };
  },
  'pako': () => {
    const { Inflate, Z_SYNC_FLUSH } = load('pako-3');
    return () => {
      const inflate = new Inflate({ chunkSize: 65536 });
      const out = [];
      inflate.onData = (chunk) => out.push(chunk);
      return (message) => {
        inflate.push(message, Z_SYNC_FLUSH);
        if (inflate.err < 0) throw new Error('pako: ' + inflate.msg);
        return Buffer.concat(out.splice(0));
      };
    };
  },
  'zstd-napi': () => {
    const { DecompressStream } = load('zstd-napi');
    return node(() => new DecompressStream());
  },
  'fzstd': () => {
    const { Decompress } = load('fzstd');
    return () => {
      const out = [];
      const stream = new Decompress((chunk) => out.push(chunk));
      return (message) => {
        stream.push(message);
        return Buffer.concat(out.splice(0));
      };
    };
  },
};

function missing(reason) {
  return Object.assign(new Error(reason), { missing: true });
}

function load(name) {
  try {
    return require(name);
  } catch (error) {
    throw missing(name + ' is not installed or was not built: ' + String(error.message).split('\n')[0]);
  }
}

// Records of a file: a length of 32 bits, big end first, and as many octets.
function* records(file) {
  const descriptor = fs.openSync(file, 'r');
  let held = Buffer.alloc(0);
  const piece = Buffer.alloc(1 << 20);
  try {
    for (;;) {
      let at = 0;
      while (held.length - at >= 4) {
        const end = at + 4 + held.readUInt32BE(at);
        if (end > held.length) break;
        yield held.subarray(at + 4, end);
        at = end;
      }
      const count = fs.readSync(descriptor, piece);
      if (count === 0) {
        if (at < held.length) throw new Error(file + ' ends in the middle of a record');
        return;
      }
      held = Buffer.concat([held.subarray(at), piece.subarray(0, count)]);
    }
  } finally {
    fs.closeSync(descriptor);
  }
}

async function main([name, folder, limit]) {
  const start = decoders[name]();
  let messages = 0;
  let payloadBytes = 0;
  let streamBytes = 0;
  const files = fs.readdirSync(folder).filter((file) => file.endsWith('.stream'));
  files.sort((a, b) => parseInt(a, 10) - parseInt(b, 10));
  for (const file of files) {
    const decode = start();
    const expected = records(path.join(folder, file.replace('.stream', '.expect')));
    let at = 0;
    for (const message of records(path.join(folder, file))) {
      const payload = await decode(message);
      const want = expected.next();
      if (want.done || !want.value.equals(payload)) throw new Error(file + ': message ' + at + ' is not its payload');
      at += 1;
      messages += 1;
      payloadBytes += payload.length;
      streamBytes += message.length;
      if (messages % 20000 === 0) process.stdout.write(messages + '\n');
      if (messages >= Number(limit)) break;
    }
    if (messages >= Number(limit)) break;
    if (!expected.next().done) throw new Error(file + ' has fewer messages than payloads');
  }
  process.stdout.write(JSON.stringify({ messages, payload_bytes: payloadBytes, stream_bytes: streamBytes }) + '\n');
}

main(process.argv.slice(2)).then(() => process.exit(0), (error) => {
  process.stderr.write(String(error.message) + '\n');
  process.exit(error.missing ? 3 : 1);
});
