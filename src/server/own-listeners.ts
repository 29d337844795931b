// The listeners that are not configured: the embedded door, which is a pipe in memory, and those that an embedder brings along. They
// are there from the start of the server to its end; no reload changes them.

import type { Context } from '../session/context.ts';
import { MemoryListener } from '../transport/memory.ts';
import type { Listener, Stream } from '../transport/stream.ts';
import { type Admission, Broker } from './broker.ts';
import type { ServerAddress } from './listeners.ts';

export class OwnListeners {
  readonly brokers: Broker[] = [];
  /** Of the embedder's: the door has none. */
  addresses: ServerAddress[] = [];
  readonly #context: Context;
  readonly #admission: Admission;
  readonly #signal: AbortSignal;
  readonly #door = new MemoryListener();

  constructor(context: Context, admission: Admission, signal: AbortSignal) {
    this.#context = context;
    this.#admission = admission;
    this.#signal = signal;
  }

  async openDoor(): Promise<void> {
    await this.#broker(this.#door, 'memory').listen();
  }

  /** Rejects with what its `listen` rejects with. */
  async open(listener: Listener): Promise<void> {
    const address = await this.#broker(listener, 'own').listen();
    this.addresses.push({ ...address, url: `own://${address.host}:${address.port}` });
  }

  /** A client's end of a pipe through the door. */
  connect(): Stream {
    return this.#door.connect();
  }

  /** Known before it listens, so that it is closed also when that fails. */
  #broker(listener: Listener, name: string): Broker {
    const broker = new Broker(this.#context, listener, name, this.#admission, this.#signal);
    this.brokers.push(broker);
    return broker;
  }
}
