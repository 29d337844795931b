// What `$SYS` says: a row for each topic, in Mosquitto's names and formats, since that is what exporters parse. A figure is read
// from the counters and structures at the moment of a look; nothing is counted twice for it. docs/sys-topics.md has the same
// rows, which a test keeps true.
//
// Left out is what IoTHub does not have or cannot say honestly: bridges, logs as topics, the number of packets in outputs.

import { DropReason } from '../core/drop.ts';
import type { Metrics } from '../core/metrics.ts';
import type { ServerStats } from './contract.ts';
import { LOAD_MINUTES, LoadAverages } from './load-averages.ts';

/** What is counted in the structures themselves. */
export interface SysCounts
  extends Pick<
    ServerStats,
    | 'connections'
    | 'sessions'
    | 'sessionsConnected'
    | 'subscriptions'
    | 'sharedSubscriptions'
    | 'retainedMessages'
    | 'retainedBytes'
    | 'queuedMessages'
    | 'queuedBytes'
  > {
  /** Bytes of output that wait for their sockets. */
  readonly outputBytes: number;
  readonly heapBytes: number;
}

/** Everything that a look reads, as of one moment. */
export interface SysLook {
  readonly version: string;
  readonly uptimeMs: number;
  readonly counts: SysCounts;
  readonly metrics: Metrics;
  /** `Drops.counts` */
  readonly drops: readonly number[];
}

export interface SysFigure {
  /** Without `$SYS/broker/`. */
  readonly topic: string;
  /** One sentence, as the documentation has it. */
  readonly meaning: string;
  readonly show: (look: SysLook) => string;
}

/** What Mosquitto calls dropped: a limit of a queue or an output was in the way, which is lower while the server is overloaded. */
const LIMIT_DROPS: readonly DropReason[] = [
  DropReason.QueueFull,
  DropReason.QueueOldest,
  DropReason.OutputFull,
  DropReason.Overload,
];

const sum = (counts: readonly number[]): number => counts.reduce((total, one) => total + one, 0);
const packetsReceived = ({ metrics }: SysLook) => sum(metrics.packetsReceived);
const packetsSent = ({ metrics }: SysLook) => sum(metrics.packetsSent);
const publishReceived = ({ metrics }: SysLook) => sum(metrics.publishReceived);
const publishSent = ({ metrics }: SysLook) => sum(metrics.publishSent);
const publishDropped = ({ drops }: SysLook) => sum(LIMIT_DROPS.map((reason) => drops[reason]));
const connected = ({ counts }: SysLook) => counts.sessionsConnected;
const away = ({ counts }: SysLook) => counts.sessions - counts.sessionsConnected;
const kept = ({ counts }: SysLook) => counts.retainedMessages + counts.queuedMessages;

/** The figures of one server; those that look back (maxima, averages) begin with it. */
export function sysFigures(): SysFigure[] {
  return [
    { topic: 'version', meaning: 'Name and version of the server.', show: (look) => look.version },
    {
      topic: 'uptime',
      meaning: 'How long it has been serving, as `<n> seconds`.',
      show: ({ uptimeMs }) => `${Math.floor(uptimeMs / 1_000)} seconds`,
    },
    ...clientFigures(),
    ...messageFigures(),
    ...structureFigures(),
    ...byteFigures(),
    ...loadFigures(),
  ];
}

function clientFigures(): SysFigure[] {
  const maximum = highest(connected);
  return [
    figure('clients/total', 'Sessions, connected or not.', ({ counts }) => counts.sessions),
    figure('clients/maximum', 'The most clients that were connected at any look.', maximum),
    figure('clients/connected', 'Clients that are connected.', connected),
    figure('clients/active', 'The same, by its former name.', connected),
    figure('clients/disconnected', 'Sessions whose client is away.', away),
    figure('clients/inactive', 'The same, by its former name.', away),
    figure(
      'clients/expired',
      'Sessions that ended because their client stayed away too long.',
      ({ metrics }) => metrics.sessionsExpired,
    ),
  ];
}

