// What the metrics page shows of a server: plain values, copied from counters and counted from the structures when asked.

import type { AlarmSeverity } from '../../core/alarms.ts';
import type { DurationCounts } from '../../core/duration-counts.ts';
import type { Metrics } from '../../core/metrics.ts';
import type { SpanFigures } from '../spans/options.ts';

/** Names of other servers that the page may have, too. */
export type MetricsCompat = 'mosquitto-exporter' | 'emqx';

/** How many took how long: `counts` has one more than the bounds, for what took longer. */
export type DurationFigures = Pick<DurationCounts, 'boundsSeconds' | 'counts' | 'sumSeconds'>;

export interface ListenerFigures {
  /** Its URL with the port that it has; `memory` for what is embedded, `own` for an embedder's listeners. */
  readonly listener: string;
  /** CONNECT was accepted. */
  readonly connected: number;
  readonly halfConnected: number;
}

/** Of a listener with TLS: when the first of the certificates ends that it shows now. */
export interface CertificateFigures {
  /** Its URL. */
  readonly listener: string;
  /** since 1970 */
  readonly endsSeconds: number;
}

/** Bytes of memory, by what they are for. */
export interface MemoryFigures {
  readonly retained: number;
  /** What is queued or in flight and not only in the store; a message for several clients counts for each. */
  readonly queues: number;
  /** An estimate. */
  readonly router: number;
  /** Output that waits for sockets, and packets that are not whole yet. */
  readonly connections: number;
  /** Output buffers that are kept for later. */
  readonly buffers: number;
}

export interface MetricsSnapshot {
  /** The counters of the message path. */
  readonly counters: Readonly<Omit<Metrics, 'commitDurations'>>;
  readonly commitDurations: DurationFigures;
  /** Connections that were not let in, by reason. */
  readonly refusals: Readonly<Record<string, number>>;
  /** Lost messages by the names of `DropReason`. */
  readonly drops: Readonly<Record<string, number>>;
  readonly listeners: readonly ListenerFigures[];
  /** That of the admin API included. */
  readonly certificates: readonly CertificateFigures[];
  readonly sessionsConnected: number;
  readonly sessionsDisconnected: number;
  /** Shared ones not included. */
  readonly subscriptions: number;
  readonly sharedSubscriptions: number;
  readonly routerNodes: number;
  readonly retainedMessages: number;
  readonly queuedMessages: number;
  /** In memory or in the store. */
  readonly queuedBytes: number;
  readonly inflightMessages: number;
  /** That are kept for when their client goes. */
  readonly wills: number;
  readonly bans: number;
  readonly quotaAccounts: number;
  /** 0 to 3: what the server does without. */
  readonly overloadLevel: number;
  readonly pausedPublishers: number;
  /** Names of the alarms that are up, with how bad each is. */
  readonly alarms: readonly { readonly name: string; readonly severity: AlarmSeverity }[];
  readonly memory: MemoryFigures;
  /** Lines of the log that nobody took. */
  readonly lostLogLines: number;
  /** What `$SYS` said last, by topics without `$SYS/broker/`; empty where it says nothing. */
  readonly sys: Readonly<Record<string, string>>;
  /** Of traced messages, by what became of them. */
  readonly spans: SpanFigures;
}

export interface MetricsControl {
  readonly version: string;
  readonly compat: readonly MetricsCompat[];
  /** Walks all sessions, some at a time. */
  snapshot(): Promise<MetricsSnapshot>;
}
