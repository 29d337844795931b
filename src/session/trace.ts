// Whoever watches what happens to clients and messages. While nobody does, `Tracing.trace` is null, and that is all it costs:
// one comparison for each packet.

import type { DropListener, DropReason, Drops } from '../core/drop.ts';
import type { Message } from '../protocol/message.ts';
import type { QoS } from '../protocol/packet.ts';
import type { Connection } from './connection.ts';
import type { OutboundMessage } from './outbound-message.ts';
import type { Session } from './session.ts';

/** Told of each event as it happens. Messages may be borrowed: nothing of them is kept. Never throws. */
export interface Trace extends DropListener {
  connected(connection: Connection, session: Session, sessionPresent: boolean): void;
  /** CONNECT was refused. */
  refused(connection: Connection, reasonCode: number, why: string): void;
  /** An accepted connection ends. */
  disconnected(connection: Connection, session: Session): void;
  /** `reasonCode`: of SUBACK. */
  subscribed(session: Session, topicFilter: string, reasonCode: number): void;
  unsubscribed(session: Session, topicFilter: string, reasonCode: number): void;
  /** A PUBLISH was taken (0), or refused; then `onDrop` follows. */
  published(message: Message, packetId: number, reasonCode: number): void;
  willPublished(message: Message): void;
  /**
   * What was published, a will too, has been handed to so many subscribers. Its publisher is told so when `commit` is durable,
   * 0: at once.
   */
  routed(message: Message, subscribers: number, commit: number): void;
  queued(session: Session, entry: OutboundMessage): void;
  /** A queued message is back from the store, in another object. */
  loaded(session: Session, entry: OutboundMessage): void;
  /** It is in the client's output, or held for its commit. */
  delivered(
    clientId: string,
    message: Message,
    qos: QoS,
    retain: boolean,
    dup: boolean,
    packetId: number,
  ): void;
  /** To its end: PUBACK, PUBCOMP, or a PUBREC that refuses. */
  acknowledged(session: Session, entry: OutboundMessage, reasonCode: number): void;
  /** Another member of its shared subscription has it now. */
  moved(session: Session, entry: OutboundMessage): void;
  /**
   * The client does not get it; `onDrop`, which knows the topic only, follows. `entry`: it was queued or in flight as that; a
   * client may have the message to come another way, too.
   */
  lost(session: Session, message: Message, reason: DropReason, entry?: OutboundMessage): void;
  /** The same of one that is in the store only, by its sequence number there. */
  lostStored(session: Session, sequence: number, reason: DropReason): void;
}

/** The place where it is, for all listeners and for what is lost. */
export class Tracing {
  trace: Trace | null = null;
  readonly #drops: Drops;
  readonly #all = new Set<Trace>();

  constructor(drops: Drops) {
    this.#drops = drops;
  }

  add(trace: Trace): void {
    this.#all.add(trace);
    this.#set();
  }

  remove(trace: Trace): void {
    this.#all.delete(trace);
    this.#set();
  }

  #set(): void {
    const all = [...this.#all];
    this.trace = all.length < 2 ? (all[0] ?? null) : new SeveralTraces(all);
    this.#drops.trace = this.trace;
  }
}

type Told<K extends keyof Trace> = Parameters<Trace[K]>;

/** Tells each of them. */
class SeveralTraces implements Trace {
  readonly #all: readonly Trace[];

  constructor(all: readonly Trace[]) {
    this.#all = all;
  }

  connected(...told: Told<'connected'>): void {
    for (const trace of this.#all) trace.connected(...told);
  }

  refused(...told: Told<'refused'>): void {
    for (const trace of this.#all) trace.refused(...told);
  }

  disconnected(...told: Told<'disconnected'>): void {
    for (const trace of this.#all) trace.disconnected(...told);
  }

  subscribed(...told: Told<'subscribed'>): void {
    for (const trace of this.#all) trace.subscribed(...told);
  }

  unsubscribed(...told: Told<'unsubscribed'>): void {
    for (const trace of this.#all) trace.unsubscribed(...told);
  }

  published(...told: Told<'published'>): void {
    for (const trace of this.#all) trace.published(...told);
  }

  willPublished(...told: Told<'willPublished'>): void {
    for (const trace of this.#all) trace.willPublished(...told);
  }

  routed(...told: Told<'routed'>): void {
    for (const trace of this.#all) trace.routed(...told);
  }

  queued(...told: Told<'queued'>): void {
    for (const trace of this.#all) trace.queued(...told);
  }

  loaded(...told: Told<'loaded'>): void {
    for (const trace of this.#all) trace.loaded(...told);
  }

  delivered(...told: Told<'delivered'>): void {
    for (const trace of this.#all) trace.delivered(...told);
  }

  acknowledged(...told: Told<'acknowledged'>): void {
    for (const trace of this.#all) trace.acknowledged(...told);
  }

  moved(...told: Told<'moved'>): void {
    for (const trace of this.#all) trace.moved(...told);
  }

  lost(...told: Told<'lost'>): void {
    for (const trace of this.#all) trace.lost(...told);
  }

  lostStored(...told: Told<'lostStored'>): void {
    for (const trace of this.#all) trace.lostStored(...told);
  }

  onDrop(...told: Told<'onDrop'>): void {
    for (const trace of this.#all) trace.onDrop(...told);
  }
}
