// A hasher whose thread holds every job until a test lets it go on, and then hashes for real: what waits meanwhile is known, not
// a matter of time.

import { BroadcastChannel } from 'node:worker_threads';
import { onTestFinished } from 'vitest';
import type { HasherOptions, PasswordHasher } from '../../src/auth/passwords/hasher.ts';
import { testHasher, workerProgram } from '../auth/passwords/fixture.ts';
import { turns, until } from './until.ts';

let count = 0;

const program = (name: string): string => `
  import { pbkdf2Sync } from 'node:crypto';
  import { BroadcastChannel, parentPort } from 'node:worker_threads';
  const channel = new BroadcastChannel('${name}');
  const held = [];
  channel.onmessage = ({ data }) => {
    if (data !== 'go') return;
    const { password, salt, iterations, length, digest } = held.shift();
    parentPort.postMessage({ bytes: pbkdf2Sync(password, salt, iterations, length, digest), problem: null });
  };
  parentPort.on('message', (job) => {
    held.push(job);
    channel.postMessage('held');
  });`;

export class GatedHasher {
  readonly hasher: PasswordHasher;
  /** Jobs that threads have begun with, those that are done included. */
  begun = 0;
  readonly #channel: BroadcastChannel;

  /** One thread, unless `options` say otherwise. */
  constructor(options: HasherOptions = {}) {
    const name = `gate ${process.pid} ${count++}`;
    this.hasher = testHasher({ ...options, workerProgram: workerProgram(program(name)) });
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = (event) => {
      if ((event as { data: unknown }).data === 'held') this.begun++;
    };
    onTestFinished(() => this.#channel.close());
  }

  /** Resolves when a thread is at the job of that number, from 1. */
  async isAt(job: number): Promise<void> {
    await until(() => this.begun >= job);
  }

  /** Lets the one that is held go on, and waits until it is done. */
  async go(): Promise<void> {
    const { derivations } = this.hasher;
    this.#channel.postMessage('go');
    await until(() => this.hasher.derivations > derivations);
  }

  /** Lets one after the other go on, until it is so. */
  async goUntil(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      await until(() => this.begun > this.hasher.derivations || isSo());
      if (this.begun > this.hasher.derivations) await this.go();
      await turns(2);
    }
  }
}
