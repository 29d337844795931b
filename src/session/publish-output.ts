// One PUBLISH into one output, by the cheapest way: copied from the form that was encoded once for all subscribers alike, or
// encoded in place, a large payload shared instead of copied. MQTT 5 §3.3.

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
  const form = encodeOnce.get(message, delivery);
  if (form !== null) {
    const { packetIdOffset, size } = form;
    output.reserve(size);
    const { buffer, length: start } = output;
    buffer.set(form.bytes.subarray(0, size), start);
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
