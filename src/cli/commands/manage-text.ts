// How the commands about a running server look to people: tables without lines, sizes and times as they are read. What clients chose
// is in quotes; whoever prints it escapes it.

import type {
  ClientDetail,
  ConfigValue,
  ControlledListener,
  ControlledRetained,
  ControlledSubscription,
  ControlledTopic,
  DrainState,
  KickOutcome,
  ListedClient,
  OfflineSession,
  QueuedMessage,
  RetainedMessage,
  ServerInfo,
} from '../../server/contract/management.ts';
import type { OverloadState } from '../../server/contract/overload.ts';
import type { ServerStats } from '../../server/contract.ts';

type Row = readonly (string | number)[];

const NOTHING = '-';
const VERSIONS = { 3: '3.1', 4: '3.1.1', 5: '5' } as const;

/** Columns as wide as what is in them; numbers stand to the right. */
function table(head: readonly string[], rows: readonly Row[]): string[] {
  if (rows.length === 0) return [];
  const widths = head.map((name, i) =>
    rows.reduce((width, row) => Math.max(width, String(row[i]).length), name.length),
  );
  const lineOf = (row: Row): string =>
    row
      .map((cell, i) =>
        typeof cell === 'number' ? String(cell).padStart(widths[i]) : cell.padEnd(widths[i]),
      )
      .join('  ')
      .trimEnd();
  return [lineOf(head), ...rows.map(lineOf)];
}

/** Name and value, a line each. */
function pairs(rows: readonly (readonly [string, string | number])[]): string[] {
  const width = rows.reduce((longest, [name]) => Math.max(longest, name.length), 0);
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
}

function quoted(text: string | null): string {
  return text === null ? NOTHING : JSON.stringify(text);
}

function orNothing(text: string | number | null): string | number {
  return text ?? NOTHING;
}

function duration(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  const [days, hours] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3_600) % 24];
  if (days > 0) return `${days}d ${hours}h`;
  const minutes = Math.floor(seconds / 60) % 60;
  return hours > 0 ? `${hours}h ${minutes}m` : `${minutes}m ${seconds % 60}s`;
}

export function clients(items: readonly ListedClient[]): string[] {
  const head = [
    'CLIENT',
    'USER',
    'STATE',
    'MQTT',
    'ADDRESS',
    'SINCE',
    'SUBS',
    'QUEUED',
    'INFLIGHT',
  ];
  const rows = items.map(
    (one): Row => [
      ...[quoted(one.clientId), quoted(one.username), one.state, VERSIONS[one.protocolVersion]],
      ...[one.address || NOTHING, one.connectedAt ?? one.disconnectedAt ?? NOTHING],
      ...[one.subscriptions, one.queuedMessages, one.inflightMessages],
    ],
  );
  return table(head, rows);
}

export function client(one: ClientDetail): string[] {
  const { connection, queue, will } = one;
  const expiry = one.sessionExpiryInterval;
  const rows: [string, string | number][] = [
    ['client', quoted(one.clientId)],
    ['user', quoted(one.username)],
    ['groups', one.groups.map(quoted).join(', ') || NOTHING],
    ['let in by', quoted(one.authenticator)],
    ['state', `${one.state} since ${one.connectedAt ?? one.disconnectedAt}`],
    ['protocol', `MQTT ${VERSIONS[one.protocolVersion]}`],
    ['listener', orNothing(one.listener)],
    ['session ends', expiry === null ? 'never' : `${expiry} s after its connection`],
    [
      'queue',
      `${one.queuedMessages} of ${queue.messagesMax} messages, ${one.queuedBytes} of ${queue.bytesMax} bytes, ${queue.policy}`,
    ],
    ['in flight', `${one.inflightMessages} to it, ${one.inboundInflightMessages} of QoS 2 from it`],
  ];
  if (connection !== null) {
    rows.push(
      ['address', `${connection.address} port ${connection.port}, ${connection.transport}`],
      ['keep alive', connection.keepAlive === 0 ? 'none' : `${connection.keepAlive} s`],
      [
        'bytes',
        `${connection.bytesReceived} received, ${connection.bytesSent} sent, ${connection.pendingBytes} waiting`,
      ],
    );
    if (connection.certificateSubject !== null) {
      rows.push(['certificate', quoted(connection.certificateSubject)]);
    }
  }
  if (will !== null) {
    rows.push([
      'will',
      `${quoted(will.topic)}, QoS ${will.qos}, ${will.payloadBytes} bytes, after ${will.delayInterval} s`,
    ]);
  }
  for (const quota of one.quotas) {
    const { connections, connectionsMax, number, per, subscriptions, subscriptionsMax } = quota;
    rows.push([
      'quota',
      `${number} per ${per}: connections ${connections} of ${orNothing(connectionsMax)}, subscriptions ${subscriptions} of ${orNothing(subscriptionsMax)}`,
    ]);
  }
  for (const { access, qos, topicFilter } of one.subscriptionList) {
    rows.push([
      'subscription',
      `${quoted(topicFilter)}, QoS ${qos}${access === 'muted' ? ', muted' : ''}`,
    ]);
  }
  const more = one.subscriptions - one.subscriptionList.length;
  if (more > 0) rows.push(['', `and ${more} more subscriptions`]);
  return pairs(rows);
}

export function kicked({ clientId, messages, sessionEnded, wasConnected }: KickOutcome): string {
  const what = wasConnected ? 'was disconnected' : 'was away';
  const session = sessionEnded ? `; its session ended, with ${messages} messages` : '';
  return `client ${quoted(clientId)} ${what}${session}`;
}

