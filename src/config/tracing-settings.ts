// `[tracing]`: of which messages OpenTelemetry gets spans, and where they are sent.

import { parseTopicFilter } from '../protocol/filter.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import { urlProblem } from './access-settings.ts';
import { count, durationMs, flag, formed, fraction, list, text } from './setting.ts';
import type { Settings } from './settings.ts';

export interface TracingConfig {
  /** null = nothing is traced */
  readonly endpoint: string | null;
  /** Plain HTTP may leave this machine. */
  readonly insecure: boolean;
  /** Sent with every request; they may be secrets. */
  readonly headers: Readonly<Record<string, string>>;
  readonly serviceName: string;
  readonly clients: readonly string[];
  readonly topics: readonly string[];
  readonly ratio: number;
  readonly follow: boolean;
  readonly spansPerSecondMax: number;
  readonly queueMax: number;
  readonly timeoutMs: number;
}

export const DEFAULT_TRACING: TracingConfig = {
  endpoint: null,
  insecure: false,
  headers: {},
  serviceName: 'iothub',
  clients: [],
  topics: [],
  ratio: 1,
  follow: true,
  spansPerSecondMax: 100,
  queueMax: 2_048,
  timeoutMs: 10_000,
};

const MINUTE_MS = 60_000;
const NO_LIMITS = { topicLengthMax: 65_535, topicLevelsMax: 65_535 };
/** Each is looked at for each message. */
const SELECTED_MAX = { max: 100 };

export const TRACING_SETTINGS: Settings<Omit<TracingConfig, 'headers'>> = {
  endpoint: formed(
    'URL',
    '`https://…`, on loopback also `http://…`',
    (url) => urlProblem(url, true),
    'Where spans are sent: a collector’s address for OTLP over HTTP, as `http://127.0.0.1:4318/v1/traces`, whole. Left out, nothing is traced.',
  ),
  insecure: flag('Whether it may be plain `http://` on another machine.'),
  serviceName: text(255, 'As whom the server appears in traces (`service.name`).'),
  clients: list(
    text(65_535, ''),
    'Messages of these publishers are traced, by their client identifiers; `*` stands for any characters. None: of all.',
    SELECTED_MAX,
  ),
  topics: list(
    formed('topic filter', 'topic filters', filterProblem, ''),
    'Messages to topics that one of these filters matches are traced. None: to all.',
    SELECTED_MAX,
  ),
  ratio: fraction('How many of those messages are traced, by chance: 0.01 is every hundredth.'),
  follow: flag(
    'Whether a message whose v5 user property `traceparent` says that its trace is recorded goes on with that trace. It is traced only if it would be anyway.',
  ),
  spansPerSecondMax: count(1, 100_000, 'Spans a second; what is over is not traced, and counted.'),
  queueMax: count(1, 100_000, 'Spans that wait for the collector; more are dropped, and counted.'),
  timeoutMs: durationMs(1, 10 * MINUTE_MS, 'Time that the collector may take to answer.'),
};

function filterProblem(filter: string): string | null {
  const shown = JSON.stringify(filter);
  try {
    const { shareName } = parseTopicFilter(filter, NO_LIMITS);
    return shareName === null ? null : `${shown}: write it without $share and its name`;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return `${shown} is not a topic filter: ${error.message}`;
  }
}
