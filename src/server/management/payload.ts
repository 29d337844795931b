// A payload and the properties of a message as JSON has them.

import { NO_LIMITS } from '../../protocol/decode-limits.ts';
import type { Message } from '../../protocol/message.ts';
import { PacketType, type Properties } from '../../protocol/packet.ts';
import { Reader } from '../../protocol/primitives.ts';
import { readSection } from '../../protocol/properties.ts';
import type { MessageProperties, ShownPayload } from '../contract/management.ts';
import { ControlError } from '../contract.ts';

/** The first `max` bytes of it, as text if they are text. */
export function shownPayload(payload: Uint8Array, max: number): ShownPayload {
  const isClipped = payload.length > max;
  const bytes = payload.subarray(0, max);
  const text = textOf(bytes, isClipped);
  if (text !== null) return { encoding: 'utf8', payload: text, isClipped };
  return { encoding: 'base64', payload: Buffer.from(bytes).toString('base64'), isClipped };
}

/** Null for what is no UTF-8; where it was cut, a character that is not whole is left out. */
function textOf(bytes: Uint8Array, isClipped: boolean): string | null {
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    return decoder.decode(bytes, { stream: isClipped });
  } catch {
    return null;
  }
}

export function shownProperties(message: Message): MessageProperties {
  const { bytes, messageExpiryInterval, propertiesEnd, propertiesStart } = message;
  const reader = new Reader('PUBLISH', bytes, propertiesStart, propertiesEnd);
  const said = readSection(reader, PacketType.Publish, NO_LIMITS);
  const { contentType, correlationData, payloadFormatIndicator, responseTopic, userProperties } =
    said;
  return {
    ...{ payloadFormatIndicator, contentType, responseTopic, userProperties },
    messageExpiryInterval: messageExpiryInterval < 0 ? undefined : messageExpiryInterval,
    correlationData:
      correlationData === undefined ? undefined : Buffer.from(correlationData).toString('base64'),
  };
}

/** Throws ControlError for what is no base64. */
export function readBytes(text: string, encoding: 'utf8' | 'base64', what: string): Uint8Array {
  if (encoding === 'utf8') return new TextEncoder().encode(wellFormed(text, what));
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64').replace(/=+$/, '') === text.replace(/=+$/, '')) return bytes;
  throw new ControlError('invalid', `the ${what} is not base64`);
}

/** Throws ControlError for what no UTF-8 can say. */
export function readProperties(said: MessageProperties): Properties {
  const { contentType, correlationData, responseTopic, userProperties = [] } = said;
  for (const text of [contentType, responseTopic, ...userProperties.flat()]) {
    if (text !== undefined) wellFormed(text, 'property', true);
  }
  return {
    ...said,
    userProperties,
    correlationData:
      correlationData === undefined
        ? undefined
        : readBytes(correlationData, 'base64', 'correlation data'),
  };
}

/** The text; throws ControlError for what no UTF-8 can say. MQTT strings have no U+0000 besides. [MQTT-1.5.4-2] */
export function wellFormed(text: string, what: string, isString = false): string {
  if (/\p{Surrogate}/u.test(text)) {
    throw new ControlError('invalid', `the ${what} has half a character (a lone surrogate)`);
  }
  if (isString && text.includes('\0')) {
    throw new ControlError('invalid', `the ${what} has U+0000`);
  }
  return text;
}
