// A server on a store in memory, under one fake clock with it: the test says how long commits take, whether they fail, and when
// the process dies. The next server on the same store finds what was committed.

import { FakeClock } from '../../src/lib/clock.ts';
import type { ServerOptions } from '../../src/server/options.ts';
import { MemoryStorage } from '../../src/storage/memory.ts';
import { settle, startServer, type TestServer, type WireClient } from './wire.ts';

/** Milliseconds that a commit takes after `slow()`. */
export const COMMIT_MS = 100;
/** Session Expiry Interval, an hour, as a CONNECT property. */
export const ONE_HOUR = '11 00000e10';

export class StoredServer {
  readonly clock = new FakeClock();
  readonly storage = new MemoryStorage({ clock: this.clock });
  readonly #options: ServerOptions;
  #broker: TestServer | null = null;

  constructor(options: ServerOptions) {
    this.#options = options;
  }

  get broker(): TestServer {
    if (this.#broker === null) throw new Error('not started');
    return this.#broker;
  }

  async start(): Promise<void> {
    const { clock, storage } = this;
    this.#broker = await startServer({ ...this.#options, clock, storage });
  }

  /** From now on a commit takes its time: nothing is durable before `commit()`. */
  slow(): void {
    this.storage.commitDelayMs = COMMIT_MS;
  }

  /** Lets a commit under way finish, and what waited for it arrive. */
  async commit(): Promise<void> {
    await settle();
    this.clock.advance(COMMIT_MS);
    await settle();
  }

  /** Stops gracefully and starts again. */
  async restart(): Promise<void> {
    await this.broker.server.stop();
    this.storage.commitDelayMs = 0;
    await this.start();
  }

  /** The process dies, and another one starts. See `MemoryStorage.crash`. */
  async crash(keepsUnfinished = false): Promise<void> {
    this.storage.crash(keepsUnfinished);
    this.broker.server.abort();
    await this.broker.server.stop();
    this.storage.commitDelayMs = 0;
    this.storage.isFailing = false;
    await this.start();
  }

  /** A client of a durable session, connected. */
  durable(clientId: string, cleanStart = false): Promise<WireClient> {
    return this.broker.v5(clientId, cleanStart, ONE_HOUR);
  }
}

export async function startStored(options: ServerOptions = {}): Promise<StoredServer> {
  const stored = new StoredServer(options);
  await stored.start();
  return stored;
}
