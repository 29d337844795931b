// What routing costs: cached and uncached matches by the number of subscriptions, memory per subscription, churn, retained
// messages.
//
//   npm run bench:micro -- router [match|memory|churn|shared|retained ...]
//
// "hot" asks for the same 100 topics at every size: what the algorithm costs. "cold" asks for all topics in no order: that
// adds the waiting for memory that lies in no cache, which no layout avoids, only shrinks.

import { Drops } from '../../src/core/drop.ts';
import { Message } from '../../src/protocol/message.ts';
import { type Topic, TopicTable } from '../../src/protocol/topic.ts';
import { RetainedStore } from '../../src/router/retained.ts';
import { RetainedScan } from '../../src/router/retained-scan.ts';
import { Router } from '../../src/router/router.ts';
import { Availability, type Subscriber, Subscription } from '../../src/router/subscription.ts';
import { medianOf, round, timed } from './timing.ts';

class CountingSubscriber implements Subscriber {
  readonly id: string;
  readonly queuedMessages = 0;
  received = 0;

  constructor(id: string) {
    this.id = id;
  }

  availability(): Availability {
    return Availability.Window;
  }

  mayReceive(): boolean {
    return true;
  }

  deliver(): void {
    this.received++;
  }
}

interface Made {
  readonly subscription: Subscription;
  readonly topicFilter: string;
}

type Shape = readonly [
  name: string,
  filterOf: (i: number) => string,
  topicOf: (i: number) => string,
];

const SHAPES: readonly Shape[] = [
  ['exact      devices/<i>/cmd', (i) => `devices/${i}/cmd`, (i) => `devices/${i}/cmd`],
  ['multi      devices/<i>/cmd/#', (i) => `devices/${i}/cmd/#`, (i) => `devices/${i}/cmd/set`],
  [
    'single     site/<i/1000>/+/<i>/state',
    (i) => `site/${Math.floor(i / 1_000)}/+/${i}/state`,
    (i) => `site/${Math.floor(i / 1_000)}/floor/${i}/state`,
  ],
];

const limits = { topicLengthMax: 65_535, topicLevelsMax: 128 };
const EMPTY = new Uint8Array(0);
const gc = globalThis.gc ?? (() => undefined);

/** Every string flat and of its own, as it comes out of a packet. */
function flat(text: string): string {
  return Buffer.from(text).toString();
}

function subscribeAll(router: Router, count: number, filterOf: Shape[1]): Made[] {
  const made: Made[] = [];
  const subscribers: CountingSubscriber[] = [];
  for (let i = 0; i < Math.min(count, 1_000); i++)
    subscribers.push(new CountingSubscriber(`c${i}`));
  for (let i = 0; i < count; i++) {
    const topicFilter = flat(filterOf(i));
    const subscription = new Subscription(subscribers[i % 1_000], topicFilter, 1);
    router.subscribe(subscription, topicFilter, null);
    made.push({ subscription, topicFilter });
  }
  return made;
}

/** A topic of its own, in no table. */
function topicNamed(name: string): Topic {
  return new TopicTable(limits, 1).of(flat(name));
}

function messageTo(topic: Topic): Message {
  return new Message(topic, 0, false, EMPTY, 0);
}

/** Messages of one measured slice. */
const SLICE = 1_000;

