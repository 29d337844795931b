// What the store is told of one session. Every method does nothing while there is no store, or the session ends with its
// connection: the traffic of a clean session costs no storage at all. Of such a session only the will is stored, under a
// record of its own that nobody's packet waits for: after a crash it is still published.

import type { Client } from '../auth/auth.ts';
import { encodeIdentity, IDENTITIES } from '../core/stored-identity.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import type { Subscription } from '../router/subscription.ts';
import type { Storage, StoredDelivery, StoredSession } from '../storage/storage.ts';
import type { Context } from './context.ts';
import { tellFault } from './faults.ts';
import { type OutboundMessage, outboundOf } from './outbound-message.ts';
import { isPending } from './parking.ts';
import type { Session } from './session.ts';
import type { Will } from './will.ts';

export class SessionRecord {
  /** Its number in the store; 0 while the store knows nothing of it. */
  #number = 0;
  /** The store has all of it, not only its will. */
  #isStored = false;
  /** Store time at which it began. */
  #createdAtMs = 0;
  /** The highest sequence number that a delivery of it got. */
  #lastSequence = 0;
  /** As whom it was last saved. */
  #savedClient: Client | null = null;
  /** The store has more of its client than name and groups. */
  #hasIdentity = false;
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
  restore(stored: StoredSession, hasIdentity: boolean): void {
    this.#number = stored.number;
    this.#createdAtMs = stored.createdAtMs;
    this.#isStored = this.#session.isDurable;
    this.#savedClient = this.#session.client;
    this.#hasIdentity = hasIdentity;
  }

  /**
   * Writes the session itself, and stores all of it when it just became durable. One that ceases to be stays stored, as one
   * that ends with its connection: its queue may be in the store only.
   */
  update(): void {
    if (this.#context.commits === null || (!this.#session.isDurable && !this.#isStored)) return;
    const isNew = !this.#isStored;
    this.#isStored = true;
    this.#save();
    if (isNew) this.#saveAll();
  }

  remove(): void {
    const { commits } = this.#context;
    if (this.#number === 0) return;
    commits?.storage.deleteSession(this.#number);
    commits?.record();
    if (this.#isStored) commits?.noteRemoval(this.#session.clientId);
    if (this.#hasIdentity) commits?.storage.remove(IDENTITIES, String(this.#number));
    this.#hasIdentity = false;
    this.#savedClient = null;
    this.#number = 0;
    this.#isStored = false;
  }

  saveSubscription(subscription: Subscription): void {
    this.#begin()?.saveSubscription(this.#number, {
      topicFilter: subscription.topicFilter,
      qos: subscription.grantedQos,
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
    entry.sequence = commits.sequenceFor(entry.message, this.#lastSequence);
    this.#lastSequence = entry.sequence;
    this.#begin()?.enqueue(this.#number, entry);
  }

  updateDelivery(entry: StoredDelivery): void {
    if (entry.sequence === 0) return;
    this.#begin()?.updateDelivery(this.#number, entry);
  }

  dequeue(entry: OutboundMessage): void {
    this.dequeueSequence(entry.sequence);
    entry.sequence = 0;
  }

  /** The same by number; 0 is of what was not stored. */
  dequeueSequence(sequence: number): void {
    if (sequence !== 0) this.#begin()?.dequeue(this.#number, sequence);
  }

  /**
   * Calls `then` with what the store has of these queued messages, at once if it can; with null when it cannot be read, which
   * ends the connection: its client has to come again.
   */
  withStored(
    sequences: readonly number[],
    then: (entries: readonly OutboundMessage[] | null) => void,
  ): void {
    const { commits } = this.#context;
    if (commits === null || sequences.length === 0) return;
    const take = (found: readonly StoredDelivery[]): void => {
      const entries = this.#taken(found);
      const { trace } = this.#context.tracing;
      if (trace !== null) for (const entry of entries) trace.loaded(this.#session, entry);
      then(entries);
    };
    const fail = (error: unknown): void => {
      const { client, connection } = this.#session;
      const fields = { error: String(error) };
      tellFault(this.#context, client, fields, 'queued messages cannot be read');
      then(null);
      connection?.disconnect(ReasonCode.UnspecifiedError, 'the store cannot be read');
    };
    let found: readonly StoredDelivery[] | PromiseLike<readonly StoredDelivery[]>;
    try {
      found = commits.storage.readDeliveries(this.#number, sequences);
    } catch (error) {
      fail(error);
      return;
    }
    if (isPending(found)) found.then(take, fail);
    else take(found);
  }

  /** The same for whoever only looks; rejects when the store cannot be read. */
  async readStored(sequences: readonly number[]): Promise<readonly OutboundMessage[]> {
    const { commits } = this.#context;
    if (commits === null || sequences.length === 0) return [];
    return this.#taken(await commits.storage.readDeliveries(this.#number, sequences));
  }

  #taken(found: readonly StoredDelivery[]): OutboundMessage[] {
    const { clock, commits } = this.#context;
    const nowMs = clock.now();
    if (commits?.clock.isInDoubt !== true) {
      for (const one of found) one.message.receivedAtLatest(nowMs);
    }
    return found.map(outboundOf);
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
    const { commits } = this.#context;
    if (commits === null) return;
    if (this.#number === 0) this.#number = commits.nextSessionNumber();
    const session = this.#session;
    const { client, disconnectedAtMs } = session;
    if (this.#createdAtMs === 0) this.#createdAtMs = commits.clock.now();
    commits.storage.saveSession({
      number: this.#number,
      clientId: session.clientId,
      username: client.username,
      groups: client.groups ?? [],
      protocolVersion: session.version,
      sessionExpiryInterval: session.expiryInterval,
      disconnectedAtMs:
        session.connection === null ? commits.clock.toStore(disconnectedAtMs) : null,
      createdAtMs: this.#createdAtMs,
      queuePolicy: session.requestedQueuePolicy,
    });
    this.#saveIdentity(commits.storage);
    commits.record();
  }

  #saveIdentity(storage: Storage): void {
    const { client } = this.#session;
    if (client === this.#savedClient) return;
    this.#savedClient = client;
    const identity = encodeIdentity(client);
    const key = String(this.#number);
    if (identity !== null) storage.put(IDENTITIES, key, identity);
    else if (this.#hasIdentity) storage.remove(IDENTITIES, key);
    this.#hasIdentity = identity !== null;
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
