// One listener for one protocol and address: it lets connections in, keeps the half-connected ones until their CONNECT is in, and
// ends all of its connections when its signal says so, by iterating; a signal per connection would cost more than the connection.
//
// A connection counts from the moment it is admitted, which is before anything is read, until it is gone; between that and its
// CONNECT it is half-connected, whatever its transport is doing meanwhile (PROXY header, TLS handshake, upgrade).

import { RefusalLog } from '../core/refusal-log.ts';
import { formatPeer, limitKey } from '../lib/address.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import { reasonCodeName } from '../protocol/reason-code-table.ts';
import { Connection } from '../session/connection.ts';
import { PauseReason } from '../session/connection-state.ts';
import type { ConnectionOwner, Context } from '../session/context.ts';
import { AcceptControl, type AcceptLimits } from '../transport/accept-control.ts';
import type { LoopLag } from '../transport/loop-lag.ts';
import type { BoundAddress, Gate, Listener, Stream } from '../transport/stream.ts';
import { logRefusal, type Refusal } from './refusals.ts';

/** Connections that get their DISCONNECT in one turn when the server stops. */
const SLICE = 500;

const STRANGER = 'connection closed before CONNECT was accepted';

/** No limit of a listener's own. */
export const NO_ACCEPT_LIMITS: AcceptLimits = {
  connectionsMax: 0,
  connectionsPerAddressMax: 0,
  connectRate: 0,
  connectBurst: 1,
  connectRatePerAddress: 0,
  connectBurstPerAddress: 1,
  addressesMax: 65_536,
};

/** How many connections there are on all brokers, and whether more may come. */
export interface Admission {
  connections: number;
  readonly lag: LoopLag;
}

export class Broker implements ConnectionOwner, Gate {
  /** `mqtt://127.0.0.1:1883` */
  name: string;
  ruleName: string;
  /** For the next connection. */
  #context: Context;
  readonly #listener: Listener;
  readonly #admission: Admission;
  readonly #signal: AbortSignal;
  readonly #control: AcceptControl;
  readonly #refusals = new Map<string, number>();
  readonly #log: RefusalLog;
  /** Streams that are not accepted yet. */
  readonly #waiting = new Set<Connection>();
  /** Those of them whose CONNECT is in, while somebody is asked about their client. */
  readonly #asked = new Set<Connection>();
  readonly #connected = new Set<Connection>();
  readonly #onAbort = () => this.#abort();
  #isRefusing = false;
  #onEmpty: (() => void) | null = null;
  #empty: Promise<void> | null = null;

