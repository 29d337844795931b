// The store at start: it is opened, its clock goes on, and sessions and retained messages come back, every session disconnected,
// its timers running on with what is left of them.

import { DropReason } from '../core/drop.ts';
import { StoredMessageCodec } from '../core/message-codec.ts';
import { HOLD_MS } from '../core/store-clock.ts';
import { StoreHost } from '../core/store-host.ts';
import { decodeIdentity, IDENTITIES } from '../core/stored-identity.ts';
import { Timer } from '../lib/timer-wheel.ts';
import type { Message } from '../protocol/message.ts';
import type { Context } from '../session/context.ts';
import { outboundOf } from '../session/outbound-message.ts';
import { Session } from '../session/session.ts';
import { Will } from '../session/will.ts';
import type {
  QueuedDelivery,
  RecoveredSession,
  Recovery,
  StoredSession,
  StoredWill,
  TableEntry,
} from '../storage/storage.ts';
import { loadTable } from './store-table.ts';

/** Seconds that clients have to come back after a crash before their wills are published. */
const WILL_GRACE = 30;
/** Milliseconds that a wall clock may be behind the store without a word. */
const CLOCK_BEHIND_MS = 1_000;

/** The store could not be opened; its message is a sentence for people. */
export class StoreUnusableError extends Error {
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.name = 'StoreUnusableError';
  }
}

/**
 * Opens the store and takes back what is in it; nothing to do without one. `onOpen` is called once it is open. What it resolves
 * with lets the time of the sessions go on: nobody's will may be published before it is known by which rules.
 */
export async function openStore(
  context: Context,
  signal: AbortSignal,
  onOpen: () => void,
): Promise<() => void> {
  const { alarms, clock, commits, logs, retained, topics } = context;
  const logger = logs.storage;
  if (commits === null) return () => {};
  const { storage } = commits;
  const host = new StoreHost(commits, alarms, logger);
  const info = await storage.open(host).catch((error: unknown) => {
    throw new StoreUnusableError(error);
  });
  onOpen();
  await commits.startClock();
  host.setCodec(new StoredMessageCodec(commits.clock, topics, clock.now()));
  commits.skipTo(info.highest.sequence, info.highest.session);
  lookAtClock(context);
  const identities = await loadTable(storage, IDENTITIES);
  const recovery = new SessionRecovery(context, signal, identities);
  await storage.recover(recovery);
  recovery.finish();
  retained.listener = commits; // not before: whatever is recorded while the store is read would be mistaken for what is read
  const { sessions, queued } = recovery;
  const goOn = () => recovery.goOn();
  if (info.isNew) {
    logger.info({ location: info.location }, `new store: ${info.location}`);
    return goOn;
  }
  logger.info(
    { location: info.location, sessions, queued, retained: retained.count },
    `store: ${info.location} (sessions: ${sessions}, queued messages: ${queued}, retained: ${retained.count})`,
  );
  return goOn;
}

/** A clock that jumped while the server was down would expire everything, or nothing. */
function lookAtClock(context: Context): void {
  const { alarms, commits, logs, wheel } = context;
  const logger = logs.storage;
  if (commits === null) return;
  const { elapsedMs, isInDoubt } = commits.clock;
  if (elapsedMs < -CLOCK_BEHIND_MS) {
    logger.warn(
      { behindMs: -elapsedMs },
      'the clock of this machine is behind the last write to the store: no time counts as passed since then',
    );
  }
  if (!isInDoubt) return;
  alarms.raise(
    'clock_jump',
    'warning',
    `the last write to the store was ${(elapsedMs / 86_400_000).toFixed(1)} days ago by this machine's clock: if the server was not ` +
      `off that long, correct the clock and restart; sessions and messages that would be over expire in ${HOLD_MS / 60_000} minutes`,
    { elapsedMs },
  );
  wheel.arm(new Timer({ onTimer: () => alarms.clear('clock_jump') }), HOLD_MS);
}

/** A session that is back, with what is to be done about it once all of them are. */
interface Restored {
  readonly session: Session;
  readonly stored: StoredSession;
  readonly will: StoredWill | null;
}

/** While the store is read nothing is recorded and no timer is armed, since reading lets time pass. */
class SessionRecovery implements Recovery {
  readonly #context: Context;
  readonly #signal: AbortSignal;
  readonly #nowMs: number;
  sessions = 0;
  queued = 0;
  /** By number. */
  readonly #sessions = new Map<number, Session>();
  #restored: Restored[] = [];
  #ended: number[] = [];
  #retainedOverLimit = 0;
  /** By the numbers of the sessions; those that are left belong to none. */
  readonly #identities: Map<string, Uint8Array>;

