// Counts what `$SYS` says of the structures: of few sessions at once, of many in slices, so that no walk holds the loop up.

import type { Context } from '../session/context.ts';
import type { Session } from '../session/session.ts';
import type { Broker } from './broker.ts';
import type { Registry } from './registry.ts';
import type { SysCounts } from './sys-figures.ts';
import { type SysOptions, SysTopics } from './sys-topics.ts';

/** Sessions that are looked at in one turn: less than a millisecond. */
const SLICE = 2_000;

/** How much memory the program's own data take, with what is not collected yet; bytes. */
function heapBytes(): number {
  const { external, heapUsed } = process.memoryUsage();
  return heapUsed + external;
}

/** Calls back with everything counted: at once, or some turns later. */
function countForSys(
  context: Context,
  registry: Registry,
  brokers: () => readonly Broker[],
  done: (counts: SysCounts) => void,
): void {
  const walk: Iterator<Session> = registry[Symbol.iterator]();
  let sessions = 0;
  let sessionsConnected = 0;
  let queuedMessages = 0;
  let queuedBytes = 0;
  let left = registry.size; // whoever comes and goes all the time does not make this go on for ever
  const goOn = (): void => {
    for (let i = 0; i < SLICE; i++) {
      const { done: isDone, value: session } = walk.next();
      if (isDone === true || left-- === 0) {
        const walked = { sessions, sessionsConnected, queuedMessages, queuedBytes };
        done({ ...walked, ...atOnce(context, brokers()) });
        return;
      }
      sessions++;
      if (session.connection !== null) sessionsConnected++;
      queuedMessages += session.outbound.queuedMessages;
      queuedBytes += session.outbound.queuedBytes;
    }
    setImmediate(goOn);
  };
  goOn();
}

/** What needs no walk over the sessions. */
function atOnce(
  { retained, router }: Context,
  brokers: readonly Broker[],
): Omit<SysCounts, 'sessions' | 'sessionsConnected' | 'queuedMessages' | 'queuedBytes'> {
  return {
    connections: brokers.reduce((sum, broker) => sum + broker.halfConnected + broker.connected, 0),
    subscriptions: router.subscriptionCount,
    sharedSubscriptions: router.sharedSubscriptionCount,
    retainedMessages: retained.count,
    retainedBytes: retained.bytes,
    outputBytes: brokers.reduce((sum, broker) => sum + broker.pendingBytes, 0),
    heapBytes: heapBytes(),
  };
}

/** Begins to publish what the server counts; null: that is not wanted. */
export function openSys(
  context: Context,
  registry: Registry,
  brokers: () => readonly Broker[],
  sys: SysOptions | undefined,
): SysTopics | null {
  if (sys === undefined || sys.intervalMs === 0) return null;
  return new SysTopics(context, (done) => countForSys(context, registry, brokers, done), sys);
}
