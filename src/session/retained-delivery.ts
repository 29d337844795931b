// Retained messages for new subscriptions, paced: they are pulled while the session's queue is empty and its window and output
// have room, a slice per turn, so that subscribing to `#` never dumps a hundred thousand messages at once. Each topic is sent
// with its value as of the visit, behind whatever live message waits: no subscriber ever sees an older value after a newer.
// The scans belong to the session and survive a reconnect. A scan is held until its SUBACK is out.

import { DropReason } from '../core/drop.ts';
import type { Waiting } from '../core/tick.ts';
import type { Message } from '../protocol/message.ts';
import { RetainedScan } from '../router/retained-scan.ts';
import { SubscriptionAccess } from '../router/subscription.ts';
import type { Context } from './context.ts';
import type { Session } from './session.ts';

/** Messages per session and turn, and topics that are looked at. */
const MESSAGES_PER_TURN_MAX = 128;
const VISITS_PER_TURN_MAX = 1_000;
/** Output of the connection above which the next slice waits until it is written. */
const OUTPUT_BYTES_MAX = 65_536;

export class RetainedDelivery implements Waiting {
  readonly #session: Session;
  readonly #context: Context;
  /** By topic filter as its client wrote it, in the order of the requests. */
  readonly #held = new Map<string, RetainedScan>();
  readonly #ready = new Map<string, RetainedScan>();
  /** Its share of this turn is used up. */
  #isWaiting = false;
  /** What is left of the share of the turn with that number. */
  #turn = 0;
  #messagesLeft = 0;
  #visitsLeft = 0;

  constructor(session: Session, context: Context) {
    this.#session = session;
    this.#context = context;
  }

  get isDone(): boolean {
    return this.#ready.size === 0 && this.#held.size === 0;
  }

  /** A subscription wants what is retained, once its SUBACK is out. `innerFilter` is without `$share/…`. [MQTT-3.3.1-9] */
  request(topicFilter: string, innerFilter: string): void {
    this.#ready.delete(topicFilter);
    this.#held.set(topicFilter, this.#context.retained.scan(innerFilter));
  }

  /** The SUBACK is out. */
  release(topicFilter: string): void {
    const scan = this.#held.get(topicFilter);
    if (scan === undefined) return;
    this.#held.delete(topicFilter);
    this.#ready.set(topicFilter, scan);
  }

  /** A new connection: no SUBACK of the one before will follow. */
  releaseAll(): void {
    for (const topicFilter of [...this.#held.keys()]) this.release(topicFilter);
  }

  /** The subscription is gone. */
  remove(topicFilter: string): void {
    this.#held.delete(topicFilter);
    this.#ready.delete(topicFilter);
  }

  /** Sends while there is room; goes on next turn if its share of this one was not enough. */
  pump(nowMs: number): void {
    if (this.#isWaiting) return;
    const { tick } = this.#context;
    if (this.#turn !== tick.turn) {
      this.#turn = tick.turn;
      this.#messagesLeft = MESSAGES_PER_TURN_MAX;
      this.#visitsLeft = VISITS_PER_TURN_MAX;
    }
    for (const [topicFilter, scan] of this.#ready) {
      while (this.#hasRoom()) {
        if (this.#messagesLeft <= 0 || this.#visitsLeft <= 0) {
          this.#continueNextTurn();
          return;
        }
        const found = scan.next(nowMs, this.#visitsLeft);
        this.#visitsLeft -= scan.visits;
        tick.visits += scan.visits;
        if (found === null) {
          this.#ready.delete(topicFilter);
          break;
        }
        if (found !== RetainedScan.Pause) this.#send(found, topicFilter, nowMs);
      }
      if (this.#ready.has(topicFilter)) return; // no room
    }
  }

  nextTurn(): void {
    this.#isWaiting = false;
    this.#session.pump(this.#context.clock.now());
  }

  #send(message: Message, topicFilter: string, nowMs: number): void {
    // As it is now: it may have been replaced since it asked. [MQTT-3.8.4-3]
    const subscription = this.#session.subscriptions.get(topicFilter);
    if (subscription === undefined) return;
    this.#messagesLeft--;
    if (subscription.noLocal && message.publisher?.clientId === this.#session.clientId) {
      this.#session.lose(DropReason.NoLocal, message); // [MQTT-3.8.3-3]
      return;
    }
    if (
      subscription.access !== SubscriptionAccess.Whole &&
      !this.#session.permissions.mayTake(message, subscription, nowMs)
    ) {
      this.#session.lose(DropReason.ReceiveNotAuthorized, message);
      return;
    }
    const qos = message.qos < subscription.qos ? message.qos : subscription.qos;
    this.#session.deliverRetained(message, qos, subscription.subscriptionIdentifiers, nowMs);
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
    this.#isWaiting = true;
    this.#context.tick.waitForNextTurn(this);
  }
}
