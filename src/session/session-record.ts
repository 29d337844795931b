// What the store is told of one session. Every method does nothing while there is no store, or the session ends with its
// connection: the traffic of a clean session costs no storage at all.

import type { Subscription } from '../router/subscription.ts';
import type { Storage, StoredDelivery } from '../storage/storage.ts';
import type { Context } from './context.ts';
import type { OutboundMessage } from './outbound-message.ts';
import type { Session } from './session.ts';
import type { Will } from './will.ts';

export class SessionRecord {
  /** Its number in the store; 0 while it is not stored. */
  number = 0;
  readonly #context: Context;
  readonly #session: Session;

  constructor(context: Context, session: Session) {
    this.#context = context;
    this.#session = session;
  }

  get isStored(): boolean {
    return this.number !== 0;
  }

  /** The batch that holds everything recorded so far; 0 when nothing waits. */
  get commit(): number {
    const { commits } = this.#context;
    return commits === null || this.number === 0 ? 0 : commits.lastRecorded;
  }

  /** Writes the session itself; stores all of it when it just became durable, removes it when it ceased to be. */
  update(): void {
    const { commits, clock } = this.#context;
    if (commits === null) return;
    const session = this.#session;
    if (!session.isDurable) {
      this.remove();
      return;
    }
    const isNew = this.number === 0;
    if (isNew) this.number = commits.nextSessionNumber();
    const elapsedMs = clock.now() - session.disconnectedAtMs;
    commits.storage.saveSession({
      number: this.number,
      clientId: session.clientId,
      username: session.client.username,
      protocolVersion: session.version,
      sessionExpiryInterval: session.expiryInterval,
      disconnectedAtMs: session.connection === null ? clock.wallNow() - elapsedMs : null,
    });
    commits.record();
    if (isNew) this.#saveAll();
  }

  remove(): void {
    if (this.number === 0) return;
    this.#put((storage) => storage.deleteSession(this.number));
    this.number = 0;
  }

  saveSubscription(subscription: Subscription): void {
    this.#put((storage) =>
      storage.saveSubscription(this.number, {
        topicFilter: subscription.topicFilter,
        qos: subscription.qos,
        noLocal: subscription.noLocal,
        retainAsPublished: subscription.retainAsPublished,
        retainHandling: subscription.retainHandling,
        subscriptionIdentifier: subscription.subscriptionIdentifiers[0] ?? 0,
      }),
    );
  }

  removeSubscription(topicFilter: string): void {
    this.#put((storage) => storage.deleteSubscription(this.number, topicFilter));
  }

  enqueue(entry: OutboundMessage): void {
    const { commits } = this.#context;
    if (commits === null || this.number === 0) return;
    entry.sequence = commits.nextSequence();
    commits.storage.enqueue(this.number, entry);
    commits.record();
  }

  updateDelivery(entry: StoredDelivery): void {
    if (entry.sequence === 0) return;
    this.#put((storage) => storage.updateDelivery(this.number, entry));
  }

  dequeue(entry: OutboundMessage): void {
    if (entry.sequence === 0) return;
    this.#put((storage) => storage.dequeue(this.number, entry.sequence));
    entry.sequence = 0;
  }

  addInboundPacketId(packetId: number): void {
    this.#put((storage) => storage.saveInboundPacketId(this.number, packetId));
  }

  removeInboundPacketId(packetId: number): void {
    this.#put((storage) => storage.deleteInboundPacketId(this.number, packetId));
  }

  saveWill(will: Will | null): void {
    this.#put((storage) => {
      if (will === null) storage.deleteWill(this.number);
      else storage.saveWill(this.number, will);
    });
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

  #put(put: (storage: Storage) => void): void {
    const { commits } = this.#context;
    if (commits === null || this.number === 0) return;
    put(commits.storage);
    commits.record();
  }
}
