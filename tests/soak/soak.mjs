// The soak: thousands of clients that connect, subscribe, publish at all QoS, die in the middle of packets and come back to
// their sessions, for about a minute, among clients whose messages must all arrive, in order, once. Afterwards the server's
// counters equal a recount, and its memory, sockets and timers are back where they were. It ends by itself, and its last
// line says what it was. SOAK_SECONDS, SOAK_CLIENTS and SOAK_SEED change what they say. Usage: npm run test:soak

import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Client } from './client.mjs';

const SECONDS = Number(process.env.SOAK_SECONDS ?? 30);
const CLIENTS = Number(process.env.SOAK_CLIENTS ?? 2_000);
const SEED = Number(process.env.SOAK_SEED ?? Date.now() % 1_000_000);
/** For whatever takes longer than it ever should. */
const DEADLINE_MS = (SECONDS + 150) * 1_000;
/** Operations at a time. */
const WORKERS = 200;
const STEADY_PAIRS = 10;
const RETAINED = 2_000;
/** Every so many clients subscribe to everything. */
const GREEDY_EVERY = 100;
const MIB = 1_048_576;
/** What compiled code may add after the warm-up: half of what a leak of a kilobyte a connection would. */
const HEAP_GROWTH_MAX = 6 * MIB;
/** What the pool of output buffers keeps at most. */
const BUFFER_GROWTH_MAX = 24 * MIB;

let seed = SEED;
/** 0 to `below` - 1 */
function random(below) {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((seed / 4_294_967_296) * below);
}

const mib = (bytes) => (bytes / MIB).toFixed(1);
const say = (line) => process.stdout.write(`${line}\n`);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The server's process. */
class ServerProcess {
  #child = fork(fileURLToPath(new URL('server.mjs', import.meta.url)), {
    execArgv: ['--expose-gc'],
  });
  #waiting = new Map();
  #lastId = 0;
  port = 0;

  constructor() {
    this.#child.on('message', ({ id, answer }) => {
      this.#waiting.get(id)?.(answer);
      this.#waiting.delete(id);
    });
    this.exited = new Promise((resolve) => {
      this.#child.on('exit', (code, signal) => resolve(signal ?? code));
    });
  }

  async start() {
    const answer = new Promise((resolve) => this.#waiting.set(0, resolve));
    this.port = (await answer).port;
  }

  /** `stats`, `report` or `stop` */
  ask(what) {
    const id = ++this.#lastId;
    const answer = new Promise((resolve) => this.#waiting.set(id, resolve));
    this.#child.send({ id, ask: what });
    return answer;
  }

  /** Until its counters satisfy `isSo`. */
  async until(isSo, what) {
    for (let i = 0; i < 600; i++) {
      const { stats } = await this.ask('stats');
      if (isSo(stats)) return stats;
      await sleep(50);
    }
    const { stats } = await this.ask('stats');
    throw new Error(`it never came to ${what}: ${JSON.stringify(stats)}`);
  }

  kill() {
    this.#child.kill('SIGKILL');
  }
}

/** One client id and all that becomes of it: odd ones have durable sessions, every third speaks 3.1.1. */
class Slot {
  client = null;
  isBusy = false;
  onPublish = null;

  constructor(index, server) {
    this.index = index;
    this.server = server;
    this.clientId = `client-${index}`;
    this.version = index % 3 === 0 ? 4 : 5;
    this.isDurable = index % 2 === 1;
    const own = [`to/${index}`, `group/+/${index % 50}`];
    this.filters = index % GREEDY_EVERY === 0 ? ['#', ...own] : own;
    this.qos = index % 3;
  }

  get isConnected() {
    return this.client?.isConnected === true;
  }

  async connect(cleanStart = !this.isDurable) {
    await this.client?.destroy();
    this.client = new Client(this.server.port, this.version);
    this.client.onPublish = this.onPublish;
    const will = {
      topicName: `group/will/${this.index % 50}`,
      payload: Buffer.from('gone'),
      qos: this.index % 3,
      retain: false,
      properties: {},
    };
    return this.client.connect(
      this.clientId,
      cleanStart,
      this.isDurable ? 3_600 : 0,
      this.index % 4 === 0 ? will : null,
    );
  }

  subscribe() {
    return this.client.subscribe(this.filters, this.qos);
  }

  /** Something, at random. */
  async act() {
    if (!this.isConnected) {
      const connect = this.connect();
      if (random(20) === 0) setImmediate(() => this.client?.destroy()); // maybe before CONNACK
      if ((await connect)?.reasonCode === 0) await this.subscribe();
      return;
    }
    const dice = random(100);
    if (dice < 70) await this.publishSome();
    else if (dice < 76) await this.client.unsubscribe([this.filters.at(-1)]);
    else if (dice < 82) await this.subscribe();
    else if (dice < 88) await this.client.disconnect();
    else if (dice < 92) await this.client.destroy();
    else if (dice < 97) await this.client.die();
    else if (dice < 98) this.client.turnDeaf();
    else await this.connect();
  }

  async publishSome() {
    const count = 1 + random(5);
    const published = [];
    for (let i = 0; i < count; i++) {
      const qos = random(3);
      const topic = random(3) === 0 ? `group/${random(5)}/${random(50)}` : `to/${random(CLIENTS)}`;
      const size = random(20) === 0 ? 12_000 : 20 + random(200);
      published.push(this.client.publish(topic, Buffer.alloc(size, 1), qos));
      if (random(10) === 0) {
        const retained = `retained/${random(RETAINED)}`;
        published.push(this.client.publish(retained, Buffer.alloc(random(4) * 50), qos, true));
      }
    }
    await Promise.all(published);
  }
}

/** One publisher and one subscriber that never go: every message arrives once, in order, whatever the others do. */
class SteadyPair {
  received = [];
  sent = 0;
  isOver = false;

  constructor(index, server) {
    this.index = index;
    this.qos = 1 + (index % 2);
    this.publisher = new Client(server.port, 4 + (index % 2));
    this.subscriber = new Client(server.port, 5);
  }

  async start() {
    await this.publisher.connect(`steady-p${this.index}`, true, 0);
    await this.subscriber.connect(`steady-s${this.index}`, true, 0);
    this.subscriber.onPublish = ({ payload }) =>
      this.received.push(Buffer.from(payload).readUInt32BE());
    await this.subscriber.subscribe([`steady/${this.index}`], 2);
    this.done = this.#run();
  }

  async #run() {
    while (!this.isOver) {
      const payload = Buffer.alloc(40);
      payload.writeUInt32BE(this.sent++);
      const answer = await this.publisher.publish(`steady/${this.index}`, payload, this.qos);
      assert.notEqual(answer, null, 'a steady client was cut off');
      await sleep(2);
    }
  }

  async end() {
    this.isOver = true;
    await this.done;
    for (let i = 0; i < 200 && this.received.length < this.sent; i++) await sleep(50);
    const wanted = Array.from({ length: this.sent }, (_, i) => i);
    assert.deepEqual(this.received, wanted, `the messages of steady pair ${this.index}`);
    await Promise.all([this.publisher.disconnect(), this.subscriber.disconnect()]);
  }
}

