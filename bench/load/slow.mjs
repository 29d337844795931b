// The scenario `slow`: a publisher that outruns a subscriber that does not read, beside pairs at a fixed rate, before, during and
// after. The server's memory has to stay bounded, the policy of the queue drops and counts, and the pairs notice nothing.

import { Generator, sleep } from '../lib/processes.mjs';
import { Fleet, MemoryWatch } from './fleet.mjs';
import { addIntegrity } from './integrity.mjs';
import { newPrefix, Span } from './measure.mjs';
import { mergeLatencies, ratesBetween, Traffic } from './traffic.mjs';
import { hasFrames } from './wire.mjs';

const SERVER = new URL('server.mjs', import.meta.url);
/** Of the flood. */
const FLOOD_BYTES = 1_024;
/** What the server is left to itself before it counts as recovered. */
const SETTLE_MS = 500;

/**
 * IoTHub with default bounds, which can be asked what it dropped.
 * @param {import('./wire.mjs').Place} place @param {{ cert: string, key: string } | null} files for TLS
 */
export async function startSlow({ protocol, path, ...place }, files) {
  const server = new Generator(SERVER);
  const listener = {
    protocol,
    host: place.host,
    port: 0,
    ...(hasFrames(protocol) && { path }),
    ...(files !== null && { tls: files }),
  };
  const port = await server.run('serve', { listener });
  return {
    place: { ...place, protocol, path, port },
    pids: [server.pid],
    /** Messages dropped because a client does not read fast enough. */
    async drops() {
      const { dropped } = await server.run('stats');
      return dropped.output_full + dropped.queue_full + dropped.queue_oldest;
    },
    stop: async () => server.stop(),
  };
}

/** What the pairs and the server have to show for a while. */
async function phase(name, traffic, server, fleets, timeMs) {
  const memory = new MemoryWatch(server.pids, 50);
  const span = new Span(server, ...fleets);
  const before = await traffic.mark();
  span.begin();
  await sleep(timeMs);
  const used = span.end();
  const after = await traffic.mark();
  memory.stop();
  const [pairs] = mergeLatencies(after);
  return {
    name,
    ...ratesBetween(before, after, used),
    ...pairs.percentiles(),
    memoryBytes: server.pids.length === 0 ? Number.NaN : memory.max,
  };
}

/** One flood of a QoS. */
async function floodOnce(qos, server, fleet, flooders, options) {
  const { place } = server;
  const timeMs = options.duration * 1_000;
  const traffic = new Traffic(server, fleet, { ...options, scenario: 'pairs' });
  await traffic.connect();
  await traffic.subscribe();
  await traffic.start();
  await sleep(options.warmup * 1_000);
  const fleets = [fleet, flooders];
  const phases = [await phase('before', traffic, server, fleets, timeMs)];
  const droppedBefore = await server.drops();
  const { version } = options;
  const plan = { ...place, version, prefix: newPrefix(), qos, floodSize: FLOOD_BYTES };
  await flooders.first('prepareFlood', plan);
  await flooders.first('startFlood', { rate: options.flood });
  phases.push(await phase('during', traffic, server, fleets, timeMs));
  const flooded = await flooders.first('stopFlood');
  const counted = (await server.drops()) - droppedBefore;
  const slow = await flooders.first('wakeSleeper');
  await sleep(SETTLE_MS);
  await traffic.mark(); // what came meanwhile belongs to no phase
  phases.push(await phase('after', traffic, server, fleets, timeMs));
  const integrity = await traffic.finish();
  return { qos, phases, flood: { sent: flooded, counted, ...slow }, integrity };
}

/** What the subscriber got has to be what was not dropped, once each and in order. */
function whatFloodFailed({ qos, flood }) {
  const { counted, dropped, duplicates, outOfOrder, damaged, isGone } = flood;
  const failures = [];
  if (isGone) failures.push(`QoS ${qos}: the server closed the subscriber that did not read`);
  else if (Number.isFinite(counted) && counted !== dropped) {
    failures.push(
      `QoS ${qos}: the server counted ${counted} dropped messages, but ${dropped} are missing`,
    );
  }
  const wrong = duplicates + outOfOrder + damaged;
  if (wrong > 0) failures.push(`QoS ${qos}: ${wrong} flooded messages came twice, late or damaged`);
  return failures;
}

/** @param {import('./target.mjs').Target} target one that cannot be asked counts nothing */
export async function runSlow(target, fleet, options) {
  const server = { drops: async () => Number.NaN, ...target };
  const flooders = new Fleet(1);
  try {
    const floods = [];
    for (const qos of [0, 1]) floods.push(await floodOnce(qos, server, fleet, flooders, options));
    const all = floods.map(({ integrity }) => integrity);
    const integrity = addIntegrity(all);
    integrity.failures.push(...floods.flatMap(whatFloodFailed));
    const phases = floods.flatMap((flood) => flood.phases);
    return {
      floods,
      integrity,
      isStalled: phases.every(({ delivered }) => delivered === 0),
      generatorCores: Math.max(...phases.map(({ generatorCores }) => generatorCores)),
      others: Math.max(...phases.map(({ others }) => others)),
    };
  } finally {
    flooders.stop();
  }
}
