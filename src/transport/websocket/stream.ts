// A WebSocket as a stream of bytes: what comes in binary messages is handed on in order, wherever packets begin and end, and
// each write leaves as one message with one system call.
//
// It frames by itself: with the package ws a message in a batch cost four times what it costs over TCP, here less than one and
// a half. Only compressed connections, which are another kind of expensive, are left to that package (deflating.ts).
//
// A close frame is an end: whoever sent one sends no more. Ours answers it when the sink has ended, so that what it still has
// to say is said before.

import type net from 'node:net';
import type { RefusalLog } from '../../core/refusal-log.ts';
import { formatPeer, limitKey } from '../../lib/address.ts';
import { Timer, type TimerOwner, type TimerWheel } from '../../lib/timer-wheel.ts';
import { type ClientCertificate, type Stream, StreamRefused, type StreamSink } from '../stream.ts';
import {
  CloseCode,
  FrameError,
  FrameReader,
  frameHeaderBytes,
  isCloseCode,
  isText,
  Opcode,
  writeFrameHeader,
} from './frames.ts';
import { Heartbeat, type Pinged } from './heartbeat.ts';
import type { WebSocketOptions } from './options.ts';

/** Milliseconds that a refused peer has to read why, and to close. */
const LINGER_MS = 2_000;
/** Up to here a write is copied behind its header, into what Buffer's pool has at hand: one piece costs less than two. */
const COPY_MAX = 4_000;
/** Of the pings that come in one read so many are answered one by one, then only the last: each answer is a system call. */
const PONGS_PER_READ_MAX = 16;
const NO_BYTES = new Uint8Array(0);

interface WithWriteQueueSize {
  readonly _handle?: { readonly writeQueueSize?: number } | null;
}

/** What all streams of a door share. */
export interface WebSocketContext {
  readonly options: WebSocketOptions;
  readonly wheel: TimerWheel;
  readonly log: RefusalLog;
}

/** Who is at the other end, and how it came. */
export interface WebSocketPeer {
  readonly transport: 'ws' | 'wss';
  readonly address: string;
  readonly port: number;
  readonly certificate: ClientCertificate | null;
}

