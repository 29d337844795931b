// Packets to bytes: one function for every packet, which obeys the receiver's Maximum Packet Size, and the few writers that
// the server's message path calls many times a turn and that allocate nothing. PUBLISH has its own; see
// `publish-encoder.ts`.

import { writeUint16 } from './bytes.ts';
import { type Packet, PacketType, type Properties, type ProtocolVersion } from './packet.ts';
import { type AckType, encodeAck } from './packets/acks.ts';
import { encodeAuth } from './packets/auth.ts';
import { encodeConnack } from './packets/connack.ts';
import { encodeConnect } from './packets/connect.ts';
import { encodeDisconnect } from './packets/disconnect.ts';
import { encodePing } from './packets/ping.ts';
import { encodePublish } from './packets/publish.ts';
import { encodeSuback } from './packets/suback.ts';
import { encodeSubscribe } from './packets/subscribe.ts';
import { encodeUnsuback } from './packets/unsuback.ts';
import { encodeUnsubscribe } from './packets/unsubscribe.ts';

/** PINGRESP as it is always sent. MQTT 5 §3.13 */
export const PINGRESP: Uint8Array = Uint8Array.of(0xd0, 0x00);

/**
 * The packet's bytes in `version` (CONNECT has its own), or null when they are more than `maximumPacketSize`. Where the
 * receiver's limit asks for it User Properties are left out, then the Reason String: so the text for people lives longest.
 * What `version` cannot say is left out too. Throws RangeError for what no packet can say.
 */
export function encodePacket(
  packet: Packet,
  version: ProtocolVersion,
  maximumPacketSize = Number.POSITIVE_INFINITY,
): Uint8Array | null {
  const whole = encode(packet, version);
  if (whole.length <= maximumPacketSize) return whole; // [MQTT-3.1.2-24]
  if (version !== 5 || !mayBeShortened(packet)) return null;
  const properties: Properties = { ...packet.properties };
  // [MQTT-3.2.2-20] [MQTT-3.4.2-3] [MQTT-3.5.2-3] [MQTT-3.6.2-3] [MQTT-3.7.2-3] [MQTT-3.9.2-2] [MQTT-3.11.2-2] [MQTT-3.14.2-4] [MQTT-3.15.2-3]
  delete properties.userProperties;
  const shorter = encode({ ...packet, properties }, version);
  if (shorter.length <= maximumPacketSize) return shorter;
  // [MQTT-3.2.2-19] [MQTT-3.4.2-2] [MQTT-3.5.2-2] [MQTT-3.6.2-2] [MQTT-3.7.2-2] [MQTT-3.9.2-1] [MQTT-3.11.2-1] [MQTT-3.14.2-3] [MQTT-3.15.2-2]
  delete properties.reasonString;
  const shortest = encode({ ...packet, properties }, version);
  return shortest.length <= maximumPacketSize ? shortest : null;
}

type Shortenable = Exclude<
  Packet,
  {
    readonly type:
      | typeof PacketType.Connect
      | typeof PacketType.Publish
      | typeof PacketType.Subscribe
      | typeof PacketType.Unsubscribe
      | typeof PacketType.Pingreq
      | typeof PacketType.Pingresp;
  }
>;

/** Whether the packet may lose its User Properties and Reason String: what carries a request or a message may not. */
function mayBeShortened(packet: Packet): packet is Shortenable {
  switch (packet.type) {
    case PacketType.Connect:
    case PacketType.Publish:
    case PacketType.Subscribe:
    case PacketType.Unsubscribe:
    case PacketType.Pingreq:
    case PacketType.Pingresp:
      return false;
    default:
      return true;
  }
}

function encode(packet: Packet, version: ProtocolVersion): Uint8Array {
  switch (packet.type) {
    case PacketType.Connect:
      return encodeConnect(packet);
    case PacketType.Connack:
      return encodeConnack(packet, version);
    case PacketType.Publish:
      return encodePublish(packet, version);
    case PacketType.Subscribe:
      return encodeSubscribe(packet, version);
    case PacketType.Suback:
      return encodeSuback(packet, version);
    case PacketType.Unsubscribe:
      return encodeUnsubscribe(packet, version);
    case PacketType.Unsuback:
      return encodeUnsuback(packet, version);
    case PacketType.Pingreq:
    case PacketType.Pingresp:
      return encodePing(packet);
    case PacketType.Disconnect:
      return encodeDisconnect(packet, version);
    case PacketType.Auth:
      return encodeAuth(packet, version);
    default:
      return encodeAck(packet, version);
  }
}

/** Writes PUBACK, PUBREC, PUBREL or PUBCOMP with Success in its four-byte form; returns the position after it. */
export function writeAck(target: Uint8Array, at: number, type: AckType, packetId: number): number {
  target[at] = type === PacketType.Pubrel ? 0x62 : type << 4; // [MQTT-3.6.1-1]
  target[at + 1] = 2;
  return writeUint16(target, at + 2, packetId);
}

/** Writes the same with a reason code and no properties, in five bytes, v5 only; returns the position after it. */
export function writeAckWithReason(
  target: Uint8Array,
  at: number,
  type: AckType,
  packetId: number,
  reasonCode: number,
): number {
  const position = writeAck(target, at, type, packetId);
  target[at + 1] = 3;
  target[position] = reasonCode;
  return position + 1;
}
