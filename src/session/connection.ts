// One Network Connection of the specification: bytes in, packets to the handlers, packets out through one coalescing buffer.
// It decides when to read and when to stop, what waits for a commit, and how it ends. Everything that is known of the client
// beyond this socket is in its Session. Nothing here waits: what must wait parks this connection and nobody else.

import type { Client, ConnectRequest } from '../auth/auth.ts';
import { LARGE } from '../core/buffer-pool.ts';
import type { Dirty, Waiting } from '../core/tick.ts';
import { AssertionFailure } from '../lib/assert.ts';
import { Timer, type TimerOwner } from '../lib/timer-wheel.ts';
import { encodePacket, writeAck, writeAckWithReason } from '../protocol/encoder.ts';
import { Framer } from '../protocol/framer.ts';
import { type Message, NO_EXPIRY } from '../protocol/message.ts';
import { type AckPacket, type Packet, PacketType, type ProtocolVersion, type QoS } from '../protocol/packet.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import { packetSize, publishRemainingLength, writePublishHead, writePublishPayload } from '../protocol/publish-encoder.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import type { Stream, StreamSink } from '../transport/stream.ts';
import type { ConnectionOwner, Context } from './context.ts';
import { dispatch } from './dispatch.ts';
import type { EnhancedAuthentication } from './enhanced-auth.ts';
import { HeldPacket, type HeldPackets, heldPackets } from './held.ts';
import { Output } from './output.ts';
import { refuseConnect } from './refuse.ts';
import type { Session } from './session.ts';
import { InboundAliases, OutboundAliases } from './topic-alias.ts';

export const ConnectionState = {
  /** waiting for CONNECT */
  Opening: 0,
  /** CONNECT is in, authentication is not done */
  Authenticating: 1,
  /** CONNECT was accepted; CONNACK may still wait for its commit */
  Connected: 2,
  /** the last byte is on its way out */
  Closing: 3,
  Closed: 4,
} as const;
export type ConnectionState = (typeof ConnectionState)[keyof typeof ConnectionState];

/** Why reading stands still; it goes on when no reason is left. */
export const PauseReason = {
  /** its share of the turn is used up */
  Turn: 1,
  /** its own output is over the limit */
  Output: 2,
  /** too many acknowledgements wait for a commit */
  Commit: 4,
  /** a handler waits for an answer */
  Parked: 8,
  /** the server stops */
  Stopping: 16,
} as const;
export type PauseReason = (typeof PauseReason)[keyof typeof PauseReason];

const READ_BYTES_PER_TURN_MAX = 1_048_576;
const HELD_MAX = 1_024;
/** Payloads from here on are not copied into the output buffer but shared by all subscribers. */
const SHARED_PAYLOAD_MIN = 8_192;
/** Milliseconds that a peer has to close its side after ours is closed. */
const LINGER_MS = 2_000;

export class Connection implements StreamSink, Dirty, Waiting, TimerOwner {
  /** `__anon_<uuid>` until CONNECT is accepted, then the session's id */
  id: string;
  state: ConnectionState = ConnectionState.Opening;
  readonly context: Context;
  readonly owner: ConnectionOwner;
  readonly stream: Stream;
  readonly framer: Framer;
  readonly output: Output;
  version: ProtocolVersion = 4;
  session: Session | null = null;
  client: Client | null = null;
  /** What CONNECT said, for re-authentication. */
  request: ConnectRequest | null = null;
  authentication: EnhancedAuthentication | null = null;
  /** Of the client, from CONNECT. */
  maximumPacketSize = Number.POSITIVE_INFINITY;
  requestProblemInformation = true;
  isBridge = false;
  /** A CONNECT with a known protocol name is in: its sender understands a CONNACK. */
  isConnect = false;
  /** QoS 1 and 2 messages that may be in flight to the client: the smaller of its Receive Maximum and ours. */
  sendWindow = 0;
  /** Inbound QoS 1 and 2 messages that are not acknowledged to their end. */
  unacknowledged = 0;
  inboundAliases: InboundAliases | null = null;
  outboundAliases: OutboundAliases | null = null;
  /** milliseconds; 0 = none */
  keepAliveTimeoutMs = 0;
  lastReceivedMs: number;
  readonly openedAtMs: number;
  bytesReceived = 0;
  bytesSent = 0;
  #isDirty = false;
  #isWaitingForTurn = false;
  #isDecoding = false;
  #paused = 0;
  #turn = 0;
  #readThisTurn = 0;
  #held: HeldPackets | null = null;
  #isHolder = false;
  #connackHeld = false;
  readonly #timer = new Timer(this);
  #writeTimer: Timer | null = null;
  #unsentBytes = 0;
  #closeReason = '';

