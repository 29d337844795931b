// The load, in a process of its own: it holds all clients, does what the parent says step by step (`steps`), and answers with
// what it counted. What belongs to the measurement and what does not is the parent's business.

import { nowMs } from '../lib/monotonic.mjs';
import { ticks } from '../lib/ticks.mjs';
import { Publisher, Subscriber } from './client.mjs';

/** Without a message for so long, what is missing is lost. */
const SILENCE_MS = 3_000;
const CONCURRENT_CONNECTS = 10;
/** So long before the first message is due. */
const THREAD_START_MS = 20;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** @type {Subscriber[]} */
let subscribers = [];
/** @type {Publisher[]} */
let publishers = [];
let isToAll = false;
let port = 0;

const steps = {
  /** Subscribes `subscriberCount` sessions, leaves them online or not, and connects the publishers. */
  async prepare(plan) {
    port = plan.port;
    isToAll = plan.isToAll;
    subscribers = Array.from({ length: plan.subscribers }, (_, i) => {
      const clientId = `${plan.prefix}-s${i}`;
      return new Subscriber(clientId, plan.publishers, plan.messagesMax, plan.isClean === true);
    });
    await some(subscribers, async (subscriber, i) => {
      await subscriber.connect(port, isToAll ? `${plan.prefix}/all/#` : `${plan.prefix}/${i}/#`);
      if (!plan.isOnline) await subscriber.disconnect();
    });
    publishers = Array.from({ length: plan.publishers }, (_, i) => {
      const topic = isToAll ? 'all' : String(i % plan.subscribers);
      const topicName = `${plan.prefix}/${topic}/state`;
      return new Publisher(port, i, topicName, plan.payloadBytes, plan.messagesMax);
    });
    await some(publishers, async (publisher, i) => {
      await publisher.connect(`${plan.prefix}-p${i}`, true);
    });
  },

  /** Closed loop: every publisher keeps its window full, `count` messages each or until `timeMs` have passed. */
  async publish({ window, count, timeMs }) {
    const latencies = [];
    if (window === 1) {
      for (const publisher of publishers) {
        publisher.onAcknowledged = (dueMs) => latencies.push(performance.now() - dueMs);
      }
    }
    const before = acknowledgedInAll();
    const startMs = performance.now();
    for (const publisher of publishers) publisher.keepUp(window, count, startMs + timeMs);
    await settled(() => publishers.every((publisher) => publisher.isDone), acknowledgedInAll);
    const elapsedMs = performance.now() - startMs;
    for (const publisher of publishers) publisher.onAcknowledged = null;
    return { acknowledged: acknowledgedInAll() - before, elapsedMs, latencies };
  },

  /** Open loop: `rate` messages a second from all publishers in turn, whatever the server does. */
  async pace({ rate, timeMs }) {
    const latencies = [];
    const lags = [];
    for (const publisher of publishers) {
      publisher.onAcknowledged = (dueMs) => latencies.push(performance.now() - dueMs);
    }
    const count = Math.round((rate * timeMs) / 1_000);
    const startMs = performance.now();
    const aheadMs = nowMs() - performance.now();
    await ticks(nowMs() + THREAD_START_MS, count, 1_000 / rate, (dueMs, i) => {
      lags.push(nowMs() - dueMs);
      publishers[i % publishers.length].publishOne(dueMs - aheadMs);
    });
    await settled(() => latencies.length === count, acknowledgedInAll);
    for (const publisher of publishers) publisher.onAcknowledged = null;
    const elapsedMs = performance.now() - startMs;
    return { acknowledged: latencies.length, elapsedMs, latencies, lags };
  },

  /** Brings the subscribers online, and waits until all that was acknowledged is there, or nothing comes any more. */
  async collect() {
    const startMs = performance.now();
    await some(subscribers, async (subscriber) => {
      if (subscriber.client === null) await subscriber.connect(port, null);
    });
    const copies = isToAll ? subscribers.length : 1;
    const wanted = () => acknowledgedInAll() * copies;
    await settled(() => receivedInAll() >= wanted(), receivedInAll);
    const elapsedMs = performance.now() - startMs;
    return { received: receivedInAll(), elapsedMs, ...verdict() };
  },

  /** Ends all sessions and connections. */
  async finish() {
    await some(publishers, (publisher) => publisher.disconnect());
    await some(subscribers, (subscriber) => subscriber.end(port));
    subscribers = [];
    publishers = [];
  },
};

function acknowledgedInAll() {
  let sum = 0;
  for (const publisher of publishers) sum += publisher.acknowledged;
  return sum;
}

function receivedInAll() {
  let sum = 0;
  for (const subscriber of subscribers) sum += subscriber.received;
  return sum;
}

/** Of each acknowledged message: whether every subscriber that should has it. */
function verdict() {
  let lost = 0;
  let again = 0;
  let againWithoutDup = 0;
  for (const [s, subscriber] of subscribers.entries()) {
    again += subscriber.again;
    againWithoutDup += subscriber.againWithoutDup;
    for (const [p, publisher] of publishers.entries()) {
      if (!isToAll && p % subscribers.length !== s) continue;
      for (let i = 0; i < publisher.sent; i++) {
        if (publisher.isAcknowledged[i] === 1 && subscriber.counts[p][i] === 0) lost++;
      }
    }
  }
  return { lost, again, againWithoutDup };
}

/** Until `isSo()`, or until `progress()` has stood still for too long. */
async function settled(isSo, progress) {
  let last = progress();
  let sinceMs = performance.now();
  while (!isSo()) {
    await sleep(2);
    const now = progress();
    if (now !== last) sinceMs = performance.now();
    else if (performance.now() - sinceMs > SILENCE_MS) return;
    last = now;
  }
}

/** Does it with all, a few at a time. */
async function some(all, run) {
  let next = 0;
  const work = async () => {
    while (next < all.length) {
      const i = next++;
      await run(all[i], i);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT_CONNECTS }, work));
}

process.on('message', ({ id, step, plan }) => {
  steps[step](plan).then(
    (result) => process.send({ id, result: result ?? null }),
    (error) => process.send({ id, error: error.stack ?? String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
