// The orchestrator: it builds what all share, opens the store, starts the brokers and stops everything in one order. Nothing of
// MQTT happens here.

import type { Authenticator, Authorizer } from '../auth/auth.ts';
import { Alarms } from '../core/alarms.ts';
import { BufferPool } from '../core/buffer-pool.ts';
import { Commits } from '../core/commits.ts';
import { DROP_REASON_NAMES, Drops } from '../core/drop.ts';
import { DEFAULT_LIMITS, type Limits } from '../core/limits.ts';
import { guarded, type Logger, SILENT } from '../core/logger.ts';
import { Metrics } from '../core/metrics.ts';
import { type QueueRule, QueueRules } from '../core/queue-rules.ts';
import { Tick } from '../core/tick.ts';
import { type Cancellable, type Clock, SYSTEM_CLOCK } from '../lib/clock.ts';
import { type Ids, RANDOM_IDS } from '../lib/ids.ts';
import { TimerWheel } from '../lib/timer-wheel.ts';
import { Message } from '../protocol/message.ts';
import { Delivery } from '../protocol/publish-encoder.ts';
import { PublishView } from '../protocol/publish-view.ts';
import type { ReasonCode } from '../protocol/reason-code.ts';
import { isServerDisconnectCode } from '../protocol/reason-code-table.ts';
import { Topic, TopicTable } from '../protocol/topic.ts';
import { RetainedStore } from '../router/retained.ts';
import { Router } from '../router/router.ts';
import { SHARED_STRATEGIES, type SharedStrategyName } from '../router/shared-subscription.ts';
import type { Context } from '../session/context.ts';
import { EncodeOnce } from '../session/encode-once.ts';
import { PendingWills } from '../session/will.ts';
import type { Storage } from '../storage/storage.ts';
import type { ListenerOptions } from '../transport/listener-options.ts';
import { LoopLag } from '../transport/loop-lag.ts';
import { MemoryListener } from '../transport/memory.ts';
import type { BoundAddress, Listener, Stream } from '../transport/stream.ts';
import { type Admission, Broker } from './broker.ts';
import type { PurgedSession, ServerStats } from './contract.ts';
import {
  type ListenerChanges,
  type ListenerState,
  Listeners,
  type ServerAddress,
} from './listeners.ts';
import { openStore } from './recovery.ts';
import { Registry } from './registry.ts';
import { shutDown } from './shutdown.ts';

export interface ServerOptions {
  /** Default: none; clients come by `connect()`. A `Listener` of one's own is a door like any other. */
  readonly listeners?: readonly (ListenerOptions | Listener)[];
  readonly limits?: Partial<Limits>;
  /** Default: says nothing. */
  readonly logger?: Logger;
  /** Default: everybody is let in. */
  readonly authenticator?: Authenticator;
  /** Default: everybody may do everything. */
  readonly authorizer?: Authorizer;
  /** Default: state lives in memory only. */
  readonly storage?: Storage;
  /** Who of a shared subscription gets a message; default `round_robin`. */
  readonly sharedStrategy?: SharedStrategyName;
  /** Other bounds than `limits` for the queues of some clients; the first rule that fits counts. */
  readonly queueRules?: readonly QueueRule[];
  readonly clock?: Clock;
  readonly ids?: Ids;
}

/** Where a client is sent by `disconnectClient`. MQTT 5 §4.11 */
export interface DisconnectOptions {
  readonly reasonString?: string;
  readonly serverReference?: string;
}

/** Expired retained messages are looked for this often, so many visits at a time. */
const SWEEP_MS = 1_000;
const SWEEP_VISITS_MAX = 10_000;

/** A last commit and its fsync may take long on a slow disk, but not for ever. */
const CLOSE_MAX_MS = 60_000;
/** Sessions that are purged in one turn. */
const PURGE_SLICE = 500;

type State = 'new' | 'starting' | 'running' | 'stopping' | 'stopped';

export class Server {
  readonly #options: ServerOptions;
  readonly #context: Context;
  readonly #registry: Registry;
  readonly #admission: Admission;
  readonly #abort = new AbortController();
  readonly #listeners: Listeners;
  readonly #door = new MemoryListener();
  /** Of listeners that are not configured: the embedded door, and the embedder's own. */
  readonly #ownBrokers: Broker[] = [];
  #ownAddresses: ServerAddress[] = [];
  #state: State = 'new';
  #started: Promise<void> | null = null;
  #stopped: Promise<void> | null = null;
  #sweep: Cancellable | null = null;
  #sampling: Cancellable | null = null;
  /** The store is this server's to close. */
  #isStoreOpen = false;

  constructor(options: ServerOptions = {}) {
    this.#options = options;
    const limits = Object.freeze({ ...DEFAULT_LIMITS, ...options.limits });
    this.#registry = new Registry(limits.sessionsMax);
    this.#context = buildContext(options, limits, this.#registry);
    this.#admission = { connections: 0, lag: new LoopLag(limits.loopLagMaxMs) };
    this.#listeners = new Listeners(this.#context, this.#admission, this.#abort.signal);
  }

