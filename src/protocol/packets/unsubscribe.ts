// UNSUBSCRIBE (§3.10). Whether its topic filters are valid is not checked here: the server answers filter by filter.

import { type DecodeLimits, NO_LIMITS } from '../decode-limits.ts';
import { PacketType, type ProtocolVersion, type UnsubscribePacket } from '../packet.ts';
import { protocolError, Reader, unencodable, Writer } from '../primitives.ts';
import { NO_PROPERTIES, readProperties, writeProperties } from '../properties.ts';
import { checkFixedFlags } from './fixed-header.ts';
import { tooManyFilters } from './too-many-filters.ts';

/** Reads the body of an UNSUBSCRIBE. Throws ProtocolError. */
export function decodeUnsubscribe(
  header: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  version: ProtocolVersion,
  limits: DecodeLimits = NO_LIMITS,
): UnsubscribePacket {
  checkFixedFlags('UNSUBSCRIBE', header, 2, version, 'MQTT-3.10.1-1');
  const reader = new Reader('UNSUBSCRIBE', bytes, start, end);
  const packetId = reader.packetId();
  const properties =
    version === 5 ? readProperties(reader, PacketType.Unsubscribe, limits) : NO_PROPERTIES;
  if (reader.remaining === 0) {
    throw protocolError('MQTT-3.10.3-2', 'UNSUBSCRIBE has no topic filter');
  }
  const topicFilters: string[] = [];
  while (reader.remaining > 0) {
    if (topicFilters.length >= limits.filtersPerPacketMax) {
      throw tooManyFilters('UNSUBSCRIBE', limits);
    }
    topicFilters.push(reader.string('a Topic Filter', 'MQTT-3.10.3-1'));
  }
  return { type: PacketType.Unsubscribe, packetId, topicFilters, properties };
}

/** The packet's bytes; v3 leaves the properties out. Throws RangeError. */
export function encodeUnsubscribe(packet: UnsubscribePacket, version: ProtocolVersion): Uint8Array {
  if (packet.topicFilters.length === 0) {
    unencodable('UNSUBSCRIBE has no filter'); // [MQTT-3.10.3-2]
  }
  const writer = new Writer();
  writer.packetId(packet.packetId);
  if (version === 5) writeProperties(writer, PacketType.Unsubscribe, packet.properties);
  for (const topicFilter of packet.topicFilters) writer.string(topicFilter);
  return writer.finish((PacketType.Unsubscribe << 4) | 2);
}
