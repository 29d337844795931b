// The rules that a token brings along: a list of rules in the order in which they count, or the short form of topic filters by
// action. Anything in it that is not understood refuses the login, since a rule that is silently left out may be a `deny`.
//
//   {"acl": [{"effect": "allow", "actions": ["publish"], "topics": ["a/#"], "qos": 1, "retain": false}]}
//   {"acl": {"pub": ["a/#"], "sub": ["b/#"], "all": ["c/#"]}}

import { parseTopicFilter } from '../../protocol/filter.ts';
import type { QoS } from '../../protocol/packet.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import type { Permission } from '../auth.ts';
import { ClaimFault } from './claims.ts';
import { isObject } from './strict-json.ts';
import { quoted } from './token.ts';

type Action = Permission['actions'][number];

const FILTERS_MAX = 1_000;
const MEMBERS = ['effect', 'actions', 'topics', 'qos', 'retain'];
const ACTIONS: readonly string[] = ['publish', 'subscribe', 'receive'] satisfies Action[];
const SHORT_FORM: Readonly<Record<string, readonly Action[]>> = {
  pub: ['publish'],
  sub: ['subscribe'],
  all: ['publish', 'subscribe'],
};
/** What MQTT allows: whether it is too long for this server is for those to say who match it. */
const LIMITS = { topicLengthMax: 65_535, topicLevelsMax: 65_535 };

/** Throws ClaimFault; `name` is the claim's. */
export function readPermissions(claim: unknown, name: string): Permission[] {
  const permissions = Array.isArray(claim)
    ? claim.map((rule, i) => readRule(rule, `${name}[${i}]`))
    : readShortForm(claim, name);
  const count = permissions.reduce((sum, { topicFilters }) => sum + topicFilters.length, 0);
  if (count > FILTERS_MAX) {
    throw new ClaimFault(`${name} has ${count} topic filters; at most ${FILTERS_MAX} are read`);
  }
  return permissions;
}

function readShortForm(claim: unknown, name: string): Permission[] {
  if (!isObject(claim)) {
    throw new ClaimFault(`${name} is ${quoted(claim)}: expected a list of rules or {"pub": […]}`);
  }
  const permissions: Permission[] = [];
  for (const [member, topics] of Object.entries(claim)) {
    const actions = Object.hasOwn(SHORT_FORM, member) ? SHORT_FORM[member] : undefined;
    if (actions === undefined) {
      throw new ClaimFault(`${name} has ${quoted(member)}: expected pub, sub and all`);
    }
    const topicFilters = readFilters(topics, `${name}.${member}`);
    if (topicFilters.length > 0) permissions.push({ effect: 'allow', actions, topicFilters });
  }
  return permissions;
}

function readRule(rule: unknown, name: string): Permission {
  if (!isObject(rule)) throw new ClaimFault(`${name} is ${quoted(rule)}: expected a rule, {…}`);
  const unknown = Object.keys(rule).find((member) => !MEMBERS.includes(member));
  if (unknown !== undefined) {
    throw new ClaimFault(`${name} has ${quoted(unknown)}: expected ${MEMBERS.join(', ')}`);
  }
  const { effect, actions, topics, qos, retain } = rule;
  if (effect !== 'allow' && effect !== 'deny') {
    throw new ClaimFault(`${name}.effect is ${quoted(effect)}: expected "allow" or "deny"`);
  }
  if (!isActions(actions)) {
    throw new ClaimFault(
      `${name}.actions is ${quoted(actions)}: expected a list of ${ACTIONS.join(', ')}`,
    );
  }
  const topicFilters = readFilters(topics, `${name}.topics`);
  if (topicFilters.length === 0) {
    throw new ClaimFault(`${name}.topics is empty: expected topic filters`);
  }
  if (qos !== undefined && !isQoS(qos)) {
    throw new ClaimFault(`${name}.qos is ${quoted(qos)}: expected 0, 1 or 2, the highest allowed`);
  }
  if (retain !== undefined && typeof retain !== 'boolean') {
    throw new ClaimFault(`${name}.retain is ${quoted(retain)}: expected true or false`);
  }
  return { effect, actions, topicFilters, qosMax: qos, retain };
}

function isActions(value: unknown): value is readonly Action[] {
  return (
    Array.isArray(value) && value.length > 0 && value.every((action) => ACTIONS.includes(action))
  );
}

function isQoS(value: unknown): value is QoS {
  return value === 0 || value === 1 || value === 2;
}

function readFilters(topics: unknown, name: string): string[] {
  if (!Array.isArray(topics)) {
    throw new ClaimFault(`${name} is ${quoted(topics)}: expected a list of topic filters`);
  }
  return topics.map((topic, i) => readFilter(topic, `${name}[${i}]`));
}

function readFilter(topic: unknown, name: string): string {
  const where = `${name} is ${quoted(topic)}`;
  if (typeof topic !== 'string') throw new ClaimFault(`${where}: expected a topic filter`);
  // Both are valid filters that would match nothing that is meant: other servers know them.
  if (topic.startsWith('eq ')) {
    throw new ClaimFault(`${where}: filters are never taken literally; leave out "eq "`);
  }
  if (topic.includes('${')) {
    throw new ClaimFault(`${where}: write %c for the client id and %u for the user name`);
  }
  if (/\p{Surrogate}/u.test(topic)) throw new ClaimFault(`${where}, which is no valid text`);
  try {
    const { shareName, topicFilter } = parseTopicFilter(topic, LIMITS);
    if (shareName !== null) throw new ClaimFault(`${where}: leave out $share/${shareName}/`);
    return topicFilter;
  } catch (error) {
    if (error instanceof ProtocolError) throw new ClaimFault(`${where}: ${error.message}`);
    throw error;
  }
}
