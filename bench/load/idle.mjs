// The scenarios in which no stream of messages flows, as the parent sees them: connections that come, stay and go; retained
// messages that are set, fetched and deleted.

import { Histogram } from '../lib/histogram.mjs';
import { nowMs } from '../lib/monotonic.mjs';
import { sleep } from '../lib/processes.mjs';
import { byQos, NOTHING_WRONG } from './integrity.mjs';
import { newPrefix, Span } from './measure.mjs';
import { sumOf } from './traffic.mjs';
import { hasTls } from './wire.mjs';

/** All connect; rates and costs of that. */
export async function storm(target, fleet, plan) {
  const { n } = plan;
  const span = new Span(target, fleet).begin();
  const startMs = nowMs();
  const found = await fleet.all('storm', plan);
  const elapsedMs = nowMs() - startMs;
  const used = span.end();
  const latencies = new Histogram();
  for (const one of found) latencies.add(Histogram.from(one.latencies));
  return {
    connectedRate: (n / elapsedMs) * 1_000,
    cpuUs: used.serverUs / n,
    serverCores: used.serverCores,
    others: used.others,
    generatorCores: Math.max(...found.map(({ cpuUs }) => cpuUs / (elapsedMs * 1_000))),
    latencies: [{ name: 'CONNACK', ...latencies.percentiles() }],
    resumed: sumOf(found, 'resumed'),
  };
}

/** connect */
export async function runConnect(target, fleet, options) {
  const { n, hold, settle } = options;
  const { place } = target;
  const resume = options.resume && hasTls(place.protocol);
  const plan = { ...options, ...place, resume, prefix: newPrefix() };
  if (resume) await fleet.all('agree', plan);
  const span = new Span(target, fleet);
  const emptyBytes = span.memory();
  const { resumed, ...measured } = await storm(target, fleet, plan);
  await sleep(hold * 1_000);
  const fullBytes = span.memory();
  const closed = (await fleet.all('closed')).reduce((sum, count) => sum + count, 0);
  await fleet.all('leave');
  await sleep(settle * 1_000);
  return {
    ...measured,
    memoryBytes: fullBytes,
    bytesEach: (fullBytes - emptyBytes) / n,
    leftBytesEach: (span.memory() - emptyBytes) / n,
    resumedPart: hasTls(place.protocol) ? resumed / n : Number.NaN,
    isStalled: false,
    integrity: {
      ...NOTHING_WRONG,
      failures: closed === 0 ? [] : [`${closed} idle connections were closed by the server`],
    },
  };
}

/** retained */
export async function runRetained(target, fleet, options) {
  const { n } = options;
  const plan = { ...options, ...target.place, prefix: newPrefix() };
  const span = new Span(target, fleet).begin();
  const emptyBytes = span.memory();
  const set = await fleet.first('retain', plan);
  const usedToSet = span.end();
  const fullBytes = span.memory();
  span.begin();
  const found = await fleet.first('fetchRetained', plan);
  const usedToFetch = span.end();
  await fleet.first('clearRetained', plan);
  const { received, duplicates, damaged } = found;
  return {
    deliveredRate: (received / found.elapsedMs) * 1_000,
    cpuUs: usedToFetch.serverUs / received,
    serverCores: usedToFetch.serverCores,
    generatorCores: found.cpuUs / (usedToFetch.elapsedMs * 1_000),
    others: Math.max(usedToSet.others, usedToFetch.others),
    latencies: [{ name: 'since SUBSCRIBE', ...Histogram.from(found.latencies).percentiles() }],
    memoryBytes: fullBytes,
    setUp: {
      retainedRate: (n / set.elapsedMs) * 1_000,
      cpuUsEach: usedToSet.serverUs / n,
      bytesEach: (fullBytes - emptyBytes) / n,
    },
    isStalled: false,
    integrity: {
      ...NOTHING_WRONG, // there is no order between topics
      sent: n,
      expected: n,
      received,
      lost: byQos(options.qos, n - received),
      duplicates: byQos(options.qos, duplicates),
      damaged,
      refused: set.refused,
    },
  };
}
