// The scenarios in which messages flow, as the parent sees them: prepare, start, warm up, measure, stop, wait for what is still on
// its way, and compare what was sent with what came.

import { Histogram } from '../lib/histogram.mjs';
import { nowMs } from '../lib/monotonic.mjs';
import { sleep } from '../lib/processes.mjs';
import { MemoryWatch } from './fleet.mjs';
import { addByQos } from './integrity.mjs';
import { newPrefix, Span } from './measure.mjs';
import { planOf } from './plan.mjs';

/** So long before an open loop's first message. */
const LEAD_MS = 100;
const POLL_MS = 10;

/** @param {object[]} all @param {string} name */
export function sumOf(all, name) {
  return all.reduce((sum, one) => sum + one[name], 0);
}

/** Latencies of all processes together, by group. */
export function mergeLatencies(marks) {
  const [first] = marks;
  return first.latencies.map((_, group) => {
    const sum = new Histogram();
    for (const { latencies } of marks) sum.add(Histogram.from(latencies[group]));
    return sum;
  });
}

/** A run of messages, step by step. */
export class Traffic {
  plan;
  #fleet;
  #options;

  /** @param {import('./target.mjs').Target} target @param {import('./fleet.mjs').Fleet} fleet @param {object} options */
  constructor({ place }, fleet, options) {
    this.#fleet = fleet;
    this.#options = { prefix: newPrefix(), ...options, ...place, processes: fleet.size };
    this.plan = planOf(this.#options);
  }

  async connect() {
    await this.#fleet.all('prepare', this.#options);
  }

  async subscribe() {
    await this.#fleet.all('subscribe', this.#options);
  }

  /** Until the first message is due. */
  async start() {
    const isOpen = this.plan.groups.some(({ rate }) => rate > 0);
    const startMs = nowMs() + LEAD_MS;
    await this.#fleet.all('start', { startMs });
    if (isOpen) await sleep(startMs - nowMs());
  }

  mark() {
    return this.#fleet.all('mark');
  }

  status() {
    return this.#fleet.all('status');
  }

  /** Everything was sent, answered and received. */
  async isDone() {
    const all = await this.status();
    const clients = this.plan.clients.filter(({ published }) => published.count > 0).length;
    return sumOf(all, 'sent') === clients * this.#options.count && isQuiet(all);
  }

  /** Ends it: what is wrong with all that was received, from the very first message on. */
  async finish() {
    await this.#fleet.all('stop');
    await this.#drain();
    const sent = new Uint32Array(this.plan.flowCount);
    for (const part of await this.#fleet.all('sent')) {
      for (let flow = 0; flow < sent.length; flow++) sent[flow] += part[flow];
    }
    const verdicts = await this.#fleet.all('verdict', { sent });
    const statuses = await this.status();
    await this.#fleet.all('finish');
    const of = (name) => sumOf(verdicts, name);
    return {
      sent: sumOf(statuses, 'sent'),
      expected: sumOf(statuses, 'expected'),
      received: of('received'),
      lost: addByQos(verdicts.map(({ lost }) => lost)),
      duplicates: addByQos(verdicts.map(({ duplicates }) => duplicates)),
      outOfOrder: of('outOfOrder'),
      damaged: of('damaged') + of('strayAcks'),
      refused: of('refused'),
      unanswered: of('unanswered'),
      failures: verdicts.flatMap(({ failures }) => failures),
    };
  }

  /** Until everything that was sent is there, or nothing has come for a while. */
  async #drain() {
    let last = -1;
    let sinceMs = nowMs();
    while (nowMs() - sinceMs < this.#options.drain * 1_000) {
      const all = await this.status();
      if (isQuiet(all)) return;
      const progress = sumOf(all, 'received') - sumOf(all, 'unacknowledged');
      if (progress !== last) sinceMs = nowMs();
      last = progress;
      await sleep(POLL_MS);
    }
  }
}

function isQuiet(all) {
  return (
    sumOf(all, 'received') >= sumOf(all, 'expected') &&
    sumOf(all, 'unacknowledged') === 0 &&
    sumOf(all, 'waiting') === 0
  );
}

/** What is measured between two marks. */
export function ratesBetween(before, after, used) {
  const elapsedMs = (sumOf(after, 'atMs') - sumOf(before, 'atMs')) / after.length;
  const delivered = sumOf(after, 'received') - sumOf(before, 'received');
  const lag = new Histogram();
  for (const mark of after) lag.add(Histogram.from(mark.lag));
  return {
    elapsedMs,
    delivered,
    deliveredRate: (delivered / elapsedMs) * 1_000,
    publishedRate: ((sumOf(after, 'sent') - sumOf(before, 'sent')) / elapsedMs) * 1_000,
    cpuUs: used.serverUs / delivered,
    serverCores: used.serverCores,
    others: used.others,
    /** Of the busiest process: parts of a core. */
    generatorCores: Math.max(
      ...after.map(({ cpuUs }, i) => (cpuUs - before[i].cpuUs) / (elapsedMs * 1_000)),
    ),
    sentLateMs: lag.count === 0 ? Number.NaN : lag.quantile(0.99) / 1_000,
  };
}

/** From the warm-up to the last word; `traffic` is connected and subscribed. */
export async function measureTraffic(traffic, target, fleet, options) {
  const isCounted = options.count > 0;
  if (!isCounted) {
    await traffic.start();
    await sleep(options.warmup * 1_000);
  }
  const span = new Span(target, fleet);
  const memory = new MemoryWatch(target.pids);
  const before = await traffic.mark();
  span.begin();
  if (isCounted) {
    await traffic.start();
    await untilDone(traffic, options.duration * 1_000);
  } else await sleep(options.duration * 1_000);
  const used = span.end();
  const after = await traffic.mark();
  memory.stop();
  const rates = ratesBetween(before, after, used);
  const latencies = mergeLatencies(after).map((histogram, group) => ({
    name: traffic.plan.groups[group].name,
    ...histogram.percentiles(),
  }));
  const isStalled = rates.delivered === 0;
  const integrity = await traffic.finish();
  const memoryBytes = target.pids.length === 0 ? Number.NaN : memory.max;
  return { ...rates, latencies, memoryBytes, integrity, isStalled };
}

async function untilDone(traffic, timeMs) {
  const endMs = nowMs() + timeMs;
  while (nowMs() < endMs && !(await traffic.isDone())) await sleep(POLL_MS);
}

/** pairs, fanout, fanin, mixed. */
export async function runTraffic(target, fleet, options) {
  const traffic = new Traffic(target, fleet, options);
  await traffic.connect();
  await traffic.subscribe();
  return measureTraffic(traffic, target, fleet, options);
}

/** What the subscriptions themselves cost, then messages to them. */
export async function runSubscriptions(target, fleet, options) {
  const traffic = new Traffic(target, fleet, options);
  await traffic.connect();
  const span = new Span(target, fleet).begin();
  const emptyBytes = span.memory();
  const startMs = nowMs();
  await traffic.subscribe();
  const elapsedMs = nowMs() - startMs;
  const used = span.end();
  await sleep(200); // what the last ones set off
  const setUp = {
    subscribedRate: (options.n / elapsedMs) * 1_000,
    cpuUsEach: used.serverUs / options.n,
    bytesEach: (span.memory() - emptyBytes) / options.n,
  };
  return { ...(await measureTraffic(traffic, target, fleet, options)), setUp };
}
