// WebSocket frames, RFC 6455 §5, as a server reads and writes them: MQTT's bytes are taken out of a chunk where they lie,
// unmasked and moved together, so that any number of frames costs the sink one call and nobody a buffer. A message is not
// waited for: MQTT does not care where frames end [MQTT-6.0.0-2].

/** RFC 6455 §7.4.1 */
export const CloseCode = {
  Normal: 1000,
  ProtocolError: 1002,
  UnsupportedData: 1003,
  NoStatus: 1005,
  InvalidPayload: 1007,
  MessageTooBig: 1009,
} as const;
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode];

export const Opcode = {
  Continuation: 0,
  Text: 1,
  Binary: 2,
  Close: 8,
  Ping: 9,
  Pong: 10,
} as const;
export type Opcode = (typeof Opcode)[keyof typeof Opcode];

/** The client broke the protocol of WebSocket; it is told the code. */
export class FrameError extends Error {
  readonly code: CloseCode;

  constructor(code: CloseCode, message: string) {
    super(message);
    this.code = code;
  }
}

const FIN = 0x80;
const RESERVED = 0x70;
const MASKED = 0x80;
const CONTROL_BYTES_MAX = 125;
/** Fixed part, longest length, mask. */
const HEADER_BYTES_MAX = 14;
/** From here on bytes are unmasked four at a time, and from there on moved first: what each takes to begin. */
const VIEW_MIN = 24;
const WORDS_MIN = 256;

export class FrameReader {
  /** The bytes of data that the last `read` found: `chunk[0..dataLength)`. */
  dataLength = 0;
  /** The control frame that ended the last `read`, or 0. */
  control: Opcode | 0 = 0;
  controlLength = 0;
  /** What is in it: `controlPayload[0..controlLength)`. */
  controlPayload = new Uint8Array(0);
  readonly #messageBytesMax: number;
  /** The header of the current frame, its mask included. */
  readonly #header = new Uint8Array(HEADER_BYTES_MAX);
  #headerLength = 0;
  #opcode = 0;
  /** Bytes of the current frame that are still to come. */
  #remaining = 0;
  /** Where the mask begins in the header, and which of its four bytes is next. */
  #maskStart = 0;
  #maskAt = 0;
  /** A message goes on in the next frame. */
  #isFragmented = false;
  #messageBytes = 0;

  constructor(messageBytesMax: number) {
    this.#messageBytesMax = messageBytesMax;
  }

