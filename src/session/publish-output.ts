// One PUBLISH into one output, by the cheapest way: copied from the form that was encoded once for all subscribers alike, or
// encoded in place, a large payload shared instead of copied. MQTT 5 §3.3.

import { copyView, writeVariableByteInteger } from '../protocol/bytes.ts';
import type { Message } from '../protocol/message.ts';
import {
  type Delivery,
  packetSize,
  publishRemainingLength,
  writePublishHead,
  writePublishPayload,
} from '../protocol/publish-encoder.ts';
import type { EncodeOnce } from './encode-once.ts';
import type { Output } from './output.ts';

/** Payloads from here on are not copied into the output buffer but shared by all subscribers. */
const SHARED_PAYLOAD_MIN = 8_192;

/** Appends the packet; returns its size in bytes. */
export function appendPublish(
  output: Output,
  message: Message,
  delivery: Delivery,
  encodeOnce: EncodeOnce,
): number {
  if (isForwardedAsIs(message, delivery)) return forward(output, message, delivery);
  const form = encodeOnce.get(message, delivery);
  if (form !== null) {
    const { packetIdOffset, size } = form;
    output.reserve(size);
    const { buffer, length: start } = output;
    copyView(form.view, 0, size, output.view, start);
    if (delivery.qos > 0) {
      buffer[start + packetIdOffset] = delivery.packetId >>> 8;
      buffer[start + packetIdOffset + 1] = delivery.packetId & 0xff;
    }
    output.length = start + size;
    return size;
  }
  const remainingLength = publishRemainingLength(message, delivery);
  const size = packetSize(remainingLength);
  const payloadLength = message.payloadLength;
  if (payloadLength >= SHARED_PAYLOAD_MIN) {
    output.reserve(size - payloadLength);
    output.length = writePublishHead(
      message,
      delivery,
      remainingLength,
      output.buffer,
      output.length,
    );
    output.appendShared(message.own().payload);
    return size;
  }
  output.reserve(size);
  const position = writePublishHead(
    message,
    delivery,
    remainingLength,
    output.buffer,
    output.length,
  );
  output.length = writePublishPayload(message, output.buffer, position);
  return size;
}

/** Whether the subscriber gets, after the fixed header, just what the publisher sent, but for the packet id. */
function isForwardedAsIs(message: Message, delivery: Delivery): boolean {
  return (
    message.rawStart >= 0 &&
    message.rawIsV5 === (delivery.version === 5) &&
    message.qos > 0 === delivery.qos > 0 &&
    delivery.topicAlias === 0 &&
    delivery.subscriptionIdentifiers.length === 0 &&
    message.payloadEnd - message.payloadStart < SHARED_PAYLOAD_MIN
  );
}

/** A fixed header of its own, and one copy of what came. */
function forward(output: Output, message: Message, delivery: Delivery): number {
  const { rawStart, payloadEnd } = message;
  const remainingLength = payloadEnd - rawStart;
  const size = packetSize(remainingLength);
  output.reserve(size);
  const { buffer } = output;
  const start = output.length;
  buffer[start] = 0x30 | (delivery.dup ? 8 : 0) | (delivery.qos << 1) | (delivery.retain ? 1 : 0);
  const body = writeVariableByteInteger(buffer, start + 1, remainingLength);
  copyView(message.view, rawStart, payloadEnd, output.view, body);
  if (delivery.qos > 0) {
    const id = body + message.topic.wire.length;
    buffer[id] = delivery.packetId >>> 8;
    buffer[id + 1] = delivery.packetId & 0xff;
  }
  output.length = start + size;
  return size;
}

/** The packet by itself, for one that must wait. */
export function encodePublish(message: Message, delivery: Delivery): Uint8Array {
  const remainingLength = publishRemainingLength(message, delivery);
  const bytes = new Uint8Array(packetSize(remainingLength));
  const position = writePublishHead(message, delivery, remainingLength, bytes, 0);
  writePublishPayload(message, bytes, position);
  return bytes;
}

/** Bytes that the packet will take. */
export function publishSize(message: Message, delivery: Delivery): number {
  return packetSize(publishRemainingLength(message, delivery));
}