  constructor(context: Context, owner: ConnectionOwner, stream: Stream) {
    this.context = context;
    this.owner = owner;
    this.stream = stream;
    this.id = `__anon_${context.ids.uuid()}`;
    this.framer = new Framer(context.limits.packetSizeMax);
    this.output = new Output(context.pool);
    this.openedAtMs = context.clock.now();
    this.lastReceivedMs = this.openedAtMs;
    context.wheel.arm(this.#timer, context.limits.connectTimeoutMs);
  }

  /** Its CONNACK is out: messages may be sent. */
  get isReady(): boolean {
    return this.state === ConnectionState.Connected && !this.#connackHeld;
  }

  /** Below the limit past which QoS 0 is dropped and QoS 1 and 2 stay queued. */
  get hasOutputRoom(): boolean {
    return this.output.pendingBytes < this.context.limits.outputBytesMax;
  }

  get isOpen(): boolean {
    return this.state < ConnectionState.Closing;
  }

  get closeReason(): string {
    return this.#closeReason;
  }

  // Reading

  onData(chunk: Uint8Array, length: number): void {
    if (this.state >= ConnectionState.Closing) return;
    const { clock, metrics, tick } = this.context;
    this.lastReceivedMs = clock.now();
    this.bytesReceived += length;
    metrics.bytesReceived += length;
    if (this.#turn !== tick.turn) {
      this.#turn = tick.turn;
      this.#readThisTurn = 0;
    }
    this.#readThisTurn += length;
    this.framer.feed(chunk, 0, length);
    if (this.#readThisTurn > READ_BYTES_PER_TURN_MAX) this.#waitForNextTurn();
    this.#decode();
  }

  /** Its share of a new turn. */
  nextTurn(): void {
    this.#isWaitingForTurn = false;
    this.resumeReading(PauseReason.Turn);
  }

  pauseReading(reason: PauseReason): void {
    if (this.#paused === 0) this.stream.pause();
    this.#paused |= reason;
  }

  resumeReading(reason: PauseReason): void {
    if ((this.#paused & reason) === 0) return;
    this.#paused &= ~reason;
    if (this.#paused !== 0 || this.state >= ConnectionState.Closing) return;
    // The client could not be heard: its keep-alive stood still.
    this.lastReceivedMs = this.context.clock.now();
    if (!this.#isDecoding) this.#decode();
    if (this.#paused === 0) this.stream.resume();
  }

  get isReadingPaused(): boolean {
    return this.#paused !== 0;
  }

  #decode(): void {
    const framer = this.framer;
    const { limits, tick } = this.context;
    this.#isDecoding = true;
    try {
      while (this.#paused === 0 && framer.next()) {
        const reasonCode = dispatch(this, framer);
        if (reasonCode >= ReasonCode.UnspecifiedError) this.disconnect(reasonCode);
        if (this.state >= ConnectionState.Closing) break;
        if (tick.isExhausted) this.#waitForNextTurn();
        if (this.output.pendingBytes > limits.outputBytesMax) this.pauseReading(PauseReason.Output);
      }
    } catch (error) {
      this.#onError(error);
    }
    this.#isDecoding = false;
    if (this.state >= ConnectionState.Closing) framer.clear();
    else framer.keep();
  }

  #waitForNextTurn(): void {
    this.pauseReading(PauseReason.Turn);
    if (this.#isWaitingForTurn) return;
    this.#isWaitingForTurn = true;
    this.context.tick.waitForNextTurn(this);
  }

  #onError(error: unknown): void {
    const { logger, metrics } = this.context;
    if (error instanceof ProtocolError) {
      metrics.protocolErrors++;
      logger.info(
        {
          clientId: this.client?.clientId ?? null,
          remote: `${this.stream.remoteAddress}:${this.stream.remotePort}`,
          reasonCode: error.reasonCode,
          clause: error.clause,
        },
        `the client broke the protocol: ${error.message}`,
      );
      this.fail(error.reasonCode, `${error.message} (${error.clause})`);
      return;
    }
    if (error instanceof AssertionFailure) metrics.assertionFailures++;
    logger.error(
      { clientId: this.client?.clientId ?? null, error: (error as Error).stack ?? String(error) },
      'an error of the server’s own ended this connection; please report it',
    );
    this.fail(ReasonCode.UnspecifiedError, 'an error of the server');
  }

  // Writing

  /** Encodes and appends a control packet; false if it does not fit into the client's Maximum Packet Size. */
  send(packet: Packet): boolean {
    const bytes = encodePacket(packet, this.version, this.maximumPacketSize);
    if (bytes === null) return false;
    this.context.metrics.packetsSent[packet.type]++;
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
   * when it has been appended.
   */
  sendWhenDurable(packet: Packet, commit: number, then: (() => void) | null = null): void {
    if (this.state !== ConnectionState.Connected) return;
    if (!this.#mustHold(commit)) {
      this.send(packet);
      if (then !== null) then();
      return;
    }
    const bytes = encodePacket(packet, this.version, this.maximumPacketSize);
    if (bytes === null) return;
    this.context.metrics.packetsSent[packet.type]++;
    if (packet.type === PacketType.Connack) this.#connackHeld = true;
    this.#hold(new HeldPacket(commit, bytes, false, then));
  }

  /** PUBACK, PUBREC, PUBREL or PUBCOMP, when `commit` is durable. */
  sendAck(
    type: AckPacket['type'],
    packetId: number,
    reasonCode: ReasonCode,
    commit: number,
    freesSlot: boolean,
  ): void {
    if (this.state !== ConnectionState.Connected) return;
    this.context.metrics.packetsSent[type]++;
    const isShort = this.version !== 5 || reasonCode === ReasonCode.Success;
    if (this.#mustHold(commit)) {
      const bytes = new Uint8Array(isShort ? 4 : 5);
      if (isShort) writeAck(bytes, 0, type, packetId);
      else writeAckWithReason(bytes, 0, type, packetId, reasonCode);
      this.#hold(new HeldPacket(commit, bytes, freesSlot, null));
      return;
    }
    const output = this.output;
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
    const { delivery, encodeOnce, metrics } = this.context;
    const isV5 = this.version === 5;
    delivery.version = this.version;
    delivery.qos = qos;
    delivery.retain = retain;
    delivery.dup = dup;
    delivery.packetId = packetId;
    delivery.subscriptionIdentifiers = subscriptionIdentifiers;
    delivery.topicAlias = 0;
    delivery.withTopic = true;
    delivery.messageExpiryInterval = isV5 ? message.remainingExpiry(nowMs) : NO_EXPIRY;
    const isHeld = qos === 2 && this.#mustHold(commit);
    if (this.maximumPacketSize !== Number.POSITIVE_INFINITY) {
      // With an alias it could be smaller; what does not fit whole is not sent at all. [MQTT-3.1.2-24]
      const allowance = this.outboundAliases === null ? 0 : 4;
      const size = packetSize(publishRemainingLength(message, delivery)) + allowance;
      if (size > this.maximumPacketSize) return false;
    }
    metrics.packetsSent[PacketType.Publish]++;
    metrics.publishSent[qos]++;
    if (isHeld) {
      this.#holdPublish(message, commit);
      return true;
    }
    if (this.outboundAliases !== null) {
      delivery.topicAlias = this.outboundAliases.take(message.topic);
      delivery.withTopic = delivery.topicAlias === 0 || !this.outboundAliases.isKnown;
    }
    const form = encodeOnce.get(message, delivery);
    const output = this.output;
    if (form !== null) {
      const size = form.size;
      output.reserve(size);
      const start = output.length;
      output.buffer.set(form.bytes.subarray(0, size), start);
      if (qos > 0) {
        output.buffer[start + form.packetIdOffset] = packetId >>> 8;
        output.buffer[start + form.packetIdOffset + 1] = packetId & 0xff;
      }
      output.length = start + size;
      this.#appended(size);
      return true;
    }
    const remainingLength = publishRemainingLength(message, delivery);
    const size = packetSize(remainingLength);
    const payloadLength = message.payloadLength;
    if (payloadLength >= SHARED_PAYLOAD_MIN) {
      output.reserve(size - payloadLength);
      output.length = writePublishHead(message, delivery, remainingLength, output.buffer, output.length);
      output.appendShared(message.own().payload);
    } else {
      output.reserve(size);
      const position = writePublishHead(message, delivery, remainingLength, output.buffer, output.length);
      output.length = writePublishPayload(message, output.buffer, position);
    }
    this.#appended(size);
    return true;
  }

  /** End of the turn: one write. */
  endTurn(): void {
    this.#isDirty = false;
    if (this.state !== ConnectionState.Closed) this.#flush();
  }

  onWritten(): void {
    this.output.written();
    if (this.#writeTimer !== null) this.context.wheel.cancel(this.#writeTimer);
    if (this.state === ConnectionState.Closed) return;
    this.#flush();
    if (this.state === ConnectionState.Closing) {
      if (!this.output.isWriting) this.stream.end();
      return;
    }
    if (!this.output.isWriting) {
      this.session?.pump(this.context.clock.now());
      this.resumeReading(PauseReason.Output);
    }
  }

  #appended(size: number): void {
    this.context.tick.outputBytes += size;
    if (this.output.length >= LARGE && !this.output.isWriting) this.#flush();
    if (!this.#isDirty) {
      this.#isDirty = true;
      this.context.tick.markDirty(this);
    }
  }

  #flush(): void {
    const output = this.output;
    const bytes = output.flush(this.stream);
    if (bytes === 0) return;
    this.bytesSent += bytes;
    this.context.metrics.bytesSent += bytes;
    if (!output.isWriting) return;
    this.#writeTimer ??= new Timer(this);
    this.#unsentBytes = this.stream.unsentBytes;
    this.context.wheel.arm(this.#writeTimer, this.context.limits.writeTimeoutMs);
  }

  // Waiting for the commit

  #mustHold(commit: number): boolean {
    const { commits } = this.context;
    if (commits === null) return false;
    return commit > commits.durable || (this.#held !== null && this.#held.length > 0);
  }

  #hold(packet: HeldPacket): void {
    this.#held ??= heldPackets();
    this.#held.push(packet);
    if (this.#held.length >= HELD_MAX) this.pauseReading(PauseReason.Commit);
    if (this.#isHolder) return;
    this.#isHolder = true;
    this.context.commits?.waitFor(this);
  }

  #holdPublish(message: Message, commit: number): void {
    const { delivery } = this.context;
    const remainingLength = publishRemainingLength(message, delivery);
    const bytes = new Uint8Array(packetSize(remainingLength));
    writePublishPayload(message, bytes, writePublishHead(message, delivery, remainingLength, bytes, 0));
    this.#hold(new HeldPacket(commit, bytes, false, null));
  }

  onDurable(durable: number): void {
    this.#isHolder = false;
    const held = this.#held;
    if (held === null || this.state !== ConnectionState.Connected) return;
    for (;;) {
      const packet = held.peek();
      if (packet === undefined || packet.commit > durable) break;
      held.shift();
      this.#connackHeld = false; // CONNACK is always the first
      this.output.append(packet.bytes);
      this.#appended(packet.bytes.length);
      if (packet.freesSlot && this.unacknowledged > 0) this.unacknowledged--;
      if (packet.then !== null) packet.then();
      if (!this.isOpen) return;
    }
    if (held.length > 0) {
      this.#isHolder = true;
      this.context.commits?.waitFor(this);
    }
    if (held.length < HELD_MAX) this.resumeReading(PauseReason.Commit);
  }

  // Parking

  /** Stops reading until `promise` is settled, then runs `then` and goes on; packets keep their order. */
  park<T>(promise: Promise<T>, then: (value: T) => ReasonCode): void {
    this.pauseReading(PauseReason.Parked);
    promise
      .then(
        (value) => {
          if (!this.isOpen) return;
          const reasonCode = then(value);
          if (reasonCode >= ReasonCode.UnspecifiedError) this.disconnect(reasonCode);
        },
      )
      .catch((error: unknown) => {
        if (this.isOpen) this.#onError(error);
      })
      .finally(() => this.resumeReading(PauseReason.Parked));
  }

  /** Stops reading and ends it after a while: for a v3 client that must not be acknowledged and cannot be told why. */
  closeLater(delayMs: number, reason: string): void {
    this.pauseReading(PauseReason.Parked);
    const timer = new Timer({ onTimer: () => this.close(reason) });
    this.context.wheel.arm(timer, delayMs);
  }

  // Time

  /** Starts watching the client's keep-alive. [MQTT-3.1.2-22] */
  startKeepAlive(seconds: number): void {
    this.keepAliveTimeoutMs = seconds * 1_500; // one and a half times, §3.1.2.10
    if (seconds === 0) this.context.wheel.cancel(this.#timer);
    else this.context.wheel.arm(this.#timer, this.keepAliveTimeoutMs);
  }

  onTimer(timer: Timer, nowMs: number): void {
    if (timer === this.#writeTimer) {
      this.#onWriteTimer();
      return;
    }
    if (this.state === ConnectionState.Closing) {
      this.stream.destroy();
    } else if (this.state !== ConnectionState.Connected) {
      this.#closeReason ||= 'no CONNECT in time';
      this.destroy();
    } else if (this.#paused !== 0) {
      this.context.wheel.arm(timer, this.keepAliveTimeoutMs);
    } else {
      const dueMs = this.lastReceivedMs + this.keepAliveTimeoutMs;
      if (dueMs > nowMs) this.context.wheel.armAt(timer, dueMs);
      else this.disconnect(ReasonCode.KeepAliveTimeout, 'nothing was received for 1.5 × keep alive');
    }
  }

  #onWriteTimer(): void {
    const unsentBytes = this.stream.unsentBytes;
    if (unsentBytes < this.#unsentBytes && this.#writeTimer !== null) {
      this.#unsentBytes = unsentBytes;
      this.context.wheel.arm(this.#writeTimer, this.context.limits.writeTimeoutMs);
      return;
    }
    this.#closeReason ||= 'the client does not read';
    this.destroy();
  }

  // The end

  /** Ends it with a reason, from any state: CONNACK before it was accepted, DISCONNECT after (v5), or nothing (v3). */
  fail(reasonCode: ReasonCode, reasonString: string): void {
    if (this.state < ConnectionState.Connected) refuseConnect(this, reasonCode, reasonString);
    else this.disconnect(reasonCode, reasonString);
  }

  /** Ends an accepted connection: DISCONNECT to a v5 client, [MQTT-3.14.4-1] then the stream. The will is published. */
  disconnect(reasonCode: ReasonCode, reasonString?: string, serverReference?: string): void {
    if (this.state >= ConnectionState.Closing) return;
    if (this.state < ConnectionState.Connected) {
      this.close(reasonString ?? `reason code ${reasonCode}`);
      return;
    }
    if (this.version === 5 && !this.#connackHeld) {
      this.send({
        type: PacketType.Disconnect,
        reasonCode,
        properties: { reasonString, serverReference },
      });
    }
    this.close(reasonString ?? `reason code 0x${reasonCode.toString(16)}`, true);
  }

  /** Ends it without a word more than what has been appended. `publishesWill` is false after a normal DISCONNECT. */
  close(reason: string, publishesWill = true): void {
    if (this.state >= ConnectionState.Closing) return;
    this.#closeReason ||= reason;
    this.#leave(publishesWill);
    this.state = ConnectionState.Closing;
    this.context.wheel.arm(this.#timer, LINGER_MS);
    this.#flush();
    if (!this.output.isWriting) this.stream.end();
    // What the peer still sends is read and thrown away: unread bytes would turn the close into a reset.
    if (this.#paused !== 0) {
      this.#paused = 0;
      this.stream.resume();
    }
    if (!this.#isDecoding) this.framer.clear();
  }

  /** Closes at once. */
  destroy(): void {
    if (this.state === ConnectionState.Closed) return;
    this.#leave(true);
    this.state = ConnectionState.Closing;
    this.stream.destroy();
  }

  /** The client sends no more. MQTT knows no half-open connections: it is gone. */
  onEnd(): void {
    this.close('the client closed the connection');
  }

  onClose(error: Error | null): void {
    if (this.state === ConnectionState.Closed) return;
    this.#closeReason ||= error === null ? 'the client closed the connection' : error.message;
    this.#leave(true);
    this.state = ConnectionState.Closed;
    this.context.wheel.cancel(this.#timer);
    if (this.#writeTimer !== null) this.context.wheel.cancel(this.#writeTimer);
    this.output.clear();
    this.framer.clear();
    this.owner.onClosed(this);
  }

  /** Gives the session back. */
  #leave(publishesWill: boolean): void {
    if (this.state >= ConnectionState.Closing) return;
    this.#held = null;
    this.authentication?.abort();
    const session = this.session;
    if (session === null) return;
    // From here on nothing of the session goes to this connection.
    this.session = null;
    this.#connackHeld = false;
    session.detach(this, publishesWill);
  }

  // CONNECT was accepted

  /** Everything CONNECT settled; what follows is up to `session`. */
  accept(session: Session, client: Client, topicAliasMaximum: number): void {
    const { limits } = this.context;
    this.state = ConnectionState.Connected;
    this.session = session;
    this.client = client;
    this.id = session.id;
    if (this.version === 5) {
      if (limits.topicAliasMax > 0) this.inboundAliases = new InboundAliases();
      const outbound = Math.min(topicAliasMaximum, limits.topicAliasOutboundMax);
      if (outbound > 0) this.outboundAliases = new OutboundAliases(outbound);
    }
    this.owner.onConnected(this);
  }
}
