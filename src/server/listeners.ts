// The listeners of a server, each with its Broker, and how they change while it runs: everything new is prepared and bound
// before anything old goes, so that a reload that fails leaves all as it was. Clients of listeners that stay notice nothing.

import { isDeepStrictEqual } from 'node:util';
import { ReasonCode } from '../protocol/reason-code.ts';
import type { Authentication } from '../session/access.ts';
import type { Context } from '../session/context.ts';
import type { AcceptLimits } from '../transport/accept-control.ts';
import {
  ConfiguredListener,
  type ListenerHost,
  type PreparedChange,
} from '../transport/configured-listener.ts';
import { type ListenerOptions, listenerUrl } from '../transport/listener-options.ts';
import type { BoundAddress } from '../transport/stream.ts';
import { TlsAlarms } from '../transport/tls/tls-alarms.ts';
import type { AccessControl, Doors } from './access-control.ts';
import { type Admission, Broker, NO_ACCEPT_LIMITS } from './broker.ts';
import { compareListeners, connectedTo, mayCollide, type OpenListener } from './open-listeners.ts';

/** An alarm is over when accepting has worked for so long. */
const EXHAUSTED_MS = 10_000;
/** How often certificates of connected clients are looked at. */
const CERTIFICATES_MS = 60_000;

/** Where clients reach the server. */
export interface ServerAddress extends BoundAddress {
  /** `mqtts://127.0.0.1:8883` */
  readonly url: string;
}

/** A listener, and how it is doing. */
export interface ListenerState extends ServerAddress {
  /** As rules call it. */
  readonly name: string;
  readonly connections: number;
  /** Of them those whose CONNECT is not accepted yet, handshakes and upgrades under way included. */
  readonly halfConnected: number;
  /** Connections that were not let in, by reason. */
  readonly refusals: Readonly<Record<string, number>>;
  /** When the first of its certificates ends; milliseconds of the wall clock, null without TLS. */
  readonly certificateEndsMs: number | null;
  /** Days until then, negative afterwards. */
  readonly certificateLeftDays: number | null;
  /** Days until the first of its revocation lists is too old; null if there is none that says when. */
  readonly crlLeftDays: number | null;
}

export interface ListenerChanges {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  /** Clients of those that are removed, which go with them. */
  readonly ended: number;
}

export class Listeners {
  readonly #context: Context;
  readonly #access: AccessControl;
  readonly #admission: Admission;
  readonly #signal: AbortSignal;
  readonly #tlsAlarms: TlsAlarms;
  readonly #open: OpenListener[] = [];
  /** Brokers of listeners that were removed, until their last client is gone. */
  readonly #leaving = new Set<Broker>();
  /** Of brokers that are gone: what was counted stays counted. */
  readonly #goneRefusals = new Map<string, number>();
  #isClosed = false;
  #exhaustedUntilMs = 0;
  #changing: Promise<unknown> = Promise.resolve();
  #nextCheckMs = 0;

  constructor(context: Context, access: AccessControl, admission: Admission, signal: AbortSignal) {
    this.#context = context;
    this.#access = access;
    this.#admission = admission;
    this.#signal = signal;
    this.#tlsAlarms = TlsAlarms.of(context.alarms);
  }

  get addresses(): readonly ServerAddress[] {
    return this.#open.map(({ address }) => address);
  }

