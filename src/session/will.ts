// The will of a session: what is published when its client goes without saying goodbye. MQTT 5 §3.1.2.5.

import type { Verdict } from '../auth/auth.ts';
import { DropReason } from '../core/drop.ts';
import { isServersOwn } from '../core/server-topics.ts';
import type { Message, Publisher } from '../protocol/message.ts';
import type { Will as WillFields } from '../protocol/packet.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import type { Context } from './context.ts';
import { distribute } from './distribute.ts';
import { tellFault } from './faults.ts';
import { messageOf } from './own-message.ts';
import { inTime, verdictOf } from './parking.ts';
import { mayRetain } from './quota.ts';
import type { Session } from './session.ts';

export class Will {
  /** Its time of receipt is set when it is published. */
  readonly message: Message;
  /** seconds after the connection is gone; at most until the session ends. MQTT 5 §3.1.3.2.2 */
  readonly delayInterval: number;

  constructor(message: Message, delayInterval: number) {
    this.message = message;
    this.delayInterval = delayInterval;
  }

  /** Throws ProtocolError when its topic is not valid or past the limits. */
  static of(context: Context, fields: WillFields, publisher: Publisher): Will {
    const message = messageOf(context, fields, publisher); // [MQTT-3.1.3-10]
    return new Will(message, fields.properties.willDelayInterval ?? 0);
  }
}

/** Publishes a will that is due, if its client may still publish there. [MQTT-3.1.2-8] */
export function publishWill(context: Context, session: Session, will: Will): void {
  const { access, drops } = context;
  const { authorizer } = access;
  const { message } = will;
  const { name } = message.topic;
  const drop = () => {
    const { qos, retain } = message;
    context.denials.denied(session.client, { action: 'publish', topic: name, qos, retain });
    drops.drop(DropReason.NotAuthorized, session.clientId, name);
  };
  if (access.isReserved(name) || isServersOwn(name)) {
    drop();
    return;
  }
  if (authorizer === null) {
    send(context, session, will);
    return;
  }
  if (session.isUnknown) {
    drops.drop(DropReason.NotAuthorized, session.clientId, name);
    const sentence = 'a will is lost: the store does not say well enough whose it is';
    context.refusalLog.warn(
      session.clientId,
      { clientId: session.clientId, topic: name },
      sentence,
    );
    return;
  }
  // Asked within a promise: whatever it throws refuses this will and disturbs nobody who is just leaving.
  const answer = new Promise<Verdict>((resolve) => {
    resolve(authorizer.authorizePublish(session.client, name, message.qos, message.retain));
  });
  const { generation } = access;
  context.pendingWills.add();
  inTime(context, answer)
    .then(
      (code) => {
        if (generation !== access.generation)
          publishWill(context, session, will); // rules that are gone said that
        else if (verdictOf(code) < ReasonCode.UnspecifiedError) send(context, session, will);
        else drop();
      },
      (error: unknown) => {
        if (generation !== access.generation) {
          publishWill(context, session, will);
          return;
        }
        drop();
        const fields = { error: String(error) };
        tellFault(context, session.client, fields, 'the authorizer failed on a will');
      },
    )
    .finally(() => context.pendingWills.done());
}

/** Wills whose authorizer is thinking: a stop waits for them. */
export class PendingWills {
  #count = 0;
  #waiting: (() => void)[] = [];

  add(): void {
    this.#count++;
  }

  done(): void {
    if (--this.#count > 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Resolves when there is none. */
  whenNone(): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

/** By quotas it may not be retained, but it is always sent: others wait to hear that its client has gone. */
function send(context: Context, session: Session, will: Will): void {
  const { message } = will;
  const nowMs = context.clock.now();
  message.receivedAtMs = nowMs;
  context.metrics.willsPublished++;
  const { trace } = context.tracing;
  trace?.willPublished(message);
  const mayKeep = !message.retain || mayRetain(context, session, message, nowMs);
  if (!mayKeep) context.drops.drop(DropReason.Quota, session.clientId, message.topic.name);
  const delivered = distribute(context, message, nowMs, mayKeep);
  trace?.routed(message, delivered, 0);
}
