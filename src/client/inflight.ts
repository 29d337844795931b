// What a client has sent and the server has not answered yet: PUBLISH at QoS 1 and 2, within the server's window, SUBSCRIBE and
// UNSUBSCRIBE. A packet identifier belongs to one of them until its exchange is complete. MQTT 5 §2.2.1, §4.3, §4.9

import {
  type AckPacket,
  type Packet,
  PacketType,
  type PublishPacket,
  type SubackPacket,
  type SubscribePacket,
  type UnsubackPacket,
  type UnsubscribePacket,
} from '../protocol/packet.ts';
import { NO_PROPERTIES } from '../protocol/properties.ts';
import { ReasonCode } from '../protocol/reason-code.ts';

type Request = SubscribePacket | UnsubscribePacket;
type Answer = AckPacket | SubackPacket | UnsubackPacket;
type PacketIdType = Answer['type'];

interface Exchange {
  /** The packet that comes next. */
  expected: PacketIdType;
  readonly isMessage: boolean;
  readonly resolve: (reasonCodes: readonly number[]) => void;
  readonly reject: (error: Error) => void;
}

interface Waiting {
  readonly packet: PublishPacket;
  readonly exchange: Exchange;
}

const FAILURE = 0x80;

export class Inflight {
  readonly #send: (packet: Packet) => void;
  readonly #exchanges = new Map<number, Exchange>();
  readonly #waiting: Waiting[] = [];
  #messages = 0;
  #messagesMax = 0;
  #nextId = 1;
  #failure: Error | null = null;

  constructor(send: (packet: Packet) => void) {
    this.#send = send;
  }

  /** The server lets messages in, so many at a time. */
  open(messagesMax: number): void {
    this.#messagesMax = messagesMax;
    this.#sendWaiting();
  }

  /** Nothing will be answered any more. */
  close(error: Error): void {
    this.#failure = error;
    const exchanges = [...this.#exchanges.values(), ...this.#waiting.map((one) => one.exchange)];
    this.#exchanges.clear();
    this.#waiting.length = 0;
    for (const { reject } of exchanges) reject(error);
  }

  publish(packet: PublishPacket): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) {
        reject(this.#failure);
        return;
      }
      const expected = packet.qos === 1 ? PacketType.Puback : PacketType.Pubrec;
      const exchange = {
        expected,
        isMessage: true,
        resolve: ([reasonCode]: readonly number[]) => resolve(reasonCode),
        reject,
      };
      this.#waiting.push({ packet, exchange });
      this.#sendWaiting();
    });
  }

  request(packet: Request): Promise<readonly number[]> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) {
        reject(this.#failure);
        return;
      }
      const isSubscribe = packet.type === PacketType.Subscribe;
      const expected = isSubscribe ? PacketType.Suback : PacketType.Unsuback;
      this.#begin(packet, { expected, isMessage: false, resolve, reject });
    });
  }

  /** Throws for an answer that nobody waits for, but for PUBREC and PUBCOMP: they may be of an earlier connection. */
  onAnswer(packet: Answer): void {
    const exchange = this.#exchanges.get(packet.packetId);
    if (exchange === undefined || exchange.expected !== packet.type) {
      if (packet.type === PacketType.Pubcomp) return;
      throw new Error('it answers what was not asked');
    }
    if (packet.type === PacketType.Suback || packet.type === PacketType.Unsuback) {
      this.#complete(packet.packetId, exchange, packet.reasonCodes);
      return;
    }
    if (packet.type === PacketType.Pubrec && packet.reasonCode < FAILURE) {
      exchange.expected = PacketType.Pubcomp;
      this.#send({
        type: PacketType.Pubrel,
        packetId: packet.packetId,
        reasonCode: ReasonCode.Success,
        properties: NO_PROPERTIES,
      });
      return;
    }
    this.#complete(packet.packetId, exchange, [packet.reasonCode]);
  }

  #complete(packetId: number, exchange: Exchange, reasonCodes: readonly number[]): void {
    this.#exchanges.delete(packetId);
    if (exchange.isMessage) this.#messages--;
    exchange.resolve(reasonCodes);
    this.#sendWaiting();
  }

  #sendWaiting(): void {
    while (this.#messages < this.#messagesMax) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#begin(next.packet, next.exchange);
    }
  }

  #begin(packet: PublishPacket | Request, exchange: Exchange): void {
    const packetId = this.#freeId();
    this.#exchanges.set(packetId, exchange);
    try {
      this.#send({ ...packet, packetId });
    } catch (error) {
      this.#exchanges.delete(packetId); // it cannot be written
      exchange.reject(error as Error);
      return;
    }
    if (exchange.isMessage) this.#messages++;
  }

  #freeId(): number {
    while (this.#exchanges.has(this.#nextId)) this.#advance();
    const packetId = this.#nextId;
    this.#advance();
    return packetId;
  }

  #advance(): void {
    this.#nextId = this.#nextId === 65_535 ? 1 : this.#nextId + 1;
  }
}
