// What of rules, groups and quotas is fine alone and wrong together. A rule that can never fit is an error: a deny like that
// would leave open what it was written to close.

import { suggestion } from './access-agreement.ts';
import type { RuleConfig } from './access-config.ts';
import type { Config } from './config.ts';
import type { ConfigProblem } from './config-error.ts';
import type { Disagreement } from './listener-agreement.ts';
import type { RawConfig, RawTable } from './raw.ts';

/** `areListenersKnown`: those of the configuration are those that rules may name. */
export function ruleDisagreements(
  raw: RawConfig,
  config: Config,
  areListenersKnown: boolean,
): ConfigProblem[] {
  const { groups } = raw;
  const urls = areListenersKnown ? config.listeners.map(({ url }) => url) : null;
  const known = knownGroups(config);
  return [
    ...each('rules', raw.rules, (rule, i) => [
      ...ruleProblems(rule, config.rules[i]),
      ...unknown('groups', 'group', config.rules[i].groups, known),
      ...unknown('listeners', 'listener', config.rules[i].listeners, urls),
    ]),
    ...each('groups', groups, (group, i) => groupProblems(group, groups?.slice(0, i) ?? [])),
    ...each('quotas', raw.quotas, quotaProblems),
    ...unaskedRules(config),
  ];
}

function each(
  name: string,
  tables: readonly RawTable[] = [],
  problemsOf: (table: RawTable, index: number) => readonly Disagreement[],
): ConfigProblem[] {
  return tables.flatMap((table, index) =>
    problemsOf(table, index).map(({ key, message }) => ({
      path: `${name}[${index}]${key === '' ? '' : `.${key}`}`,
      message,
      line: null,
    })),
  );
}

function ruleProblems(raw: RawTable, rule: RuleConfig): Disagreement[] {
  const problems: Disagreement[] = [];
  const { actions, topics } = rule;
  if (raw.effect === undefined) {
    problems.push({ key: '', message: 'is not complete: add effect = "allow" or "deny"' });
  }
  if (raw.actions === undefined) {
    const message = 'is not complete: add actions = ["publish", "subscribe"], or some of them';
    return [...problems, { key: '', message }];
  }
  const others = actions.filter((action) => action !== 'connect');
  if (others.length > 0 && topics === null) {
    const message = `says of no topic that it is about it: add topics ("#" = all but those that begin with $) to ${others.join(', ')}`;
    problems.push({ key: '', message });
  }
  if (others.length === 0 && topics !== null) {
    const message = 'connect is about no topic: leave them out, or name other actions';
    problems.push({ key: 'topics', message });
  }
  for (const key of ['addresses', 'listeners'] as const) {
    if (rule[key] === null || others.length === 0) continue;
    const message = `is looked at only when a client connects, and this rule is also about ${others.join(', ')}: write actions = ["connect"], and another rule for the rest`;
    problems.push({ key, message });
  }
  if (raw.qos_max !== undefined && !actions.includes('publish') && !actions.includes('subscribe')) {
    problems.push({ key: 'qos_max', message: 'does nothing without publish or subscribe' });
  }
  if (raw.retain !== undefined && !actions.includes('publish')) {
    problems.push({ key: 'retain', message: 'does nothing without publish' });
  }
  return problems;
}

/** Names that are not there; `known` is null where others may come. */
function unknown(
  key: string,
  what: string,
  names: readonly string[] | null,
  known: readonly string[] | null,
): Disagreement[] {
  if (known === null || names === null) return [];
  return names
    .filter((name) => !known.includes(name) && !name.includes('*'))
    .map((name) => {
      const message = `there is no ${what} ${JSON.stringify(name)}${suggestion(name, known)}`;
      return { key, message };
    });
}

/** All groups that there can be, or null where an authenticator may bring its own. */
function knownGroups({ authenticators, groups }: Config): string[] | null {
  const bringsNone = ['password-file', 'certificate'];
  if (!authenticators.every(({ kind }) => bringsNone.includes(kind))) return null;
  return groups.map(({ name }) => name);
}

function groupProblems(group: RawTable, before: readonly RawTable[]): Disagreement[] {
  const problems: Disagreement[] = [];
  if (group.name === undefined) {
    problems.push({ key: '', message: 'is not complete: add name = "…"' });
  } else if (before.some(({ name }) => name === group.name)) {
    const message = `${JSON.stringify(group.name)} is there already: write all its users in one table`;
    problems.push({ key: 'name', message });
  }
  if (group.users === undefined) {
    problems.push({ key: '', message: 'is not complete: add users = ["…"]' });
  }
  return problems;
}

const QUOTA_CONDITIONS = ['client_id', 'username', 'group', 'listener'];
const QUOTA_LIMITS = [
  'messages_per_second',
  'bytes_per_second',
  'subscriptions_max',
  'connections_max',
  'retained_messages_max',
  'retained_bytes_max',
  'queue_messages_max',
  'queue_bytes_max',
];

function quotaProblems(quota: RawTable): Disagreement[] {
  const problems: Disagreement[] = [];
  if (QUOTA_CONDITIONS.every((key) => quota[key] === undefined)) {
    const message = `says of no client that it is for it: add one of ${QUOTA_CONDITIONS.join(', ')} ("*" = all)`;
    problems.push({ key: '', message });
  }
  if (QUOTA_LIMITS.every((key) => quota[key] === undefined)) {
    problems.push({ key: '', message: `limits nothing: add one of ${QUOTA_LIMITS.join(', ')}` });
  }
  for (const what of ['messages', 'bytes']) {
    const [burst, rate] = [`${what}_burst`, `${what}_per_second`];
    if (quota[burst] === undefined || quota[rate] !== undefined) continue;
    problems.push({ key: burst, message: `does nothing without ${rate}` });
  }
  return [...problems, ...scopeProblems(quota)];
}

/** What can be counted only for some: nobody knows the listener or the groups of a publisher that has gone. */
function scopeProblems(quota: RawTable): Disagreement[] {
  const { per = 'client' } = quota;
  const problems: Disagreement[] = [];
  for (const key of ['retained_messages_max', 'retained_bytes_max']) {
    if (quota[key] === undefined || per === 'client' || per === 'user') continue;
    const message = `retained messages are counted per client or user, not per ${String(per)}: make it a table of its own`;
    problems.push({ key, message });
  }
  for (const key of ['queue_messages_max', 'queue_bytes_max']) {
    if (quota[key] === undefined || per === 'client') continue;
    const message = `queues are bounded per client, not per ${String(per)}: make it a table of its own`;
    problems.push({ key, message });
  }
  return problems;
}

/** Rules that nobody asks would be thought to bind. */
function unaskedRules({ rules, authorizers }: Config): ConfigProblem[] {
  const index = authorizers.findIndex(({ kind }) => kind === 'rules');
  if (index < 0 && rules.length > 0) {
    const message =
      'nobody asks the rules: add [[authorizers]] with type = "rules" where its turn is';
    return [{ path: 'rules[0]', message, line: null }];
  }
  if (index < 0 || rules.length > 0) return [];
  const message =
    '"rules" has nothing to go by, as there are no [[rules]]: add some, or leave it out';
  return [{ path: `authorizers[${index}].type`, message, line: null }];
}
