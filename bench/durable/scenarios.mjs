// What is done to each server, and what of it is measured. A run gets sessions and topics of its own and leaves nothing behind,
// so that one server can be asked many times.

import { between, Meter, Spare, syncDisk } from '../lib/machine.mjs';
import { percentiles } from '../lib/statistics.mjs';

const PAYLOAD_BYTES = 64;

/**
 * @typedef {object} Scenario
 * @property {string} key
 * @property {string} title
 * @property {'publish' | 'pace'} step
 * @property {number} subscribers
 * @property {number} publishers
 * @property {boolean} isToAll each message goes to every subscriber, else to one
 * @property {boolean} isOnline
 * @property {number} [window] unacknowledged messages of each publisher
 * @property {number} [messages] of all publishers
 * @property {number} [rate] messages a second of all publishers
 * @property {number} timeMs
 */

const OFFLINE = { step: 'publish', subscribers: 20, publishers: 20, isOnline: false };
const PACED = { ...OFFLINE, step: 'pace', isToAll: false };

/** @param {boolean} isQuick @returns {Scenario[]} */
export function scenarios(isQuick) {
  const timeMs = isQuick ? 1_000 : 1_500;
  const all = [
    {
      ...OFFLINE,
      key: 'offline-one',
      title: 'offline, each message for one of 20 subscribers, 20 publishers, window 50',
      isToAll: false,
      window: 50,
      messages: isQuick ? 60_000 : 200_000,
      timeMs,
    },
    {
      ...OFFLINE,
      key: 'offline-all',
      title: 'offline, each message for all of 20 subscribers, 20 publishers, window 50',
      isToAll: true,
      window: 50,
      messages: isQuick ? 5_000 : 20_000,
      timeMs,
    },
    {
      ...OFFLINE,
      key: 'online',
      title: 'online, 20 pairs, persistent sessions that acknowledge, window 50',
      isToAll: false,
      isOnline: true,
      window: 50,
      messages: isQuick ? 60_000 : 200_000,
      timeMs,
    },
    {
      ...OFFLINE,
      key: 'lone',
      title: 'offline, one publisher, one message at a time',
      subscribers: 1,
      publishers: 1,
      isToAll: false,
      window: 1,
      messages: 5_000,
      timeMs: isQuick ? 700 : 1_000,
    },
    {
      ...PACED,
      key: 'rate-500',
      title: 'offline, 500 messages a second',
      rate: 500,
      timeMs: 1_500,
    },
    {
      ...PACED,
      key: 'rate-2000',
      title: 'offline, 2,000 messages a second',
      rate: 2_000,
      timeMs: 1_500,
    },
  ];
  return isQuick ? all.filter(({ key }) => key !== 'rate-500') : all;
}

let runs = 0;

/** Runs it once on that server, and says what happened. */
async function runOnce(scenario, server, generator, spare) {
  const plan = {
    ...scenario,
    port: server.port,
    prefix: `r${++runs}`,
    payloadBytes: PAYLOAD_BYTES,
    messagesMax: perPublisher(scenario),
  };
  await generator.run('prepare', plan);
  await spare.calm();
  syncDisk(server.folder);
  const meter = new Meter(server.folder, server.pids, [generator.pid]);
  const before = meter.read();
  const loads =
    scenario.step === 'publish'
      ? await generator.run('publish', { ...scenario, count: plan.messagesMax })
      : await generator.run('pace', scenario);
  const after = meter.read();
  // What was written at once, and what is in the page cache still.
  syncDisk(server.folder);
  const synced = meter.disk();
  const collected = await generator.run('collect');
  const collectedAt = meter.read();
  await generator.run('finish');
  return {
    ...judge(loads, between(before, after), before, after, synced),
    ...delivery(scenario, collected, before, collectedAt),
  };
}

function perPublisher({ step, messages, rate, timeMs, publishers }) {
  const all = step === 'publish' ? messages : (rate * timeMs) / 1_000;
  return Math.ceil(all / publishers);
}

function judge(loads, used, before, after, synced) {
  const { acknowledged, elapsedMs, latencies, lags } = loads;
  return {
    acknowledged,
    unanswered: (loads.lags ?? latencies).length - latencies.length,
    rate: (acknowledged / elapsedMs) * 1_000,
    cpuUs: used.serverUs / acknowledged,
    /** Parts of one processor. */
    serverCores: used.serverUs / used.elapsedUs,
    generatorCores: used.generatorUs / used.elapsedUs,
    kernelCores: used.kernelUs / used.elapsedUs,
    others: used.others,
    diskBytes: (synced.diskBytes - before.diskBytes) / acknowledged,
    /** Without the final sync. */
    flushes: (after.flushes - before.flushes) / acknowledged,
    latency: percentiles(latencies),
    lag: percentiles(lags ?? []),
  };
}

function delivery(scenario, collected, before, at) {
  const { received, elapsedMs, lost, again, againWithoutDup } = collected;
  return {
    received,
    lost,
    again,
    againWithoutDup,
    /** Online: from the first message to the last delivery; offline: from the first CONNECT to the last delivery. */
    deliveryRate: scenario.isOnline
      ? (received / (at.atMs - before.atMs)) * 1_000
      : (received / elapsedMs) * 1_000,
  };
}

/** @param {import('../lib/machine.mjs').Spare} spare */
export function run(scenario, server, generator, spare) {
  return spare.quietest(() => runOnce(scenario, server, generator, spare));
}

/** Lets a server warm up: compilers, caches, the first growth of its files. */
export async function warmUp(server, generator, isQuick) {
  const [first] = scenarios(isQuick);
  for (const isOnline of [false, true]) {
    const scenario = { ...first, isOnline, messages: 10_000, timeMs: 500 };
    await runOnce(scenario, server, generator, new Spare(0));
  }
}
