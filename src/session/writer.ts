// The writing half of a connection: packets are appended to one output all turn long and leave with one write at its end; what
// promises something is held until its commit is durable, in the order of its packets. It never waits: while the socket is
// full, output stays here, counted, and who asks is told that there is no room.

import { LARGE } from '../core/buffer-pool.ts';
import type { Holder } from '../core/commits.ts';
import { DropReason } from '../core/drop.ts';
import type { Dirty } from '../core/tick.ts';
import { Timer, type TimerOwner } from '../lib/timer-wheel.ts';
import { encodePacket, writeAck, writeAckWithReason } from '../protocol/encoder.ts';
import { type Message, NO_EXPIRY } from '../protocol/message.ts';
import {
  type AckPacket,
  type Packet,
  PacketType,
  type ProtocolVersion,
  type QoS,
} from '../protocol/packet.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import type { Stream } from '../transport/stream.ts';
import type { Context } from './context.ts';
import { HeldPacket, type HeldPackets, heldPackets } from './held.ts';
import { Output } from './output.ts';
import { appendPublish, encodePublish, publishSize } from './publish-output.ts';
import type { OutboundAliases } from './topic-alias.ts';
import { dropUnsent } from './unsent.ts';

/** Held packets from which on the connection is not read. */
const HELD_MAX = 1_024;
/** What a topic alias may add to a packet at most. */
const ALIAS_BYTES = 4;

/** Whom a writer tells what became of the bytes; the connection. */
export interface WriterOwner {
  /** Everything handed to the socket is with the kernel. */
  onDrained(): void;
  /** The client has not read a byte for `writeTimeoutMs`. */
  onStuck(): void;
  /** Too many acknowledgements wait for a commit, or no longer. */
  onHeld(isFull: boolean): void;
}

export class Writer implements Dirty, Holder, TimerOwner {
  readonly output: Output;
  version: ProtocolVersion = 4;
  /** For who watches; '' before CONNECT was accepted. */
  clientId = '';
  /** The client's, from CONNECT. [MQTT-3.1.2-24] */
  maximumPacketSize = Number.POSITIVE_INFINITY;
  outboundAliases: OutboundAliases | null = null;
  /** Inbound QoS 1 and 2 messages that are not acknowledged to their end. */
  unacknowledged = 0;
  bytesSent = 0;
  /** PUBLISH packets. */
  messagesSent = 0;
  /** Output that is written before the turn ends. */
  readonly #flushBytes: number;
  readonly #context: Context;
  readonly #stream: Stream;
  readonly #owner: WriterOwner;
  #isDirty = false;
  #isClosed = false;
  #held: HeldPackets | null = null;
  #isHolder = false;
  #connackHeld = false;
  #stuckTimer: Timer | null = null;
  #unsentBytes = 0;

  constructor(context: Context, stream: Stream, owner: WriterOwner) {
    this.#context = context;
    this.#stream = stream;
    this.#owner = owner;
    this.output = new Output(context.pool);
    this.#flushBytes = Math.min(LARGE, context.limits.outputBytesMax);
  }

  /** CONNACK waits for its commit, and nothing may pass it. */
  get isConnackHeld(): boolean {
    return this.#connackHeld;
  }

  /** Below the limit past which QoS 0 is dropped and QoS 1 and 2 stay queued. */
  get hasRoom(): boolean {
    const { pendingBytes } = this.output;
    const { limits, shedding } = this.#context;
    return pendingBytes < limits.outputBytesMax && pendingBytes < shedding.outputBytesMax;
  }

  /** Why a QoS 0 message is lost for which there is no room. */
  get whyNoRoom(): DropReason {
    const isOver = this.output.pendingBytes >= this.#context.limits.outputBytesMax;
    return isOver ? DropReason.OutputFull : DropReason.Overload;
  }

  /** Encodes and appends a control packet; false if it does not fit into the client's Maximum Packet Size. */
  send(packet: Packet): boolean {
    const bytes = encodePacket(packet, this.version, this.maximumPacketSize);
    if (bytes === null) return false;
    this.#context.metrics.packetsSent[packet.type]++;
    this.append(bytes);
    return true;
  }

