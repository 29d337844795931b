// Side by side what was measured in turns: IoTHub and other servers, and one way to reach a server and another. A ratio is given
// only when all rounds of one lie on the same side of all rounds of the other; otherwise the spread exceeds the difference.

import { compare, showSpread, table } from '../lib/statistics.mjs';

const KIBIBYTE = 1_024;
const MEBIBYTE = 1_048_576;
/** What is compared of a run; of those that a scenario has. */
const TRAFFIC = [
  ['delivered/s', (r) => r.deliveredRate],
  ['server CPU µs/msg', (r) => r.cpuUs],
  ['p99 ms', (r) => r.latencies[0].p99],
  ['server MiB', (r) => r.memoryBytes / MEBIBYTE],
];
const CONNECT = [
  ['connections/s', (r) => r.connectedRate],
  ['server CPU µs each', (r) => r.cpuUs],
  ['KiB each, idle', (r) => r.bytesEach / KIBIBYTE],
];

/** @typedef {import('./report.mjs').Entry & { load: string, server: { name: string }, transport: string }} Entry */

/** Markdown; empty when there is nothing to compare. @param {readonly Entry[]} entries */
export function comparison(entries) {
  const comparable = entries.filter(({ scenario }) => scenario !== 'slow');
  const servers = [...new Set(comparable.map(({ server }) => server.name))];
  const transports = [...new Set(comparable.map(({ transport }) => transport))];
  const parts = [];
  if (servers.length > 1) parts.push(betweenServers(comparable, servers));
  if (transports.length > 1) parts.push(betweenTransports(comparable));
  return parts.join('\n\n');
}

function measuresOf(scenario) {
  return scenario === 'connect' ? CONNECT : TRAFFIC;
}

/** Of the first of them to each of the others. */
function betweenServers(entries, [first, ...others]) {
  const head = ['', '', first, ...others.flatMap((name) => [name, `${first} ÷ ${name}`])];
  const rows = entries
    .filter(({ server }) => server.name === first)
    .flatMap((one) => {
      const peers = others.map((name) =>
        entries.find(
          ({ load, server, options }) =>
            load === one.load && server.name === name && options === one.options,
        ),
      );
      return measuresOf(one.scenario).map(([what, pick], i) => {
        const values = one.results.map(pick);
        const cells = peers.flatMap(({ results }) => {
          const theirs = results.map(pick);
          return [showSpread(theirs), showRatio(values, theirs)];
        });
        return [i === 0 ? one.load : '', what, showSpread(values), ...cells];
      });
    });
  return table(head, rows);
}

/** Of each to the first of the same server and scenario. */
function betweenTransports(entries) {
  const rows = [];
  const [{ transport: first }] = entries;
  for (const one of entries) {
    if (one.transport === first) continue;
    const base = entries.find(
      ({ transport, server, options }) =>
        transport === first && server.name === one.server.name && options === one.options,
    );
    const ratioOf = ([, pick]) => showRatio(one.results.map(pick), base.results.map(pick));
    const [rate, cpu, ...others] = measuresOf(one.scenario);
    const bytes = one.scenario === 'connect' ? ratioOf(others[0]) : '';
    rows.push([one.label, ratioOf(cpu), ratioOf(rate), bytes]);
  }
  return table([`÷ ${first}`, 'server CPU each', 'rate', 'bytes of a connection'], rows);
}

function showRatio(values, others) {
  const { ratio, isDecided } = compare(values, others);
  if (!Number.isFinite(ratio)) return '–';
  return `${ratio.toFixed(2)}${isDecided ? '' : ' undecided'}`;
}
