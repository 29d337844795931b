// Everything on its way from the server to one client: the in-flight window, the queue behind it, and after a reconnect what
// must be sent again. It decides between sending, queueing and dropping; nothing is lost but through `drop`.

import { DropReason } from '../core/drop.ts';
import { isServersOwn } from '../core/server-topics.ts';
import { RingBuffer } from '../lib/ring-buffer.ts';
import type { Message } from '../protocol/message.ts';
import { PacketType, type QoS } from '../protocol/packet.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import type { SharedGroup } from '../router/shared-subscription.ts';
import { Availability } from '../router/subscription.ts';
import { DeliveryState } from '../storage/storage.ts';
import type { Context } from './context.ts';
import { Inflight } from './inflight.ts';
import { OutboundMessage } from './outbound-message.ts';
import { Queue, type QueueOwner } from './queue.ts';
import type { QueuedEntry } from './queue-tail.ts';
import { warnOfQueue } from './queue-warning.ts';
import { Redistribution } from './redistribution.ts';
import type { Session } from './session.ts';

export class Outbound implements QueueOwner {
  readonly #context: Context;
  readonly #session: Session;
  #inflight: Inflight | null = null;
  #queue: Queue | null = null;
  /** In flight, but not sent yet on this connection. */
  #resend: RingBuffer<OutboundMessage> | null = null;
  /** How many of those are still in flight: a client may acknowledge one before it is sent again. */
  #unsent = 0;
  /** A page of the queue is being read from the store. */
  #isReading = false;

  constructor(context: Context, session: Session) {
    this.#context = context;
    this.#session = session;
  }

  get queuedMessages(): number {
    return this.#queue?.length ?? 0;
  }

  get queuedBytes(): number {
    return this.#queue?.bytes ?? 0;
  }

  /** What waits, to be looked at; null: nothing. */
  get queue(): Queue | null {
    return this.#queue;
  }

  get inflightCount(): number {
    return this.#inflight?.count ?? 0;
  }

