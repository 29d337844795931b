// CONNECT (§3.1): a client's first packet, the only one whose version is in itself. MQTT 3.1, 3.1.1 and 5.0 differ in their
// protocol names, their properties and in how strict they are about flags; where 3.1 said nothing, it is believed.

import { type DecodeLimits, NO_LIMITS } from '../decode-limits.ts';
import { checkTopicName } from '../filter.ts';
import {
  type ConnectPacket,
  PacketType,
  type ProtocolVersion,
  type QoS,
  type Will,
} from '../packet.ts';
import { malformed, Reader, unencodable, Writer } from '../primitives.ts';
import { NO_PROPERTIES, readProperties, writeProperties } from '../properties.ts';
import { WILL } from '../property-table.ts';
import { ProtocolError } from '../protocol-error.ts';
import { ReasonCode } from '../reason-code.ts';
import { checkFixedFlags } from './fixed-header.ts';

const NAME_V3 = 'MQIsdp';
const NAME = 'MQTT';
/** Set in the protocol level by clients that are bridges. Not in the specification, but customary. */
const BRIDGE_BIT = 0x80;

// Connect Flags, §3.1.2.3
const RESERVED = 0x01;
const CLEAN_START = 0x02;
const WILL_FLAG = 0x04;
const WILL_RETAIN = 0x20;
const PASSWORD = 0x40;
const USER_NAME = 0x80;

/** What a CONNECT says about its version, valid or not. */
export interface ConnectVersion {
  /** `MQTT` or `MQIsdp` */
  readonly nameIsValid: boolean;
  /** Without the bridge bit; 0 when the packet ends before it. */
  readonly level: number;
}

/**
 * Looks only at the protocol name and level, so that a CONNECT that `decodeConnect` refuses can be answered in a form that
 * its sender understands. Never throws. MQTT 5 §3.1.2.1.
 */
export function connectVersion(bytes: Uint8Array, start: number, end: number): ConnectVersion {
  if (start + 2 > end) return { nameIsValid: false, level: 0 };
  const nameStart = start + 2;
  const nameEnd = nameStart + ((bytes[start] << 8) | bytes[start + 1]);
  if (nameEnd > end) return { nameIsValid: false, level: 0 };
  const nameIsValid =
    holds(bytes, nameStart, nameEnd, NAME) || holds(bytes, nameStart, nameEnd, NAME_V3);
  return { nameIsValid, level: nameEnd < end ? bytes[nameEnd] & ~BRIDGE_BIT : 0 };
}

function holds(bytes: Uint8Array, start: number, end: number, ascii: string): boolean {
  if (end - start !== ascii.length) return false;
  for (let i = 0; i < ascii.length; i++) {
    if (bytes[start + i] !== ascii.charCodeAt(i)) return false;
  }
  return true;
}

/**
 * Reads the body of a CONNECT whose first byte is `header`. Throws ProtocolError: UnsupportedProtocolVersion, MalformedPacket, ProtocolError,
 * TopicNameInvalid (the will's topic), QuotaExceeded. An empty client identifier is the server's business.
 */
export function decodeConnect(
  bytes: Uint8Array,
  start: number,
  end: number,
  limits: DecodeLimits = NO_LIMITS,
  header = 0,
): ConnectPacket {
  checkFixedFlags('CONNECT', header, 0);
  const reader = new Reader('CONNECT', bytes, start, end);
  const { version, isBridge } = readVersion(reader);
  const connect = reader.byte('the Connect Flags', '§3.1.2.3');
  checkConnectFlags(connect, version);
  const keepAlive = reader.uint16('the Keep Alive', '§3.1.2.10');
  const properties =
    version === 5 ? readProperties(reader, PacketType.Connect, limits) : NO_PROPERTIES;
  const clientId = reader.string(
    'the Client Identifier',
    reader.remaining === 0 ? 'MQTT-3.1.3-3' : 'MQTT-3.1.3-4',
  );
  const will = (connect & WILL_FLAG) === 0 ? null : readWill(reader, connect, version, limits);
  // In 3.1 what the connect announce may be missing: the Remaining Length takes precedence. MQTT 3.1 §3.1
  const hasMore = () => version !== 3 || reader.remaining > 0;
  const username =
    (connect & USER_NAME) !== 0 && hasMore()
      ? reader.string('the User Name', reader.remaining === 0 ? 'MQTT-3.1.2-17' : 'MQTT-3.1.3-12')
      : null;
  const password =
    (connect & PASSWORD) !== 0 && hasMore() ? reader.binary('the Password', 'MQTT-3.1.2-19') : null;
  reader.finish(surplusClause(connect));
  return {
    type: PacketType.Connect,
    protocolVersion: version,
    isBridge,
    cleanStart: (connect & CLEAN_START) !== 0,
    keepAlive,
    clientId,
    will,
    username,
    password,
    properties,
  };
}