  /** Appends encoded bytes to what leaves at the end of the turn. */
  append(bytes: Uint8Array): void {
    if (this.#connackHeld) {
      this.#hold(new HeldPacket(0, bytes, false, null));
      return;
    }
    this.output.append(bytes);
    this.#appended(bytes.length);
  }

  /**
   * Sends a packet that promises something once `commit` is durable (0 = now), behind those that wait already; `then` runs
   * when it has been appended. False, and nothing happens, if it does not fit into the client's Maximum Packet Size.
   */
  sendWhenDurable(packet: Packet, commit: number, then: (() => void) | null = null): boolean {
    if (!this.#mustHold(commit)) {
      if (!this.send(packet)) return false;
      if (then !== null) then();
      return true;
    }
    const bytes = encodePacket(packet, this.version, this.maximumPacketSize);
    if (bytes === null) return false;
    this.#context.metrics.packetsSent[packet.type]++;
    if (packet.type === PacketType.Connack) this.#connackHeld = true;
    this.#hold(new HeldPacket(commit, bytes, false, then));
    return true;
  }

  /** PUBACK, PUBREC, PUBREL or PUBCOMP, when `commit` is durable. */
  sendAck(
    type: AckPacket['type'],
    packetId: number,
    reasonCode: ReasonCode,
    commit: number,
    freesSlot: boolean,
  ): void {
    this.#context.metrics.packetsSent[type]++;
    const isShort = this.version !== 5 || reasonCode === ReasonCode.Success;
    if (this.#mustHold(commit)) {
      const bytes = new Uint8Array(isShort ? 4 : 5);
      if (isShort) writeAck(bytes, 0, type, packetId);
      else writeAckWithReason(bytes, 0, type, packetId, reasonCode);
      this.#hold(new HeldPacket(commit, bytes, freesSlot, null));
      return;
    }
    const { output } = this;
    output.reserve(5);
    const start = output.length;
    output.length = isShort
      ? writeAck(output.buffer, start, type, packetId)
      : writeAckWithReason(output.buffer, start, type, packetId, reasonCode);
    if (freesSlot && this.unacknowledged > 0) this.unacknowledged--;
    this.#appended(output.length - start);
  }

  /**
   * Sends a message; false if it is larger than the client allows. `commit` is the batch it must wait for, 0 for none.
   * Nothing is counted as lost here.
   */
  sendPublish(
    message: Message,
    qos: QoS,
    retain: boolean,
    dup: boolean,
    packetId: number,
    subscriptionIdentifiers: readonly number[],
    nowMs: number,
    commit: number,
  ): boolean {
    const { delivery, encodeOnce, metrics, tracing } = this.#context;
    delivery.version = this.version;
    delivery.qos = qos;
    delivery.retain = retain;
    delivery.dup = dup;
    delivery.packetId = packetId;
    delivery.subscriptionIdentifiers = subscriptionIdentifiers;
    delivery.topicAlias = 0;
    delivery.withTopic = true;
    delivery.messageExpiryInterval =
      this.version === 5 ? message.remainingExpiry(nowMs) : NO_EXPIRY;
    let aliases = this.outboundAliases;
    if (this.maximumPacketSize !== Number.POSITIVE_INFINITY) {
      // What does not fit with its whole topic is not sent at all. [MQTT-3.1.2-24]
      const size = publishSize(message, delivery);
      if (size > this.maximumPacketSize) return false;
      if (size + ALIAS_BYTES > this.maximumPacketSize) aliases = null;
    }
    metrics.packetsSent[PacketType.Publish]++;
    metrics.publishSent[qos]++;
    this.messagesSent++;
    metrics.publishBytesSent += message.payloadEnd - message.payloadStart;
    if (tracing.trace !== null) {
      tracing.trace.delivered(this.clientId, message, qos, retain, dup, packetId);
    }
    if (qos === 2 && this.#mustHold(commit)) {
      // Without an alias: what is sent meanwhile must not refer to one that is still held.
      this.#hold(new HeldPacket(commit, encodePublish(message, delivery), false, null));
      return true;
    }
    if (aliases !== null) {
      delivery.topicAlias = aliases.take(message.topic);
      delivery.withTopic = delivery.topicAlias === 0 || !aliases.isKnown;
    }
    this.#appended(appendPublish(this.output, message, delivery, encodeOnce));
    return true;
  }

