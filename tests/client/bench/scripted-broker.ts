// A server in memory for benches, which does everything right unless a test says otherwise.

import { type Duplex, duplexPair } from 'node:stream';
import {
  Decoder,
  encodePacket,
  type Packet,
  PacketType,
  type Properties,
  type PublishPacket,
  type ReasonCode,
} from '../../../src/protocol/index.ts';

export interface Misbehaviour {
  /** Of CONNACK. */
  readonly connack?: (clients: number) => { reasonCode: number; properties?: Properties };
  /** Of SUBACK. */
  readonly suback?: number;
  /** Of PUBACK; null: there is none. */
  readonly puback?: (publish: PublishPacket) => ReasonCode | null;
  /** What the subscriber of its topic gets for the k-th message, from 0 on. */
  readonly deliver?: (publish: PublishPacket, k: number) => readonly PublishPacket[];
  /** Says or does something else after a packet. */
  readonly after?: (packet: Packet, say: (packet: Packet) => void, far: Duplex) => void;
}

export class ScriptedBroker {
  readonly #how: Misbehaviour;
  readonly #subscribers = new Map<string, (packet: Packet) => void>();
  connects = 0;
  #publishes = 0;

  constructor(how: Misbehaviour = {}) {
    this.#how = how;
  }

  readonly open = (): Promise<Duplex> => {
    const [near, far] = duplexPair();
    const decoder = new Decoder({ role: 'server' });
    const say = (packet: Packet): void => {
      if (!far.destroyed) far.write(encodePacket(packet, 5) as Uint8Array);
    };
    far.on('error', () => {});
    far.on('data', (chunk: Buffer) => {
      for (const packet of decoder.push(chunk)) {
        this.#onPacket(packet, say);
        this.#how.after?.(packet, say, far);
      }
    });
    return Promise.resolve(near);
  };

  #onPacket(packet: Packet, say: (packet: Packet) => void): void {
    switch (packet.type) {
      case PacketType.Connect: {
        const k = this.connects++;
        const { reasonCode = 0, properties = {} } = this.#how.connack?.(k) ?? {};
        say({ type: PacketType.Connack, sessionPresent: false, reasonCode, properties });
        return;
      }
      case PacketType.Subscribe: {
        const { packetId, subscriptions } = packet;
        for (const { topicFilter } of subscriptions) this.#subscribers.set(topicFilter, say);
        const reasonCodes = subscriptions.map(({ qos }) => this.#how.suback ?? qos);
        say({ type: PacketType.Suback, packetId, reasonCodes, properties: {} });
        return;
      }
      case PacketType.Publish:
        this.#onPublish(packet, say);
    }
  }

  #onPublish(packet: PublishPacket, say: (packet: Packet) => void): void {
    const { packetId, qos } = packet;
    const reasonCode = (this.#how.puback ?? (() => 0))(packet);
    if (qos === 1 && reasonCode !== null) {
      say({ type: PacketType.Puback, packetId, reasonCode, properties: {} });
      if (reasonCode >= 0x80) return;
    }
    const deliver = this.#how.deliver ?? ((one: PublishPacket) => [one]);
    const subscriber = this.#subscribers.get(packet.topicName);
    for (const one of deliver(packet, this.#publishes++)) subscriber?.({ ...one, properties: {} });
  }
}
