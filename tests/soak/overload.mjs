// A server with 512 MiB, and publishers that push far more than that to subscribers which do not read: it must stay within its
// memory, serve those who behave, lose nothing that it acknowledged to them, and be as before when it is over. For a minute with
// all state in memory, where only pausing the publishers helps, and for a third of it on disk. Prints one line.
//
// Usage: node tests/soak/overload.mjs; SOAK_SECONDS=300 floods for so long.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Client } from './client.mjs';

const SECONDS = Number(process.env.SOAK_SECONDS ?? 60);
const FLOOD_SECONDS = { memory: SECONDS, lmdb: SECONDS / 3 };
const DEADLINE_MS = (SECONDS * 1.5 + 150) * 1_000;
const MIB = 1_048_576;
const MEMORY_MAX = 512 * MIB;
/** Each subscribes to a topic of its own, and never reads again. */
const DEAF = 60;
const PUBLISHERS = 30;
const PAYLOAD_BYTES = 49_152;
/** What a publisher has on its way to the server at most. */
const BACKLOG_MAX = 4 * MIB;
/** Messages of QoS 1 that a publisher has not seen acknowledged. */
const WINDOW = 50;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const mib = (bytes) => Math.round(bytes / MIB);
const folders = [];
const children = [];

/** The built server as its users run it. */
class Hub {
  port = 0;
  highestBytes = 0;
  highestLevel = 0;
  log = '';
  #child;
  #looking;

  async start(storage) {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'iothub-overload-'));
    folders.push(folder);
    const config = path.join(folder, 'iothub.toml');
    fs.writeFileSync(
      config,
      `[overload]\nmemory_max = "${mib(MEMORY_MAX)}MiB"\n[storage]\ntype = "${storage}"\npath = "${folder}/data"\nlevel = "relaxed"\n` +
        `[limits]\nqueue_messages_max = 1000000\nqueue_bytes_max = "256MiB"\nwrite_timeout = "10m"\n[log]\nformat = "json"\n`,
    );
    const args = ['--max-old-space-size=512', 'dist/cli/main.js', '--config', config];
    this.#child = spawn(process.execPath, [...args, '--port', '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(this.#child);
    this.exited = new Promise((resolve) => {
      this.#child.on('exit', (code, signal) => resolve(signal ?? code));
    });
    this.#child.stdout.setEncoding('utf8').on('data', (text) => {
      this.log += text;
    });
    await this.says(/serves MQTT .* on [^"]*:(\d+)/, ([, port]) => {
      this.port = Number(port);
    });
    this.#looking = setInterval(() => this.#look(), 100);
  }

  /** Waits for the log to say that. */
  async says(pattern, then = () => {}, seconds = 60) {
    for (let i = 0; i < seconds * 10; i++) {
      const match = pattern.exec(this.log);
      if (match !== null) return then(match);
      await sleep(100);
    }
    throw new Error(`the log never said ${pattern}: ${this.story}`);
  }

  /** Nothing is shed any more. */
  async calmsDown() {
    if (this.levels.length === 0) return;
    for (let i = 0; i < 300 && this.levels.at(-1) !== 0; i++) await sleep(100);
    assert.equal(this.levels.at(-1), 0, `it did not recover: ${this.story}`);
  }

  /** For who must find out what went wrong. */
  get story() {
    const lines = this.log.split('\n').filter((line) => line.includes('"msg":"overload: '));
    return `${mib(this.highestBytes)} MiB at most\n${lines.slice(-20).join('\n')}`;
  }

  /** What is resident and no file's, from outside. */
  #look() {
    try {
      const status = fs.readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
      const bytes = Number(/^RssAnon:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1_024;
      this.highestBytes = Math.max(this.highestBytes, bytes);
    } catch {
      // it has ended
    }
  }

  /** The levels that the log speaks of, in order. */
  get levels() {
    const pattern = /"level":(\d),"former":\d.*"msg":"overload: /g;
    return [...this.log.matchAll(pattern)].map(([, level]) => Number(level));
  }

  async stop() {
    clearInterval(this.#looking);
    this.#child.kill('SIGTERM');
    assert.equal(await this.exited, 0, 'how the server ended');
  }
}

/** Let in at last: a server that starts on a busy machine is late, and takes nobody for a while. */
async function connected(hub, clientId, cleanStart, expiry) {
  for (let tries = 0; tries < 300; tries++) {
    const client = new Client(hub.port, 5);
    const connack = await client.connect(clientId, cleanStart, expiry);
    if (connack?.reasonCode === 0) return client;
    await client.destroy();
    await sleep(100);
  }
  throw new Error(`nobody is let in any more: ${hub.story}`);
}

