// The server's own rules, as the configuration or an embedder writes them: in order, and the first that fits decides. Here is
// what such a rule is, what is wrong with one, and what is odd about all of them together; `rules.ts` goes by them.
//
// All that a rule names must fit. What it does not name binds nobody: a list that is empty would say one thing and mean the
// other, so there is none.

import { rangeProblem } from '../../lib/address.ts';
import { parseTopicFilter } from '../../protocol/filter.ts';
import type { QoS } from '../../protocol/packet.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import type { AccessProblem } from '../access-error.ts';
import { quote } from './answers.ts';
import { fillText, type PlaceholderKinds } from './filter-template.ts';

export interface AccessRule {
  readonly effect: 'allow' | 'deny';
  /** `subscribe` covers deliveries, too; `receive` is about deliveries only. */
  readonly actions: readonly ('connect' | 'publish' | 'subscribe' | 'receive')[];
  /** Filters without `$share`, with `%c`, `%u`, `${claim.x}` and `${cert}`. Not needed for `connect`. */
  readonly topics?: readonly string[] | null;
  /** `*` stands for any characters, here and in all lists below but the addresses; '' is an anonymous client. */
  readonly users?: readonly string[] | null;
  readonly groups?: readonly string[] | null;
  /** Also with `%u`, `${claim.x}` and `${cert}`. */
  readonly clientIds?: readonly string[] | null;
  /** Ranges, for `connect` alone. */
  readonly addresses?: readonly string[] | null;
  /** URLs of listeners, for `connect` alone. */
  readonly listeners?: readonly string[] | null;
  /** A PUBLISH with a higher QoS does not fit; an allowed subscription gets it at most. Default 2. */
  readonly qosMax?: QoS;
  /** Which PUBLISH fits: any, the retained ones only, or never those. Default any. */
  readonly retain?: 'any' | 'only' | 'never';
  /** Where it is written. */
  readonly file?: string | null;
  readonly line?: number | null;
}

const NO_LIMITS = { topicLengthMax: 65_535, topicLevelsMax: 65_535 };
const LISTS = ['topics', 'users', 'groups', 'clientIds', 'addresses', 'listeners'] as const;
const CONNECT_LISTS = ['addresses', 'listeners'] as const;

/** Everything that is wrong with the rules and what would be right, in their order. */
export function ruleProblems(rules: readonly AccessRule[]): AccessProblem[] {
  return rules.flatMap((rule) => problemsOf(rule).map((message) => at(rule, message)));
}

/** What is valid but hardly meant so. */
export function ruleWarnings(rules: readonly AccessRule[]): AccessProblem[] {
  const warnings: AccessProblem[] = [];
  const unbound = rules.filter(({ topics }) => topics?.some((topic) => topic.includes('%c')));
  if (unbound.length > 0 && !rules.some(bindsClientIds)) {
    const others = unbound.length === 1 ? '' : ` (and ${unbound.length - 1} more rules)`;
    warnings.push(
      at(
        unbound[0],
        `topics with %c${others} go by the client id, which every client chooses for itself: write an allow rule for "connect" that binds it, as client_ids = ["%u-*"]`,
      ),
    );
  }
  for (const rule of rules) {
    for (const message of oddities(rule)) warnings.push(at(rule, message));
  }
  return warnings;
}

/** What is wrong with a topic filter of a rule, or null. */
export function topicProblem(filter: string, kinds: PlaceholderKinds): string | null {
  const share = /^\$share\/[^/]*\/(.*)$/.exec(filter);
  if (share !== null) {
    return `${quote(filter)} is asked for without $share and its name: write ${quote(share[1])}`;
  }
  const filled = fillText(filter, kinds, 'x');
  const leftOver = kinds === 'all' ? leftOverProblem(filter, filled) : null;
  if (leftOver !== null) return leftOver;
  try {
    parseTopicFilter(filled, NO_LIMITS);
    return null;
  } catch (error) {
    if (error instanceof ProtocolError) {
      return `${quote(filter)} is not a topic filter: ${error.message}`;
    }
    throw error;
  }
}

function problemsOf(rule: AccessRule): string[] {
  const { actions, topics, clientIds, addresses } = rule;
  const problems: string[] = [];
  const isOnlyConnect = actions.every((action) => action === 'connect');
  if (actions.length === 0) {
    problems.push('the rule has no action: connect, publish, subscribe or receive is expected');
  } else if (!isOnlyConnect && (topics === undefined || topics === null)) {
    problems.push('the rule has no topics: write the filters it is about, "#" for all');
  }
  for (const name of LISTS) {
    if (rule[name]?.length === 0) {
      problems.push(`${keyOf(name)} is empty: leave it out if the rule is not about that`);
    }
  }
  for (const name of CONNECT_LISTS) {
    if (isOnlyConnect || !rule[name]) continue;
    problems.push(`${keyOf(name)} goes with "connect" alone: write a rule of its own for that`);
  }
  for (const topic of topics ?? []) push(problems, topicProblem(topic, 'all'));
  for (const clientId of clientIds ?? []) push(problems, clientIdProblem(clientId));
  for (const address of addresses ?? []) push(problems, rangeProblem(address));
  return problems;
}

function clientIdProblem(clientId: string): string | null {
  if (clientId.includes('%c')) {
    return `${quote(clientId)} compares the client id with itself: %u stands for the user name`;
  }
  return leftOverProblem(clientId, fillText(clientId, 'all', 'x'));
}

/** What looks like a placeholder and is none: taken literally, the rule would never fit. */
function leftOverProblem(text: string, filled: string): string | null {
  if (filled.includes('%')) {
    return `${quote(text)} has a % that is no placeholder: %c is the client id, %u the user name`;
  }
  if (!/\$\{/.test(filled)) return null;
  return `${quote(text)} has a \${ that is no placeholder: write \${claim.name} or \${cert}`;
}

/** Whether a client that may connect by the rule cannot choose its client id freely. */
function bindsClientIds({ effect, actions, clientIds, users, groups }: AccessRule): boolean {
  if (effect !== 'allow' || !actions.includes('connect') || !clientIds) return false;
  const isForSome = Boolean(users) || Boolean(groups);
  return clientIds.every((clientId) => {
    const isBound = fillText(clientId, 'all', '') !== clientId;
    return isBound || (isForSome && clientId !== '*');
  });
}

function oddities({ effect, actions, topics, qosMax = 2, retain = 'any' }: AccessRule): string[] {
  const found: string[] = [];
  const isAbout = (...wanted: AccessRule['actions']) => actions.some((one) => wanted.includes(one));
  if (effect === 'deny' && qosMax < 2 && isAbout('publish')) {
    found.push(
      `a deny with qos_max = ${qosMax} says nothing about a PUBLISH with a higher QoS, which rules behind it may allow: leave it out to deny all`,
    );
  }
  if (qosMax < 2 && !isAbout('publish', 'subscribe')) {
    found.push('qos_max is about publish and subscribe: it means nothing here');
  }
  if (retain !== 'any' && !isAbout('publish')) {
    found.push('retain is about publish: it means nothing here');
  }
  if (topics && !isAbout('publish', 'subscribe', 'receive')) {
    found.push('topics are about publish, subscribe and receive: they mean nothing for connect');
  }
  return found;
}

function at({ file = null, line = null }: AccessRule, message: string): AccessProblem {
  return { file, line, message };
}

/** As the configuration spells it. */
function keyOf(name: (typeof LISTS)[number]): string {
  return name === 'clientIds' ? 'client_ids' : name;
}

function push(problems: string[], problem: string | null): void {
  if (problem !== null) problems.push(problem);
}
