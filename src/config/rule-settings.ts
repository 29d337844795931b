// The settings of rules, groups, penalties and quotas, and of access control as a whole: a row each.

import { rangeProblem } from '../lib/address.ts';
import {
  type AccessConfig,
  type GroupConfig,
  type PenaltiesConfig,
  type QuotaConfig,
  RULE_ACTIONS,
  type RuleConfig,
} from './access-config.ts';
import { formatListenerUrl, parseListenerUrl } from './listener-url.ts';
import { ruleClientIdProblem, ruleTopicProblem } from './placeholders.ts';
import {
  choice,
  count,
  durationMs,
  flag,
  formed,
  list,
  type Setting,
  size,
  text,
} from './setting.ts';
import type { Settings } from './settings.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const TIB = 1_099_511_627_776;
const PLACEHOLDERS = `\`%u\`, \`\${claim.x}\`, \`\${cert}\``;
const MANY = { min: 1, max: 100_000 };

/** One address range as AddressRanges reads it. */
export function rangeSetting(): Setting<string> {
  const range = 'addresses, ranges, `loopback`, `private`, `link-local`, `unix`';
  return formed('range', range, rangeProblem, '');
}

export const RULE_SETTINGS: Settings<Omit<RuleConfig, 'file' | 'line'>> = {
  effect: choice(['allow', 'deny'], 'What comes of it. Must be said.'),
  actions: list(
    choice(RULE_ACTIONS, ''),
    'What it is about. `subscribe` covers what is delivered, too; `receive` is about deliveries only. Must be said.',
    MANY,
  ),
  topics: list(
    formed(
      'topic filter',
      `topic filters, also with \`%c\`, ${PLACEHOLDERS}`,
      ruleTopicProblem,
      '',
    ),
    'The topics it is about: `%c` is the client id, `%u` the user name. Needed by all actions but `connect`. Topics that begin with `$` are matched only by filters that do.',
    MANY,
  ),
  users: list(
    text(65_535, '', 0),
    'Only for these users; `*` stands for any characters, `""` is an anonymous client.',
    MANY,
  ),
  groups: list(text(65_535, ''), 'Only for users of one of these groups; `*` as above.', MANY),
  clientIds: list(
    formed('text', `texts, also with \`*\`, ${PLACEHOLDERS}`, ruleClientIdProblem, ''),
    'Only for these client ids.',
    MANY,
  ),
  addresses: list(rangeSetting(), 'Only from there; for `connect`.', MANY),
  listeners: list(
    formed('URL', 'URLs of listeners', (url) => listenerProblem(url), ''),
    'Only by these listeners; for `connect`.',
    MANY,
  ),
  qosMax: choice(
    [0, 1, 2],
    'Fits a PUBLISH up to this QoS; a subscription is granted this at most.',
  ),
  retain: choice(
    ['any', 'only', 'never'],
    'Whether it is about messages to be retained, or others.',
  ),
};

function listenerProblem(text: string): string | null {
  const read = parseListenerUrl(text);
  if (typeof read === 'string') return read;
  const right = formatListenerUrl(read);
  return read.parameters.length === 0 ? null : `it is named without parameters: write "${right}"`;
}

export const GROUP_SETTINGS: Settings<GroupConfig> = {
  name: text(256, 'What `groups` of rules call it. Must be said.'),
  users: list(
    text(65_535, ''),
    'Who belongs to it; `*` stands for any characters. Must be said.',
    MANY,
  ),
};

