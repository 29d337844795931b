// Reads DER, the bytes of certificates and revocation lists (X.690 §8 and §10), element by element and without copying. Strict:
// one form for each length, nothing indefinite, nothing beyond its container. It is here because a general decoder takes 36 µs
// for each entry of a revocation list, 400 µs for each certificate that a client shows, and mends what it should refuse.

export const Tag = {
  Boolean: 0x01,
  Integer: 0x02,
  BitString: 0x03,
  OctetString: 0x04,
  ObjectIdentifier: 0x06,
  Utf8String: 0x0c,
  NumericString: 0x12,
  PrintableString: 0x13,
  TeletexString: 0x14,
  Ia5String: 0x16,
  UtcTime: 0x17,
  GeneralizedTime: 0x18,
  VisibleString: 0x1a,
  UniversalString: 0x1c,
  BmpString: 0x1e,
  Sequence: 0x30,
  Set: 0x31,
} as const;

/** The tag `[number]`, of a value that has elements in it or not. */
export function contextTag(number: number, isConstructed: boolean): number {
  return (isConstructed ? 0xa0 : 0x80) | number;
}

/** The bytes are not what they should be. */
export class DerError extends Error {
  override readonly name = 'DerError';
}

export class DerReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #position: number;
  /** Of the element whose header was read last. */
  #contentStart = 0;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = end;
  }

  get isAtEnd(): boolean {
    return this.#position >= this.#end;
  }

  /** The tag of the next element, -1 at the end. */
  get nextTag(): number {
    return this.isAtEnd ? -1 : (this.#bytes[this.#position] ?? -1);
  }

  /** The content of the next element, which must have this tag. */
  read(tag: number): Uint8Array {
    const end = this.#header(tag);
    this.#position = end;
    return this.#bytes.subarray(this.#contentStart, end);
  }

  /** A reader of what is in the next element, which must have this tag. */
  open(tag: number): DerReader {
    const end = this.#header(tag);
    this.#position = end;
    return new DerReader(this.#bytes, this.#contentStart, end);
  }

  /** The next element, header and all, whatever it is. */
  element(): Uint8Array {
    const start = this.#position;
    this.#position = this.#header(this.nextTag);
    return this.#bytes.subarray(start, this.#position);
  }

  /** Leaves out the next element if it has this tag. */
  skip(tag: number): void {
    if (this.nextTag === tag) this.#position = this.#header(tag);
  }

  /** Nothing may follow. */
  finish(): void {
    if (!this.isAtEnd) throw new DerError('bytes follow where the structure ends');
  }

  /** Reads tag and length of the next element; where it ends. */
  #header(tag: number): number {
    const bytes = this.#bytes;
    if (this.isAtEnd) throw new DerError('the bytes end in the middle of a structure');
    const found = bytes[this.#position];
    if (found !== tag) throw new DerError(`expected tag ${hex(tag)}, found ${hex(found)}`);
    if ((tag & 0x1f) === 0x1f) throw new DerError('tags of several bytes are not expected');
    let length = bytes[this.#position + 1] ?? 0x80;
    let start = this.#position + 2;
    if (length >= 0x80) {
      const count = length & 0x7f;
      if (count === 0 || count > 4) throw new DerError('a length is indefinite or too large');
      length = 0;
      for (let i = 0; i < count; i++) length = length * 256 + (bytes[start++] ?? 0);
      if (length < 0x80 || length < 256 ** (count - 1)) {
        throw new DerError('a length is not in its shortest form');
      }
    }
    if (start + length > this.#end) throw new DerError('an element is longer than its container');
    this.#contentStart = start;
    return start + length;
  }
}

function hex(tag: number | undefined): string {
  return tag === undefined ? 'the end' : `0x${tag.toString(16).padStart(2, '0')}`;
}

/** An INTEGER as OpenSSL prints serial numbers: upper case hexadecimal digits, two for each byte. */
export function integerText(content: Uint8Array): string {
  const isNegative = (content[0] ?? 0) >= 0x80;
  const bytes = isNegative ? negated(content) : content;
  let start = 0;
  while (start < bytes.length && bytes[start] === 0) start++;
  if (start === bytes.length) return '0';
  const digits = Buffer.from(bytes.buffer, bytes.byteOffset + start, bytes.length - start);
  return (isNegative ? '-' : '') + digits.toString('hex').toUpperCase();
}

function negated(content: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(content, (byte) => byte ^ 0xff);
  for (let i = bytes.length - 1; i >= 0; i--) {
    bytes[i] = (bytes[i] ?? 0) + 1;
    if (bytes[i] !== 0) break;
  }
  return bytes;
}

/** An OBJECT IDENTIFIER in dotted form. */
export function oidText(content: Uint8Array): string {
  const arcs: bigint[] = [];
  let arc = 0n;
  for (const byte of content) {
    arc = (arc << 7n) | BigInt(byte & 0x7f);
    if (byte >= 0x80) continue;
    arcs.push(arc);
    arc = 0n;
  }
  const first = arcs.shift();
  if (first === undefined || (content.at(-1) ?? 0) >= 0x80) {
    throw new DerError('an object identifier is cut off');
  }
  const root = first < 80n ? first / 40n : 2n;
  return [root, first - root * 40n, ...arcs].join('.');
}

/** The next element, a UTCTime or a GeneralizedTime as RFC 5280 §4.1.2.5 allows them. */
export function readTime(reader: DerReader): Date {
  const isShort = reader.nextTag === Tag.UtcTime;
  const content = reader.read(isShort ? Tag.UtcTime : Tag.GeneralizedTime);
  const text = Buffer.from(content).toString('latin1');
  const parts = (isShort ? /^(\d\d)(\d{10})Z$/ : /^(\d{4})(\d{10})Z$/).exec(text);
  if (parts === null) throw new DerError('a time is not in the form that certificates have');
  const [, yearText = '', rest = ''] = parts;
  const year = isShort ? Number(yearText) + (Number(yearText) < 50 ? 2000 : 1900) : yearText;
  const [month, day, hour, minute, second] = rest.match(/\d\d/g) ?? [];
  const date = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(date.getTime())) throw new DerError('a time does not exist');
  return date;
}