export class WebSocketStream implements Stream, Pinged, TimerOwner {
  readonly transport: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly certificate: ClientCertificate | null;
  readonly #socket: net.Socket;
  readonly #wheel: TimerWheel;
  readonly #log: RefusalLog;
  readonly #unacceptedBytesMax: number;
  readonly #readsByEvents: boolean;
  readonly #reader: FrameReader;
  readonly #heartbeat: Heartbeat;
  readonly #lingerTimer = new Timer(this);
  #sink: StreamSink | null = null;
  #isPaused = false;
  /** What came before it was opened, or what a pause has left of a chunk, behind a control frame. */
  #rest: Uint8Array = NO_BYTES;
  #isScheduled = false;
  #isWriting = false;
  /** Writes whose callback has not come: also for one that was done at once it comes later, maybe after the next began. */
  #callbacksDue = 0;
  /** What the last ping that is not answered yet said. */
  #pongDue: Uint8Array | null = null;
  #pongsThisRead = 0;
  /** Our close frame is out: nothing may follow it. */
  #hasClosed = false;
  #peerHasClosed = false;
  #isEndDue = false;
  #isEndTold = false;
  /** Nothing that comes counts any more. */
  #isDeaf = false;
  #error: Error | null = null;
  #isAccepted = false;
  #unacceptedBytes = 0;
  readonly #onWritten = (error?: Error | null): void => {
    // Of a destroyed socket the callback has no error, but the bytes did not go.
    if (--this.#callbacksDue > 0 || error || this.#socket.destroyed) return;
    if (this.#pongDue !== null) this.#sendPong(this.#pongDue);
    if (!this.#isWriting) return;
    this.#isWriting = false;
    this.#sink?.onWritten();
  };

  /**
   * An upgraded socket: it reads by events, or into a shared buffer and calls `onRead`. `head` came behind the request.
   * Nothing is read before `open`.
   */
  constructor(
    socket: net.Socket,
    readsByEvents: boolean,
    head: Uint8Array,
    peer: WebSocketPeer,
    context: WebSocketContext,
  ) {
    const { options, wheel, log } = context;
    this.transport = peer.transport;
    this.remoteAddress = peer.address;
    this.remotePort = peer.port;
    this.certificate = peer.certificate;
    this.#socket = socket;
    this.#readsByEvents = readsByEvents;
    this.#wheel = wheel;
    this.#log = log;
    this.#unacceptedBytesMax = options.unacceptedBytesMax;
    this.#reader = new FrameReader(options.payloadMax);
    this.#heartbeat = new Heartbeat(wheel, options.pingIntervalMs, this);
    if (head.length > 0) this.#rest = head; // an empty one would keep the request's bytes
    socket.on('error', (error) => {
      this.#error ??= error;
      // An error of TLS, other than one of the socket, does not end it.
      socket.destroy();
    });
  }

  get unsentBytes(): number {
    // What libuv still holds shrinks with every partial write; `writableLength` only when a write is done.
    const handle = (this.#socket as unknown as WithWriteQueueSize)._handle;
    return handle?.writeQueueSize ?? this.#socket.writableLength;
  }

  accepted(): void {
    this.#isAccepted = true;
  }

  open(sink: StreamSink): void {
    this.#sink = sink;
    const socket = this.#socket;
    if (socket.destroyed) {
      queueMicrotask(() => this.#closed());
      return;
    }
    if (this.#readsByEvents) {
      // Paused first: a listener would set it going.
      socket.pause();
      socket.on('data', (chunk: Uint8Array) => this.#read(chunk, 0, chunk.length));
    }
    socket.on('end', () => this.#ended());
    socket.on('close', () => this.#closed());
    // A socket in which nothing waits ends without being read.
    this.#isEndDue = socket.readableEnded;
    if (this.#rest.length > 0 || this.#isEndDue) this.#schedule();
    else if (this.#readsByEvents) socket.resume();
    else socket.read(0);
    this.#heartbeat.start();
  }

  /** So many bytes were read into the shared buffer. */
  onRead(length: number, buffer: Uint8Array): void {
    this.#read(buffer, 0, length);
  }

  write(bytes: Uint8Array): boolean {
    if (!this.#canSend) return true;
    this.#isWriting = true;
    this.#callbacksDue++;
    this.#send(Opcode.Binary, bytes, this.#onWritten);
    return this.#isDone();
  }

  /** A message for each piece: a client does not care where they end. */
  writeAll(pieces: readonly Uint8Array[]): boolean {
    if (!this.#canSend) return true;
    const socket = this.#socket;
    const last = pieces.length - 1;
    this.#isWriting = true;
    this.#callbacksDue++;
    socket.cork();
    for (let i = 0; i < last; i++) this.#send(Opcode.Binary, pieces[i]);
    this.#send(Opcode.Binary, pieces[last], this.#onWritten);
    socket.uncork();
    return this.#isDone();
  }

  pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#rest.length === 0 && !this.#isEndDue) this.#socket.resume();
    else this.#schedule();
  }

  /** Says goodbye after what is written. */
  end(): void {
    this.#close(CloseCode.Normal, '');
    if (this.#peerHasClosed || this.#socket.readableEnded) this.#socket.end();
  }

  destroy(): void {
    this.#isDeaf = true;
    this.#socket.destroy();
  }

  // Its heartbeat

  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  get canAnswer(): boolean {
    return !this.#isPaused && !this.#isWriting && !this.#isDeaf;
  }

  ping(): void {
    if (this.#canSend) this.#send(Opcode.Ping, NO_BYTES);
  }

  onSilence(): void {
    this.#error ??= new StreamRefused('the client did not answer a WebSocket ping');
    this.destroy();
  }

  // Writing

  /** After our close frame, or without a socket, what is written is lost. */
  get #canSend(): boolean {
    return !this.#hasClosed && this.#socket.writable;
  }

  #send(opcode: Opcode, bytes: Uint8Array, onWritten?: (error?: Error | null) => void): void {
    const socket = this.#socket;
    const { length } = bytes;
    const headerLength = frameHeaderBytes(length);
    if (length > COPY_MAX) {
      const header = new Uint8Array(headerLength);
      writeFrameHeader(header, 0, opcode, length);
      socket.cork();
      socket.write(header);
      socket.write(bytes, onWritten);
      socket.uncork();
      return;
    }
    const frame = Buffer.allocUnsafe(headerLength + length);
    writeFrameHeader(frame, 0, opcode, length);
    frame.set(bytes, headerLength);
    socket.write(frame, onWritten);
  }

  /** libuv tries to write at once: when it could, nothing is left in the socket and the buffer is free. */
  #isDone(): boolean {
    if (this.#socket.writableLength > 0) return false;
    this.#isWriting = false;
    return true;
  }

  /**
   * Answers a ping when nothing waits for the peer to read: who asks without reading, or faster than makes sense, gets one
   * answer, to the last. RFC 6455 §5.5.3
   */
  #pong(payload: Uint8Array): void {
    if (this.#isPongHeld || ++this.#pongsThisRead > PONGS_PER_READ_MAX) {
      this.#pongDue = payload.slice();
      return;
    }
    this.#sendPong(payload);
  }

  get #isPongHeld(): boolean {
    return this.#socket.writableLength > 0 && this.#callbacksDue > 0;
  }

  #sendPong(payload: Uint8Array): void {
    this.#pongDue = null;
    if (!this.#canSend) return;
    this.#callbacksDue++;
    this.#send(Opcode.Pong, payload, this.#onWritten);
  }

  #close(code: CloseCode, reason: string): void {
    if (!this.#canSend) return;
    const text = new TextEncoder().encode(reason);
    const payload = new Uint8Array(2 + text.length);
    payload[0] = code >>> 8;
    payload[1] = code & 0xff;
    payload.set(text, 2);
    this.#send(Opcode.Close, payload);
    this.#hasClosed = true;
  }

  // Reading

  #read(chunk: Uint8Array, start: number, end: number): void {
    const reader = this.#reader;
    let at = start;
    this.#pongsThisRead = 0;
    while (at < end && !this.#isDeaf && !this.#peerHasClosed) {
      if (this.#isPaused) {
        this.#rest = Buffer.concat([this.#rest, chunk.subarray(at, end)]);
        // A socket that was resumed and paused at once reads all the same.
        this.#socket.pause();
        return;
      }
      const before = at;
      let fault: FrameError | null = null;
      try {
        at = reader.read(chunk, at, end);
      } catch (error) {
        if (!(error instanceof FrameError)) throw error;
        fault = error;
      }
      if (reader.dataLength > 0) this.#sink?.onData(chunk, reader.dataLength);
      if (fault !== null) this.#refuse(fault.code, fault.message);
      else if (reader.control !== 0) this.#onControl(reader.control);
      if (this.#isAccepted) continue;
      // The CONNECT that is accepted may have been among them.
      this.#unacceptedBytes += at - before;
      if (this.#unacceptedBytes > this.#unacceptedBytesMax)
        this.#refuse(CloseCode.MessageTooBig, 'too many bytes before CONNECT was accepted');
    }
    if (this.#pongDue !== null && !this.#isPongHeld) this.#sendPong(this.#pongDue);
  }

  #onControl(opcode: Opcode): void {
    const { controlPayload, controlLength } = this.#reader;
    if (opcode === Opcode.Ping) this.#pong(controlPayload.subarray(0, controlLength));
    if (opcode !== Opcode.Close) return;
    const code = (controlPayload[0] << 8) | controlPayload[1];
    if (controlLength === 1 || (controlLength > 1 && !isCloseCode(code))) {
      this.#refuse(CloseCode.ProtocolError, 'a close frame has no valid code');
      return;
    }
    if (!isText(controlPayload.subarray(2, controlLength))) {
      this.#refuse(CloseCode.InvalidPayload, 'the reason in a close frame is not UTF-8');
      return;
    }
    this.#peerHasClosed = true;
    if (this.#hasClosed) this.#socket.end();
    this.#ended();
  }

  /** A close frame came, or the end of the socket: the peer sends no more. */
  #ended(): void {
    if (this.#isEndTold || this.#isDeaf) return;
    // Bytes that waited in a paused socket may have come together with its end.
    this.#isEndDue = this.#isPaused || this.#rest.length > 0;
    if (this.#isEndDue) return;
    this.#isEndTold = true;
    this.#sink?.onEnd();
  }

  /** Goes on where a pause has stopped, though never from within the call that ends the pause. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      if (this.#isPaused || this.#sink === null) return;
      const rest = this.#rest;
      this.#rest = NO_BYTES;
      this.#read(rest, 0, rest.length);
      if (this.#isPaused) return;
      if (this.#isEndDue) this.#ended();
      this.#socket.resume();
    });
  }

  /** Closes with a code, and hears nothing any more. */
  #refuse(code: CloseCode, reason: string): void {
    if (this.#isDeaf) return;
    const remote = formatPeer(this.remoteAddress, this.remotePort);
    const key = limitKey(this.remoteAddress);
    this.#log.info(key, { remote, code }, `the WebSocket was closed: ${reason}`);
    this.#error ??= new StreamRefused(reason);
    this.#isDeaf = true;
    this.#close(code, reason);
    // What still comes is read and thrown away: unread bytes would turn the close into a reset.
    this.#socket.end();
    this.#socket.resume();
    this.#wheel.arm(this.#lingerTimer, LINGER_MS);
  }

  onTimer(): void {
    this.#socket.destroy();
  }

  #closed(): void {
    this.#heartbeat.stop();
    this.#wheel.cancel(this.#lingerTimer);
    const sink = this.#sink;
    this.#sink = null;
    sink?.onClose(this.#error);
  }
}
