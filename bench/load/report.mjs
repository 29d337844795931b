// The tables, as Markdown: one row a scenario, of several rounds the median and the range.

import { OTHERS_MAX } from '../lib/machine.mjs';
import { median, show, showSpread, table } from '../lib/statistics.mjs';
import { SATURATED } from './measure.mjs';

const MEBIBYTE = 1_048_576;

/** Runs of one scenario with the same options. @typedef {{ label: string, scenario: string, results: object[] }} Entry */

/** @param {readonly Entry[]} entries */
export function tables(entries) {
  const flowing = entries.filter(({ scenario }) => !APART.includes(scenario));
  const parts = [];
  if (flowing.length > 0) parts.push(table(TRAFFIC_HEAD, flowing.flatMap(trafficRows)));
  const prepared = flowing.filter(({ results }) => results[0].setUp !== undefined);
  if (prepared.length > 0) parts.push(table(SET_UP_HEAD, prepared.map(setUpRow)));
  const storms = entries.filter(({ scenario }) => scenario === 'connect');
  if (storms.length > 0) parts.push(table(CONNECT_HEAD, storms.map(connectRow)));
  const logins = entries.filter(({ scenario }) => scenario === 'login');
  if (logins.length > 0) parts.push(table(LOGIN_HEAD, logins.map(loginRow)));
  const pubacks = entries.filter(({ scenario }) => scenario === 'login-storm');
  if (pubacks.length > 0) {
    parts.push(table(PUBACK_HEAD, pubacks.map(pubackRow)));
    parts.push(table(ARRIVALS_HEAD, pubacks.flatMap(arrivalsRow)));
  }
  for (const { label, results } of entries.filter(({ scenario }) => scenario === 'slow')) {
    parts.push(`${label}\n\n${results.map(slowTables).join('\n\n')}`);
  }
  return parts.join('\n\n');
}

/** They have tables of their own. */
const APART = ['connect', 'slow', 'login', 'login-storm'];

const TRAFFIC_HEAD = [
  '',
  'delivered/s',
  'p50 ms',
  'p90',
  'p99',
  'p99.9',
  'max',
  'server CPU µs/msg',
  'server · generator cores',
  'server MiB',
  'lost',
  'again',
  'out of order',
];

function trafficRows({ label, results }) {
  const of = (pick) => results.map(pick);
  const integrity = (pick) => String(of((r) => pick(r.integrity)).reduce((a, b) => a + b, 0));
  return results[0].latencies.map(({ name }, group) => {
    const p = (q) => showSpread(of((r) => r.latencies[group][q]));
    const latencies = ['p50', 'p90', 'p99', 'p999', 'max'].map(p);
    if (group > 0) return [`— ${name}`, '', ...latencies, '', '', '', '', '', ''];
    return [
      `${label}${flagsOf(results)}`,
      showSpread(of((r) => r.deliveredRate)),
      ...latencies,
      showSpread(of((r) => r.cpuUs)),
      coresOf(results),
      showSpread(of((r) => r.memoryBytes / MEBIBYTE)),
      integrity(({ lost }) => sum(lost)),
      integrity(({ duplicates }) => sum(duplicates)),
      integrity(({ outOfOrder }) => outOfOrder),
    ];
  });
}

const SET_UP_HEAD = ['set up', 'a second', 'server CPU µs each', 'server bytes each'];

function setUpRow({ label, results }) {
  const of = (pick) => results.map((r) => pick(r.setUp));
  return [
    label,
    showSpread(of(({ subscribedRate, retainedRate }) => subscribedRate ?? retainedRate)),
    showSpread(of(({ cpuUsEach }) => cpuUsEach)),
    showSpread(of(({ bytesEach }) => bytesEach)),
  ];
}

const LOGIN_HEAD = [
  '',
  'connections/s',
  'CONNACK p50 ms',
  'p99',
  'max',
  'server CPU µs each',
  'server · generator cores',
];

function loginRow({ label, results }) {
  const of = (pick) => results.map(pick);
  return [
    `${label}${flagsOf(results)}`,
    showSpread(of((r) => r.connectedRate)),
    ...['p50', 'p99', 'max'].map((q) => showSpread(of((r) => r.latencies[0][q]))),
    showSpread(of((r) => r.cpuUs)),
    coresOf(results),
  ];
}

const CONNECT_HEAD = [
  ...LOGIN_HEAD,
  'bytes each',
  'bytes each after they left',
  'handshakes resumed',
];

