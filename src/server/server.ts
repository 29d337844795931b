// The orchestrator: it builds what all share, opens the store, starts the brokers and stops everything in one order. Nothing of
// MQTT happens here.

import { setMaxListeners } from 'node:events';
import type { Client } from '../auth/auth.ts';
import type { Alarms } from '../core/alarms.ts';
import type { Drops } from '../core/drop.ts';
import { DEFAULT_LIMITS } from '../core/limits.ts';
import type { Metrics } from '../core/metrics.ts';
import type { QuotaRule } from '../core/quota-rules.ts';
import type { Cancellable } from '../lib/clock.ts';
import type { ReasonCode } from '../protocol/reason-code.ts';
import { isServerDisconnectCode } from '../protocol/reason-code-table.ts';
import type { ConnectionLogOptions } from '../session/connection-log.ts';
import type { Context } from '../session/context.ts';
import type { ListenerOptions } from '../transport/listener-options.ts';
import { LoopLag } from '../transport/loop-lag.ts';
import type { Stream } from '../transport/stream.ts';
import { AccessControl, type AccessOptions, type AccessReview } from './access-control.ts';
import type { Admission, Broker } from './broker.ts';
import { buildContext } from './build-context.ts';
import type { ExplainControl } from './contract/explain.ts';
import type { OverloadState } from './contract/overload.ts';
import type { TraceControl } from './contract/trace.ts';
import type { PurgedSession, ServerStats } from './contract.ts';
import { explainControl } from './explain/explain.ts';
import { recentDropsIn } from './explain/recent-drops.ts';
import {
  type ListenerChanges,
  type ListenerState,
  Listeners,
  type ServerAddress,
} from './listeners.ts';
import { Management } from './management/management.ts';
import { figuresOf, type ServerFigures, walk } from './metrics-snapshot.ts';
import type { DisconnectOptions, ServerOptions } from './options.ts';
import { Overload } from './overload.ts';
import { OwnListeners } from './own-listeners.ts';
import { prepareAccess } from './prepare-access.ts';
import { purgeSessions } from './purge.ts';
import { QueueShedder } from './queue-shedder.ts';
import { setQuotas } from './quotas.ts';
import { openStore } from './recovery.ts';
import { Registry } from './registry.ts';
import { closeContext, shutDown } from './shutdown.ts';
import { MessageTracing } from './spans/message-tracing.ts';
import { statsOf } from './stats.ts';
import { openSys } from './sys-source.ts';
import type { SysTopics } from './sys-topics.ts';
import { Traces } from './traces.ts';

/** Expired retained messages are looked for this often, so many visits at a time. */
const SWEEP_MS = 1_000;
const SWEEP_VISITS_MAX = 10_000;

/** What a server is doing as a whole. */
export type ServerState = 'new' | 'starting' | 'running' | 'stopping' | 'stopped';

export class Server {
  /** What operators may see and do of clients and messages. */
  readonly management: Management;
  /** OpenTelemetry traces of messages: `set` says of which. */
  readonly tracing: MessageTracing;
  readonly #options: ServerOptions;
  readonly #context: Context;
  readonly #registry: Registry;
  readonly #access: AccessControl;
  readonly #overload: Overload;
  readonly #admission: Admission;
  readonly #traces: Traces;
  readonly #abort = new AbortController();
  readonly #listeners: Listeners;
  readonly #ownListeners: OwnListeners;
  #state: ServerState = 'new';
  #started: Promise<void> | null = null;
  #stopped: Promise<void> | null = null;
  #sweep: Cancellable | null = null;
  #sampling: Cancellable | null = null;
  #sys: SysTopics | null = null;
  /** The store is this server's to close. */
  #isStoreOpen = false;

