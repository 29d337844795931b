// Several authorizers, asked in order: the first that decides counts, and what nobody decided is refused. It answers at once
// as long as they do. One that throws, answers something else, or not in its time, refuses with ServerUnavailable, and nobody
// behind it is asked: what it would have denied must not be allowed by the next.
//
// Deliveries are asked of those who look at deliveries. Whoever does not grants with a SUBSCRIBE all that it will bring. If one
// before it, which had no opinion on that SUBSCRIBE, would refuse some of the deliveries, or may for all one knows, nobody could
// tell later which ones it was overruled on: then the SUBSCRIBE is refused.

import { type Logger, SILENT } from '../../core/logger.ts';
import { RefusalLog } from '../../core/refusal-log.ts';
import { type Clock, SYSTEM_CLOCK } from '../../lib/clock.ts';
import { TimerWheel } from '../../lib/timer-wheel.ts';
import type { QoS } from '../../protocol/packet.ts';
import { ReasonCode } from '../../protocol/reason-code.ts';
import type {
  AccessQuestion,
  Authorizer,
  Client,
  ConnectRequest,
  Explanation,
  Grant,
  SubscribeVerdict,
  Verdict,
} from '../auth.ts';
import { UNDECIDED } from '../auth.ts';
import { answerNow, explainMember, explainNobody } from './chain-explanation.ts';

export interface AuthorizerMember {
  /** Its name in the configuration. */
  readonly name: string;
  readonly authorizer: Authorizer;
  /** What it may take to answer; default 10 s. */
  readonly timeoutMs?: number;
}

export interface AuthorizerChainOptions {
  readonly members: readonly AuthorizerMember[];
  readonly clock?: Clock;
  /** Default: says nothing. */
  readonly logger?: Logger;
  /** `mosquitto` grants also a SUBSCRIBE of which every delivery will be refused; `filter`, the default, does not. */
  readonly suback?: 'filter' | 'mosquitto';
}

const TIMEOUT_MS = 10_000;

type Ask = (authorizer: Authorizer) => unknown;

/** What was decided, and the place of the member that did; the number of members when nobody did. */
interface Decided {
  readonly at: number;
  readonly answer: ReasonCode | Grant;
}

export class AuthorizerChain implements Authorizer {
  readonly rememberMs?: number;
  /** Absent if no member looks at connections. */
  readonly authorizeConnect?: (
    client: Client,
    request: ConnectRequest,
  ) => Verdict | Promise<Verdict>;
  /** Absent if no member looks at deliveries. */
  readonly authorizeReceive?: (client: Client, topicName: string) => Verdict;
  readonly #members: readonly AuthorizerMember[];
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #grantsAll: boolean;
  /** Made when the first one fails. */
  #failures: { readonly wheel: TimerWheel; readonly log: RefusalLog } | null = null;

