// What became of the spans of traced messages.

import { byLabel, counter, counters, type Family, gauge } from './family.ts';

export const TRACING_FAMILIES: readonly Family[] = [
  counter(
    'iothub_trace_spans_exported_total',
    'Spans of traced messages that the collector has taken.',
    ({ server }) => server.spans.exported,
  ),
  counters(
    'iothub_trace_spans_dropped_total',
    ['reason'],
    'Spans that it never got: rate (more than [tracing] spans_per_second_max; of a message that is not traced for it only the first counts), limit (more deliveries of one message than are told), queue_full (queue_max), failed (the collector could not be reached, or refused the request), rejected (it took others of the same request).',
    ({ server }) => byLabel('reason', server.spans.lost),
  ),
  gauge(
    'iothub_trace_spans_waiting',
    'Spans that wait for the collector. Near [tracing] queue_max it is too slow, or away.',
    ({ server }) => server.spans.waiting,
  ),
];
