// Quotas where they meet a client: may it connect, subscribe, publish, and the message that waits until its client has tokens
// again. Meanwhile the connection is not read, so that the sender is slowed down by its own socket and nobody else notices;
// what is on its way to it goes on.

import type { Client } from '../auth/auth.ts';
import { DropReason } from '../core/drop.ts';
import type { Quota } from '../core/quota-account.ts';
import type { QuotaShare } from '../core/quota-share.ts';
import { Timer, type TimerOwner } from '../lib/timer-wheel.ts';
import type { Message } from '../protocol/message.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import type { Connection } from './connection.ts';
import { PauseReason } from './connection-state.ts';
import type { Context } from './context.ts';
import { refuseConnect } from './refuse.ts';
import type { Session } from './session.ts';

/** How a message that waited goes on; `bytes`: of its packet, 0 when they are paid. */
export type GoOn = (
  connection: Connection,
  session: Session,
  message: Message,
  packetId: number,
  bytes: number,
  nowMs: number,
) => ReasonCode;

/** The rates of one connection, and the one message that may wait for them. */
export class ConnectionQuota implements TimerOwner {
  readonly #connection: Connection;
  /** null: other rules have come, and the message is the last thing left. */
  #share: QuotaShare | null;
  readonly #timer = new Timer(this);
  #message: Message | null = null;
  #packetId = 0;
  #bytes = 0;
  /** It has its tokens, which come while it waits. */
  #isPaid = false;
  #goOn: GoOn | null = null;

  constructor(connection: Connection, share: QuotaShare) {
    this.#connection = connection;
    this.#share = share;
  }

  /** See `QuotaShare.take`. */
  take(bytes: number, nowMs: number): number {
    return this.#share === null ? 0 : this.#share.take(bytes, nowMs);
  }

  /** Keeps a message, which is paid, so long, and its connection from being read. */
  hold(message: Message, packetId: number, bytes: number, waitMs: number, goOn: GoOn): void {
    const connection = this.#connection;
    const { metrics, wheel } = connection.context;
    this.#message = message.own();
    this.#packetId = packetId;
    this.#bytes = bytes;
    this.#isPaid = true;
    this.#goOn = goOn;
    metrics.quotaPauses++;
    connection.pauseReading(PauseReason.Quota);
    wheel.arm(this.#timer, waitMs);
    tellOver(connection.context, connection.client, this.#share, 'it is throttled');
  }

  /** Other rules: what waits is asked about again. */
  change(share: QuotaShare | null): void {
    if (this.#message !== null && this.#isPaid) {
      this.#share?.giveBack(this.#bytes);
      this.#isPaid = false;
      this.#connection.context.wheel.arm(this.#timer, 0);
    }
    this.#share = share;
    if (share === null && this.#message === null) this.#connection.quota = null;
  }

  /** The connection ends. Of QoS 1 and 2 the publisher still has what waits: it was not acknowledged. */
  abandon(): void {
    const message = this.#message;
    if (message === null) return;
    const { drops, wheel } = this.#connection.context;
    wheel.cancel(this.#timer);
    this.#message = null;
    if (this.#isPaid) this.#share?.giveBack(this.#bytes);
    if (message.qos > 0) return;
    drops.drop(DropReason.Quota, message.publisher?.clientId ?? null, message.topic.name);
  }

  onTimer(_timer: Timer, nowMs: number): void {
    const connection = this.#connection;
    const { session } = connection;
    const message = this.#message;
    const goOn = this.#goOn;
    if (message === null || goOn === null || session === null) return;
    this.#message = null;
    if (this.#share === null) connection.quota = null;
    try {
      const bytes = this.#isPaid ? 0 : this.#bytes;
      const reasonCode = goOn(connection, session, message, this.#packetId, bytes, nowMs);
      if (reasonCode >= ReasonCode.UnspecifiedError) connection.disconnect(reasonCode);
    } catch (error) {
      connection.onError(error);
    }
    if (this.#message === null) connection.resumeReading(PauseReason.Quota);
  }
}

/** The connection has this share from now on. */
export function changeShare(connection: Connection, share: QuotaShare | null): void {
  const rated = share?.isRated === true ? share : null;
  if (connection.quota !== null) connection.quota.change(rated);
  else if (rated !== null) connection.quota = new ConnectionQuota(connection, rated);
}

/** Refuses a client whose quotas allow no more connections; one that it takes over does not count. */
export function isOverQuota(connection: Connection, client: Client): boolean {
  const { metrics, quotas, registry } = connection.context;
  if (quotas.isEmpty) return false;
  const former = registry.get(client.clientId)?.quota ?? null;
  const full = quotas.fullFor({ ...client, listener: connection.owner.ruleName }, former);
  if (full === null) return false;
  metrics.quotaRefusals++;
  tell(connection.context, client, full, 'its connection is refused');
  refuseConnect(connection, ReasonCode.QuotaExceeded, 'as many are connected as a quota allows');
  return true;
}

/** Whether a session may have one more subscription by its quotas. */
export function maySubscribe(context: Context, session: Session): boolean {
  if (session.quota === null || session.quota.hasSubscriptionRoom()) return true;
  context.metrics.quotaRefusals++;
  tellOver(context, session.client, session.quota, 'its subscription is refused');
  return false;
}

/** Whether what a session publishes may be retained by its quotas. */
export function mayRetain(
  context: Context,
  session: Session,
  message: Message,
  nowMs: number,
): boolean {
  if (session.quota === null || context.quotas.owners === null) return true;
  const former = context.retained.get(message.topic.name, nowMs);
  if (session.quota.mayRetain(message, former)) return true;
  context.metrics.quotaRefusals++;
  tellOver(context, session.client, session.quota, 'its retained message is refused');
  return false;
}

/** A line about a client that is over, and which quota that is. */
export function tellOver(
  context: Context,
  client: Client | null,
  share: QuotaShare | null,
  what: string,
): void {
  const account = share === null ? null : share.over;
  if (client !== null && account !== null) tell(context, client, account.quota, what);
}

function tell(context: Context, client: Client, { number, per }: Quota, what: string): void {
  const { clientId, username } = client;
  context.quotas.log.info(
    `${number} ${clientId}`,
    { clientId, username, quota: number, per },
    `a client has used up its quota: ${what}`,
  );
}
