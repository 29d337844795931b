// A door like any other, through which a test comes from any address it likes; and bytes of CONNECTs with user name and password.

import { MemoryStream } from '../../src/transport/memory.ts';
import {
  type BoundAddress,
  type Gate,
  type Listener,
  OPEN_GATE,
  type Stream,
} from '../../src/transport/stream.ts';
import { WireClient } from './wire.ts';

export class AddressedDoor implements Listener {
  #accept: (stream: Stream) => void = () => {};
  #gate: Gate = OPEN_GATE;

  listen(accept: (stream: Stream) => void, gate: Gate = OPEN_GATE): Promise<BoundAddress> {
    this.#accept = accept;
    this.#gate = gate;
    return Promise.resolve({ host: 'door', port: 0 });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** A client at that address; one that is not admitted is closed at once. */
  open(remoteAddress: string, remotePort = 4_711): WireClient {
    const [near, far] = MemoryStream.pair();
    Object.assign(far as { remoteAddress: string; remotePort: number }, {
      remoteAddress,
      remotePort,
    });
    const client = new WireClient(near);
    if (this.#gate.admit(remoteAddress)) this.#accept(far);
    else far.destroy();
    return client;
  }

  /** The same through a balancer, which says only later where the client is. */
  openBehind(remoteAddress: string): WireClient {
    const [near, far] = MemoryStream.pair();
    Object.assign(far as { remoteAddress: string }, { remoteAddress });
    const client = new WireClient(near);
    if (!this.#gate.admit('')) throw new Error('a balancer was not admitted');
    if (this.#gate.place(remoteAddress)) {
      this.#accept(far);
    } else {
      far.destroy();
      this.#gate.release('');
    }
    return client;
  }
}
