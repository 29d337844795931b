// Everything in a store as lines of JSON, for other programs: an object a line, each with a `type`. These names are stable; new
// ones may be added. Times are ISO 8601 by the store's clock, payloads and correlation data base64, durations seconds.
//
//   store         format, iothub, exportedAt, lastServedAt       the first line; the version that exported, and when
//   session       session, clientId, username, groups, protocolVersion, sessionExpiryInterval (null = never), createdAt,
//                 disconnectedAt (null = it was connected), queuePolicy (null = as the server says)
//   subscription  session, clientId, topicFilter, qos, noLocal, retainAsPublished, retainHandling, subscriptionIdentifier (0 = none)
//   inflight      session, clientId, sequence, packetId, state "published", and a delivery; or state "released" without one
//   inbound       session, clientId, packetIds                   QoS 2 messages that the client has not released yet
//   will          session, clientId, delayInterval, and a message
//   retained      a message
//   queued        session, clientId, sequence, and a delivery
//   end           lines                                          the last line: how many come before it
//
//   a message:    topic, qos, retain, payload, receivedAt, messageExpiryInterval (null = never), publisher (clientId, username;
//                 null = the server), properties (payloadFormatIndicator, contentType, responseTopic, correlationData,
//                 userProperties: [[name, value]]; those it has)
//   a delivery:   the same with `qos` and `retain` of the delivery, and subscriptionIdentifiers, sharedFilter (null = none)

import { NO_LIMITS } from '../../protocol/decode-limits.ts';
import { type Message, NO_EXPIRY } from '../../protocol/message.ts';
import { PacketType } from '../../protocol/packet.ts';
import { Reader } from '../../protocol/primitives.ts';
import { readProperties } from '../../protocol/properties.ts';
import {
  DeliveryState,
  type RecoveredSession,
  type Storage,
  type StoredDelivery,
} from '../storage.ts';
import { openStore } from './reading.ts';

const NEVER = 0xffff_ffff;
const READ_MAX = 100;

/** Takes a line, without its end; returns when it is taken. */
export type WriteLine = (line: string) => void;

export interface ExportFacts {
  readonly format: number;
  /** The version of this program. */
  readonly iothub: string;
}

/** Opens the store, writes all of it, and closes it. */
export async function exportStore(
  storage: Storage,
  facts: ExportFacts,
  writeLine: WriteLine,
): Promise<void> {
  const { anchor } = await openStore(storage);
  try {
    let lines = 0;
    const write = (fields: object): void => {
      writeLine(JSON.stringify(fields));
      lines++;
    };
    const exportedAt = new Date().toISOString();
    const lastServedAt = anchor === null ? null : isoTime(anchor.storeMs);
    write({ type: 'store', ...facts, exportedAt, lastServedAt });
    const clientIds = new Map<number, string>();
    const queues = new Map<number, number[]>();
    await storage.recover({
      onSession(recovered) {
        clientIds.set(recovered.session.number, recovered.session.clientId);
        writeSession(recovered, write);
      },
      onQueued(session, { sequence }) {
        const queue = queues.get(session);
        if (queue === undefined) queues.set(session, [sequence]);
        else queue.push(sequence);
      },
      onRetained: (message) => write({ type: 'retained', ...messageFields(message) }),
    });
    for (const [session, queue] of queues) {
      const common = { type: 'queued', session, clientId: clientIds.get(session) ?? null };
      for (let i = 0; i < queue.length; i += READ_MAX) {
        const deliveries = await storage.readDeliveries(session, queue.slice(i, i + READ_MAX));
        for (const delivery of deliveries) {
          write({ ...common, sequence: delivery.sequence, ...deliveryFields(delivery) });
        }
      }
    }
    write({ type: 'end', lines });
  } finally {
    await storage.close();
  }
}

function writeSession(recovered: RecoveredSession, write: (fields: object) => void): void {
  const { session, subscriptions, inflight, inboundPacketIds, will } = recovered;
  const of = { session: session.number, clientId: session.clientId };
  const { sessionExpiryInterval: expiry, disconnectedAtMs } = session;
  write({
    type: 'session',
    ...of,
    username: session.username,
    groups: session.groups,
    protocolVersion: session.protocolVersion,
    sessionExpiryInterval: expiry === NEVER ? null : expiry,
    createdAt: isoTime(session.createdAtMs),
    disconnectedAt: disconnectedAtMs === null ? null : isoTime(disconnectedAtMs),
    queuePolicy: session.queuePolicy,
  });
  for (const each of subscriptions) {
    write({
      type: 'subscription',
      ...of,
      topicFilter: each.topicFilter,
      qos: each.qos,
      noLocal: each.noLocal,
      retainAsPublished: each.retainAsPublished,
      retainHandling: each.retainHandling,
      subscriptionIdentifier: each.subscriptionIdentifier,
    });
  }
  for (const delivery of inflight) {
    const { sequence, packetId } = delivery;
    const where = { type: 'inflight', ...of, sequence, packetId };
    if (delivery.state === DeliveryState.Released) write({ ...where, state: 'released' });
    else write({ ...where, state: 'published', ...deliveryFields(delivery) });
  }
  if (inboundPacketIds.length > 0) write({ type: 'inbound', ...of, packetIds: inboundPacketIds });
  if (will === null) return;
  const { message, delayInterval } = will;
  write({ type: 'will', ...of, delayInterval, ...messageFields(message) });
}

function deliveryFields(delivery: StoredDelivery): object {
  const { message, qos, retain, subscriptionIdentifiers, sharedFilter } = delivery;
  return { ...messageFields(message), qos, retain, subscriptionIdentifiers, sharedFilter };
}

function messageFields(message: Message): object {
  const { publisher, messageExpiryInterval: expiry } = message;
  return {
    topic: message.topic.name,
    qos: message.qos,
    retain: message.retain,
    payload: base64(message.payload),
    receivedAt: isoTime(message.receivedAtMs),
    messageExpiryInterval: expiry === NO_EXPIRY ? null : expiry,
    publisher:
      publisher === null ? null : { clientId: publisher.clientId, username: publisher.username },
    properties: propertyFields(message),
  };
}

function propertyFields(message: Message): object {
  const { bytes, propertiesStart, propertiesEnd, propertiesLength } = message;
  if (propertiesLength === 0) return {};
  const section = Buffer.concat([
    variableByteInteger(propertiesLength),
    bytes.subarray(propertiesStart, propertiesEnd),
  ]);
  const reader = new Reader('a stored message', section, 0, section.length);
  const { correlationData, ...properties } = readProperties(reader, PacketType.Publish, NO_LIMITS);
  if (correlationData === undefined) return properties;
  return { ...properties, correlationData: base64(correlationData) };
}

/** MQTT 5 §1.5.5 */
function variableByteInteger(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  do {
    const more = rest > 127;
    bytes.push((rest & 127) | (more ? 128 : 0));
    rest >>>= 7;
  } while (rest > 0);
  return Buffer.from(bytes);
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}

/** Null for what is no time. */
function isoTime(milliseconds: number): string | null {
  const time = new Date(milliseconds);
  return Number.isNaN(time.getTime()) ? null : time.toISOString();
}
