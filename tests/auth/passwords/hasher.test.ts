import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Derivation } from '../../../src/auth/passwords/hasher.ts';
import { PasswordHasher } from '../../../src/auth/passwords/hasher.ts';
import { runNode } from '../../cli/command.ts';
import { until } from '../../kit/until.ts';
import { bytes, HASH_WORKER, hashOf, testHasher, workerProgram } from './fixture.ts';

const here = () => false;
const JOB: Derivation = { kind: 'sha512', password: bytes('p'), salt: bytes('s') };

/** Answers with the first byte of the password, or ends as that says. */
const MOODY = workerProgram(`
  import { parentPort } from 'node:worker_threads';
  parentPort.on('message', ({ password }) => {
    if (password[0] === 0x64) process.exit(3); // d
    if (password[0] === 0x74) throw new Error('no memory today'); // t
    if (password[0] === 0x66) parentPort.postMessage({ bytes: null, problem: 'no such digest' }); // f
    else if (password[0] !== 0x68) parentPort.postMessage({ bytes: password, problem: null }); // h: hangs
  });
`);

function job(password: string): Derivation {
  return { ...JOB, password: bytes(password) };
}

test('derives PBKDF2 with SHA-256 and SHA-512 of any length', async () => {
  const hasher = testHasher();
  const common = { kind: 'pbkdf2', password: bytes('password'), salt: bytes('salt') } as const;
  // RFC 7914 §11 has the one with SHA-256, of passwd; these are the widely used ones of RFC 6070 for SHA-2
  const sha256 = await hasher.derive({ ...common, digest: 'sha256', iterations: 2, length: 32 });
  expect(Buffer.from(sha256).toString('hex')).toBe(
    'ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43',
  );
  const sha512 = await hasher.derive({ ...common, digest: 'sha512', iterations: 1, length: 64 });
  expect(Buffer.from(sha512).toString('hex')).toBe(
    '867f70cf1ade02cff3752599a3a53dc4af34c7a669815ae5d513554e1c8cf252' +
      'c02d470a285a0501bad999bfe943c08f050235d7d68b1da55e63f73b60a57fce',
  );
  expect(hasher.derivations).toBe(2);
});

test('the password is copied: its bytes may be borrowed', async () => {
  const hasher = testHasher();
  const hash = await hashOf(hasher, 'secret');
  const first = hasher.verify(hash, bytes('other'), here);
  const borrowed = bytes('secret');
  const second = hasher.verify(hash, borrowed, here); // waits
  borrowed.fill(0);
  expect([await first, await second]).toEqual(['mismatch', 'match']);
});

test('beyond the queue is “busy”, and there is room again afterwards', async () => {
  const hasher = testHasher({ queueMax: 2 });
  const hash = await hashOf(hasher, 'secret');
  const checks = Array.from({ length: 5 }, () => hasher.verify(hash, bytes('secret'), here));
  expect(hasher.waiting).toBe(2);
  const busy = { name: 'HasherError', problem: 'busy' };
  await expect(hasher.derive(JOB)).rejects.toMatchObject(busy);
  expect(await Promise.all(checks)).toEqual(['match', 'match', 'match', 'busy', 'busy']);
  expect(await hasher.verify(hash, bytes('secret'), here)).toBe('match');
});

test('without a queue one job at a time is done', async () => {
  const hasher = testHasher({ queueMax: 0 });
  const jobs = [hasher.derive(JOB), hasher.derive(JOB)];
  await expect(jobs[1]).rejects.toMatchObject({ problem: 'busy' });
  expect(await jobs[0]).toHaveLength(64);
});

test('who has gone is not hashed for, and does not fill the queue', async () => {
  const hasher = testHasher({ queueMax: 2 });
  const hash = await hashOf(hasher, 'secret');
  const before = hasher.derivations;
  let isGone = false;
  const working = hasher.verify(hash, bytes('secret'), () => isGone); // has begun
  const gone = [1, 2].map(() => hasher.verify(hash, bytes('secret'), () => isGone));
  isGone = true;
  const next = hasher.verify(hash, bytes('secret'), here);
  const afterwards = hasher.verify(hash, bytes('secret'), () => true);
  expect(await working).toBe('match');
  expect(await Promise.all(gone)).toEqual(['gone', 'gone']);
  expect(await next).toBe('match');
  expect(await afterwards).toBe('gone');
  expect(hasher.derivations - before).toBe(2);
});

