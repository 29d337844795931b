// Asks an endpoint whether a client may: connect, publish to a topic, subscribe to a filter. Only its clear "allow" allows;
// "ignore" asks the next authorizer, and everything else refuses. It is not asked about deliveries, which would be a question
// a message and subscriber: whoever may subscribe gets what matches.

import type { QoS } from '../../protocol/packet.ts';
import { ReasonCode } from '../../protocol/reason-code.ts';
import { shown } from '../answer.ts';
import {
  type AccessQuestion,
  type Authorizer,
  type Client,
  type ConnectRequest,
  type Explanation,
  type SubscribeVerdict,
  UNDECIDED,
  type Verdict,
} from '../auth.ts';
import { certificateFields } from './authenticator.ts';
import { type HttpOptions, readCa } from './endpoint.ts';
import type { QuestionFields } from './question.ts';
import { type HttpAnswered, type Meaning, Questions } from './questions.ts';
import { readResult } from './result.ts';

interface Judgement {
  readonly verdict: Verdict;
  /** The highest QoS of what is subscribed. */
  readonly qosMax: QoS;
  readonly reason: string;
}

type Pending<T> = T | Promise<T>;

export class HttpAuthorizer implements Authorizer {
  readonly rememberMs: number;
  readonly #questions: Questions<Judgement>;

  /** Reads the file of the authorities, if there is one. Throws AccessError. */
  static async load(options: HttpOptions, caFile: string | null = null): Promise<HttpAuthorizer> {
    if (caFile === null) return new HttpAuthorizer(options);
    return new HttpAuthorizer({ ...options, ca: await readCa(caFile) });
  }

  /** Throws AccessError. */
  constructor(options: HttpOptions) {
    this.#questions = new Questions<Judgement>(options, (verdict, reason) => ({
      verdict,
      qosMax: 0,
      reason,
    }));
    this.rememberMs = this.#questions.endpoint.cacheTtlMs;
  }

  authorizeConnect(client: Client, request: ConnectRequest): Pending<Verdict> {
    const { listener, transport } = request;
    const fields = { listener, transport, ...certificateFields(request) };
    return after(this.#ask('connect', client, fields), verdictIn);
  }

  authorizePublish(client: Client, topicName: string, qos: QoS, retain: boolean): Pending<Verdict> {
    return after(this.#ask('publish', client, { topic: topicName, qos, retain }), verdictIn);
  }

  authorizeSubscribe(
    client: Client,
    topicFilter: string,
    qos: QoS,
    shareName: string | null,
  ): Pending<SubscribeVerdict> {
    return after(this.#ask('subscribe', client, { topicFilter, qos, shareName }), grantIn);
  }

  explain(client: Client, { action, topic, qos, retain }: AccessQuestion): Pending<Explanation> {
    const { name } = this.#questions.endpoint;
    const none = { source: name, rule: null, file: null, line: null };
    if (action === 'receive') {
      const reason = 'the endpoint is not asked about deliveries, only about subscriptions';
      return { outcome: 'undecided', ...none, reason };
    }
    const fields: QuestionFields =
      action === 'publish' ? { topic, qos, retain } : { topicFilter: topic, qos, shareName: null };
    return after(this.#ask(action, client, fields), ({ verdict, reason }) => ({
      outcome: verdict === UNDECIDED ? 'undecided' : isAllowed(verdict) ? 'allow' : 'deny',
      ...none,
      reason,
    }));
  }

  close(): void {
    this.#questions.close();
  }

  #ask(
    question: 'connect' | 'publish' | 'subscribe',
    client: Client,
    about: QuestionFields,
  ): Pending<Judgement> {
    const { clientId, username, groups = [], protocolVersion, remoteAddress } = client;
    const who = { clientId, username, groups, protocolVersion, remoteAddress };
    const read = (answered: HttpAnswered): Meaning<Judgement> => readJudgement(question, answered);
    return this.#questions.ask({ question, ...who, ...about }, read);
  }
}

function readJudgement(question: string, answered: HttpAnswered): Meaning<Judgement> {
  const known = question === 'subscribe' ? ['qosMax'] : [];
  const { result, reason, fields } = readResult(answered, known);
  const qosMax = fields.get('qosMax') ?? 2;
  if (qosMax !== 0 && qosMax !== 1 && qosMax !== 2) {
    throw new Error(`its qosMax is ${shown(qosMax)}: 0, 1 or 2 is expected`);
  }
  const judgement = { qosMax: qosMax as QoS, reason: reason ?? `the endpoint said "${result}"` };
  if (result === 'allow') {
    return { answer: { verdict: ReasonCode.Success, ...judgement }, isNegative: false };
  }
  const verdict = result === 'deny' ? ReasonCode.NotAuthorized : UNDECIDED;
  return { answer: { verdict, ...judgement }, isNegative: true };
}

function verdictIn({ verdict }: Judgement): Verdict {
  return verdict;
}

function grantIn({ verdict, qosMax }: Judgement): SubscribeVerdict {
  return isAllowed(verdict) ? { qosMax, isWhole: true } : verdict;
}

function isAllowed(verdict: Verdict): boolean {
  return verdict !== UNDECIDED && verdict < ReasonCode.UnspecifiedError;
}

/** At once if it is there. */
function after<T, U>(value: Pending<T>, then: (value: T) => U): Pending<U> {
  return value instanceof Promise ? value.then(then) : then(value);
}
