// A message that no PUBLISH brought: a will, or what the server itself publishes. Its properties are those that subscribers get, as
// PUBLISH carries them; expiry and delay are the server's business. MQTT 5 §3.1.3.2, §3.3.2.3.

import { Message, NO_EXPIRY, type Publisher } from '../protocol/message.ts';
import { PacketType, type Properties, type QoS } from '../protocol/packet.ts';
import { Reader, Writer } from '../protocol/primitives.ts';
import { writeProperties } from '../protocol/properties.ts';
import type { Context } from './context.ts';

/** What a message is made of. */
export interface MessageFields {
  readonly topicName: string;
  readonly payload: Uint8Array;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly properties: Properties;
}

/**
 * The message, whose time of receipt is still to be set. Throws ProtocolError when its topic is not valid or past the limits,
 * RangeError when a property cannot be written.
 */
export function messageOf(
  { topics }: Context,
  fields: MessageFields,
  publisher: Publisher | null,
): Message {
  const topic = topics.of(fields.topicName);
  const properties = forwardedProperties(fields.properties);
  const bytes = new Uint8Array(properties.length + fields.payload.length);
  bytes.set(properties);
  bytes.set(fields.payload, properties.length);
  const message = new Message(topic, fields.qos, fields.retain, bytes, properties.length);
  message.messageExpiryInterval = fields.properties.messageExpiryInterval ?? NO_EXPIRY;
  message.publisher = publisher;
  return message;
}

function forwardedProperties(properties: Properties): Uint8Array {
  const writer = new Writer();
  writeProperties(writer, PacketType.Publish, {
    payloadFormatIndicator: properties.payloadFormatIndicator,
    contentType: properties.contentType,
    responseTopic: properties.responseTopic,
    correlationData: properties.correlationData,
    userProperties: properties.userProperties,
  });
  const bytes = writer.finish(0);
  const reader = new Reader('message', bytes, 1, bytes.length);
  reader.variableByteInteger('length', '§1.5.5'); // of the packet
  reader.variableByteInteger('length', '§1.5.5'); // of the properties
  return bytes.subarray(bytes.length - reader.remaining);
}
