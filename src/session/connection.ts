// One Network Connection of the specification: bytes in, packets to the handlers, packets out through one coalescing buffer.
// It decides when to read and when to stop, what waits for a commit, and how it ends. Everything that is known of the client
// beyond this socket is in its Session. Nothing here waits: what must wait parks this connection and nobody else.

import type { Client } from '../auth/auth.ts';
import type { Waiting } from '../core/tick.ts';
import { AssertionFailure } from '../lib/assert.ts';
import { Timer, type TimerOwner } from '../lib/timer-wheel.ts';
import { Framer } from '../protocol/framer.ts';
import { PacketType, type ProtocolVersion } from '../protocol/packet.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import { reasonCodeName } from '../protocol/reason-code-table.ts';
import type { Stream, StreamSink } from '../transport/stream.ts';
import { ConnectionState, PauseReason } from './connection-state.ts';
import type { ConnectionOwner, Context } from './context.ts';
import { byServer, byStream, CLIENT_CLOSED, Departure, type Ending } from './departure.ts';
import { dispatch } from './dispatch.ts';
import type { EnhancedAuthentication } from './enhanced-auth.ts';
import { tellFault } from './faults.ts';
import { IdentityExpiry } from './identity-expiry.ts';
import { KeepAlive } from './keep-alive.ts';
import type { Newcomer } from './newcomer.ts';
import { logPacket } from './packet-line.ts';
import type { ConnectionQuota } from './quota.ts';
import { Reading } from './reading.ts';
import { identify } from './reauthorize.ts';
import { logProtocolError, refuseConnect, whyNotConnect } from './refuse.ts';
import type { Session } from './session.ts';
import { InboundAliases, OutboundAliases } from './topic-alias.ts';
import { Writer, type WriterOwner } from './writer.ts';

const READ_BYTES_PER_TURN_MAX = 1_048_576;
/** Milliseconds that a peer has to close its side after ours is closed. */
const LINGER_MS = 2_000;
const CUT_OFF = byServer('the server cut the connection off');

export class Connection implements StreamSink, Waiting, WriterOwner, TimerOwner {
  /** `__anon_<uuid>` until CONNECT is accepted, then the session's id */
  id: string;
  state: ConnectionState = ConnectionState.Opening;
  readonly context: Context;
  readonly owner: ConnectionOwner;
  readonly stream: Stream;
  readonly framer: Framer;
  readonly writer: Writer;
  session: Session | null = null;
  client: Client | null = null;
  /** What CONNECT said, for re-authentication. */
  request: Newcomer | null = null;
  authentication: EnhancedAuthentication | null = null;
  requestProblemInformation = true;
  isBridge = false;
  /** Answers that it waits for. */
  parkedAnswers = 0;
  /** A CONNECT with a known protocol name is in: its sender understands a CONNACK. */
  isConnect = false;
  /** The log says already why it was not let in. */
  isExplained = false;
  /** QoS 1 and 2 messages that may be in flight to the client: the smaller of its Receive Maximum and ours. */
  sendWindow = 0;
  inboundAliases: InboundAliases | null = null;
  /** Rates that bound what its client publishes; null: none. */
  quota: ConnectionQuota | null = null;
  readonly keepAlive: KeepAlive;
  readonly #reading: Reading;
  /** When the bytes that are being handled came; monotonic milliseconds. */
  lastReceivedMs: number;
  readonly openedAtMs: number;
  bytesReceived = 0;
  /** PUBLISH packets of its client. */
  messagesReceived = 0;
  /** When the last whole packet came; monotonic milliseconds. */
  lastPacketMs: number;
  /** How it ended; null: it has not. */
  departure: Departure | null = null;
  #isWaitingForTurn = false;
  #isDecoding = false;
  #turn = 0;
  #readThisTurn = 0;
  readonly #timer = new Timer(this);
  /** When who it is ends; null = not by itself. */
  #identity: IdentityExpiry | null = null;
  /** The peer ended while bytes of it were still waiting here. */
  #peerHasEnded = false;

