// Access by the permissions that came with an identity, as the claims of a token bring them: in order, and the first that fits
// decides. A client that brought none is no matter of this authorizer.
//
// They are somebody else's text. Whoever made them has checked them; if one cannot be understood all the same, that client may
// do nothing, since it could have been a denial.

import type { QoS } from '../../protocol/packet.ts';
import { ReasonCode } from '../../protocol/reason-code.ts';
import type {
  AccessQuestion,
  Authorizer,
  Explanation,
  Permission,
  SubscribeVerdict,
  Verdict,
} from '../auth.ts';
import { UNDECIDED } from '../auth.ts';
import { topicProblem } from './access-rule.ts';
import { explainBy, named, subscribeVerdictBy, undecided, verdictBy } from './answers.ts';
import { type KnownClient, parseFilterTemplate, strictValue } from './filter-template.ts';
import { Action, actionBits, type Rule, RuleBook } from './rule-book.ts';
import { EVERYBODY } from './scope.ts';

export interface ClaimsOptions {
  /** Its name in the configuration. */
  readonly name: string;
}

export class ClaimsAuthorizer implements Authorizer {
  readonly name: string;
  /** What was made of permissions, or what is wrong with them; gone with them. */
  readonly #books = new WeakMap<readonly Permission[], RuleBook | string>();

  constructor({ name }: ClaimsOptions) {
    this.name = name;
  }

  authorizePublish(client: KnownClient, topicName: string, qos: QoS, retain: boolean): Verdict {
    const book = this.#bookOf(client);
    if (!(book instanceof RuleBook)) return verdictWithout(book);
    return verdictBy(book.decide(client, Action.Publish, topicName, qos, retain));
  }

  authorizeReceive(client: KnownClient, topicName: string): Verdict {
    const book = this.#bookOf(client);
    if (!(book instanceof RuleBook)) return verdictWithout(book);
    return verdictBy(book.decide(client, Action.Receive, topicName));
  }

  authorizeSubscribe(client: KnownClient, topicFilter: string): SubscribeVerdict {
    const book = this.#bookOf(client);
    if (!(book instanceof RuleBook)) return verdictWithout(book);
    return subscribeVerdictBy(book.judge(client, topicFilter));
  }

  mayDeny(client: KnownClient, topicFilter: string): boolean {
    const book = this.#bookOf(client);
    return book instanceof RuleBook ? book.mayDeny(client, topicFilter) : book !== null;
  }

  explain(client: KnownClient, question: AccessQuestion): Explanation {
    const book = this.#bookOf(client);
    if (book instanceof RuleBook) return explainBy(book, this.name, client, question);
    if (book === null) {
      return undecided(this.name, `${named(client)} brought no permissions`);
    }
    const reason = `a permission that ${named(client)} brought cannot be understood: ${book}`;
    return { ...undecided(this.name, reason), outcome: 'deny' };
  }

  /** null: it brought none. A text: why they are no permissions. */
  #bookOf({ permissions }: KnownClient): RuleBook | string | null {
    if (permissions === undefined) return null;
    const known = this.#books.get(permissions);
    if (known !== undefined) return known;
    const problem = problemOf(permissions);
    const made = problem ?? new RuleBook(permissions.map(ruleOf), strictValue);
    this.#books.set(permissions, made);
    return made;
  }
}

function verdictWithout(problem: string | null): Verdict {
  return problem === null ? UNDECIDED : ReasonCode.NotAuthorized;
}

/** The first thing that is wrong with them, or null. */
function problemOf(permissions: readonly Permission[]): string | null {
  for (const { topicFilters } of permissions) {
    for (const filter of topicFilters) {
      const problem = topicProblem(filter, 'names');
      if (problem !== null) return problem;
    }
  }
  return null;
}

function ruleOf({ effect, actions, topicFilters, qosMax = 2, retain = true }: Permission): Rule {
  return {
    isAllow: effect === 'allow',
    actions: actionBits(actions),
    topics: topicFilters.map((filter) => parseFilterTemplate(filter, 'names')),
    qosMax,
    retain: retain ? 'any' : 'never',
    scope: EVERYBODY,
    text: `${effect} ${actions.join(', ')} ${topicFilters.map((filter) => JSON.stringify(filter)).join(', ')}`,
    file: null,
    line: null,
  };
}
