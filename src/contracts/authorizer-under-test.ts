// An authorizer as a server asks it, each answer held to its shape: what may a client do, and what would be delivered to it.

import assert from 'node:assert/strict';
import { explanationOf, subscribeVerdictOf, verdictOf } from '../auth/answer.ts';
import type {
  AccessQuestion,
  Authorizer,
  Client,
  ConnectRequest,
  Explanation,
  SubscribeVerdict,
  Verdict,
} from '../auth/auth.ts';
import { UNDECIDED } from '../auth/auth.ts';
import type { QoS } from '../protocol/packet.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import { clientOf } from './access-values.ts';
import type { ClientAction } from './authorizer-place.ts';

export type Outcome = Explanation['outcome'];

export class AuthorizerUnderTest {
  readonly authorizer: Authorizer;

  constructor(authorizer: Authorizer) {
    this.authorizer = authorizer;
  }

  get asksAboutDeliveries(): boolean {
    return this.authorizer.authorizeReceive !== undefined;
  }

  async connect(client: Client, request: ConnectRequest): Promise<Verdict | null> {
    if (this.authorizer.authorizeConnect === undefined) return null;
    return verdictOf(await this.authorizer.authorizeConnect(client, request));
  }

  async publish(client: Client, topic: string, qos: QoS, retain: boolean): Promise<Verdict> {
    return verdictOf(await this.authorizer.authorizePublish(client, topic, qos, retain));
  }

  async subscribe(
    client: Client,
    filter: string,
    qos: QoS = 0,
    shareName: string | null = null,
  ): Promise<SubscribeVerdict> {
    const answer = await this.authorizer.authorizeSubscribe(client, filter, qos, shareName);
    return subscribeVerdictOf(answer);
  }

  /** One that has no opinion about any delivery delivers what it granted: Success. */
  receive(client: Client, topic: string): Verdict {
    if (this.authorizer.authorizeReceive === undefined) return ReasonCode.Success;
    return verdictOf(this.authorizer.authorizeReceive(client, topic));
  }

  /** Whether a message of `topic` would get to the client by a subscription to `filter`, which matches it. */
  async delivers(
    client: Client,
    filter: string,
    topic: string,
    shareName: string | null = null,
  ): Promise<boolean> {
    const verdict = await this.subscribe(client, filter, 0, shareName);
    if (outcomeOf(verdict) !== 'allow') return false;
    if (typeof verdict === 'object' && verdict.isWhole) return true;
    return outcomeOf(this.receive(client, topic)) === 'allow';
  }

  async explain(client: Client, question: AccessQuestion): Promise<Explanation | null> {
    if (this.authorizer.explain === undefined) return null;
    return explanationOf(await this.authorizer.explain(client, question));
  }

  /** Every way in which the action can be done has this outcome. Rejects when they differ. */
  async outcome(action: ClientAction): Promise<'allow' | 'refuse'> {
    const outcomes = new Map<boolean, string>();
    for (const question of questionsOf(action)) {
      const outcome = await this.judge(clientOf(action.client), question);
      outcomes.set(outcome === 'allow', shownQuestion(question));
    }
    const [allowed, refused] = [outcomes.get(true), outcomes.get(false)];
    if (allowed !== undefined && refused !== undefined) {
      assert.fail(`it depends: ${allowed} is allowed, and ${refused} is not`);
    }
    return allowed === undefined ? 'refuse' : 'allow';
  }

  async judge(client: Client, { action, topic, qos, retain }: AccessQuestion): Promise<Outcome> {
    if (action === 'publish') return outcomeOf(await this.publish(client, topic, qos, retain));
    if (action === 'subscribe') return outcomeOf(await this.subscribe(client, topic, qos));
    return (await this.delivers(client, topic, topic)) ? 'allow' : 'deny';
  }

  async close(): Promise<void> {
    await this.authorizer.close?.();
  }
}

export function outcomeOf(verdict: SubscribeVerdict): Outcome {
  if (typeof verdict === 'object') return 'allow';
  if (verdict === UNDECIDED) return 'undecided';
  return verdict < ReasonCode.UnspecifiedError ? 'allow' : 'deny';
}

/** The questions that an action stands for. */
export function questionsOf({ action, topic, qos, retain }: ClientAction): AccessQuestion[] {
  const levels: readonly QoS[] = qos === undefined && action !== 'receive' ? [0, 1, 2] : [qos ?? 0];
  const retains = action === 'publish' && retain === undefined ? [false, true] : [retain ?? false];
  return levels.flatMap((one) =>
    retains.map((isRetained) => ({ action, topic, qos: one, retain: isRetained })),
  );
}

export function shownAction({ client, action, topic }: ClientAction): string {
  const who = JSON.stringify(client, ['clientId', 'username']);
  return `${action} ${JSON.stringify(topic).slice(0, 80)} by ${who.slice(0, 120)}`;
}

function shownQuestion({ action, topic, qos, retain }: AccessQuestion): string {
  return `${action} ${JSON.stringify(topic).slice(0, 80)} (QoS ${qos}, retain ${retain})`;
}
