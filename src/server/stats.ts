// What can be counted of a server, counted from the structures themselves, so that no figure can drift.

import { DROP_REASON_NAMES } from '../core/drop.ts';
import type { Context } from '../session/context.ts';
import type { Broker } from './broker.ts';
import type { ServerStats } from './contract.ts';
import type { Registry } from './registry.ts';

export function statsOf(
  { retained, router, drops }: Context,
  registry: Registry,
  brokers: readonly Broker[],
): ServerStats {
  let sessionsConnected = 0;
  let queuedMessages = 0;
  let queuedBytes = 0;
  let inflightMessages = 0;
  for (const session of { [Symbol.iterator]: () => registry[Symbol.iterator]() }) {
    if (session.connection !== null) sessionsConnected++;
    queuedMessages += session.outbound.queuedMessages;
    queuedBytes += session.outbound.queuedBytes;
    inflightMessages += session.outbound.inflightCount;
  }
  const halfConnected = brokers.reduce((sum, broker) => sum + broker.halfConnected, 0);
  return {
    connections: halfConnected + brokers.reduce((sum, broker) => sum + broker.connected, 0),
    halfConnected,
    sessions: registry.size,
    sessionsConnected,
    subscriptions: router.subscriptionCount,
    sharedSubscriptions: router.sharedSubscriptionCount,
    retainedMessages: retained.count,
    retainedBytes: retained.bytes,
    queuedMessages,
    queuedBytes,
    inflightMessages,
    dropped: Object.fromEntries(DROP_REASON_NAMES.map((name, i) => [name, drops.counts[i]])),
  };
}
