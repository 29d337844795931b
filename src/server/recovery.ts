// Sessions and retained messages as the store hands them back at start: every session disconnected, its timers running on with
// what is left of them.

import { parseTopicFilter } from '../protocol/filter.ts';
import type { Message } from '../protocol/message.ts';
import { SharedGroup } from '../router/shared-subscription.ts';
import type { Context } from '../session/context.ts';
import { OutboundMessage } from '../session/outbound-message.ts';
import { Session } from '../session/session.ts';
import { Will } from '../session/will.ts';
import type { RecoveredSession, Recovery, StoredDelivery } from '../storage/storage.ts';

/** Seconds that clients have to come back after a crash before their wills are published. */
const WILL_GRACE = 30;

export class SessionRecovery implements Recovery {
  readonly #context: Context;
  #sessions = 0;
  #cutOff: Session[] = [];

  constructor(context: Context) {
    this.#context = context;
  }

  get sessions(): number {
    return this.#sessions;
  }

  onSession(recovered: RecoveredSession): void {
    const context = this.#context;
    const { session: stored } = recovered;
    const session = new Session(context, {
      clientId: stored.clientId,
      username: stored.username,
      protocolVersion: stored.protocolVersion,
      remoteAddress: '',
    });
    if (!context.registry.add(session)) return;
    this.#sessions++;
    session.expiryInterval = stored.sessionExpiryInterval;
    context.commits?.skipTo(0, stored.number);
    for (const subscription of recovered.subscriptions) {
      const { topicFilter, shareName } = parseTopicFilter(subscription.topicFilter, context.limits);
      session.subscriptions.restore(subscription, topicFilter, shareName);
    }
    for (const delivery of recovered.deliveries) session.outbound.restore(this.#outbound(delivery));
    if (recovered.inboundPacketIds.length > 0) {
      session.inboundPacketIds = new Set(recovered.inboundPacketIds);
    }
    // A session that was connected at a crash counts as disconnected at this start.
    const elapsedMs =
      stored.disconnectedAtMs === null ? 0 : context.clock.wallNow() - stored.disconnectedAtMs;
    const will =
      recovered.will === null
        ? null
        : new Will(recovered.will.message, recovered.will.delayInterval);
    const wasCutOff = stored.disconnectedAtMs === null;
    session.restore(
      Math.max(0, elapsedMs / 1_000),
      wasCutOff,
      will,
      Math.max(will?.delayInterval ?? 0, WILL_GRACE),
    );
    // Only now: nothing that comes from the store is recorded again.
    session.record.restore(stored.number);
    if (wasCutOff && session.isDurable) this.#cutOff.push(session);
  }

  /** The store has handed everything over. Sessions that were connected at a crash begin to expire now, and only once. */
  finish(): void {
    for (const session of this.#cutOff) session.record.update();
    this.#cutOff = [];
  }

  onRetained(message: Message): void {
    this.#context.retained.set(message);
  }

  #outbound(stored: StoredDelivery): OutboundMessage {
    this.#context.commits?.skipTo(stored.sequence, 0);
    let group: SharedGroup | null = null;
    if (stored.sharedFilter !== null) {
      const parsed = parseTopicFilter(stored.sharedFilter, this.#context.limits);
      group = new SharedGroup(parsed.shareName ?? '', parsed.topicFilter);
    }
    const entry = new OutboundMessage(
      stored.message,
      stored.qos,
      stored.retain,
      stored.subscriptionIdentifiers,
      group,
    );
    entry.sequence = stored.sequence;
    entry.packetId = stored.packetId;
    entry.state = stored.state;
    return entry;
  }
}
