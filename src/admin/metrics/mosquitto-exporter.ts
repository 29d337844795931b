// The names that sapcc/mosquitto-exporter makes of Mosquitto's $SYS topics: slashes and blanks become underscores. Averages and
// maxima are what $SYS said last, which is when they are made; all else is read when the page is.

import type { MetricsSnapshot } from '../../server/contract/metrics.ts';
import { type Alias, aliases, connectionsOf, dropped, meaningFor, sum } from './aliases.ts';
import { type Family, gauge } from './family.ts';

const WHOSE = 'mosquitto-exporter';

/** Of a topic of $SYS, without its root. */
export function nameOf(topic: string): string {
  return `broker_${topic.replace(/[/ ]/g, '_')}`;
}

function said(topic: string): Alias {
  return [nameOf(topic), ({ sys }) => (topic in sys ? Number(sys[topic]) : null)];
}

const AVERAGED = [
  ...['messages/received', 'messages/sent', 'publish/received', 'publish/sent', 'publish/dropped'],
  ...['bytes/received', 'bytes/sent', 'sockets', 'connections'],
];
const SAID: readonly Alias[] = [
  ...['clients/maximum', 'packet/out/bytes', 'heap/maximum'].map(said),
  ...AVERAGED.flatMap((what) =>
    ['1min', '5min', '15min'].map((span) => said(`load/${what}/${span}`)),
  ),
];

const kept = (s: MetricsSnapshot): number => s.retainedMessages + s.queuedMessages;

const ROWS: readonly Alias[] = [
  ['broker_clients_total', (s) => s.sessionsConnected + s.sessionsDisconnected],
  ['broker_clients_connected', (s) => s.sessionsConnected],
  ['broker_clients_disconnected', (s) => s.sessionsDisconnected],
  // Their former names.
  ['broker_clients_active', (s) => s.sessionsConnected],
  ['broker_clients_inactive', (s) => s.sessionsDisconnected],
  ['broker_clients_expired', (s) => s.counters.sessionsExpired],
  ['broker_connections_socket_count', connectionsOf],
  // Packets of all types, as Mosquitto counts them.
  ['broker_messages_received', (s) => sum(s.counters.packetsReceived)],
  ['broker_messages_sent', (s) => sum(s.counters.packetsSent)],
  ['broker_publish_messages_received', (s) => sum(s.counters.publishReceived)],
  ['broker_publish_messages_sent', (s) => sum(s.counters.publishSent)],
  // What limits of queues and output cost.
  [
    'broker_publish_messages_dropped',
    (s) => dropped(s, 'queue_full', 'queue_oldest', 'output_full', 'overload'),
  ],
  ['broker_publish_bytes_received', (s) => s.counters.publishBytesReceived],
  ['broker_publish_bytes_sent', (s) => s.counters.publishBytesSent],
  ['broker_bytes_received', (s) => s.counters.bytesReceived],
  ['broker_bytes_sent', (s) => s.counters.bytesSent],
  ['broker_messages_stored', kept],
  ['broker_store_messages_count', kept],
  ['broker_store_messages_bytes', (s) => s.memory.retained + s.queuedBytes],
  ['broker_retained_messages_count', (s) => s.retainedMessages],
  ['broker_subscriptions_count', (s) => s.subscriptions + s.sharedSubscriptions],
  ['broker_shared_subscriptions_count', (s) => s.sharedSubscriptions],
];

export const MOSQUITTO_EXPORTER_FAMILIES: readonly Family[] = [
  ...aliases(WHOSE, [...ROWS, ...SAID]),
  gauge('broker_uptime', meaningFor(WHOSE), ({ runtime }) => runtime.uptimeSeconds),
  gauge(
    'broker_heap_current',
    meaningFor(WHOSE),
    ({ runtime }) => runtime.heapUsedBytes + runtime.externalBytes,
  ),
];
