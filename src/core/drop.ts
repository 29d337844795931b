// The only way to lose a message. One enumeration of reasons, used by logs, metrics, API and hooks alike; every message that
// somebody was entitled to and did not get passes through `Drops.drop`. What each reason means is in `drop-reasons.ts`.

import type { DropLedger } from './drop-ledger.ts';

export const DropReason = {
  /** Nobody subscribes to its topic. */
  NoSubscriber: 0,
  /** The only matching subscription of its publisher says No Local. [MQTT-3.8.3-3] */
  NoLocal: 1,
  /** The session's queue is full (policy drop-new). */
  QueueFull: 2,
  /** The session's queue was full and newer messages came (policy drop-oldest). */
  QueueOldest: 3,
  /** QoS 0, and the client does not read fast enough. */
  OutputFull: 4,
  /** QoS 0, and the session is not connected. */
  Offline: 5,
  /** Its Message Expiry Interval passed. [MQTT-3.3.2-5] */
  Expired: 6,
  /** Larger than the client's Maximum Packet Size. [MQTT-3.1.2-25] */
  PacketTooLarge: 7,
  /** The publisher may not publish there. */
  NotAuthorized: 8,
  /** A retained message beyond the number or bytes allowed. */
  RetainedLimit: 9,
  /** Its session ended while it waited. */
  SessionEnded: 10,
  /** The client answered it with a failure. [MQTT-4.4.0-2] */
  Refused: 11,
  /** No member of the shared subscription could take it. */
  NoSharedMember: 12,
  /** The store is failing, and the message would have to be stored. */
  StoreFailing: 13,
  /** What the publisher sent is not taken here: its QoS, a retained message, a payload that is not the text it claims to be. */
  Limit: 14,
  /** What the store had of it cannot be read any more. */
  StoreDamaged: 15,
  /** A newer message of its topic took its place in the queue (policy keep-latest-per-topic). */
  QueueReplaced: 16,
  /** Its subscriber may not receive it. */
  ReceiveNotAuthorized: 17,
  /** Its publisher has used up a quota. */
  Quota: 18,
  /** Its publisher had as many unacknowledged as it may. [MQTT-3.3.4-7] */
  ReceiveMaximum: 19,
  /** It waited in a session that is gone with the server. */
  Shutdown: 20,
  /** An operator cleared the queue it waited in. */
  QueueCleared: 21,
  /** QoS 0, and the server has too little memory, or is too late, to keep it for a client that does not keep up. */
  Overload: 22,
  /** QoS 0, and its connection was gone before it was written. */
  Unsent: 23,
} as const;
export type DropReason = (typeof DropReason)[keyof typeof DropReason];

/** Names for logs, metrics and the API, by reason. */
export const DROP_REASON_NAMES: readonly string[] = [
  'no_subscriber',
  'no_local',
  'queue_full',
  'queue_oldest',
  'output_full',
  'offline',
  'expired',
  'packet_too_large',
  'not_authorized',
  'retained_limit',
  'session_ended',
  'refused',
  'no_shared_member',
  'store_failing',
  'limit',
  'store_damaged',
  'queue_replaced',
  'receive_not_authorized',
  'quota',
  'receive_maximum',
  'shutdown',
  'queue_cleared',
  'overload',
  'unsent',
];

/** The reason of that name, or null. */
export function dropReasonOf(name: string): DropReason | null {
  const index = DROP_REASON_NAMES.indexOf(name);
  return index < 0 ? null : (index as DropReason);
}

/** Counts what is lost, by reason, and tells whoever listens. */
export class Drops {
  readonly counts: number[] = new Array<number>(DROP_REASON_NAMES.length).fill(0);
  /** The latest of them; null: nobody wants to look them up. */
  ledger: DropLedger | null = null;
  /** Makes lines of the log of them; null: there is no log. */
  log: DropListener | null = null;
  /** Set by whoever wants to see each one; null while nobody does. */
  listener: DropListener | null = null;
  /** Set while somebody traces. */
  trace: DropListener | null = null;
  /** Told what the listener throws. */
  onListenerError: ((error: unknown) => void) | null = null;
  /** The server stops: what sessions lose by ending now is lost to that. */
  isStopping = false;

  /**
   * `clientId` is who would have got it, or who sent it when nobody would have; `count` messages at once; `publisherId` is who
   * sent it, if that is known and somebody else. `depth` is how full the queue or output was, -1 where it is about none.
   */
  drop(
    reason: DropReason,
    clientId: string | null,
    topicName: string,
    count = 1,
    publisherId: string | null = null,
    depth = -1,
  ): void {
    const isEnd = reason === DropReason.SessionEnded || reason === DropReason.Unsent;
    const why = isEnd && this.isStopping ? DropReason.Shutdown : reason;
    this.counts[why] += count;
    if (this.ledger !== null) {
      this.ledger.record(why, clientId, topicName, count, publisherId, depth);
    }
    if (this.trace !== null) this.trace.onDrop(why, clientId, topicName, count, depth);
    if (this.log !== null) this.log.onDrop(why, clientId, topicName, count, depth);
    if (this.listener === null) return;
    try {
      this.listener.onDrop(why, clientId, topicName, count, depth);
    } catch (error) {
      this.onListenerError?.(error); // what an embedder's code throws costs no client anything
    }
  }

  get total(): number {
    let total = 0;
    for (const count of this.counts) total += count;
    return total;
  }
}

export interface DropListener {
  onDrop(
    reason: DropReason,
    clientId: string | null,
    topicName: string,
    count: number,
    depth: number,
  ): void;
}
