// The load generator: `npm run bench`, or `npm run bench -- pairs -n 100 --qos 1`; `-- --help` lists everything. Tables go to
// stdout, what is going on to stderr. Exit code 0: done; 1: it could not be done, or something was lost, doubled or out of order
// that must not be; 2: wrong command line.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeMachine, isInMemory } from '../lib/machine.mjs';
import { temporaryFolder } from '../lib/processes.mjs';
import { runAccess } from './access.mjs';
import { ACCESS_VARIANTS, withAccess } from './access-variants.mjs';
import { throwAwayCertificate } from './certificate.mjs';
import { comparison } from './comparison.mjs';
import { TargetError, UsageError } from './errors.mjs';
import { Fleet } from './fleet.mjs';
import { runConnect, runRetained } from './idle.mjs';
import { violationsOf } from './integrity.mjs';
import { LOGIN_VARIANTS, STORM_VARIANTS } from './login-variants.mjs';
import { runLogin, runLoginStorm } from './logins.mjs';
import { OBSERVED_VARIANTS } from './observed-variants.mjs';
import { HELP, parseOptions, settle } from './options.mjs';
import { tables, warningsOf } from './report.mjs';
import { runSlow, startSlow } from './slow.mjs';
import { IOTHUB, placeHere, runningServer, startServer } from './target.mjs';
import { runSubscriptions, runTraffic } from './traffic.mjs';
import { hasFrames, hasTls } from './wire.mjs';

const RUNS = {
  pairs: runTraffic,
  fanout: runTraffic,
  fanin: runTraffic,
  mixed: runTraffic,
  connect: runConnect,
  retained: runRetained,
  subscriptions: runSubscriptions,
  slow: runSlow,
  access: runAccess,
  observed: runTraffic,
  login: runLogin,
  'login-storm': runLoginStorm,
};

/** All scenarios but those that compare, none for long. */
const SUITE = [
  { scenario: 'pairs', qos: 0 },
  { scenario: 'pairs', qos: 1 },
  { scenario: 'pairs', qos: 2 },
  { scenario: 'pairs', qos: 1, rate: 5_000 },
  { scenario: 'fanout', qos: 0 },
  { scenario: 'fanout', qos: 1 },
  { scenario: 'fanin', qos: 1 },
  { scenario: 'mixed', qos: 1 },
  { scenario: 'connect' },
  { scenario: 'retained', qos: 1 },
  { scenario: 'subscriptions' },
  { scenario: 'slow' },
];
const SUITE_SECONDS = { duration: 2, warmup: 1, hold: 1 };

/** Where a message costs least, where most, and where much is done for one. */
const THREE_LOADS = [
  { traffic: 'pairs', n: 10, qos: 0, window: 64 },
  { traffic: 'pairs', n: 100, qos: 1 },
  { traffic: 'fanout', n: 50, qos: 0, window: 64 },
];
/** What is loaded in scenarios that have several loads. */
const LOADS = { access: THREE_LOADS, observed: THREE_LOADS };
/** The servers of scenarios that compare some of their own. */
const VARIANTS = {
  access: ACCESS_VARIANTS,
  observed: OBSERVED_VARIANTS,
  login: LOGIN_VARIANTS,
  'login-storm': STORM_VARIANTS,
};

const say = (line) => process.stderr.write(`${line}\n`);

/** What the command line asks for, each with all its options: of a scenario all ways to load it, one after the other. */
function entriesOf({ scenario, given, url, transports, against, reach }) {
  const wanted =
    scenario === null
      ? SUITE.map((one) => ({ ...SUITE_SECONDS, ...one }))
      : (LOADS[scenario] ?? [{}]).map((load) => ({ scenario, ...load }));
  const servers = serversOf(scenario, url, against);
  return wanted.flatMap(({ scenario: name, ...own }) => {
    const options = settle(name, { ...own, ...given });
    return transports.flatMap((transport) => {
      const load = labelOf(options, transport, reach);
      return servers.map((server) => {
        const label = servers.length === 1 ? load : `${server.name}: ${load}`;
        return { label, load, server, transport, scenario: name, options, results: [] };
      });
    });
  });
}

function serversOf(scenario, url, against) {
  const adapt = scenario === 'access' ? withAccess : (contestant) => contestant;
  if (url !== null) return [adapt({ name: 'the server' })];
  return [...(VARIANTS[scenario] ?? [IOTHUB]), ...against.map(adapt)];
}