  constructor(options: AuthorizerChainOptions) {
    const { members, clock = SYSTEM_CLOCK, logger = SILENT, suback = 'filter' } = options;
    this.#members = members;
    this.#grantsAll = suback === 'mosquitto';
    this.#clock = clock;
    this.#logger = logger;
    const authorizers = members.map(({ authorizer }) => authorizer);
    const times = authorizers.flatMap(({ rememberMs }) => rememberMs ?? []);
    if (times.length > 0) this.rememberMs = Math.min(...times);
    if (authorizers.some((one) => one.authorizeConnect !== undefined)) {
      this.authorizeConnect = (client, request) =>
        this.#verdict((one) =>
          one.authorizeConnect === undefined ? UNDECIDED : one.authorizeConnect(client, request),
        );
    }
    if (authorizers.some((one) => one.authorizeReceive !== undefined)) {
      this.authorizeReceive = (client, topicName) => this.#receive(client, topicName);
    }
  }

  authorizePublish(
    client: Client,
    topicName: string,
    qos: QoS,
    retain: boolean,
  ): Verdict | Promise<Verdict> {
    return this.#verdict((one) => one.authorizePublish(client, topicName, qos, retain));
  }

  authorizeSubscribe(
    client: Client,
    topicFilter: string,
    qos: QoS,
    shareName: string | null,
  ): SubscribeVerdict | Promise<SubscribeVerdict> {
    const decided = this.#decide(0, isSubscribeVerdict, (one) =>
      one.authorizeSubscribe(client, topicFilter, qos, shareName),
    );
    if (!isPending(decided)) return this.#granted(client, topicFilter, decided);
    return decided.then((late) => this.#granted(client, topicFilter, late));
  }

  /** The answer, and why: by the first member that decides. */
  async explain(client: Client, question: AccessQuestion): Promise<Explanation> {
    const { action, topic } = question;
    for (const [at, member] of this.#members.entries()) {
      const { authorizer } = member;
      if (action === 'receive' && authorizer.authorizeReceive === undefined) continue;
      const explanation = await explainMember(
        member,
        () => this.#inTime(member, authorizer.explain?.(client, question)),
        async () => this.#inTime(member, askFor(authorizer, client, question)),
      );
      if (explanation.outcome === 'undecided') continue;
      if (action !== 'subscribe') return explanation;
      if (explanation.outcome === 'deny') return this.#asGranted(client, question, explanation);
      const veto = this.#vetoOn(at, client, topic);
      if (veto === null) return explanation;
      const reason = `"${veto}" may deny some of what matches the filter, and "${member.name}", which allows it, does not look at deliveries`;
      return { ...explanation, outcome: 'deny', reason };
    }
    const nobody = explainNobody(this.#members);
    return action === 'subscribe' ? this.#asGranted(client, question, nobody) : nobody;
  }

  /** Whether a client may connect, and why: by the first member that decides. */
  async explainConnect(client: Client, request: ConnectRequest): Promise<Explanation> {
    for (const member of this.#members) {
      const { authorizer } = member;
      if (authorizer.authorizeConnect === undefined) continue;
      const explanation = await explainMember(
        member,
        () => this.#inTime(member, authorizer.explainConnect?.(client, request)),
        () => this.#inTime(member, authorizer.authorizeConnect?.(client, request)),
      );
      if (explanation.outcome !== 'undecided') return explanation;
    }
    const nobody = explainNobody(this.#members);
    if (this.authorizeConnect !== undefined) return nobody;
    return { ...nobody, outcome: 'allow', reason: 'no authorizer looks at connections' };
  }

  async close(): Promise<void> {
    const closings = this.#members.map(async ({ name, authorizer }) => {
      try {
        await authorizer.close?.();
      } catch (error) {
        this.#warn(name, error, 'an authorizer failed to close');
      }
    });
    await Promise.all(closings);
    this.#failures?.log.close();
    this.#failures?.wheel.close();
    this.#failures = null;
  }

  #verdict(ask: Ask): Verdict | Promise<Verdict> {
    const decided = this.#decide(0, isVerdict, ask);
    return isPending(decided) ? decided.then(codeOf) : codeOf(decided);
  }

  #receive(client: Client, topicName: string): Verdict {
    for (const { name, authorizer } of this.#members) {
      if (authorizer.authorizeReceive === undefined) continue;
      let answer: unknown;
      try {
        answer = authorizer.authorizeReceive(client, topicName);
      } catch (error) {
        return this.#failed(name, error);
      }
      if (!isVerdict(answer)) {
        // A promise comes too late, and if it rejects nobody else would know.
        if (isPending(answer)) Promise.resolve(answer).catch(() => {});
        return this.#failed(name, odd(answer));
      }
      if (answer !== UNDECIDED) return answer;
    }
    return ReasonCode.NotAuthorized;
  }

  /** Asks the members from `from` on, until one decides. */
  #decide(
    from: number,
    isAnswer: (answer: unknown) => boolean,
    ask: Ask,
  ): Decided | Promise<Decided> {
    for (let at = from; at < this.#members.length; at++) {
      const { name, authorizer } = this.#members[at];
      let answer: unknown;
      try {
        answer = ask(authorizer);
      } catch (error) {
        return { at, answer: this.#failed(name, error) };
      }
      if (isPending(answer)) return this.#decideLater(at, answer, isAnswer, ask);
      if (answer === UNDECIDED) continue;
      return {
        at,
        answer: isAnswer(answer) ? (answer as ReasonCode) : this.#failed(name, odd(answer)),
      };
    }
    return { at: this.#members.length, answer: ReasonCode.NotAuthorized };
  }

  async #decideLater(
    at: number,
    pending: PromiseLike<unknown>,
    isAnswer: (answer: unknown) => boolean,
    ask: Ask,
  ): Promise<Decided> {
    const member = this.#members[at];
    try {
      const answer = await this.#inTime(member, pending);
      if (answer === UNDECIDED) return await this.#decide(at + 1, isAnswer, ask);
      if (isAnswer(answer)) return { at, answer: answer as ReasonCode };
      return { at, answer: this.#failed(member.name, odd(answer)) };
    } catch (error) {
      return { at, answer: this.#failed(member.name, error) };
    }
  }

  /** What a SUBSCRIBE gets that a member decided on: whole only if no other one has a say in its deliveries. */
  #granted(client: Client, topicFilter: string, { at, answer }: Decided): SubscribeVerdict {
    if (typeof answer === 'number' && answer >= ReasonCode.UnspecifiedError) {
      const isGranted = answer === ReasonCode.NotAuthorized && this.#grantsAnyway(at);
      return isGranted ? { qosMax: 2, isWhole: false } : answer;
    }
    const { qosMax, isWhole }: Grant =
      typeof answer === 'number' ? { qosMax: 2, isWhole: false } : answer;
    if (this.#vetoOn(at, client, topicFilter) !== null) return ReasonCode.NotAuthorized;
    if (this.#members[at].authorizer.authorizeReceive === undefined)
      return { qosMax, isWhole: true };
    const isAlone = this.#vetoes(at, client, topicFilter).length === 0;
    return { qosMax, isWhole: isWhole && isAlone };
  }

  /** Whether a SUBSCRIBE that the member refuses is granted all the same: each of its deliveries will be refused. */
  #grantsAnyway(at: number): boolean {
    const decider: Authorizer = this.#members[at]?.authorizer ?? this;
    return this.#grantsAll && decider.authorizeReceive !== undefined;
  }

  /** The explanation of a SUBSCRIBE that is refused, unless it is granted all the same. */
  async #asGranted(
    client: Client,
    { topic, qos }: AccessQuestion,
    refused: Explanation,
  ): Promise<Explanation> {
    if (!this.#grantsAll) return refused;
    const verdict = await this.authorizeSubscribe(client, topic, qos, null);
    if (typeof verdict === 'number') return refused;
    const reason = `every SUBSCRIBE is granted, as Mosquitto does, but no delivery will be: ${refused.reason}`;
    return { ...refused, outcome: 'allow', reason };
  }

  /** The name of a member before `at` whose denials would be overruled by the grant of that one; null: there is none. */
  #vetoOn(at: number, client: Client, topicFilter: string): string | null {
    if (this.#members[at].authorizer.authorizeReceive !== undefined) return null;
    return this.#vetoes(at, client, topicFilter)[0]?.name ?? null;
  }

  /** The members before `at` that may refuse deliveries, as far as one knows. */
  #vetoes(at: number, client: Client, topicFilter: string): AuthorizerMember[] {
    return this.#members.slice(0, at).filter(({ name, authorizer }) => {
      if (authorizer.authorizeReceive === undefined) return false;
      try {
        return authorizer.mayDeny?.(client, topicFilter) ?? true;
      } catch (error) {
        this.#failed(name, error);
        return true;
      }
    });
  }

  /** The answer, or a rejection when it takes longer than its member may take. */
  #inTime(member: AuthorizerMember, answer: unknown): Promise<unknown> {
    const { timeoutMs = TIMEOUT_MS } = member;
    return new Promise((resolve, reject) => {
      const timer = this.#clock.every(timeoutMs, () => {
        timer.cancel();
        reject(new Error(`it did not answer within ${timeoutMs} ms`));
      });
      Promise.resolve(answer)
        .then(resolve, reject)
        .finally(() => timer.cancel());
    });
  }

  #failed(name: string, error: unknown): ReasonCode {
    this.#warn(name, error, 'an authorizer failed: what it was asked about is refused');
    return ReasonCode.ServerUnavailable;
  }

  #warn(name: string, error: unknown, sentence: string): void {
    const message = error instanceof Error ? error.message : String(error);
    if (this.#failures === null) {
      const wheel = new TimerWheel(this.#clock);
      this.#failures = { wheel, log: new RefusalLog(this.#logger, wheel) };
    }
    this.#failures.log.warn(name, { authorizer: name, error: message }, sentence);
  }
}