  get states(): readonly ListenerState[] {
    return this.#open.map(({ address, broker, listener }) => ({
      ...address,
      name: broker.ruleName,
      connections: broker.connected + broker.halfConnected,
      halfConnected: broker.halfConnected,
      refusals: Object.fromEntries(broker.refusals),
      certificateEndsMs: listener.certificateEndsMs,
      certificateLeftDays: listener.certificateLeftDays,
      crlLeftDays: listener.crlLeftDays,
    }));
  }

  /** Those of removed listeners included. */
  get brokers(): readonly Broker[] {
    return [...this.#open.map(({ broker }) => broker), ...this.#leaving];
  }

  /** Connections that were not let in, by reason, with those of listeners that are gone. */
  get refusals(): ReadonlyMap<string, number> {
    const sums = new Map(this.#goneRefusals);
    for (const { refusals } of this.brokers) addAll(sums, refusals);
    return sums;
  }

  /** Opens one more; rejects with what is wrong, and leaves nothing open. */
  async open(options: ListenerOptions): Promise<void> {
    this.#open.push(await this.#bind(options, await this.#prepare(options)));
  }

  /**
   * Makes the listeners those of `wanted`: new ones are opened, changed ones changed for new connections, those that are missing
   * closed with their clients. Rejects with what is wrong, and then nothing has changed. Calls wait for each other. `swap`
   * changes what goes with it, in the same moment, once nothing can go wrong any more.
   */
  apply(wanted: readonly ListenerOptions[], swap: () => void = () => {}): Promise<ListenerChanges> {
    const applied = this.#changing.then(() => this.#apply(wanted, swap));
    this.#changing = applied.catch(() => {}); // whoever asked is told
    return applied;
  }

  /** What `apply` would change, as far as nothing goes wrong. */
  preview(wanted: readonly ListenerOptions[]): ListenerChanges {
    const { stay, added, removed } = compareListeners(this.#open, wanted);
    const changed = [...stay].filter(
      ([open, options]) => !isDeepStrictEqual(open.options, options),
    );
    return {
      added: added.map((options) => listenerUrl(options)),
      changed: changed.map(([{ address }, options]) => listenerUrl(options, address)),
      removed: removed.map(({ address }) => address.url),
      ended: connectedTo(removed),
    };
  }

  /** Who would ask clients who they are then. */
  doorsOf(wanted: readonly ListenerOptions[]): Doors {
    const { stay, removed } = compareListeners(this.#open, wanted);
    return {
      names: wanted.map(({ authenticator }) => authenticator),
      nameFor({ context: { authentication }, owner }) {
        if (owner.isClosing || removed.some(({ broker }) => broker === owner)) return null;
        // One who came before the listener named any is asked as the server's own are.
        const renamed = [...stay].find(([open]) => open.authentication === authentication);
        return renamed === undefined ? authentication.name : renamed[1].authenticator;
      },
    };
  }

  /** Reads all certificates again. Those that are wrong stay as they were, and the log says why. */
  async reloadCertificates(): Promise<void> {
    await Promise.all(this.#open.map(({ listener }) => listener.reloadCertificates()));
  }

  /** Nothing is changed from now on. Resolves when what is being changed is undone or done. */
  async freeze(): Promise<void> {
    this.#isClosed = true;
    await this.#changing;
  }

  /** All closed: there are none any more. */
  clear(): void {
    this.#open.length = 0;
  }

  /** What is due from time to time. */
  onTick(nowMs: number): void {
    if (this.#exhaustedUntilMs > 0 && nowMs >= this.#exhaustedUntilMs) {
      this.#exhaustedUntilMs = 0;
      this.#context.alarms.clear('open_files');
    }
    if (nowMs < this.#nextCheckMs) return;
    this.#nextCheckMs = nowMs + CERTIFICATES_MS;
    for (const broker of this.brokers) broker.endInvalidCertificates();
  }

  async #apply(wanted: readonly ListenerOptions[], swap: () => void): Promise<ListenerChanges> {
    const changes: { open: OpenListener; options: ListenerOptions; prepared: PreparedChange }[] =
      [];
    const added: { options: ListenerOptions; prepared: ConfiguredListener }[] = [];
    const compared = compareListeners(this.#open, wanted);
    const { stay, removed } = compared;
    try {
      for (const options of compared.added) {
        added.push({ options, prepared: await this.#prepare(options) });
      }
      for (const [open, options] of stay) {
        if (isDeepStrictEqual(open.options, options)) continue;
        const prepared = await open.listener.prepareChange(
          options,
          this.#hostOf(options, () => open.broker),
        );
        changes.push({ open, options, prepared });
      }
      this.#checkOpen();
    } catch (error) {
      for (const { prepared } of changes) prepared.discard();
      for (const { prepared } of added) await prepared.close();
      throw error;
    }
    const opened = await this.#bindAll(added, removed).catch((error: unknown) => {
      for (const { prepared } of changes) prepared.discard();
      throw error;
    });
    const ended = connectedTo(removed);
    swap();
    for (const { open, options, prepared } of changes) {
      prepared.apply();
      open.options = options;
      open.authentication = this.#authenticationFor(options, open.authentication);
      open.broker.change(this.#contextOf(options, open.authentication), acceptLimitsOf(options));
      const { host, port } = open.address;
      open.broker.name = listenerUrl(options, { host, port });
      open.broker.ruleName = options.name ?? listenerUrl(options);
      open.address = { url: open.broker.name, host, port };
    }
    for (const open of removed) {
      this.#open.splice(this.#open.indexOf(open), 1);
      if (open.authentication !== null) this.#access.forget(open.authentication);
      this.#leave(open.broker);
    }
    this.#open.push(...opened);
    return {
      added: opened.map(({ address }) => address.url),
      changed: changes.map(({ open }) => open.address.url),
      removed: removed.map(({ address }) => address.url),
      ended,
    };
  }

  /** Binds new listeners. Where an old one that goes is in the way, it is closed first, and bound again if that was in vain. */
  async #bindAll(
    added: readonly { readonly options: ListenerOptions; readonly prepared: ConfiguredListener }[],
    removed: readonly OpenListener[],
  ): Promise<OpenListener[]> {
    const opened: OpenListener[] = [];
    const paused: OpenListener[] = [];
    try {
      for (const { options, prepared } of added) {
        for (const old of removed) {
          if (paused.includes(old) || !mayCollide(old, options)) continue;
          paused.push(old);
          await old.listener.pause();
        }
        this.#checkOpen();
        opened.push(await this.#bind(options, prepared));
      }
      this.#checkOpen();
    } catch (error) {
      for (const { broker } of opened) {
        await broker.refuse();
        this.#leave(broker); // somebody may have come already
      }
      for (const { prepared } of added) await prepared.close();
      for (const old of paused) await this.#unpause(old);
      throw error;
    }
    return opened;
  }

  async #unpause({ listener, address }: OpenListener): Promise<void> {
    if ((await listener.unpause()) || this.#isOver) return;
    const message =
      'a listener had to leave its address for one that could not be had, and somebody else has it now: it is tried for every second';
    this.#context.logs.transport.error({ listener: address.url }, message);
  }

  #prepare(options: ListenerOptions): Promise<ConfiguredListener> {
    // Refusals are counted by the broker, which comes after its listener.
    const owner: { broker: Broker | null } = { broker: null };
    const host = this.#hostOf(options, () => owner.broker);
    return ConfiguredListener.prepare(options, host).then((listener) => {
      this.#owners.set(listener, owner);
      return listener;
    });
  }

  readonly #owners = new WeakMap<ConfiguredListener, { broker: Broker | null }>();

  async #bind(options: ListenerOptions, listener: ConfiguredListener): Promise<OpenListener> {
    const authentication = this.#authenticationFor(options, null);
    const broker = new Broker(
      this.#contextOf(options, authentication),
      listener,
      listenerUrl(options),
      this.#admission,
      this.#signal,
      acceptLimitsOf(options),
    );
    if (options.name !== undefined) broker.ruleName = options.name;
    const owner = this.#owners.get(listener);
    if (owner !== undefined) owner.broker = broker;
    try {
      const bound = await broker.listen();
      const url = listenerUrl(options, bound);
      broker.name = url;
      this.#checkOpen();
      return { options, listener, broker, authentication, address: { url, ...bound } };
    } catch (error) {
      if (authentication !== null) this.#access.forget(authentication);
      await broker.refuse();
      broker.dispose();
      throw error;
    }
  }

  /** Nobody new; those who are there are told to go. */
  #leave(broker: Broker): void {
    this.#leaving.add(broker);
    void (async () => {
      await broker.refuse();
      broker.endHalfConnected();
      await broker.disconnectAll(ReasonCode.AdministrativeAction);
      await broker.whenEmpty();
      broker.dispose();
      this.#leaving.delete(broker);
      addAll(this.#goneRefusals, broker.refusals);
    })();
  }

  /** Nobody tells a broker that comes now to go. */
  get #isOver(): boolean {
    return this.#isClosed || this.#signal.aborted;
  }

  #checkOpen(): void {
    if (this.#isOver) throw new Error('the server is stopping: its listeners stay as they are');
  }

  #hostOf(options: ListenerOptions, broker: () => Broker | null): ListenerHost {
    const { clock, logs, wheel } = this.#context;
    const limits = { ...this.#context.limits, ...options.limits };
    return {
      clock,
      wheel,
      logger: logs.transport,
      alarms: this.#tlsAlarms,
      packetSizeMax: limits.packetSizeMax,
      unacceptedBytesMax: limits.unacceptedBytesMax,
      onRefused: (reason) => broker()?.refuseFor(reason),
      onExhausted: (isExhausted) => this.#onExhausted(isExhausted),
      onTrustChanged: () => broker()?.endInvalidCertificates(),
    };
  }

  /** The same context for all who have nothing of their own, so that there is one shape and mostly one object. */
  #contextOf({ limits = {} }: ListenerOptions, authentication: Authentication | null): Context {
    const context = this.#context;
    if (authentication === null && Object.keys(limits).length === 0) return context;
    return {
      ...context,
      authentication: authentication ?? context.authentication,
      limits: Object.freeze({ ...context.limits, ...limits }),
    };
  }

  /** The one that it has goes on, so that those who are connected are asked by the new name, too. */
  #authenticationFor(
    { authenticator }: ListenerOptions,
    former: Authentication | null,
  ): Authentication | null {
    if (former !== null) this.#access.rename(former, authenticator);
    else if (authenticator !== undefined) return this.#access.authenticationOf(authenticator);
    return former;
  }

  #onExhausted(isExhausted: boolean): void {
    const { alarms, clock } = this.#context;
    this.#exhaustedUntilMs = clock.now() + EXHAUSTED_MS;
    if (!isExhausted) return;
    alarms.raise(
      'open_files',
      'critical',
      'the process has hardly any file descriptors left: new connections are not accepted until some are closed; raise the limit of open files (ulimit -n, LimitNOFILE)',
      { connections: this.#admission.connections },
    );
  }
}

function addAll(sums: Map<string, number>, counts: ReadonlyMap<string, number>): void {
  for (const [reason, count] of counts) sums.set(reason, (sums.get(reason) ?? 0) + count);
}

function acceptLimitsOf({ accept }: ListenerOptions): AcceptLimits {
  return { ...NO_ACCEPT_LIMITS, ...accept };
}
