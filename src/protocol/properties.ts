// Property sections of MQTT 5, read and written by the rows of `property-table.ts` (§2.2.2). The PUBLISH between clients
// is read without objects; see `PublishView`.

import type { DecodeLimits } from './decode-limits.ts';
import { PacketType, type Properties, type UserProperty } from './packet.ts';
import { malformed, protocolError, type Reader, unencodable, type Writer } from './primitives.ts';
import { PROPERTY_ROWS, type PropertyOwner, type PropertyRow } from './property-table.ts';
import { ProtocolError } from './protocol-error.ts';
import { ReasonCode } from './reason-code.ts';

/** What a property section of length 0 means; shared, so frozen. */
export const NO_PROPERTIES: Properties = Object.freeze({});

const byIdentifier = new Map(PROPERTY_ROWS.map((each) => [each.identifier, each]));
const byName = new Map<string, PropertyRow>(PROPERTY_ROWS.map((each) => [each.name, each]));

/**
 * Reads the Property Length and the properties behind it. Throws ProtocolError: MalformedPacket for what is cut off,
 * unknown or not of this packet, ProtocolError for a second one or a forbidden value, TopicAliasInvalid, TopicNameInvalid,
 * QuotaExceeded past `userPropertiesMax`. MQTT 5 §2.2.2.
 */
export function readProperties(
  reader: Reader,
  owner: PropertyOwner,
  limits: DecodeLimits,
): Properties {
  const length = reader.variableByteInteger('the Property Length', 'MQTT-2.2.2-1');
  if (length === 0) return NO_PROPERTIES;
  if (length > reader.remaining) {
    throw malformed('§2.2.2.1', `${reader.packet} ends before its properties do`);
  }
  const packetEnd = reader.end;
  reader.end = reader.position + length;
  const properties = readSection(reader, owner, limits);
  reader.end = packetEnd;
  if (
    properties.authenticationData !== undefined &&
    properties.authenticationMethod === undefined
  ) {
    throw protocolError(
      '§3.1.2.11.10',
      `${reader.packet} has Authentication Data without an Authentication Method`,
    );
  }
  return properties;
}

/** The same for properties without their length, to the end of what the reader has. */
export function readSection(
  reader: Reader,
  owner: PropertyOwner,
  limits: DecodeLimits,
): Properties {
  const properties: Properties = {};
  while (reader.remaining > 0) readProperty(reader, owner, limits, properties);
  return properties;
}

function readProperty(
  reader: Reader,
  owner: PropertyOwner,
  limits: DecodeLimits,
  properties: Properties,
): void {
  const identifier = reader.byte('a property', '§2.2.2.2');
  const row = byIdentifier.get(identifier);
  if (row === undefined || !row.owners.includes(owner)) {
    const hex = identifier.toString(16).padStart(2, '0');
    throw malformed('§2.2.2.2', `property 0x${hex} does not belong in ${reader.packet}`);
  }
  switch (row.kind) {
    case 'pairs':
      properties.userProperties = addUserProperty(reader, row, limits, properties.userProperties);
      return;
    case 'identifiers': {
      const earlier = properties.subscriptionIdentifiers;
      if (earlier !== undefined && owner !== PacketType.Publish) throw twice(reader, row);
      const identifiers = (earlier ?? []) as number[]; // made here, readonly for the rest of the world
      identifiers.push(atLeast(row, reader.variableByteInteger(row.label, row.clause)));
      properties.subscriptionIdentifiers = identifiers;
      return;
    }
    default:
      if (properties[row.name] !== undefined) throw twice(reader, row);
      (properties as Record<string, unknown>)[row.name] = readValue(reader, row);
  }
}

function addUserProperty(
  reader: Reader,
  row: PropertyRow,
  limits: DecodeLimits,
  earlier: readonly UserProperty[] | undefined,
): readonly UserProperty[] {
  const pairs = (earlier ?? []) as UserProperty[]; // made here, readonly for the rest of the world
  if (pairs.length >= limits.userPropertiesMax) {
    throw new ProtocolError(
      ReasonCode.QuotaExceeded,
      'limit user_properties_max',
      `${reader.packet} has more than ${limits.userPropertiesMax} user properties`,
    );
  }
  const name = reader.string(row.label, row.textClause);
  pairs.push([name, reader.string(row.label, row.textClause)]);
  return pairs;
}

