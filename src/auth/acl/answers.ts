// What a rule book says, in the words of the authorizer's contract: a verdict for the server, an explanation for people.

import { ReasonCode } from '../../protocol/reason-code.ts';
import {
  type AccessQuestion,
  type Explanation,
  type SubscribeVerdict,
  UNDECIDED,
  type Verdict,
} from '../auth.ts';
import type { KnownClient } from './filter-template.ts';
import { Action, type Rule, type RuleBook, type Ruling } from './rule-book.ts';

/** What a rule, or that there is none, comes to. */
export function verdictBy(rule: Rule | null): Verdict {
  if (rule === null) return UNDECIDED;
  return rule.isAllow ? ReasonCode.Success : ReasonCode.NotAuthorized;
}

export function subscribeVerdictBy({ outcome, qosMax, isWhole }: Ruling): SubscribeVerdict {
  if (outcome === 'allow') return { qosMax, isWhole };
  return outcome === 'deny' ? ReasonCode.NotAuthorized : UNDECIDED;
}

/** The answer to a question by the rules of `book`; `source` is the authorizer's name. */
export function explainBy(
  book: RuleBook,
  source: string,
  client: KnownClient,
  question: AccessQuestion,
): Explanation {
  const { action, topic, qos, retain } = question;
  if (action === 'subscribe') return explainSubscribe(book, source, client, topic);
  const rule =
    action === 'publish'
      ? book.decide(client, Action.Publish, topic, qos, retain)
      : book.decide(client, Action.Receive, topic);
  return explainRule(rule, source, question, client);
}

/** What no rule decided. */
export function undecided(source: string, reason: string): Explanation {
  return { outcome: 'undecided', source, rule: null, file: null, line: null, reason };
}

/** What that rule decided. */
export function decidedBy(rule: Rule, source: string, reason: string): Explanation {
  const outcome = rule.isAllow ? 'allow' : 'deny';
  return { outcome, source, rule: rule.text, file: rule.file, line: rule.line, reason };
}

/** The client, as sentences name it. */
export function named({ clientId, username }: KnownClient): string {
  const user = username === null ? 'an anonymous client' : `user ${quote(username)}`;
  return `${user} with client id ${quote(clientId)}`;
}

/** Text of others in a sentence: in quotes, on one line, not without end. */
export function quote(text: string): string {
  const shown = JSON.stringify(text);
  return shown.length > 120 ? `${shown.slice(0, 119)}…"` : shown;
}

/** Where a rule stands, for sentences that name a second one. */
export function placeOf({ file, line }: Rule): string {
  if (file === null) return '';
  return line === null ? ` (${file})` : ` (${file}:${line})`;
}

function explainRule(
  rule: Rule | null,
  source: string,
  question: AccessQuestion,
  client: KnownClient,
): Explanation {
  const asked = `${question.action} ${quote(question.topic)}`;
  if (rule === null) return undecided(source, `no rule for ${named(client)} fits ${asked}`);
  return decidedBy(
    rule,
    source,
    `the first rule that fits ${rule.isAllow ? 'allows' : 'denies'} it`,
  );
}

function explainSubscribe(
  book: RuleBook,
  source: string,
  client: KnownClient,
  topic: string,
): Explanation {
  const { outcome, deny, qosMax, isWhole } = book.judge(client, topic);
  if (deny !== null) return decidedBy(deny, source, 'it denies all that matches the filter');
  const reason = book.reasonOf(client, topic);
  if (reason === null) {
    return undecided(source, `no rule allows anything that matches ${quote(topic)}`);
  }
  const { allow, deny: earlier } = reason;
  if (outcome === 'allow') {
    const deliveries = isWhole
      ? 'all that matches the filter is allowed'
      : 'some of what matches the filter is allowed, and each delivery is checked';
    return decidedBy(allow, source, `${deliveries}; QoS ${qosMax} at most`);
  }
  const by = earlier === null ? '' : `${earlier.text}${placeOf(earlier)}`;
  return undecided(
    source,
    `nothing that matches ${quote(topic)} can be delivered: of what ${allow.text}${placeOf(allow)} allows, all is denied by ${by}`,
  );
}
