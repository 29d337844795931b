// What a generator process does for the scenarios in which messages flow: it has its share of the clients of a plan, and counts.
// What belongs to the measurement and what does not is the parent's business: it calls `mark` at both ends.

import { Histogram } from '../lib/histogram.mjs';
import { nowMs } from '../lib/monotonic.mjs';
import { ticks } from '../lib/ticks.mjs';
import { Client } from './client.mjs';
import { planOf } from './plan.mjs';
import { Progress } from './progress.mjs';
import { withAll } from './with-all.mjs';

const CONCURRENT_CONNECTS = 32;
/** Open loop: messages due within so long may leave together. */
const GRAIN_MS = 0.2;
/** What sums of fractions may differ by: a message that its own tick misses waits for the next one. */
const ROUNDING_MS = 0.001;

/** @type {import('./client.mjs').Load} */
let load;
/** @type {Client[]} */
let clients = [];
/** By flow: who publishes it, if it is one of ours. @type {Map<number, Client>} */
let publishers = new Map();
/** @type {Client[]} */
let dirty = [];
let isTurnOpen = false;
let self = 0;
/** How late open loop messages were written. */
let lags = new Histogram();
let failures = [];
let cpu = process.cpuUsage();
let stopping = new AbortController();
/** @type {Promise<void>[]} */
let schedules = [];

/** At the end of the turn everything leaves that may. */
function endTurn() {
  isTurnOpen = false;
  const now = dirty;
  dirty = [];
  const atMs = nowMs();
  for (const client of now) {
    client.isDirty = false;
    if (!client.isClosed) client.fill(atMs);
  }
  if (load.progress === null) return;
  for (const word of load.progress.takeUntold()) process.send(word);
}

function openTurn() {
  if (isTurnOpen) return;
  isTurnOpen = true;
  setImmediate(endTurn);
}

function markDirty(client) {
  openTurn();
  if (client.isDirty) return;
  client.isDirty = true;
  dirty.push(client);
}

/** Sends what is due of a group, evenly spread over its flows and over the processes. */
function schedule({ flows, rate }, startMs) {
  const intervalMs = 1_000 / rate;
  const own = [];
  for (let i = 0; i < flows.count; i++) {
    if (publishers.has(flows.first + i)) own.push(i);
  }
  if (own.length === 0) return Promise.resolve();
  let next = 0;
  const dueMsOfNext = () => {
    const round = Math.floor(next / own.length);
    return startMs + (round * flows.count + own[next % own.length]) * intervalMs;
  };
  const ownIntervalMs = (intervalMs * flows.count) / own.length;
  const onTick = (tickMs) => {
    const atMs = nowMs();
    const untilMs = Math.max(atMs, tickMs) + ROUNDING_MS;
    for (let dueMs = dueMsOfNext(); dueMs <= untilMs; dueMs = dueMsOfNext()) {
      const flow = flows.first + own[next++ % own.length];
      lags.record((atMs - dueMs) * 1_000);
      publishers.get(flow).publish(flow, dueMs);
    }
  };
  const everyMs = Math.max(ownIntervalMs, GRAIN_MS);
  return ticks(dueMsOfNext(), Number.POSITIVE_INFINITY, everyMs, onTick, stopping.signal);
}

function sumOf(pick) {
  let sum = 0;
  for (const client of clients) sum += pick(client);
  return sum;
}

