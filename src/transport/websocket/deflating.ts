// WebSockets with per-message deflate (RFC 7692), negotiated, framed and compressed by the package ws. They cost far more
// memory and time than plain ones; what they must do is the same.

import type http from 'node:http';
import { createRequire } from 'node:module';
import type net from 'node:net';
import type { WebSocket, WebSocketServer } from 'ws';
import type { RefusalLog } from '../../core/refusal-log.ts';
import { formatPeer, limitKey } from '../../lib/address.ts';
import { type ClientCertificate, type Stream, StreamRefused, type StreamSink } from '../stream.ts';
import { CloseCode } from './frames.ts';
import { Heartbeat, type Pinged } from './heartbeat.ts';
import type { WebSocketOptions } from './options.ts';
import { chooseProtocol } from './request.ts';
import type { WebSocketContext, WebSocketPeer } from './stream.ts';

const require = createRequire(import.meta.url);

/** After a goodbye of ours, for the peer to answer it. */
const CLOSE_TIMEOUT_MS = 2_000;
/** Pieces of a message that wait for the rest, so that many tiny ones do not cost more than their bytes. */
const BUFFERED_CHUNKS_MAX = 16_384;
/** Inflated bytes that wait for a paused reader: a small chunk may hold a thousand times its size. */
const HELD_BYTES_MAX = 16 * 1_048_576;

/**
 * Without context takeover a connection keeps no 300 KiB of zlib's state between messages, and what is short is not worth
 * compressing.
 */
const DEFLATE = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  threshold: 1_024,
  concurrencyLimit: 10,
  zlibDeflateOptions: { level: 3, memLevel: 7 },
};

const BINARY = { binary: true, fin: true } as const;

/** What ws bounds a message and its inflated parts with. It has no other way to change that for an open connection. */
interface WithReceiver {
  readonly _receiver: {
    _maxPayload: number;
    readonly _extensions: Readonly<Record<string, { _maxPayload: number }>>;
  };
}

/** The upgrade of those who offer compression. */
export class DeflatingDoor {
  readonly #context: WebSocketContext;
  readonly #server: WebSocketServer;

  constructor(context: WebSocketContext) {
    this.#context = context;
    const settings = {
      noServer: true,
      clientTracking: false,
      maxPayload: context.options.payloadMax,
      maxBufferedChunks: BUFFERED_CHUNKS_MAX,
      closeTimeout: CLOSE_TIMEOUT_MS,
      perMessageDeflate: DEFLATE,
      skipUTF8Validation: true, // there is no text
      handleProtocols: (offered: Set<string>) => chooseProtocol(offered) ?? false,
    };
    // Loaded by those who compress, and by nobody else.
    const { WebSocketServer } = require('ws') as typeof import('ws');
    this.#server = new WebSocketServer(settings);
  }

  isOffered(extensions: string | undefined): boolean {
    return extensions?.includes('permessage-deflate') ?? false;
  }

