// PUBLISH (§3.3) in its friendly form, for library users, tests and tools. The server's message path reads it through
// `PublishView` and writes it with `publish-encoder.ts`; both must agree with this file.

import { type DecodeLimits, NO_LIMITS, type Role } from '../decode-limits.ts';
import { checkTopicName } from '../filter.ts';
import { PacketType, type ProtocolVersion, type PublishPacket, type QoS } from '../packet.ts';
import { malformed, protocolError, Reader, unencodable, Writer } from '../primitives.ts';
import { NO_PROPERTIES, readProperties, writeProperties } from '../properties.ts';

const DUP = 0x08;
const RETAIN = 0x01;

/** Reads the body of a PUBLISH as `role` receives it; its payload is a copy. Throws ProtocolError. */
export function decodePublish(
  header: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  version: ProtocolVersion,
  limits: DecodeLimits = NO_LIMITS,
  role: Role = 'server',
): PublishPacket {
  const qos = (header >> 1) & 3;
  const dup = (header & DUP) !== 0;
  if (qos === 3) throw malformed('MQTT-3.3.1-4', 'PUBLISH has both QoS bits set');
  if (qos === 0 && dup) throw malformed('MQTT-3.3.1-2', 'PUBLISH has DUP set at QoS 0');
  const reader = new Reader('PUBLISH', bytes, start, end);
  const topicName = reader.string('the Topic Name', 'MQTT-3.3.2-1');
  const packetId = qos === 0 ? 0 : reader.packetId();
  const properties =
    version === 5 ? readProperties(reader, PacketType.Publish, limits) : NO_PROPERTIES;
  if (role === 'server' && properties.subscriptionIdentifiers !== undefined) {
    throw protocolError('MQTT-3.3.4-6', 'a client’s PUBLISH carries a Subscription Identifier');
  }
  if (topicName !== '') {
    checkTopicName(topicName, limits, 'MQTT-3.3.2-2');
  } else if (properties.topicAlias === undefined) {
    throw protocolError('MQTT-4.7.3-1', 'PUBLISH has neither a Topic Name nor a Topic Alias');
  }
  return {
    type: PacketType.Publish,
    dup,
    qos: qos as QoS,
    retain: (header & RETAIN) !== 0,
    topicName,
    packetId,
    payload: reader.rest(),
    properties,
  };
}

/** The packet's bytes; v3 leaves the properties out. Throws RangeError. */
export function encodePublish(packet: PublishPacket, version: ProtocolVersion): Uint8Array {
  const { dup, qos, retain, topicName, packetId, payload, properties } = packet;
  if (qos !== 0 && qos !== 1 && qos !== 2) unencodable(`there is no QoS ${qos}`); // [MQTT-3.3.1-4]
  if (qos === 0 && dup) unencodable('DUP at QoS 0'); // [MQTT-3.3.1-2]
  if (qos === 0 && packetId !== 0) unencodable('a packet identifier at QoS 0'); // [MQTT-2.2.1-2]
  const writer = new Writer(payload.length + 64);
  if (topicName === '' && version === 5 && properties.topicAlias !== undefined) writer.string('');
  else writer.topicName(topicName);
  if (qos > 0) writer.packetId(packetId);
  if (version === 5) writeProperties(writer, PacketType.Publish, properties);
  writer.raw(payload);
  const flags = (dup ? DUP : 0) | (qos << 1) | (retain ? RETAIN : 0);
  return writer.finish((PacketType.Publish << 4) | flags);
}