  /** Where clients reach it, in the order of the listeners, ports resolved. */
  get addresses(): readonly ServerAddress[] {
    return [...this.#listeners.addresses, ...this.#ownAddresses];
  }

  /** The configured listeners, and how each is doing. */
  get listeners(): readonly ListenerState[] {
    return this.#listeners.states;
  }

  /** Connections that were not let in, by reason. */
  get refusals(): Readonly<Record<string, number>> {
    const sums = Object.fromEntries(this.#listeners.refusals);
    for (const { refusals } of this.#ownBrokers) {
      for (const [reason, count] of refusals) sums[reason] = (sums[reason] ?? 0) + count;
    }
    return sums;
  }

  /** Counters of the message path. */
  get metrics(): Metrics {
    return this.#context.metrics;
  }

  /** Lost messages by reason. */
  get drops(): Drops {
    return this.#context.drops;
  }

  /** What somebody must look at. */
  get alarms(): Alarms {
    return this.#context.alarms;
  }

  get isRunning(): boolean {
    return this.#state === 'running';
  }

  /** Opens the store and all listeners; rejects with the system's error and leaves nothing open if one cannot be had. */
  async start(): Promise<void> {
    if (this.#state !== 'new') throw new Error('a server starts once; make a new one');
    this.#state = 'starting';
    this.#started = this.#start();
    await this.#started;
  }

  /** A client's end of a pipe into this server: the same as a socket, without one. */
  connect(): Stream {
    if (this.#state !== 'running') throw new Error('the server is not running');
    return this.#door.connect();
  }

  /**
   * Ends a client's connection with a reason; false if it is not connected. Throws RangeError for a reason code that a
   * server's DISCONNECT does not have. [MQTT-3.14.2-1]
   */
  disconnectClient(
    clientId: string,
    reasonCode: ReasonCode,
    options: DisconnectOptions = {},
  ): boolean {
    if (!isServerDisconnectCode(reasonCode)) {
      throw new RangeError(`a server's DISCONNECT has no reason code ${reasonCode}`);
    }
    const connection = this.#registry.get(clientId)?.connection ?? null;
    if (connection === null) return false;
    connection.disconnect(reasonCode, options.reasonString, options.serverReference);
    return true;
  }

  /**
   * Makes the listeners those of `listeners`: others are opened, changed or closed, and the clients of those that stay notice
   * nothing. Rejects with what is wrong, and then nothing has changed.
   */
  setListeners(listeners: readonly ListenerOptions[]): Promise<ListenerChanges> {
    if (!this.isRunning) return Promise.reject(new Error('the server is not running'));
    return this.#listeners.apply(listeners);
  }

  /** Reads the certificates of all listeners again; those that are wrong stay as they were, and the log says why. */
  reloadCertificates(): Promise<void> {
    return this.#listeners.reloadCertificates();
  }

  /**
   * Ends the sessions of clients that have been away for at least so many milliseconds, as if they had expired, in slices; a
   * dry run only lists them. Rejects while the server does not run.
   */
  async purgeSessions(offlineForMs: number, isDryRun = false): Promise<PurgedSession[]> {
    if (!this.isRunning) throw new Error('the server is not running yet, or not any more');
    const { clock } = this.#context;
    const purged: PurgedSession[] = [];
    let budget = PURGE_SLICE;
    for (const session of [...this.#registry]) {
      const nowMs = clock.now();
      const { clientId, connection, disconnectedAtMs, hasEnded, queuedMessages } = session;
      if (hasEnded || connection !== null || nowMs - disconnectedAtMs < offlineForMs) continue;
      const disconnectedAt = new Date(disconnectedAtMs + clock.wallNow() - nowMs).toISOString();
      purged.push({ clientId, disconnectedAt, queuedMessages });
      if (isDryRun) continue;
      session.end();
      if (--budget > 0) continue;
      budget = PURGE_SLICE;
      await new Promise((resolve) => setImmediate(resolve));
    }
    return purged;
  }

  /** Recounts everything from the structures themselves. */
  stats(): ServerStats {
    const { retained, router, drops } = this.#context;
    let sessionsConnected = 0;
    let queuedMessages = 0;
    let queuedBytes = 0;
    let inflightMessages = 0;
    for (const session of { [Symbol.iterator]: () => this.#registry[Symbol.iterator]() }) {
      if (session.connection !== null) sessionsConnected++;
      queuedMessages += session.outbound.queuedMessages;
      queuedBytes += session.outbound.queuedBytes;
      inflightMessages += session.outbound.inflightCount;
    }
    const halfConnected = this.#brokers.reduce((sum, broker) => sum + broker.halfConnected, 0);
    return {
      connections: halfConnected + this.#brokers.reduce((sum, broker) => sum + broker.connected, 0),
      halfConnected,
      sessions: this.#registry.size,
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

  /**
   * Stops gracefully: no new streams, nothing more read, what was promised is committed and sent, DISCONNECT 0x8B, the end.
   * After `shutdownTimeoutMs` what is left is cut off. Never rejects; calling it again waits for the same stop.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /** Stops at once: everything is cut off, what was not committed is not acknowledged. */
  abort(): void {
    this.#abort.abort();
  }

  async #start(): Promise<void> {
    try {
      await this.#open();
    } catch (error) {
      this.#state = 'stopped';
      await this.#release();
      throw error;
    }
    this.#state = 'running';
  }

  async #open(): Promise<void> {
    await openStore(this.#context, this.#abort.signal, () => {
      this.#isStoreOpen = true;
    });
    this.#checkStart();
    await this.#openOwn(this.#door, 'memory');
    for (const options of this.#options.listeners ?? []) {
      if ('listen' in options) {
        const address = await this.#openOwn(options, 'own');
        this.#ownAddresses.push({ ...address, url: `own://${address.host}:${address.port}` });
      } else {
        await this.#listeners.open(options);
      }
      this.#checkStart();
    }
    const { clock, retained } = this.#context;
    this.#sampling = this.#admission.lag.sample(clock);
    this.#sweep = clock.every(SWEEP_MS, () => {
      retained.sweepExpired(clock.now(), SWEEP_VISITS_MAX);
      this.#listeners.onTick(clock.now());
    });
  }

  async #openOwn(listener: Listener, name: string): Promise<BoundAddress> {
    const broker = new Broker(this.#context, listener, name, this.#admission, this.#abort.signal);
    this.#ownBrokers.push(broker);
    const address = await broker.listen();
    this.#checkStart();
    return address;
  }

  get #brokers(): readonly Broker[] {
    return [...this.#ownBrokers, ...this.#listeners.brokers];
  }

  /** Throws when somebody has stopped it meanwhile. */
  #checkStart(): void {
    if (this.#abort.signal.aborted) throw new Error('the server was stopped while it started');
  }

  async #stop(): Promise<void> {
    if (this.#state === 'starting') {
      this.#abort.abort();
      await this.#started?.catch(() => {}); // whoever started it is told
    }
    if (this.#state === 'running') {
      this.#state = 'stopping';
      await this.#listeners.freeze();
      await shutDown(this.#context, this.#brokers, this.#abort);
    }
    if (this.#state === 'stopped') return;
    this.#state = 'stopped';
    await this.#release();
  }

  async #release(): Promise<void> {
    this.#abort.abort();
    this.#sweep?.cancel();
    this.#sampling?.cancel();
    for (const broker of this.#brokers) {
      await broker.refuse();
      broker.dispose();
    }
    this.#listeners.clear();
    this.#ownAddresses = [];
    const { commits, logger, wheel } = this.#context;
    try {
      if (this.#isStoreOpen && commits !== null) await within(CLOSE_MAX_MS, commits.close());
    } catch (error) {
      logger.error({ error: String(error) }, 'the store could not be closed');
    }
    wheel.close();
  }
}

/** Rejects when it takes longer than that. */
function within(ms: number, promise: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`it took longer than ${ms} ms`)), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function buildContext(options: ServerOptions, limits: Limits, registry: Registry): Context {
  const clock = options.clock ?? SYSTEM_CLOCK;
  const logger = options.logger === undefined ? SILENT : guarded(options.logger);
  const wheel = new TimerWheel(clock);
  const tick = new Tick();
  const metrics = new Metrics();
  const drops = new Drops();
  drops.onListenerError = (error) =>
    logger.error({ error: String(error) }, 'the listener of lost messages failed');
  const alarms = new Alarms(clock, logger);
  const topics = new TopicTable(limits);
  const { storage } = options;
  return {
    limits,
    clock,
    ids: options.ids ?? RANDOM_IDS,
    wheel,
    tick,
    pool: new BufferPool(),
    topics,
    router: new Router(drops, {
      strategy: SHARED_STRATEGIES[options.sharedStrategy ?? 'round_robin'],
    }),
    retained: new RetainedStore(limits),
    drops,
    metrics,
    logger,
    registry,
    authenticator: options.authenticator ?? null,
    authorizer: options.authorizer ?? null,
    alarms,
    queueRules: new QueueRules(limits, options.queueRules),
    pendingWills: new PendingWills(),
    commits:
      storage === undefined
        ? null
        : new Commits(storage, clock, tick, wheel, metrics, alarms, logger),
    encodeOnce: new EncodeOnce(),
    publishView: new PublishView(),
    message: new Message(new Topic('', new Uint8Array(2), 0), 0, false, new Uint8Array(0), 0),
    delivery: new Delivery(),
  };
}
