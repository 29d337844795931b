// SUBSCRIBE (§3.8). Whether its topic filters are valid is not checked here: the server answers filter by filter.

import { type DecodeLimits, NO_LIMITS } from '../decode-limits.ts';
import {
  PacketType,
  type ProtocolVersion,
  type QoS,
  type RetainHandling,
  type SubscribePacket,
  type SubscriptionRequest,
} from '../packet.ts';
import { malformed, protocolError, Reader, unencodable, Writer } from '../primitives.ts';
import { NO_PROPERTIES, readProperties, writeProperties } from '../properties.ts';
import { checkFixedFlags } from './fixed-header.ts';
import { tooManyFilters } from './too-many-filters.ts';

// Subscription Options, §3.8.3.1
const NO_LOCAL = 0x04;
const RETAIN_AS_PUBLISHED = 0x08;
const RESERVED_V5 = 0xc0;
const RESERVED_V4 = 0xfc;

/** Reads the body of a SUBSCRIBE. Throws ProtocolError. */
export function decodeSubscribe(
  header: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  version: ProtocolVersion,
  limits: DecodeLimits = NO_LIMITS,
): SubscribePacket {
  checkFixedFlags('SUBSCRIBE', header, 2, version, 'MQTT-3.8.1-1');
  const reader = new Reader('SUBSCRIBE', bytes, start, end);
  const packetId = reader.packetId();
  const properties =
    version === 5 ? readProperties(reader, PacketType.Subscribe, limits) : NO_PROPERTIES;
  if (reader.remaining === 0) throw protocolError('MQTT-3.8.3-2', 'SUBSCRIBE has no topic filter');
  const subscriptions: SubscriptionRequest[] = [];
  while (reader.remaining > 0) {
    if (subscriptions.length >= limits.filtersPerPacketMax) {
      throw tooManyFilters('SUBSCRIBE', limits);
    }
    const topicFilter = reader.string('a Topic Filter', 'MQTT-3.8.3-1');
    const options = reader.byte('the Subscription Options', '§3.8.3.1');
    subscriptions.push(readOptions(topicFilter, options, version));
  }
  return { type: PacketType.Subscribe, packetId, subscriptions, properties };
}

function readOptions(
  topicFilter: string,
  options: number,
  version: ProtocolVersion,
): SubscriptionRequest {
  const qos = options & 3;
  if (version !== 5) {
    if (version === 4 && (options & RESERVED_V4) !== 0) {
      throw malformed('MQTT-3.8.3-4', 'SUBSCRIBE has reserved bits set'); // 3.1.1
    }
    if (qos === 3) throw malformed('MQTT-3.8.3-4', 'SUBSCRIBE asks for QoS 3'); // 3.1.1
    return {
      topicFilter,
      qos: qos as QoS,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
    };
  }
  if ((options & RESERVED_V5) !== 0) {
    throw malformed('MQTT-3.8.3-5', 'SUBSCRIBE has reserved option bits set');
  }
  if (qos === 3) throw protocolError('§3.8.3.1', 'SUBSCRIBE asks for QoS 3');
  const retainHandling = (options >> 4) & 3;
  if (retainHandling === 3) throw protocolError('§3.8.3.1', 'SUBSCRIBE has Retain Handling 3');
  return {
    topicFilter,
    qos: qos as QoS,
    noLocal: (options & NO_LOCAL) !== 0,
    retainAsPublished: (options & RETAIN_AS_PUBLISHED) !== 0,
    retainHandling: retainHandling as RetainHandling,
  };
}

/** The packet's bytes; v3 leaves properties and every option but QoS out. Throws RangeError. */
export function encodeSubscribe(packet: SubscribePacket, version: ProtocolVersion): Uint8Array {
  if (packet.subscriptions.length === 0) unencodable('SUBSCRIBE has no filter'); // [MQTT-3.8.3-2]
  const writer = new Writer();
  writer.packetId(packet.packetId);
  if (version === 5) writeProperties(writer, PacketType.Subscribe, packet.properties);
  for (const request of packet.subscriptions) {
    writer.string(request.topicFilter);
    writer.byte(version === 5 ? optionsOf(request) : sendableQoS(request.qos));
  }
  return writer.finish((PacketType.Subscribe << 4) | 2);
}

function optionsOf(request: SubscriptionRequest): number {
  const { retainHandling } = request;
  if (retainHandling !== 0 && retainHandling !== 1 && retainHandling !== 2) {
    unencodable(`there is no Retain Handling ${retainHandling}`);
  }
  return (
    sendableQoS(request.qos) |
    (request.noLocal ? NO_LOCAL : 0) |
    (request.retainAsPublished ? RETAIN_AS_PUBLISHED : 0) |
    (retainHandling << 4)
  );
}

function sendableQoS(qos: number): number {
  if (qos !== 0 && qos !== 1 && qos !== 2) unencodable(`there is no QoS ${qos}`);
  return qos;
}
