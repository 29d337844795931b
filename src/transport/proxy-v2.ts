// PROXY protocol version 2: a signature, what kind of connection it is, the addresses, then records of type, length and value
// (TLVs), some of them inside of others. Every length is checked against what surrounds it; a type that is not read here is
// skipped, one that is read may come once: of two names nobody knows which one the balancer meant. proxy-protocol.txt §2.2

import { addressOfBytes } from '../lib/address.ts';
import { crc32c } from '../lib/crc32c.ts';
import {
  headerOf,
  hexByte,
  invalid,
  MORE,
  type ProxyHeader,
  type ProxyHeaderResult,
  type ProxyTls,
} from './proxy-header.ts';

export const PROXY_V2_SIGNATURE = Uint8Array.of(
  ...[0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a],
);

/** Signature, version and command, family and protocol, length of the rest. */
const FIXED_BYTES = 16;
const COMMAND_LOCAL = 0;
const COMMAND_PROXY = 1;
const FAMILY_UNSPEC = 0;
const FAMILY_INET = 1;
const FAMILY_UNIX = 3;
/** Bytes of both addresses and ports, by family: none, IPv4, IPv6, unix. */
const ADDRESS_BYTES = [0, 12, 36, 216];
const UNIX_PATH_BYTES = 108;
const PROTOCOL_STREAM = 1;
const PROTOCOL_MAX = 2;

const Tlv = {
  Alpn: 0x01,
  Authority: 0x02,
  Crc32c: 0x03,
  UniqueId: 0x05,
  Tls: 0x20,
  TlsVersion: 0x21,
  TlsCommonName: 0x22,
  TlsCipher: 0x23,
  TlsCertificate: 0x28,
  NetworkNamespace: 0x30,
} as const;

/** Type and length. */
const TLV_HEAD_BYTES = 3;
const CRC_BYTES = 4;
const UNIQUE_ID_BYTES_MAX = 128;
/** One byte of flags, four of the result of the verification. §2.2.6 */
const TLS_HEAD_BYTES = 5;
const CLIENT_TLS = 0x01;
/** It showed a certificate on this connection, or on an earlier one of its TLS session. */
const CLIENT_CERTIFICATE = 0x02 | 0x04;

/** The header whose signature is there, or the first bytes of it. */
export function readProxyV2(
  bytes: Uint8Array,
  length: number,
  bytesMax: number,
): ProxyHeaderResult {
  if (length < 13) return MORE;
  const command = bytes[12] & 0x0f;
  if (bytes[12] >>> 4 !== 2) return broken(`its version is ${bytes[12] >>> 4}, and must be 2`);
  if (command !== COMMAND_LOCAL && command !== COMMAND_PROXY) {
    return broken(`its command is ${command}, and must be 0 (LOCAL) or 1 (PROXY)`);
  }
  if (length < 14) return MORE;
  const family = bytes[13] >>> 4;
  const protocol = bytes[13] & 0x0f;
  const isLocal = command === COMMAND_LOCAL; // its family is ignored
  if (!isLocal && (family >= ADDRESS_BYTES.length || protocol > PROTOCOL_MAX)) {
    return broken(`${hexByte(bytes[13])} is no address family and protocol that it may have`);
  }
  if (length < FIXED_BYTES) return MORE;
  const end = FIXED_BYTES + bytes[14] * 256 + bytes[15];
  if (end > bytesMax) return broken(`it has ${end} bytes, and may have ${bytesMax}`);
  if (!isLocal && end < FIXED_BYTES + ADDRESS_BYTES[family]) {
    return broken(
      `it has ${end} bytes, too few for the addresses of its family ${hexByte(bytes[13])}`,
    );
  }
  if (length < end) return MORE;
  // Such a header speaks of no connection like this one, and the rest of it is ignored. §2.2
  const isOfStream = family !== FAMILY_UNSPEC && protocol === PROTOCOL_STREAM;
  if (isLocal || !isOfStream) return headerOf(2, end, null);
  const found = withAddress(bytes, end, family);
  const problem = readRecords(bytes, FIXED_BYTES + ADDRESS_BYTES[family], end, found);
  return problem === null ? found : broken(problem);
}

