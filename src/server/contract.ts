// What admin, extensions and cluster may see of the server: plain values, counted from the structures when asked.

/** Everything that can be counted, as of now. */
export interface ServerStats {
  /** Half-connected ones included. */
  readonly connections: number;
  readonly halfConnected: number;
  /** Connected or not. */
  readonly sessions: number;
  readonly sessionsConnected: number;
  /** Shared ones included. */
  readonly subscriptions: number;
  readonly sharedSubscriptions: number;
  readonly retainedMessages: number;
  readonly retainedBytes: number;
  readonly queuedMessages: number;
  readonly queuedBytes: number;
  readonly inflightMessages: number;
  /** Messages lost so far, by the names of `DropReason`. */
  readonly dropped: Readonly<Record<string, number>>;
}

/** A session that was ended because its client has been away for long. */
export interface PurgedSession {
  readonly clientId: string;
  /** ISO 8601 */
  readonly disconnectedAt: string;
  readonly queuedMessages: number;
}
