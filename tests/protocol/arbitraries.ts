// Arbitrary packets for the random tests: everything that can be written, in each version, for each receiver.

import fc from 'fast-check';
import type { Role } from '../../src/protocol/decode-limits.ts';
import {
  type AckPacket,
  type Packet,
  PacketType,
  type Properties,
  type ProtocolVersion,
} from '../../src/protocol/packet.ts';
import { NO_PROPERTIES } from '../../src/protocol/properties.ts';
import {
  PROPERTY_ROWS,
  type PropertyOwner,
  type PropertyRow,
  WILL,
} from '../../src/protocol/property-table.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { LEGAL_REASON_CODES } from '../../src/protocol/reason-code-table.ts';

const text = fc
  .string({ unit: 'binary', maxLength: 20 })
  .map((value) => value.replaceAll('\0', '\ufeff'));
const topicName = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 20 })
  .map((value) => value.replaceAll(/[\0+#]/g, '/'));
const bytes = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 400 }));
const qos = fc.constantFrom(0, 1, 2);
const packetId = fc.integer({ min: 1, max: 65_535 });
const identifier = fc.oneof(
  fc.integer({ min: 1, max: 200 }),
  fc.constantFrom(127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455),
);

function propertyValue(row: PropertyRow, owner: PropertyOwner): fc.Arbitrary<unknown> {
  switch (row.kind) {
    case 'bit':
      return fc.constantFrom(0, 1);
    case 'boolean':
      return fc.boolean();
    case 'uint16':
      return fc.integer({ min: row.minimum, max: 0xffff });
    case 'uint32':
      return fc.integer({ min: row.minimum, max: 0xffff_ffff });
    case 'binary':
      return bytes;
    case 'topic':
      return topicName;
    case 'identifiers':
      return fc.array(identifier, {
        minLength: 1,
        maxLength: owner === PacketType.Publish ? 4 : 1,
      });
    case 'pairs':
      return fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 4 });
    default:
      return text;
  }
}

function propertiesOf(owner: PropertyOwner, version: ProtocolVersion): fc.Arbitrary<Properties> {
  if (version !== 5) return fc.constant(NO_PROPERTIES);
  const model: Record<string, fc.Arbitrary<unknown>> = {};
  for (const row of PROPERTY_ROWS) {
    if (row.owners.includes(owner)) model[row.name] = propertyValue(row, owner);
  }
  return fc.record(model, { requiredKeys: [] }).map((properties: Properties) => {
    const { authenticationMethod, ...rest } = properties;
    if (authenticationMethod === undefined) delete rest.authenticationData;
    return authenticationMethod === undefined ? rest : { ...rest, authenticationMethod };
  });
}

function connect(version: ProtocolVersion): fc.Arbitrary<Packet> {
  const will = fc.record({
    topicName,
    payload: bytes,
    qos,
    retain: fc.boolean(),
    properties: propertiesOf(WILL, version),
  });
  return fc
    .record({
      type: fc.constant(PacketType.Connect),
      protocolVersion: fc.constant(version),
      isBridge: version === 5 ? fc.constant(false) : fc.boolean(),
      cleanStart: fc.boolean(),
      keepAlive: fc.integer({ min: 0, max: 65_535 }),
      clientId: text,
      will: fc.option(will),
      username: fc.option(text),
      password: fc.option(bytes),
      properties: propertiesOf(PacketType.Connect, version),
    })
    .map((packet) =>
      version !== 5 && packet.username === null ? { ...packet, password: null } : packet,
    ) as fc.Arbitrary<Packet>;
}

function connack(version: ProtocolVersion): fc.Arbitrary<Packet> {
  const codes = version === 5 ? LEGAL_REASON_CODES[PacketType.Connack] : [0, 1, 2, 3, 4, 5];
  return fc
    .record({
      type: fc.constant(PacketType.Connack),
      sessionPresent: fc.boolean(),
      reasonCode: fc.constantFrom<number>(...codes),
      properties: propertiesOf(PacketType.Connack, version),
    })
    .map((packet) => {
      const sessionPresent = packet.sessionPresent && packet.reasonCode === 0 && version !== 3;
      return { ...packet, sessionPresent };
    });
}

function publish(version: ProtocolVersion, role: Role): fc.Arbitrary<Packet> {
  return fc
    .record({
      type: fc.constant(PacketType.Publish),
      dup: fc.boolean(),
      qos,
      retain: fc.boolean(),
      topicName,
      packetId,
      payload: bytes,
      properties: propertiesOf(PacketType.Publish, version),
    })
    .map((packet) => {
      const properties: Properties = { ...packet.properties };
      if (role === 'server') delete properties.subscriptionIdentifiers;
      const isAliased = properties.topicAlias !== undefined && packet.retain;
      return {
        ...packet,
        properties,
        topicName: isAliased ? '' : packet.topicName,
        dup: packet.dup && packet.qos > 0,
        packetId: packet.qos === 0 ? 0 : packet.packetId,
      };
    }) as fc.Arbitrary<Packet>;
}

