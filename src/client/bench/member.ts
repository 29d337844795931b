// One client of a bench: it connects, subscribes if it is to, and tells how its connection ended. It does not connect again: a connection
// that was lost is what a bench is to show.

import type { Duplex } from 'node:stream';
import type { ConnackPacket, PublishPacket } from '../../protocol/packet.ts';
import { ReasonCode } from '../../protocol/reason-code.ts';
import { type ClientHandler, type ClientOptions, type Ended, MqttClient } from '../client.ts';
import { ConnectionError } from '../dial.ts';
import type { BenchPlan } from './plan.ts';
import type { Tally } from './tally.ts';

const FAILURE = 0x80;

export interface MemberEvents {
  /** False: no more messages are wanted. */
  onMessage(message: PublishPacket): boolean;
  /** Not by itself. */
  onLost(): void;
}

export interface Joined {
  readonly member: Member;
  readonly connack: ConnackPacket;
}

export class Member implements ClientHandler {
  readonly onPacket = null;
  readonly client: MqttClient;
  readonly #stream: Duplex;
  readonly #tally: Tally;
  readonly #events: MemberEvents;
  #isConnected = false;
  #hasEnded = false;

  private constructor(stream: Duplex, options: ClientOptions, tally: Tally, events: MemberEvents) {
    this.client = new MqttClient(stream, options, this);
    this.#stream = stream;
    this.#tally = tally;
    this.#events = events;
  }

  /** Resolves with null, and counts it, when it does not come about. */
  static async join(
    open: () => Promise<Duplex>,
    options: ClientOptions,
    tally: Tally,
    events: MemberEvents,
  ): Promise<Joined | null> {
    const startMs = performance.now();
    try {
      const member = new Member(await open(), options, tally, events);
      const connack = await member.client.connect();
      const { reasonCode, properties } = connack;
      if (reasonCode === ReasonCode.Success) {
        tally.connect.record((performance.now() - startMs) * 1_000);
        member.#onConnected();
        return { member, connack };
      }
      const message = properties.reasonString ?? '';
      tally.note({ packet: 'CONNACK', reasonCode, message });
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      tally.note({ packet: null, message: error.message });
    }
    tally.failed++;
    return null;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** False, and counted, when it is refused. */
  async subscribe(topicFilter: string, { qos, subscribeProperties }: BenchPlan): Promise<boolean> {
    const subscription = { topicFilter, qos, noLocal: false, retainAsPublished: false } as const;
    try {
      const [reasonCode] = await this.client.subscribe(
        [{ ...subscription, retainHandling: 2 }],
        subscribeProperties,
      );
      if (reasonCode < FAILURE) return true;
      this.#tally.note({ packet: 'SUBACK', reasonCode, message: '' });
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      return false; // its end is counted
    }
    this.#tally.failed++;
    this.leave();
    return false;
  }

  /** What `send` sends is written at once. */
  together(send: () => void): void {
    this.#stream.cork();
    send();
    this.#stream.uncork();
  }

  leave(): void {
    this.client.disconnect();
  }

  onMessage(message: PublishPacket): boolean {
    return this.#events.onMessage(message);
  }

  onEnd(ended: Ended): void {
    if (this.#isConnected) this.#tally.connected--;
    this.#isConnected = false;
    this.#hasEnded = true;
    if (ended.by === 'client') return;
    this.#tally.lostConnections++;
    const { message } = ended;
    this.#tally.note(
      ended.by === 'server'
        ? { packet: 'DISCONNECT', reasonCode: ended.reasonCode, message }
        : { packet: null, message },
    );
    this.#events.onLost();
  }

  /** What came in one piece with CONNACK may have ended it already. */
  #onConnected(): void {
    this.#tally.connections++;
    if (this.#hasEnded) return;
    this.#isConnected = true;
    this.#tally.connected++;
  }
}
