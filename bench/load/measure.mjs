// What is the same in all scenarios: the moments between which something is measured, and what the server, the generators and
// everybody else used meanwhile.

import { between, descendantsOf, Meter, memoryOf } from '../lib/machine.mjs';

/** Part of a core from which on a generator process is taken for the bottleneck. */
export const SATURATED = 0.9;

let runs = 0;

/** A word that no client id and topic of another run begins with. */
export function newPrefix() {
  return `b${process.pid.toString(36)}x${Date.now().toString(36)}${(++runs).toString(36)}`;
}

/** From `begin` to `end`. */
export class Span {
  #meter;
  #pids;
  #before;

  /** @param {import('./target.mjs').Target} target @param {{ pids: number[] }[]} fleets */
  constructor(target, ...fleets) {
    this.#pids = target.pids;
    this.#meter = new Meter(
      null,
      target.pids,
      fleets.flatMap(({ pids }) => pids),
    );
  }

  begin() {
    this.#before = this.#meter.read();
    return this;
  }

  /** Since the beginning. CPU and memory of the server are NaN when its processes are not known. */
  end() {
    const used = between(this.#before, this.#meter.read());
    const isKnown = this.#pids.length > 0;
    return {
      elapsedMs: used.elapsedUs / 1_000,
      serverUs: isKnown ? used.serverUs : Number.NaN,
      serverCores: isKnown ? used.serverUs / used.elapsedUs : Number.NaN,
      /** Of all generator processes together. */
      generatorCores: used.generatorUs / used.elapsedUs,
      others: isKnown ? used.others : Number.NaN,
    };
  }

  /** Bytes. */
  memory() {
    return this.#pids.length === 0 ? Number.NaN : memoryOf(descendantsOf(this.#pids));
  }
}
