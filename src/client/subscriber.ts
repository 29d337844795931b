// What `iothub sub` does, without printing: it connects, subscribes, hands messages out, and connects again when the network
// fails, as mosquitto_sub does: every second, after the first connection came about. It does not when the server refuses, or says why it
// ends the connection. Subscriptions are made again each time, also where the session lasted.

import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Properties, PublishPacket, SubscriptionRequest } from '../protocol/packet.ts';
import { NO_PROPERTIES } from '../protocol/properties.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import { type ClientHandler, type ClientOptions, type Ended, MqttClient } from './client.ts';
import { ConnectionError } from './dial.ts';

const RETRY_MS = 1_000;
/** What is being removed gets so long when it ends. */
const REMOVAL_PATIENCE_MS = 5_000;
const FAILURE = 0x80;
const NOTHING = new Uint8Array(0);

export interface SubscriberOptions {
  readonly client: ClientOptions;
  readonly subscriptions: readonly SubscriptionRequest[];
  readonly subscribeProperties: Properties;
  readonly unsubscribeFrom: readonly string[];
  readonly unsubscribeProperties: Properties;
  readonly disconnectProperties: Properties;
  /** End as soon as everything is subscribed. */
  readonly endsWhenSubscribed: boolean;
}

export interface SubscriberHandler {
  /** False: no more. */
  onMessage(message: PublishPacket): boolean;
  /** Each time; `reasonCodes` are of the subscriptions, in order. */
  onSubscribed(reasonCodes: readonly number[]): void;
  onNotice(sentence: string): void;
  readonly onPacket: ClientHandler['onPacket'];
}

/** Why it ended. */
export type SubscriberEnd =
  | { readonly by: 'client' }
  /** CONNACK, SUBACK or DISCONNECT. */
  | {
      readonly by: 'server';
      readonly packet: 'CONNACK' | 'SUBACK' | 'DISCONNECT';
      readonly reasonCode: number;
      readonly message: string;
    }
  /** There was no connection in the first place. */
  | { readonly by: 'network'; readonly message: string };

export class Subscriber {
  readonly #open: () => Promise<Duplex>;
  readonly #options: SubscriberOptions;
  readonly #handler: SubscriberHandler;
  readonly #received = new Set<number>();
  readonly #stopping = new AbortController();
  readonly #stopped: Promise<SubscriberEnd>;
  /** Retained messages that are being removed. */
  readonly #removals = new Set<Promise<unknown>>();
  #client: MqttClient | null = null;

  constructor(open: () => Promise<Duplex>, options: SubscriberOptions, handler: SubscriberHandler) {
    this.#open = open;
    this.#options = options;
    this.#handler = handler;
    const { signal } = this.#stopping;
    this.#stopped = new Promise((resolve) => {
      signal.addEventListener('abort', () => resolve({ by: 'client' }));
    });
  }

  /** Never rejects. */
  async run(): Promise<SubscriberEnd> {
    for (let attempt = 1; ; attempt++) {
      const ended = await Promise.race([this.#connectOnce(), this.#stopped]);
      if (this.#stopping.signal.aborted) return { by: 'client' };
      if (ended.by !== 'network') return ended;
      if (this.#client === null) {
        if (attempt === 1) return ended;
      } else {
        this.#handler.onNotice(`${ended.message}; connecting again`);
      }
      this.#client = null;
      const { signal } = this.#stopping;
      await delay(RETRY_MS, undefined, { signal }).catch(() => {});
      if (signal.aborted) return { by: 'client' };
    }
  }

  /** Ends it, when what is being removed is removed. */
  async stop(): Promise<void> {
    const { signal } = this.#stopping;
    if (this.#removals.size > 0) {
      const late = delay(REMOVAL_PATIENCE_MS, undefined, { signal, ref: false }).catch(() => {});
      await Promise.race([Promise.allSettled(this.#removals), late]);
    }
    this.#stopping.abort();
    this.#client?.disconnect(this.#options.disconnectProperties);
  }

  /** The messages cannot be taken as fast as they come. */
  pause(): void {
    this.#client?.pause();
  }

  resume(): void {
    this.#client?.resume();
  }

  /** Removes a retained message from the server. */
  removeRetained(topicName: string): void {
    const removal = this.#client
      ?.publish({ topicName, payload: NOTHING, qos: 1, retain: true, properties: NO_PROPERTIES })
      .then(
        (reasonCode) => {
          if (reasonCode >= FAILURE) this.#handler.onNotice(`${topicName} may not be removed`);
        },
        (error: Error) => this.#handler.onNotice(`${topicName} is not removed: ${error.message}`),
      )
      .finally(() => this.#removals.delete(settled));
    if (removal === undefined) return;
    const settled: Promise<unknown> = removal;
    this.#removals.add(settled);
  }

  async #connectOnce(): Promise<SubscriberEnd> {
    let stream: Duplex;
    try {
      stream = await this.#open();
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      return { by: 'network', message: error.message };
    }
    if (this.#stopping.signal.aborted) {
      stream.destroy();
      return { by: 'client' };
    }
    let onEnd: (ended: Ended) => void = () => {};
    const ending = new Promise<Ended>((resolve) => {
      onEnd = resolve;
    });
    const client = new MqttClient(
      stream,
      this.#options.client,
      {
        onMessage: (message) => this.#handler.onMessage(message),
        onEnd,
        onPacket: this.#handler.onPacket,
      },
      this.#received,
    );
    try {
      const { reasonCode, properties } = await client.connect();
      if (reasonCode !== ReasonCode.Success) {
        const message = properties.reasonString ?? '';
        return { by: 'server', packet: 'CONNACK', reasonCode, message };
      }
      this.#client = client;
      const refused = await this.#subscribe(client);
      if (refused !== null) {
        client.disconnect(this.#options.disconnectProperties);
        return { by: 'server', packet: 'SUBACK', reasonCode: refused, message: '' };
      }
      if (this.#options.endsWhenSubscribed) await this.stop();
    } catch (error) {
      if (error instanceof RangeError) {
        client.disconnect();
        return { by: 'network', message: error.message };
      }
      if (!(error instanceof ConnectionError)) throw error;
      if (this.#client === null) return { by: 'network', message: error.message };
    }
    const ended = await ending;
    return ended.by === 'server' ? { ...ended, packet: 'DISCONNECT' } : ended;
  }

  /** Resolves with the reason code, when every subscription was refused. */
  async #subscribe(client: MqttClient): Promise<number | null> {
    const { subscriptions, unsubscribeFrom } = this.#options;
    const { subscribeProperties, unsubscribeProperties } = this.#options;
    const [reasonCodes] = await Promise.all([
      subscriptions.length === 0 ? [] : client.subscribe(subscriptions, subscribeProperties),
      unsubscribeFrom.length === 0
        ? []
        : client.unsubscribe(unsubscribeFrom, unsubscribeProperties),
    ]);
    this.#handler.onSubscribed(reasonCodes);
    const isRefused = reasonCodes.length > 0 && reasonCodes.every((code) => code >= FAILURE);
    return isRefused ? reasonCodes[0] : null;
  }
}
