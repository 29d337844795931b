// One line for each client that connects and one for each that disconnects, with all that an operator asks about: who, how long,
// which side ended it and why, what was the last packet, what waited. When thousands come or go at once a line each would cost
// more than letting them in, so there are so many lines a second; of the others only the number is told, and why they went.

import type { Logger } from '../core/logger.ts';
import { formatPeer } from '../lib/address.ts';
import { clip, clipName } from '../lib/clip.ts';
import { Timer, type TimerOwner, type TimerWheel } from '../lib/timer-wheel.ts';
import { PACKET_NAMES } from '../protocol/packet-names.ts';
import { reasonCodeName } from '../protocol/reason-code-table.ts';
import type { Connection } from './connection.ts';

export interface ConnectionLogOptions {
  /** `summary`: no lines, only the numbers. */
  readonly connections: 'all' | 'summary';
  /** Lines a second at most; the rest becomes numbers. */
  readonly connectionsRate: number;
  /** Somebody wants to see all lines of this client. */
  readonly isFollowed?: (clientId: string) => boolean;
}

const DEFAULT_CONNECTION_LOG: ConnectionLogOptions = {
  connections: 'all',
  connectionsRate: 200,
};

const SUMMARY_MS = 10_000;
const WINDOW_MS = 1_000;
/** Ways in which connections end that a summary names; the rest of them is `other`. */
const WAYS_MAX = 16;

/** What the line of a connect says beyond the connection itself. */
export interface Arrival {
  readonly keepAlive: number;
  readonly cleanStart: boolean;
  readonly sessionPresent: boolean;
  /** seconds */
  readonly expiryInterval: number;
  readonly hasWill: boolean;
  /** Milliseconds from its CONNECT until it was let in. */
  readonly loginMs: number;
}

export class ConnectionLog implements TimerOwner {
  options: ConnectionLogOptions;
  readonly #logger: Logger;
  readonly #wheel: TimerWheel;
  readonly #timer = new Timer(this);
  #windowMs = 0;
  #linesOfWindow = 0;
  #connected = 0;
  #disconnected = 0;
  readonly #ways = new Map<string, number>();

  constructor(logger: Logger, wheel: TimerWheel, options = DEFAULT_CONNECTION_LOG) {
    this.#logger = logger;
    this.#wheel = wheel;
    this.options = options;
  }

  /** CONNECT was accepted. */
  connected(connection: Connection, arrival: Arrival): void {
    if (!this.#mayTell(connection)) {
      this.#connected++;
      this.#sumUpLater();
      return;
    }
    const { keepAlive, cleanStart, sessionPresent, expiryInterval, hasWill, loginMs } = arrival;
    const fields = {
      ...whoOf(connection),
      ...{ keepAlive, cleanStart, sessionPresent, sessionExpiry: expiryInterval, will: hasWill },
      loginMs: round(loginMs),
    };
    this.#logger.info(fields, 'client connected');
  }

  /** One that was connected is not any more. */
  disconnected(connection: Connection): void {
    const { departure } = connection;
    if (departure === null) return;
    if (!this.#mayTell(connection)) {
      this.#disconnected++;
      this.#countWay(`${departure.side}: ${departure.reason}`);
      this.#sumUpLater();
      return;
    }
    const { side, reasonCode, reason, said, atMs } = departure;
    const { queuedMessages, queuedBytes, inflightMessages } = departure;
    const { bytesReceived, messagesReceived, writer } = connection;
    const { bytesSent, messagesSent } = writer;
    const fields = {
      ...whoOf(connection),
      durationMs: round(atMs - connection.openedAtMs),
      endedBy: side,
      reasonCode: reasonCode === null ? null : hexCode(reasonCode),
      reasonName: reasonCode === null ? null : nameOf(reasonCode),
      reason,
      ...(said === null ? {} : { said }),
      lastPacket: PACKET_NAMES[connection.framer.header >> 4],
      lastPacketAgeMs: round(atMs - connection.lastPacketMs),
      ...{ queuedMessages, queuedBytes, inflightMessages },
      ...{ bytesReceived, bytesSent, messagesReceived, messagesSent },
    };
    this.#logger.info(fields, 'client disconnected');
  }

  /** Says how many had no line of their own. */
  onTimer(): void {
    if (this.#connected + this.#disconnected === 0) return;
    const fields = {
      connected: this.#connected,
      disconnected: this.#disconnected,
      ways: Object.fromEntries(this.#ways),
    };
    this.#connected = 0;
    this.#disconnected = 0;
    this.#ways.clear();
    this.#logger.info(fields, 'clients connected and disconnected without a line each');
  }

  /** Says what it still has to say. */
  close(): void {
    this.#wheel.cancel(this.#timer);
    this.onTimer();
  }

  #mayTell({ client, context }: Connection): boolean {
    const { connections, connectionsRate, isFollowed } = this.options;
    if (client !== null && isFollowed?.(client.clientId) === true) return true;
    if (connections === 'summary') return false;
    const nowMs = context.clock.now();
    if (nowMs - this.#windowMs >= WINDOW_MS) {
      this.#windowMs = nowMs;
      this.#linesOfWindow = 0;
    }
    return this.#linesOfWindow++ < connectionsRate;
  }

  #countWay(way: string): void {
    const known = this.#ways.has(way) || this.#ways.size < WAYS_MAX - 1;
    const name = known ? way : 'other';
    this.#ways.set(name, (this.#ways.get(name) ?? 0) + 1);
  }

  #sumUpLater(): void {
    if (!this.#timer.isArmed) this.#wheel.arm(this.#timer, SUMMARY_MS);
  }
}

/** What both lines say of who it is. */
function whoOf({ client, owner, stream, version }: Connection): object {
  const { clientId = '', username = null } = client ?? {};
  return {
    clientId: clip(clientId),
    username: username === null ? null : clipName(username),
    remote: formatPeer(stream.remoteAddress, stream.remotePort),
    listener: owner.name,
    transport: stream.transport,
    version,
  };
}

/** 0x00 has a name of its own in DISCONNECT. MQTT 5 §3.14.2.1 */
function nameOf(code: number): string {
  return code === 0 ? 'Normal disconnection' : reasonCodeName(code);
}

function hexCode(code: number): string {
  return `0x${code.toString(16).padStart(2, '0').toUpperCase()}`;
}

/** To a tenth of a millisecond. */
function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
