// What may be asked of a quota: whom it is for, who shares it, how much of what, and what happens when it is used up. A rule
// that says something which cannot be counted is refused as a whole, with all that is wrong.

/** Who shares one quota of a rule: each client or user has its own, all of a listener have one, or all whom the rule fits. */
export type QuotaScope = 'client' | 'user' | 'listener' | 'rule';
const QUOTA_SCOPES: readonly QuotaScope[] = ['client', 'user', 'listener', 'rule'];

/** What happens to a message that comes too fast. */
export type QuotaOver = 'throttle' | 'refuse' | 'disconnect';
const QUOTA_OVERS: readonly QuotaOver[] = ['throttle', 'refuse', 'disconnect'];

/**
 * For the clients that fit all of the patterns that are given (one at least), in which `*` stands for any characters. Of
 * what is not given there is no limit. All rules that fit a client apply together.
 */
export interface QuotaRule {
  readonly clientId?: string;
  /** Fits no client without a user name. */
  readonly username?: string;
  /** Fits who is in such a group. */
  readonly group?: string;
  /** The URL of the listener that it came in by: `mqtt://*:1883` */
  readonly listener?: string;
  /** Default: `client`. Clients without a user name are one user together. */
  readonly per?: QuotaScope;
  /** PUBLISH packets from the client. */
  readonly messagesPerSecond?: number;
  /** How many may come at once after a pause; default: those of a second, one at least. */
  readonly messagesBurst?: number;
  /** Bytes of PUBLISH packets from the client, their fixed headers included. */
  readonly bytesPerSecond?: number;
  readonly bytesBurst?: number;
  /** What happens beyond those rates; default: `throttle`. */
  readonly over?: QuotaOver;
  /** Subscriptions, those of sessions that are away included. */
  readonly subscriptionsMax?: number;
  /** Clients connected at a time. */
  readonly connectionsMax?: number;
  /** Retained messages that its clients published last; `per` is `client` or `user`. */
  readonly retainedMessagesMax?: number;
  readonly retainedBytesMax?: number;
  /** Bounds of each session's queue, if they are smaller than those it has; `per` is `client`. */
  readonly queueMessagesMax?: number;
  readonly queueBytesMax?: number;
}

export interface QuotaProblem {
  /** Of the rule, from 0. */
  readonly index: number;
  /** null: the rule as a whole. */
  readonly key: keyof QuotaRule | null;
  readonly message: string;
}

const PATTERNS = ['clientId', 'username', 'group', 'listener'] as const;
const RATES = ['messagesPerSecond', 'bytesPerSecond'] as const;
const BURSTS = ['messagesBurst', 'bytesBurst'] as const;
const RETAINED = ['retainedMessagesMax', 'retainedBytesMax'] as const;
const QUEUE = ['queueMessagesMax', 'queueBytesMax'] as const;
const COUNTS = ['subscriptionsMax', 'connectionsMax', ...RETAINED, ...QUEUE] as const;

/** Everything that is wrong with the rules; empty when nothing is. */
export function quotaProblems(rules: readonly QuotaRule[]): QuotaProblem[] {
  return rules.flatMap((rule, index) => problemsOf(rule).map((one) => ({ index, ...one })));
}

type Problem = Omit<QuotaProblem, 'index'>;

function problemsOf(rule: QuotaRule): Problem[] {
  const { per = 'client', over = 'throttle' } = rule;
  const problems: Problem[] = [];
  const wrong = (key: keyof QuotaRule | null, message: string) => problems.push({ key, message });
  if (PATTERNS.every((key) => rule[key] === undefined)) {
    wrong(null, "it fits nobody: give clientId, username, group or listener; clientId '*' is all");
  }
  for (const key of PATTERNS) {
    const value: unknown = rule[key];
    if (value !== undefined && typeof value !== 'string') wrong(key, `${value} is not a pattern`);
  }
  if (!QUOTA_SCOPES.includes(per)) wrong('per', `${per} is not one of ${QUOTA_SCOPES.join(', ')}`);
  if (!QUOTA_OVERS.includes(over)) wrong('over', `${over} is not one of ${QUOTA_OVERS.join(', ')}`);
  if ([...RATES, ...COUNTS].every((key) => rule[key] === undefined)) {
    wrong(null, 'it limits nothing: give messagesPerSecond, connectionsMax or another limit');
  }
  return [...problems, ...numberProblems(rule), ...scopeProblems(rule, per)];
}

function numberProblems(rule: QuotaRule): Problem[] {
  const problems: Problem[] = [];
  for (const key of RATES) {
    const value = rule[key];
    if (value === undefined || isFiniteFrom(value, Number.MIN_VALUE)) continue;
    problems.push({ key, message: `${value} is not a number above 0; leave it out for no limit` });
  }
  BURSTS.forEach((key, i) => {
    const value = rule[key];
    if (value === undefined) return;
    if (!isFiniteFrom(value, 1)) {
      problems.push({ key, message: `${value} is not a number from 1` });
    }
    if (rule[RATES[i]] !== undefined) return;
    problems.push({ key, message: `it has no effect without ${RATES[i]}: give that, too` });
  });
  for (const key of COUNTS) {
    const value = rule[key];
    if (value === undefined || (isFiniteFrom(value, 0) && Number.isInteger(value))) continue;
    problems.push({ key, message: `${value} is not a whole number from 0` });
  }
  return problems;
}

/** What can be counted only for some: nobody knows the listener or the groups of a publisher that has gone. */
function scopeProblems(rule: QuotaRule, per: QuotaScope): Problem[] {
  const problems: Problem[] = [];
  for (const key of RETAINED) {
    if (rule[key] === undefined || per === 'client' || per === 'user') continue;
    const message = `retained messages are counted per client or user, not per ${per}: make it a rule of its own`;
    problems.push({ key, message });
  }
  for (const key of QUEUE) {
    if (rule[key] === undefined || per === 'client') continue;
    const message = `queues are bounded per client, not per ${per}: make it a rule of its own`;
    problems.push({ key, message });
  }
  return problems;
}

function isFiniteFrom(value: unknown, min: number): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value >= min;
}
