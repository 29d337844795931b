// What carries a connection's bytes: TCP or TLS, with or without a WebSocket on it. All sockets of a process read into one
// buffer; whoever is told of bytes has them only until it returns.

import net from 'node:net';
import tls from 'node:tls';
import { closeFrame, FrameReader, frameOfAll, frameOfEach, Upgrade } from './websocket.mjs';

export const READ_BYTES = 262_144;
const HEAD_BYTES_MAX = 8_192;
const HEAD_END = '\r\n\r\n';

const readBuffer = Buffer.allocUnsafeSlow(READ_BYTES);

/**
 * Whom a client trusts, and who it is; PEM.
 * @typedef {{ ca: string[], cert: string | null, key: string | null, isInsecure: boolean }} Trust
 *
 * Where a server is, and how to speak to it.
 * @typedef {object} Place
 * @property {'mqtt' | 'mqtts' | 'ws' | 'wss'} protocol
 * @property {string} host
 * @property {number} port
 * @property {string} path of a WebSocket
 * @property {Trust} trust for TLS
 * @property {'message' | 'batch'} frames a WebSocket frame for each packet, as MQTT.js has it, or for all of a write
 * @property {Buffer | null} [session] of TLS, to be resumed
 * @property {boolean} [keepsSession] whether somebody will ask for one
 * @property {import('./login.mjs').Login | null} [login] who clients say they are; default: nobody
 *
 * @typedef {object} Owner
 * @property {() => void} onChunkStart something was read
 * @property {(bytes: Uint8Array, start: number, end: number) => void} onBytes
 * @property {() => void} onChunkEnd all of what was read at once has been told
 * @property {(error: Error) => void} onEnd
 */

export const hasTls = (protocol) => protocol === 'mqtts' || protocol === 'wss';
export const hasFrames = (protocol) => protocol === 'ws' || protocol === 'wss';

/** @param {Place} place @param {Owner} owner @returns {Wire} */
export function openWire(place, owner) {
  return hasFrames(place.protocol) ? new WebSocketWire(place, owner) : new Wire(place, owner);
}

class Wire {
  /** What a later connection can resume. @type {Buffer | null} */
  session = null;
  owner;
  socket;

  /** @param {Place} place @param {Owner} owner */
  constructor(place, owner) {
    this.owner = owner;
    const { host, port } = place;
    const onread = { buffer: readBuffer, callback: (length) => this.#onRead(length) };
    const options = { host, port, onread };
    this.socket = hasTls(place.protocol) ? this.#openTls(place, options) : net.connect(options);
    this.socket.once('connect', () => this.socket.setNoDelay(true));
    this.socket.on('error', (error) => owner.onEnd(error));
    this.socket.on('close', () => owner.onEnd(new Error('the server closed the connection')));
  }

  /** Whether TLS took up what an earlier connection had agreed on. */
  get isResumed() {
    return this.socket.isSessionReused?.() ?? false;
  }

  /** Whether the server's certificate is why it failed. */
  get isDistrusted() {
    return (this.socket.authorizationError ?? null) !== null;
  }

  /** Whole packets. False: the socket is full. @param {Uint8Array} bytes */
  write(bytes) {
    return this.socket.write(bytes);
  }

  /** The last packets. @param {Uint8Array} bytes */
  end(bytes) {
    this.socket.end(bytes);
  }

  /** Throws what cannot be understood. */
  receive(bytes, end) {
    this.owner.onBytes(bytes, 0, end);
  }

  #openTls({ host, trust, session, keepsSession }, options) {
    const socket = tls.connect({
      ...options,
      secureContext: contextOf(trust),
      rejectUnauthorized: !trust.isInsecure,
      ...(net.isIP(host) === 0 && { servername: host }),
      ...(session != null && { session }),
    });
    if (keepsSession) {
      socket.on('session', (bytes) => {
        this.session = bytes;
      });
    }
    return socket;
  }

  #onRead(length) {
    this.owner.onChunkStart();
    try {
      this.receive(readBuffer, length);
    } catch (error) {
      this.owner.onEnd(error);
      this.socket.destroy();
      return false;
    }
    this.owner.onChunkEnd();
    return true;
  }
}

class WebSocketWire extends Wire {
  #upgrade = new Upgrade();
  /** The server's answer so far; null when it agreed. @type {string | null} */
  #head = '';
  /** Packets that wait for it. @type {Uint8Array[]} */
  #waiting = [];
  #frame;
  #reader;

  constructor(place, owner) {
    super(place, owner);
    this.#frame = place.frames === 'batch' ? frameOfAll : frameOfEach;
    this.#reader = new FrameReader({
      onBytes: (bytes, start, end) => owner.onBytes(bytes, start, end),
      reply: (frame) => this.socket.write(frame),
    });
    this.socket.write(this.#upgrade.request(place));
  }

  write(bytes) {
    if (this.#head === null) return this.socket.write(this.#frame(bytes));
    this.#waiting.push(Uint8Array.from(bytes));
    return true;
  }

  end(bytes) {
    this.socket.end(Buffer.concat([this.#frame(bytes), closeFrame()]));
  }

  receive(bytes, end) {
    const start = this.#head === null ? 0 : this.#readHead(bytes, end);
    this.#reader.read(bytes, start, end);
  }

  /** Where the first frame is. */
  #readHead(bytes, end) {
    const before = this.#head.length;
    this.#head += bytes.latin1Slice(0, end);
    const headEnd = this.#head.indexOf(HEAD_END);
    if (headEnd < 0) {
      if (this.#head.length > HEAD_BYTES_MAX) throw new Error('the server answers no upgrade');
      return end;
    }
    this.#upgrade.check(this.#head.slice(0, headEnd));
    this.#head = null;
    if (this.#waiting.length > 0) this.write(Buffer.concat(this.#waiting));
    this.#waiting = [];
    return headEnd + HEAD_END.length - before;
  }
}

let lastTrust = '';
let lastContext = null;

/** One for all connections that trust the same: reading certificates takes longer than a handshake. */
function contextOf({ ca, cert, key }) {
  const trust = JSON.stringify([ca, cert, key]);
  if (trust !== lastTrust) {
    lastContext = tls.createSecureContext({
      ...(ca.length > 0 && { ca }),
      ...(cert !== null && { cert, key }),
    });
    lastTrust = trust;
  }
  return lastContext;
}
