// All crash tests, two at a time where they do not measure time, about a minute and a half. Each ends by itself, says its seed
// and can be run alone. An argument makes them longer: `npm run test:crash -- 5` takes about five times as long; SEED repeats.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { SEED, say } from './kit.mjs';

const FACTOR = Number(process.argv[2] ?? 1);
const times = (number) => String(Math.round(number * FACTOR));

/** Resolves with whether it went well. */
function run(name, ...args) {
  const file = fileURLToPath(new URL(`${name}.mjs`, import.meta.url));
  const child = spawn(process.execPath, [file, ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, SEED: String(SEED) },
  });
  children.add(child);
  return new Promise((resolve) => {
    child.once('exit', (code) => {
      children.delete(child);
      if (code !== 0) {
        failed.push(`SEED=${SEED} node tests/crash/${[`${name}.mjs`, ...args].join(' ')}`);
      }
      resolve();
    });
  });
}

const children = new Set();
const failed = [];
process.on('exit', () => {
  for (const child of children) child.kill('SIGTERM'); // it takes its own with it
});

const startedMs = performance.now();
const others = async () => {
  await run('store-cut', times(5));
  await run('faults', times(6));
};
await Promise.all([run('crash', times(20), 'always'), others()]);
await run('sessions');
await run('power');
await Promise.all([run('crash', times(6), 'relaxed'), run('full-disk')]);
const seconds = Math.round((performance.now() - startedMs) / 1_000);
for (const line of failed) say(`FAILED: ${line}`);
say(`crash tests: ${failed.length === 0 ? 'ok' : 'FAILED'} in ${seconds} s, SEED=${SEED}`);
process.exit(failed.length === 0 ? 0 : 1);
