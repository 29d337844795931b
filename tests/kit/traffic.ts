// Bytes that tests need many of: PUBLISH packets in bulk, and the SUBSCRIBE that comes before what a test is about.

import type { TestServer, WireClient } from './wire.ts';

export interface PublishFields {
  readonly topicName: string;
  /** Default: empty. */
  readonly payload?: string | Uint8Array;
  readonly qos?: 0 | 1 | 2;
  readonly packetId?: number;
  readonly retain?: boolean;
  readonly dup?: boolean;
}

/** PUBLISH as v5 clients and servers write it, without properties. */
export function publishV5(fields: PublishFields): Uint8Array {
  return publishPacket(fields, [0]);
}

/** PUBLISH as v3 clients and servers write it. */
export function publishV3(fields: PublishFields): Uint8Array {
  return publishPacket(fields, []);
}

function publishPacket(fields: PublishFields, properties: readonly number[]): Uint8Array {
  const { topicName, payload = '', qos = 0, packetId = 1, retain = false, dup = false } = fields;
  const topic = new TextEncoder().encode(topicName);
  const content = typeof payload === 'string' ? new TextEncoder().encode(payload) : payload;
  const head = [topic.length >>> 8, topic.length & 0xff, ...topic];
  if (qos > 0) head.push(packetId >>> 8, packetId & 0xff);
  head.push(...properties);
  const header = [0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0)];
  let rest = head.length + content.length;
  do {
    header.push((rest & 127) | (rest > 127 ? 128 : 0));
    rest >>>= 7;
  } while (rest > 0);
  const bytes = new Uint8Array(header.length + head.length + content.length);
  bytes.set(header);
  bytes.set(head, header.length);
  bytes.set(content, header.length + head.length);
  return bytes;
}

/** Several packets as one piece of the stream. */
export function joined(packets: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(packets.flatMap((packet) => [...packet]));
}

/** Four hex digits. */
export function hex16(value: number): string {
  return value.toString(16).padStart(4, '0');
}

/** A v5 client subscribes, with packet id 9, and is granted it; `options` is the byte after the filter. */
export async function subscribeV5(
  client: WireClient,
  topicFilter: string,
  options = 0,
  properties = '',
): Promise<void> {
  const propertiesLength = properties.replaceAll(/\s/g, '').length / 2;
  const filterLength = new TextEncoder().encode(topicFilter).length;
  const remaining = 2 + 1 + propertiesLength + 2 + filterLength + 1;
  await client.send(`
    82 ${byte(remaining)}          // SUBSCRIBE
    0009                           // packet id
    ${byte(propertiesLength)} ${properties}
    ${hex16(filterLength)} '${topicFilter}'
    ${byte(options)}`);
  await client.expect(`90 04 0009 00 ${byte(options & 3)}`);
}

/** The same for v3. */
export async function subscribeV3(
  client: WireClient,
  topicFilter: string,
  qos: 0 | 1 | 2 = 0,
): Promise<void> {
  const filterLength = new TextEncoder().encode(topicFilter).length;
  await client.send(`
    82 ${byte(2 + 2 + filterLength + 1)} // SUBSCRIBE
    0009                           // packet id
    ${hex16(filterLength)} '${topicFilter}'
    ${byte(qos)}`);
  await client.expect(`90 03 0009 ${byte(qos)}`);
}

/** A v5 client that has subscribed, and whose SUBACK has come. */
export async function subscriberV5(
  broker: TestServer,
  clientId: string,
  topicFilter: string,
  options = 0,
  connectProperties = '',
): Promise<WireClient> {
  const client = await broker.v5(clientId, true, connectProperties);
  await subscribeV5(client, topicFilter, options);
  return client;
}

/** The same for v3.1.1. */
export async function subscriberV3(
  broker: TestServer,
  clientId: string,
  topicFilter: string,
  qos: 0 | 1 | 2 = 0,
  cleanSession = true,
): Promise<WireClient> {
  const client = await broker.v3(clientId, cleanSession);
  await subscribeV3(client, topicFilter, qos);
  return client;
}

function byte(value: number): string {
  if (value > 127) throw new Error('too long for this helper');
  return value.toString(16).padStart(2, '0');
}
