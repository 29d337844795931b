// Access by an ACL file of Mosquitto, decided as Mosquitto does: the client's own lines first, its denials before the rest; then
// the patterns, in the same way, but for a client with a wildcard in its name, who is refused; then nobody is left to allow it.
// "write" is about PUBLISH, "read" about deliveries.
//
// Two things are its own. A SUBSCRIBE that could never receive anything is refused, unless `suback` says to grant all as
// Mosquitto does. And no pattern reaches a topic that begins with `$` by what stands for `%u`: only one that is written so.

import type { QoS } from '../../protocol/packet.ts';
import { ReasonCode } from '../../protocol/reason-code.ts';
import type {
  AccessQuestion,
  Authorizer,
  Explanation,
  SubscribeVerdict,
  Verdict,
} from '../auth.ts';
import { UNDECIDED } from '../auth.ts';
import { type AclAccess, type AclEntry, type AclFile, loadAclFile } from './acl-lines.ts';
import { explainBy, quote, subscribeVerdictBy, verdictBy } from './answers.ts';
import { type KnownClient, parseFilterTemplate, rawValue } from './filter-template.ts';
import { Action, actionBits, type Rule, RuleBook } from './rule-book.ts';
import { EVERYBODY, Scope } from './scope.ts';

export interface AclFileOptions {
  /** Its name in the configuration. */
  readonly name: string;
  readonly acl: AclFile;
  /** `filter`, the default, refuses a SUBSCRIBE that could never receive anything; `mosquitto` grants every one. */
  readonly suback?: 'filter' | 'mosquitto';
}

/** What the access of a line is about. */
const ACTIONS: Readonly<Record<AclAccess, readonly string[]>> = {
  read: ['subscribe'],
  write: ['publish'],
  readwrite: ['publish', 'subscribe'],
  deny: ['publish', 'subscribe'],
};

export class AclFileAuthorizer implements Authorizer {
  readonly name: string;
  readonly acl: AclFile;
  readonly #book: RuleBook;
  readonly #hasPatterns: boolean;
  readonly #grantsAll: boolean;

  /** Reads the file. Throws AccessError with every problem in it. */
  static async load(
    options: Omit<AclFileOptions, 'acl'> & { readonly file: string },
  ): Promise<AclFileAuthorizer> {
    return new AclFileAuthorizer({ ...options, acl: await loadAclFile(options.file) });
  }

  constructor({ name, acl, suback = 'filter' }: AclFileOptions) {
    this.name = name;
    this.acl = acl;
    this.#book = new RuleBook(rulesOf(acl), rawValue, hasWildcard);
    this.#hasPatterns = acl.entries.some(({ keyword }) => keyword === 'pattern');
    this.#grantsAll = suback === 'mosquitto';
  }

  authorizePublish(client: KnownClient, topicName: string, qos: QoS, retain: boolean): Verdict {
    const rule = this.#book.decide(client, Action.Publish, topicName, qos, retain);
    return rule === null ? this.#otherwise(client) : verdictBy(rule);
  }

  authorizeReceive(client: KnownClient, topicName: string): Verdict {
    const rule = this.#book.decide(client, Action.Receive, topicName);
    return rule === null ? this.#otherwise(client) : verdictBy(rule);
  }

  authorizeSubscribe(client: KnownClient, topicFilter: string): SubscribeVerdict {
    const ruling = this.#book.judge(client, topicFilter);
    if (ruling.outcome === 'allow') return subscribeVerdictBy(ruling);
    if (this.#grantsAll) return { qosMax: 2, isWhole: false };
    return ruling.outcome === 'undecided' ? this.#otherwise(client) : subscribeVerdictBy(ruling);
  }

  mayDeny(client: KnownClient, topicFilter: string): boolean {
    return this.#isBarred(client) || this.#book.mayDeny(client, topicFilter);
  }

  explain(client: KnownClient, question: AccessQuestion): Explanation {
    const explanation = explainBy(this.#book, this.name, client, question);
    if (question.action === 'subscribe' && this.#grantsAll && explanation.outcome !== 'allow') {
      const reason = `every SUBSCRIBE is granted, as Mosquitto does, but ${explanation.reason}`;
      return { ...explanation, outcome: 'allow', reason };
    }
    if (explanation.outcome !== 'undecided') return explanation;
    const { file } = this.acl;
    if (!this.#isBarred(client)) return { ...explanation, file };
    const reason = `where there are patterns, a client with + or # in its user name or client id is refused: ${quote(client.username ?? '')}, ${quote(client.clientId)}`;
    return { ...explanation, outcome: 'deny', file, reason };
  }

  /** Whom no rule allowed: the end of the file refuses, and passes on to other authorizers, where there are some. */
  #otherwise(client: KnownClient): Verdict {
    return this.#isBarred(client) ? ReasonCode.NotAuthorized : UNDECIDED;
  }

  #isBarred(client: KnownClient): boolean {
    return this.#hasPatterns && hasWildcard(client);
  }
}

/** Such a name would reach further in a pattern than its client may. */
function hasWildcard({ clientId, username }: KnownClient): boolean {
  return /[+#]/.test(clientId) || (username !== null && /[+#]/.test(username));
}

/** The entries in the order that they are asked in. */
function rulesOf({ file, entries }: AclFile): Rule[] {
  const topics = entries.filter(({ keyword }) => keyword === 'topic');
  const patterns = entries.filter(({ keyword }) => keyword === 'pattern');
  const scopes = new Map<string | null, Scope>();
  return [...inOrder(topics), ...inOrder(patterns)].map((entry) => {
    let scope = entry.keyword === 'pattern' ? EVERYBODY : scopes.get(entry.username);
    if (scope === undefined) {
      scope = Scope.user(entry.username);
      scopes.set(entry.username, scope);
    }
    return ruleOf(file, entry, scope);
  });
}

/** Denials first, the newest before the others. */
function inOrder(entries: readonly AclEntry[]): AclEntry[] {
  const denials = entries.filter(({ access }) => access === 'deny').reverse();
  return [...denials, ...entries.filter(({ access }) => access !== 'deny')];
}

function ruleOf(file: string, entry: AclEntry, scope: Scope): Rule {
  const { keyword, access, topicFilter, text, line } = entry;
  const kinds = keyword === 'pattern' ? 'names' : 'none';
  return {
    isAllow: access !== 'deny',
    actions: actionBits(ACTIONS[access]),
    topics: [parseFilterTemplate(topicFilter, kinds)],
    qosMax: 2,
    retain: 'any',
    scope,
    text,
    file,
    line,
  };
}