function messageFigures(): SysFigure[] {
  return [
    figure('messages/received', 'Control packets of all types that came.', packetsReceived),
    figure('messages/sent', 'Control packets of all types that were sent.', packetsSent),
    figure('messages/stored', 'As `store/messages/count`, by its former name.', kept),
    figure('publish/messages/received', 'PUBLISH packets that came.', publishReceived),
    figure('publish/messages/sent', 'PUBLISH packets that were sent.', publishSent),
    figure(
      'publish/messages/dropped',
      'Messages lost to the limit of a queue or an output; all other reasons are in the metrics.',
      publishDropped,
    ),
    figure(
      'publish/bytes/received',
      'Payload bytes of the PUBLISH packets that came.',
      ({ metrics }) => metrics.publishBytesReceived,
    ),
    figure(
      'publish/bytes/sent',
      'Payload bytes of the PUBLISH packets that were sent.',
      ({ metrics }) => metrics.publishBytesSent,
    ),
  ];
}

function structureFigures(): SysFigure[] {
  return [
    figure(
      'store/messages/count',
      'Retained messages, and messages that wait in queues, each counted for each queue.',
      kept,
    ),
    figure(
      'store/messages/bytes',
      'Their bytes: topic, properties and payload.',
      ({ counts }) => counts.retainedBytes + counts.queuedBytes,
    ),
    figure(
      'retained messages/count',
      'Retained messages, those of `$SYS` not among them.',
      ({ counts }) => counts.retainedMessages,
    ),
    figure(
      'subscriptions/count',
      'Subscriptions, shared ones included.',
      ({ counts }) => counts.subscriptions,
    ),
    figure(
      'shared_subscriptions/count',
      'Members of shared subscriptions.',
      ({ counts }) => counts.sharedSubscriptions,
    ),
    figure(
      'connections/socket/count',
      'Open connections, those included whose CONNECT is not in yet.',
      ({ counts }) => counts.connections,
    ),
  ];
}

function byteFigures(): SysFigure[] {
  return [
    figure('bytes/received', 'Bytes that came.', ({ metrics }) => metrics.bytesReceived),
    figure('bytes/sent', 'Bytes that were handed to sockets.', ({ metrics }) => metrics.bytesSent),
    figure(
      'packet/out/bytes',
      'Bytes of output that wait for their sockets.',
      ({ counts }) => counts.outputBytes,
    ),
    figure(
      'heap/current',
      'Bytes of memory in use: V8’s heap, and buffers outside of it.',
      ({ counts }) => counts.heapBytes,
    ),
    figure(
      'heap/maximum',
      'The most of it at any look.',
      highest(({ counts }) => counts.heapBytes),
    ),
  ];
}

/** Each as an average over 1, 5 and 15 minutes. */
function loadFigures(): SysFigure[] {
  const rows: [name: string, what: string, read: (look: SysLook) => number][] = [
    ['messages/received', 'Control packets that came', packetsReceived],
    ['messages/sent', 'Control packets that were sent', packetsSent],
    ['publish/received', 'PUBLISH packets that came', publishReceived],
    ['publish/sent', 'PUBLISH packets that were sent', publishSent],
    ['publish/dropped', 'Messages lost to a limit', publishDropped],
    ['bytes/received', 'Bytes that came', ({ metrics }) => metrics.bytesReceived],
    ['bytes/sent', 'Bytes that were sent', ({ metrics }) => metrics.bytesSent],
    ['sockets', 'Connections that were opened', ({ metrics }) => metrics.connectionsOpened],
    ['connections', 'CONNECT packets that came', ({ metrics }) => metrics.packetsReceived[1]],
  ];
  return rows.flatMap(([name, what, read]) => {
    const averages = new LoadAverages();
    let lastMs = 0;
    const observe = (look: SysLook): void => {
      if (look.uptimeMs <= lastMs) return;
      averages.observe(read(look), look.uptimeMs - lastMs);
      lastMs = look.uptimeMs;
    };
    return LOAD_MINUTES.map((minutes) => ({
      topic: `load/${name}/${minutes}min`,
      meaning: `${what}, per minute, averaged over ${minutes} min.`,
      show: (look: SysLook) => {
        observe(look);
        return averages.show(minutes);
      },
    }));
  });
}

function figure(topic: string, meaning: string, read: (look: SysLook) => number): SysFigure {
  return { topic, meaning, show: (look) => String(read(look)) };
}

/** The highest that was read so far. */
function highest(read: (look: SysLook) => number): (look: SysLook) => number {
  let most = 0;
  return (look) => {
    most = Math.max(most, read(look));
    return most;
  };
}
