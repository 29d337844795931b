// Plain counters on the message path. Gauges are not here: they are derived from the structures when somebody asks.

import { DurationCounts } from './duration-counts.ts';

/** A commit takes from a fraction of a millisecond (nothing is synced) to seconds (an SD card). */
const COMMIT_SECONDS = [
  0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

export class Metrics {
  /** Control packets by type, index 1 to 15. */
  readonly packetsReceived: number[] = new Array<number>(16).fill(0);
  readonly packetsSent: number[] = new Array<number>(16).fill(0);
  bytesReceived = 0;
  bytesSent = 0;
  /** PUBLISH by QoS. */
  readonly publishReceived: number[] = [0, 0, 0];
  readonly publishSent: number[] = [0, 0, 0];
  /** Bytes of their payloads. */
  publishBytesReceived = 0;
  publishBytesSent = 0;
  connectionsOpened = 0;
  connectionsClosed = 0;
  /** Streams refused before a byte was read, for a limit. */
  connectionsRefused = 0;
  protocolErrors = 0;
  /** Broken assertions: our own mistakes. */
  assertionFailures = 0;
  /** Answers of the authenticator at CONNECT; of what an authenticator never saw there is none. */
  authenticationSuccesses = 0;
  authenticationFailures = 0;
  /** Penalties that failed logins brought, and attempts that were turned away for one. */
  penalties = 0;
  penaltyRefusals = 0;
  /** Connections and CONNECTs that were turned away for a ban, one for flapping included. */
  banRefusals = 0;
  /** Bans that connecting too often brought. */
  flappingBans = 0;
  /** How often clients began to fight over one client id. */
  clientIdFights = 0;
  sessionsCreated = 0;
  sessionsResumed = 0;
  sessionsTakenOver = 0;
  sessionsEnded = 0;
  sessionsExpired = 0;
  willsPublished = 0;
  /** Times that a client was not read because it had used up a quota. */
  quotaPauses = 0;
  /** Messages, subscriptions and connections that were refused for a quota, and clients disconnected. */
  quotaRefusals = 0;
  /** CONNECTs that were refused, and times that a publisher was not read, because the server had too much to do. */
  overloadRefusals = 0;
  overloadPauses = 0;
  commits = 0;
  commitFailures = 0;
  /** From handing a batch to the store until it said that it is durable: its delay and its fsync. Failures are not in here. */
  readonly commitDurations = new DurationCounts(COMMIT_SECONDS);
}
