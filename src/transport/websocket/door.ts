// From a connected socket to a WebSocket: one HTTP request, which asks for the upgrade and is let in, or gets a text that says
// why not. Limits on its size and its time hold before anything else is done. The HTTP server never listens: who accepts
// sockets (TCP, TLS, behind a proxy) is somebody else's business.

import http from 'node:http';
import type net from 'node:net';
import type { Logger } from '../../core/logger.ts';
import { RefusalLog } from '../../core/refusal-log.ts';
import { formatPeer, limitKey } from '../../lib/address.ts';
import { Timer, type TimerOwner, type TimerWheel } from '../../lib/timer-wheel.ts';
import type { ClientCertificate, Stream } from '../stream.ts';
import { answerAndClose, answerPlainRequest } from './answers.ts';
import { DeflatingDoor } from './deflating.ts';
import type { WebSocketOptions } from './options.ts';
import {
  chooseProtocol,
  isOriginAllowed,
  normalizeOrigin,
  pathOf,
  upgradeAnswer,
  whyNoWebSocket,
} from './request.ts';
import { RequestHead, type RequestHeadOwner } from './request-head.ts';
import { SharedReads } from './shared-reads.ts';
import { type WebSocketContext, type WebSocketPeer, WebSocketStream } from './stream.ts';

/** Why a socket did not become a stream. */
export type WebSocketRefusal =
  | 'closing'
  | 'header-size'
  | 'not-http'
  | 'upgrade-timeout'
  | 'path'
  | 'origin'
  | 'sub-protocol'
  | 'handshake';

const TLS_CAME =
  'TLS came to a port without TLS: the client wants wss://, this listener is ws://; check its URL';
const MQTT_CAME = 'MQTT without WebSocket came to a listener for WebSocket; check its URL';

/** Of a text that a client chose, in the log. */
const LOGGED_CHARACTERS_MAX = 200;
const NO_BYTES = Buffer.alloc(0);

interface ClientError extends NodeJS.ErrnoException {
  readonly rawPacket?: Uint8Array;
}

/** A socket that has not been upgraded. */
class Visitor implements TimerOwner {
  readonly socket: net.Socket;
  readonly address: string;
  readonly port: number;
  readonly isEncrypted: boolean;
  readonly certificate: ClientCertificate | null;
  readonly timer = new Timer(this);
  /** Listens to its socket, until it is forgotten. */
  readonly onClose: () => void;
  /** It got its answer; only its close is waited for. */
  isAnswered = false;
  /** What came behind its request. */
  rest: Buffer = NO_BYTES;
  /** Gets the WebSocket, not yet opened. */
  readonly accept: (stream: Stream) => void;
  readonly #onLate: (visitor: Visitor) => void;

  constructor(
    socket: net.Socket,
    peer: { readonly address: string; readonly port: number },
    isEncrypted: boolean,
    certificate: ClientCertificate | null,
    accept: (stream: Stream) => void,
    onLate: (visitor: Visitor) => void,
    onClose: () => void,
  ) {
    this.socket = socket;
    this.address = peer.address;
    this.port = peer.port;
    this.isEncrypted = isEncrypted;
    this.certificate = certificate;
    this.accept = accept;
    this.#onLate = onLate;
    this.onClose = onClose;
  }

  onTimer(): void {
    this.#onLate(this);
  }
}

export class WebSocketDoor {
  readonly #context: WebSocketContext;
  readonly #options: WebSocketOptions;
  readonly #wheel: TimerWheel;
  readonly #logger: Logger;
  readonly #log: RefusalLog;
  readonly #onRefused: (reason: WebSocketRefusal) => void;
  readonly #origins: ReadonlySet<string>;
  readonly #http: http.Server;
  /** null: nothing is compressed. */
  readonly #deflating: DeflatingDoor | null;
  readonly #sharedReads = new SharedReads();
  readonly #visitors = new Map<unknown, Visitor>();
  #isClosed = false;

