// MQTT as a model: who must get which message, how often, in which order. It does everything at once and the slow way, over
// plain arrays, so that it can be read against the specification. It knows no bytes, no packet ids and no shared
// subscriptions (those have a test of their own).

import { matchesFilter, type ProtocolVersion, type QoS } from '../../src/protocol/index.ts';

export interface ModelLimits {
  readonly inflightMessagesMax: number;
  readonly queueMessagesMax: number;
  readonly queuePolicy: 'drop-new' | 'drop-oldest';
  readonly queueQos0: boolean;
  /** seconds */
  readonly sessionExpiryMax: number;
}

export interface ModelMessage {
  readonly topicName: string;
  readonly payload: string;
  readonly qos: QoS;
  readonly retain: boolean;
  /** seconds, or null for never */
  readonly expiry: number | null;
  /** client id */
  readonly publisher: string;
  atMs: number;
}

export interface ModelSubscription {
  readonly topicFilter: string;
  readonly qos: QoS;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: 0 | 1 | 2;
  /** 0 = none */
  readonly identifier: number;
}

export interface ModelWill {
  readonly message: ModelMessage;
  /** seconds */
  readonly delay: number;
}

export interface ModelConnect {
  readonly clientId: string;
  readonly version: ProtocolVersion;
  readonly cleanStart: boolean;
  /** seconds; v5 only */
  readonly expiry: number;
  /** v5 only */
  readonly receiveMaximum: number;
  readonly will: ModelWill | null;
}

interface Entry {
  readonly message: ModelMessage;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly identifiers: readonly number[];
  isReleased: boolean;
  /** On this connection; what is in flight and not sent is sent again. */
  isSent: boolean;
  packetId: number;
}

/** What a client must receive next. `entry` gets its packet id when it is seen. */
export interface Expected {
  readonly kind: 'publish' | 'pubrel';
  readonly topicName: string;
  readonly payload: string;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly dup: boolean;
  readonly identifiers: readonly number[];
  readonly expiry: number | null;
  readonly entry: Entry;
}

/** Retained messages on their way to a new subscription, which may have been renewed since. */
interface Scan {
  readonly topicFilter: string;
  /** Topic names up to this one are done. */
  from: string;
}

export class ModelSession {
  readonly clientId: string;
  version: ProtocolVersion = 5;
  isConnected = false;
  expiry = 0;
  window = 0;
  will: ModelWill | null = null;
  willAtMs = Number.POSITIVE_INFINITY;
  expiresAtMs = Number.POSITIVE_INFINITY;
  readonly subscriptions: ModelSubscription[] = [];
  readonly inflight: Entry[] = [];
  readonly queue: Entry[] = [];
  scans: Scan[] = [];
  /** Packet ids of its own QoS 2 messages that it has not released. */
  readonly inbound = new Set<number>();

  constructor(clientId: string) {
    this.clientId = clientId;
  }
}

export class Model {
  nowMs: number;
  readonly sessions = new Map<string, ModelSession>();
  readonly retained = new Map<string, ModelMessage>();
  readonly drops: Record<string, number> = {};
  /** What each client receives, in order; taken by the test after every step. */
  readonly expected = new Map<string, Expected[]>();
  readonly #limits: ModelLimits;

  constructor(limits: ModelLimits, nowMs: number) {
    this.#limits = limits;
    this.nowMs = nowMs;
  }