  /** End of the turn: one write. */
  endTurn(): void {
    this.#isDirty = false;
    this.flush();
  }

  /** Hands all there is to the socket, unless a write is unfinished. */
  flush(): void {
    if (this.#isClosed) return;
    const { output } = this;
    const bytes = output.flush(this.#stream);
    if (bytes === 0) return;
    this.bytesSent += bytes;
    this.#context.metrics.bytesSent += bytes;
    if (!output.isWriting) return;
    this.#stuckTimer ??= new Timer(this);
    this.#unsentBytes = this.#stream.unsentBytes;
    this.#context.wheel.arm(this.#stuckTimer, this.#context.limits.writeTimeoutMs);
  }

  /** The unfinished write is done. */
  written(): void {
    this.output.written();
    if (this.#stuckTimer !== null) this.#context.wheel.cancel(this.#stuckTimer);
    this.flush();
    if (!this.output.isWriting) this.#owner.onDrained();
  }

  /** Time without a write that got through: as long as bytes move, the client reads. */
  onTimer(timer: Timer): void {
    const { unsentBytes } = this.#stream;
    if (unsentBytes >= this.#unsentBytes) {
      this.#owner.onStuck();
      return;
    }
    this.#unsentBytes = unsentBytes;
    this.#context.wheel.arm(timer, this.#context.limits.writeTimeoutMs);
  }

  /** A commit is durable: what waited for it leaves, in order. */
  onDurable(durable: number): void {
    this.#isHolder = false;
    for (;;) {
      const packet = this.#held?.peek();
      if (packet === undefined || packet.commit > durable) break;
      this.#held?.shift();
      this.#connackHeld = false; // CONNACK is always the first
      this.output.append(packet.bytes);
      this.#appended(packet.bytes.length);
      if (packet.freesSlot && this.unacknowledged > 0) this.unacknowledged--;
      if (packet.onReleased !== null) packet.onReleased();
    }
    if (this.#held === null) return;
    if (this.#held.length > 0 && !this.#isHolder) this.#waitForCommit();
    if (this.#held.length < HELD_MAX) this.#owner.onHeld(false);
  }

  /** What is held dies with the connection: the session says what to send again. */
  forgetHeld(): void {
    this.#held = null;
    this.#connackHeld = false;
  }

  /** The stream is gone. */
  close(): void {
    this.#isClosed = true;
    this.forgetHeld();
    if (this.#stuckTimer !== null) this.#context.wheel.cancel(this.#stuckTimer);
    if (this.clientId !== '') dropUnsent(this.#context.drops, this);
    this.output.clear();
  }

  #appended(size: number): void {
    const { tick } = this.#context;
    tick.outputBytes += size;
    // So that whoever finds no room finds a write unfinished, too: when it is done everything goes on.
    if (!this.output.isWriting && this.output.unwrittenBytes >= this.#flushBytes) this.flush();
    if (this.#isDirty) return;
    this.#isDirty = true;
    tick.markDirty(this);
  }

  #mustHold(commit: number): boolean {
    const { commits } = this.#context;
    if (commits === null) return false;
    return commit > commits.durable || (this.#held !== null && this.#held.length > 0);
  }

  #hold(packet: HeldPacket): void {
    this.#held ??= heldPackets();
    this.#held.push(packet);
    if (this.#held.length >= HELD_MAX) this.#owner.onHeld(true);
    if (!this.#isHolder) this.#waitForCommit();
  }

  #waitForCommit(): void {
    this.#isHolder = true;
    this.#context.commits?.waitFor(this);
  }
}
