// Session State of the specification (MQTT 5 §4.1): subscriptions, what is in flight both ways, the queue, the will, and when all
// that ends. It may outlive many connections. The router knows it by its internal id only. What a session does towards its
// client goes into the buffer of its connection; it never waits for anything.

import type { Client } from '../auth/auth.ts';
import { DropReason } from '../core/drop.ts';
import type { QueueLimits, QueuePolicy } from '../core/limits.ts';
import type { QuotaShare } from '../core/quota-share.ts';
import type { Waiting } from '../core/tick.ts';
import { Timer, type TimerOwner } from '../lib/timer-wheel.ts';
import type { Message, Publisher } from '../protocol/message.ts';
import type { ProtocolVersion, QoS } from '../protocol/packet.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import type { Topic } from '../protocol/topic.ts';
import {
  Availability,
  type Subscriber,
  type Subscription,
  SubscriptionAccess,
} from '../router/subscription.ts';
import type { Connection } from './connection.ts';
import type { Context } from './context.ts';
import { Outbound } from './outbound.ts';
import type { OutboundMessage } from './outbound-message.ts';
import { Permissions } from './permissions.ts';
import { changeShare } from './quota.ts';
import { RetainedDelivery } from './retained-delivery.ts';
import { SessionRecord } from './session-record.ts';
import { Subscriptions } from './subscriptions.ts';
import { publishWill, type Will } from './will.ts';

/** The session never expires. MQTT 5 §3.1.2.11.2 */
export const NEVER = 0xffff_ffff;

/** The internal id under which the router knows a client's session. */
export function sessionIdOf(clientId: string): string {
  return `__client_${clientId}`;
}

export class Session implements Subscriber, TimerOwner, Waiting {
  readonly id: string;
  readonly clientId: string;
  publisher: Publisher;
  /** The current network connection, or null. */
  connection: Connection | null = null;
  /** Who it acts as when no connection is there to ask: set by each connection. */
  client: Client;
  /** Back from the store without what its authenticator said of it: it may do nothing until its client is back. */
  isUnknown = false;
  /** seconds; 0 = ends with its connection */
  expiryInterval = 0;
  /** monotonic milliseconds; meaningful while not connected */
  disconnectedAtMs = 0;
  hasEnded = false;
  /** The listener of its last connection; null: it had none since the server started. */
  listener: string | null = null;
  /** What it has of its client's quotas; null: none is for it. */
  quota: QuotaShare | null = null;
  /** The bounds of its queue. */
  queueLimits: QueueLimits;
  /** What its client asked for; null = nothing. */
  requestedQueuePolicy: QueuePolicy | null = null;
  readonly subscriptions: Subscriptions;
  readonly outbound: Outbound;
  /** Packet ids of inbound QoS 2 messages between PUBLISH and PUBREL. MQTT 5 §4.3.3 */
  inboundPacketIds: Set<number> | null = null;
  /** What the store knows of it. */
  readonly record: SessionRecord;
  readonly #context: Context;
  #permissions: Permissions | null = null;
  #will: Will | null = null;
  #retained: RetainedDelivery | null = null;
  #expiryTimer: Timer | null = null;
  #willTimer: Timer | null = null;
  /** It was connected when the server died, and its client has not come back yet. */
  #wasCutOff = false;
  /** It is on the list of those who go on next turn. */
  #isWaiting = false;
  /** The connection that the queue policy wants gone. */
  #overflowing: Connection | null = null;

  constructor(context: Context, client: Client) {
    this.#context = context;
    this.clientId = client.clientId;
    this.client = client;
    this.queueLimits = context.limits;
    this.id = sessionIdOf(client.clientId);
    this.publisher = { sessionId: this.id, clientId: client.clientId, username: client.username };
    this.record = new SessionRecord(context, this);
    this.subscriptions = new Subscriptions(context, this);
    this.outbound = new Outbound(context, this);
  }

  get version(): ProtocolVersion {
    return this.client.protocolVersion;
  }

  /** Outlives its connection. */
  get isDurable(): boolean {
    return this.expiryInterval > 0;
  }

