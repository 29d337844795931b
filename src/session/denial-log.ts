// What clients may not do, in the log: once in a while for each client and topic, with the rule that decided and where it is
// written. The authorizer is asked to explain only what becomes a line.

import type { AccessQuestion, Client, Explanation } from '../auth/auth.ts';
import type { Logger } from '../core/logger.ts';
import { RefusalLog } from '../core/refusal-log.ts';
import type { TimerWheel } from '../lib/timer-wheel.ts';
import type { Access } from './access.ts';
import { isPending } from './parking.ts';

const SENTENCES = {
  publish: 'a client may not publish this',
  subscribe: 'a client may not subscribe to this',
  receive: 'a client may not receive this',
} as const;

export class DenialLog {
  readonly #access: Access;
  readonly #log: RefusalLog;

  constructor(access: Access, logger: Logger, wheel: TimerWheel) {
    this.#access = access;
    this.#log = new RefusalLog(logger, wheel);
  }

  denied(client: Client, question: AccessQuestion): void {
    const { action, topic } = question;
    const sentence = SENTENCES[action];
    const key = `${client.clientId}\n${topic}`;
    if (this.#log.isKnown(key, sentence)) {
      this.#log.again(key, sentence);
      return;
    }
    const fields = { clientId: client.clientId, username: client.username, topic };
    this.#log.info(key, { ...fields, ...this.#explain(client, question) }, sentence);
  }

  close(): void {
    this.#log.close();
  }

  /** Empty when there is nothing to say at once. */
  #explain(client: Client, question: AccessQuestion): object {
    if (this.#access.authorizer === null) return { why: 'topics that begin with $ need a rule' };
    let answer: Explanation | PromiseLike<Explanation> | undefined;
    try {
      answer = this.#access.authorizer?.explain?.(client, question);
    } catch {
      return {}; // it is the refusal that counts
    }
    if (answer === undefined) return {};
    if (isPending(answer)) {
      Promise.resolve(answer).catch(() => {});
      return {};
    }
    const { source, rule, file, line, reason } = answer;
    return { by: source, rule, at: file === null ? null : `${file}:${line ?? '?'}`, why: reason };
  }
}