test('a thread that dies takes only its own job with it', async () => {
  const hasher = testHasher({ workerProgram: MOODY });
  const jobs = ['a', 'd', 'b', 't', 'c'].map((text) => hasher.derive(job(text)));
  const results = await Promise.allSettled(jobs);
  expect(results.map(({ status }) => status)).toEqual([
    'fulfilled',
    'rejected',
    'fulfilled',
    'rejected',
    'fulfilled',
  ]);
  expect(results[1]).toMatchObject({
    reason: { problem: 'failed', message: expect.stringContaining('died: it ended with code 3') },
  });
  expect(results[3]).toMatchObject({
    reason: { problem: 'failed', message: expect.stringContaining('died: no memory today') },
  });
  expect(hasher.derivations).toBe(3);
});

test('a job that fails leaves its thread in place', async () => {
  const hasher = testHasher({ workerProgram: MOODY });
  await expect(hasher.derive(job('f'))).rejects.toThrow('could not be hashed: no such digest');
  expect(await hasher.derive(job('a'))).toEqual(bytes('a'));
});

test.each([
  ['is missing', '/nowhere/hash-worker.js', /died: Cannot find module/],
  ['cannot be named so', 'hash-worker.js', /no thread to hash passwords can be had/],
  ['does not run', workerProgram('this is no program'), /died: /],
])(
  'a program of threads that %s fails each job, and the next is tried again',
  async (_name, workerProgram, message) => {
    const hasher = testHasher({ workerProgram });
    const jobs = [hasher.derive(JOB), hasher.derive(JOB)];
    for (const one of jobs) await expect(one).rejects.toThrow(message);
    await expect(hasher.derive(JOB)).rejects.toThrow(message);
  },
);

test('close() rejects what waits and what is being done, and ends the threads', async () => {
  const hasher = testHasher({ workerProgram: MOODY, workers: 2 });
  await hasher.derive(job('a'));
  const jobs = ['h', 'h', 'a', 'a'].map((text) => hasher.derive(job(text)));
  const settled = Promise.allSettled(jobs);
  await hasher.close();
  for (const result of await settled) {
    expect(result).toMatchObject({ status: 'rejected', reason: { problem: 'closed' } });
  }
  await expect(hasher.verify(await hashOf(testHasher(), 'p'), JOB.password, here)).rejects.toThrow(
    'it was closed',
  );
  await hasher.close(); // again is fine
});

test('close() of one that never worked is at once', async () => {
  await new PasswordHasher().close();
});

/** Threads of this process whose priority is lower than its own: those that hash. */
function humbleThreads(): number {
  const own = niceness(String(process.pid));
  return readdirSync('/proc/self/task').filter((thread) => niceness(thread) > own).length;
}

/** The 19th field of stat; names of threads, the second, may hold blanks. */
function niceness(thread: string): number {
  try {
    const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
  } catch {
    return Number.NEGATIVE_INFINITY; // it has ended meanwhile
  }
}

test.runIf(process.platform === 'linux')(
  'no more threads than configured, which give way to the others, and none before the first job',
  async () => {
    const hasher = testHasher({ workers: 2 });
    expect(humbleThreads()).toBe(0);
    await hasher.derive(JOB);
    expect(humbleThreads()).toBe(1);
    await Promise.all(Array.from({ length: 8 }, () => hasher.derive(JOB)));
    expect(humbleThreads()).toBe(2);
    await hasher.close();
    await until(() => humbleThreads() === 0);
  },
);

/** Runs a module with a hasher to its end; what it prints. */
async function runWithHasher(code: string): Promise<string> {
  const hasherModule = new URL('./hasher.js', `file://${HASH_WORKER}`);
  const source = `
    import { PasswordHasher } from ${JSON.stringify(hasherModule.href)};
    const hasher = new PasswordHasher({ workers: 2 });
    const job = { kind: 'pbkdf2', digest: 'sha512', iterations: 1000, length: 64,
      password: Buffer.from('p'), salt: Buffer.from('s') };
    ${code}`;
  const { exitCode, stdout, stderr } = await runNode(['--input-type=module', '-e', source]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  return stdout.trim();
}

test('idle threads do not keep the process alive, and a job in the works does', async () => {
  const printed = await runWithHasher(`
    await Promise.all([hasher.derive(job), hasher.derive(job)]);
    hasher.derive(job).then(({ length }) => console.log(length, hasher.derivations));`);
  expect(printed).toBe('64 3');
});

test('the hash that is compared may have any length', async () => {
  const hasher = testHasher();
  const hash = await hashOf(hasher, 'secret');
  const cut = { ...hash, hash: hash.hash.slice(0, 32) };
  expect(await hasher.verify(cut, bytes('secret'), here)).toBe('match');
  const sha512 = await hashOf(hasher, 'secret', { algorithm: 'sha512' });
  const cutSha512 = { ...sha512, hash: sha512.hash.slice(0, 32) };
  expect(await hasher.verify(cutSha512, bytes('secret'), here)).toBe('mismatch');
});