  get will(): Will | null {
    return this.#will;
  }

  get queuedMessages(): number {
    return this.outbound.queuedMessages;
  }

  get hasWindowRoom(): boolean {
    return this.outbound.hasWindowRoom;
  }

  availability(isQos0: boolean, size: number, nowMs: number): Availability {
    if (this.hasEnded || this.#overflowing !== null) return Availability.None;
    const { outbound } = this;
    if (this.connection?.isReady) {
      if (isQos0) return outbound.qos0Availability(size, nowMs);
      if (outbound.canSendNow) return Availability.Window;
      return outbound.hasQueueRoom(size, nowMs) ? Availability.Queue : Availability.None;
    }
    return outbound.hasQueueRoom(size, nowMs) ? Availability.Offline : Availability.None;
  }

  get permissions(): Permissions {
    this.#permissions ??= new Permissions(this.#context, this);
    return this.#permissions;
  }

  /** The same without making them: null while nothing was asked. */
  get permissionsSoFar(): Permissions | null {
    return this.#permissions;
  }

  mayReceive(topic: Topic, nowMs: number): boolean {
    return this.permissions.receive(topic, nowMs);
  }

  /** Rules or identity changed: nothing that was answered counts, and what is queued is looked at again. */
  permissionsChanged(): void {
    if (this.#context.access.authorizer !== null) this.permissions.changed(this.queuedMessages > 0);
    else this.#permissions?.changed(this.queuedMessages > 0);
  }

  deliver(message: Message, subscription: Subscription, nowMs: number): void {
    if (this.hasEnded) {
      this.lose(DropReason.SessionEnded, message); // by what this very message did to others
      return;
    }
    if (
      subscription.access !== SubscriptionAccess.Whole &&
      !this.permissions.mayTake(message, subscription, nowMs)
    ) {
      this.lose(DropReason.ReceiveNotAuthorized, message);
      return;
    }
    const qos = message.qos < subscription.qos ? message.qos : subscription.qos; // [MQTT-3.8.4-8]
    const retain = subscription.retainAsPublished && message.retain; // [MQTT-3.3.1-12] [MQTT-3.3.1-13]
    const { group, subscriptionIdentifiers: identifiers } = subscription;
    if (qos === 0) this.outbound.deliverQos0(message, retain, identifiers, nowMs);
    else this.outbound.deliver(message, qos, retain, identifiers, group, nowMs);
  }

  /** A retained message for a new subscription; the caller has checked that there is room. */
  deliverRetained(message: Message, qos: QoS, identifiers: readonly number[], nowMs: number): void {
    if (qos === 0) this.outbound.deliverQos0(message, true, identifiers, nowMs);
    else this.outbound.deliver(message, qos, true, identifiers, null, nowMs);
  }

  /** A subscription just made wants the retained messages that match, once its SUBACK is out. */
  requestRetained(topicFilter: string, innerFilter: string): void {
    this.#retained ??= new RetainedDelivery(this, this.#context);
    this.#retained.request(topicFilter, innerFilter);
  }

  /** The SUBACK of these is out. */
  startRetained(topicFilters: readonly string[], nowMs: number): void {
    if (this.hasEnded || this.#retained === null || topicFilters.length === 0) return;
    for (const topicFilter of topicFilters) this.#retained.release(topicFilter);
    this.pump(nowMs);
  }

  /** Stops sending retained messages for a filter. */
  stopRetained(topicFilter: string): void {
    this.#retained?.remove(topicFilter);
  }

  /** Sends what waits as far as window and output allow: first what is sent again, then the queue, then retained messages. */
  pump(nowMs: number): void {
    if (!this.outbound.pump(nowMs)) return;
    this.#permissions?.queueIsEmpty();
    if (this.#retained === null) return;
    this.#retained.pump(nowMs);
    if (this.#retained?.isDone === true) this.#retained = null;
  }

  /** Calls back in the next turn, to go on sending. */
  continueNextTurn(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#context.tick.waitForNextTurn(this);
  }

  nextTurn(): void {
    this.#isWaiting = false;
    const overflowing = this.#overflowing;
    this.#overflowing = null;
    if (overflowing === null) this.pump(this.#context.clock.now());
    else overflowing.disconnect(ReasonCode.QuotaExceeded, 'the queue of this session is full');
  }

  /** Gives the session to a connection. The connection calls `resume` when its CONNACK is out. MQTT 5 §3.1.4 */
  attach(
    connection: Connection,
    client: Client,
    will: Will | null,
    expiryInterval: number,
    queuePolicy: QueuePolicy | null,
  ): void {
    const { wheel } = this.#context;
    if (this.#expiryTimer !== null) wheel.cancel(this.#expiryTimer);
    if (this.#willTimer !== null) wheel.cancel(this.#willTimer); // [MQTT-3.1.3-9]
    this.connection = connection;
    this.client = client;
    this.isUnknown = false;
    this.permissionsChanged();
    if (this.publisher.username !== client.username) {
      this.publisher = { sessionId: this.id, clientId: this.clientId, username: client.username };
    }
    this.expiryInterval = expiryInterval;
    this.#wasCutOff = false;
    this.listener = connection.owner.ruleName;
    this.applyRules(queuePolicy);
    this.outbound.attach();
    this.record.update();
    this.#setWill(will); // [MQTT-3.1.2-7]
  }

  /** What the rules of now say of its client: its quotas, and the bounds of its queue, within them as the client asks. */
  applyRules(requestedQueuePolicy = this.requestedQueuePolicy): void {
    const { queueRules, quotas } = this.#context;
    const { client, connection, listener, quota: former } = this;
    if (former !== null || !quotas.isEmpty) {
      const count = this.subscriptions.count;
      this.quota = quotas.join({ ...client, listener }, count, connection !== null);
      former?.leave(); // not before: what both count goes on
      if (connection !== null) changeShare(connection, this.quota);
    }
    this.requestedQueuePolicy = requestedQueuePolicy;
    const cap = this.quota === null ? null : this.quota.queueCap;
    this.queueLimits = queueRules.limitsFor(client, requestedQueuePolicy, cap);
  }

  /** CONNACK is out: unfinished deliveries go again, then the queue. [MQTT-4.4.0-1] */
  resume(nowMs: number): void {
    this.#retained?.releaseAll();
    this.pump(nowMs);
  }

  /** The connection is gone; `sayGoodbye` is false after a normal DISCONNECT, which removes the will. [MQTT-3.1.2-10] */
  detach(connection: Connection, publishesWill: boolean): void {
    if (this.connection !== connection) return;
    const { clock, wheel } = this.#context;
    this.connection = null;
    connection.quota?.abandon();
    this.quota?.disconnect();
    this.disconnectedAtMs = clock.now();
    this.outbound.detach();
    if (!publishesWill) this.#setWill(null); // [MQTT-3.14.4-3]
    if (!this.isDurable) {
      this.end();
      return;
    }
    this.record.update();
    this.outbound.redistributeQueue(this.disconnectedAtMs);
    if (this.#will !== null) {
      const delay = this.#will.delayInterval;
      if (delay === 0) this.#publishWill();
      else {
        this.#willTimer ??= new Timer(this);
        wheel.arm(this.#willTimer, Math.min(delay, this.expiryInterval) * 1_000);
      }
    }
    this.#armExpiry(this.expiryInterval);
  }

  /** Another expiry for a session whose client just said so in DISCONNECT. MQTT 5 §3.14.2.2.2 */
  changeExpiry(expiryInterval: number): void {
    this.expiryInterval = expiryInterval;
    if (expiryInterval > 0) this.record.update(); // else it ends with the connection, which is now
  }

  /** Starts counting, with what is left of the interval: also for a session that came back from the store. */
  #armExpiry(seconds: number): void {
    if (this.expiryInterval === NEVER) return;
    this.#expiryTimer ??= new Timer(this);
    this.#context.wheel.arm(this.#expiryTimer, seconds * 1_000);
  }

  /** Back from the store, not connected; `wasCutOff` if it was connected when the server died. */
  restore(elapsedSeconds: number, wasCutOff: boolean, will: Will | null): void {
    this.disconnectedAtMs = this.#context.clock.now() - elapsedSeconds * 1_000;
    this.#wasCutOff = wasCutOff;
    this.#will = will;
  }

  /** The same, once nothing is in its way any more: its time goes on. It does not expire before `heldSeconds`. */
  goOn(willDelaySeconds: number, heldSeconds: number): void {
    const { clock, wheel } = this.#context;
    if (this.#will !== null) {
      this.#willTimer = new Timer(this);
      wheel.arm(this.#willTimer, willDelaySeconds * 1_000);
    }
    // Of a session that is not durable only the will is left; it ends with that.
    const awaySeconds = (clock.now() - this.disconnectedAtMs) / 1_000;
    const expirySeconds = this.isDurable ? this.expiryInterval - awaySeconds : willDelaySeconds;
    this.#armExpiry(Math.max(0, heldSeconds, expirySeconds));
  }

  onTimer(timer: Timer): void {
    if (this.connection !== null || this.hasEnded) return;
    if (timer === this.#willTimer) {
      this.#publishWill();
      return;
    }
    this.#context.metrics.sessionsExpired++;
    this.end(); // [MQTT-4.1.0-2]
  }

  /** Its client starts anew. A will that waited whether the client comes back after a crash of the server is void: it did. */
  supersede(): void {
    if (this.#wasCutOff) this.#setWill(null);
    this.end(); // [MQTT-3.1.2-4]
  }

  /** The end of all state; the caller has taken care of a connection. A will that is still there is published. [MQTT-3.1.2-8] */
  end(): void {
    if (this.hasEnded) return;
    const { metrics, registry, wheel, clock } = this.#context;
    this.hasEnded = true;
    metrics.sessionsEnded++;
    if (this.#expiryTimer !== null) wheel.cancel(this.#expiryTimer);
    if (this.#willTimer !== null) wheel.cancel(this.#willTimer);
    registry.remove(this);
    this.subscriptions.end();
    this.outbound.end(clock.now());
    this.#retained = null;
    this.inboundPacketIds = null; // a match that nobody has used since may still refer to this session
    this.record.remove();
    if (this.#will !== null) this.#publishWill();
    this.quota?.leave();
  }

  /** The queue policy wants this client gone: in the next turn, since its going may fill the queues of others. */
  overflow(): void {
    if (this.connection === null) return;
    this.#overflowing = this.connection;
    this.continueNextTurn();
  }

  /** Takes the packet id of an inbound QoS 2 message; false if it was there already. */
  addInboundPacketId(packetId: number): boolean {
    this.inboundPacketIds ??= new Set();
    if (this.inboundPacketIds.has(packetId)) return false;
    this.inboundPacketIds.add(packetId);
    this.record.addInboundPacketId(packetId);
    return true;
  }

  /** Its PUBREL came; false if the id is not known. */
  removeInboundPacketId(packetId: number): boolean {
    if (this.inboundPacketIds === null || !this.inboundPacketIds.delete(packetId)) return false;
    this.record.removeInboundPacketId(packetId);
    return true;
  }

  /** It does not get this message. `depth`: as of `Drops.drop`; `entry`: it was queued or in flight as that. */
  lose(reason: DropReason, message: Message, depth = -1, entry?: OutboundMessage): void {
    const { publisher, topic } = message;
    const publisherId = publisher === null ? null : publisher.clientId;
    this.#context.tracing.trace?.lost(this, message, reason, entry);
    this.#context.drops.drop(reason, this.clientId, topic.name, 1, publisherId, depth);
  }

  #setWill(will: Will | null): void {
    if (this.#will === null && will === null) return;
    this.#will = will;
    this.record.saveWill(will);
  }

  #publishWill(): void {
    const will = this.#will;
    if (will === null) return;
    this.#setWill(null); // never twice [MQTT-3.1.2-10]
    publishWill(this.#context, this, will);
  }
}
