// The generator processes as one: the parent tells all of them a step and adds up what they answer. Words that they have for each
// other go through here.

import { descendantsOf, memoryOf } from '../lib/machine.mjs';
import { Generator } from '../lib/processes.mjs';

const PROGRAM = new URL('generator.mjs', import.meta.url);
const STEP_MAX_MS = 300_000;

export class Fleet {
  /** @type {Generator[]} */
  #generators;

  /** @param {number} processes */
  constructor(processes) {
    this.#generators = Array.from({ length: processes }, () => new Generator(PROGRAM));
    for (const [from, generator] of this.#generators.entries()) {
      generator.onWord(({ to, progress }) => this.#generators[to].tell({ from, progress }));
    }
  }

  get size() {
    return this.#generators.length;
  }

  get pids() {
    return this.#generators.map(({ pid }) => pid);
  }

  /** All do it, each knowing which one it is. @param {string} step @param {object} plan */
  all(step, plan = {}) {
    return Promise.all(
      this.#generators.map((generator, index) =>
        generator.run(step, { ...plan, index, processes: this.size }, STEP_MAX_MS),
      ),
    );
  }

  /** Only the first one does it. @param {string} step @param {object} plan */
  first(step, plan = {}) {
    return this.#generators[0].run(step, { ...plan, index: 0, processes: this.size }, STEP_MAX_MS);
  }

  stop() {
    for (const generator of this.#generators) generator.stop();
  }
}

/** The resident memory of the server's processes, looked at until `stop`. */
export class MemoryWatch {
  /** Bytes. */
  max = 0;
  #pids;
  #timer;

  /** @param {number[]} pids */
  constructor(pids, everyMs = 100) {
    this.#pids = descendantsOf(pids);
    this.look();
    this.#timer = setInterval(() => this.look(), everyMs);
  }

  look() {
    const bytes = memoryOf(this.#pids);
    if (bytes > this.max) this.max = bytes;
    return bytes;
  }

  stop() {
    clearInterval(this.#timer);
    return this.look();
  }
}
