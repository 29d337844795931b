// WebSocket as a client speaks it (RFC 6455), as much of it as MQTT needs: the upgrade, masked binary frames out, unmasked ones
// in. By hand, because what a message costs the generator must stay small beside what it costs the server.

import { createHash, randomBytes } from 'node:crypto';

/** RFC 6455 §1.3 */
const KEY_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const FIN = 0x80;
const MASKED = 0x80;
const CONTINUATION = 0;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
/** Fixed header, the longest length, the mask. */
const HEADER_BYTES_MAX = 14;
const CONTROL_BYTES_MAX = 125;

let mask = randomBytes(4).readInt32LE();

/** What starts a WebSocket, and what its answer has to prove. */
export class Upgrade {
  #key = randomBytes(16).toString('base64');

  /** @param {{ host: string, port: number, path: string }} place */
  request({ host, port, path }) {
    const shown = host.includes(':') ? `[${host}]` : host;
    return [
      `GET ${path} HTTP/1.1`,
      `Host: ${shown}:${port}`,
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Key: ${this.#key}`,
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Protocol: mqtt',
      '\r\n',
    ].join('\r\n');
  }

  /** Throws when the server did not agree. @param {string} head status and headers of its answer */
  check(head) {
    const [status, ...lines] = head.split('\r\n');
    if (!/^HTTP\/1\.1 101(?: |$)/.test(status)) {
      throw new Error(`the server refused the WebSocket: ${status}`);
    }
    const headers = new Map(
      lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    const accept = createHash('sha1').update(`${this.#key}${KEY_SUFFIX}`).digest('base64');
    if (headers.get('sec-websocket-accept') !== accept) {
      throw new Error('the server answered the upgrade to a WebSocket with a wrong key');
    }
    if (headers.get('sec-websocket-protocol') !== 'mqtt') {
      throw new Error('the server did not take the sub-protocol mqtt'); // [MQTT-6.0.0-4]
    }
  }
}

/** Whole MQTT packets in one frame. @param {Uint8Array} bytes @returns {Buffer} */
export function frameOfAll(bytes) {
  const frame = Buffer.allocUnsafe(bytes.length + HEADER_BYTES_MAX);
  return frame.subarray(0, append(frame, 0, BINARY, bytes, 0, bytes.length));
}

/** Whole MQTT packets, each in a frame of its own. @param {Uint8Array} bytes @returns {Buffer} */
export function frameOfEach(bytes) {
  let count = 0;
  for (let at = 0; at < bytes.length; at = endOfPacket(bytes, at)) count++;
  const frames = Buffer.allocUnsafe(bytes.length + count * HEADER_BYTES_MAX);
  let end = 0;
  for (let at = 0; at < bytes.length; ) {
    const next = endOfPacket(bytes, at);
    end = append(frames, end, BINARY, bytes, at, next);
    at = next;
  }
  return frames.subarray(0, end);
}

/** Goodbye. @returns {Buffer} */
export function closeFrame() {
  return control(CLOSE, Buffer.from([0x03, 0xe8])); // 1000
}

function control(opcode, payload) {
  const frame = Buffer.allocUnsafe(payload.length + HEADER_BYTES_MAX);
  return frame.subarray(0, append(frame, 0, opcode, payload, 0, payload.length));
}

/** MQTT 5 §2.1.4 */
function endOfPacket(bytes, start) {
  let at = start + 1;
  let length = 0;
  for (let factor = 1; ; factor *= 128) {
    const byte = bytes[at++];
    length += (byte & 127) * factor;
    if (byte < 128) break;
  }
  if (!(at + length <= bytes.length)) throw new Error('only whole packets are written');
  return at + length;
}

/** Puts `bytes[start..end)` into `frames` as a frame, and answers where it ends. */
function append(frames, startAt, opcode, bytes, start, end) {
  const length = end - start;
  let at = startAt;
  frames[at++] = FIN | opcode;
  if (length < 126) frames[at++] = MASKED | length;
  else if (length < 65_536) {
    frames[at++] = MASKED | 126;
    at = frames.writeUInt16BE(length, at);
  } else {
    frames[at++] = MASKED | 127;
    at = frames.writeBigUInt64BE(BigInt(length), at);
  }
  mask = (Math.imul(mask, 1_664_525) + 1_013_904_223) | 0; // another one for each frame; nobody has to be unable to guess it
  const maskAt = at;
  at = frames.writeInt32LE(mask, at);
  for (let i = 0; i < length; i++) frames[at + i] = bytes[start + i] ^ frames[maskAt + (i & 3)];
  return at + length;
}

/** The server's frames as a stream of bytes, however they are cut. */
export class FrameReader {
  #header = new Uint8Array(10);
  #headerBytes = 0;
  #opcode = BINARY;
  /** Of the frame at hand. */
  #left = 0;
  #isInside = false;
  /** Payload of a control frame that came so far. */
  #control = [];
  #owner;

  /** @param {{ onBytes(bytes: Uint8Array, start: number, end: number): void, reply(frame: Buffer): void }} owner */
  constructor(owner) {
    this.#owner = owner;
  }

  /** Throws what the server does wrong, and when it closes. */
  read(bytes, start, end) {
    for (let at = start; at < end; ) {
      if (!this.#isInside) {
        this.#header[this.#headerBytes++] = bytes[at++];
        this.#begin();
      } else {
        const next = Math.min(end, at + this.#left);
        this.#left -= next - at;
        if (this.#opcode < CLOSE) this.#owner.onBytes(bytes, at, next);
        else this.#control.push(...bytes.subarray(at, next));
        at = next;
      }
      if (this.#isInside && this.#left === 0) this.#end();
    }
  }

  /** Once the header is complete. */
  #begin() {
    const [first, second] = this.#header;
    if (this.#headerBytes === 1) {
      if ((first & 0x70) !== 0) throw new Error('the server set reserved bits of a frame');
      const opcode = first & 0x0f;
      const isKnown = opcode <= PONG && (opcode >= CLOSE || opcode === BINARY);
      if (!isKnown && opcode !== CONTINUATION) {
        throw new Error(`the server sent a frame with opcode ${opcode}`); // [MQTT-6.0.0-1]
      }
      this.#opcode = opcode;
      return;
    }
    if ((second & MASKED) !== 0) throw new Error('the server masked a frame');
    const isTooLong = this.#opcode >= CLOSE && second > CONTROL_BYTES_MAX;
    if (isTooLong) throw new Error('the server sent a control frame that is too long');
    const wanted = second === 127 ? 10 : second === 126 ? 4 : 2;
    if (this.#headerBytes < wanted) return;
    this.#headerBytes = 0;
    this.#isInside = true;
    this.#left = second;
    if (second < 126) return;
    this.#left = 0;
    for (let i = 2; i < wanted; i++) this.#left = this.#left * 256 + this.#header[i];
  }

  #end() {
    this.#isInside = false;
    if (this.#opcode < CLOSE) return;
    const payload = Buffer.from(this.#control);
    this.#control = [];
    if (this.#opcode === PING) this.#owner.reply(control(PONG, payload));
    if (this.#opcode !== CLOSE) return;
    const code = payload.length < 2 ? 'no code' : payload.readUInt16BE();
    throw new Error(`the server closed the WebSocket: ${code} ${payload.subarray(2)}`.trim());
  }
}