  /** Returns whether the session was there. */
  connect(connect: ModelConnect): boolean {
    const existing = this.sessions.get(connect.clientId);
    if (existing?.isConnected) this.disconnect(existing, true); // taken over
    if (connect.cleanStart && this.sessions.has(connect.clientId)) this.#end(connect.clientId);
    const resumed = this.sessions.get(connect.clientId);
    const session = resumed ?? new ModelSession(connect.clientId);
    this.sessions.set(connect.clientId, session);
    const v3Expiry = connect.cleanStart ? 0 : this.#limits.sessionExpiryMax;
    session.version = connect.version;
    session.isConnected = true;
    session.expiry =
      connect.version === 5 ? Math.min(connect.expiry, this.#limits.sessionExpiryMax) : v3Expiry;
    session.window = Math.min(
      connect.version === 5 ? connect.receiveMaximum : 65_535,
      this.#limits.inflightMessagesMax,
    );
    session.will = connect.will;
    session.willAtMs = Number.POSITIVE_INFINITY;
    session.expiresAtMs = Number.POSITIVE_INFINITY;
    for (const entry of session.inflight) entry.isSent = false;
    this.#pump(session);
    return resumed !== undefined;
  }

  /** The connection is gone. */
  disconnect(session: ModelSession, publishesWill: boolean): void {
    session.isConnected = false;
    if (!publishesWill) session.will = null;
    if (session.expiry === 0) {
      this.#end(session.clientId);
      return;
    }
    session.expiresAtMs = this.nowMs + session.expiry * 1_000;
    if (session.will === null) return;
    if (session.will.delay === 0) this.#publishWill(session);
    else session.willAtMs = this.nowMs + session.will.delay * 1_000;
  }

  /** Everything that falls due until then, in its order. A session's end comes before its will's time: the end publishes it. */
  advance(toMs: number): void {
    for (;;) {
      let next: ModelSession | null = null;
      let dueMs = toMs;
      for (const session of this.sessions.values()) {
        const ownMs = Math.min(session.expiresAtMs, session.willAtMs);
        if (ownMs > dueMs || (next !== null && ownMs === dueMs)) continue;
        next = session;
        dueMs = ownMs;
      }
      if (next === null) break;
      this.nowMs = dueMs;
      if (next.expiresAtMs === dueMs) this.#end(next.clientId);
      else this.#publishWill(next);
    }
    this.nowMs = toMs;
  }

  /** Times at which something falls due. */
  dueTimes(): number[] {
    return [...this.sessions.values()].flatMap((s) => [s.expiresAtMs, s.willAtMs]);
  }

  /** Returns how many subscribers it was for. */
  publish(message: ModelMessage): number {
    message.atMs = this.nowMs;
    if (message.retain) {
      if (message.payload === '') this.retained.delete(message.topicName);
      else this.retained.set(message.topicName, message);
    }
    let subscribers = 0;
    let matches = 0;
    for (const session of this.sessions.values()) {
      const all = session.subscriptions.filter((s) =>
        matchesFilter(message.topicName, s.topicFilter),
      );
      if (all.length === 0) continue;
      matches++;
      const isOwn = session.clientId === message.publisher;
      const effective = all.filter((s) => !(s.noLocal && isOwn));
      if (effective.length === 0) {
        this.#drop('no_local');
        continue;
      }
      subscribers++;
      const granted = Math.max(...effective.map((s) => s.qos));
      this.#deliver(session, {
        message,
        qos: Math.min(granted, message.qos) as QoS,
        retain: message.retain && effective.some((s) => s.retainAsPublished),
        identifiers: effective.map((s) => s.identifier).filter((id) => id !== 0),
        isReleased: false,
        isSent: false,
        packetId: 0,
      });
    }
    if (matches === 0) this.#drop('no_subscriber');
    return subscribers;
  }

  subscribe(session: ModelSession, requests: readonly ModelSubscription[]): void {
    const scans: Scan[] = [];
    for (const request of requests) {
      const at = session.subscriptions.findIndex((s) => s.topicFilter === request.topicFilter);
      if (at < 0) session.subscriptions.push(request);
      else session.subscriptions[at] = request;
      if (request.retainHandling === 0 || (request.retainHandling === 1 && at < 0)) {
        scans.push({ topicFilter: request.topicFilter, from: '' });
      }
    }
    for (const scan of scans) {
      session.scans = session.scans.filter((s) => s.topicFilter !== scan.topicFilter);
      session.scans.push(scan);
      this.#pump(session);
    }
  }

  /** A client is gone before anything was written that it was to receive now. */
  loseUnsent(clientId: string): void {
    for (const { kind, qos } of this.expected.get(clientId) ?? []) {
      if (kind === 'publish' && qos === 0) this.#drop('unsent');
    }
  }

  /** Returns whether there was one. */
  unsubscribe(session: ModelSession, topicFilter: string): boolean {
    session.scans = session.scans.filter((s) => s.topicFilter !== topicFilter);
    const at = session.subscriptions.findIndex((s) => s.topicFilter === topicFilter);
    if (at < 0) return false;
    session.subscriptions.splice(at, 1);
    return true;
  }

  /** PUBREC. */
  release(session: ModelSession, entry: Entry): void {
    entry.isReleased = true;
    this.#expect(session, entry, false);
  }

  /** PUBACK, PUBCOMP, or a PUBREC that refuses. */
  finish(session: ModelSession, entry: Entry, isRefused = false): void {
    if (isRefused) this.#drop('refused');
    session.inflight.splice(session.inflight.indexOf(entry), 1);
    this.#pump(session);
  }

  isExpired(message: ModelMessage): boolean {
    return message.expiry !== null && this.nowMs >= message.atMs + message.expiry * 1_000;
  }

  #deliver(session: ModelSession, entry: Entry): void {
    const isBehind = session.queue.some(({ qos }) => qos === 0);
    if (entry.qos === 0 && session.isConnected && !isBehind) {
      this.#expect(session, entry, false);
    } else if (entry.qos === 0 && !this.#limits.queueQos0) {
      this.#drop('offline');
    } else if (session.isConnected && this.#mayGo(session)) {
      this.#send(session, entry);
    } else {
      const { queue } = session;
      if (queue.length >= this.#limits.queueMessagesMax) this.#dropExpired(session);
      const isFull = queue.length >= this.#limits.queueMessagesMax;
      if (isFull && this.#limits.queuePolicy === 'drop-new') {
        this.#drop('queue_full');
        return;
      }
      if (isFull) {
        queue.shift();
        this.#drop('queue_oldest');
      }
      queue.push(entry);
    }
  }

  /** What expired makes room in a full queue. */
  #dropExpired(session: ModelSession): void {
    for (const entry of session.queue.filter(({ message }) => this.isExpired(message))) {
      session.queue.splice(session.queue.indexOf(entry), 1);
      this.#drop('expired');
    }
  }

  /** Nothing waits before it, and the window has room. */
  #mayGo(session: ModelSession): boolean {
    const isAllSent = session.inflight.every((entry) => entry.isSent);
    return isAllSent && session.queue.length === 0 && this.#hasRoom(session);
  }

  #hasRoom(session: ModelSession): boolean {
    return session.inflight.filter((entry) => entry.isSent).length < session.window;
  }

  #send(session: ModelSession, entry: Entry): void {
    entry.isSent = true;
    session.inflight.push(entry);
    this.#expect(session, entry, false);
  }

  /** First what is sent again, then the queue, then retained messages. */
  #pump(session: ModelSession): void {
    if (!session.isConnected) return;
    for (const entry of session.inflight) {
      if (entry.isSent) continue;
      if (!this.#hasRoom(session)) return;
      entry.isSent = true;
      this.#expect(session, entry, !entry.isReleased);
    }
    for (let entry = session.queue[0]; entry !== undefined; entry = session.queue[0]) {
      if (!this.isExpired(entry.message) && entry.qos > 0 && !this.#hasRoom(session)) return;
      session.queue.shift();
      if (this.isExpired(entry.message)) this.#drop('expired');
      else if (entry.qos === 0) this.#expect(session, entry, false);
      else this.#send(session, entry);
    }
    this.#scan(session);
  }

  #scan(session: ModelSession): void {
    while (session.scans.length > 0 && this.#hasRoom(session)) {
      const { from, topicFilter } = session.scans[0];
      const subscription = session.subscriptions.find((s) => s.topicFilter === topicFilter);
      if (subscription === undefined) throw new Error('a scan goes with its subscription');
      const message = [...this.retained.values()]
        .filter((m) => m.topicName > from && matchesFilter(m.topicName, topicFilter))
        .filter((m) => !this.isExpired(m))
        .sort((a, b) => (a.topicName < b.topicName ? -1 : 1))[0];
      if (message === undefined) {
        session.scans.shift();
        continue;
      }
      session.scans[0].from = message.topicName;
      if (subscription.noLocal && message.publisher === session.clientId) {
        this.#drop('no_local');
        continue;
      }
      this.#deliver(session, {
        message,
        qos: Math.min(subscription.qos, message.qos) as QoS,
        retain: true,
        identifiers: subscription.identifier === 0 ? [] : [subscription.identifier],
        isReleased: false,
        isSent: false,
        packetId: 0,
      });
    }
  }

  #expect(session: ModelSession, entry: Entry, dup: boolean): void {
    const { message } = entry;
    const waited = Math.floor((this.nowMs - message.atMs) / 1_000);
    const isV5 = session.version === 5;
    const list = this.expected.get(session.clientId) ?? [];
    list.push({
      kind: entry.isReleased ? 'pubrel' : 'publish',
      topicName: message.topicName,
      payload: message.payload,
      qos: entry.qos,
      retain: entry.retain,
      dup,
      identifiers: isV5 ? [...entry.identifiers].sort((a, b) => a - b) : [],
      expiry: isV5 && message.expiry !== null ? Math.max(0, message.expiry - waited) : null,
      entry,
    });
    this.expected.set(session.clientId, list);
  }

  #end(clientId: string): void {
    const session = this.sessions.get(clientId);
    if (session === undefined) return;
    this.sessions.delete(clientId);
    for (const entry of [...session.inflight, ...session.queue]) {
      if (!entry.isReleased) this.#drop('session_ended');
    }
    this.#publishWill(session);
  }

  #publishWill(session: ModelSession): void {
    const { will } = session;
    session.will = null;
    session.willAtMs = Number.POSITIVE_INFINITY;
    if (will !== null) this.publish(will.message);
  }

  #drop(reason: string): void {
    this.drops[reason] = (this.drops[reason] ?? 0) + 1;
  }
}
