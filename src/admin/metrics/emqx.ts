// The names of EMQX's page.

import { type Alias, aliases, connectionsOf, dropped, meaningFor, sum } from './aliases.ts';
import { type Family, gauges } from './family.ts';
import { PACKETS } from './packets.ts';

const STATS: readonly Alias[] = [
  ['emqx_connections_count', connectionsOf],
  ['emqx_live_connections_count', (s) => s.sessionsConnected],
  ['emqx_sessions_count', (s) => s.sessionsConnected + s.sessionsDisconnected],
  ['emqx_subscriptions_count', (s) => s.subscriptions + s.sharedSubscriptions],
  ['emqx_subscriptions_shared_count', (s) => s.sharedSubscriptions],
  ['emqx_suboptions_count', (s) => s.subscriptions + s.sharedSubscriptions],
  ['emqx_retained_count', (s) => s.retainedMessages],
];

/** The one that has no direction in its name there. */
const CONNECT = 'emqx_packets_connect';

/** By type, which is the place plus one. */
const PACKET_ROWS: readonly Alias[] = PACKETS.flatMap(({ packet, directions }, i) =>
  directions.map((direction): Alias => {
    const name = `emqx_packets_${packet}_${direction}`;
    return [
      packet === 'connect' ? CONNECT : name,
      ({ counters }) =>
        (direction === 'received' ? counters.packetsReceived : counters.packetsSent)[i + 1],
    ];
  }),
);

const QOS_ROWS: readonly Alias[] = [0, 1, 2].flatMap((qos): Alias[] => [
  [`emqx_messages_qos${qos}_received`, ({ counters }) => counters.publishReceived[qos]],
  [`emqx_messages_qos${qos}_sent`, ({ counters }) => counters.publishSent[qos]],
]);

const QUEUE_FULL = ['queue_full', 'queue_oldest', 'queue_replaced'];
const QOS0 = ['output_full', 'overload', 'offline'];

const MESSAGE_ROWS: readonly Alias[] = [
  ['emqx_bytes_received', (s) => s.counters.bytesReceived],
  ['emqx_bytes_sent', (s) => s.counters.bytesSent],
  ['emqx_packets_received', (s) => sum(s.counters.packetsReceived)],
  ['emqx_packets_sent', (s) => sum(s.counters.packetsSent)],
  ['emqx_packets_publish_auth_error', (s) => dropped(s, 'not_authorized')],
  ['emqx_messages_received', (s) => sum(s.counters.publishReceived)],
  ['emqx_messages_sent', (s) => sum(s.counters.publishSent)],
  ['emqx_messages_publish', (s) => sum(s.counters.publishReceived)],
  ['emqx_messages_delivered', (s) => sum(s.counters.publishSent)],
  // PUBACK and PUBCOMP, which end a message to a client.
  [
    'emqx_messages_acked',
    ({ counters }) => counters.packetsReceived[4] + counters.packetsReceived[7],
  ],
  ['emqx_messages_retained', (s) => s.retainedMessages],
  ['emqx_messages_dropped', (s) => dropped(s, 'no_subscriber', 'quota')],
  ['emqx_messages_dropped_no_subscribers', (s) => dropped(s, 'no_subscriber')],
  ['emqx_messages_dropped_quota_exceeded', (s) => dropped(s, 'quota')],
  ['emqx_packets_publish_quota_exceeded', (s) => dropped(s, 'quota')],
  ['emqx_messages_dropped_receive_maximum', (s) => dropped(s, 'receive_maximum')],
  [
    'emqx_delivery_dropped',
    (s) => dropped(s, 'no_local', 'packet_too_large', 'expired', ...QUEUE_FULL, ...QOS0),
  ],
  ['emqx_delivery_dropped_no_local', (s) => dropped(s, 'no_local')],
  ['emqx_delivery_dropped_too_large', (s) => dropped(s, 'packet_too_large')],
  ['emqx_delivery_dropped_qos0_msg', (s) => dropped(s, ...QOS0)],
  ['emqx_delivery_dropped_queue_full', (s) => dropped(s, ...QUEUE_FULL)],
  ['emqx_delivery_dropped_expired', (s) => dropped(s, 'expired')],
];

const CLIENT_ROWS: readonly Alias[] = [
  ['emqx_client_connect', (s) => s.counters.packetsReceived[1]],
  ['emqx_client_connack', (s) => s.counters.packetsSent[2]],
  ['emqx_client_connected', (s) => s.counters.sessionsCreated + s.counters.sessionsResumed],
  [
    'emqx_client_disconnected',
    ({ counters, sessionsConnected }) =>
      counters.sessionsCreated + counters.sessionsResumed - sessionsConnected,
  ],
  [
    'emqx_client_authenticate',
    ({ counters }) => counters.authenticationSuccesses + counters.authenticationFailures,
  ],
  ['emqx_client_subscribe', (s) => s.counters.packetsReceived[8]],
  ['emqx_client_unsubscribe', (s) => s.counters.packetsReceived[10]],
  ['emqx_session_created', (s) => s.counters.sessionsCreated],
  ['emqx_session_resumed', (s) => s.counters.sessionsResumed],
  ['emqx_session_takenover', (s) => s.counters.sessionsTakenOver],
  ['emqx_session_terminated', (s) => s.counters.sessionsEnded],
  ['emqx_authentication_success', (s) => s.counters.authenticationSuccesses],
  ['emqx_authentication_failure', (s) => s.counters.authenticationFailures],
  ['emqx_overload_protection_new_conn', (s) => s.counters.overloadRefusals],
];

const WHOSE = 'EMQX';

export const EMQX_FAMILIES: readonly Family[] = [
  ...aliases(WHOSE, [...STATS, ...PACKET_ROWS, ...QOS_ROWS, ...MESSAGE_ROWS, ...CLIENT_ROWS]),
  gauges('emqx_cert_expiry_at', ['listener_name'], meaningFor(WHOSE), ({ server }) =>
    server.certificates.map(({ listener, endsSeconds: value }) => ({
      labels: { listener_name: listener },
      value,
    })),
  ),
];