  /** `onRefused` is told of every socket that was not. */
  constructor(
    options: WebSocketOptions,
    wheel: TimerWheel,
    logger: Logger,
    onRefused: (reason: WebSocketRefusal) => void,
  ) {
    this.#log = new RefusalLog(logger, wheel);
    this.#context = { options, wheel, log: this.#log };
    this.#options = options;
    this.#wheel = wheel;
    this.#logger = logger;
    this.#onRefused = onRefused;
    this.#origins = new Set(options.origins.map(normalizeOrigin));
    this.#deflating = options.compression ? new DeflatingDoor(this.#context) : null;
    const server = http.createServer({ maxHeaderSize: options.headerBytesMax });
    const answer = (request: http.IncomingMessage, response: http.ServerResponse): void => {
      this.#answered(request.socket);
      answerPlainRequest(request, response, options.path);
    };
    server.on('request', answer);
    server.on('checkExpectation', answer); // else HTTP would let another request follow
    server.on('upgrade', (request, _socket, head) => this.#onUpgrade(request, head));
    server.on('clientError', (error: ClientError, socket) =>
      this.#onClientError(error, socket as net.Socket),
    );
    this.#http = server;
  }

  /**
   * Takes a connected socket, or one whose TLS handshake is done. It may be paused, and bytes may wait in it. `accept` gets the
   * WebSocket if it is let in, not yet opened.
   */
  take(
    socket: net.Socket,
    peer: { readonly address: string; readonly port: number },
    isEncrypted: boolean,
    certificate: ClientCertificate | null,
    accept: (stream: Stream) => void,
  ): void {
    if (this.#isClosed || socket.destroyed) {
      socket.on('error', () => {});
      socket.destroy();
      return;
    }
    const visitor = new Visitor(
      socket,
      peer,
      isEncrypted,
      certificate,
      accept,
      (late) => this.#onLate(late),
      () => this.#onClosed(socket),
    );
    this.#visitors.set(socket, visitor);
    this.#wheel.arm(visitor.timer, this.#options.upgradeTimeoutMs);
    socket.on('close', visitor.onClose);
    new RequestHead(socket, this.#options.headerBytesMax, this.#ownerOf(visitor)).open();
  }

  /** No more upgrades: who waits for one is closed, open streams live on. */
  close(): void {
    this.#isClosed = true;
    for (const { socket } of this.#visitors.values()) socket.destroy();
    this.#log.close();
  }

  #ownerOf(visitor: Visitor): RequestHeadOwner {
    const { socket } = visitor;
    return {
      onHead: (rest) => {
        visitor.rest = rest;
        this.#http.emit('connection', socket);
        socket.resume();
      },
      onTooLong: () => this.#refuseSize(socket),
      onNoRequest: (first) => this.#onNoRequest(socket, first),
    };
  }

  #forget(socket: net.Socket): Visitor | null {
    const visitor = this.#visitors.get(socket) ?? null;
    if (visitor === null) return null;
    this.#visitors.delete(socket);
    socket.off('close', visitor.onClose);
    this.#wheel.cancel(visitor.timer);
    return visitor;
  }

  /** Gone without an upgrade or an answer, most often before its first byte: a health probe. */
  #onClosed(socket: net.Socket): void {
    const visitor = this.#forget(socket);
    if (visitor === null || visitor.isAnswered) return;
    const { address, port } = visitor;
    this.#logger.debug(
      { remote: formatPeer(address, port) },
      'a connection ended before its upgrade',
    );
  }

  #onLate(visitor: Visitor): void {
    const { socket, address, port, isAnswered } = visitor;
    visitor.isAnswered = true;
    socket.destroy();
    if (isAnswered) return;
    visitor.isAnswered = true;
    this.#logger.debug({ remote: formatPeer(address, port) }, 'no WebSocket upgrade in time');
    this.#onRefused('upgrade-timeout');
  }

  #answered(socket: net.Socket): void {
    const visitor = this.#visitors.get(socket);
    if (visitor !== undefined) visitor.isAnswered = true;
  }

  #onUpgrade(request: http.IncomingMessage, head: Buffer): void {
    const { socket, headers } = request;
    const { path } = this.#options;
    if (this.#isClosed) {
      this.#refuse(socket, 'closing', 503, 'The server is closing.');
      return;
    }
    if (path !== null && pathOf(request.url ?? '') !== path) {
      this.#refuse(socket, 'path', 404, `MQTT over WebSocket is served at ${path}`);
      return;
    }
    const origin = headers.origin === undefined ? undefined : normalizeOrigin(headers.origin);
    if (!isOriginAllowed(origin, headers.host, this.#origins)) {
      this.#refuseOrigin(request, origin ?? '');
      return;
    }
    const why = whyNoWebSocket(request);
    if (why !== null) {
      this.#refuse(socket, 'handshake', 400, why);
      return;
    }
    const offered = headers['sec-websocket-protocol']?.split(',').map((name) => name.trim()) ?? [];
    const protocol = chooseProtocol(offered);
    if (protocol === null) {
      const text = "Offer the WebSocket sub-protocol mqtt, as in new WebSocket(url, 'mqtt').";
      this.#refuse(socket, 'sub-protocol', 400, text);
      return;
    }
    this.#upgrade(request, head, protocol);
  }

  #upgrade(request: http.IncomingMessage, behind: Buffer, protocol: string): void {
    const { socket, headers } = request;
    const visitor = this.#forget(socket);
    if (visitor === null || !socket.writable) {
      socket.destroy();
      return;
    }
    const { addressOf } = this.#options;
    const { rest } = visitor;
    const head = rest.length === 0 ? behind : Buffer.concat([behind, rest]);
    const address = addressOf === null ? visitor.address : addressOf(request, visitor.address);
    const peer: WebSocketPeer = {
      transport: visitor.isEncrypted ? 'wss' : 'ws',
      address,
      port: address === visitor.address ? visitor.port : 0, // the port is the proxy's
      certificate: visitor.certificate,
    };
    if (this.#deflating?.isOffered(headers['sec-websocket-extensions'])) {
      this.#deflating.upgrade(request, head, peer, visitor.accept);
      return;
    }
    let stream: WebSocketStream | null = null;
    const moved = this.#sharedReads.move(socket, (length, buffer) =>
      stream?.onRead(length, buffer),
    );
    const upgraded = moved ?? socket;
    upgraded.write(upgradeAnswer(headers['sec-websocket-key'] ?? '', protocol));
    stream = new WebSocketStream(upgraded, moved === null, head, peer, this.#context);
    visitor.accept(stream);
  }

  #refuseOrigin(request: http.IncomingMessage, origin: string): void {
    const shown = origin.slice(0, LOGGED_CHARACTERS_MAX);
    const add = `origins = ${JSON.stringify([...this.#options.origins, shown])}`;
    this.#log.warn(
      `${this.#keyOf(request.socket)} ${shown}`,
      { remote: this.#remoteOf(request.socket), origin: shown, add },
      'a web page of a foreign origin was refused; the line in “add”, in [listeners.websocket], lets it in',
    );
    const text = 'This origin may not connect; the log of the server says how to allow it.';
    this.#refuse(request.socket, 'origin', 403, text);
  }

  #refuse(socket: net.Socket, reason: WebSocketRefusal, status: number, text: string): void {
    this.#logger.debug({ remote: this.#remoteOf(socket), reason }, 'a WebSocket was refused');
    this.#onRefused(reason);
    this.#answered(socket);
    socket.on('error', () => {}); // HTTP has let go of it
    answerAndClose(socket, status, text);
  }

  /** What came is no HTTP request after all, or too large a one. */
  #onClientError({ code, rawPacket }: ClientError, socket: net.Socket): void {
    if (code === 'HPE_HEADER_OVERFLOW') this.#refuseSize(socket);
    else if (rawPacket === undefined) socket.destroy();
    else this.#onNoRequest(socket, rawPacket[0]);
  }

  #onNoRequest(socket: net.Socket, first: number): void {
    const isTls = first === 0x16 && this.#visitors.get(socket)?.isEncrypted === false;
    if (first !== 0x10 && !isTls) {
      this.#refuse(socket, 'not-http', 400, 'This is not an HTTP request.');
      return;
    }
    const sentence = first === 0x10 ? MQTT_CAME : TLS_CAME;
    this.#log.info(this.#keyOf(socket), { remote: this.#remoteOf(socket) }, sentence);
    this.#onRefused('not-http');
    this.#answered(socket);
    socket.destroy();
  }

  #refuseSize(socket: net.Socket): void {
    const text = `The request has more than ${this.#options.headerBytesMax} bytes of headers.`;
    this.#refuse(socket, 'header-size', 431, text);
  }

  /** Whom a line is about. */
  #keyOf(socket: net.Socket): string {
    return limitKey(this.#visitors.get(socket)?.address ?? '');
  }

  #remoteOf(socket: net.Socket): string {
    const visitor = this.#visitors.get(socket);
    return visitor === undefined ? '' : formatPeer(visitor.address, visitor.port);
  }
}
