// The graceful stop, in the one order that loses nothing: refuse, stop reading, commit, release, drain, say goodbye, close.
// A deadline ends it, and so does an abort from outside.

import { DropReason } from '../core/drop.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import type { Context } from '../session/context.ts';
import type { Broker } from './broker.ts';
import type { Registry } from './registry.ts';

/** How often the outputs are looked at while they drain. */
const DRAIN_LOOK_MS = 10;
/** Time that streams which were cut off have to say that they are closed. */
const CLOSE_MS = 1_000;
/** A last commit and its fsync may take long on a slow disk, but not for ever. */
const STORE_CLOSE_MS = 60_000;
/** Share of the deadline that clients who do not read may take. */
const DRAIN_SHARE = 0.5;

/** Resolves when every connection is gone; never rejects. */
export async function shutDown(
  context: Context,
  brokers: readonly Broker[],
  abort: AbortController,
): Promise<void> {
  const { limits, logs } = context;
  const { signal } = abort;
  const deadline = setTimeout(() => {
    logs.server.warn(
      { timeoutMs: limits.shutdownTimeoutMs },
      'the stop took too long: the rest is cut off',
    );
    abort.abort();
  }, limits.shutdownTimeoutMs);
  try {
    for (const broker of brokers) await broker.refuse();
    for (const broker of brokers) broker.stopReading();
    await untilAborted(context.commits?.settle() ?? Promise.resolve(), signal);
    await drain(brokers, signal, limits.shutdownTimeoutMs * DRAIN_SHARE);
    for (const broker of brokers) await broker.disconnectAll(ReasonCode.ServerShuttingDown);
    await untilAborted(context.pendingWills.whenNone(), signal);
    await untilAborted(context.commits?.settle() ?? Promise.resolve(), signal); // what they recorded
    await empty(brokers, signal);
  } finally {
    clearTimeout(deadline);
  }
}

/** Without a store nobody keeps what waits in sessions, and wills whose time has not come: it is counted. */
function loseAll({ clock, drops }: Context, registry: Registry): void {
  const nowMs = clock.now();
  for (const { clientId, outbound, will } of [...registry]) {
    outbound.end(nowMs);
    if (will === null) continue;
    drops.drop(DropReason.Shutdown, clientId, will.message.topic.name, 1, clientId);
  }
}

/** What all share ends, once no connection is left. `isStoreOpen`: the store is this server's to close. Never rejects. */
export async function closeContext(
  context: Context,
  registry: Registry,
  isStoreOpen: boolean,
): Promise<void> {
  const { commits, connectionLog, denials, dropLog, guard, logs, quotas, refusalLog } = context;
  if (commits === null) loseAll(context, registry);
  for (const part of [connectionLog, denials, dropLog, guard, quotas, refusalLog]) part?.close();
  try {
    if (isStoreOpen && commits !== null) await within(STORE_CLOSE_MS, commits.close());
  } catch (error) {
    logs.storage.error({ error: String(error) }, 'the store could not be closed');
  }
  context.wheel.close();
}

/** Rejects when it takes longer than that. */
function within(ms: number, promise: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`it took longer than ${ms} ms`)), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Waits until every connection is gone; once all is cut off, only as long as closing takes. */
async function empty(brokers: readonly Broker[], signal: AbortSignal): Promise<void> {
  const gone = Promise.all(brokers.map((broker) => broker.whenEmpty())).then(() => {});
  await untilAborted(gone, signal);
  if (!signal.aborted) return;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, CLOSE_MS);
  });
  await Promise.race([gone, late]);
  clearTimeout(timer);
}

/** Waits until every output is with its socket, or the time is up. */
async function drain(
  brokers: readonly Broker[],
  signal: AbortSignal,
  timeMs: number,
): Promise<void> {
  const end = performance.now() + timeMs;
  // The last turn's output first.
  await new Promise((resolve) => setImmediate(resolve));
  while (!signal.aborted && performance.now() < end) {
    if (brokers.every((broker) => broker.pendingBytes === 0)) return;
    await new Promise((resolve) => setTimeout(resolve, DRAIN_LOOK_MS));
  }
}

function untilAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      signal.removeEventListener('abort', done);
      resolve();
    };
    signal.addEventListener('abort', done, { once: true });
    promise.then(done, done);
  });
}