function readValue(reader: Reader, row: PropertyRow): unknown {
  switch (row.kind) {
    case 'bit':
      return readBit(reader, row);
    case 'boolean':
      return readBit(reader, row) === 1;
    case 'uint16':
      return atLeast(row, reader.uint16(row.label, row.clause));
    case 'uint32':
      return atLeast(row, reader.uint32(row.label, row.clause));
    case 'binary':
      return reader.binary(row.label, row.clause);
    default: {
      const text = reader.string(row.label, row.textClause);
      const clause = row.kind === 'topic' ? topicFault(text) : null;
      if (clause === null) return text;
      throw new ProtocolError(
        ReasonCode.TopicNameInvalid,
        clause,
        `the ${row.label} is no topic name`,
      );
    }
  }
}

function readBit(reader: Reader, row: PropertyRow): number {
  const value = reader.byte(row.label, row.clause);
  if (value > 1) throw protocolError(row.clause, `${row.label} is ${value}; 0 and 1 are defined`);
  return value;
}

function atLeast(row: PropertyRow, value: number): number {
  if (value >= row.minimum) return value;
  const reasonCode =
    row.name === 'topicAlias' ? ReasonCode.TopicAliasInvalid : ReasonCode.ProtocolError;
  throw new ProtocolError(reasonCode, row.clause, `${row.label} is 0`);
}

function twice(reader: Reader, row: PropertyRow): ProtocolError {
  return protocolError(row.clause, `${reader.packet} has ${row.label} twice`);
}

/** The clause that `text` breaks as a Response Topic, or null. */
function topicFault(text: string): string | null {
  if (text === '') return 'MQTT-4.7.3-1';
  return text.includes('+') || text.includes('#') ? 'MQTT-3.3.2-14' : null;
}

/** Whether there is anything to write. */
export function hasProperties(properties: Properties): boolean {
  for (const value of Object.values(properties)) {
    if (value !== undefined && !(Array.isArray(value) && value.length === 0)) return true;
  }
  return false;
}

/** Writes the Property Length and the properties. Throws RangeError for one that the packet or the wire cannot carry. */
export function writeProperties(
  writer: Writer,
  owner: PropertyOwner,
  properties: Properties,
): void {
  const at = writer.beginSection(); // [MQTT-2.2.2-1]
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined) continue;
    const row = byName.get(name);
    if (row === undefined || !row.owners.includes(owner)) {
      unencodable(`the property ${name} does not belong in this packet`);
    }
    writeProperty(writer, owner, row, value);
  }
  writer.endSection(at);
  if (
    properties.authenticationData !== undefined &&
    properties.authenticationMethod === undefined
  ) {
    unencodable('authenticationData needs an authenticationMethod');
  }
}

function writeProperty(
  writer: Writer,
  owner: PropertyOwner,
  row: PropertyRow,
  value: Properties[keyof Properties],
): void {
  if (row.kind === 'pairs') {
    for (const [name, text] of value as readonly UserProperty[]) {
      writer.byte(row.identifier);
      writer.string(name);
      writer.string(text);
    }
    return;
  }
  if (row.kind === 'identifiers') {
    const identifiers = value as readonly number[];
    if (identifiers.length > 1 && owner !== PacketType.Publish) {
      unencodable('there is more than one Subscription Identifier');
    }
    for (const identifier of identifiers) {
      writer.byte(row.identifier);
      writer.variableByteInteger(sendable(row, identifier));
    }
    return;
  }
  writer.byte(row.identifier);
  writeValue(writer, row, value);
}

function writeValue(writer: Writer, row: PropertyRow, value: unknown): void {
  switch (row.kind) {
    case 'bit':
      if (value !== 0 && value !== 1) unencodable(`${row.name} is neither 0 nor 1`);
      writer.byte(value);
      return;
    case 'boolean':
      writer.byte(value === true ? 1 : 0);
      return;
    case 'uint16':
      writer.uint16(sendable(row, value as number));
      return;
    case 'uint32':
      writer.uint32(sendable(row, value as number));
      return;
    case 'binary':
      writer.binary(value as Uint8Array);
      return;
    default:
      if (row.kind === 'topic' && topicFault(value as string) !== null) {
        unencodable(`${row.name} is no topic name`);
      }
      writer.string(value as string);
  }
}

function sendable(row: PropertyRow, value: number): number {
  if (value < row.minimum) unencodable(`${row.name} is 0`);
  return value;
}