export const trafficSteps = {
  /** Makes its part of the plan, and connects. */
  async prepare(options) {
    self = options.index;
    const plan = planOf(options);
    const { processes, window, qos, size, version, count } = options;
    const isOpen = plan.groups.some(({ rate }) => rate > 0);
    load = {
      plan,
      size,
      qos,
      version,
      window,
      count: count === 0 ? Number.POSITIVE_INFINITY : count,
      sent: new Uint32Array(plan.flowCount),
      progress: isOpen ? null : new Progress(plan, processes, self, window),
      latencies: plan.groups.map(() => new Histogram()),
      markDirty,
      onFailed: (client, error) => failures.push(`${client.clientId}: ${error.message}`),
    };
    lags = new Histogram();
    cpu = process.cpuUsage();
    failures = [];
    publishers = new Map();
    clients = [];
    const numbers = [];
    for (const [i, planned] of plan.clients.entries()) {
      if (planned.home !== self) continue;
      const client = new Client(options, load, planned);
      clients.push(client);
      numbers.push(i);
      const { first, count: published } = planned.published;
      for (let flow = first; flow < first + published; flow++) publishers.set(flow, client);
    }
    if (load.progress !== null) {
      load.progress.onUntold = openTurn;
      load.progress.onCompleted = (flow, messages) => {
        openTurn();
        publishers.get(flow).onCompleted(messages);
      };
    }
    await withAll(clients, CONCURRENT_CONNECTS, (client, i) =>
      client.connect(`${options.prefix}-${numbers[i]}`, client.user ?? numbers[i]),
    );
  },

  /** All subscriptions, `batch` filters in a packet, one packet of a client at a time. */
  async subscribe({ batch }) {
    const own = load.plan.clients.filter(({ home }) => home === self);
    await withAll(clients, clients.length, async (client, i) => {
      const filters = own[i].filters();
      for (let at = 0; at < filters.length; at += batch) {
        await client.subscribe(filters.slice(at, at + batch), client.qosHeard);
      }
    });
  },

  /** Begins, an open loop at that moment of the common clock. */
  async start({ startMs }) {
    stopping = new AbortController();
    if (load.progress === null) {
      schedules = load.plan.groups.filter(({ rate }) => rate > 0).map((g) => schedule(g, startMs));
    } else {
      schedules = [];
      for (const client of clients) client.run();
    }
  },

  /** What was counted so far, and the latencies since the last mark. */
  async mark() {
    const { user, system } = process.cpuUsage(cpu);
    const { latencies } = load;
    const lag = lags;
    load.latencies = latencies.map(() => new Histogram());
    lags = new Histogram();
    return {
      atMs: nowMs(),
      cpuUs: user + system,
      sent: sumOf((client) => client.sent),
      received: sumOf((client) => client.ledger.received),
      latencies,
      lag,
    };
  },

  /** Publishes nothing new. */
  async stop() {
    stopping.abort();
    await Promise.all(schedules);
    for (const client of clients) client.stop();
  },

  /** Whether everything is done. */
  async status() {
    let expected = 0;
    for (const [flow] of publishers) expected += load.sent[flow] * load.plan.receiversOf(flow);
    return {
      sent: sumOf((client) => client.sent),
      waiting: sumOf((client) => client.waiting),
      unacknowledged: sumOf((client) => client.unacknowledged),
      received: sumOf((client) => client.ledger.received),
      expected,
      failures,
    };
  },

  /** By flow: how many messages were sent. */
  async sent() {
    return load.sent;
  },

  /** What is wrong with what was received, given what all processes sent; lost and doubled by QoS. */
  async verdict({ sent }) {
    const lost = [0, 0, 0];
    const duplicates = [0, 0, 0];
    for (const { ledger, qosHeard } of clients) {
      lost[qosHeard] += ledger.lost(sent);
      duplicates[qosHeard] += ledger.duplicates;
    }
    return {
      lost,
      duplicates,
      received: sumOf((client) => client.ledger.received),
      outOfOrder: sumOf((client) => client.ledger.outOfOrder),
      damaged: sumOf((client) => client.ledger.damaged),
      refused: sumOf((client) => client.refused),
      strayAcks: sumOf((client) => client.strayAcks),
      unanswered: sumOf((client) => client.unacknowledged),
      failures,
    };
  },

  async finish() {
    await withAll(clients, clients.length, (client) => client.disconnect());
    clients = [];
    publishers = new Map();
  },
};

/** Progress of receivers in other processes. */
export function onProgress({ from, progress }) {
  load.progress?.hear(from, progress);
}
