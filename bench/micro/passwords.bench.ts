// What logins with a password cost: one derivation of each kind in one thread, from asking to its answer, and a login that is
// remembered. `npm run bench:micro -- passwords`. While one thread hashes, the loop that serves clients should not notice: how
// late it is meanwhile stands beside it.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { CredentialCache } from '../../src/auth/passwords/credentials.ts';
import { PasswordHasher } from '../../src/auth/passwords/hasher.ts';
import {
  createPasswordHash,
  type HashOptions,
  ITERATIONS,
  MACHINE_ITERATIONS,
} from '../../src/auth/passwords/password-hash.ts';
import { SYSTEM_CLOCK } from '../../src/lib/clock.ts';
import { medianOf, round } from './timing.ts';

const PASSWORD = new TextEncoder().encode('correct horse battery staple');
/** Of each kind, after one that starts the thread. */
const SECONDS = 2;
const NANOSECONDS_PER_MILLISECOND = 1e6;

const KINDS: readonly (readonly [string, HashOptions])[] = [
  ['$6$, SHA-512 once', { algorithm: 'sha512' }],
  ['$7$ of Mosquitto 2.0, 101 rounds', { iterations: 101 }],
  [`$7$ of --machine, ${MACHINE_ITERATIONS} rounds`, { iterations: MACHINE_ITERATIONS }],
  [`$7$, ${ITERATIONS} rounds`, { iterations: ITERATIONS }],
  ['$argon2id$ of Mosquitto 2.1, 46 MiB', { algorithm: 'argon2id' }],
];

const hasher = new PasswordHasher({ workers: 1 });
console.log('one derivation in one thread, and the lateness of the loop meanwhile');
for (const [name, options] of KINDS) {
  const hash = await createPasswordHash(hasher, PASSWORD, options);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const startMs = performance.now();
  let count = 0;
  while (performance.now() - startMs < SECONDS * 1_000) {
    await hasher.verify(hash, PASSWORD, () => false);
    count++;
  }
  const ms = (performance.now() - startMs) / count;
  delay.disable();
  const late = delay.percentile(99) / NANOSECONDS_PER_MILLISECOND;
  console.log(
    `  ${name.padEnd(40)} ${ms.toFixed(3).padStart(9)} ms ${round(1_000 / ms)} a second   p99 ${late.toFixed(1)} ms late`,
  );
}

const cache = new CredentialCache({ clock: SYSTEM_CLOCK, ttlMs: 600_000, entriesMax: 10_000 });
const hash = await createPasswordHash(hasher, PASSWORD, { iterations: 1 });
await hasher.close();
for (let i = 0; i < 10_000; i++) cache.add('file', `user-${i}`, PASSWORD, hash);
const names = Array.from({ length: 1_000 }, (_, i) => `user-${i * 7}`);
const cached = medianOf(50, names.length, () => {
  for (const name of names) cache.has('file', name, PASSWORD, hash);
});
console.log(`\na login that is remembered, of 10,000   ${round(cached)} ns`);
