// A message of the server's own, that an operator asked for: it goes the way of every message, from nobody.

import { DropReason } from '../../core/drop.ts';
import type { Message } from '../../protocol/message.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import type { Context } from '../../session/context.ts';
import { distribute } from '../../session/distribute.ts';
import { messageOf } from '../../session/own-message.ts';
import type { PublishOutcome, PublishRequest } from '../contract/management.ts';
import { ControlError } from '../contract.ts';
import { needStore, whenDurable } from './durable.ts';
import { needOthersTopic } from './names.ts';
import { readBytes, readProperties, wellFormed } from './payload.ts';

/** Resolves when what was promised is durable: for QoS 1 and 2, that whose session is stored gets it. */
export async function publish(context: Context, request: PublishRequest): Promise<PublishOutcome> {
  const { clock, drops, commits, retained } = context;
  const message = checkedMessage(context, request);
  if (message.qos > 0) needStore(context);
  const nowMs = clock.now();
  message.receivedAtMs = nowMs;
  const refusedBefore = drops.counts[DropReason.RetainedLimit];
  const subscribers = distribute(context, message, nowMs);
  const isKept = drops.counts[DropReason.RetainedLimit] === refusedBefore;
  const isRetained = message.retain && isKept && retained.get(message.topic.name, nowMs) !== null;
  if (message.qos > 0) await whenDurable(commits);
  return { subscribers, isRetained };
}

/** Throws ControlError for what no client might publish either, whoever it is. */
function checkedMessage(context: Context, request: PublishRequest): Message {
  const { limits } = context;
  const { encoding = 'utf8', properties = {}, qos = 0, retain = false, topic } = request;
  needOthersTopic(topic);
  if (qos > limits.qosMax) {
    throw new ControlError('invalid', `QoS ${qos} is above limits.qos_max, ${limits.qosMax}`);
  }
  if (retain && !limits.retainAvailable) {
    throw new ControlError('invalid', 'nothing is retained here: limits.retain_available is false');
  }
  wellFormed(topic, 'topic');
  const payload = readBytes(request.payload, encoding, 'payload');
  const fields = { topicName: topic, payload, qos, retain, properties: readProperties(properties) };
  const message = made(context, fields);
  if (message.size <= limits.packetSizeMax) return message;
  const sizes = `${message.size} bytes, and limits.packet_size_max is ${limits.packetSizeMax}`;
  throw new ControlError('invalid', `the message is too large: ${sizes}`);
}

function made(context: Context, fields: Parameters<typeof messageOf>[1]): Message {
  try {
    return messageOf(context, fields, null);
  } catch (error) {
    if (!(error instanceof ProtocolError || error instanceof RangeError)) throw error;
    throw new ControlError('invalid', `${JSON.stringify(fields.topicName)}: ${error.message}`);
  }
}
