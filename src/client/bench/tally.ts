// What all clients of a bench count together, and the kinds of faults that there were.

import { Latency } from './latency.ts';
import type { CountedFault, Fault } from './plan.ts';

/** Kinds that are kept apart: what the server says may be different each time. */
const KINDS_MAX = 20;
const REST: Fault = { packet: null, message: 'other problems' };

export class Tally {
  /** Now. */
  connected = 0;
  /** Of all that connected. */
  connections = 0;
  failed = 0;
  lostConnections = 0;
  sent = 0;
  /** Sent, and neither done nor given up. */
  outstanding = 0;
  unsent = 0;
  acknowledged = 0;
  unacknowledged = 0;
  refused = 0;
  received = 0;
  receivedBytes = 0;
  duplicates = 0;
  outOfOrder = 0;
  unnumbered = 0;
  readonly latency = new Latency();
  readonly acknowledgement = new Latency();
  readonly connect = new Latency();
  readonly #faults = new Map<string, { readonly fault: Fault; count: number }>();
  readonly #onFault: (fault: Fault) => void;

  constructor(onFault: (fault: Fault) => void) {
    this.#onFault = onFault;
  }

  note(fault: Fault): void {
    const kind = fault.packet === null ? fault.message : `${fault.packet} ${fault.reasonCode}`;
    const known = this.#faults.get(kind);
    if (known !== undefined) known.count++;
    else if (this.#faults.size < KINDS_MAX || fault === REST) {
      this.#faults.set(kind, { fault, count: 1 });
      this.#onFault(fault);
    } else this.note(REST);
  }

  faults(): CountedFault[] {
    return [...this.#faults.values()].map(({ fault, count }) => ({ fault, count }));
  }
}