  /** The request has been checked; an offer of compression that makes no sense is refused by ws. */
  upgrade(
    request: http.IncomingMessage,
    head: Buffer,
    peer: WebSocketPeer,
    accept: (stream: Stream) => void,
  ): void {
    const { socket } = request;
    this.#server.handleUpgrade(request, socket, head, (webSocket) =>
      accept(new DeflatingStream(webSocket, socket, peer, this.#context)),
    );
  }
}

class DeflatingStream implements Stream, Pinged {
  readonly transport: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly certificate: ClientCertificate | null;
  readonly #webSocket: WebSocket;
  readonly #socket: net.Socket;
  readonly #options: WebSocketOptions;
  readonly #log: RefusalLog;
  readonly #heartbeat: Heartbeat;
  #sink: StreamSink | null = null;
  #isPaused = true;
  /** Messages that came while it was paused: the rest of a chunk that the socket had given already. */
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #isScheduled = false;
  #isWriting = false;
  /** Writes whose callback has not come: also for one that was done at once it comes later, maybe after the next began. */
  #callbacksDue = 0;
  /** `end` was called, or `destroy`. */
  #hasEnded = false;
  /** Nothing that comes counts any more. */
  #isDeaf = false;
  /** The WebSocket and its socket are closed. */
  #isGone = false;
  #isEndTold = false;
  #error: Error | null = null;
  /** Bytes of a client whose CONNECT was not accepted yet. */
  #unacceptedBytes = 0;
  #unacceptedInflated = 0;
  #isAccepted = false;
  readonly #onWritten = (error?: Error | null): void => {
    // Of a destroyed socket the callback has no error, but the bytes did not go.
    if (--this.#callbacksDue > 0 || !this.#isWriting || error || this.#socket.destroyed) return;
    this.#isWriting = false;
    if (this.#hasEnded) this.#webSocket.close(CloseCode.Normal);
    this.#sink?.onWritten();
  };
  readonly #onStrangersData = (chunk: Uint8Array): void => {
    this.#unacceptedBytes += chunk.length;
    // After ws has had them: they may have held the CONNECT that was accepted.
    if (!this.#isAccepted && this.#unacceptedBytes > this.#options.unacceptedBytesMax)
      this.#refuseStranger();
  };

  constructor(
    webSocket: WebSocket,
    socket: net.Socket,
    peer: WebSocketPeer,
    context: WebSocketContext,
  ) {
    const { options, wheel, log } = context;
    this.transport = peer.transport;
    this.remoteAddress = peer.address;
    this.remotePort = peer.port;
    this.certificate = peer.certificate;
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#options = options;
    this.#log = log;
    this.#heartbeat = new Heartbeat(wheel, options.pingIntervalMs, this);
    webSocket.pause(); // until it is opened
    // ws inflates what comes of a message before it is complete: a few bytes may become all that a message may have.
    this.#limitMessage(Math.min(options.unacceptedBytesMax, options.payloadMax));
    webSocket.on('message', (data: Uint8Array, isBinary: boolean) =>
      this.#onMessage(data, isBinary),
    );
    webSocket.on('error', (error) => {
      this.#error ??= error;
      this.#isDeaf = true;
    });
    webSocket.on('close', () => this.#onGone());
    socket.on('error', (error) => {
      this.#error ??= error;
    });
    socket.on('data', this.#onStrangersData);
  }

  get unsentBytes(): number {
    return this.#webSocket.bufferedAmount;
  }

  accepted(): void {
    this.#isAccepted = true;
    this.#limitMessage(this.#options.payloadMax);
    this.#socket.off('data', this.#onStrangersData);
  }

  open(sink: StreamSink): void {
    this.#sink = sink;
    if (!this.#isGone) this.#heartbeat.start();
    this.resume();
  }

  write(bytes: Uint8Array): boolean {
    const webSocket = this.#webSocket;
    // To one that is closing nothing can be said any more.
    if (webSocket.readyState !== webSocket.OPEN) return true;
    this.#isWriting = true;
    this.#callbacksDue++;
    webSocket.send(bytes, BINARY, this.#onWritten);
    return this.#isDone();
  }

  /** A message for each piece: a client does not care where they end. */
  writeAll(pieces: readonly Uint8Array[]): boolean {
    const webSocket = this.#webSocket;
    if (webSocket.readyState !== webSocket.OPEN) return true;
    const last = pieces.length - 1;
    this.#isWriting = true;
    this.#callbacksDue++;
    this.#socket.cork();
    for (let i = 0; i < last; i++) webSocket.send(pieces[i], BINARY);
    webSocket.send(pieces[last], BINARY, this.#onWritten);
    this.#socket.uncork();
    return this.#isDone();
  }

  pause(): void {
    this.#isPaused = true;
    this.#webSocket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#held.length > 0 || this.#isGone) this.#schedule();
    else this.#webSocket.resume();
  }

  /** Says goodbye after what is written; the peer answers it and closes. */
  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (this.#isGone) this.#schedule();
    else if (!this.#isWriting) this.#webSocket.close(CloseCode.Normal);
  }

  destroy(): void {
    this.#hasEnded = true;
    this.#isDeaf = true;
    this.#held = [];
    if (this.#isGone) this.#schedule();
    else this.#webSocket.terminate();
  }

  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  get canAnswer(): boolean {
    return !this.#isPaused && !this.#isWriting && !this.#isDeaf;
  }

  ping(): void {
    this.#webSocket.ping();
  }

  onSilence(): void {
    this.#error ??= new StreamRefused('the client did not answer a WebSocket ping');
    this.destroy();
  }

  #limitMessage(bytesMax: number): void {
    const { _receiver: receiver } = this.#webSocket as unknown as WithReceiver;
    receiver._maxPayload = bytesMax;
    for (const extension of Object.values(receiver._extensions)) extension._maxPayload = bytesMax;
  }

  /** Nothing is left in the socket, or on its way through zlib: the buffers are free. */
  #isDone(): boolean {
    if (this.#webSocket.bufferedAmount > 0) return false;
    this.#isWriting = false;
    return true;
  }

  #onMessage(data: Uint8Array, isBinary: boolean): void {
    if (this.#isDeaf) return;
    if (!isBinary) {
      this.#refuse(CloseCode.UnsupportedData, 'MQTT comes in binary frames'); // [MQTT-6.0.0-1]
      return;
    }
    if (!this.#isAccepted && data.length > this.#options.unacceptedBytesMax) {
      this.#refuseStranger();
      return;
    }
    if (!this.#isPaused && this.#held.length === 0) {
      this.#sink?.onData(data, data.length);
      if (!this.#isAccepted) this.#onInflatedByStranger(data.length);
      return;
    }
    this.#held.push(data);
    this.#heldBytes += data.length;
    if (this.#heldBytes > HELD_BYTES_MAX)
      this.#refuse(CloseCode.MessageTooBig, 'more came compressed than can wait to be read');
  }

  /** What is short on the wire may be long here. */
  #onInflatedByStranger(length: number): void {
    this.#unacceptedInflated += length;
    if (this.#unacceptedInflated > this.#options.unacceptedBytesMax) this.#refuseStranger();
  }

  #refuseStranger(): void {
    this.#refuse(CloseCode.MessageTooBig, 'too many bytes before CONNECT was accepted');
  }

  /** Closes with a code, and hears nothing of it any more. */
  #refuse(code: CloseCode, reason: string): void {
    if (this.#isDeaf) return;
    const remote = formatPeer(this.remoteAddress, this.remotePort);
    const key = limitKey(this.remoteAddress);
    this.#log.info(key, { remote, code }, `the WebSocket was closed: ${reason}`);
    this.#error ??= new StreamRefused(reason);
    this.#isDeaf = true;
    this.#held = [];
    if (this.#isWriting) {
      // Behind a message that is still being compressed nothing can be said and ended.
      this.#webSocket.terminate();
      return;
    }
    this.#webSocket.close(code, reason);
    // What still comes is thrown away unread: unread bytes would turn the close into a reset.
    this.#socket.removeAllListeners('data');
    this.#socket.resume();
    this.#socket.end();
  }

  #onGone(): void {
    this.#isGone = true;
    this.#heartbeat.stop();
    this.#tell();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#tell();
    });
  }

  /** Tells the sink what it does not know yet, as far as it wants to hear it. */
  #tell(): void {
    const sink = this.#sink;
    if (sink === null) return;
    const held = this.#held;
    let told = 0;
    while (!this.#isPaused && told < held.length && !this.#isDeaf) {
      const data = held[told++];
      this.#heldBytes -= data.length;
      sink.onData(data, data.length);
    }
    held.splice(0, told);
    if (!this.#isGone) {
      if (!this.#isPaused) this.#webSocket.resume();
      return;
    }
    const isAbrupt = this.#error !== null || this.#isDeaf;
    if (!isAbrupt && !this.#isEndTold) {
      if (this.#isPaused) return;
      this.#isEndTold = true;
      sink.onEnd();
    }
    if (!isAbrupt && !this.#hasEnded) return;
    this.#sink = null;
    sink.onClose(this.#error);
  }
}
