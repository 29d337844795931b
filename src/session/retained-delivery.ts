// Retained messages for new subscriptions, paced: they are pulled while the session's queue is empty and its window and output
// have room, a slice per turn, so that subscribing to `#` never dumps a hundred thousand messages at once. Each topic is sent
// with its value as of the visit, behind whatever live message waits: no subscriber ever sees an older value after a newer.
// The scans belong to the session and survive a reconnect.

import type { Waiting } from '../core/tick.ts';
import type { Message } from '../protocol/message.ts';
import { RetainedScan } from '../router/retained-scan.ts';
import type { Subscription } from '../router/subscription.ts';
import type { Context } from './context.ts';
import type { Session } from './session.ts';

/** Messages per session and turn. */
const SLICE = 128;
/** Output of the connection above which the next slice waits until it is written. */
const OUTPUT_BYTES_MAX = 65_536;

interface Pending {
  readonly scan: RetainedScan;
  readonly subscription: Subscription;
}

export class RetainedDelivery implements Waiting {
  readonly #session: Session;
  readonly #context: Context;
  #pending: Pending[] = [];
  /** Found, but there was no room for it. */
  #isWaiting = false;

  constructor(session: Session, context: Context) {
    this.#session = session;
    this.#context = context;
  }

  get isDone(): boolean {
    return this.#pending.length === 0;
  }

  /** Starts sending what matches the subscription. [MQTT-3.3.1-9] */
  add(subscription: Subscription, topicFilter: string): void {
    this.remove(subscription.topicFilter);
    this.#pending.push({ scan: this.#context.retained.scan(topicFilter), subscription });
  }

  /** The subscription is gone or is being made anew. */
  remove(topicFilter: string): void {
    if (this.#pending.length === 0) return;
    this.#pending = this.#pending.filter((p) => p.subscription.topicFilter !== topicFilter);
  }

  /** Sends while there is room; goes on next turn if a slice was not enough. */
  pump(nowMs: number): void {
    let budget = SLICE;
    while (this.#pending.length > 0 && this.#hasRoom()) {
      if (budget-- === 0) {
        this.#continueNextTurn();
        return;
      }
      const { scan, subscription } = this.#pending[0];
      const found = scan.next(nowMs);
      if (found === RetainedScan.Pause) {
        this.#continueNextTurn();
        return;
      }
      if (found === null) this.#pending.shift();
      else this.#send(found, subscription, nowMs);
    }
  }

  nextTurn(): void {
    this.#isWaiting = false;
    this.#session.pump(this.#context.clock.now());
  }

  #send(message: Message, subscription: Subscription, nowMs: number): void {
    // It may have been replaced since by one that asked for no retained messages. [MQTT-3.8.4-3]
    const current = this.#session.subscriptions.get(subscription.topicFilter) ?? subscription;
    const qos = message.qos < current.qos ? message.qos : current.qos;
    this.#session.deliverRetained(message, qos, current.subscriptionIdentifiers, nowMs);
  }

  #hasRoom(): boolean {
    const session = this.#session;
    const connection = session.connection;
    return (
      connection?.isReady === true &&
      connection.writer.hasRoom &&
      connection.writer.output.pendingBytes < OUTPUT_BYTES_MAX &&
      session.queuedMessages === 0 &&
      session.hasWindowRoom
    );
  }

  #continueNextTurn(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#context.tick.waitForNextTurn(this);
  }
}
