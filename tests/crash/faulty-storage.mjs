// A store that fails: the real one, whose commits are late, refused before or after they were written, interrupted within, or
// end with the death of the server, by chance, as long as a file is there. With `lies` it acknowledges what it has not stored,
// which a test must find out. Loaded by the server: `[storage] type = "./faulty-storage.mjs"`.

import fs from 'node:fs';
import { LmdbStorage } from '../../dist/storage/lmdb/lmdb.js';
import { Random } from './random.mjs';

const FAILING_MAX_MS = 1_200;
const LATE_MAX_MS = 100;

/** Options: `folder`, `level`; `seed`; `flag`, a file: faults happen while it exists; `lies`. */
export function createStorage({ folder, level = 'always', seed, flag, lies = false }) {
  fs.mkdirSync(folder, { recursive: true });
  const random = new Random(Number(seed) + process.pid);
  return lies ? new LyingStorage(folder) : new FaultyStorage({ folder, level }, random, flag);
}

/** Everything is the real store's, but `commit`. */
class FaultyStorage extends LmdbStorage {
  #random;
  #flag;
  #failsUntilMs = 0;

  constructor(options, random, flag) {
    super({
      ...options,
      onTransaction: () => {
        if (this.#happens(2)) throw new Error('injected: within the commit');
      },
    });
    this.#random = random;
    this.#flag = flag;
  }

  async commit() {
    if (this.#happens(10)) await this.#wait(LATE_MAX_MS);
    if (this.#happens(1) && this.#happens(30)) {
      this.#failsUntilMs = performance.now() + this.#random.below(FAILING_MAX_MS);
    }
    const isFailing = performance.now() < this.#failsUntilMs && this.#happens(90);
    if (isFailing || this.#happens(2)) throw new Error('injected: before the commit');
    await super.commit();
    if (this.#happens(2)) process.kill(process.pid, 'SIGKILL');
    if (this.#happens(10)) await this.#wait(LATE_MAX_MS);
    if (this.#happens(2)) throw new Error('injected: after the commit');
  }

  #happens(percent) {
    return this.#random.chance(percent) && fs.existsSync(this.#flag);
  }

  #wait(maxMs) {
    return new Promise((resolve) => setTimeout(resolve, this.#random.below(maxMs)));
  }
}

/** Says “durable” a moment too early. */
class LyingStorage extends LmdbStorage {
  #late = Promise.resolve();

  constructor(folder) {
    super({ folder, level: 'always' });
  }

  async commit() {
    this.#late = this.#late
      .then(() => new Promise((resolve) => setTimeout(resolve, 60)))
      .then(() => super.commit());
  }

  async close() {
    await this.#late;
    await super.close();
  }
}
