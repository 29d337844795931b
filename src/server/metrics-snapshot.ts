// What the metrics page shows, counted from the structures themselves, so that no figure can drift. Sessions and connections are
// walked in slices, for nobody's messages may wait for a scrape: what changes meanwhile is counted before or after its change.

import { DROP_REASON_NAMES } from '../core/drop.ts';
import type { Context } from '../session/context.ts';
import { REFUSAL_REASONS } from '../transport/accept-control.ts';
import type { Broker } from './broker.ts';
import type { ListenerFigures, MetricsSnapshot } from './contract/metrics.ts';
import type { ListenerState } from './listeners.ts';
import type { Registry } from './registry.ts';
import type { SpanFigures } from './spans/options.ts';

/** Sessions or connections that are looked at in one turn: less than a millisecond. */
const SLICE = 1_000;

/** All that the server itself knows: who is banned is the guard's, what is logged the command's. */
export type ServerFigures = Omit<MetricsSnapshot, 'bans' | 'lostLogLines'>;

/** Sums over all sessions and connections. */
export interface Walked {
  readonly sessions: Readonly<Record<keyof typeof NO_SESSIONS, number>>;
  readonly bytesOfConnections: number;
}

/** What of a server is of one moment. */
export interface Counted {
  readonly context: Context;
  /** Those that are leaving included. */
  readonly brokers: readonly Broker[];
  readonly listeners: readonly ListenerState[];
  readonly refusals: Readonly<Record<string, number>>;
  readonly sys: Readonly<Record<string, string>>;
  readonly spans: SpanFigures;
}

const NO_SESSIONS = {
  ...{ sessionsConnected: 0, sessionsDisconnected: 0, wills: 0 },
  ...{ queuedMessages: 0, queuedBytes: 0, inflightMessages: 0, memoryBytes: 0 },
};

export async function walk(registry: Registry, brokers: readonly Broker[]): Promise<Walked> {
  return {
    sessions: await countSessions(registry),
    bytesOfConnections: await countConnections(brokers),
  };
}

export function figuresOf(
  { sessions, bytesOfConnections }: Walked,
  counted: Counted,
): ServerFigures {
  const { context, brokers, listeners, refusals, spans, sys } = counted;
  const { alarms, drops, metrics, pool, quotas, retained, router, shedding } = context;
  const { memoryBytes, ...figures } = sessions;
  const { commitDurations, ...counters } = metrics;
  return {
    counters: structuredClone(counters),
    commitDurations: { ...commitDurations, counts: [...commitDurations.counts] },
    refusals: { ...NO_REFUSALS, ...refusals },
    drops: Object.fromEntries(DROP_REASON_NAMES.map((name, i) => [name, drops.counts[i]])),
    listeners: listenersOf(brokers, listeners),
    certificates: listeners.flatMap(({ url: listener, certificateEndsMs }) =>
      certificateEndsMs === null ? [] : [{ listener, endsSeconds: certificateEndsMs / 1_000 }],
    ),
    ...figures,
    subscriptions: router.subscriptionCount - router.sharedSubscriptionCount,
    sharedSubscriptions: router.sharedSubscriptionCount,
    routerNodes: router.nodeCount,
    retainedMessages: retained.count,
    quotaAccounts: quotas.accountCount,
    spans,
    overloadLevel: shedding.level,
    pausedPublishers: shedding.pausedCount,
    alarms: alarms.active.map(({ name, severity }) => ({ name, severity })),
    memory: {
      retained: retained.bytes,
      queues: memoryBytes,
      router: router.memoryEstimate,
      connections: bytesOfConnections,
      buffers: pool.keptBytes,
    },
    sys,
  };
}

/** A reason has a figure before it happens: who sees it appear cannot tell how often it has happened. */
const NO_REFUSALS: Readonly<Record<string, number>> = Object.fromEntries(
  [...REFUSAL_REASONS, 'open-files', 'banned', 'draining', 'not-mqtt'].map((reason) => [reason, 0]),
);

async function countSessions(registry: Registry): Promise<Walked['sessions']> {
  const sums = { ...NO_SESSIONS };
  let budget = SLICE;
  let left = registry.size; // whoever comes and goes all the time does not make this go on for ever
  for (const { connection, outbound, will } of registry) {
    if (left-- === 0) break;
    if (connection === null) sums.sessionsDisconnected++;
    else sums.sessionsConnected++;
    if (will !== null) sums.wills++;
    sums.queuedMessages += outbound.queuedMessages;
    sums.queuedBytes += outbound.queuedBytes;
    sums.inflightMessages += outbound.inflightCount;
    sums.memoryBytes += outbound.memoryBytes;
    if (--budget > 0) continue;
    budget = SLICE;
    await nextTurn();
  }
  return sums;
}

async function countConnections(brokers: readonly Broker[]): Promise<number> {
  let bytes = 0;
  let budget = SLICE;
  for (const broker of brokers) {
    for (const { framer, writer } of broker.connections()) {
      bytes += writer.output.pendingBytes + framer.heldBytes;
      if (--budget > 0) continue;
      budget = SLICE;
      await nextTurn();
    }
  }
  return bytes;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** One of each name; those that are not configured while somebody is there. */
function listenersOf(
  brokers: readonly Broker[],
  states: readonly ListenerState[],
): readonly ListenerFigures[] {
  const figures = new Map<string, ListenerFigures>();
  for (const { url } of states) {
    figures.set(url, { listener: url, connected: 0, halfConnected: 0 });
  }
  for (const { name, connected, halfConnected } of brokers) {
    const known = figures.get(name);
    if (known === undefined && connected + halfConnected === 0) continue;
    figures.set(name, {
      listener: name,
      connected: (known?.connected ?? 0) + connected,
      halfConnected: (known?.halfConnected ?? 0) + halfConnected,
    });
  }
  return [...figures.values()];
}