/** All of them do something, again and again. */
async function churn(slots, seconds) {
  const endMs = performance.now() + seconds * 1_000;
  let actions = 0;
  const worker = async () => {
    while (performance.now() < endMs) {
      const slot = slots[random(slots.length)];
      if (slot.isBusy) {
        await sleep(1);
        continue;
      }
      slot.isBusy = true;
      await slot.act();
      slot.isBusy = false;
      actions++;
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
  return actions;
}

/** In batches, so that no backlog of connections is refused. */
async function forAll(slots, run) {
  for (let i = 0; i < slots.length; i += WORKERS) {
    await Promise.all(slots.slice(i, i + WORKERS).map(run));
  }
}

/** Nobody is connected, no session, nothing retained. */
async function clear(server, slots) {
  await forAll(slots, async (slot) => {
    await slot.client?.destroy();
  });
  await server.until((stats) => stats.connections === 0, 'no connection');
  await forAll(slots, async (slot) => {
    const client = new Client(server.port, 4);
    await client.connect(slot.clientId, true, 0);
    await client.disconnect();
    slot.client = null;
  });
  const cleaner = new Client(server.port, 5);
  await cleaner.connect('cleaner', true, 0);
  for (let i = 0; i < RETAINED; i++) {
    const answer = cleaner.publish(`retained/${i}`, Buffer.alloc(0), 1, true);
    if (i % 50 === 49) await answer;
  }
  await cleaner.publish('retained/last', Buffer.alloc(0), 1, true);
  await cleaner.disconnect();
  return server.until((stats) => stats.connections + stats.sessions === 0, 'no session');
}

/** With everybody gone, and back: what must be there is there, and nothing else. */
async function recount(server, slots) {
  const durable = slots.filter((slot) => slot.isDurable);
  await forAll(slots, (slot) => slot.client?.destroy());
  await server.until((stats) => stats.connections === 0, 'no connection');
  await forAll(slots, async (slot) => {
    assert.equal((await slot.connect())?.reasonCode, 0);
    await slot.subscribe();
  });
  const filters = (all) => all.reduce((sum, slot) => sum + slot.filters.length, 0);
  const isQuiet = (stats) => stats.queuedMessages + stats.inflightMessages === 0;
  const online = await server.until(isQuiet, 'empty queues');
  const all = { connections: slots.length, halfConnected: 0, sessions: slots.length };
  assert.deepEqual(pick(online, all), all);
  assert.equal(online.subscriptions, filters(slots));

  await forAll(slots, (slot) => slot.client.die());
  const offline = await server.until((stats) => stats.connections === 0, 'no connection');
  assert.equal(offline.sessions, durable.length);
  assert.equal(offline.subscriptions, filters(durable));
  // Wills may have been queued for those who went first.
  await forAll(durable, (slot) => slot.connect());
  await server.until(isQuiet, 'empty queues');
  await forAll(durable, (slot) => slot.client.disconnect());
  await server.until((stats) => stats.connections === 0, 'no connection');
  await queues(server, durable, filters(durable));
}

/** One message for each durable session waits for it, and each gets it once. */
async function queues(server, durable, subscriptions) {
  const publisher = new Client(server.port, 5);
  await publisher.connect('publisher', true, 0);
  for (const slot of durable) await publisher.publish(`to/${slot.index}`, Buffer.from('kept'), 2);
  await publisher.disconnect();
  const keeps = durable.filter((slot) => slot.qos > 0);
  const isGone = (stats) => stats.connections === 0;
  const { queuedMessages } = await server.until(isGone, 'no connection');
  assert.equal(queuedMessages, keeps.length);
  const received = new Map();
  await forAll(durable, async (slot) => {
    slot.onPublish = () => received.set(slot, (received.get(slot) ?? 0) + 1);
    assert.equal((await slot.connect())?.sessionPresent, true);
  });
  const stats = await server.until(
    (now) => now.queuedMessages + now.inflightMessages === 0 && received.size === keeps.length,
    'empty queues',
  );
  for (const slot of keeps) assert.equal(received.get(slot), 1, slot.clientId);
  assert.equal(stats.subscriptions, subscriptions);
}

function pick(object, names) {
  return Object.fromEntries(Object.keys(names).map((name) => [name, object[name]]));
}

async function run(server) {
  await server.start();
  const slots = Array.from({ length: CLIENTS }, (_, index) => new Slot(index, server));
  // The warm-up is the same in small: what it leaves behind is what a server is allowed to have.
  await churn(slots, Math.max(5, SECONDS / 6));
  await clear(server, slots);
  const before = await server.ask('report');
  assert.equal(before.sockets, 0);

  const pairs = Array.from({ length: STEADY_PAIRS }, (_, i) => new SteadyPair(i, server));
  for (const pair of pairs) await pair.start();
  const actions = await churn(slots, SECONDS);
  for (const pair of pairs) await pair.end();
  await recount(server, slots);
  const busy = await server.ask('report');
  const stats = await clear(server, slots);
  const nothing = { sessions: 0, subscriptions: 0, queuedMessages: 0, queuedBytes: 0 };
  const rest = { inflightMessages: 0, retainedMessages: 0, retainedBytes: 0, halfConnected: 0 };
  assert.deepEqual(pick(stats, { ...nothing, ...rest }), { ...nothing, ...rest });
  const after = await server.ask('report');
  assert.equal(after.assertionFailures, 0);
  assert.deepEqual([after.sockets, after.timers], [before.sockets, before.timers]);
  const heapGrowth = after.heapBytes - before.heapBytes;
  assert.ok(heapGrowth < HEAP_GROWTH_MAX, `the heap is ${mib(heapGrowth)} MiB larger than before`);
  const bufferGrowth = after.bufferBytes - before.bufferBytes;
  assert.ok(bufferGrowth < BUFFER_GROWTH_MAX, `${mib(bufferGrowth)} MiB more buffers than before`);
  await server.ask('stop');
  assert.equal(await server.exited, 0, 'how the server ended');
  return { actions, after, before, busy, pairs };
}

const server = new ServerProcess();
const deadline = setTimeout(() => {
  say(`soak: not done after ${DEADLINE_MS / 1_000} s (seed ${SEED})`);
  server.kill();
  process.exit(1);
}, DEADLINE_MS);
server.exited.then((how) => {
  if (how === 0) return;
  say(`soak: the server ended with ${how} (seed ${SEED})`);
  process.exit(1);
});
const startedMs = performance.now();
try {
  const { actions, after, before, busy, pairs } = await run(server);
  const steady = pairs.reduce((sum, pair) => sum + pair.sent, 0);
  const dropped = Object.values(after.stats.dropped).reduce((sum, count) => sum + count, 0);
  say(
    `soak: ok in ${Math.round((performance.now() - startedMs) / 1_000)} s, seed ${SEED}: ` +
      `${actions} actions of ${CLIENTS} clients, ${after.connectionsOpened} connections, ` +
      `${after.publishes} messages in, ${after.delivered} out, ${dropped} dropped and counted, ` +
      `${steady} steady ones complete and in order; ` +
      `heap ${[before, busy, after].map((each) => mib(each.heapBytes)).join(' → ')} MiB, ` +
      `buffers ${[before, busy, after].map((each) => mib(each.bufferBytes)).join(' → ')} MiB`,
  );
} catch (error) {
  say(`soak: FAILED with seed ${SEED}: ${error.stack}`);
  server.kill();
  process.exitCode = 1;
} finally {
  clearTimeout(deadline);
}
