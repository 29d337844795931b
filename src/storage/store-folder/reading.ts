// Opens a store for a command instead of a server: nobody is connected and time stands still, so that what is read comes in
// store times, as it lies there.

import { StoredMessageCodec } from '../../core/message-codec.ts';
import { type ClockAnchor, decodeAnchor, StoreClock } from '../../core/store-clock.ts';
import type { Clock } from '../../lib/clock.ts';
import { NO_LIMITS } from '../../protocol/decode-limits.ts';
import { TopicTable } from '../../protocol/topic.ts';
import type { Storage, StorageHost, StoreInfo } from '../storage.ts';

/** Where a server keeps the anchor of its store's clock (core/commits.ts). */
const CLOCK_TABLE = 'server';
const CLOCK_KEY = 'clock';
const TOPICS_MAX = 1_024;

/** By it a message's times are store times. */
const STANDING_CLOCK: Clock = {
  now: () => 0,
  wallNow: () => 0,
  every: () => ({ cancel() {} }),
};

export interface OpenStore {
  readonly info: StoreInfo;
  /** When a server last said what time it was; null = no server ever did. */
  readonly anchor: ClockAnchor | null;
  /** What the store complained about. */
  readonly complaints: readonly string[];
}

/** Opens the store. Rejects with a sentence for people when it cannot be used. */
export async function openStore(storage: Storage): Promise<OpenStore> {
  const complaints: string[] = [];
  const topics = new TopicTable(NO_LIMITS, TOPICS_MAX);
  const host: StorageHost = {
    messages: new StoredMessageCodec(new StoreClock(STANDING_CLOCK, null), topics, 0),
    setProblem(problem) {
      if (problem !== null) complaints.push(problem);
    },
    raiseAlarm(_name, _severity, message) {
      complaints.push(message);
    },
    clearAlarm() {},
    log(level, _fields, message) {
      if (level === 'error') complaints.push(message);
    },
  };
  const info = await storage.open(host);
  const anchor = decodeAnchor(await storage.get(CLOCK_TABLE, CLOCK_KEY));
  return { info, anchor, complaints };
}

/** What time it is in the store by this machine's clock, as the next server would say. */
export function storeNow(anchor: ClockAnchor | null, wallNowMs = Date.now()): number {
  if (anchor === null) return wallNowMs;
  return anchor.storeMs + Math.max(0, wallNowMs - anchor.wallMs);
}
