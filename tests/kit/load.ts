// Clients that send each other numbers at QoS 1 as fast as they are acknowledged, in a ring, and write down what came: whoever
// disturbs them, or loses a message, is found out.

import { expect } from 'vitest';
import { PacketType, type PublishPacket } from '../../src/protocol/index.ts';
import { SecureClient } from './secure-server.ts';
import { until } from './until.ts';

export class LoadClient extends SecureClient {
  /** Acknowledged ones are 1 to `acknowledged`. */
  acknowledged = 0;
  readonly received: number[] = [];
  isRunning = false;
  /** It sends no more, and waits for what is on its way. */
  isStopping = false;
  #sent = 0;
  #to = '';

  get isDone(): boolean {
    return this.#sent === this.acknowledged;
  }

  run(to: string): void {
    this.#to = to;
    this.isRunning = true;
    this.#next();
  }

  override onData(chunk: Uint8Array, length: number): void {
    super.onData(chunk, length);
    if (!this.isRunning) return;
    for (const packet of this.take()) {
      if (packet.type === PacketType.Publish) this.#onPublish(packet);
      else if (packet.type === PacketType.Puback) this.#onPuback();
      else this.packets.push(packet);
    }
  }

  #onPublish({ payload, packetId }: PublishPacket): void {
    this.received.push(Number(Buffer.from(payload).toString()));
    this.acknowledge(4, packetId);
  }

  #onPuback(): void {
    this.acknowledged++;
    this.#next();
  }

  #next(): void {
    if (!this.isStopping) this.publish(this.#to, `${++this.#sent}`, 1);
  }
}

/** A ring of clients under load. */
export class Load {
  readonly clients: readonly LoadClient[];

  private constructor(clients: readonly LoadClient[]) {
    this.clients = clients;
  }

  /** `open` makes a client that is not connected yet. */
  static async begin(count: number, open: () => LoadClient): Promise<Load> {
    const clients = Array.from({ length: count }, open);
    await Promise.all(
      clients.map(async (client, i) => {
        expect((await client.connect(`load-${i}`)).reasonCode).toBe(0);
        await client.subscribed(`load/${i}`);
      }),
    );
    for (const [i, client] of clients.entries()) client.run(`load/${(i + 1) % count}`);
    return new Load(clients);
  }

  /** All of them have sent and got so many more. */
  async goesOn(more = 5): Promise<void> {
    const marks = this.clients.map(({ received }) => received.length + more);
    await until(() => {
      expect(this.clients.filter(({ hasEnded }) => hasEnded)).toEqual([]);
      return this.clients.every(({ received }, i) => received.length >= marks[i]);
    });
  }

  /** Ends it: nobody was disconnected, everything acknowledged came, once and in order. */
  async end(): Promise<void> {
    const { clients } = this;
    for (const client of clients) client.isStopping = true;
    await until(() => clients.every(({ isDone }) => isDone));
    await until(() =>
      clients.every(
        ({ acknowledged }, i) => clients[(i + 1) % clients.length].received.length >= acknowledged,
      ),
    );
    for (const [i, { acknowledged }] of clients.entries()) {
      const { received, hasEnded, packets } = clients[(i + 1) % clients.length];
      expect(received).toEqual(Array.from({ length: acknowledged }, (_, n) => n + 1));
      expect([hasEnded, packets]).toEqual([false, []]);
    }
  }
}
