// Access by the server's own rules: in order, and the first that fits decides. Whom no rule fits the next authorizer is asked
// about, and at the end of the chain it is refused.
//
// `connect` is a matter of its own: as long as no rule is about it everybody who was authenticated may connect, and with one
// rule only those who are allowed.

import { AddressRanges } from '../../lib/address.ts';
import type { QoS } from '../../protocol/packet.ts';
import { AccessError } from '../access-error.ts';
import type {
  AccessQuestion,
  Authorizer,
  ConnectRequest,
  Explanation,
  SubscribeVerdict,
  Verdict,
} from '../auth.ts';
import { type AccessRule, ruleProblems } from './access-rule.ts';
import {
  decidedBy,
  explainBy,
  named,
  subscribeVerdictBy,
  undecided,
  verdictBy,
} from './answers.ts';
import { type KnownClient, parseFilterTemplate, strictValue } from './filter-template.ts';
import { Action, actionBits, type Rule, RuleBook } from './rule-book.ts';
import { ByScope, NameList, Scope } from './scope.ts';

export interface RulesOptions {
  /** Its name in the configuration. */
  readonly name: string;
  readonly rules: readonly AccessRule[];
}

export class RulesAuthorizer implements Authorizer {
  readonly name: string;
  /** Absent if no rule is about connect. */
  readonly authorizeConnect?: (client: KnownClient, request: ConnectRequest) => Verdict;
  readonly #book: RuleBook;
  readonly #connect: ConnectRules;

  /** Throws AccessError with everything that is wrong with the rules. */
  constructor({ name, rules }: RulesOptions) {
    const problems = ruleProblems(rules);
    if (problems.length > 0) throw new AccessError(problems);
    this.name = name;
    const compiled = rules.map(compileRule);
    this.#book = new RuleBook(compiled, strictValue);
    this.#connect = new ConnectRules(rules, compiled);
    if (this.#connect.isEmpty) return;
    this.authorizeConnect = (client, request) => verdictBy(this.#connect.decide(client, request));
  }

  authorizePublish(client: KnownClient, topicName: string, qos: QoS, retain: boolean): Verdict {
    return verdictBy(this.#book.decide(client, Action.Publish, topicName, qos, retain));
  }

  authorizeReceive(client: KnownClient, topicName: string): Verdict {
    return verdictBy(this.#book.decide(client, Action.Receive, topicName));
  }

  authorizeSubscribe(client: KnownClient, topicFilter: string): SubscribeVerdict {
    return subscribeVerdictBy(this.#book.judge(client, topicFilter));
  }

  mayDeny(client: KnownClient, topicFilter: string): boolean {
    return this.#book.mayDeny(client, topicFilter);
  }

  explain(client: KnownClient, question: AccessQuestion): Explanation {
    return explainBy(this.#book, this.name, client, question);
  }

  explainConnect(client: KnownClient, request: ConnectRequest): Explanation {
    const { name } = this;
    if (this.#connect.isEmpty) return undecided(name, 'no rule is about connect');
    const rule = this.#connect.decide(client, request);
    if (rule === null) return undecided(name, `no rule for connect fits ${named(client)}`);
    return decidedBy(
      rule,
      name,
      `the first rule that fits ${rule.isAllow ? 'allows' : 'denies'} it`,
    );
  }
}

/** The rules about connect, in order. */
class ConnectRules {
  readonly #entries: ConnectRule[] = [];
  readonly #ids = new ByScope<number[]>(() => []);

  constructor(rules: readonly AccessRule[], compiled: readonly Rule[]) {
    for (const [i, rule] of rules.entries()) {
      if (!rule.actions.includes('connect')) continue;
      const id = this.#entries.push(new ConnectRule(rule, compiled[i])) - 1;
      for (const place of this.#ids.placesOf(compiled[i].scope)) place.push(id);
    }
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  decide(client: KnownClient, request: ConnectRequest): Rule | null {
    const { certificate } = request;
    const certificateName =
      client.certificateName ?? certificate?.username ?? certificate?.clientId ?? null;
    const known = { ...client, certificateName };
    let first: number | null = null;
    for (const ids of [...this.#ids.placesFor(known), this.#ids.forAll]) {
      const fit = ids.find((id) => this.#entries[id].fits(known, request));
      if (fit !== undefined && (first === null || fit < first)) first = fit;
    }
    return first === null ? null : this.#entries[first].rule;
  }
}

class ConnectRule {
  readonly rule: Rule;
  readonly #addresses: AddressRanges | null;
  readonly #listeners: NameList | null;

  constructor({ addresses, listeners }: AccessRule, rule: Rule) {
    this.rule = rule;
    this.#addresses = addresses ? new AddressRanges(addresses) : null;
    this.#listeners = listeners ? NameList.of(listeners, 'none') : null;
  }

  fits(client: KnownClient, { listener, remoteAddress }: ConnectRequest): boolean {
    if (this.#addresses !== null && !this.#addresses.has(remoteAddress)) return false;
    if (this.#listeners !== null && !this.#listeners.has(listener, client)) return false;
    return this.rule.scope.has(client);
  }
}

function compileRule(rule: AccessRule): Rule {
  const { effect, topics, qosMax = 2, retain = 'any', file = null, line = null } = rule;
  const actions = actionBits(rule.actions);
  return {
    isAllow: effect === 'allow',
    actions,
    // What is about connect alone is in no index of topics.
    topics: actions === 0 ? [] : (topics ?? []).map((topic) => parseFilterTemplate(topic, 'all')),
    qosMax,
    retain,
    scope: Scope.of(rule),
    text: textOf(rule),
    file,
    line,
  };
}

/** The rule as the configuration would have it, on one line. */
function textOf(rule: AccessRule): string {
  const keys: readonly (readonly [key: string, value: unknown])[] = [
    ['effect', rule.effect],
    ['actions', rule.actions],
    ['topics', rule.topics],
    ['users', rule.users],
    ['groups', rule.groups],
    ['client_ids', rule.clientIds],
    ['addresses', rule.addresses],
    ['listeners', rule.listeners],
    ['qos_max', rule.qosMax === 2 ? null : rule.qosMax],
    ['retain', rule.retain === 'any' ? null : rule.retain],
  ];
  return keys
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}`)
    .join(', ');
}