/** What is broken by bytes that no flag announces. */
function surplusClause(flags: number): string {
  if ((flags & USER_NAME) === 0) return 'MQTT-3.1.2-16';
  return (flags & PASSWORD) === 0 ? 'MQTT-3.1.2-18' : '§3.1.3';
}

function readVersion(reader: Reader): { version: ProtocolVersion; isBridge: boolean } {
  const name = reader.string('the Protocol Name', 'MQTT-3.1.2-1');
  if (name !== NAME && name !== NAME_V3) {
    throw unsupported('MQTT-3.1.2-1', `the protocol name is ${JSON.stringify(name.slice(0, 32))}`);
  }
  const level = reader.byte('the Protocol Version', '§3.1.2.2');
  const isBridge = level === (BRIDGE_BIT | 3) || level === (BRIDGE_BIT | 4);
  const version = isBridge ? level & ~BRIDGE_BIT : level;
  if (name === NAME_V3 ? version === 3 : version === 4 || version === 5) {
    return { version: version as ProtocolVersion, isBridge };
  }
  throw unsupported('MQTT-3.1.2-2', `${name} has no protocol level ${level} here`);
}

function checkConnectFlags(flags: number, version: ProtocolVersion): void {
  if ((flags & (USER_NAME | PASSWORD)) === PASSWORD && version !== 5) {
    throw malformed('MQTT-3.1.2-22', 'CONNECT has a Password without a User Name'); // 3.1.1
  }
  if ((flags & WILL_FLAG) !== 0 && willQoS(flags) === 3) {
    throw malformed('MQTT-3.1.2-12', 'CONNECT has both Will QoS bits set');
  }
  if (version === 3) return; // 3.1 leaves the rest undefined
  if ((flags & RESERVED) !== 0)
    throw malformed('MQTT-3.1.2-3', 'CONNECT has the reserved flag set');
  if ((flags & WILL_FLAG) !== 0) return;
  if (willQoS(flags) !== 0) {
    throw malformed('MQTT-3.1.2-11', 'CONNECT has a Will QoS but no Will Flag');
  }
  if ((flags & WILL_RETAIN) !== 0) {
    throw malformed('MQTT-3.1.2-13', 'CONNECT has Will Retain but no Will Flag');
  }
}

function willQoS(flags: number): number {
  return (flags >> 3) & 3;
}

function readWill(
  reader: Reader,
  flags: number,
  version: ProtocolVersion,
  limits: DecodeLimits,
): Will {
  const properties = version === 5 ? readProperties(reader, WILL, limits) : NO_PROPERTIES;
  const topicName = reader.string(
    'the Will Topic',
    reader.remaining === 0 ? 'MQTT-3.1.2-9' : 'MQTT-3.1.3-11',
  );
  checkTopicName(topicName, limits);
  const payload = reader.binary('the Will Payload', 'MQTT-3.1.2-9');
  const qos = willQoS(flags) as QoS;
  return { topicName, payload, qos, retain: (flags & WILL_RETAIN) !== 0, properties };
}

function unsupported(clause: string, message: string): ProtocolError {
  return new ProtocolError(ReasonCode.UnsupportedProtocolVersion, clause, message);
}

/** The packet's bytes, in its own `protocolVersion`. Throws RangeError for what cannot be said in it. */
export function encodeConnect(packet: ConnectPacket): Uint8Array {
  const { protocolVersion: version, will, username, password } = packet;
  if (password !== null && username === null && version !== 5) {
    unencodable('a password needs a user name'); // 3.1.1 [MQTT-3.1.2-22]
  }
  if (packet.isBridge && version === 5) unencodable('MQTT 5 has no bridge bit');
  const writer = new Writer(128);
  writer.string(version === 3 ? NAME_V3 : NAME);
  writer.byte(packet.isBridge ? version | BRIDGE_BIT : version);
  writer.byte(connectFlags(packet));
  writer.uint16(packet.keepAlive);
  if (version === 5) writeProperties(writer, PacketType.Connect, packet.properties);
  writer.string(packet.clientId);
  if (will !== null) {
    if (version === 5) writeProperties(writer, WILL, will.properties);
    writer.topicName(will.topicName);
    writer.binary(will.payload);
  }
  if (username !== null) writer.string(username);
  if (password !== null) writer.binary(password);
  return writer.finish(PacketType.Connect << 4);
}

function connectFlags({ cleanStart, will, username, password }: ConnectPacket): number {
  let flags = cleanStart ? CLEAN_START : 0;
  if (will !== null && will.qos > 2) unencodable('the will has QoS 3'); // [MQTT-3.1.2-12]
  if (will !== null) flags |= WILL_FLAG | (will.qos << 3) | (will.retain ? WILL_RETAIN : 0);
  if (username !== null) flags |= USER_NAME;
  return password !== null ? flags | PASSWORD : flags;
}
