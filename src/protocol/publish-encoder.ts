// PUBLISH as the server writes it, straight from a Message into an output buffer. The caller asks for the size first, makes
// room, then writes: nothing is allocated here. MQTT 5 §3.3.

import {
  copyBytes,
  variableByteIntegerLength,
  writeUint16,
  writeUint32,
  writeVariableByteInteger,
} from './bytes.ts';
import { type Message, NO_EXPIRY } from './message.ts';
import type { ProtocolVersion, QoS } from './packet.ts';

const NO_IDENTIFIERS: readonly number[] = [];

/** What one subscriber's copy of a message looks like; filled anew for each, never kept. */
export class Delivery {
  version: ProtocolVersion = 4;
  qos: QoS = 0;
  retain = false;
  dup = false;
  /** 0 at QoS 0 */
  packetId = 0;
  /** [MQTT-3.3.4-3] */
  subscriptionIdentifiers: readonly number[] = NO_IDENTIFIERS;
  /** 0 = none */
  topicAlias = 0;
  /** false: the alias alone stands for the topic. MQTT 5 §3.3.2.3.4 */
  withTopic = true;
  /** seconds left, or NO_EXPIRY */
  messageExpiryInterval: number = NO_EXPIRY;
}

/** Length of the property section that `delivery` of `message` has, without its own length field. v5 only. */
function propertiesLength(message: Message, delivery: Delivery): number {
  let length = message.propertiesEnd - message.propertiesStart;
  if (delivery.messageExpiryInterval !== NO_EXPIRY) length += 5;
  if (delivery.topicAlias !== 0) length += 3;
  const identifiers = delivery.subscriptionIdentifiers;
  for (let i = 0; i < identifiers.length; i++) {
    length += 1 + variableByteIntegerLength(identifiers[i]);
  }
  return length;
}

/** The packet's Remaining Length. */
export function publishRemainingLength(message: Message, delivery: Delivery): number {
  let length =
    (delivery.withTopic ? message.topic.wire.length : 2) +
    message.payloadEnd -
    message.payloadStart;
  if (delivery.qos > 0) length += 2;
  if (delivery.version === 5) {
    const properties = propertiesLength(message, delivery);
    length += variableByteIntegerLength(properties) + properties;
  }
  return length;
}

/** Bytes of the whole packet whose Remaining Length is given. */
export function packetSize(remainingLength: number): number {
  return 1 + variableByteIntegerLength(remainingLength) + remainingLength;
}

/** Where the packet id lies that `writePublishHead` wrote last, relative to the packet's first byte; for patching copies. */
export function packetIdOffset(message: Message, remainingLength: number): number {
  return 1 + variableByteIntegerLength(remainingLength) + message.topic.wire.length;
}

/** Writes everything but the payload at `target[at..)`; returns the position after it. */
export function writePublishHead(
  message: Message,
  delivery: Delivery,
  remainingLength: number,
  target: Uint8Array,
  at: number,
): number {
  let position = at;
  target[position++] =
    0x30 | (delivery.dup ? 8 : 0) | (delivery.qos << 1) | (delivery.retain ? 1 : 0);
  position = writeVariableByteInteger(target, position, remainingLength);
  if (delivery.withTopic) {
    const wire = message.topic.wire;
    position = copyBytes(wire, 0, wire.length, target, position);
  } else {
    position = writeUint16(target, position, 0);
  }
  if (delivery.qos > 0) position = writeUint16(target, position, delivery.packetId);
  if (delivery.version !== 5) return position;
  position = writeVariableByteInteger(target, position, propertiesLength(message, delivery));
  if (delivery.messageExpiryInterval !== NO_EXPIRY) {
    target[position++] = 0x02;
    position = writeUint32(target, position, delivery.messageExpiryInterval);
  }
  if (delivery.topicAlias !== 0) {
    target[position++] = 0x23;
    position = writeUint16(target, position, delivery.topicAlias);
  }
  const identifiers = delivery.subscriptionIdentifiers;
  for (let i = 0; i < identifiers.length; i++) {
    target[position++] = 0x0b;
    position = writeVariableByteInteger(target, position, identifiers[i]);
  }
  return copyBytes(message.bytes, message.propertiesStart, message.propertiesEnd, target, position);
}

/** Writes the payload at `target[at..)`; returns the position after it. */
export function writePublishPayload(message: Message, target: Uint8Array, at: number): number {
  return copyBytes(message.bytes, message.payloadStart, message.payloadEnd, target, at);
}