export const ACCESS_SETTINGS: Settings<AccessConfig> = {
  suback: choice(
    ['filter', 'mosquitto'],
    'Whether a SUBSCRIBE that could never receive anything is refused, or every one is granted as Mosquitto does. Deliveries are checked in both; what an endpoint or a module refuses that is not asked about deliveries is refused in both.',
  ),
  deniedV3: choice(
    ['acknowledge', 'disconnect'],
    'What a v3 client gets for a PUBLISH that is not allowed, which it cannot be told of.',
  ),
  sessionOwner: choice(
    ['refuse', 'discard'],
    'What happens when another user comes with the client id of a session: he is refused, or the session ends.',
  ),
  strictPermissions: flag(
    'Whether files with secrets that others on this machine can read are refused; else the log warns.',
  ),
  watch: flag('Whether files of authenticators and authorizers are read again when they change.'),
  decisionsMax: count(1, 65_536, 'Decisions about topics that are remembered of one session.'),
  hashWorkers: count(0, 64, 'Threads that verify passwords; 0 goes by the number of processors.'),
  hashQueueMax: count(1, 1_000_000, 'Passwords that wait to be verified; more are refused.'),
  credentialsTtlMs: durationMs(
    0,
    DAY_MS,
    'How long a verified password need not be verified again; 0 verifies always.',
  ),
  credentialsMax: count(1, 10_000_000, 'How many of them are remembered.'),
};

export const PENALTIES_SETTINGS: Settings<PenaltiesConfig> = {
  failuresMax: count(
    0,
    1_000_000,
    'Failed logins of one user from one address within `window`; 0 sets no limit.',
  ),
  windowMs: durationMs(1_000, DAY_MS, 'The time in which failures count.'),
  penaltyMs: durationMs(1_000, 7 * DAY_MS, 'For how long that user is refused from there.'),
  addressFailuresMax: count(
    0,
    1_000_000,
    'Failed logins from one address, whoever it says to be; 0 sets no limit.',
  ),
  trusted: list(rangeSetting(), 'Addresses that get no penalty.'),
  tablesMax: count(16, 10_000_000, 'Addresses, users and client ids that are kept in mind.'),
  flappingConnectsMax: count(
    0,
    1_000_000,
    'How often one client id may connect within `flapping_window`; 0 sets no limit.',
  ),
  flappingWindowMs: durationMs(1_000, DAY_MS, 'See `flapping_connects_max`.'),
  flappingBanMs: durationMs(1_000, 7 * DAY_MS, 'For how long a client is refused that did.'),
  fightTakeoversMax: count(
    0,
    1_000_000,
    'How often two clients may take one client id from each other within `fight_window` until the log names them; 0 does not look.',
  ),
  fightWindowMs: durationMs(1_000, DAY_MS, 'See `fight_takeovers_max`.'),
  fightBackOffMs: durationMs(
    0,
    HOUR_MS,
    'How long the next takeover then waits; 0 lets it through.',
  ),
};

const GLOB = '`*` stands for any characters.';
const RATE_MAX = 10_000_000;

export const QUOTA_SETTINGS: Settings<QuotaConfig> = {
  clientId: text(65_535, `For clients whose identifier fits; ${GLOB}`),
  username: text(65_535, `For clients whose user name fits; ${GLOB}`),
  group: text(65_535, `For clients of a group that fits; ${GLOB}`),
  listener: text(4_096, `For clients of a listener whose URL fits; ${GLOB}`),
  per: choice(
    ['client', 'user', 'listener', 'rule'],
    'Who shares the limits: nobody, the clients of one user, of one listener, or all whom this table is for.',
  ),
  messagesPerSecond: count(1, RATE_MAX, 'Messages that they publish.'),
  messagesBurst: count(1, RATE_MAX, 'How many at once; left out, as many as in one second.'),
  bytesPerSecond: size(1, TIB, 'Bytes of those messages.'),
  bytesBurst: size(1, TIB, 'How many at once; left out, as many as in one second.'),
  over: choice(
    ['throttle', 'refuse', 'disconnect'],
    'What happens beyond a rate: they are read more slowly, the message is refused, or they are disconnected.',
  ),
  subscriptionsMax: count(0, 100_000_000, 'Subscriptions.'),
  connectionsMax: count(0, 10_000_000, 'Connections.'),
  retainedMessagesMax: count(0, 100_000_000, 'Retained messages.'),
  retainedBytesMax: size(0, TIB, 'Bytes of retained messages.'),
  queueMessagesMax: count(0, 100_000_000, 'Messages that wait for them.'),
  queueBytesMax: size(0, TIB, 'Bytes of those messages.'),
};
