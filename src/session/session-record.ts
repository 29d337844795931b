// What the store is told of one session. Every method does nothing while there is no store, or the session ends with its
// connection: the traffic of a clean session costs no storage at all. Of such a session only the will is stored, under a
// record of its own that nobody's packet waits for: after a crash it is still published.

import type { Subscription } from '../router/subscription.ts';
import type { Storage, StoredDelivery } from '../storage/storage.ts';
import type { Context } from './context.ts';
import type { OutboundMessage } from './outbound-message.ts';
import type { Session } from './session.ts';
import type { Will } from './will.ts';

export class SessionRecord {
  /** Its number in the store; 0 while the store knows nothing of it. */
  #number = 0;
  /** The store has all of it, not only its will. */
  #isStored = false;
  readonly #context: Context;
  readonly #session: Session;

  constructor(context: Context, session: Session) {
    this.#context = context;
    this.#session = session;
  }

  get isStored(): boolean {
    return this.#isStored;
  }

  /** The batch that holds everything recorded so far; 0 when nothing waits. */
  get commit(): number {
    const { commits } = this.#context;
    return commits === null || !this.#isStored ? 0 : commits.lastRecorded;
  }

  /** Back from the store, under this number; nothing is recorded. */
  restore(number: number): void {
    this.#number = number;
    this.#isStored = this.#session.isDurable;
  }

  /** Writes the session itself; stores all of it when it just became durable, removes it when it ceased to be. */
  update(): void {
    if (this.#context.commits === null) return;
    if (!this.#session.isDurable) {
      this.remove();
      return;
    }
    const isNew = !this.#isStored;
    this.#isStored = true;
    this.#save();
    if (isNew) this.#saveAll();
  }

  remove(): void {
    if (this.#number === 0) return;
    this.#context.commits?.storage.deleteSession(this.#number);
    this.#context.commits?.record();
    this.#number = 0;
    this.#isStored = false;
  }

  saveSubscription(subscription: Subscription): void {
    this.#begin()?.saveSubscription(this.#number, {
      topicFilter: subscription.topicFilter,
      qos: subscription.qos,
      noLocal: subscription.noLocal,
      retainAsPublished: subscription.retainAsPublished,
      retainHandling: subscription.retainHandling,
      subscriptionIdentifier: subscription.subscriptionIdentifiers[0] ?? 0,
    });
  }

  removeSubscription(topicFilter: string): void {
    this.#begin()?.deleteSubscription(this.#number, topicFilter);
  }

  enqueue(entry: OutboundMessage): void {
    const { commits } = this.#context;
    if (commits === null || !this.#isStored) return;
    entry.sequence = commits.nextSequence();
    this.#begin()?.enqueue(this.#number, entry);
  }

  updateDelivery(entry: StoredDelivery): void {
    if (entry.sequence === 0) return;
    this.#begin()?.updateDelivery(this.#number, entry);
  }

  dequeue(entry: OutboundMessage): void {
    if (entry.sequence === 0) return;
    this.#begin()?.dequeue(this.#number, entry.sequence);
    entry.sequence = 0;
  }

  addInboundPacketId(packetId: number): void {
    this.#begin()?.saveInboundPacketId(this.#number, packetId);
  }

  removeInboundPacketId(packetId: number): void {
    this.#begin()?.deleteInboundPacketId(this.#number, packetId);
  }

  /** The will of a session that is not stored itself lives and goes with a record that holds nothing else. */
  saveWill(will: Will | null): void {
    if (!this.#isStored) {
      this.remove();
      if (will === null || this.#context.commits === null) return;
      this.#save();
    }
    const { commits } = this.#context;
    if (will === null) commits?.storage.deleteWill(this.#number);
    else commits?.storage.saveWill(this.#number, will);
    commits?.record();
  }

  /** The session itself, without what belongs to it. */
  #save(): void {
    const { commits, clock } = this.#context;
    if (commits === null) return;
    if (this.#number === 0) this.#number = commits.nextSessionNumber();
    const session = this.#session;
    const elapsedMs = clock.now() - session.disconnectedAtMs;
    commits.storage.saveSession({
      number: this.#number,
      clientId: session.clientId,
      username: session.client.username,
      protocolVersion: session.version,
      sessionExpiryInterval: session.expiryInterval,
      disconnectedAtMs: session.connection === null ? clock.wallNow() - elapsedMs : null,
    });
    commits.record();
  }

  #saveAll(): void {
    const session = this.#session;
    for (const subscription of session.subscriptions) this.saveSubscription(subscription);
    session.outbound.saveAll();
    if (session.inboundPacketIds !== null) {
      for (const packetId of session.inboundPacketIds) this.addInboundPacketId(packetId);
    }
    if (session.will !== null) this.saveWill(session.will);
  }

  /** Where to record something of a stored session; null when it is not stored. */
  #begin(): Storage | null {
    const { commits } = this.#context;
    if (commits === null || !this.#isStored) return null;
    commits.record();
    return commits.storage;
  }
}
