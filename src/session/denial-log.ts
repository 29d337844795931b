// What clients may not do, in the log: once in a while for each client and topic, with the rule that decided and where it is
// written. The authorizer is asked to explain only what becomes a line; the ledger of lost messages keeps what it said.

import type { AccessQuestion, Client, ConnectRequest, Explanation } from '../auth/auth.ts';
import { DropReason, type Drops } from '../core/drop.ts';
import type { DropRule } from '../core/drop-ledger.ts';
import type { Logger } from '../core/logger.ts';
import { RefusalLog } from '../core/refusal-log.ts';
import { limitKey } from '../lib/address.ts';
import { clipName } from '../lib/clip.ts';
import type { TimerWheel } from '../lib/timer-wheel.ts';
import { splitSharedFilter } from '../protocol/filter.ts';
import type { QoS } from '../protocol/packet.ts';
import type { Access } from './access.ts';
import { isPending } from './parking.ts';

/** Explanations at a time. */
const EXPLAINING_MAX = 64;

const SENTENCES = {
  connect: 'a client may not connect',
  publish: 'a client may not publish this',
  subscribe: 'a client may not subscribe to this',
  receive: 'a client may not receive this',
} as const;

/** Whose messages are lost by a denial of this. */
const LOST_BY: Readonly<Partial<Record<AccessQuestion['action'], DropReason>>> = {
  publish: DropReason.NotAuthorized,
  receive: DropReason.ReceiveNotAuthorized,
};

const MUTED = 'a subscription is muted: its client may not have it any more';

export class DenialLog {
  readonly #access: Access;
  readonly #drops: Drops;
  readonly #log: RefusalLog;
  /** What is being explained. */
  readonly #explaining = new Set<string>();
  #isClosed = false;

  constructor(access: Access, drops: Drops, logger: Logger, wheel: TimerWheel) {
    this.#access = access;
    this.#drops = drops;
    this.#log = new RefusalLog(logger, wheel);
  }

  denied(client: Client, question: AccessQuestion): void {
    const { action, topic } = question;
    const reason = LOST_BY[action];
    this.#tell(
      client,
      SENTENCES[action],
      { topic },
      topic,
      () => this.#access.authorizer?.explain?.(client, question),
      (rule) => {
        if (reason !== undefined) this.#drops.ledger?.explain(reason, client.clientId, topic, rule);
      },
    );
  }

  /** A subscription that it has gets nothing from now on. */
  muted(client: Client, topicFilter: string, qos: QoS): void {
    const question = { action: 'subscribe', topic: topicFilter, qos, retain: false } as const;
    this.#tell(
      client,
      MUTED,
      { topic: topicFilter },
      topicFilter,
      () => this.#access.authorizer?.explain?.(client, question),
      (rule) => {
        const inner = splitSharedFilter(topicFilter).topicFilter;
        this.#drops.ledger?.explainMuted(client.clientId, inner, rule);
      },
    );
  }

  /** The client is who it says, and may not connect. */
  connectDenied(client: Client, request: ConnectRequest): void {
    const { listener } = request;
    const key = `${client.username ?? ''}\n${listener}`;
    this.#tell(client, SENTENCES.connect, { listener }, key, () =>
      this.#access.authorizer?.explainConnect?.(client, request),
    );
  }

  close(): void {
    this.#isClosed = true;
    this.#log.close();
  }

  #tell(
    { clientId, username, remoteAddress }: Client,
    sentence: string,
    fields: object,
    what: string,
    explain: () => Explanation | PromiseLike<Explanation> | undefined,
    keep: (rule: DropRule) => void = () => {},
  ): void {
    const key = `${clientId}\n${what}`;
    if (this.#log.isKnown(key, sentence)) {
      this.#log.again(key, sentence);
      return;
    }
    const id = `${sentence}\n${key}`;
    if (this.#explaining.has(id) || this.#explaining.size >= EXPLAINING_MAX) return; // it is told in a moment
    const told = { clientId, username: username === null ? null : clipName(username), ...fields };
    const owner = limitKey(remoteAddress);
    const tell = (explained: Partial<DropRule>): void => {
      this.#log.info(key, { ...told, ...explained }, sentence, owner);
      if (explained.why !== undefined) keep({ ...NOBODY, ...explained });
    };
    const explanation = this.#explain(explain);
    if (!isPending(explanation)) {
      tell(explanation);
      return;
    }
    this.#explaining.add(id);
    void Promise.resolve(explanation)
      .catch((): Partial<DropRule> => ({})) // it is the refusal that counts
      .then((explained) => {
        this.#explaining.delete(id);
        if (!this.#isClosed) tell(explained);
      });
  }

  #explain(
    explain: () => Explanation | PromiseLike<Explanation> | undefined,
  ): Partial<DropRule> | Promise<Partial<DropRule>> {
    if (this.#access.authorizer === null) return { why: 'topics that begin with $ need a rule' };
    try {
      const answer = explain();
      if (answer === undefined) return {};
      return isPending(answer) ? Promise.resolve(answer).then(fieldsOf) : fieldsOf(answer);
    } catch {
      return {};
    }
  }
}

const NOBODY: DropRule = { by: null, rule: null, at: null, why: null };

function fieldsOf({ source, rule, file, line, reason }: Explanation): DropRule {
  return { by: source, rule, at: file === null ? null : `${file}:${line ?? '?'}`, why: reason };
}
