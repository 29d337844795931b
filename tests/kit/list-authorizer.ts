// The simplest authorizer that does all of the contract: what lies below `users/<user name>/` is that user's, at once or later.

import type {
  AccessQuestion,
  Authorizer,
  Client,
  Explanation,
  SubscribeVerdict,
  Verdict,
} from '../../src/auth/auth.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';

export class ListAuthorizer implements Authorizer {
  readonly #isAsync: boolean;

  constructor(isAsync: boolean) {
    this.#isAsync = isAsync;
  }

  authorizeConnect(): Verdict | Promise<Verdict> {
    return this.#say(ReasonCode.Success);
  }

  authorizePublish(client: Client, topicName: string): Verdict | Promise<Verdict> {
    return this.#say(this.#verdict(client, topicName));
  }

  authorizeSubscribe(
    client: Client,
    topicFilter: string,
  ): SubscribeVerdict | Promise<SubscribeVerdict> {
    const isOwn = this.owns(client, topicFilter);
    return this.#say(isOwn ? { qosMax: 1, isWhole: true } : ReasonCode.NotAuthorized);
  }

  authorizeReceive(client: Client, topicName: string): Verdict {
    return this.#verdict(client, topicName);
  }

  explain(client: Client, { topic }: AccessQuestion): Explanation | Promise<Explanation> {
    return this.#say({
      outcome: this.owns(client, topic) ? 'allow' : 'deny',
      ...{ source: 'list', rule: 'users/%u/#', file: 'list', line: 1, reason: 'it is so' },
    });
  }

  /** Whether a topic, or all that a filter matches, is the client's. */
  owns({ username }: Pick<Client, 'username'>, topic: string): boolean {
    if (username === null || username === '' || /[/+#\0]/.test(username)) return false;
    const branch = `users/${username}`;
    return topic === branch || topic.startsWith(`${branch}/`);
  }

  #verdict(client: Client, topic: string): Verdict {
    return this.owns(client, topic) ? ReasonCode.Success : ReasonCode.NotAuthorized;
  }

  #say<T>(answer: T): T | Promise<T> {
    if (!this.#isAsync) return answer;
    return new Promise((resolve) => setImmediate(() => resolve(answer)));
  }
}