function benchMatch(): void {
  console.log(
    '\nmatch, ns per message delivered to one subscriber: cached | uncached hot | uncached cold',
  );
  for (const [name, filterOf, topicOf] of SHAPES) {
    const cacheds: number[] = [];
    const hots: number[] = [];
    const colds: number[] = [];
    for (const count of [1_000, 1_000, 100_000, 1_000_000]) {
      // the first one warms up
      const router = new Router(new Drops());
      subscribeAll(router, count, filterOf);
      // as many topics at every size, so that only the subscriptions differ
      const hot = Array.from({ length: SLICE }, (_, i) => topicOf(((i % 100) * 7_919) % count)).map(
        topicNamed,
      );
      const cold = Array.from({ length: 200_000 }, (_, i) => topicOf((i * 611_953) % count)).map(
        topicNamed,
      );
      const hotMessages = hot.map(messageTo);
      const coldMessages = cold.map(messageTo);
      const routeSlice = (messages: readonly Message[], start: number, mustFind: boolean) => {
        for (let i = start; i < start + SLICE; i++) {
          if (mustFind) messages[i].topic.route = null;
          if (router.route(messages[i], 0) !== 1) throw new Error('not delivered');
        }
      };
      const hotUncached = medianOf(400, SLICE, () => routeSlice(hotMessages, 0, true));
      const cached = medianOf(400, SLICE, () => routeSlice(hotMessages, 0, false));
      const coldUncached = medianOf(400, SLICE, (i) => {
        routeSlice(coldMessages, (i * SLICE) % coldMessages.length, true);
      });
      cacheds.push(cached);
      hots.push(hotUncached);
      colds.push(coldUncached);
      console.log(
        `  ${name.padEnd(38)} ${String(count).padStart(9)} ${round(cached)} | ${round(hotUncached)} | ${round(coldUncached)}`,
      );
    }
    const ratio = (all: readonly number[]) => (all[3] / all[1]).toFixed(2);
    console.log(
      `  1,000,000 : 1,000, at most 1.5 is the goal: cached ${ratio(cacheds)}  uncached hot ${ratio(hots)}  cold ${ratio(colds)}`,
    );
  }
}

function used(): number {
  gc();
  gc();
  return process.memoryUsage().heapUsed;
}

/** Bytes of the router alone, and of all: filter text, subscription object, the session's Map of its ten subscriptions. */
function benchMemory(): void {
  console.log(
    '\nmemory at 1,000,000 subscriptions, bytes each: router | all in | remaining after unsubscribing',
  );
  const count = 1_000_000;
  for (const [name, filterOf] of SHAPES) {
    const router = new Router(new Drops());
    const sessions: Map<string, Subscription>[] = [];
    const start = used();
    let subscriber = new CountingSubscriber('c');
    for (let i = 0; i < count; i++) {
      if (i % 10 === 0) {
        sessions.push(new Map());
        subscriber = new CountingSubscriber(`__client_${i}`);
      }
      const topicFilter = flat(filterOf(i));
      sessions[sessions.length - 1].set(topicFilter, new Subscription(subscriber, topicFilter, 1));
    }
    const before = used();
    let longest = 0;
    for (const session of sessions) {
      const begin = performance.now();
      for (const [topicFilter, one] of session) router.subscribe(one, topicFilter, null);
      longest = Math.max(longest, performance.now() - begin);
    }
    const after = used();
    for (const session of sessions) {
      const begin = performance.now();
      for (const [topicFilter, one] of session) router.unsubscribe(one, topicFilter, null);
      longest = Math.max(longest, performance.now() - begin);
    }
    const emptied = used();
    const own = sessions.reduce((sum, session) => sum + session.size, 0); // keeps them till here
    sessions.length = 0;
    console.log(
      `  ${name.padEnd(38)} ${round((after - before) / count)} | ${round((after - start) / count)} | ${round((emptied - before) / count)} (${emptied - before} bytes in all, ${router.nodeCount} nodes, ${own} subscriptions of sessions; longest step ${longest.toFixed(1)} ms)`,
    );
  }
}

function benchChurn(): void {
  console.log('\nchurn, ns');
  for (const [name, filterOf] of SHAPES) {
    for (const count of [1_000, 1_000_000]) {
      const router = new Router(new Drops());
      const made = subscribeAll(router, count, filterOf);
      const some = Math.min(count, 100_000);
      const each = timed(some, 5, () => {
        for (let i = 0; i < some; i++) {
          const { subscription, topicFilter } = made[(i * 7_919) % count];
          router.unsubscribe(subscription, topicFilter, null);
          router.subscribe(subscription, topicFilter, null);
        }
      });
      console.log(
        `  unsubscribe and subscribe ${name.padEnd(38)} ${String(count).padStart(9)} ${round(each)}`,
      );
    }
  }
  const router = new Router(new Drops());
  const made = subscribeAll(router, 100_000, (i) => `devices/${i}/cmd/#`);
  const table = new TopicTable(limits);
  const messages = Array.from({ length: 10_000 }, (_, i) =>
    messageTo(table.of(`devices/${i}/cmd/set`)),
  );
  for (const message of messages) router.route(message, 0);
  let stale = 0;
  const rounds = 1_000;
  for (let i = 0; i < rounds; i++) {
    const { subscription, topicFilter } = made[50_000 + i];
    router.unsubscribe(subscription, topicFilter, null);
    for (const message of messages) {
      const before = message.topic.route;
      router.route(message, 0);
      if (message.topic.route !== before) stale++;
    }
  }
  const percent = ((100 * stale) / (rounds * messages.length)).toFixed(4);
  console.log(`  cached matches that another device's change makes stale: ${percent} %`);

  const crowd = new Router(new Drops());
  const all = Array.from({ length: 100_000 }, (_, i) => {
    return new Subscription(new CountingSubscriber(`c${i}`), 'broadcast/#', 0);
  });
  const joining = timed(all.length, 1, () => {
    for (const one of all) crowd.subscribe(one, 'broadcast/#', null);
  });
  const topic = messageTo(table.of('broadcast/x'));
  const first = timed(all.length, 1, () => crowd.route(topic, 0));
  const next = timed(all.length, 5, () => crowd.route(topic, 0));
  const leaving = timed(all.length, 1, () => {
    for (const one of all) crowd.unsubscribe(one, 'broadcast/#', null);
  });
  console.log(
    `  100,000 on one filter, each: subscribe ${round(joining)}, first message ${round(first)}, next ${round(next)}, unsubscribe ${round(leaving)}`,
  );
}

