// Every setting there is: a row each, with its range and its meaning. The tables of limits are typed by `Limits`, so a limit
// without a row does not compile. The reference (docs/config.md) is generated from here.

import type { Limits } from '../core/limits.ts';
import { LOG_LEVELS, LOG_MODULES, type LogLevel, type LogModule } from '../core/log-level.ts';
import { QUEUE_POLICIES } from '../core/queue-rules.ts';
import type {
  DropsConfig,
  LogConfig,
  MetricsConfig,
  QueueConfig,
  StorageConfig,
} from './config.ts';
import {
  choice,
  count,
  durationMs,
  durationSeconds,
  file,
  flag,
  list,
  modulePath,
  type Setting,
  size,
  text,
} from './setting.ts';

/** A row for each setting; one that may be left out or be null has no default. */
export type Settings<T> = { readonly [K in keyof T]-?: Setting<NonNullable<T[K]>> };

const TIB = 1_099_511_627_776;
const HOUR_MS = 3_600_000;
/** Session Expiry Interval of a session that never ends. MQTT 5 §3.1.2.11.2 */
const NEVER = 0xffff_ffff;

export const LOG_SETTINGS: Settings<Omit<LogConfig, 'levels'>> = {
  level: choice(LOG_LEVELS, 'The least important lines shown.'),
  format: choice(
    ['auto', 'pretty', 'json', 'mosquitto'],
    'Lines for people or JSON, one object a line; `auto` is pretty on a terminal and JSON elsewhere. `mosquitto` has the shapes of Mosquitto’s lines for those who come, go and are refused, as rules of fail2ban know them.',
  ),
  file: file(
    'The file that it goes to; left out, stdout. SIGHUP opens it again, after somebody renamed it.',
  ),
  connections: choice(
    ['all', 'summary'],
    'A line for each client that connects or disconnects, or only their numbers every ten seconds.',
  ),
  connectionsRate: count(
    1,
    100_000,
    'Such lines a second at most; of those beyond only the numbers are told.',
  ),
};

export const METRICS_SETTINGS: Settings<MetricsConfig> = {
  enabled: flag('Whether there is a page for Prometheus, `/metrics`. Counters count in any case.'),
  compat: list(
    choice(['mosquitto-exporter', 'emqx'], ''),
    'Whose names the page has beside its own, so that boards made for those work.',
  ),
};

const MODULE_MEANINGS: Readonly<Record<LogModule, string>> = {
  access: 'Of logins, rules, bans and denials.',
  admin: 'Of commands, the admin API, and what was changed by them.',
  server: 'Of everything else: start, stop, reload, alarms.',
  session: 'Of clients that are connected, and their sessions; `debug` has each packet of theirs.',
  storage: 'Of the store.',
  transport: 'Of listeners, TLS, WebSocket, proxies, and connections that are no clients yet.',
};

/** As `[log.levels]` has them. */
export const LOG_LEVEL_SETTINGS = Object.fromEntries(
  LOG_MODULES.map((module) => [module, choice(LOG_LEVELS, MODULE_MEANINGS[module])]),
) as Readonly<Record<LogModule, Setting<LogLevel>>>;

export const STORAGE_SETTINGS: Settings<Omit<StorageConfig, 'options'>> = {
  type: modulePath(
    '`lmdb` keeps everything on disk, `memory` nothing beyond the process; or the path of a module (`./my-store.js`, seen from this file) or the name of a package that is a store.',
  ),
  path: text(4_096, 'The data folder, seen from where the server is started.'),
  level: choice(
    ['always', 'relaxed'],
    'When a client is told that something is stored: after it is on the disk (fsync), or as soon as the system has it (a power cut may lose the last moments, a crash of the server nothing).',
  ),
  commitDelayMs: durationMs(
    0,
    10_000,
    'How long a batch gathers. 5 to 20 ms spare SD cards: what comes and goes meanwhile is never written. Acknowledgements come so much later.',
  ),
  freeMin: size(
    0,
    TIB,
    'Room that the disk must have left; below it what would have to be stored is refused.',
  ),
  bytesMax: size(0, TIB, 'Room that the store may take; 0 sets no limit.'),
  strict: flag(
    'Whether a damaged store keeps the server from starting, instead of being set aside.',
  ),
};

export const DROPS_SETTINGS: Settings<DropsConfig> = {
  ledger: flag(
    'Whether the latest lost messages can be looked up (`iothub drops`). Their numbers are counted all the same.',
  ),
  ledgerMax: count(
    1,
    4_096,
    'How many of each reason, about 100 bytes each; what follows with the same client and topic counts as one.',
  ),
};

export const QUEUE_SETTINGS: Settings<QueueConfig> = {
  clientId: text(65_535, 'For clients whose identifier fits; `*` stands for any characters.'),
  username: text(65_535, 'For clients whose user name fits; `*` stands for any characters.'),
  messagesMax: count(1, 100_000_000, 'As `queue_messages_max`.'),
  bytesMax: size(1, TIB, 'As `queue_bytes_max`.'),
  policy: choice(QUEUE_POLICIES, 'As `queue_policy`.'),
  qos0: flag('As `queue_qos0`.'),
};

