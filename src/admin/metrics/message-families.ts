// Sessions, and the messages on their way: what came, what went, what waits, what was lost, what is stored.

import type { MetricsSnapshot } from '../../server/contract/metrics.ts';
import {
  byLabel,
  counter,
  counters,
  type Family,
  gauge,
  gauges,
  histogram,
  type Sample,
} from './family.ts';
import { PACKETS } from './packets.ts';

const SESSION_FAMILIES: readonly Family[] = [
  gauges(
    'iothub_sessions',
    ['state'],
    'Sessions by whether their client is connected. Disconnected ones keep subscriptions and a queue until they expire; if they grow for ever, clients do not come back: lower session_expiry_max or purge them.',
    ({ server }) =>
      byLabel('state', {
        connected: server.sessionsConnected,
        disconnected: server.sessionsDisconnected,
      }),
  ),
  counter(
    'iothub_sessions_created_total',
    'Sessions that began with a CONNECT.',
    ({ server }) => server.counters.sessionsCreated,
  ),
  counter(
    'iothub_sessions_resumed_total',
    'Sessions that a client came back to.',
    ({ server }) => server.counters.sessionsResumed,
  ),
  counter(
    'iothub_sessions_taken_over_total',
    'Connections that were ended because their client id connected again. Many mean that two clients have one id, or that clients do not notice when their connection is dead.',
    ({ server }) => server.counters.sessionsTakenOver,
  ),
  counter(
    'iothub_sessions_ended_total',
    'Sessions that are over, expired ones included.',
    ({ server }) => server.counters.sessionsEnded,
  ),
  counter(
    'iothub_sessions_expired_total',
    'Sessions whose client did not come back in time; what was queued for it was lost.',
    ({ server }) => server.counters.sessionsExpired,
  ),
  gauges(
    'iothub_subscriptions',
    ['kind'],
    'Subscriptions; kind is shared for those of $share groups.',
    ({ server }) =>
      byLabel('kind', { plain: server.subscriptions, shared: server.sharedSubscriptions }),
  ),
  gauge(
    'iothub_router_nodes',
    'Filters without wildcards, and levels of those with them, that subscriptions need.',
    ({ server }) => server.routerNodes,
  ),
  gauge(
    'iothub_wills',
    'Wills that are kept for when their client goes.',
    ({ server }) => server.wills,
  ),
  counter(
    'iothub_wills_published_total',
    'Wills that were sent: clients that went without a word. A jump is a network that failed.',
    ({ server }) => server.counters.willsPublished,
  ),
];

/** Of a packet type, which is its place plus one. */
function packets({ counters: { packetsReceived, packetsSent } }: MetricsSnapshot): Sample[] {
  const counts = { received: packetsReceived, sent: packetsSent };
  return PACKETS.flatMap(({ packet, directions }, i) =>
    directions.map((direction) => ({
      labels: { packet, direction },
      value: counts[direction][i + 1],
    })),
  );
}

function publishes({ counters: { publishReceived, publishSent } }: MetricsSnapshot): Sample[] {
  const counts = { received: publishReceived, sent: publishSent };
  return Object.entries(counts).flatMap(([direction, byQos]) =>
    byQos.map((value, qos) => ({ labels: { qos: String(qos), direction }, value })),
  );
}

const TRAFFIC_FAMILIES: readonly Family[] = [
  counters(
    'iothub_packets_total',
    ['packet', 'direction'],
    'MQTT control packets by type and direction.',
    ({ server }) => packets(server),
  ),
  counters(
    'iothub_publish_messages_total',
    ['qos', 'direction'],
    'PUBLISH packets by QoS and direction. Sent over received is how many subscribers a message has.',
    ({ server }) => publishes(server),
  ),
  counters(
    'iothub_bytes_total',
    ['direction'],
    'Bytes of MQTT, TLS and WebSocket frames not included.',
    ({ server: { counters: counted } }) =>
      byLabel('direction', { received: counted.bytesReceived, sent: counted.bytesSent }),
  ),
];