function askFor(authorizer: Authorizer, client: Client, question: AccessQuestion): unknown {
  const { action, topic, qos, retain } = question;
  if (action === 'publish') return authorizer.authorizePublish(client, topic, qos, retain);
  if (action === 'receive') return answerNow(authorizer.authorizeReceive?.(client, topic));
  return authorizer.authorizeSubscribe(client, topic, qos, null);
}

function codeOf({ answer }: Decided): Verdict {
  return typeof answer === 'number' ? answer : ReasonCode.NotAuthorized;
}

function isPending<T>(answer: T | PromiseLike<T>): answer is PromiseLike<T> {
  return (
    typeof answer === 'object' &&
    answer !== null &&
    typeof (answer as PromiseLike<T>).then === 'function'
  );
}

function isVerdict(answer: unknown): answer is Verdict {
  if (answer === UNDECIDED) return true;
  return typeof answer === 'number' && Number.isInteger(answer) && answer >= 0 && answer <= 0xff;
}

function isSubscribeVerdict(answer: unknown): boolean {
  if (isVerdict(answer)) return true;
  if (typeof answer !== 'object' || answer === null) return false;
  const { qosMax, isWhole } = answer as Partial<Grant>;
  return (qosMax === 0 || qosMax === 1 || qosMax === 2) && typeof isWhole === 'boolean';
}

function odd(answer: unknown): Error {
  return new Error(`its answer is none: ${typeof answer}`);
}
