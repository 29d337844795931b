// What is in a store, as numbers.

import type { Storage } from '../storage.ts';
import { openStore } from './reading.ts';

export interface StoreContents {
  readonly sessions: number;
  readonly subscriptions: number;
  readonly queuedMessages: number;
  readonly queuedBytes: number;
  readonly inflightMessages: number;
  readonly retainedMessages: number;
  readonly retainedBytes: number;
  readonly wills: number;
  /** Bytes on the disk that are in use; null where the store cannot tell. */
  readonly usedBytes: number | null;
  /** When a server last said what time it was; ISO 8601. */
  readonly lastServedAt: string | null;
}

/** Opens the store, counts what is in it, and closes it. */
export async function countContents(storage: Storage): Promise<StoreContents> {
  const { anchor } = await openStore(storage);
  try {
    let sessions = 0;
    let subscriptions = 0;
    let queuedMessages = 0;
    let queuedBytes = 0;
    let inflightMessages = 0;
    let retainedMessages = 0;
    let retainedBytes = 0;
    let wills = 0;
    await storage.recover({
      onSession(recovered) {
        sessions++;
        subscriptions += recovered.subscriptions.length;
        inflightMessages += recovered.inflight.length;
        if (recovered.will !== null) wills++;
      },
      onQueued(_session, { size }) {
        queuedMessages++;
        queuedBytes += size;
      },
      onRetained({ size }) {
        retainedMessages++;
        retainedBytes += size;
      },
    });
    return {
      sessions,
      subscriptions,
      queuedMessages,
      queuedBytes,
      inflightMessages,
      retainedMessages,
      retainedBytes,
      wills,
      usedBytes: storage.stats?.().usedBytes ?? null,
      lastServedAt: anchor === null ? null : new Date(anchor.wallMs).toISOString(),
    };
  } finally {
    await storage.close();
  }
}
