// Side by side what was measured in turns: IoTHub and other servers, and one way to reach a server and another. A ratio is given
// only when all rounds of one lie on the same side of all rounds of the other; otherwise the spread exceeds the difference.

import { compare, showSpread, table } from '../lib/statistics.mjs';

import { COMPARING } from './options.mjs';

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
const LOGIN = [
  ['server CPU µs each', (r) => r.cpuUs],
  ['connections/s', (r) => r.connectedRate],
];
const LOGIN_STORM = [
  ['PUBACK p50 ms', (r) => r.latencies[0].p50],
  ['p99', (r) => r.latencies[0].p99],
  ['max', (r) => r.latencies[0].max],
];
const MEASURES = { access: TRAFFIC, connect: CONNECT, login: LOGIN, 'login-storm': LOGIN_STORM };
/** What access control may cost a message, of topics whose decisions are remembered; and what being seen may. */
const GOALS = { access: 1.05, observed: 1.03 };

/** @typedef {import('./report.mjs').Entry & { load: string, server: { name: string }, transport: string }} Entry */

/** Markdown; empty when there is nothing to compare. @param {readonly Entry[]} entries */
export function comparison(entries) {
  const comparable = entries.filter(({ scenario }) => scenario !== 'slow');
  const servers = [...new Set(comparable.map(({ server }) => server.name))];
  const transports = [...new Set(comparable.map(({ transport }) => transport))];
  const parts = [];
  if (servers.length > 1) parts.push(betweenServers(comparable, servers));
  if (transports.length > 1) parts.push(betweenTransports(comparable));
  for (const [scenario, ratioMax] of Object.entries(GOALS)) {
    const own = comparable.filter((entry) => entry.scenario === scenario && entry.server.configure);
    const goals = goalsOf(own, ratioMax);
    if (goals !== '') parts.push(goals);
  }
  return parts.join('\n\n');
}

function measuresOf(scenario) {
  return MEASURES[scenario] ?? TRAFFIC;
}

/** Of the first of them to each of the others; where variants of one are compared, of each of the others to the first. */
function betweenServers(entries, [first, ...others]) {
  const isCost = COMPARING.includes(entries[0].scenario);
  const ratioTo = (name) => (isCost ? `÷ ${first}` : `${first} ÷ ${name}`);
  const head = ['', '', first, ...others.flatMap((name) => [name, ratioTo(name)])];
  const rows = entries
    .filter(({ server }) => server.name === first)
    .flatMap((one) => {
      const peers = others.map((name) => peerOf(entries, one, name));
      return measuresOf(one.scenario).map(([what, pick], i) => {
        const values = one.results.map(pick);
        const cells = peers.flatMap(({ results }) => {
          const theirs = results.map(pick);
          const ratio = isCost ? showRatio(theirs, values) : showRatio(values, theirs);
          return [showSpread(theirs), ratio];
        });
        return [i === 0 ? one.load : '', what, showSpread(values), ...cells];
      });
    });
  return table(head, rows);
}

/** The same load on another server. */
function peerOf(entries, one, name) {
  return entries.find(
    ({ load, server, options }) =>
      load === one.load && server.name === name && options === one.options,
  );
}

/** What became of the goal for each variant of a scenario; empty if there was none. */
function goalsOf(own, ratioMax) {
  const [base = null, ...variants] = [...new Set(own.map(({ server }) => server.name))];
  if (variants.length === 0) return '';
  const rows = own
    .filter(({ server }) => server.name === base)
    .map((one) => [
      one.load,
      ...variants.map((name) => goalOf(one, peerOf(own, one, name), ratioMax)),
    ]);
  const goal = `at most ${ratioMax} × the CPU per message of ${base}`;
  return table([goal, ...variants], rows);
}

function goalOf(base, { results }, ratioMax) {
  const values = results.map((r) => r.cpuUs);
  const most = base.results.map((r) => r.cpuUs * ratioMax);
  const { ratio, isDecided } = compare(values, most);
  if (!Number.isFinite(ratio)) return '–';
  const verdict = ratio <= 1 ? 'met' : 'MISSED';
  return `${(ratio * ratioMax).toFixed(3)} × ${verdict}${isDecided ? '' : ', undecided'}`;
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
