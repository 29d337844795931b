// Hashes passwords in threads of its own, beside the loop that serves clients and beside libuv's pool, which the commits of the
// store need. As many at a time as there are threads, the others wait in a bounded queue; who has gone when his turn comes is
// left out. Threads start with the first job, do not keep the process alive while they are idle, and one that dies takes only
// the job with it that it was at.

import { timingSafeEqual } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { WorkerAnswer } from './hash-worker.ts';
import { type PasswordHash, passwordProblem } from './password-hash.ts';

export interface HasherOptions {
  /** Threads; default: one less than the machine has cores, at least 1, at most 4. */
  readonly workers?: number;
  /** Jobs that may wait; default 1,000. */
  readonly queueMax?: number;
  /** The program of the threads; default: the one that was built with this. */
  readonly workerProgram?: URL | string;
}

export interface Pbkdf2Derivation {
  readonly kind: 'pbkdf2';
  readonly digest: 'sha256' | 'sha512';
  readonly password: Uint8Array;
  readonly salt: Uint8Array;
  readonly iterations: number;
  /** Bytes that are wanted. */
  readonly length: number;
}

export interface Sha512Derivation {
  readonly kind: 'sha512';
  readonly password: Uint8Array;
  readonly salt: Uint8Array;
}

export interface Argon2Derivation {
  readonly kind: 'argon2id';
  readonly password: Uint8Array;
  readonly salt: Uint8Array;
  readonly memoryKiB: number;
  readonly passes: number;
  readonly lanes: number;
  /** Bytes that are wanted. */
  readonly length: number;
}

/** What a thread is asked for. */
export type Derivation = Pbkdf2Derivation | Sha512Derivation | Argon2Derivation;

/** `busy`: the queue is full. `gone`: whoever asked has gone, or is not welcome any more, when its turn comes. */
export type PasswordCheck = 'match' | 'mismatch' | 'busy' | 'gone';

/** A derivation that was not done: no room in the queue, a thread that died, or the hasher is closed. */
export class HasherError extends Error {
  override readonly name = 'HasherError';
  readonly problem: 'busy' | 'failed' | 'closed';

  constructor(problem: 'busy' | 'failed' | 'closed', message: string) {
    super(message);
    this.problem = problem;
  }
}

interface Job {
  readonly derivation: Derivation;
  readonly isGone: () => boolean;
  readonly isUnwelcome: () => boolean;
  /** null: it was gone. */
  readonly resolve: (bytes: Uint8Array | null) => void;
  readonly reject: (error: HasherError) => void;
}

/** A thread, and what it is at. */
interface Thread {
  readonly worker: Worker;
  job: Job | null;
}

const WORKERS_MAX = 4;
const QUEUE_MAX = 1_000;
const NEVER = (): boolean => false;

export class PasswordHasher {
  readonly #workersMax: number;
  readonly #queueMax: number;
  readonly #program: URL | string;
  readonly #threads: Thread[] = [];
  #queue: Job[] = [];
  #derivations = 0;
  #isClosed = false;

  constructor({ workers, queueMax = QUEUE_MAX, workerProgram }: HasherOptions = {}) {
    const cores = availableParallelism();
    this.#workersMax = workers ?? Math.max(1, Math.min(WORKERS_MAX, cores - 1));
    this.#queueMax = queueMax;
    this.#program = workerProgram ?? new URL('./hash-worker.js', import.meta.url);
  }

  /** How many were done, for whatever result. */
  get derivations(): number {
    return this.#derivations;
  }

  /** How many wait for a thread. */
  get waiting(): number {
    return this.#queue.length;
  }

  /**
   * Whether the password is the one that was hashed, compared in constant time. One that is nobody's is a mismatch without being
   * hashed: PBKDF2 knows no difference between `secret` and `secret` with NULs behind it. `isGone` is asked of all who wait when
   * room is looked for, `isUnwelcome` only of whose turn it is. Rejects with HasherError.
   */
  async verify(
    hash: PasswordHash,
    password: Uint8Array,
    isGone: () => boolean,
    isUnwelcome: () => boolean = NEVER,
  ): Promise<PasswordCheck> {
    if (passwordProblem(password) !== null) return 'mismatch';
    let bytes: Uint8Array | null;
    try {
      bytes = await this.#enqueue(derivationOf(hash, password), isGone, isUnwelcome);
    } catch (error) {
      if (error instanceof HasherError && error.problem === 'busy') return 'busy';
      throw error;
    }
    if (bytes === null) return 'gone';
    const isEqual = bytes.length === hash.hash.length && timingSafeEqual(bytes, hash.hash);
    return isEqual ? 'match' : 'mismatch';
  }

