// Lost messages in the log: once in a while for each client and reason, with their number, so that an operator sees that a client
// loses messages and the log does not drown. The first is told at once; what follows only counts, and its number comes every ten
// seconds for as long as it goes on. Counting allocates nothing. What is to be told here, how and how loudly is in the table of
// reasons; denials and quotas have lines of their own.

import { DROP_REASON_NAMES, type DropListener, type DropReason } from '../core/drop.ts';
import { DROP_REASON_INFO } from '../core/drop-reasons.ts';
import type { Logger } from '../core/logger.ts';
import { limitKey } from '../lib/address.ts';
import { clip } from '../lib/clip.ts';
import { Timer, type TimerOwner, type TimerWheel } from '../lib/timer-wheel.ts';
import type { SessionRegistry } from './context.ts';

const INTERVAL_MS = 10_000;
/** Pairs of client and reason that are remembered, thus lines in an interval. */
const LINES_MAX = 256;
/** Of them those of one address, which may come with any number of client ids. */
const ADDRESS_LINES_MAX = 16;

interface Line {
  readonly address: string;
  /** Since it was told. */
  count: number;
  toldMs: number;
  /** Of the last one. */
  topicName: string;
  depth: number;
}

export class DropLog implements DropListener, TimerOwner {
  readonly #logger: Logger;
  readonly #wheel: TimerWheel;
  readonly #registry: Pick<SessionRegistry, 'get'>;
  readonly #timer = new Timer(this);
  /** By reason, then by client id. */
  readonly #lines: readonly Map<string, Line>[] = DROP_REASON_NAMES.map(() => new Map());
  #size = 0;
  /** Lines of each address that has any. */
  readonly #addresses = new Map<string, number>();
  /** Lost messages of clients that are not named. */
  #unnamed = 0;

  constructor(logger: Logger, wheel: TimerWheel, registry: Pick<SessionRegistry, 'get'>) {
    this.#logger = logger;
    this.#wheel = wheel;
    this.#registry = registry;
  }

  onDrop(
    reason: DropReason,
    clientId: string | null,
    topicName: string,
    count: number,
    depth: number,
  ): void {
    const info = DROP_REASON_INFO[reason];
    if (info.level === null) return;
    const who = info.isOfServer === true ? '' : (clientId ?? '');
    const line = this.#lines[reason].get(who);
    if (line === undefined) {
      if (info.level === 'debug' && this.#logger.isLevelEnabled?.('debug') === false) return;
      this.#begin(reason, who, topicName, count, depth);
      return;
    }
    line.count += count;
    line.topicName = topicName;
    line.depth = depth;
  }

  /** Tells what was lost since it was told. */
  onTimer(_timer: Timer, nowMs: number): void {
    for (const [index, lines] of this.#lines.entries()) {
      const reason = index as DropReason;
      for (const [who, line] of lines) {
        if (nowMs - line.toldMs < INTERVAL_MS) continue;
        if (line.count > 0) this.#tell(reason, who, line, nowMs);
        else this.#forget(lines, who, line);
      }
    }
    if (this.#unnamed > 0) {
      const fields = { count: this.#unnamed };
      this.#logger.warn(fields, 'messages of more clients were lost than are named in the log');
      this.#unnamed = 0;
    }
    if (this.#size > 0) this.#wheel.arm(this.#timer, INTERVAL_MS);
  }

  /** Says what it still has to say. */
  close(): void {
    this.onTimer(this.#timer, Number.POSITIVE_INFINITY);
    this.#wheel.cancel(this.#timer);
    for (const lines of this.#lines) lines.clear();
    this.#addresses.clear();
    this.#size = 0;
  }

  #begin(reason: DropReason, who: string, topicName: string, count: number, depth: number): void {
    if (!this.#timer.isArmed) this.#wheel.arm(this.#timer, INTERVAL_MS);
    const isFull = this.#size >= LINES_MAX;
    const address = isFull ? '' : limitKey(this.#registry.get(who)?.client.remoteAddress ?? '');
    const ofAddress = address === '' ? 0 : (this.#addresses.get(address) ?? 0);
    if (isFull || ofAddress >= ADDRESS_LINES_MAX) {
      this.#unnamed += count;
      return;
    }
    if (address !== '') this.#addresses.set(address, ofAddress + 1);
    const line: Line = { address, count, toldMs: 0, topicName, depth };
    this.#lines[reason].set(who, line);
    this.#size++;
    this.#tell(reason, who, line, this.#wheel.nowMs);
  }

  #tell(reason: DropReason, who: string, line: Line, nowMs: number): void {
    const { level, depth, isOfServer, sentence } = DROP_REASON_INFO[reason];
    if (level === null) return;
    const fields = {
      reason: DROP_REASON_NAMES[reason],
      ...(isOfServer === true ? {} : { clientId: clip(who) }),
      topic: clip(line.topicName),
      count: line.count,
      ...(line.depth < 0 || depth === null ? {} : { [DEPTH_FIELDS[depth]]: line.depth }),
    };
    line.count = 0;
    line.toldMs = nowMs;
    this.#logger[level](fields, sentence);
  }

  #forget(lines: Map<string, Line>, who: string, { address }: Line): void {
    lines.delete(who);
    this.#size--;
    const left = (this.#addresses.get(address) ?? 0) - 1;
    if (left > 0) this.#addresses.set(address, left);
    else this.#addresses.delete(address);
  }
}

const DEPTH_FIELDS = { messages: 'queuedMessages', bytes: 'outputBytes' } as const;