function ack(type: AckPacket['type'], version: ProtocolVersion): fc.Arbitrary<Packet> {
  return fc.record({
    type: fc.constant(type),
    packetId,
    reasonCode:
      version === 5
        ? fc.constantFrom(...LEGAL_REASON_CODES[type])
        : fc.constant(ReasonCode.Success),
    properties: propertiesOf(type, version),
  });
}

function subscribe(version: ProtocolVersion): fc.Arbitrary<Packet> {
  const isV5 = version === 5;
  const request = fc.record({
    topicFilter: text,
    qos,
    noLocal: isV5 ? fc.boolean() : fc.constant(false),
    retainAsPublished: isV5 ? fc.boolean() : fc.constant(false),
    retainHandling: isV5 ? fc.constantFrom(0, 1, 2) : fc.constant(0),
  });
  return fc.record({
    type: fc.constant(PacketType.Subscribe),
    packetId,
    subscriptions: fc.array(request, { minLength: 1, maxLength: 5 }),
    properties: propertiesOf(PacketType.Subscribe, version),
  }) as fc.Arbitrary<Packet>;
}

function suback(version: ProtocolVersion): fc.Arbitrary<Packet> {
  const codes = version === 5 ? LEGAL_REASON_CODES[PacketType.Suback] : [0, 1, 2, 0x80];
  return fc.record({
    type: fc.constant(PacketType.Suback),
    packetId,
    reasonCodes: fc.array(fc.constantFrom<number>(...codes), { minLength: 1, maxLength: 5 }),
    properties: propertiesOf(PacketType.Suback, version),
  });
}

function unsubscribe(version: ProtocolVersion): fc.Arbitrary<Packet> {
  return fc.record({
    type: fc.constant(PacketType.Unsubscribe),
    packetId,
    topicFilters: fc.array(text, { minLength: 1, maxLength: 5 }),
    properties: propertiesOf(PacketType.Unsubscribe, version),
  });
}

function unsuback(version: ProtocolVersion): fc.Arbitrary<Packet> {
  const codes = fc.constantFrom<number>(...LEGAL_REASON_CODES[PacketType.Unsuback]);
  return fc.record({
    type: fc.constant(PacketType.Unsuback),
    packetId,
    reasonCodes: version === 5 ? fc.array(codes, { minLength: 1, maxLength: 5 }) : fc.constant([]),
    properties: propertiesOf(PacketType.Unsuback, version),
  });
}

function disconnect(version: ProtocolVersion, role: Role): fc.Arbitrary<Packet> {
  if (version !== 5) {
    return fc.constant({ type: PacketType.Disconnect, reasonCode: 0, properties: NO_PROPERTIES });
  }
  return fc
    .record({
      type: fc.constant(PacketType.Disconnect),
      reasonCode: fc.constantFrom(...LEGAL_REASON_CODES[PacketType.Disconnect]),
      properties: propertiesOf(PacketType.Disconnect, version),
    })
    .map((packet) => {
      const properties: Properties = { ...packet.properties };
      if (role === 'client') delete properties.sessionExpiryInterval;
      return { ...packet, properties };
    });
}

function auth(): fc.Arbitrary<Packet> {
  return fc.record({
    type: fc.constant(PacketType.Auth),
    reasonCode: fc.constantFrom(...LEGAL_REASON_CODES[PacketType.Auth]),
    properties: fc
      .tuple(propertiesOf(PacketType.Auth, 5), text)
      .map(([properties, authenticationMethod]) => ({ ...properties, authenticationMethod })),
  });
}

/** Any packet that `role` may receive in `version`. */
export function anyPacket(version: ProtocolVersion, role: Role): fc.Arbitrary<Packet> {
  const both = [
    publish(version, role),
    ack(PacketType.Puback, version),
    ack(PacketType.Pubrec, version),
    ack(PacketType.Pubrel, version),
    ack(PacketType.Pubcomp, version),
    disconnect(version, role),
    ...(version === 5 ? [auth()] : []),
  ];
  if (role === 'client') {
    const pingresp = fc.constant<Packet>({ type: PacketType.Pingresp });
    return fc.oneof(...both, connack(version), suback(version), unsuback(version), pingresp);
  }
  const pingreq = fc.constant<Packet>({ type: PacketType.Pingreq });
  return fc.oneof(...both, connect(version), subscribe(version), unsubscribe(version), pingreq);
}

/** Bytes of a valid packet with a few of them changed, left out, put in or cut off. */
export function mutations(): fc.Arbitrary<(bytes: Uint8Array) => Uint8Array> {
  const change = fc.record({
    at: fc.nat({ max: 10_000 }),
    kind: fc.constantFrom('set', 'insert', 'remove', 'truncate'),
    byte: fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.integer({ min: 0, max: 255 })),
  });
  return fc.array(change, { minLength: 1, maxLength: 4 }).map((changes) => (original) => {
    const mutated = [...original];
    for (const { at, kind, byte } of changes) {
      const index = mutated.length === 0 ? 0 : at % mutated.length;
      if (kind === 'set') mutated[index] = byte;
      else if (kind === 'insert') mutated.splice(index, 0, byte);
      else if (kind === 'remove') mutated.splice(index, 1);
      else mutated.length = index;
    }
    return Uint8Array.from(mutated);
  });
}
