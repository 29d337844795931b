// What can be counted of a server, counted from the structures themselves, so that no figure can drift: at once, or in slices for
// those who ask while clients wait.

import { DROP_REASON_NAMES } from '../core/drop.ts';
import type { Context } from '../session/context.ts';
import type { Session } from '../session/session.ts';
import type { Broker } from './broker.ts';
import type { ServerStats } from './contract.ts';
import { nextTurn, Slices } from './management/slices.ts';
import type { Registry } from './registry.ts';

/** Sessions that are looked at in one turn: less than a millisecond. */
const SLICE = 1_000;

/** Sums over sessions. */
class Sums {
  /** Counted with the others: of those that came and went meanwhile all figures know the same. */
  sessions = 0;
  sessionsConnected = 0;
  queuedMessages = 0;
  queuedBytes = 0;
  inflightMessages = 0;

  add({ connection, outbound }: Session): void {
    this.sessions++;
    if (connection !== null) this.sessionsConnected++;
    this.queuedMessages += outbound.queuedMessages;
    this.queuedBytes += outbound.queuedBytes;
    this.inflightMessages += outbound.inflightCount;
  }
}

export function statsOf(
  context: Context,
  registry: Registry,
  brokers: readonly Broker[],
): ServerStats {
  const sums = new Sums();
  for (const session of registry) sums.add(session);
  return statsFrom(sums, context, brokers);
}

/** The same over some turns: what changes meanwhile is counted before or after its change. */
export async function countStats(
  context: Context,
  registry: Registry,
  brokers: () => readonly Broker[],
): Promise<ServerStats> {
  const sums = new Sums();
  const slices = new Slices(SLICE);
  let left = registry.size; // whoever comes and goes all the time does not make this go on for ever
  for (const session of registry) {
    if (left-- === 0) break;
    if (slices.isOver()) await nextTurn();
    sums.add(session);
  }
  return statsFrom(sums, context, brokers());
}

function statsFrom(
  { sessions, sessionsConnected, queuedMessages, queuedBytes, inflightMessages }: Sums,
  { retained, router, drops }: Context,
  brokers: readonly Broker[],
): ServerStats {
  const halfConnected = brokers.reduce((sum, broker) => sum + broker.halfConnected, 0);
  return {
    connections: halfConnected + brokers.reduce((sum, broker) => sum + broker.connected, 0),
    halfConnected,
    sessions,
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