function benchShared(): void {
  console.log('\nshared group, ns per message');
  for (const size of [1, 10, 1_000]) {
    const router = new Router(new Drops());
    for (let i = 0; i < size; i++) {
      const subscriber = new CountingSubscriber(`c${i}`);
      router.subscribe(new Subscription(subscriber, '$share/g/x/#', 1), 'x/#', 'g');
    }
    const message = messageTo(new TopicTable(limits, 16).of('x/y'));
    const each = timed(100_000, 10, () => {
      for (let i = 0; i < 100_000; i++) router.route(message, 0);
    });
    console.log(`  ${size} members ${round(each)}`);
  }
}

function benchRetained(): void {
  console.log('\nretained, 1,000,000 messages of 32 bytes');
  const count = 1_000_000;
  const table = new TopicTable(limits);
  const store = new RetainedStore({ retainedMessagesMax: count, retainedBytesMax: 1e12 });
  const nameOf = (i: number) => `devices/${i}/state`;
  const payload = new Uint8Array(32);
  const before = used();
  const made: Message[] = [];
  for (let i = 0; i < count; i++) {
    made.push(new Message(table.of(nameOf((i * 611_953) % count)), 1, true, payload, 0));
  }
  const set = timed(count, 1, () => {
    for (const message of made) store.set(message, 0);
  });
  const replace = timed(100_000, 3, () => {
    for (let i = 0; i < 100_000; i++) store.set(made[i], 0);
  });
  made.length = 0;
  const bytes = (used() - before) / count;
  console.log(
    `  set, no order ${round(set)} ns; ${round(bytes)} bytes of heap each, topic included`,
  );
  console.log(`  replace ${round(replace)} ns`);
  for (const filter of ['#', 'devices/+/state', 'devices/7/#', '+/7/state', 'devices/+/nothing']) {
    let found = 0;
    let longest = 0;
    let pauses = 0;
    const scan = store.scan(filter);
    const start = performance.now();
    for (;;) {
      const begin = performance.now();
      const message = scan.next(0, 1_000);
      longest = Math.max(longest, performance.now() - begin);
      if (message === null) break;
      if (message === RetainedScan.Pause) pauses++;
      else found++;
    }
    const total = performance.now() - start;
    console.log(
      `  scan ${filter.padEnd(20)} ${String(found).padStart(8)} found, ${pauses} pauses, ${total.toFixed(1)} ms, ${round((total * 1e6) / Math.max(1, found))} ns each; longest next ${longest.toFixed(2)} ms`,
    );
  }
  const deleted = timed(count, 1, () => {
    for (let i = 0; i < count; i++) store.delete(nameOf((i * 7_919) % count));
  });
  console.log(`  delete, random order ${round(deleted)} ns; remaining ${used() - before} bytes`);
}

const SUITES = {
  match: benchMatch,
  memory: benchMemory,
  churn: benchChurn,
  shared: benchShared,
  retained: benchRetained,
} as const;

const wanted = process.argv.slice(2);
for (const [name, run] of Object.entries(SUITES)) {
  if (wanted.length === 0 || wanted.includes(name)) run();
}
