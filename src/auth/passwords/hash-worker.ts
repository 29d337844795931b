// The thread that hashes: one job at a time, whatever comes in is answered with the derived bytes or with why not. It computes
// in this thread, never in the pool of libuv, which the commits of the store need. It gives way to the thread that serves
// clients, which matters where there are fewer cores than threads.

import { createHash, pbkdf2Sync } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { constants, getPriority, setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import type { Derivation } from './hasher.ts';

export type WorkerAnswer =
  | { readonly bytes: Uint8Array; readonly problem: null }
  | { readonly bytes: null; readonly problem: string };

/** Its priority is lower than that of the rest of the process by this. */
const WAY = 10;

async function derive(job: Derivation): Promise<Uint8Array> {
  switch (job.kind) {
    case 'sha512':
      return createHash('sha512').update(job.password).update(job.salt).digest();
    case 'pbkdf2':
      return pbkdf2Sync(job.password, job.salt, job.iterations, job.length, job.digest);
    case 'argon2id': {
      const { argon2id } = await import('hash-wasm'); // only who has such hashes needs it
      return argon2id({
        password: job.password,
        salt: job.salt,
        memorySize: job.memoryKiB,
        iterations: job.passes,
        parallelism: job.lanes,
        hashLength: job.length,
        outputType: 'binary',
      });
    }
  }
}

async function answer(job: Derivation): Promise<WorkerAnswer> {
  try {
    return { bytes: new Uint8Array(await derive(job)), problem: null };
  } catch (error) {
    return { bytes: null, problem: error instanceof Error ? error.message : 'it failed' };
  }
}

/** Linux has priorities of threads; elsewhere this thread is as important as the others. */
function giveWay(): void {
  if (process.platform !== 'linux') return;
  try {
    const thread = readlinkSync('/proc/thread-self').split('/').at(-1);
    const lowest = constants.priority.PRIORITY_LOW;
    setPriority(Number(thread), Math.min(lowest, getPriority() + WAY));
  } catch {
    // Without /proc, or where it is not allowed: it works all the same.
  }
}

giveWay();
parentPort?.on('message', (job: Derivation) => {
  answer(job).then(
    (said) => parentPort?.postMessage(said),
    (error: unknown) => {
      throw error; // ends the thread, which is noticed
    },
  );
});