  /** Of what is queued or in flight the bytes that are in memory. */
  get memoryBytes(): number {
    return (this.#queue?.memoryBytes ?? 0) + (this.#inflight?.bytes ?? 0);
  }

  /** Whether a message of that size would be taken by the queue without another having to go. */
  hasQueueRoom(size: number, nowMs: number): boolean {
    const limits = this.#session.queueLimits;
    return this.#queue?.hasRoom(size, limits, nowMs) ?? size <= limits.queueBytesMax;
  }

  /** What is unacknowledged on this connection stays below the client's Receive Maximum. [MQTT-3.3.4-9] */
  get hasWindowRoom(): boolean {
    const connection = this.#session.connection;
    return connection !== null && this.inflightCount - this.#unsent < connection.sendWindow;
  }

  /** A QoS 1 or 2 message would go out at once. */
  get canSendNow(): boolean {
    const connection = this.#session.connection;
    return (
      connection?.isReady === true &&
      connection.writer.hasRoom &&
      this.#resend === null &&
      (this.#queue === null || this.#queue.length === 0) &&
      this.hasWindowRoom
    );
  }

  /** How well a connected client could take a QoS 0 message; follows what `deliverQos0` would do with it. */
  qos0Availability(size: number, nowMs: number): Availability {
    if (this.#queue !== null && this.#queue.qos0Messages > 0) {
      return this.hasQueueRoom(size, nowMs) ? Availability.Queue : Availability.None;
    }
    const writer = this.#session.connection?.writer;
    return writer?.hasRoom === true ? Availability.Window : Availability.None;
  }

  /** QoS 0: sent, or dropped if there is no room; queued for who is away only if that is wished. */
  deliverQos0(
    message: Message,
    retain: boolean,
    subscriptionIdentifiers: readonly number[],
    nowMs: number,
  ): void {
    const isReady = this.#session.connection?.isReady === true;
    const { queueQos0 } = this.#session.queueLimits;
    const waiting = this.#queue === null ? 0 : this.#queue.qos0Messages;
    if (isReady && waiting === 0) {
      this.#sendQos0(message, retain, subscriptionIdentifiers, nowMs);
    } else if (queueQos0 && !isServersOwn(message.topic.name)) {
      // Also while those before it wait: nothing passes a message of its own QoS. [MQTT-4.6.0-5]
      const own = message.own();
      this.#enqueue(new OutboundMessage(own, 0, retain, subscriptionIdentifiers, null), nowMs);
    } else {
      this.#session.lose(DropReason.Offline, message);
    }
  }

  /** QoS 1 and 2: sent at once if nothing waits and the window has room, else queued. */
  deliver(
    message: Message,
    qos: QoS,
    retain: boolean,
    subscriptionIdentifiers: readonly number[],
    group: SharedGroup | null,
    nowMs: number,
  ): void {
    const entry = new OutboundMessage(message.own(), qos, retain, subscriptionIdentifiers, group);
    if (!this.canSendNow) {
      this.#enqueue(entry, nowMs);
      return;
    }
    this.#takePacketId(entry);
    this.#session.record.enqueue(entry);
    this.#send(entry, false, nowMs);
  }

  /**
   * Sends what waits as far as window and output allow; true when nothing waits any more.
   * Messages that have a packet id do not expire: they must be sent again. [MQTT-4.3.3-7]
   */
  pump(nowMs: number): boolean {
    const connection = this.#session.connection;
    if (connection === null || !connection.isReady) return false;
    if (this.#resend !== null && !this.#pumpResend(nowMs)) return false;
    const queue = this.#queue;
    if (queue === null) return true;
    while (queue.length > 0) {
      if (!connection.isReady || !connection.writer.hasRoom || this.#mustYield()) return false;
      const entry = queue.peek();
      if (entry === undefined) {
        if (!this.#read(queue)) return false;
      } else if (entry.message.isExpired(nowMs)) {
        queue.shift();
        this.lost(DropReason.Expired, entry, -1); // [MQTT-3.3.2-5]
      } else if (this.#session.permissionsSoFar?.isForbidden(entry.message, nowMs)) {
        queue.shift();
        new Redistribution(this.#context, this.#session).giveUp(entry, nowMs);
      } else if (entry.qos === 0) {
        queue.shift();
        this.#session.record.dequeue(entry);
        this.#sendQos0(entry.message, entry.retain, entry.subscriptionIdentifiers, nowMs, entry);
      } else {
        if (!this.hasWindowRoom) return false; // [MQTT-4.9.0-2]
        queue.shift();
        this.#takePacketId(entry);
        this.#session.record.updateDelivery(entry);
        this.#send(entry, false, nowMs);
      }
    }
    this.#queue = null;
    return true;
  }

  /** PUBACK. MQTT 5 §4.3.2 */
  onPuback(packetId: number, reasonCode: number, nowMs: number): ReasonCode {
    const entry = this.#inflight === null ? null : this.#inflight.get(packetId);
    if (entry === null) return ReasonCode.Success; // late, or never sent: nothing to do
    if (entry.qos !== 1) return ReasonCode.ProtocolError;
    this.#finish(entry, reasonCode, nowMs);
    return ReasonCode.Success;
  }

  /** PUBREC. MQTT 5 §4.3.3 */
  onPubrec(packetId: number, reasonCode: number, nowMs: number): ReasonCode {
    const connection = this.#session.connection;
    const entry = this.#inflight === null ? null : this.#inflight.get(packetId);
    if (connection === null) return ReasonCode.Success;
    if (entry === null) {
      if (reasonCode < ReasonCode.UnspecifiedError) {
        const unknown = ReasonCode.PacketIdentifierNotFound;
        connection.writer.sendAck(PacketType.Pubrel, packetId, unknown, 0, false);
      }
      return ReasonCode.Success;
    }
    if (entry.qos !== 2) return ReasonCode.ProtocolError;
    if (reasonCode >= ReasonCode.UnspecifiedError) {
      this.#finish(entry, reasonCode, nowMs); // [MQTT-4.4.0-2]
      return ReasonCode.Success;
    }
    entry.state = DeliveryState.Released;
    this.#session.record.updateDelivery(entry);
    const commit = entry.sequence === 0 ? 0 : this.#session.record.commit;
    connection.writer.sendAck(PacketType.Pubrel, packetId, ReasonCode.Success, commit, false); // [MQTT-4.3.3-4]
    return ReasonCode.Success;
  }

  /** PUBCOMP. MQTT 5 §4.3.3 */
  onPubcomp(packetId: number, nowMs: number): ReasonCode {
    const entry = this.#inflight === null ? null : this.#inflight.get(packetId);
    if (entry === null) return ReasonCode.Success;
    // Not before its PUBREC. [MQTT-4.3.3-3]
    if (entry.state !== DeliveryState.Released) return ReasonCode.ProtocolError;
    this.#finish(entry, ReasonCode.Success, nowMs);
    return ReasonCode.Success;
  }

  /** A new connection: everything in flight must be sent again on it, in order. [MQTT-4.4.0-1] */
  attach(): void {
    this.#resend = null;
    this.#unsent = 0;
    if (this.#inflight === null || this.inflightCount === 0) return;
    const resend = new RingBuffer<OutboundMessage>();
    for (const entry of this.#inflight.inOrder()) {
      entry.isUnsent = true;
      resend.push(entry);
    }
    this.#unsent = resend.length;
    this.#resend = resend;
  }

  detach(): void {
    this.#resend = null;
  }

  /** The client went: queued messages of shared subscriptions go to other members; what stays is left to the store. */
  redistributeQueue(nowMs: number): void {
    const queue = this.#queue;
    if (queue === null || queue.length === 0) return;
    new Redistribution(this.#context, this.#session).whileAway(
      queue,
      nowMs,
      () => this.#queue === queue,
    );
    queue.unload();
  }

  /** The session ends: shared QoS 1 messages move, [MQTT-4.8.2-5] all others are lost. */
  end(nowMs: number): void {
    const inflight = this.#inflight === null ? [] : this.#inflight.inOrder();
    const queue = this.#queue;
    this.#inflight = null;
    this.#queue = null;
    this.#resend = null;
    new Redistribution(this.#context, this.#session).atEnd(inflight, queue, nowMs);
  }

  /** Back from the store, in flight. */
  restore(entry: OutboundMessage): void {
    this.#inflight ??= new Inflight();
    this.#inflight.restore(entry);
  }

  /** In the store, queued; in order. */
  restoreQueued(entry: QueuedEntry): void {
    this.#queue ??= new Queue(this);
    this.#queue.appendStored(entry);
  }

  /** A queued message is given up: counted, and forgotten by the store. */
  lost(reason: DropReason, entry: OutboundMessage, depth: number): void {
    this.#session.lose(reason, entry.message, depth, entry);
    this.#session.record.dequeueSequence(entry.sequence);
  }

  /** The same of one that is in the store only. */
  lostStored(reason: DropReason, { topicName, sequence }: QueuedEntry, depth: number): void {
    const { clientId, record } = this.#session;
    this.#context.tracing.trace?.lostStored(this.#session, sequence, reason);
    this.#context.drops.drop(reason, clientId, topicName, 1, null, depth);
    record.dequeueSequence(sequence);
  }

  /** Hands everything to the store: the session just became durable. */
  saveAll(): void {
    const { record } = this.#session;
    for (const entry of this.#inflight?.inOrder() ?? []) record.enqueue(entry);
    for (const entry of this.#queue?.inMemory() ?? []) record.enqueue(entry);
  }

  #sendQos0(
    message: Message,
    retain: boolean,
    subscriptionIdentifiers: readonly number[],
    nowMs: number,
    entry?: OutboundMessage,
  ): void {
    const writer = this.#session.connection?.writer;
    if (writer === undefined) return;
    if (!writer.hasRoom) {
      this.#context.shedding.untakenMessages++;
      this.#session.lose(writer.whyNoRoom, message, writer.output.pendingBytes, entry);
    } else if (
      !writer.sendPublish(message, 0, retain, false, 0, subscriptionIdentifiers, nowMs, 0)
    ) {
      this.#session.lose(DropReason.PacketTooLarge, message, -1, entry); // [MQTT-3.1.2-25]
    }
  }

  #takePacketId(entry: OutboundMessage): void {
    this.#inflight ??= new Inflight();
    this.#inflight.add(entry);
    entry.state = DeliveryState.Published;
  }

  /** The entry has its packet id. A QoS 2 PUBLISH waits until the store has it too. */
  #send(entry: OutboundMessage, dup: boolean, nowMs: number): void {
    const writer = this.#session.connection?.writer;
    if (writer === undefined) return;
    const commit =
      entry.qos === 2 && entry.sequence !== 0 && !dup ? this.#session.record.commit : 0;
    const { message, qos, retain, packetId, subscriptionIdentifiers: ids } = entry;
    if (writer.sendPublish(message, qos, retain, dup, packetId, ids, nowMs, commit)) return;
    this.#session.lose(DropReason.PacketTooLarge, message, -1, entry); // [MQTT-3.1.2-25]
    this.#inflight?.remove(entry);
    this.#session.record.dequeue(entry);
  }

  #pumpResend(nowMs: number): boolean {
    const resend = this.#resend;
    const connection = this.#session.connection;
    if (resend === null || connection === null) return true;
    while (resend.length > 0) {
      if (!connection.isReady || !connection.writer.hasRoom || !this.hasWindowRoom) return false;
      if (this.#mustYield()) return false;
      const entry = resend.shift();
      if (entry?.isUnsent !== true) continue; // acknowledged before it was sent again
      this.#countSent(entry);
      if (entry.state === DeliveryState.Released) {
        connection.writer.sendAck(PacketType.Pubrel, entry.packetId, ReasonCode.Success, 0, false);
      } else {
        this.#send(entry, true, nowMs); // [MQTT-3.3.1-1]
      }
    }
    this.#resend = null;
    return true;
  }

  /** The turn has produced all the output it may: the rest follows in the next. */
  #mustYield(): boolean {
    if (!this.#context.tick.isExhausted) return false;
    this.#session.continueNextTurn();
    return true;
  }

  /** Gets the next page of the queue; false when it is not there yet, or not needed. */
  #read(queue: Queue): boolean {
    if (this.#isReading) return false;
    if (queue.qos0Messages === 0 && !this.hasWindowRoom) return false;
    const sequences = queue.nextPage(this.#context.shedding.pageBytesMax);
    this.#isReading = true;
    let isNow = true;
    this.#session.record.withStored(sequences, (entries) => {
      this.#isReading = false;
      if (this.#queue !== queue || entries === null) return;
      queue.fill(sequences, entries);
      if (!isNow) this.#session.pump(this.#context.clock.now());
    });
    isNow = false;
    return queue.peek() !== undefined || queue.length === 0;
  }

  #countSent(entry: OutboundMessage): void {
    if (!entry.isUnsent) return;
    entry.isUnsent = false;
    this.#unsent--;
  }

  #finish(entry: OutboundMessage, reasonCode: number, nowMs: number): void {
    if (reasonCode >= ReasonCode.UnspecifiedError) {
      this.#session.lose(DropReason.Refused, entry.message);
    }
    this.#context.tracing.trace?.acknowledged(this.#session, entry, reasonCode);
    this.#countSent(entry);
    this.#inflight?.remove(entry);
    this.#session.record.dequeue(entry);
    this.#session.pump(nowMs);
  }

  #enqueue(entry: OutboundMessage, nowMs: number): void {
    this.#queue ??= new Queue(this);
    const session = this.#session;
    const limits = session.queueLimits;
    const { message } = entry;
    this.#context.shedding.untakenMessages++;
    if (!this.#queue.makeRoom(message.size, message.topic.name, limits, nowMs)) {
      session.lose(DropReason.QueueFull, message, this.#queue.length);
      if (limits.queuePolicy === 'disconnect') session.overflow();
      return;
    }
    session.record.enqueue(entry);
    const mayStay = session.connection !== null && !this.#context.shedding.keepsQueuesStored;
    this.#queue.append(entry, mayStay);
    if (this.#queue.hasFilled(message.size, limits)) warnOfQueue(this.#context, session);
    this.#context.tracing.trace?.queued(session, entry);
  }
}