  /**
   * Reads `chunk[start..end)` up to its end or through the first control frame, and returns where it stopped. What is data
   * lies in `chunk[0..dataLength)` then. Throws FrameError, after which the data before the fault still lies there.
   */
  read(chunk: Uint8Array, start: number, end: number): number {
    let at = start;
    let out = 0;
    this.control = 0;
    this.dataLength = 0;
    while (at < end) {
      if (this.#remaining === 0) {
        at = this.#readHeader(chunk, at, end);
        if (this.#headerLength > 0) break;
      }
      const length = Math.min(this.#remaining, end - at);
      const isControl = this.#opcode >= Opcode.Close;
      const target = isControl ? this.controlPayload : chunk;
      const targetAt = isControl ? this.controlLength : out;
      const mask = maskOf(this.#header, this.#maskStart, this.#maskAt);
      unmask(chunk, at, target, targetAt, length, mask);
      this.#maskAt = (this.#maskAt + length) & 3;
      this.#remaining -= length;
      at += length;
      if (!isControl) {
        out += length;
        this.dataLength = out;
        continue;
      }
      this.controlLength += length;
      if (this.#remaining > 0) break;
      this.control = this.#opcode as Opcode;
      break;
    }
    return at;
  }

  #readHeader(chunk: Uint8Array, start: number, end: number): number {
    const header = this.#header;
    let length = this.#headerLength;
    let at = start;
    let needed = length < 2 ? 2 : headerBytes(header[1]);
    while (length < needed && at < end) {
      header[length++] = chunk[at++];
      if (length === 2) {
        this.#check(header[0], header[1]);
        needed = headerBytes(header[1]);
      }
    }
    if (length < needed) {
      this.#headerLength = length;
      return at;
    }
    this.#headerLength = 0;
    this.#begin(needed);
    return at;
  }

  /** What the first two bytes tell already. */
  #check(first: number, second: number): void {
    const opcode = first & 0x0f;
    if ((first & RESERVED) !== 0) throw fault('a reserved bit is set in a frame');
    if ((second & MASKED) === 0) throw fault('a frame of a client is not masked');
    if (opcode >= Opcode.Close) {
      if (opcode > Opcode.Pong) throw fault(`no frame has opcode ${opcode}`);
      if ((first & FIN) === 0) throw fault('a control frame is fragmented');
      if ((second & 127) > CONTROL_BYTES_MAX) throw fault('a control frame is too long');
      return;
    }
    if (opcode > Opcode.Binary) throw fault(`no frame has opcode ${opcode}`);
    if (opcode === Opcode.Text) {
      // [MQTT-6.0.0-1]
      throw new FrameError(CloseCode.UnsupportedData, 'MQTT comes in binary frames, not in text');
    }
    if ((opcode === Opcode.Continuation) !== this.#isFragmented) {
      throw fault(
        this.#isFragmented
          ? 'a message begins before the last one has ended'
          : 'a frame continues a message that has not begun',
      );
    }
  }

  #begin(headerLength: number): void {
    const header = this.#header;
    const maskStart = headerLength - 4;
    let length = header[1] & 127;
    if (length > CONTROL_BYTES_MAX) {
      length = 0;
      for (let i = 2; i < maskStart; i++) length = length * 256 + header[i];
    }
    this.#maskStart = maskStart;
    this.#maskAt = 0;
    this.#opcode = header[0] & 0x0f;
    this.#remaining = length;
    if (this.#opcode >= Opcode.Close) {
      if (length > this.controlPayload.length)
        this.controlPayload = new Uint8Array(CONTROL_BYTES_MAX);
      this.controlLength = 0;
      return;
    }
    if (!this.#isFragmented) this.#messageBytes = 0;
    this.#messageBytes += length;
    this.#isFragmented = (header[0] & FIN) === 0;
    if (this.#messageBytes > this.#messageBytesMax) {
      const text = `a message is longer than ${this.#messageBytesMax} bytes`;
      throw new FrameError(CloseCode.MessageTooBig, text);
    }
  }
}

function fault(message: string): FrameError {
  return new FrameError(CloseCode.ProtocolError, message);
}

function headerBytes(second: number): number {
  const length = second & 127;
  return length <= CONTROL_BYTES_MAX ? 6 : length === 126 ? 8 : HEADER_BYTES_MAX;
}

/** Views of the buffer that was read last: sockets that share one share these, too. */
let buffer = new ArrayBuffer(0) as ArrayBufferLike;
let view = new DataView(buffer);
let words = new Int32Array(buffer);
const maskWord = new Int32Array(1);
const maskBytes = new Uint8Array(maskWord.buffer);
const IS_LITTLE_ENDIAN = new Uint8Array(Int32Array.of(1).buffer)[0] === 1;

/** The four bytes of the mask from its byte `at` on, as one word in the order of this machine; good until the next call. */
function maskOf(header: Uint8Array, start: number, at: number): number {
  maskBytes[0] = header[start + at];
  maskBytes[1] = header[start + ((at + 1) & 3)];
  maskBytes[2] = header[start + ((at + 2) & 3)];
  maskBytes[3] = header[start + ((at + 3) & 3)];
  return maskWord[0];
}

/** `target[to..]` gets `source[from..from + length)`, unmasked; within one buffer `to` is not behind `from`. */
function unmask(
  source: Uint8Array,
  from: number,
  target: Uint8Array,
  to: number,
  length: number,
  mask: number,
): void {
  let i = 0;
  if (length >= VIEW_MIN && source === target) {
    if (source.buffer !== buffer) {
      buffer = source.buffer;
      view = new DataView(buffer);
      words = new Int32Array(buffer, 0, buffer.byteLength >>> 2);
    }
    if (length >= WORDS_MIN) {
      if (from !== to) source.copyWithin(to, from, from + length);
      unmaskWords(source, to, length);
      return;
    }
    const fromView = source.byteOffset + from;
    const toView = source.byteOffset + to;
    for (const end = length - 3; i < end; i += 4) {
      const word = view.getInt32(fromView + i, IS_LITTLE_ENDIAN) ^ mask;
      view.setInt32(toView + i, word, IS_LITTLE_ENDIAN);
    }
  }
  for (; i < length; i++) target[to + i] = source[from + i] ^ maskBytes[i & 3];
}

/** Unmasks what lies in place already, by the mask of the last `maskOf`. */
function unmaskWords(bytes: Uint8Array, start: number, length: number): void {
  let i = 0;
  for (; ((bytes.byteOffset + start + i) & 3) !== 0; i++) bytes[start + i] ^= maskBytes[i & 3];
  const mask = maskOf(maskBytes.slice(), 0, i & 3);
  const first = (bytes.byteOffset + start + i) >>> 2;
  const last = first + ((length - i) >>> 2);
  const target = words;
  let k = first;
  for (const end = last - 3; k < end; k += 4) {
    target[k] ^= mask;
    target[k + 1] ^= mask;
    target[k + 2] ^= mask;
    target[k + 3] ^= mask;
  }
  for (; k < last; k++) target[k] ^= mask;
  for (let rest = i + (last - first) * 4; rest < length; rest++)
    bytes[start + rest] ^= maskBytes[(rest - i) & 3];
}

/** Bytes of the header of a frame to a client, whose data is not masked. */
export function frameHeaderBytes(length: number): number {
  return length <= CONTROL_BYTES_MAX ? 2 : length < 65_536 ? 4 : 10;
}

/** Writes that header to `target[at..]`: a whole message or control frame. */
export function writeFrameHeader(
  target: Uint8Array,
  at: number,
  opcode: Opcode,
  length: number,
): void {
  target[at] = FIN | opcode;
  if (length <= CONTROL_BYTES_MAX) {
    target[at + 1] = length;
    return;
  }
  const size = length < 65_536 ? 2 : 8;
  target[at + 1] = size === 2 ? 126 : 127;
  let rest = length;
  for (let i = size - 1; i >= 0; i--) {
    target[at + 2 + i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** Whether the reason in a close frame is text, as it must be. RFC 6455 §5.5.1 */
export function isText(bytes: Uint8Array): boolean {
  try {
    UTF8.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** Whether a peer may send this code in a close frame. RFC 6455 §7.4. */
export function isCloseCode(code: number): boolean {
  return (
    (code >= 3_000 && code <= 4_999) ||
    (code >= 1_000 && code <= 1_014 && code !== 1_004 && code !== 1_005 && code !== 1_006)
  );
}