export function sessions(items: readonly OfflineSession[]): string[] {
  const head = ['CLIENT', 'USER', 'AWAY FOR', 'QUEUED', 'BYTES', 'FULL'];
  const rows = items.map(
    (one): Row => [
      ...[quoted(one.clientId), quoted(one.username), duration(one.awayForMs)],
      ...[one.queuedMessages, one.queuedBytes, `${Math.round(one.fill * 100)} %`],
    ],
  );
  return table(head, rows);
}

export function subscriptions(items: readonly ControlledSubscription[]): string[] {
  const head = ['CLIENT', 'FILTER', 'QOS', 'ACCESS'];
  const rows = items.map(
    (one): Row => [...[quoted(one.clientId), quoted(one.topicFilter), one.qos, one.access]],
  );
  return table(head, rows);
}

export function topics(items: readonly ControlledTopic[]): string[] {
  const head = ['TOPIC', 'SUBSCRIPTIONS', 'SHARED', 'RETAINED'];
  const rows = items.map(
    (one): Row => [
      ...[quoted(one.topic), one.subscriptions, one.sharedSubscriptions],
      one.isRetained ? 'yes' : NOTHING,
    ],
  );
  return table(head, rows);
}

export function retained(items: readonly ControlledRetained[]): string[] {
  const head = ['TOPIC', 'QOS', 'BYTES', 'BY', 'SET', 'EXPIRES'];
  const rows = items.map(
    (one): Row => [
      ...[quoted(one.topic), one.qos, one.payloadBytes, quoted(one.by?.clientId ?? null)],
      ...[one.receivedAt, one.expiresAt ?? NOTHING],
    ],
  );
  return table(head, rows);
}

export function message(one: RetainedMessage): string[] {
  const { by, encoding, isClipped, payload, payloadBytes, properties } = one;
  const rows: [string, string | number][] = [
    ['topic', quoted(one.topic)],
    ['qos', one.qos],
    ['set', `${one.receivedAt} by ${by === null ? 'the server' : quoted(by.clientId)}`],
    ['expires', one.expiresAt ?? 'never'],
    ...Object.entries(properties).map(([name, value]): [string, string] => [
      name,
      JSON.stringify(value),
    ]),
    ['payload', `${payloadBytes} bytes, ${encoding}${isClipped ? ', clipped' : ''}`],
  ];
  return [...pairs(rows), ...(payload === '' ? [] : ['', ...payload.split('\n')])];
}

export function queue(items: readonly QueuedMessage[]): string[] {
  const head = ['#', 'TOPIC', 'QOS', 'SIZE', 'RECEIVED', 'EXPIRES'];
  const rows = items.map(
    (one): Row => [
      ...[one.position, quoted(one.topic), orNothing(one.qos), one.size],
      ...[one.receivedAt ?? NOTHING, one.expiresAt ?? NOTHING],
    ],
  );
  return table(head, rows);
}

export function listeners(items: readonly ControlledListener[]): string[] {
  const head = ['LISTENER', 'STATE', 'CONNECTIONS', 'HALF', 'REFUSED', 'CERTIFICATE'];
  const rows = items.map((one): Row => {
    const refused = Object.values(one.refusals).reduce((sum, count) => sum + count, 0);
    const days = one.certificateLeftDays;
    const certificate = days === null ? NOTHING : `${Math.floor(days)} days`;
    return [one.url, one.state, one.connections, one.halfConnected, refused, certificate];
  });
  return table(head, rows);
}

export function info(server: ServerInfo, stats: ServerStats, overload: OverloadState): string[] {
  const { features, platform, protocolVersions, runtime } = server;
  const { cause, level, since } = overload;
  const on = Object.entries(features).flatMap(([name, isOn]) => (isOn ? [name] : []));
  const dropped = Object.entries(stats.dropped).filter(([, count]) => count > 0);
  return pairs([
    ['version', `IoTHub ${server.version}, ${runtime}, ${platform}`],
    ['process', `${server.pid}, ${server.state} for ${duration(server.uptimeMs)}`],
    ['protocols', `MQTT ${protocolVersions.join(', ')}`],
    ['features', on.join(', ') || NOTHING],
    ['connections', `${stats.connections}, ${stats.halfConnected} of them not accepted yet`],
    ['sessions', `${stats.sessions}, ${stats.sessionsConnected} of them connected`],
    ['subscriptions', `${stats.subscriptions}, ${stats.sharedSubscriptions} of them shared`],
    ['queued', `${stats.queuedMessages} messages, ${stats.queuedBytes} bytes`],
    ['in flight', `${stats.inflightMessages} messages`],
    ['retained', `${stats.retainedMessages} messages, ${stats.retainedBytes} bytes`],
    ['overload', level === 0 ? 'none' : `level ${level} for ${cause}, since ${since}`],
    ['dropped', dropped.map(([reason, count]) => `${reason} ${count}`).join(', ') || NOTHING],
  ]);
}

export function drain(state: DrainState): string[] {
  if (!state.isDraining) return ['the server is not drained'];
  const to =
    state.serverReference === null
      ? ''
      : `, v5 clients are sent to ${quoted(state.serverReference)}`;
  return [
    `drained since ${state.since}: ${state.disconnected} clients disconnected, ${state.left} left${to}`,
  ];
}

export function setting(
  { origin, path, value, ...rest }: Omit<ConfigValue, 'isReloaded'> & { isReloaded?: boolean },
  withOrigin: boolean,
): string {
  const reloaded = rest.isReloaded === true ? ', reloaded' : '';
  return `${path} = ${value}${withOrigin ? `  # ${origin}${reloaded}` : ''}`;
}
