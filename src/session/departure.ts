// How a connection ended, as it was at that moment: the session's queue may be another a moment later, and gone with the session.
// Made once, when the connection gives its session back; what operators read of it is the line of connection-log.ts.

import { clip } from '../lib/clip.ts';
import type { ReasonCode } from '../protocol/reason-code.ts';
import { StreamRefused } from '../transport/stream.ts';
import type { Connection } from './connection.ts';

/** Characters of what a client or the system says for the log. */
const SAID_MAX = 256;

/** Who ended it: the client said so or closed its side, the server did, or the network failed. */
export type Side = 'client' | 'server' | 'network';

export interface Ending {
  readonly side: Side;
  /** Of the DISCONNECT, or of the one that a v3 client would have got; null: there is none. */
  readonly reasonCode: ReasonCode | null;
  readonly reason: string;
  /** Reason String of the client's DISCONNECT. */
  readonly said?: string;
}

export class Departure {
  readonly side: Side;
  readonly reasonCode: ReasonCode | null;
  readonly reason: string;
  readonly said: string | null;
  /** monotonic milliseconds */
  readonly atMs: number;
  readonly queuedMessages: number;
  readonly queuedBytes: number;
  readonly inflightMessages: number;

  /** While the connection still has its session. */
  constructor(connection: Connection, { side, reasonCode, reason, said }: Ending) {
    const outbound = connection.session?.outbound;
    this.side = side;
    this.reasonCode = reasonCode;
    this.reason = reason;
    this.said = said === undefined ? null : clip(said, SAID_MAX);
    this.atMs = connection.context.clock.now();
    this.queuedMessages = outbound?.queuedMessages ?? 0;
    this.queuedBytes = outbound?.queuedBytes ?? 0;
    this.inflightMessages = outbound?.inflightCount ?? 0;
  }
}

/** The server's doing. */
export function byServer(reason: string, reasonCode: ReasonCode | null = null): Ending {
  return { side: 'server', reasonCode, reason };
}

/** The client went without a word: it closed its side. */
export const CLIENT_CLOSED: Ending = {
  side: 'client',
  reasonCode: null,
  reason: 'the client closed the connection',
};

/** What a stream said of its end. */
export function byStream(error: Error | null): Ending {
  if (error === null) return CLIENT_CLOSED;
  const side = error instanceof StreamRefused ? 'server' : 'network';
  return { side, reasonCode: null, reason: clip(error.message, SAID_MAX) };
}
