// What the server does without while it has too little memory or time, as the session layer sees it: one level, asked where it
// costs a comparison. Who measures and decides is the server (`server/overload.ts`); docs/overload.md has the order. What was
// acknowledged is never given up here: it waits in its queue, or in the store.

import { LARGE } from '../core/buffer-pool.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import type { Connection } from './connection.ts';
import { PauseReason } from './connection-state.ts';
import type { Context } from './context.ts';
import type { Session } from './session.ts';

/** Each includes those before it. */
export const OverloadLevel = {
  None: 0,
  /** New QoS 0 messages for clients that do not keep up. */
  Qos0: 1,
  /** Clients that have no session here yet; queues leave memory for the store. */
  Connections: 2,
  /** Publishers whose messages would have to be kept, or who send a lot, are paused; QoS 0 in large queues is given up. */
  Publishers: 3,
} as const;
export type OverloadLevel = (typeof OverloadLevel)[keyof typeof OverloadLevel];

/** What a publisher may bring in one round if all of it is taken at once, and what all of them may where memory is not bounded. */
const PUBLISHER_BYTES_MAX = 65_536;
const ROUND_BYTES_MAX = 16_777_216;
/** Publishers that are read again in one turn. */
const RESUMED_PER_TURN = 100;
/** Who is not heard for so long, or for one and a half times its keep-alive if that is longer, is given up; milliseconds. */
const UNHEARD_MS = 60_000;
/** In one round: each may leave a will. */
const GIVEN_UP_PER_ROUND = 100;
/** Read from the store at once; enough for a small window. */
const PAGE_BYTES = 16_384;

export class Shedding {
  #level: OverloadLevel = OverloadLevel.None;
  /** Bytes that an output may hold; past it there is no room in it. Infinite: the limit of its listener alone counts. */
  outputBytesMax = Number.POSITIVE_INFINITY;
  /** Bytes of a queue that are read from the store at once; infinite: as the queue does by itself. */
  pageBytesMax = Number.POSITIVE_INFINITY;
  /** Messages that were not taken at once by a client that was to get them: they went to its queue, or were lost. */
  untakenMessages = 0;
  /** Bytes that all publishers may bring until the next round. */
  #roundBytesLeft = 0;
  /** Bytes that each brought in this round. */
  readonly #broughtBytes = new Map<Connection, number>();
  /** Those who are not read before a round to come. */
  readonly #paused = new Set<Connection>();
  #resuming: Connection[] = [];
  /** Who looks at memory whenever so many bytes have come and gone. */
  #watcher: (() => void) | null = null;
  #watchedBytes = 0;
  #nextLookBytes = Number.POSITIVE_INFINITY;

  get level(): OverloadLevel {
    return this.#level;
  }

  /** Publishers that are not read. */
  get pausedCount(): number {
    return this.#paused.size + this.#resuming.length;
  }

  /** What can be stored does not stay in memory. */
  get keepsQueuesStored(): boolean {
    return this.#level >= OverloadLevel.Connections;
  }

  set(level: OverloadLevel): void {
    this.#level = level;
    this.outputBytesMax = level > OverloadLevel.None ? LARGE : Number.POSITIVE_INFINITY;
    this.pageBytesMax = this.keepsQueuesStored ? PAGE_BYTES : Number.POSITIVE_INFINITY;
    if (level === OverloadLevel.Publishers) return;
    this.#broughtBytes.clear();
    this.resumePublishers();
  }

  /** `watcher` is called after each `bytes` that came or were sent, besides its own looks by time. */
  watch(bytes: number, watcher: (() => void) | null): void {
    this.#watcher = watcher;
    this.#watchedBytes = bytes;
    this.#nextLookBytes = watcher === null ? Number.POSITIVE_INFINITY : 0;
  }

  /** So many bytes have come and been sent in all. Memory fills with them, not with time. */
  onFlow(flowedBytes: number): void {
    if (flowedBytes < this.#nextLookBytes) return;
    this.#nextLookBytes = flowedBytes + this.#watchedBytes;
    this.#watcher?.();
  }

  /** At the last level: a PUBLISH packet came. Who has brought its share is not read on behind it. */
  onPublish(connection: Connection, bytes: number): void {
    const brought = (this.#broughtBytes.get(connection) ?? 0) + bytes;
    this.#broughtBytes.set(connection, brought);
    this.#roundBytesLeft -= bytes;
    if (brought > PUBLISHER_BYTES_MAX || this.#roundBytesLeft < 0) this.pausePublisher(connection);
  }

  /** Its message was handled; the next ones stay in its socket. */
  pausePublisher(connection: Connection): void {
    if (this.#paused.has(connection)) return;
    connection.context.metrics.overloadPauses++;
    this.#paused.add(connection);
    connection.pauseReading(PauseReason.Overload);
  }

  /** So much may all publishers together bring from now on, if it is taken. */
  startRound(bytes: number): void {
    this.#broughtBytes.clear();
    this.#roundBytesLeft = Math.min(bytes, ROUND_BYTES_MAX);
  }

  /** They are read again, some each turn: for good when it is over, else until each has published once more. */
  resumePublishers(): void {
    this.#resume([...this.#paused]);
  }

  /**
   * Memory is full: only those are read again for whom something waits, since their acknowledgements free it. Nobody sees that
   * a client has gone while it is not read, and what came of it stays here: so the others do not wait for ever.
   */
  resumeDebtors(nowMs: number): void {
    const debtors: Connection[] = [];
    const givenUp: Connection[] = [];
    for (const connection of this.#paused) {
      if (connection.session === null || owesUs(connection.session)) debtors.push(connection);
      else if (givenUp.length < GIVEN_UP_PER_ROUND && isUnheard(connection, nowMs)) {
        givenUp.push(connection);
      }
    }
    this.#resume(debtors);
    for (const connection of givenUp) {
      this.#paused.delete(connection);
      connection.disconnect(ReasonCode.ServerBusy, 'the server had no memory to hear it for long');
    }
  }

  #resume(connections: readonly Connection[]): void {
    const isUnderWay = this.#resuming.length > 0;
    for (const connection of connections) {
      this.#paused.delete(connection);
      this.#resuming.push(connection);
    }
    if (!isUnderWay) this.#resumeSome();
  }

  #resumeSome(): void {
    const some = this.#resuming.splice(0, RESUMED_PER_TURN);
    for (const connection of some) {
      // Meanwhile a message of it may have been let in, by an authorizer that took its time, and is kept.
      if (!this.#paused.has(connection)) connection.resumeReading(PauseReason.Overload);
    }
    const first = this.#resuming[0];
    if (first !== undefined) first.context.tick.waitForNextTurn(this);
  }

  nextTurn(): void {
    this.#resumeSome();
  }

  /** Who has no session here is told to come later; who has one brings nothing new, and may take what waits for it. */
  refuses({ metrics, registry }: Context, clientId: string): boolean {
    if (this.#level < OverloadLevel.Connections) return false;
    if (registry.get(clientId) !== undefined) return false;
    metrics.overloadRefusals++;
    return true;
  }
}

/** Something is kept for its client, until it is acknowledged. */
function owesUs({ outbound }: Session): boolean {
  return outbound.inflightCount + outbound.queuedMessages > 0;
}

/** Its client has gone without it being seen, or waits in vain. */
function isUnheard({ keepAlive, lastReceivedMs }: Connection, nowMs: number): boolean {
  return nowMs - lastReceivedMs >= Math.max(UNHEARD_MS, keepAlive.timeoutMs);
}