function labelOf(options, transport, { frames }) {
  const { scenario, traffic, n, qos, rate, flood, logins, resume, window } = options;
  const hasQos = scenario !== 'connect' && scenario !== 'slow' && !scenario.startsWith('login');
  return [
    scenario,
    ...(traffic === undefined ? [] : [traffic]),
    ...(scenario === 'login-storm' ? [`--logins ${logins}`] : [`-n ${n}`]),
    ...(hasQos ? [`--qos ${qos}`] : []),
    ...(traffic === undefined ? [] : [`--window ${window}`]),
    ...(rate > 0 ? [`--rate ${rate}`] : []),
    ...(flood > 0 ? [`--flood ${flood}`] : []),
    ...(transport === 'mqtt' ? [] : [`--transport ${transport}`]),
    ...(hasFrames(transport) && frames !== 'message' ? [`--frames ${frames}`] : []),
    ...(scenario === 'connect' && resume && hasTls(transport) ? ['--resume'] : []),
  ].join(' ');
}

/** A server of its own, unless it was given one. */
async function openTarget(entry, { url, pids, reach }, folder) {
  const { scenario, server, transport, options } = entry;
  if (url !== null) return runningServer({ ...url, login: server.login ?? url.login }, pids);
  const place = placeHere(transport, reach, folder);
  if (scenario !== 'slow' || server !== IOTHUB) return startServer(server, place, options, folder);
  return startSlow(place, throwAwayCertificate(transport, folder));
}

/** One round of one entry. */
async function runOnce(entry, parsed, folder) {
  const { label, scenario, options, results, server } = entry;
  const target = await openTarget(entry, parsed, folder);
  const fleet = new Fleet(parsed.processes);
  let endObservation = () => {};
  try {
    say(label);
    endObservation = (await server.observe?.(target.folder)) ?? endObservation;
    const result = await RUNS[scenario](target, fleet, options, server);
    results.push(result);
    endObservation();
    const violations = violationsOf(result.integrity);
    if (result.isStalled) violations.push('nothing was delivered while it was measured');
    return violations.map((violation) => `${label}: ${violation}.`);
  } finally {
    fleet.stop();
    await target.stop();
  }
}

async function main(argv) {
  const parsed = parseOptions(argv, os.cpus().length);
  if (parsed.help) {
    console.log(HELP);
    return 0;
  }
  if (parsed.json !== null && !fs.existsSync(path.dirname(parsed.json))) {
    throw new UsageError(
      `--json is in the folder ${path.dirname(parsed.json)}, which does not exist.`,
    );
  }
  if (parsed.folder !== undefined && !fs.existsSync(parsed.folder)) {
    throw new UsageError(`--folder is ${parsed.folder}, which does not exist.`);
  }
  const folder = temporaryFolder(parsed.folder);
  const entries = entriesOf(parsed);
  const violations = [];
  for (let round = 1; round <= parsed.rounds; round++) {
    // There and back again, so that none is always the one after a certain other.
    const order = round % 2 === 1 ? entries : entries.toReversed();
    for (const entry of order) violations.push(...(await runOnce(entry, parsed, folder)));
  }
  const machine = describeMachine(null);
  console.log(`${machine}; generator processes: ${parsed.processes}, rounds: ${parsed.rounds}\n`);
  console.log(tables(entries));
  const compared = comparison(entries);
  if (compared !== '') console.log(`\n${compared}`);
  const isServerKnown = parsed.url === null || parsed.pids.length > 0;
  const warnings = warningsOf(entries, isServerKnown);
  if (parsed.scenario === 'login-storm' && isInMemory(folder)) {
    warnings.push(
      `What was stored went to memory, and a PUBACK waited for no disk: name a folder on one with --folder, ${os.tmpdir()} is on none.`,
    );
  }
  for (const warning of warnings) console.log(`\n${warning}`);
  if (parsed.json !== null) {
    fs.writeFileSync(parsed.json, JSON.stringify({ machine, entries, violations }, null, 1));
  }
  if (violations.length === 0) return 0;
  console.log(`\nINTEGRITY VIOLATED\n${violations.join('\n')}`);
  return 1;
}

/** Resolves with the exit code. @param {readonly string[]} argv */
export async function runCommandLine(argv) {
  try {
    return await main(argv);
  } catch (error) {
    const isUsage = error instanceof UsageError;
    say(`bench: ${isUsage || error instanceof TargetError ? error.message : error.stack}`);
    return isUsage ? 2 : 1;
  }
}

// Tests of wrong command lines call it without a process.
if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = await runCommandLine(process.argv.slice(2));
}