  constructor(context: Context, signal: AbortSignal, identities: readonly TableEntry[]) {
    this.#context = context;
    this.#signal = signal;
    this.#identities = new Map(identities.map(({ key, value }) => [key, value]));
    this.#nowMs = context.clock.now();
  }

  get isCancelled(): boolean {
    return this.#signal.aborted;
  }

  onSession(recovered: RecoveredSession): void {
    const context = this.#context;
    const { session: stored } = recovered;
    if (stored.sessionExpiryInterval === 0 && recovered.will === null) {
      this.#ended.push(stored.number); // with its connection, when the server died
      return;
    }
    const bytes = this.#identities.get(String(stored.number));
    this.#identities.delete(String(stored.number));
    const identity = bytes === undefined ? {} : decodeIdentity(bytes);
    const session = new Session(context, {
      ...identity,
      clientId: stored.clientId,
      username: stored.username,
      groups: stored.groups,
      protocolVersion: stored.protocolVersion,
      remoteAddress: '',
    });
    session.isUnknown = identity === null;
    // Also past the limit of today: a limit keeps new sessions out, it ends none.
    context.registry.restore(session);
    this.sessions++;
    session.expiryInterval = stored.sessionExpiryInterval;
    session.applyRules(stored.queuePolicy);
    if (session.isDurable) {
      this.#sessions.set(stored.number, session);
      for (const subscription of recovered.subscriptions)
        session.subscriptions.restore(subscription);
      for (const delivery of recovered.inflight) session.outbound.restore(outboundOf(delivery));
      if (recovered.inboundPacketIds.length > 0) {
        session.inboundPacketIds = new Set(recovered.inboundPacketIds);
      }
    }
    // Only now: nothing that comes from the store is recorded again.
    session.record.restore(stored, bytes !== undefined);
    this.#restored.push({ session, stored, will: recovered.will });
  }

  onQueued(session: number, queued: QueuedDelivery): void {
    this.queued++;
    const { sequence, topicName, size, qos, isShared, expiresAtMs } = queued;
    const clock = this.#context.commits?.clock;
    this.#sessions.get(session)?.outbound.restoreQueued({
      sequence,
      topicName,
      size,
      isQos0: qos === 0,
      isShared,
      expiresAtMs: clock === undefined ? expiresAtMs : clock.expiryOf(expiresAtMs),
    });
  }

  onRetained(message: Message): void {
    const { clock, commits, drops, retained } = this.#context;
    // Held messages are dated so that they expire when the hold is over.
    if (commits?.clock.isInDoubt !== true) message.receivedAtLatest(clock.now());
    if (retained.set(message, this.#nowMs) !== 'full') return;
    this.#retainedOverLimit++;
    const { publisher, topic } = message;
    drops.drop(
      DropReason.RetainedLimit,
      publisher === null ? null : publisher.clientId,
      topic.name,
    );
  }

  /** The store has handed everything over. Sessions that were connected at a crash begin to expire now, and only once. */
  finish(): void {
    for (const one of this.#restored) this.#restore(one);
    const { commits } = this.#context;
    for (const number of this.#ended) {
      commits?.storage.deleteSession(number);
      commits?.record();
    }
    this.#ended = [];
    for (const key of this.#identities.keys()) {
      commits?.storage.remove(IDENTITIES, key);
      commits?.record();
    }
    this.#identities.clear();
    this.#sessions.clear();
    if (this.#retainedOverLimit === 0) return;
    this.#context.logs.storage.warn(
      { messages: this.#retainedOverLimit },
      'retained messages in the store are past limits.retained_messages_max or limits.retained_bytes_max and are not served; raise the limit and restart',
    );
  }

  goOn(): void {
    const { commits } = this.#context;
    const heldSeconds = ((commits?.clock.heldUntilMs ?? 0) - this.#nowMs) / 1_000;
    for (const { session, will } of this.#restored) {
      if (!session.hasEnded)
        session.goOn(Math.max(will?.delayInterval ?? 0, WILL_GRACE), heldSeconds);
    }
    this.#restored = [];
  }

  #restore({ session, stored, will: storedWill }: Restored): void {
    const { commits } = this.#context;
    if (commits === null) return;
    const { disconnectedAtMs } = stored;
    // A session that was connected at a crash counts as disconnected at this start.
    const elapsedMs = disconnectedAtMs === null ? 0 : commits.clock.now() - disconnectedAtMs;
    const will =
      storedWill === null ? null : new Will(storedWill.message, storedWill.delayInterval);
    session.restore(Math.max(0, elapsedMs / 1_000), disconnectedAtMs === null, will);
    if (disconnectedAtMs === null && session.isDurable) session.record.update();
  }
}
