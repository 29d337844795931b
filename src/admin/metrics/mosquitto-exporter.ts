// The names that sapcc/mosquitto-exporter makes of Mosquitto's $SYS topics: slashes and blanks become underscores.

import { type Alias, aliases, connectionsOf, dropped, sum } from './aliases.ts';
import { type Family, gauge } from './family.ts';

const WHOSE = 'mosquitto-exporter';

const ROWS: readonly Alias[] = [
  ['broker_clients_total', (s) => s.sessionsConnected + s.sessionsDisconnected],
  ['broker_clients_connected', (s) => s.sessionsConnected],
  ['broker_clients_disconnected', (s) => s.sessionsDisconnected],
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
    (s) => dropped(s, 'queue_full', 'queue_oldest', 'queue_replaced', 'output_full'),
  ],
  ['broker_bytes_received', (s) => s.counters.bytesReceived],
  ['broker_bytes_sent', (s) => s.counters.bytesSent],
  ['broker_retained_messages_count', (s) => s.retainedMessages],
  ['broker_subscriptions_count', (s) => s.subscriptions + s.sharedSubscriptions],
  ['broker_shared_subscriptions_count', (s) => s.sharedSubscriptions],
];

export const MOSQUITTO_EXPORTER_FAMILIES: readonly Family[] = [
  ...aliases(WHOSE, ROWS),
  gauge(
    'broker_uptime',
    `As ${WHOSE} has it; see docs/metrics.md.`,
    ({ runtime }) => runtime.uptimeSeconds,
  ),
  gauge(
    'broker_heap_current',
    `As ${WHOSE} has it; see docs/metrics.md.`,
    ({ runtime }) => runtime.heapUsedBytes,
  ),
];