/** Publishes as fast as it is let, to all the deaf ones in turn; one of three with QoS 0. */
async function flood(hub, index, endMs, sent) {
  const publisher = await connected(hub, `flood-${index}`, true, 0);
  const payload = Buffer.alloc(PAYLOAD_BYTES, index);
  const qos = index % 3 === 0 ? 0 : 1;
  let open = 0;
  for (let i = index; performance.now() < endMs && !publisher.isGone; i++) {
    if (publisher.backlog > BACKLOG_MAX || open >= WINDOW) {
      await sleep(5);
      i--;
      continue;
    }
    const answer = publisher.publish(`deaf/${i % DEAF}`, payload, qos);
    sent.bytes += PAYLOAD_BYTES;
    if (qos === 0) {
      if (i % 16 === 0) await sleep(0);
      continue;
    }
    open++;
    void answer.then(() => open--);
  }
  await publisher.destroy();
}

/** One who publishes now and then at QoS 1, and one who reads what it gets. */
class WellBehaved {
  received = [];
  acknowledged = 0;
  isOver = false;

  async start(hub) {
    this.publisher = await connected(hub, 'well-p', true, 0);
    this.subscriber = await connected(hub, 'well-s', true, 0);
    this.subscriber.onPublish = ({ payload }) =>
      this.received.push(Buffer.from(payload).readUInt32BE());
    await this.subscriber.subscribe(['well'], 1);
    this.done = this.#run(hub);
  }

  async #run(hub) {
    for (let i = 0; !this.isOver; i++) {
      const payload = Buffer.alloc(100);
      payload.writeUInt32BE(i);
      const answer = await this.publisher.publish('well', payload, 1);
      assert.notEqual(answer, null, `a client that behaves was cut off: ${hub.story}`);
      this.acknowledged++;
      await sleep(20);
    }
  }

  async end() {
    this.isOver = true;
    await this.done;
    for (let i = 0; i < 200 && this.received.length < this.acknowledged; i++) await sleep(50);
    const wanted = Array.from({ length: this.acknowledged }, (_, i) => i);
    assert.deepEqual(this.received, wanted, 'what was acknowledged to who behaves');
    await Promise.all([this.publisher.disconnect(), this.subscriber.disconnect()]);
  }
}

async function run(storage) {
  const hub = new Hub();
  await hub.start(storage);
  const well = new WellBehaved();
  await well.start(hub);
  const deaf = [];
  for (let i = 0; i < DEAF; i++) {
    const client = await connected(hub, `deaf-${i}`, true, i % 2 === 0 ? 3_600 : 0);
    await client.subscribe([`deaf/${i}`], 1);
    client.turnDeaf();
    deaf.push(client);
  }
  const sent = { bytes: 0 };
  const seconds = FLOOD_SECONDS[storage];
  const endMs = performance.now() + seconds * 1_000;
  await Promise.all(Array.from({ length: PUBLISHERS }, (_, i) => flood(hub, i, endMs, sent)));
  // A disk that is slow keeps publishers waiting by itself: then there may be nothing to shed.
  if (storage === 'memory') {
    assert.ok(hub.levels.includes(3), `there was no flood: ${hub.story}`);
  }
  const during = well.acknowledged;
  assert.ok(during >= seconds, `only ${during} messages of who behaves got through: ${hub.story}`);
  // It is over: those who did not read go, and come back for nothing.
  for (const client of deaf) await client.destroy();
  for (let i = 0; i < DEAF; i += 2) {
    const client = await connected(hub, `deaf-${i}`, true, 0);
    await client.destroy();
  }
  await hub.calmsDown();
  const before = performance.now();
  await well.publisher.publish('other', Buffer.alloc(10), 1);
  const answerMs = performance.now() - before;
  await well.end();
  await hub.stop();
  assert.ok(
    hub.highestBytes < MEMORY_MAX,
    `more than the ${mib(MEMORY_MAX)} MiB that it may have: ${hub.story}`,
  );
  return (
    `${storage}: ${mib(sent.bytes)} MiB pushed, ${mib(hub.highestBytes)} MiB at most, level ` +
    `${Math.max(0, ...hub.levels)}, ${during} messages of who behaves, answer after it ${Math.round(answerMs)} ms`
  );
}

const deadline = setTimeout(() => {
  process.stdout.write(`overload: not done after ${DEADLINE_MS / 1_000} s\n`);
  process.exit(1);
}, DEADLINE_MS);
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  for (const folder of folders) fs.rmSync(folder, { recursive: true, force: true });
});
try {
  const lines = [];
  for (const storage of ['memory', 'lmdb']) lines.push(await run(storage));
  process.stdout.write(`overload: ok; ${lines.join('; ')}\n`);
} catch (error) {
  process.stdout.write(`overload: FAILED: ${error.stack}\n`);
  process.exitCode = 1;
} finally {
  clearTimeout(deadline);
  for (const child of children) child.kill('SIGKILL');
}
process.exit();
