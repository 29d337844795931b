// The process, by the names that Prometheus has for any process and that boards for Node know. Those of them that are wrong by the
// rules of Prometheus (gauges that end in _total) have no place here.

import { counter, type Family, gauge, gauges, histogram } from './family.ts';

export const RUNTIME_FAMILIES: readonly Family[] = [
  gauges(
    'iothub_build_info',
    ['version', 'node'],
    'Always 1; the labels say what runs. Join it to others to see a release in a graph.',
    ({ runtime, version }) => [{ labels: { version, node: runtime.nodeVersion }, value: 1 }],
  ),
  gauge(
    'process_start_time_seconds',
    'When the process began, in seconds since 1970. If it changes, the server was restarted.',
    ({ runtime }) => runtime.startedAtSeconds,
  ),
  counter(
    'process_cpu_seconds_total',
    'Time on a processor, of all threads. A rate near 1 means that the one event loop is full, unless passwords are being hashed.',
    ({ runtime }) => runtime.cpuSeconds,
  ),
  gauge(
    'process_resident_memory_bytes',
    'Memory that the system has given the process.',
    ({ runtime }) => runtime.residentBytes,
  ),
  gauge(
    'process_open_fds',
    'Open files, a connection each. Near process_max_fds no connection is accepted any more.',
    ({ runtime }) => runtime.openFiles,
  ),
  gauge(
    'process_max_fds',
    'Files that may be open: ulimit -n, LimitNOFILE.',
    ({ runtime }) => runtime.openFilesMax,
  ),
  gauge(
    'nodejs_heap_size_used_bytes',
    'Heap in use, garbage that was not collected yet included.',
    ({ runtime }) => runtime.heapUsedBytes,
  ),
  gauge(
    'nodejs_heap_size_total_bytes',
    'Heap that Node has taken from the system.',
    ({ runtime }) => runtime.heapTotalBytes,
  ),
  gauge(
    'nodejs_heap_size_limit_bytes',
    'Heap beyond which Node ends the process: raise --max-old-space-size before it comes near.',
    ({ runtime }) => runtime.heapLimitBytes,
  ),
  gauge(
    'nodejs_external_memory_bytes',
    'Memory of objects outside of the heap, most of it buffers.',
    ({ runtime }) => runtime.externalBytes,
  ),
  gauge(
    'nodejs_array_buffers_bytes',
    'Of that, buffers: payloads and output.',
    ({ runtime }) => runtime.arrayBuffersBytes,
  ),
  counter(
    'nodejs_eventloop_active_seconds_total',
    'Time in which the event loop had something to do. Its rate is how full the server is: near 1 it is late for everybody.',
    ({ runtime }) => runtime.loopActiveSeconds,
  ),
  gauge(
    'nodejs_eventloop_lag_mean_seconds',
    'How late the event loop was, on average, since the last look (10 s at least).',
    ({ runtime }) => runtime.loopDelay?.mean ?? null,
  ),
  gauge(
    'nodejs_eventloop_lag_p50_seconds',
    'The same: half of the time it was no later.',
    ({ runtime }) => runtime.loopDelay?.p50 ?? null,
  ),
  gauge(
    'nodejs_eventloop_lag_p99_seconds',
    'The same: 99 % of the time it was no later. What clients feel as latency; beyond 0.1 the server has too much to do at once.',
    ({ runtime }) => runtime.loopDelay?.p99 ?? null,
  ),
  gauge(
    'nodejs_eventloop_lag_max_seconds',
    'The latest it was.',
    ({ runtime }) => runtime.loopDelay?.max ?? null,
  ),
  histogram(
    'nodejs_gc_duration_seconds',
    ['kind'],
    'How long collections of garbage took, during which nothing else happens: minor, major, incremental, weakcb. Long major ones mean that the heap is near its limit.',
    ({ runtime }) =>
      Object.entries(runtime.collections).map(([kind, durations]) => ({
        labels: { kind },
        durations,
      })),
  ),
];
