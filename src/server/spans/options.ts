// What an operator, or an embedder, says of traces, and what is counted of their spans.

/** Of which messages spans are sent where. */
export interface TracingOptions {
  /** Of a collector that takes OTLP over HTTP: `http://127.0.0.1:4318/v1/traces`. */
  readonly endpoint: string;
  /** They go with every request. Secret. */
  readonly headers: Readonly<Record<string, string>>;
  /** As whom the server appears there. */
  readonly serviceName: string;
  /** Publishers whose client identifier fits one of these, `*` standing for any characters; none: all. */
  readonly clients: readonly string[];
  /** Topics that one of these filters matches; none: all. */
  readonly topics: readonly string[];
  /** Of the messages that both let through so many, 0 to 1, by chance. */
  readonly ratio: number;
  /** One whose publisher says that it belongs to a trace, and records that, goes on with that trace. */
  readonly follow: boolean;
  readonly spansPerSecondMax: number;
  /** Spans that wait for the collector, those on their way included. */
  readonly queueMax: number;
  /** For one request. */
  readonly timeoutMs: number;
}

/**
 * Why a span is not sent: `rate`, more than a second may have; `limit`, too many of one message;
 * `queue_full`; `failed`, the collector did not take it; `rejected`, it took others of the same request.
 */
export type SpanLoss = 'rate' | 'limit' | 'queue_full' | 'failed' | 'rejected';

/** They count on over reloads. */
export class SpanCounts {
  exported = 0;
  readonly lost: Record<SpanLoss, number> = {
    ...{ rate: 0, limit: 0, queue_full: 0, failed: 0, rejected: 0 },
  };
}

/** For the metrics page. */
export interface SpanFigures {
  readonly exported: number;
  readonly lost: Readonly<Record<SpanLoss, number>>;
  /** For the collector. */
  readonly waiting: number;
}
