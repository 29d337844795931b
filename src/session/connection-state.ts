// Where a connection stands, and why it is not read.

export const ConnectionState = {
  /** waiting for CONNECT */
  Opening: 0,
  /** CONNECT is in, authentication is not done */
  Authenticating: 1,
  /** CONNECT was accepted; CONNACK may still wait for its commit */
  Connected: 2,
  /** the last byte is on its way out */
  Closing: 3,
  Closed: 4,
} as const;
export type ConnectionState = (typeof ConnectionState)[keyof typeof ConnectionState];

/** Why reading stands still; it goes on when no reason is left. */
export const PauseReason = {
  /** its share of the turn is used up */
  Turn: 1,
  /** its own output is over the limit */
  Output: 2,
  /** too many acknowledgements wait for a commit */
  Commit: 4,
  /** a handler waits for an answer */
  Parked: 8,
  /** the server stops */
  Stopping: 16,
  /** it is about to be closed */
  Condemned: 32,
  /** its client has used up a quota */
  Quota: 64,
  /** its client published, and the server has too little memory for more */
  Overload: 128,
} as const;
export type PauseReason = (typeof PauseReason)[keyof typeof PauseReason];