  constructor(options: ServerOptions = {}) {
    this.#options = options;
    const limits = Object.freeze({ ...DEFAULT_LIMITS, ...options.limits });
    setMaxListeners(0, this.#abort.signal); // one each listener, of which there may be any number
    this.#registry = new Registry(limits.sessionsMax);
    this.#context = buildContext(options, limits, this.#registry);
    const lag = new LoopLag(limits.loopLagMaxMs);
    this.#admission = { connections: 0, lag };
    const { overload = null } = options;
    const queues = new QueueShedder(this.#registry);
    this.#overload = new Overload(this.#context, lag, queues, overload);
    this.#traces = new Traces(this.#context);
    this.tracing = new MessageTracing(this.#context, options, this.#abort.signal);
    this.#access = new AccessControl(this.#context, this.#registry, options);
    this.#listeners = new Listeners(
      this.#context,
      this.#access,
      this.#admission,
      this.#abort.signal,
    );
    this.#ownListeners = new OwnListeners(this.#context, this.#admission, this.#abort.signal);
    this.management = new Management(this.#context, this.#registry, this, () => this.#brokers);
  }

  /** Where clients reach it, in the order of the listeners, ports resolved. */
  get addresses(): readonly ServerAddress[] {
    return [...this.#listeners.addresses, ...this.#ownListeners.addresses];
  }

  /** The configured listeners, and how each is doing. */
  get listeners(): readonly ListenerState[] {
    return this.#listeners.states;
  }

  /** Connections that were not let in, by reason. */
  get refusals(): Readonly<Record<string, number>> {
    const sums = Object.fromEntries(this.#listeners.refusals);
    for (const { refusals } of this.#ownListeners.brokers) {
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

  get state(): ServerState {
    return this.#state;
  }

  /** How much the server has to do, and what it does without for that. */
  get overload(): OverloadState {
    return this.#overload.state;
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
    return this.#ownListeners.connect();
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

  /** How many clients are connected. */
  countConnected(): number {
    return this.#brokers.reduce((count, { connected }) => count + connected, 0);
  }

  /** Who is connected. */
  *connectedClients(): IterableIterator<Client> {
    for (const { client, connection } of [...this.#registry]) {
      if (connection !== null) yield client;
    }
  }

  /** Whose the session of this client id is, connected or not; null: there is none. */
  clientOf(clientId: string): Client | null {
    return this.#registry.get(clientId)?.client ?? null;
  }

  /**
   * Makes the listeners those of `listeners`: others are opened, changed or closed, and the clients of those that stay notice
   * nothing. With `access`, who may come and do what changes in the same moment. Rejects with what is wrong, and then nothing
   * has changed.
   */
  setListeners(
    listeners: readonly ListenerOptions[],
    access?: AccessOptions,
  ): Promise<ListenerChanges> {
    if (!this.isRunning) return Promise.reject(new Error('the server is not running'));
    return this.#listeners.apply(listeners, () => {
      if (access !== undefined) this.#access.replace(access);
    });
  }

  /**
   * Replaces who may come and do what, at once for everything that is asked from now on. Then those who are connected are
   * looked at again, in slices: whoever may not be any more is disconnected, subscriptions that are not allowed are muted.
   * Resolves when that is done; what waits for an answer of the former ones is asked again.
   */
  setAccess(access: AccessOptions): Promise<AccessReview> {
    if (!this.isRunning) return Promise.reject(new Error('the server is not running'));
    this.#access.replace(access);
    return this.#access.reviewed();
  }

  /** Something is different about one user: its clients are looked at as after a change of access. */
  reviewUser(username: string): Promise<void> {
    return this.#access.reviewUser(username);
  }

  /**
   * What `setAccess` would do to those who are here now, or `setListeners` with these; nothing changes. Clients of listeners that
   * would be gone do not count.
   */
  previewAccess(
    access: AccessOptions,
    listeners?: readonly ListenerOptions[],
  ): Promise<AccessReview> {
    if (listeners === undefined) return this.#access.preview(access);
    return this.#access.preview(access, this.#listeners.doorsOf(listeners));
  }

  /** What `setListeners` would change; nothing does. */
  previewListeners(listeners: readonly ListenerOptions[]): ListenerChanges {
    return this.#listeners.preview(listeners);
  }

  /** Resolves when those who are connected have been looked at by the rules that are in force. */
  accessReviewed(): Promise<AccessReview> {
    return this.#access.reviewed();
  }

  /** Other quotas: they hold for all when it resolves. Rejects with all that is wrong with the rules, and then nothing has changed. */
  setQuotas(rules: readonly QuotaRule[]): Promise<void> {
    return setQuotas(this.#context, this.#registry, rules);
  }

  /** How many clients that come and go have a line of the log each, from now on. */
  setConnectionLog(options: ConnectionLogOptions): void {
    this.#context.connectionLog.options = options;
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
    return purgeSessions(this.#context, this.#registry, offlineForMs, isDryRun);
  }

  /** Recounts everything from the structures themselves. */
  stats(): ServerStats {
    return statsOf(this.#context, this.#registry, this.#brokers);
  }

  /** What the metrics page shows, counted like `stats()`, but in slices. */
  async figures(): Promise<ServerFigures> {
    const walked = await walk(this.#registry, this.#brokers);
    const { listeners, refusals } = this;
    return figuresOf(walked, {
      ...{ context: this.#context, brokers: this.#brokers },
      ...{ listeners, refusals, spans: this.tracing.figures, sys: this.#sys?.values ?? {} },
    });
  }

  /** Shows what happens, while somebody reads it. */
  get traces(): TraceControl {
    return this.#traces;
  }

  /** Says why messages would arrive, or not. `groupsOf`: what a user belongs to who has no session here. */
  explain(groupsOf: (username: string) => readonly string[] = () => []): ExplainControl {
    const parts = { context: this.#context, registry: this.#registry };
    const recentDrops = recentDropsIn(this.#context.drops.ledger);
    return explainControl({ ...parts, recentDrops, groupsOf });
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
    this.#context.drops.isStopping = true;
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
    const goOn = await openStore(this.#context, this.#abort.signal, () => {
      this.#isStoreOpen = true;
    });
    this.#checkStart();
    await prepareAccess(this.#context, this.#access, this.#options);
    this.#checkStart();
    goOn();
    await this.#ownListeners.openDoor();
    this.#checkStart();
    for (const options of this.#options.listeners ?? []) {
      if ('listen' in options) {
        await this.#ownListeners.open(options);
      } else {
        await this.#listeners.open(options);
      }
      this.#checkStart();
    }
    const { clock, retained } = this.#context;
    this.#sampling = this.#admission.lag.sample(clock);
    this.#overload.open();
    this.#sweep = clock.every(SWEEP_MS, () => {
      retained.sweepExpired(clock.now(), SWEEP_VISITS_MAX);
      this.#listeners.onTick(clock.now());
    });
    const { sys } = this.#options;
    this.#sys = openSys(this.#context, this.#registry, () => this.#brokers, sys);
  }

  get #brokers(): readonly Broker[] {
    return [...this.#ownListeners.brokers, ...this.#listeners.brokers];
  }

  /** Throws when somebody has stopped it meanwhile. */
  #checkStart(): void {
    if (this.#abort.signal.aborted) throw new Error('the server was stopped while it started');
  }

  async #stop(): Promise<void> {
    this.#traces.close();
    if (this.#state === 'starting') {
      this.#abort.abort();
      await this.#started?.catch(() => {}); // whoever started it is told
    }
    if (this.#state === 'running') {
      this.#state = 'stopping';
      this.#context.drops.isStopping = true;
      this.#sys?.close();
      await this.#listeners.freeze();
      await shutDown(this.#context, this.#brokers, this.#abort);
    }
    if (this.#state === 'stopped') return;
    this.#state = 'stopped';
    await this.#release();
  }

  async #release(): Promise<void> {
    await this.tracing.close();
    this.#abort.abort();
    this.#sweep?.cancel();
    this.#sampling?.cancel();
    this.#overload.close();
    this.#sys?.close();
    for (const broker of this.#brokers) {
      await broker.refuse();
      broker.dispose();
    }
    this.#listeners.clear();
    this.#ownListeners.addresses = [];
    await closeContext(this.#context, this.#registry, this.#isStoreOpen);
  }
}