  /** The derived bytes. Rejects with HasherError, also when the queue is full. */
  async derive(derivation: Derivation): Promise<Uint8Array> {
    const bytes = await this.#enqueue(derivation, NEVER, NEVER);
    return bytes ?? new Uint8Array(0); // nobody is never gone
  }

  /** The bytes that this password has instead of those in `hash`, with the same salt and cost. Rejects with HasherError. */
  hash(hash: PasswordHash, password: Uint8Array): Promise<Uint8Array> {
    return this.derive(derivationOf(hash, password));
  }

  /** Ends the threads; what waits or is being done is rejected. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const waiting = this.#queue;
    this.#queue = [];
    for (const job of waiting) job.reject(closed());
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  #enqueue(
    derivation: Derivation,
    isGone: () => boolean,
    isUnwelcome: () => boolean,
  ): Promise<Uint8Array | null> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return reject(closed());
      if (!this.#hasRoom()) {
        return reject(new HasherError('busy', 'too many passwords wait to be hashed'));
      }
      const owned = { ...derivation, password: derivation.password.slice() }; // it may be borrowed
      this.#queue.push({ derivation: owned, isGone, isUnwelcome, resolve, reject });
      this.#next();
    });
  }

  /** Whether one more may wait, or need not wait at all. Those who have gone make room. */
  #hasRoom(): boolean {
    const mayStart = this.#queue.length === 0 && this.#threads.length < this.#workersMax;
    if (mayStart || this.#idle() !== null || this.#queue.length < this.#queueMax) return true;
    const waiting: Job[] = [];
    for (const job of this.#queue) {
      if (job.isGone()) job.resolve(null);
      else waiting.push(job);
    }
    this.#queue = waiting;
    return waiting.length < this.#queueMax;
  }

  #idle(): Thread | null {
    return this.#threads.find((thread) => thread.job === null) ?? null;
  }

  /** Gives what waits to threads that are free, or that may be started. */
  #next(): void {
    while (this.#queue.length > 0) {
      const idle = this.#idle();
      if (idle === null && this.#threads.length >= this.#workersMax) return;
      const job = this.#queue.shift();
      if (job === undefined) return;
      if (job.isGone() || job.isUnwelcome()) job.resolve(null);
      else this.#begin(job, idle);
    }
  }

  #begin(job: Job, idle: Thread | null): void {
    try {
      const thread = idle ?? this.#start();
      thread.worker.postMessage(job.derivation);
      thread.worker.ref(); // whoever awaits a result gets it
      thread.job = job;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      job.reject(new HasherError('failed', `no thread to hash passwords can be had: ${reason}`));
    }
  }

  #start(): Thread {
    const worker = new Worker(this.#program, { execArgv: [], env: {}, name: 'passwords' });
    const thread: Thread = { worker, job: null };
    worker.on('message', (answer: WorkerAnswer) => this.#onAnswer(thread, answer));
    worker.on('error', (error) => this.#onDeath(thread, error.message));
    worker.on('exit', (code) => this.#onDeath(thread, `it ended with code ${code}`));
    worker.unref();
    this.#threads.push(thread);
    return thread;
  }

  #onAnswer(thread: Thread, { bytes, problem }: WorkerAnswer): void {
    const { job } = thread;
    thread.job = null;
    thread.worker.unref();
    if (bytes !== null) this.#derivations++;
    if (bytes !== null) job?.resolve(bytes);
    else job?.reject(new HasherError('failed', `a password could not be hashed: ${problem}`));
    this.#next();
  }

  /** Another one takes its place with the next job. */
  #onDeath(thread: Thread, reason: string): void {
    const index = this.#threads.indexOf(thread);
    if (index === -1) return; // `error` and `exit` both tell of it
    this.#threads.splice(index, 1);
    const message = `the thread that hashes passwords died: ${reason}`;
    thread.job?.reject(this.#isClosed ? closed() : new HasherError('failed', message));
    thread.job = null;
    this.#next();
  }
}

function closed(): HasherError {
  return new HasherError('closed', 'passwords are not hashed any more: it was closed');
}

function derivationOf(hash: PasswordHash, password: Uint8Array): Derivation {
  const { salt } = hash;
  const { length } = hash.hash;
  switch (hash.algorithm) {
    case 'sha512':
      return { kind: 'sha512', password, salt };
    case 'sha512-pbkdf2':
      return {
        kind: 'pbkdf2',
        digest: 'sha512',
        password,
        salt,
        iterations: hash.iterations,
        length,
      };
    case 'argon2id': {
      const { memoryKiB, passes, lanes } = hash;
      return { kind: 'argon2id', password, salt, memoryKiB, passes, lanes, length };
    }
  }
}
