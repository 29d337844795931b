// The message that a question is about: one that is never published, and whose payload does not exist.

import { checkTopicName } from '../../protocol/filter.ts';
import { Message, type Publisher } from '../../protocol/message.ts';
import type { ProtocolVersion } from '../../protocol/packet.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import { Delivery } from '../../protocol/publish-encoder.ts';
import { Topic } from '../../protocol/topic.ts';
import { publishSize } from '../../session/publish-output.ts';
import type { QosNumber } from '../contract/explain.ts';
import { ControlError } from '../contract.ts';

const NO_LIMITS = { topicLengthMax: 65_535, topicLevelsMax: 65_535 };

/** Throws ControlError for what is no topic name, whatever the limits. */
export function checkAsked(topicName: string): void {
  const problem = topicProblem(topicName, NO_LIMITS);
  if (problem === null) return;
  throw new ControlError('invalid', `${JSON.stringify(topicName)}: ${problem}`);
}

/** Why it cannot be the topic of a PUBLISH; null: it can. */
export function topicProblem(
  topicName: string,
  limits: { readonly topicLengthMax: number; readonly topicLevelsMax: number },
): string | null {
  try {
    checkTopicName(topicName, limits);
    return null;
  } catch (error) {
    if (error instanceof ProtocolError) return error.message;
    throw error;
  }
}

export interface AskedMessage {
  readonly topic: string;
  readonly qos: QosNumber;
  readonly retain: boolean;
  readonly size: number;
}

/** Its topic is in no table, and its payload has a length and no bytes: it may be looked at, not sent. */
export function messageOf(
  asked: AskedMessage,
  publisher: Publisher | null,
  nowMs: number,
): Message {
  const name = new TextEncoder().encode(asked.topic);
  const wire = Uint8Array.of(name.length >>> 8, name.length & 0xff, ...name);
  const topic = new Topic(asked.topic, wire, 0);
  const message = new Message(topic, asked.qos, asked.retain, new Uint8Array(0), 0);
  message.payloadEnd = asked.size;
  message.receivedAtMs = nowMs;
  message.publisher = publisher;
  return message;
}

/** Bytes of its PUBLISH, without properties. */
export function packetSizeOf(message: Message, version: ProtocolVersion): number {
  const delivery = new Delivery();
  delivery.version = version;
  delivery.qos = message.qos;
  return publishSize(message, delivery);
}