  constructor(
    context: Context,
    listener: Listener,
    name: string,
    admission: Admission,
    signal: AbortSignal,
    acceptLimits: AcceptLimits = NO_ACCEPT_LIMITS,
  ) {
    this.#context = context;
    this.#listener = listener;
    this.name = name;
    this.ruleName = name;
    this.#admission = admission;
    this.#signal = signal;
    const { clock, logs, wheel } = context;
    this.#log = new RefusalLog(logs.transport, wheel);
    this.#control = new AcceptControl(acceptLimits, () => clock.now(), admission.lag);
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Connections that are not accepted yet, those included that are not streams yet. */
  get halfConnected(): number {
    return this.#control.open - this.#connected.size;
  }

  get isClosing(): boolean {
    return this.#isRefusing;
  }

  get connected(): number {
    return this.#connected.size;
  }

  /** Connections that were not let in, by reason. */
  get refusals(): ReadonlyMap<string, number> {
    const counted = Object.entries(this.#control.refusals).filter(([, count]) => count > 0);
    return new Map([...counted, ...this.#refusals]);
  }

  /** Rejects with the system's error when the address cannot be had. */
  listen(): Promise<BoundAddress> {
    return this.#listener.listen((stream) => this.#accept(stream), this);
  }

  /** What counts for the next connection; those that are there keep what they have. */
  change(context: Context, acceptLimits: AcceptLimits): void {
    this.#context = context;
    this.#control.setLimits(acceptLimits);
  }

  /** No new streams from now on. */
  refuse(): Promise<void> {
    this.#isRefusing = true;
    return this.#listener.close();
  }

  // The gate

  admit(address: string): boolean {
    if (this.#isRefusing) return false;
    const reason = this.#objection(address);
    if (reason !== null) {
      this.#refused(reason, address);
      return false;
    }
    this.#context.metrics.connectionsOpened++;
    this.#admission.connections++;
    return true;
  }

  place(address: string): boolean {
    const reason = this.#banned(address) ?? this.#control.admitAddress(address);
    if (reason === null) return true;
    this.#refused(reason, address);
    return false;
  }

  release(address: string): void {
    this.#control.release(address);
    this.#admission.connections--;
    this.#context.metrics.connectionsClosed++;
    if (this.#control.open > 0 || this.#onEmpty === null) return;
    this.#onEmpty();
    this.#onEmpty = null;
    this.#empty = null;
  }

  refuseFor(reason: string): void {
    this.#context.metrics.connectionsRefused++;
    this.#refusals.set(reason, (this.#refusals.get(reason) ?? 0) + 1);
  }

  #banned(address: string): Refusal | null {
    const { guard, metrics } = this.#context;
    if (guard === null || !guard.isBanned(address)) return null;
    metrics.banRefusals++;
    this.#refusals.set('banned', (this.#refusals.get('banned') ?? 0) + 1);
    return 'banned';
  }

  /** Counts the connection as open, or says why not. */
  #objection(address: string): Refusal | null {
    const control = this.#control;
    const banned = this.#banned(address);
    if (banned !== null) return banned;
    if (this.#context.draining.isClosed) {
      this.#refusals.set('draining', (this.#refusals.get('draining') ?? 0) + 1);
      return 'draining';
    }
    const { connectionsMax, halfConnectedMax } = this.#context.limits;
    if (this.#admission.connections >= connectionsMax) {
      control.refuse('connections');
      return 'server-connections';
    }
    // Who waits for an answer of ours is bounded by whoever is asked, and must not shut the door on those that nobody waits for.
    const opening = this.halfConnected - this.#asked.size;
    if (opening >= halfConnectedMax) return control.refuse('half-connected');
    return control.admit(address);
  }

  #refused(reason: Refusal, address: string): void {
    this.#context.metrics.connectionsRefused++;
    logRefusal(this.#log, reason, this.name, address);
  }

  onAsked(connection: Connection): void {
    this.#asked.add(connection);
  }

  onAnswered(connection: Connection): void {
    this.#asked.delete(connection);
  }

  onConnected(connection: Connection): void {
    this.#waiting.delete(connection);
    this.#asked.delete(connection);
    this.#connected.add(connection);
  }

  onClosed(connection: Connection): void {
    this.#waiting.delete(connection);
    this.#asked.delete(connection);
    this.#connected.delete(connection);
    const { client, stream } = connection;
    if (client === null) this.#tellOfStranger(connection);
    this.release(stream.remoteAddress);
  }

  /** One that was never let in: of the others the session layer tells. */
  #tellOfStranger({
    bytesReceived,
    departure,
    isExplained,
    openedAtMs,
    stream,
    writer,
  }: Connection): void {
    const { clock, logs } = this.#context;
    const logger = logs.transport;
    const fields = {
      remote: formatPeer(stream.remoteAddress, stream.remotePort),
      listener: this.name,
      reason: departure?.reason ?? '',
      durationMs: Math.round(clock.now() - openedAtMs),
      bytesReceived,
      bytesSent: writer.bytesSent,
    };
    if (isExplained) logger.debug(fields, STRANGER);
    else if (bytesReceived > 0) this.#logStranger(fields, stream.remoteAddress);
    else logger.debug(fields, 'connection closed before its first byte');
  }

  /** A line for each way in which connections of an address fail. */
  #logStranger(fields: { readonly reason: string }, address: string): void {
    const key = `${limitKey(address)} ${fields.reason}`;
    this.#log.info(key, fields, STRANGER);
  }

  /** Ends the clients whose certificate does not count any more: revoked, or expired. */
  endInvalidCertificates(): void {
    for (const connection of [...this.#waiting, ...this.#connected]) {
      const objection = connection.stream.certificate?.objection() ?? null;
      if (objection === null) continue;
      const { subject } = connection.stream.certificate ?? {};
      const clientId = connection.client?.clientId ?? null;
      const sentence = `a client is ended: ${objection}`;
      this.#log.info(`${clientId} ${subject}`, { clientId, subject }, sentence);
      connection.disconnect(ReasonCode.NotAuthorized, objection);
    }
  }

  /** Nothing is read any more; what was read is answered. */
  stopReading(): void {
    for (const connection of this.#connected) connection.pauseReading(PauseReason.Stopping);
    this.endHalfConnected();
  }

  /** Ends those whose CONNECT is not in, or not answered, yet. */
  endHalfConnected(): void {
    for (const connection of [...this.#waiting]) connection.destroy();
  }

  /** Those that are streams, accepted or not. */
  *connections(): IterableIterator<Connection> {
    yield* this.#waiting;
    yield* this.#connected;
  }

  /** Bytes of output that wait for their sockets. */
  get pendingBytes(): number {
    let bytes = 0;
    for (const connection of this.#connected) bytes += connection.writer.output.pendingBytes;
    return bytes;
  }

  /** DISCONNECT to every client that has one, in slices, then the end of each stream. Resolves when the last was told. */
  async disconnectAll(reasonCode: ReasonCode): Promise<void> {
    let budget = SLICE;
    for (const connection of [...this.#connected]) {
      connection.disconnect(reasonCode, reasonCodeName(reasonCode));
      if (--budget > 0) continue;
      budget = SLICE;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Resolves when no connection is left; whoever asks meanwhile waits for the same. */
  whenEmpty(): Promise<void> {
    if (this.#control.open === 0) return Promise.resolve();
    this.#empty ??= new Promise((resolve) => {
      this.#onEmpty = resolve;
    });
    return this.#empty;
  }

  /** Forgets its signal: it has ended. */
  dispose(): void {
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#log.close();
  }

  #accept(stream: Stream): void {
    const connection = new Connection(this.#context, this, stream);
    this.#waiting.add(connection);
    stream.open(connection);
    if (this.#isRefusing) connection.destroy(); // it was on its way when the server began to stop
  }

  #abort(): void {
    void this.refuse();
    for (const connection of [...this.#waiting, ...this.#connected]) connection.destroy();
  }
}