export const LIMIT_SETTINGS: Settings<Limits> = {
  packetSizeMax: size(
    64,
    268_435_460,
    'One inbound control packet, fixed header included; announced as Maximum Packet Size (v5).',
  ),
  unacceptedBytesMax: size(
    64,
    268_435_460,
    'CONNECT, and everything else that a client sends before it is accepted.',
  ),
  topicLengthMax: size(1, 65_535, 'A topic name or filter.'),
  topicLevelsMax: count(1, 65_535, 'Levels of a topic name or filter.'),
  userPropertiesMax: count(0, 65_535, 'User properties in one inbound packet.'),
  connectionsMax: count(1, 10_000_000, 'Connections, half-connected ones included.'),
  halfConnectedMax: count(
    1,
    10_000_000,
    'Connections of one listener whose CONNECT is not in yet.',
  ),
  loopLagMaxMs: durationMs(
    0,
    HOUR_MS,
    'How late the event loop may be, smoothed; beyond it no new connection is let in. 0 lets them in always.',
  ),
  connectTimeoutMs: durationMs(
    1,
    HOUR_MS,
    'Time until CONNECT must be accepted; waiting for an authenticator or authorizer does not count.',
  ),
  answerTimeoutMs: durationMs(
    1,
    HOUR_MS,
    'Time that an authorizer may take to answer, whatever its own `timeout`; then the connection that waits for it is closed. Authenticators go by their own.',
  ),
  keepAliveMax: durationSeconds(
    0,
    65_535,
    'A v5 client that asks for more (or for none) is told this as Server Keep Alive; v3 clients, who cannot be told, keep their own. 0 sets no limit.',
  ),
  sessionExpiryMax: durationSeconds(
    0,
    NEVER,
    'A longer session expiry is cut to this, also `never`, and that of v3 sessions with clean session 0.',
    NEVER,
  ),
  sessionsMax: count(1, 100_000_000, 'Sessions, connected or not.'),
  subscriptionsPerClientMax: count(1, 10_000_000, 'Subscriptions of one session.'),
  filtersPerPacketMax: count(1, 1_000_000, 'Topic filters in one SUBSCRIBE or UNSUBSCRIBE.'),
  inflightMessagesMax: count(
    1,
    65_535,
    'QoS 1 and 2 messages in flight to one client, at most its Receive Maximum.',
  ),
  receiveMaximum: count(
    1,
    65_535,
    'QoS 1 and 2 messages a v5 client may have unacknowledged; announced as Receive Maximum.',
  ),
  topicAliasMax: count(
    0,
    65_535,
    'Highest topic alias accepted from a client; announced as Topic Alias Maximum.',
  ),
  topicAliasOutboundMax: count(
    0,
    65_535,
    'Highest topic alias used towards a client, at most what it allows.',
  ),
  queueMessagesMax: count(
    1,
    100_000_000,
    'Messages waiting behind one session’s in-flight window.',
  ),
  queueBytesMax: size(1, TIB, 'Bytes of those messages.'),
  queuePolicy: choice(
    QUEUE_POLICIES,
    'What happens when a session’s queue is full. `keep-latest-per-topic` keeps one message of each topic at any time, and drops the oldest when that is too many. A client may ask for another with the CONNECT user property `queue-policy`.',
  ),
  queueQos0: flag('Whether QoS 0 messages are queued for sessions that are not connected.'),
  outputBytesMax: size(
    4_096,
    TIB,
    'Bytes waiting for one connection’s socket; past it QoS 0 is dropped, QoS 1 and 2 stay queued, and it is not read.',
  ),
  writeTimeoutMs: durationMs(
    1,
    HOUR_MS,
    'Time without progress of a pending write until the connection is closed.',
  ),
  retainedMessagesMax: count(1, 100_000_000, 'Retained messages.'),
  retainedBytesMax: size(1, TIB, 'Bytes of all retained messages.'),
  qosMax: choice([0, 1, 2], 'Highest QoS accepted in PUBLISH; announced as Maximum QoS (v5).'),
  retainAvailable: flag('Whether messages may be retained.'),
  wildcardSubscriptionAvailable: flag('Whether topic filters may have wildcards.'),
  sharedSubscriptionAvailable: flag('Whether `$share/…` filters may be used.'),
  subscriptionIdentifiersAvailable: flag('Whether subscriptions may have identifiers (v5).'),
  checkPayloadFormat: flag(
    'Whether payloads that claim to be UTF-8 are checked (reason code 0x99).',
  ),
  shutdownTimeoutMs: durationMs(1, HOUR_MS, 'Time that a graceful stop may take.'),
};

/** Names that read better in the file than the rule would have them. */
const OTHER_KEYS: Readonly<Record<string, string>> = { endsRevoked: 'end_revoked' };

/** A setting's name in the file: snake_case, without the unit, which is part of the value there. */
export function keyOf(name: string): string {
  if (Object.hasOwn(OTHER_KEYS, name)) return OTHER_KEYS[name];
  return name.replace(/Ms$/, '').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