function connectRow({ label, results }) {
  const of = (pick) => results.map(pick);
  const isResumed = Number.isFinite(results[0].resumedPart);
  return [
    ...loginRow({ label, results }),
    showSpread(of((r) => r.bytesEach)),
    showSpread(of((r) => r.leftBytesEach)),
    isResumed ? `${show(median(of((r) => r.resumedPart)) * 100)} %` : '–',
  ];
}

const PUBACK_HEAD = [
  '',
  'acknowledged/s',
  'PUBACK p50 ms',
  'p99',
  'p99.9',
  'max',
  'sent late p99',
  'server · generator cores',
  'lost',
  'again',
];

function pubackRow({ label, results }) {
  const of = (pick) => results.map(pick);
  return [
    `${label}${flagsOf(results)}`,
    showSpread(of((r) => r.rate)),
    ...['p50', 'p99', 'p999', 'max'].map((q) => showSpread(of((r) => r.latencies[0][q]))),
    show(median(of((r) => r.sentLateMs))),
    coresOf(results),
    String(sum(of((r) => sum(r.integrity.lost)))),
    String(sum(of((r) => r.again))),
  ];
}

const ARRIVALS_HEAD = [
  'logins',
  'came',
  'let in',
  'let in/s',
  'after p50 ms',
  'p99',
  'refused as too many',
  'no answer yet',
  'failed',
];

/** None of whom nobody came to. */
function arrivalsRow({ label, results }) {
  if (results[0].logins === null) return [];
  const of = (pick) => results.map((r) => pick(r.logins));
  const spread = (pick) => showSpread(of(pick));
  return [
    [
      label,
      spread((l) => l.asked),
      spread((l) => l.done),
      spread((l) => l.doneRate),
      spread((l) => l.latency.p50),
      spread((l) => l.latency.p99),
      spread((l) => sum(Object.values(l.refused))),
      spread((l) => l.waiting),
      spread((l) => l.failures.length),
    ],
  ];
}

/** Of server and busiest generator. */
function coresOf(results) {
  const of = (pick) => show(median(results.map(pick)));
  return `${of((r) => r.serverCores)} · ${of((r) => r.generatorCores)}`;
}

const PHASE_HEAD = [
  'the pairs',
  'delivered/s',
  'p50 ms',
  'p90',
  'p99',
  'p99.9',
  'max',
  'sent late p99',
  'server cores',
  'server MiB, most',
];
const FLOOD_HEAD = [
  'the flood',
  'sent',
  'got by the subscriber',
  'dropped',
  'counted by the server',
];

function slowTables({ floods }) {
  const phases = floods.flatMap(({ qos, phases: all }) =>
    all.map((p) => [
      `${p.name}, flood at QoS ${qos}`,
      ...[p.deliveredRate, p.p50, p.p90, p.p99, p.p999, p.max, p.sentLateMs].map(show),
      show(p.serverCores),
      show(p.memoryBytes / MEBIBYTE),
    ]),
  );
  const rows = floods.map(({ qos, flood }) => [
    `QoS ${qos}`,
    ...[flood.sent, flood.received, flood.dropped].map(String),
    Number.isFinite(flood.counted) ? String(flood.counted) : 'not known',
  ]);
  return `${table(PHASE_HEAD, phases)}\n\n${table(FLOOD_HEAD, rows)}`;
}

/** `!` = others used the machine, `G` = a generator process had no time left. */
function flagsOf(results) {
  const isDisturbed = median(results.map((r) => r.others)) > OTHERS_MAX;
  const isGenerator = results.some(isSaturated);
  return `${isDisturbed ? ' !' : ''}${isGenerator ? ' G' : ''}`;
}

function isSaturated({ generatorCores }) {
  return generatorCores > SATURATED;
}

/** What to know before the numbers are believed. @param {readonly Entry[]} entries @param {boolean} isServerKnown */
export function warningsOf(entries, isServerKnown) {
  const warnings = [];
  const saturated = entries.filter(({ results }) => results.some(isSaturated));
  if (saturated.length > 0) {
    warnings.push(
      `G: a generator process used more than ${SATURATED * 100} % of a core, so the rates of ${saturated.map(({ label }) => label).join(', ')} are the generator's, not the server's; try more --processes.`,
    );
  }
  if (entries.some(({ results }) => flagsOf(results).includes('!'))) {
    warnings.push(
      `!: something else used more than ${OTHERS_MAX * 100} % of a core meanwhile; rates and latencies suffer from that.`,
    );
  }
  if (!isServerKnown) {
    warnings.push('The columns about the server are empty: give --pid with the id of its process.');
  }
  return warnings;
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
