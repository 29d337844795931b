// Durable messaging, IoTHub against its peers: `npm run bench:durable`, or with `-- --quick` in two minutes. docs/benchmarks.md
// says what is measured, how, and what came out. Tables go to stdout, what is going on to stderr.
//
//   --quick            one short round of most of it
//   --rounds N         default 5
//   --only a,b         servers whose key begins so
//   --scenarios a,b    scenarios by their key; `clean`, `stalls`, `syncs` are some too
//   --folder DIR       where the data folders are made, on a disk; default: the system's temporary folder
//   --spare N          minutes to wait for a quiet machine and repeat disturbed runs, in all; default 2
//   --json FILE        also writes every run there

import fs from 'node:fs';
import { parseArgs } from 'node:util';
import { describeMachine, isInMemory, Spare } from '../lib/machine.mjs';
import { Generator, Server, temporaryFolder } from '../lib/processes.mjs';
import { allBrokers, copyOfIotHub } from './brokers.mjs';
import { cleanPairs, countSyncs, stalls } from './iothub-only.mjs';
import { goals, loadTables, printClean, printStalls, printSyncs } from './report.mjs';
import { run, scenarios, warmUp } from './scenarios.mjs';

const GENERATOR = new URL('generator.mjs', import.meta.url);

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    only: { type: 'string' },
    scenarios: { type: 'string' },
    folder: { type: 'string' },
    spare: { type: 'string' },
    json: { type: 'string' },
  },
});
const isQuick = options.quick;
const rounds = Number(options.rounds ?? (isQuick ? 1 : 5));
const startMs = performance.now();
const folder = temporaryFolder(options.folder);
if (isInMemory(folder)) {
  throw new Error(`${folder} is memory, not a disk: name another folder with --folder`);
}
const iotHubMain = copyOfIotHub(folder);
const wanted = options.scenarios?.split(',') ?? null;

const isWanted = (key) => wanted === null || wanted.some((name) => key.startsWith(name));
const elapsedS = () => (performance.now() - startMs) / 1_000;
const spareMs = Number(options.spare ?? (isQuick ? 0 : 2)) * 60_000;
/** The parts that concern IoTHub alone get a fifth of it, every round of the comparison as much as the next one. */
const spare = new Spare(spareMs / 5);
const say = (line) => process.stderr.write(`${elapsedS().toFixed(0).padStart(4)} s  ${line}\n`);

const brokers = allBrokers(folder, iotHubMain).filter(
  ({ key }) => options.only === undefined || options.only.split(',').some((o) => key.startsWith(o)),
);
const chosen = scenarios(isQuick).filter(({ key }) => isWanted(key));

/** @type {{ broker: string, scenario: string, round: number, result: object }[]} */
const runs = [];

/** All scenarios on one server. */
async function visit(broker, round, spareOfRound) {
  const server = await new Server(broker, folder).start();
  const generator = new Generator(GENERATOR);
  try {
    await warmUp(server, generator, isQuick);
    for (const scenario of chosen) {
      const result = await run(scenario, server, generator, spareOfRound);
      runs.push({ broker: broker.key, scenario: scenario.key, round, result });
      say(
        `${round} ${broker.name}, ${scenario.key}: ${Math.round(result.rate)}/s, ${result.cpuUs.toFixed(1)} µs, others ${Math.round(result.others * 100)} %, tries ${result.tries}, lost ${result.lost}, again ${result.again}`,
      );
    }
  } catch (error) {
    say(`${broker.name}: ${error.stack}\n${server.lastLines()}`);
    process.exitCode = 1;
  } finally {
    generator.stop();
    await server.stop();
  }
}

async function compareAll() {
  for (let round = 1; round <= rounds; round++) {
    // In another order every time, so that nobody always runs after the same one.
    const order = brokers.map((_, i) => brokers[(i + (round - 1) * 3) % brokers.length]);
    const spareOfRound = new Spare((spareMs * 0.8) / rounds);
    for (const broker of order) await visit(broker, round, spareOfRound);
  }
}

async function lookAtStalls() {
  const shapes = [
    { messages: 100_000, subscribers: 20, publishers: 20, window: 50 },
    { messages: 100_000, subscribers: 1, publishers: 20, window: 50 },
  ];
  const found = [];
  for (const shape of isQuick ? shapes.slice(0, 1) : shapes) {
    const results = [];
    for (let i = 0; i < (isQuick ? 1 : 5); i++) {
      results.push(await stalls(iotHubMain, folder, shape, spare));
    }
    found.push({ shape, results });
    say(`event loop, 100,000 messages for ${shape.subscribers}`);
  }
  return found;
}

async function lookAtSyncs() {
  const batches = { window: 50, publishers: 20, messages: isQuick ? 4_000 : 10_000 };
  const loads = isQuick ? [batches] : [batches, { window: 1, publishers: 1, messages: 200 }];
  const found = [];
  for (const broker of brokers) {
    for (const load of loads) {
      found.push({ broker, load, count: await countSyncs(broker, folder, load) });
    }
    say(`syncs of ${broker.name}`);
  }
  return found;
}

console.log(`${describeMachine(folder)}\n`);
for (const { name, version, promise } of brokers) {
  console.log(`* ${name} ${version}; PUBACK: ${promise}`);
}
if (chosen.length > 0) await compareAll();
const hasIotHub = brokers.some(({ key }) => key.startsWith('iothub'));
let clean = null;
let stalled = null;
let syncs = null;
if (hasIotHub && isWanted('clean')) {
  const timeMs = isQuick ? 500 : 1_000;
  clean = await cleanPairs(iotHubMain, folder, { rounds: isQuick ? 3 : 9, timeMs, spare });
  say('clean sessions');
}
if (hasIotHub && isWanted('stalls')) stalled = await lookAtStalls();
if (isWanted('syncs')) syncs = await lookAtSyncs();

console.log(loadTables(brokers, chosen, runs));
if (syncs !== null) console.log(printSyncs(syncs));
if (clean !== null) console.log(printClean(clean));
if (stalled !== null) console.log(printStalls(stalled));
console.log(goals(runs, clean, stalled));
if (options.json !== undefined) {
  fs.writeFileSync(options.json, JSON.stringify({ runs, clean, stalled, syncs }, null, 1));
}
if (runs.some(({ result }) => result.lost > 0)) process.exitCode = 1;
say('done');