function broken(why: string): ProxyHeaderResult {
  return invalid(`PROXY header of version 2: ${why}`);
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function withAddress(bytes: Uint8Array, end: number, family: number): Mutable<ProxyHeader> {
  if (family === FAMILY_UNIX) {
    const path = bytes.subarray(FIXED_BYTES, FIXED_BYTES + UNIX_PATH_BYTES);
    const pathEnd = path.indexOf(0);
    return headerOf(2, end, null, textOf(path, 0, pathEnd < 0 ? path.length : pathEnd));
  }
  const addressBytes = family === FAMILY_INET ? 4 : 16;
  const portAt = FIXED_BYTES + 2 * addressBytes;
  const port = bytes[portAt] * 256 + bytes[portAt + 1];
  return headerOf(2, end, { address: addressOfBytes(bytes, FIXED_BYTES, addressBytes), port });
}

/** Walks over the records of `bytes[start..end)`; one that does not fit ends the walk with a problem. */
class Records {
  type = 0;
  /** The value is `bytes[start..end)`. */
  start = 0;
  end: number;
  problem: string | null = null;
  readonly #bytes: Uint8Array;
  readonly #limit: number;
  readonly #seen = new Set<number>();

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.end = start;
    this.#limit = end;
  }

  next(): boolean {
    if (this.problem !== null || this.end === this.#limit) return false;
    const start = this.end + TLV_HEAD_BYTES;
    if (start > this.#limit) {
      this.problem = `${this.#limit - this.end} bytes are left after its last record, too few for another`;
      return false;
    }
    this.type = this.#bytes[start - 3];
    const length = this.#bytes[start - 2] * 256 + this.#bytes[start - 1];
    if (start + length > this.#limit) {
      this.problem = `its record ${hexByte(this.type)} has a length of ${length} bytes, and ${this.#limit - start} are left`;
      return false;
    }
    this.start = start;
    this.end = start + length;
    return true;
  }

  /** The record is read, which is possible once for each type; false is a problem. */
  once(): boolean {
    if (this.#seen.has(this.type)) {
      this.problem = `its record ${hexByte(this.type)} comes twice`;
      return false;
    }
    this.#seen.add(this.type);
    return true;
  }

  /** The value as text; null if it is empty. What is no text is a problem. */
  text(): string | null {
    if (!this.once()) return null;
    const text = textOf(this.#bytes, this.start, this.end);
    if (text === null && this.start < this.end) {
      this.problem = `its record ${hexByte(this.type)} is not UTF-8 or has control characters`;
    }
    return text;
  }
}

/** Reads what is known into `found`; returns what is wrong, or null. */
function readRecords(
  bytes: Uint8Array,
  start: number,
  end: number,
  found: Mutable<ProxyHeader>,
): string | null {
  const records = new Records(bytes, start, end);
  while (records.next()) {
    switch (records.type) {
      case Tlv.Alpn:
        found.alpn = records.text();
        break;
      case Tlv.Authority:
        found.authority = records.text();
        break;
      case Tlv.NetworkNamespace:
        found.networkNamespace = records.text();
        break;
      case Tlv.UniqueId:
        readUniqueId(bytes, records, found);
        break;
      case Tlv.Crc32c:
        checkSum(bytes, end, records);
        break;
      case Tlv.Tls:
        readTls(bytes, records, found);
        break;
      default: // also NOOP
    }
  }
  return records.problem;
}

function readUniqueId(bytes: Uint8Array, records: Records, found: Mutable<ProxyHeader>): void {
  const { start, end } = records;
  if (!records.once()) return;
  if (end - start > UNIQUE_ID_BYTES_MAX) {
    records.problem = `its unique id has ${end - start} bytes, and may have ${UNIQUE_ID_BYTES_MAX}`;
    return;
  }
  if (end === start) return;
  const id = bytes.subarray(start, end);
  found.uniqueId = textOf(bytes, start, end) ?? `0x${Buffer.from(id).toString('hex')}`;
}

const ZEROS = new Uint8Array(CRC_BYTES);

/** The sum is that of the whole header with zeros in its own place. §2.2.3 */
function checkSum(bytes: Uint8Array, headerEnd: number, records: Records): void {
  const { start, end } = records;
  if (!records.once()) return;
  if (end - start !== CRC_BYTES) {
    records.problem = `its checksum has ${end - start} bytes, and must have ${CRC_BYTES}`;
    return;
  }
  const before = crc32c(bytes, 0, start);
  const computed = crc32c(bytes, end, headerEnd, crc32c(ZEROS, 0, CRC_BYTES, before));
  const sent = Buffer.from(bytes.subarray(start, end)).readUInt32BE();
  if (computed === sent) return;
  records.problem = `its checksum (CRC-32C) is 0x${sent.toString(16)}, but that of its bytes is 0x${computed.toString(16)}`;
}

/** §2.2.6. A result of 0 without a certificate means nothing: that is also what a balancer sends that did not ask for one. */
function readTls(bytes: Uint8Array, outer: Records, found: Mutable<ProxyHeader>): void {
  const { start, end } = outer;
  if (!outer.once()) return;
  if (end - start < TLS_HEAD_BYTES) {
    outer.problem = `its record ${hexByte(Tlv.Tls)} has ${end - start} bytes, and must have ${TLS_HEAD_BYTES} at least`;
    return;
  }
  const flags = bytes[start];
  const isVerifyZero = bytes
    .subarray(start + 1, start + TLS_HEAD_BYTES)
    .every((byte) => byte === 0);
  const isTls = (flags & CLIENT_TLS) !== 0;
  const isCertificateVerified = isTls && (flags & CLIENT_CERTIFICATE) !== 0 && isVerifyZero;
  const tls: Mutable<ProxyTls> = {
    isTls,
    isCertificateVerified,
    version: null,
    cipher: null,
    commonName: null,
    certificate: null,
  };
  const inner = new Records(bytes, start + TLS_HEAD_BYTES, end);
  while (inner.next()) {
    if (inner.type === Tlv.TlsVersion) tls.version = inner.text();
    else if (inner.type === Tlv.TlsCipher) tls.cipher = inner.text();
    else if (inner.type === Tlv.TlsCommonName) tls.commonName = inner.text();
    else if (inner.type === Tlv.TlsCertificate && inner.once())
      tls.certificate = Uint8Array.from(bytes.subarray(inner.start, inner.end));
  }
  outer.problem = inner.problem;
  if (!isTls) tls.version = tls.cipher = null;
  if (!isCertificateVerified) tls.commonName = tls.certificate = null;
  found.tls = tls;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** `bytes[start..end)` as text; null if it is empty, not UTF-8, or has control characters. */
function textOf(bytes: Uint8Array, start: number, end: number): string | null {
  if (start === end) return null;
  let text: string;
  try {
    text = UTF8.decode(bytes.subarray(start, end));
  } catch {
    return null;
  }
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return null;
  }
  return text;
}
