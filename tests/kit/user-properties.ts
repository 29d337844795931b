// User properties as bytes, and a PUBLISH that has them. MQTT 5 §3.3.2.3.7

import type { UserProperty } from '../../src/protocol/packet.ts';

/** The property section without its length. */
export function userProperties(pairs: readonly UserProperty[]): Uint8Array {
  return Uint8Array.from(
    pairs.flatMap(([name, value]) => [0x26, ...utf8String(name), ...utf8String(value)]),
  );
}

/** PUBLISH of QoS 0 without payload, from a v5 client. */
export function publishWith(topicName: string, pairs: readonly UserProperty[]): Uint8Array {
  const section = userProperties(pairs);
  const body = [...utf8String(topicName), ...variableByteInteger(section.length), ...section];
  return Uint8Array.from([0x30, ...variableByteInteger(body.length), ...body]);
}

function utf8String(text: string): number[] {
  const bytes = new TextEncoder().encode(text);
  return [bytes.length >>> 8, bytes.length & 0xff, ...bytes];
}

function variableByteInteger(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...variableByteInteger(value >>> 7)];
}