  constructor(context: Context, owner: ConnectionOwner, stream: Stream) {
    this.context = context;
    this.owner = owner;
    this.stream = stream;
    this.id = `__anon_${context.ids.uuid()}`;
    const { packetSizeMax, unacceptedBytesMax } = context.limits;
    this.framer = new Framer(Math.min(packetSizeMax, unacceptedBytesMax));
    this.writer = new Writer(context, stream, this);
    this.openedAtMs = context.clock.now();
    this.lastReceivedMs = this.openedAtMs;
    this.lastPacketMs = this.openedAtMs;
    this.keepAlive = new KeepAlive(this.openedAtMs);
    this.#reading = new Reading(stream);
    context.wheel.arm(this.#timer, context.limits.connectTimeoutMs);
  }

  /** Its CONNACK is out: messages may be sent. */
  get isReady(): boolean {
    return this.state === ConnectionState.Connected && !this.writer.isConnackHeld;
  }

  get version(): ProtocolVersion {
    return this.writer.version;
  }

  get isOpen(): boolean {
    return this.state < ConnectionState.Closing;
  }

  // Reading

  onData(chunk: Uint8Array, length: number): void {
    if (this.state >= ConnectionState.Closing) return;
    const { clock, metrics, shedding, tick } = this.context;
    const nowMs = clock.now();
    this.lastReceivedMs = nowMs;
    this.keepAlive.onBytes(length, nowMs);
    const isFirst = this.bytesReceived === 0;
    this.bytesReceived += length;
    metrics.bytesReceived += length;
    shedding.onFlow(metrics.bytesReceived + tick.pastOutputBytes);
    const whyNot = isFirst ? whyNotConnect(chunk, length) : null;
    if (whyNot !== null) {
      // Now, not after the length that such bytes happen to announce: they may never come.
      this.owner.refuseFor('not-mqtt');
      this.close(byServer(whyNot)); // [MQTT-3.1.0-1]
      return;
    }
    if (this.#turn !== tick.turn) {
      this.#turn = tick.turn;
      this.#readThisTurn = 0;
    }
    this.#readThisTurn += length;
    this.framer.feed(chunk, 0, length);
    if (this.#reading.isPaused) this.#reading.onBytes(length, this.#isStranger);
    if (this.#readThisTurn > READ_BYTES_PER_TURN_MAX) this.#waitForNextTurn();
    this.#decode();
  }

  /** Its share of a new turn. */
  nextTurn(): void {
    this.#isWaitingForTurn = false;
    this.resumeReading(PauseReason.Turn);
  }

  pauseReading(reason: PauseReason): void {
    if (this.state >= ConnectionState.Closing) return; // what comes is thrown away until the peer has ended, too
    this.#reading.pause(reason, this.#isStranger);
  }

  resumeReading(reason: PauseReason): void {
    if (!this.#reading.has(reason)) return;
    this.#reading.lift(reason);
    if (this.#reading.isPaused || this.state >= ConnectionState.Closing) return;
    // The client could not be heard: its keep-alive stood still.
    this.lastReceivedMs = this.context.clock.now();
    this.keepAlive.onPacket(this.lastReceivedMs);
    if (!this.#isDecoding) this.#decode();
    if (this.#reading.isPaused) return;
    if (this.#peerHasEnded) this.close(CLIENT_CLOSED);
    else this.#reading.resume();
  }

  get #isStranger(): boolean {
    return this.state === ConnectionState.Authenticating;
  }

  #decode(): void {
    const { framer, writer } = this;
    const { limits, logger, tick } = this.context;
    const isTold = logger.isLevelEnabled?.('debug') === true;
    this.#isDecoding = true;
    try {
      while (!this.#reading.isPaused) {
        // Asked before every packet: what others did this turn counts too.
        if (tick.isExhausted) this.#waitForNextTurn();
        if (this.#reading.isPaused || !framer.next()) break;
        this.keepAlive.onPacket(this.lastReceivedMs);
        this.lastPacketMs = this.lastReceivedMs;
        if (isTold) logPacket(this, framer);
        const reasonCode = dispatch(this, framer);
        if (reasonCode >= ReasonCode.UnspecifiedError) this.disconnect(reasonCode);
        if (this.state >= ConnectionState.Closing) break;
        if (writer.output.pendingBytes > limits.outputBytesMax)
          this.pauseReading(PauseReason.Output);
      }
    } catch (error) {
      this.onError(error);
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

  /** Something was thrown while one of its packets was handled: a ProtocolError is the client's doing, the rest ours. */
  onError(error: unknown): void {
    const { metrics } = this.context;
    this.isExplained = true;
    if (error instanceof ProtocolError) {
      metrics.protocolErrors++;
      logProtocolError(this, error);
      this.fail(error.reasonCode, `${error.message} (${error.clause})`);
      return;
    }
    if (error instanceof AssertionFailure) metrics.assertionFailures++;
    const who = { clientId: this.client?.clientId ?? '', remoteAddress: this.stream.remoteAddress };
    const stack = { error: (error as Error).stack ?? String(error) };
    const sentence = 'an error of the server’s own ended this connection; please report it';
    tellFault(this.context, who, stack, sentence);
    this.fail(ReasonCode.UnspecifiedError, 'an error of the server');
  }

  // What the writer tells

  onWritten(): void {
    this.writer.written();
  }

  onDrained(): void {
    if (this.state === ConnectionState.Closing) {
      this.stream.end();
    } else if (this.isOpen) {
      this.session?.pump(this.context.clock.now());
      this.resumeReading(PauseReason.Output);
    }
  }

  onStuck(): void {
    this.destroy(byServer('the client does not read'));
  }

  onHeld(isFull: boolean): void {
    if (isFull) this.pauseReading(PauseReason.Commit);
    else this.resumeReading(PauseReason.Commit);
  }

  /** Stops reading and ends it after a while: for a v3 client that must not be acknowledged and cannot be told why. */
  closeLater(delayMs: number, ending: Ending): void {
    this.pauseReading(PauseReason.Condemned);
    const timer = new Timer({ onTimer: () => this.close(ending) });
    this.context.wheel.arm(timer, delayMs);
  }

  // Time

  /** Starts watching the client's keep-alive. [MQTT-3.1.2-22] */
  startKeepAlive(seconds: number): void {
    const { clock, wheel } = this.context;
    this.keepAlive.start(seconds, clock.now());
    if (seconds === 0) wheel.cancel(this.#timer);
    else wheel.armAt(this.#timer, this.keepAlive.dueMs);
  }

  onTimer(timer: Timer, nowMs: number): void {
    if (this.state === ConnectionState.Closing) {
      this.stream.destroy();
    } else if (this.state === ConnectionState.Authenticating && this.parkedAnswers > 0) {
      this.context.wheel.arm(timer, this.context.limits.connectTimeoutMs); // it is not its client that is late
    } else if (this.state !== ConnectionState.Connected) {
      this.destroy(byServer('no CONNECT in time'));
    } else if (this.#reading.isPaused) {
      this.context.wheel.arm(timer, this.keepAlive.timeoutMs);
    } else {
      const { dueMs } = this.keepAlive;
      if (dueMs > nowMs) this.context.wheel.armAt(timer, dueMs);
      else
        this.disconnect(ReasonCode.KeepAliveTimeout, 'nothing was received for 1.5 × keep alive');
    }
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
    const ending = byServer(reasonString ?? reasonCodeName(reasonCode), reasonCode);
    if (this.state < ConnectionState.Connected) {
      this.close(ending);
      return;
    }
    if (this.version === 5 && !this.writer.isConnackHeld) {
      this.writer.send({
        type: PacketType.Disconnect,
        reasonCode,
        properties: { reasonString, serverReference },
      });
    }
    this.close(ending);
  }

  /** Ends it without a word more than what has been appended. `publishesWill` is false after a normal DISCONNECT. */
  close(ending: Ending, publishesWill = true): void {
    if (this.state >= ConnectionState.Closing) return;
    const wasClient = this.#leave(ending, publishesWill);
    this.state = ConnectionState.Closing;
    this.context.wheel.arm(this.#timer, LINGER_MS);
    this.writer.flush();
    if (wasClient) this.context.connectionLog.disconnected(this);
    if (!this.writer.output.isWriting) this.stream.end();
    // What the peer still sends is read and thrown away: unread bytes would turn the close into a reset.
    if (this.#reading.isPaused) this.#reading.resume();
    if (!this.#isDecoding) this.framer.clear();
  }

  /** Closes at once. */
  destroy(ending = CUT_OFF): void {
    if (this.state === ConnectionState.Closed) return;
    if (this.#leave(ending, true)) this.context.connectionLog.disconnected(this);
    this.state = ConnectionState.Closing;
    this.stream.destroy();
  }

  /** The client sends no more. MQTT knows no half-open connections: it is gone. */
  onEnd(): void {
    if (this.framer.hasMore && this.isOpen) this.#peerHasEnded = true;
    else this.close(CLIENT_CLOSED);
  }

  onClose(error: Error | null): void {
    if (this.state === ConnectionState.Closed) return;
    if (this.#leave(byStream(error), true)) this.context.connectionLog.disconnected(this);
    this.state = ConnectionState.Closed;
    this.context.wheel.cancel(this.#timer);
    this.writer.close();
    this.framer.clear();
    this.owner.onClosed(this);
  }

  /** Gives the session back, if it has one; the first who ends the connection says why. */
  #leave(ending: Ending, publishesWill: boolean): boolean {
    if (this.state >= ConnectionState.Closing) return false;
    this.departure = new Departure(this, ending);
    this.writer.forgetHeld();
    this.#identity?.cancel();
    this.authentication?.abort();
    const session = this.session;
    if (session === null) return false;
    this.context.tracing.trace?.disconnected(this, session);
    // From here on nothing of the session goes to this connection.
    this.session = null;
    session.detach(this, publishesWill);
    return true;
  }

  // CONNECT was accepted

  /** Who it is ends at this time of the wall clock (milliseconds), if it does, unless it re-authenticates. */
  expireAt(expiresAtMs: number | undefined): void {
    this.#identity?.cancel();
    this.#identity = expiresAtMs === undefined ? null : new IdentityExpiry(this, expiresAtMs);
  }

  /** A re-authentication: the same user, and what is known of it now. MQTT 5 §4.12.1 */
  identify(session: Session, client: Client, expiresAtMs: number | undefined): void {
    this.client = client;
    identify(this.context, session, client);
    this.expireAt(expiresAtMs);
  }

  /** Everything CONNECT settled; what follows is up to `session`. */
  accept(session: Session, client: Client, topicAliasMaximum: number): void {
    const { limits } = this.context;
    this.state = ConnectionState.Connected;
    this.request?.forgetPassword();
    this.session = session;
    this.client = client;
    this.id = session.id;
    if (this.version === 5) {
      if (limits.topicAliasMax > 0) this.inboundAliases = new InboundAliases();
      const outbound = Math.min(topicAliasMaximum, limits.topicAliasOutboundMax);
      if (outbound > 0) this.writer.outboundAliases = new OutboundAliases(outbound);
    }
    this.framer.maximumPacketSize = limits.packetSizeMax;
    this.stream.accepted();
    this.owner.onConnected(this);
  }
}