const WAITING_FAMILIES: readonly Family[] = [
  gauge(
    'iothub_retained_messages',
    'Retained messages. retained_messages_max bounds them; beyond it new topics are dropped as retained_limit.',
    ({ server }) => server.retainedMessages,
  ),
  gauge(
    'iothub_queued_messages',
    'Messages that wait for clients which are away or slow. If they grow, clients do not keep up.',
    ({ server }) => server.queuedMessages,
  ),
  gauge(
    'iothub_queued_bytes',
    'Bytes of those messages, in memory or in the store.',
    ({ server }) => server.queuedBytes,
  ),
  gauge(
    'iothub_inflight_messages',
    'QoS 1 and 2 messages that were sent and are not acknowledged to their end.',
    ({ server }) => server.inflightMessages,
  ),
  counters(
    'iothub_dropped_messages_total',
    ['reason'],
    'Messages that somebody did not get, by reason. no_subscriber is harmless where nobody listens; everything else is a loss that somebody may ask about.',
    ({ server }) => byLabel('reason', server.drops),
  ),
  counter(
    'iothub_quota_pauses_total',
    'How often a client was not read for a while because it had used up a quota.',
    ({ server }) => server.counters.quotaPauses,
  ),
  counter(
    'iothub_quota_refusals_total',
    'Messages, subscriptions and connections that were refused for a quota, and clients disconnected. The log says whose.',
    ({ server }) => server.counters.quotaRefusals,
  ),
  gauge(
    'iothub_quota_accounts',
    'Accounts that quotas are counted in: clients, users, listeners.',
    ({ server }) => server.quotaAccounts,
  ),
  gauge(
    'iothub_overload_level',
    'What the server does without for lack of memory or time: 0 nothing, 1 QoS 0 of clients that do not keep up, 2 new clients, too, 3 publishers are paused.',
    ({ server }) => server.overloadLevel,
  ),
  counter(
    'iothub_overload_refusals_total',
    'CONNECTs that were refused because the server was overloaded.',
    ({ server }) => server.counters.overloadRefusals,
  ),
  counter(
    'iothub_overload_pauses_total',
    'How often a publisher was not read for a while because the server was overloaded.',
    ({ server }) => server.counters.overloadPauses,
  ),
  gauge(
    'iothub_paused_publishers',
    'Publishers that are not read because the server is overloaded.',
    ({ server }) => server.pausedPublishers,
  ),
];

const STORE_FAMILIES: readonly Family[] = [
  counter(
    'iothub_commits_total',
    'Batches that the store made durable.',
    ({ server }) => server.counters.commits,
  ),
  counter(
    'iothub_commit_failures_total',
    'Batches that the store could not write. While it fails nothing that needs it is acknowledged: look at the disk.',
    ({ server }) => server.counters.commitFailures,
  ),
  histogram(
    'iothub_commit_duration_seconds',
    [],
    'How long a batch took until it was durable, commit_delay and fsync included. QoS 1 and 2 are acknowledged no sooner: if it grows, the disk is slow or busy.',
    ({ server }) => [{ labels: {}, durations: server.commitDurations }],
  ),
];

const SEVERITIES = ['warning', 'critical'] as const;

const STATE_FAMILIES: readonly Family[] = [
  gauges(
    'iothub_alarms',
    ['severity'],
    'Alarms that are up. A critical one is something that does not work; iothub_alarm_active has their names.',
    ({ server: { alarms } }) =>
      SEVERITIES.map((severity) => ({
        labels: { severity },
        value: alarms.filter((alarm) => alarm.severity === severity).length,
      })),
  ),
  gauges(
    'iothub_alarm_active',
    ['alarm', 'severity'],
    'Alarms that are up, by name: 1, or not there. The log says what to do about each.',
    ({ server: { alarms } }) =>
      alarms.map(({ name, severity }) => ({ labels: { alarm: name, severity }, value: 1 })),
  ),
  counter(
    'iothub_log_lines_lost_total',
    'Lines of the log that were lost because nobody read them in time, or a disk was full or failing. What the log does not say may be among them.',
    ({ server }) => server.lostLogLines,
  ),
  gauges(
    'iothub_memory_bytes',
    ['purpose'],
    'Memory by what it is for: retained messages; queues, with what is in flight, once for each client that a message waits for; router, an estimate; connections, output that waits and packets that are not whole; buffers that are kept for later. What is missing to the resident memory is the program and its sessions.',
    ({ server }) => byLabel('purpose', { ...server.memory }),
  ),
];

export const MESSAGE_FAMILIES: readonly Family[] = [
  ...SESSION_FAMILIES,
  ...TRAFFIC_FAMILIES,
  ...WAITING_FAMILIES,
  ...STORE_FAMILIES,
  ...STATE_FAMILIES,
];
