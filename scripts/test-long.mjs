// What .ci/run tries for a minute, for longer: random tests with more runs, then the soak, the overload and the crash tests, one
// after the other. Usage: npm run test:long [-- TIMES], so many times as long as in CI: ten, about fifty minutes. Each ends by
// itself, and a failure says its seed; one that fails does not hide the ones after it.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const TIMES = Number(process.argv[2] ?? 10);
const HELPER = 'kit/runs.ts';
const HOUR_MS = 3_600_000;
/** What they take in CI; see there. */
const SOAK_SECONDS = 30;
const OVERLOAD_SECONDS = 40;

if (!(TIMES > 0)) {
  console.error(`npm run test:long -- TIMES: a number, not ${JSON.stringify(process.argv[2])}.`);
  process.exit(2);
}

/** The files whose number of runs can be told. */
function randomTests() {
  const files = fs
    .readdirSync('tests', { recursive: true })
    .filter((file) => /\.test\.ts$/.test(file));
  return files
    .map((file) => path.join('tests', file))
    .filter((file) => fs.readFileSync(file, 'utf8').includes(`${HELPER}'`));
}

const vitest = ['node_modules/vitest/vitest.mjs', 'run', `--testTimeout=${HOUR_MS}`];
const seconds = (count) => ({ SOAK_SECONDS: String(Math.ceil(count * TIMES)) });
const stages = [
  ['random', [...vitest, ...randomTests()], { TEST_RUNS_FACTOR: String(TIMES) }],
  ['soak', ['tests/soak/soak.mjs'], seconds(SOAK_SECONDS)],
  ['overload', ['tests/soak/overload.mjs'], seconds(OVERLOAD_SECONDS)],
  ['crash', ['tests/crash/all.mjs', String(TIMES)], {}],
];

const failed = [];
for (const [name, args, variables] of stages) {
  const startedMs = performance.now();
  console.log(`=== ${name}, ${TIMES} times as long as in CI`);
  const env = { ...process.env, ...variables };
  const { status, signal } = spawnSync(process.execPath, args, { stdio: 'inherit', env });
  const took = `${Math.round((performance.now() - startedMs) / 1_000)} s`;
  console.log(`=== ${name}: ${status === 0 ? 'ok' : `FAILED with ${signal ?? status}`}, ${took}`);
  if (status !== 0) failed.push(name);
}
console.log(failed.length === 0 ? 'ok' : `failed: ${failed.join(' ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;
